/**
 * Lists of mail addresses (RFC 5322 3.4 and 4.4), and what is written instead: names without quotes, dots and commas in
 * them, addresses without a domain, UUCP paths, raw UTF-8 (RFC 6532), missing brackets. Structure is read before
 * encoded-words are decoded, so that a comma in one never makes two addresses. Nothing throws.
 */
import { withoutComments } from './parameters.ts';
import { decodeWords } from './words.ts';

export interface Address {
  /** Display name, decoded; '' when there is none. */
  readonly name: string;
  /** `local@domain`, a bare local name, or a UUCP path; '' for an empty `<>`. */
  readonly address: string;
}

/** One address list is parsed up to this length; what follows is left out. */
const LONGEST = 4_000_000;
/** RFC 5321 4.5.3.1 allows 256; what is much longer is not looked at closely. */
const LONGEST_ADDRESS = 2000;

/**
 * The addresses of a list, groups flattened, comments taken as names where there is no other. `text` is unfolded or not,
 * its encoded-words are decoded here. What is no address at all (`undisclosed recipients`) gives none.
 */
export function parseAddresses(text: string, hints: readonly string[] = []): Address[] {
  const trimmed = text.trim();
  const simple = /^(?:"([^"\\<>()]*)" ?|([\w .'-]*))<([\w.+-]+@[\w.-]+)>$/.exec(trimmed);
  if (simple) return [{ name: cleanName(simple[1] ?? simple[2] ?? '', hints), address: simple[3] ?? '' }];
  if (/^[\w.+-]+@[\w.-]+$/.test(trimmed)) return [{ name: '', address: trimmed }];
  return parseList(text.length > LONGEST ? text.slice(0, LONGEST) : text, hints);
}

/** As it stands in a header of text: `Lee <lee@example.org>`, the name in quotes where it must be. */
export function formatAddress({ name, address }: Address): string {
  if (name === '') return address;
  const plain =
    name.length < LONGEST_ADDRESS &&
    /^[\w!#$%&'*+\-/=?^`{|}~\u0080-\u{10ffff}]+( [\w!#$%&'*+\-/=?^`{|}~\u0080-\u{10ffff}]+)*$/u.test(name);
  return `${plain ? name : `"${name.replace(/[\\"]/g, '\\$&')}"`} <${address}>`;
}

/** What stands before the last `@`: the user of a local address; a UUCP path's last name. */
export function localPart(address: string): string {
  const at = address.lastIndexOf('@');
  if (at >= 0) return address.slice(0, at);
  return address.slice(address.lastIndexOf('!') + 1);
}

/** What has been read of one address so far. */
interface Pending {
  /** Words before the bracket, as written; quoted strings without quotes. */
  words: Word[];
  /** What stood in brackets. */
  bracket: string | undefined;
  comments: string[];
}

interface Word {
  readonly text: string;
  readonly quoted: boolean;
  /** White space before it: it does not touch the word before. */
  readonly apart: boolean;
}

/** Set when a quote or parenthesis was found that never closes: from then on they are characters to skip. */
interface Lone {
  quote: boolean;
  parenthesis: boolean;
}

const start = (): Pending => ({ words: [], bracket: undefined, comments: [] });

function parseList(text: string, hints: readonly string[]): Address[] {
  const found: Address[] = [];
  let pending = start();
  let apart = false;
  let inGroup = false;
  const lone: Lone = { quote: false, parenthesis: false };
  const finish = (): void => {
    for (const address of addressesOf(pending, hints)) found.push(address);
    pending = start();
  };
  for (let at = 0; at < text.length; ) {
    const character = text[at] ?? '';
    if (/\s/.test(character)) {
      apart = true;
      at++;
      continue;
    }
    if (character === ',' || character === ';') {
      finish();
      if (character === ';') inGroup = false;
      at++;
    } else if (character === '(') {
      const [comment, end] = commentAt(text, at, lone);
      // Behind a bracket a comment says something about the address; before one, or with none, it is the name.
      if (comment !== '' && pending.bracket === undefined) pending.comments.push(comment);
      at = end;
      apart = true;
      continue;
    } else if (character === '"') {
      const [quoted, end] = quotedAt(text, at, lone);
      if (end > at + 1) pending.words.push({ text: quoted, quoted: true, apart });
      at = end;
    } else if (character === '<' && text[at + 1] === '<') at++;
    else if (character === '<') {
      const end = bracketEnd(text, at, lone);
      // A second bracket without a comma begins another address.
      if (pending.bracket !== undefined) finish();
      pending.bracket = text.slice(at + 1, end);
      at = text[end] === '>' ? end + 1 : end;
    } else if (character === ':' && !inGroup && pending.bracket === undefined && isPhrase(pending)) {
      pending = start();
      inGroup = true;
      at++;
    } else if (character === '>' || character === ')') at++;
    else {
      const end = atomEnd(text, at, inGroup);
      const word = text.slice(at, end);
      // Words behind the bracket are the name, written at the wrong place; another address forgot its comma.
      if (pending.bracket !== undefined && word.includes('@')) finish();
      pending.words.push({ text: word, quoted: false, apart });
      at = end;
    }
    apart = false;
  }
  finish();
  return found;
}

