/**
 * Envelope addresses: what stands after MAIL FROM: and RCPT TO: (RFC 5321 4.1.2, RFC 6531 3.3).
 *
 * Promises: a Path that was made here holds no control character, no unbalanced quote and at most one domain; printing it
 * and reading it again gives the same Path. A source route (`@a,@b:c@d`) is read and dropped (RFC 5321 appendix F.2: servers
 * MUST accept it and SHOULD ignore it), so it can steer nothing. What a human types is taken too: no angle brackets, a bare
 * local part. Fails by a PathFault, a value with the reply that sendmail users know.
 */

export interface Path {
  /** The local part without quotes and backslashes; '' (with domain '') is the null path `<>`. */
  readonly local: string;
  /** In lower case, without a final dot; '' for a bare local part; literals as `[192.0.2.1]` or `[ipv6:2001:db8::1]`. */
  readonly domain: string;
  /** As it came, brackets and all: for replies. */
  readonly text: string;
}

export interface PathFault {
  readonly fault: string;
  readonly code: number;
  readonly status: string;
}

/** `<>`: bounces come from it, nothing goes to it. */
export const NULL_PATH: Path = { local: '', domain: '', text: '<>' };

/** Limits of RFC 5321 4.5.3.1 are minima; these leave room for SRS and VERP local parts. */
const MAX_PATH = 1024;
const MAX_DOMAIN = 255;
const MAX_LABEL = 63;

const ATEXT = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]$/u;
const DOT_ATOM =
  /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+(\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+)*$/u;
const LABEL = /^[A-Za-z0-9_\u0080-\u{10ffff}]([A-Za-z0-9_\-\u0080-\u{10ffff}]*[A-Za-z0-9_\u0080-\u{10ffff}])?$/u;
/** C0, DEL, C1, and what turns or hides text on a terminal. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/;

const fault = (text: string, code = 553, status = '5.1.3'): PathFault => ({ fault: text, code, status });

export function isFault(result: Path | PathFault): result is PathFault {
  return 'fault' in result;
}

export function isNull(path: Path): boolean {
  return path.local === '' && path.domain === '';
}

/** The first word of a line, quotes and angle brackets kept whole, and the rest: `<a b@c> SIZE=1` gives `<a b@c>`, `SIZE=1`. */
export function splitPath(text: string): { path: string; rest: string } {
  let quoted = false;
  let angle = false;
  let i = 0;
  for (; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (c === '<') angle = true;
    else if (c === '>') angle = false;
    else if ((c === ' ' || c === '\t') && !angle) break;
  }
  // Something left open swallowed the parameters: then the first blank ends the path, and its fault will be named.
  if (quoted || angle) i = firstBlank(text);
  return { path: text.slice(0, i), rest: text.slice(i).trim() };
}

function firstBlank(text: string): number {
  const at = text.search(/[ \t]/);
  return at < 0 ? text.length : at;
}

/** Reads one path. `text` is a word of `splitPath`. */
export function parsePath(text: string): Path | PathFault {
  if (text.length > MAX_PATH) return fault('Path too long');
  if (UNSAFE.test(text)) return fault('Illegal character in address');
  let inner = text;
  if (inner.startsWith('<')) {
    if (!inner.includes('>')) return fault("Unbalanced '<'", 553, '5.0.0');
    if (!inner.endsWith('>')) return fault("Text after '>'");
    inner = inner.slice(1, -1).trim();
  }
  const word = readLocal(stripRoute(inner));
  if (typeof word === 'string') return fault(word, 553, word.startsWith('Unbalanced') ? '5.0.0' : '5.1.3');
  if (inner === '') return { ...NULL_PATH, text };
  if (word.rest === undefined) {
    return word.local === '' ? fault('User address required') : { local: word.local, domain: '', text };
  }
  if (word.local === '' && !word.quoted) return fault('User address required');
  if (word.local === '') return fault('User address required');
  if (word.rest === '') return fault('Hostname required');
  const domain = parseDomain(word.rest);
  if (domain === undefined) {
    return word.rest.includes('@') ? fault('Invalid route address') : fault('Invalid host name', 553, '5.1.2');
  }
  return { local: word.local, domain, text };
}

/** Drops `@a,@b:`. What only looks like a route stays, and is then found faulty. */
function stripRoute(text: string): string {
  const route = /^@[^\s<>":@,]+(,@[^\s<>":@,]+)*:/.exec(text);
  return route === null ? text : text.slice(route[0].length);
}

interface LocalWord {
  local: string;
  quoted: boolean;
  /** What follows the `@`; undefined when there is none. */
  rest: string | undefined;
}

