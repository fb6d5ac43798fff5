/**
 * Encoded-words (RFC 2047) and raw 8-bit text in header fields, as mailers really write them: words that touch plain text
 * or stand inside quotes, blanks and raw octets inside words, broken base64, a language suffix (RFC 2231 5), charsets
 * nobody knows. Neighbours in one charset are joined as octets before they are read, since mailers cut characters in two.
 */
import { decodeText } from './charset.ts';
import { fromBase64 } from './transfer.ts';

/** Text of a field body as stored, still folded: unfolded, raw 8-bit read by guess, encoded-words decoded, trimmed. */
export function decodeField(value: Uint8Array | string, hints: readonly string[] = []): string {
  return decodeWords(rawText(value, hints), hints).trim();
}

/**
 * A field body as text with its encoded-words left alone: unfolded (RFC 5322 2.2.3, the fold becomes one blank) and raw
 * 8-bit text decoded. Structured fields are parsed in this form, so that what a word holds cannot look like syntax. A
 * string stands for octets (`latin1`).
 */
export function rawText(value: Uint8Array | string, hints: readonly string[] = []): string {
  let raw = typeof value === 'string' ? value : latin1(value);
  raw = withoutLineEnd(raw);
  if (raw.includes('\n')) raw = unfold(raw);
  if (!/[^\x00-\x1a\x1c-\x7f]/.test(raw)) return raw;
  if (raw.includes('=?')) raw = escapeInWords(raw);
  return decodeText(Buffer.from(raw, 'latin1'), undefined, hints);
}

function withoutLineEnd(raw: string): string {
  let end = raw.length;
  if (raw.charCodeAt(end - 1) === 0x0a) end--;
  if (raw.charCodeAt(end - 1) === 0x0d) end--;
  return end === raw.length ? raw : raw.slice(0, end);
}

/** The lines of a field as one: each fold, and the blanks around it, is one blank. Octets, so that only these are blanks. */
function unfold(raw: string): string {
  const lines = raw.split('\n');
  const last = lines.length - 1;
  return lines
    .map((line, at) => withoutBlanks(line, at > 0, at < last))
    .filter((line, at) => line !== '' || at === 0)
    .join(' ');
}

function withoutBlanks(line: string, atStart: boolean, atEnd: boolean): string {
  let start = 0;
  let end = line.length;
  if (atEnd) while (end > 0 && isBlank(line.charCodeAt(end - 1))) end--;
  if (atStart) while (start < end && isBlank(line.charCodeAt(start))) start++;
  return line.slice(start, end);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0d;

/** Raw 8-bit octets inside a Q word belong to the word's charset: they are written as `=XX` before the rest is read. */
function escapeInWords(raw: string): string {
  return raw.replace(/=\?[\x21-\x3e\x40-\x7e]{1,60}\?q\?[^?]{1,2000}\?=/gi, (word) =>
    word.replace(/[\x80-\xff]/g, (octet) => `=${octet.charCodeAt(0).toString(16)}`),
  );
}

interface Word {
  readonly start: number;
  readonly end: number;
  readonly charset: string;
  readonly bytes: Buffer;
}

/** Text with every encoded-word in it decoded; white space between neighbouring words goes (RFC 2047 6.2). */
export function decodeWords(text: string, hints: readonly string[] = []): string {
  if (!text.includes('=?')) return text;
  const words = findWords(text);
  if (words.length === 0) return text;
  let out = '';
  let at = 0;
  for (let index = 0; index < words.length; ) {
    const [first, next] = sameCharset(text, words, index);
    const group = words.slice(index, next);
    const gap = text.slice(at, first.start);
    if (index === 0 || /[^ \t\r\n]/.test(gap)) out += gap;
    const bytes = group.length === 1 ? first.bytes : Buffer.concat(group.map((word) => word.bytes));
    out += decodeText(bytes, first.charset, hints);
    at = group[group.length - 1]?.end ?? first.end;
    index = next;
  }
  return out + text.slice(at);
}

/** The word at `index`, and the index behind the last one that continues it. */
function sameCharset(text: string, words: readonly Word[], index: number): [Word, number] {
  const first = words[index] as Word;
  let end = index + 1;
  // UTF-7 begins anew in each word, whatever the one before left open.
  if (first.charset === 'utf-7') return [first, end];
  for (let last = first; ; end++) {
    const word = words[end];
    if (word === undefined || word.charset !== first.charset || /[^ \t\r\n]/.test(text.slice(last.end, word.start)))
      break;
    last = word;
  }
  return [first, end];
}

function findWords(text: string): Word[] {
  const words: Word[] = [];
  let close = 0;
  const closeAfter = (at: number): number => {
    if (close >= 0 && close < at) close = text.indexOf('?=', at);
    return close;
  };
  for (let start = text.indexOf('=?'); start >= 0; ) {
    const word = wordAt(text, start, closeAfter);
    if (word === 'none') break;
    if (word !== undefined) words.push(word);
    start = text.indexOf('=?', word === undefined ? start + 1 : word.end);
  }
  return words;
}

/**
 * The encoded-word that begins at `start`; 'none' when no word can follow at all. `closeAfter` finds the next `?=`, and
 * remembers it: many beginnings before one end must not cost their product.
 */
function wordAt(text: string, start: number, closeAfter: (at: number) => number): Word | undefined | 'none' {
  const charsetEnd = text.indexOf('?', start + 2);
  if (charsetEnd < 0) return 'none';
  const name = text.slice(start + 2, charsetEnd);
  if (name === '' || name.length > 80 || /[\s=]/.test(name)) return undefined;
  const coding = text[charsetEnd + 1]?.toLowerCase();
  if ((coding !== 'b' && coding !== 'q') || text[charsetEnd + 2] !== '?') return undefined;
  const close = closeAfter(charsetEnd + 3);
  if (close < 0) return 'none';
  // A payload that holds another word's beginning lost its own end.
  const inner = text.indexOf('=?', charsetEnd + 3);
  if (inner >= 0 && inner + 2 <= close) return undefined;
  const payload = text.slice(charsetEnd + 3, close);
  const charset = (name.split('*')[0] ?? '').toLowerCase();
  return { start, end: close + 2, charset, bytes: coding === 'b' ? fromBase64(payload) : fromQ(payload) };
}

/** The Q coding: `_` is a blank, `=XX` an octet; what is malformed stands for itself. */
function fromQ(payload: string): Buffer {
  const plain = payload.replaceAll('_', ' ');
  if (!/[^\x00-\x7f]/.test(plain)) return unquote(plain);
  // Characters that were decoded already go back to octets as UTF-8, the likeliest charset of such a word.
  return unquote(Buffer.from(plain).toString('latin1'));
}

function unquote(text: string): Buffer {
  const octets = text.replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1');
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