/** What stands before a group's colon is its name, unless it looks like an address (`news:x@y` is none either way). */
const isPhrase = ({ words }: Pending): boolean =>
  words.length > 0 && !words.some(({ text, quoted }) => !quoted && text.includes('@'));

function addressesOf({ words, bracket, comments }: Pending, hints: readonly string[]): Address[] {
  if (bracket !== undefined) {
    const name = words.length > 0 ? phrase(words) : (comments.at(-1) ?? '');
    return [{ name: cleanName(name, hints), address: cleanAddress(bracket) }];
  }
  if (words.length === 0) return [];
  if (
    words.length > 1 &&
    words.every(({ text, quoted, apart }, index) => !quoted && /^[^@]+@[^@]+$/.test(text) && (apart || index === 0))
  ) {
    return words.map(({ text }) => ({ name: '', address: cleanAddress(text) }));
  }
  const [first, last] = addressWords(words);
  if (first >= 0) {
    const name = [...words.slice(0, first), ...words.slice(last + 1)];
    const address = words
      .slice(first, last + 1)
      .map(written)
      .join('');
    return [
      {
        name: cleanName(name.length > 0 ? phrase(name) : (comments.at(-1) ?? ''), hints),
        address: cleanAddress(address),
      },
    ];
  }
  // A local name or a UUCP path; several words are a name without an address.
  const bare = phrase(words);
  if (words.length === 1 && !bare.startsWith('=?'))
    return [{ name: cleanName(comments.at(-1) ?? '', hints), address: bare }];
  return [{ name: cleanName(bare, hints), address: '' }];
}

/** The words that make `local@domain` written without brackets, blanks around `@` and dots allowed (RFC 5322 4.4). */
function addressWords(words: readonly Word[]): [number, number] {
  const at = words.findLastIndex(({ text, quoted }) => !quoted && text.includes('@'));
  if (at < 0) return [-1, -1];
  let first = at;
  let last = at;
  while (first > 0 && touches(words, first)) first--;
  while (last + 1 < words.length && touches(words, last + 1)) last++;
  return [first, last];
}

/** True when the word belongs to the one before: no blank between, or a dot or `@` that reaches over it. */
function touches(words: readonly Word[], index: number): boolean {
  const one = words[index];
  const previous = words[index - 1];
  if (one === undefined || previous === undefined) return false;
  if (!one.apart) return true;
  return (!one.quoted && /^[@.]/.test(one.text)) || (!previous.quoted && /[@.]$/.test(previous.text));
}

const written = ({ text, quoted }: Word): string => (quoted ? `"${text.replace(/[\\"]/g, '\\$&')}"` : text);

function phrase(words: readonly Word[]): string {
  return words.map(({ text, apart }, index) => (index > 0 && apart ? ` ${text}` : text)).join('');
}

/** The address in brackets: comments, blanks, a source route (RFC 5322 4.4) and stray brackets taken off. */
function cleanAddress(bracket: string): string {
  let text = bracket;
  if (text.includes('(')) text = withoutComments(text);
  const quoted = text.length > LONGEST_ADDRESS ? null : /^\s*"((?:[^"\\]|\\.)*)"\s*@([^"]*)$/s.exec(text);
  if (quoted) return `${quotedLocal(quoted[1] ?? '')}@${(quoted[2] ?? '').replace(/\s+/g, '')}`;
  text = text.replace(/\s+/g, '').replace(/^<+/, '');
  const route = /^@[^:]*:(.+)$/.exec(text);
  if (route) text = route[1] ?? text;
  return text.replace(/^mailto:/i, '');
}