function readLocal(text: string): LocalWord | string {
  let local = '';
  let quoted = false;
  let i = 0;
  while (i < text.length && text[i] !== '@') {
    const c = text[i];
    if (c === '"') {
      quoted = true;
      i++;
      while (i < text.length && text[i] !== '"') {
        if (text[i] === '\\') i++;
        local += text[i] ?? '';
        i++;
      }
      if (i >= text.length) return "Unbalanced '\"'";
      i++;
    } else if (c === '\\') {
      // RFC 821 had quoted pairs outside quotes; `\lee` is still typed.
      local += text[i + 1] ?? '';
      i += 2;
    } else if (c === '>') {
      return "Unbalanced '>'";
    } else if (c === '<') {
      return "Unbalanced '<'";
    } else if (c === ' ' || c === '\t') {
      return 'Blank in address';
    } else {
      const character = String.fromCodePoint(text.codePointAt(i) ?? 0);
      if (character === ',' || character === ':' || character === ';') return 'Invalid route address';
      if (!ATEXT.test(character)) return 'Illegal character in address';
      local += character;
      i += character.length;
    }
  }
  return { local, quoted, rest: i < text.length ? text.slice(i + 1) : undefined };
}

/** A domain or address literal in the form that is compared: lower case, no final dot; undefined when it is not one. */
export function parseDomain(text: string): string | undefined {
  if (text.startsWith('[')) return parseLiteral(text);
  const bare = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  if (bare === '' || bare.length > MAX_DOMAIN) return undefined;
  return bare.split('.').every((label) => label.length <= MAX_LABEL && LABEL.test(label)) ? bare : undefined;
}

/** `[1.2.3.4]`, `[IPv6:…]` (RFC 5321 4.1.3); an IPv4 address in IPv6 dress is that IPv4 address. */
function parseLiteral(text: string): string | undefined {
  if (!text.endsWith(']')) return undefined;
  const inner = text.slice(1, -1).trim().toLowerCase();
  const address = parseIp(inner.startsWith('ipv6:') ? inner.slice(5) : inner);
  if (address === undefined) return undefined;
  return address.includes(':') ? `[ipv6:${address}]` : `[${address}]`;
}

/**
 * An IP address in its one form: dotted quad without leading zeros, or lower-case IPv6 compressed as RFC 5952 says;
 * IPv4-mapped IPv6 becomes IPv4. Undefined when it is neither.
 */
export function parseIp(text: string): string | undefined {
  const words = ipWords(text);
  if (words === undefined) return undefined;
  return words.length === 4 ? words.join('.') : printIpv6(words);
}

/** Four bytes, or eight 16-bit words; an IPv4-mapped address gives four bytes. */
export function ipWords(text: string): readonly number[] | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split('.').map(Number);
    // A leading zero once meant octal: 010.0.0.1 must not be read two ways.
    return bytes.every((byte) => byte <= 255) && !/(^|\.)0\d/.test(text) ? bytes : undefined;
  }
  if (!text.includes(':') || !/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const words = [...head, ...Array<number>(halves.length === 2 ? missing : 0).fill(0), ...tail];
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const [, , , , , , high = 0, low = 0] = words;
    return [high >> 8, high & 255, low >> 8, low & 255];
  }
  return words;
}

function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const quad = last && index === parts.length - 1 ? ipWords(part) : undefined;
      if (quad === undefined || quad.length !== 4) return undefined;
      const [a = 0, b = 0, c = 0, d = 0] = quad;
      out.push((a << 8) | b, (c << 8) | d);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      out.push(Number.parseInt(part, 16));
    }
  }
  return out;
}

function printIpv6(words: readonly number[]): string {
  let best = { at: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && words[i + length] === 0) length++;
    if (length > best.length) best = { at: i, length };
  }
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  return best.at < 0 ? hex(words) : `${hex(words.slice(0, best.at))}::${hex(words.slice(best.at + best.length))}`;
}

/** The local part as it is written in an address: quoted where it must be (RFC 5321 4.1.2). */
export function quoteLocal(local: string): string {
  if (DOT_ATOM.test(local)) return local;
  return `"${local.replace(/["\\]/g, '\\$&')}"`;
}

/** `lee@host`, `"a b"@host`, `lee`, or '' for the null path: what is written into envelopes and logs. */
export function pathAddress(path: Pick<Path, 'local' | 'domain'>): string {
  if (path.local === '' && path.domain === '') return '';
  return path.domain === '' ? quoteLocal(path.local) : `${quoteLocal(path.local)}@${path.domain}`;
}

/** True when the address needs SMTPUTF8 (RFC 6531). */
export function isInternational(path: Path): boolean {
  return /[^\u0000-\u007f]/.test(path.local) || /[^\u0000-\u007f]/.test(path.domain);
}