/** A local part that was quoted: the quotes stay only where they must (RFC 5321 4.1.2). */
function quotedLocal(inside: string): string {
  const plain = inside.replace(/\\(.)/gs, '$1');
  return /^[\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*$/.test(plain) ? plain : `"${inside}"`;
}

/** A display name: words decoded, blanks as one. Quotes left over from encoding a quoted string go. */
function cleanName(name: string, hints: readonly string[]): string {
  const decoded = decodeWords(name, hints)
    .replace(/[ \t\r\n]+/g, ' ')
    .trim();
  if (!decoded.includes('"')) return decoded;
  const quotes = decoded.length - decoded.replaceAll('"', '').length;
  const wrapped = quotes === 2 && decoded.startsWith('"') && decoded.endsWith('"');
  return wrapped || quotes % 2 === 1 ? withoutQuotes(decoded).trim() : decoded;
}

function withoutQuotes(text: string): string {
  let start = 0;
  let end = text.length;
  while (text[start] === '"') start++;
  while (end > start && text[end - 1] === '"') end--;
  return text.slice(start, end);
}

/** The comment that begins at `at`, without its outer parentheses, and the index behind it; '' when it never closes. */
function commentAt(text: string, at: number, lone: Lone): [string, number] {
  if (lone.parenthesis) return ['', at + 1];
  let depth = 1;
  let out = '';
  for (let index = at + 1; index < text.length; index++) {
    const character = text[index] ?? '';
    if (character === '\\' && index + 1 < text.length) {
      out += text[++index];
      continue;
    }
    if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return [out.trim(), index + 1];
    out += character;
  }
  lone.parenthesis = true;
  return ['', at + 1];
}

/** The quoted string that begins at `at`, without its quotes, and the index behind it; only the quote when it never closes. */
function quotedAt(text: string, at: number, lone: Lone): [string, number] {
  const end = quotedEnd(text, at, lone);
  return end === 0 ? ['', at + 1] : [text.slice(at + 1, end - 1).replace(/\\(.)/gs, '$1'), end];
}

/** Index behind the closing quote, 0 when there is none. */
function quotedEnd(text: string, at: number, lone: Lone): number {
  for (let index = at + 1; index < text.length && !lone.quote; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === '"') return index + 1;
  }
  lone.quote = true;
  return 0;
}

/** The closing bracket, or where a missing one must have been: before a comma, a semicolon or another bracket. */
function bracketEnd(text: string, at: number, lone: Lone): number {
  for (let index = at + 1; index < text.length; ) {
    const character = text[index] ?? '';
    if (character === '>' || character === '<') return index;
    if (character === '"') index = quotedEnd(text, index, lone) || index + 1;
    else if (character === '(') [, index] = commentAt(text, index, lone);
    // Commas are part of a source route (`<@a,@b:c@d>`), semicolons of nothing.
    else if (character === ';' || (character === ',' && text[at + 1] !== '@')) return missingEnd(text, index);
    else index++;
  }
  return text.length;
}

/** A bracket that closes soon although a comma comes first, as in `<lee,dl@example.org>`: the comma was meant to be in it. */
function missingEnd(text: string, index: number): number {
  const near = text.slice(index, index + 200);
  const next = near.search(/[<>]/);
  return next >= 0 && near[next] === '>' ? index + next : index;
}

function atomEnd(text: string, at: number, inGroup: boolean): number {
  let seenAt = false;
  let index = at;
  for (; index < text.length; index++) {
    const character = text[index] ?? '';
    if (/[\s,;<>()"]/.test(character)) break;
    if (character === '@') seenAt = true;
    else if (character === ':' && !inGroup && !seenAt && index > at) break;
    // A domain literal or an encoded-word is one piece, whatever is in it.
    else if (character === '[') index += literalLength(text, index) - 1;
    else if (character === '=' && text[index + 1] === '?') index = Math.max(index, wordEnd(text, index) - 1);
  }
  return Math.max(index, at + 1);
}

const literalLength = (text: string, at: number): number =>
  /^\[[^\s,<>\]]{0,80}\]/.exec(text.slice(at, at + 90))?.[0].length ?? 1;

/** Index behind the encoded-word at `at`, 0 when there is none: it may hold blanks, commas and quotes that it should not. */
function wordEnd(text: string, at: number): number {
  const match = /=\?[^?\s]{1,60}\?[bq]\?[^?]{0,2000}\?=/iy;
  match.lastIndex = at;
  return match.test(text) ? match.lastIndex : 0;
}
