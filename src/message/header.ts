/**
 * The header of a message: its fields in order, byte for byte (RFC 5322 2.2, and the obsolete forms of section 4).
 *
 * The header ends at the first empty line, or with the octets. A line of blanks continues a field (RFC 5322 4.2); a line
 * that neither continues one nor looks like `Name:` is kept as a field without a name, so that nothing is lost: a From_
 * line, or text where somebody forgot the empty line. Nothing here throws, whatever the octets.
 */
import { type Address, parseAddresses } from './address.ts';
import { decodeField, decodeWords as decodeWordsOf, rawText } from './words.ts';

export interface Field {
  /** As written, without blanks before the colon; '' for a line that is no field. */
  readonly name: string;
  /** The whole field as stored, its line end included. */
  readonly raw: Uint8Array;
  /** What follows the colon, as stored: folded, without the last line end. */
  readonly value: Uint8Array;
}

export interface Header {
  readonly fields: readonly Field[];
  /** Octets of the header, the empty line included: where the body begins. */
  readonly size: number;
  /** Charsets that raw 8-bit text in this header may be in: the one its Content-Type names. */
  readonly hints: readonly string[];
}

/** Field names are at most 998 octets (RFC 5322 2.1.1); longer is text. */
const LONGEST_NAME = 998;

/** Ranges in the octets of the header; 200,000 fields stay cheap. */
class StoredField implements Field {
  readonly name: string;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #colon: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, name: string, start: number, colon: number, end: number) {
    this.name = name;
    this.#bytes = bytes;
    this.#start = start;
    this.#colon = colon;
    this.#end = end;
  }

  get raw(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  get value(): Uint8Array {
    let end = this.#end;
    if (this.#bytes[end - 1] === 0x0a && end > this.#colon) end--;
    if (this.#bytes[end - 1] === 0x0d && end > this.#colon) end--;
    return this.#bytes.subarray(this.#colon, end);
  }
}

/** Octets of the header that a message begins with, the empty line included. */
export function headerSize(bytes: Uint8Array): number {
  for (let start = 0; start < bytes.length; ) {
    const end = endOfLine(bytes, start);
    if (isEmptyLine(bytes, start, end)) return end;
    start = end;
  }
  return bytes.length;
}

/** A message whose lines all end in a lone CR, as old Macs wrote them, with LF instead; any other as it is. */
export function withLineFeeds(bytes: Uint8Array): Uint8Array {
  if (bytes.includes(0x0a) || !bytes.includes(0x0d)) return bytes;
  return bytes.map((byte) => (byte === 0x0d ? 0x0a : byte));
}

/** The fields of a header; `bytes` may go on behind it (a whole message). */
export function parseHeader(bytes: Uint8Array): Header {
  const fields: Field[] = [];
  let start = 0;
  let size = bytes.length;
  while (start < bytes.length) {
    const lineEnd = endOfLine(bytes, start);
    if (isEmptyLine(bytes, start, lineEnd)) {
      size = lineEnd;
      break;
    }
    let end = lineEnd;
    while (isBlank(bytes[end])) end = endOfLine(bytes, end);
    const colon = colonOf(bytes, start, lineEnd);
    const name = colon < 0 ? '' : trimmedName(bytes, start, colon);
    fields.push(new StoredField(bytes, name, start, colon < 0 ? start : colon + 1, end));
    start = end;
  }
  return new ParsedHeader(fields, size);
}

class ParsedHeader implements Header {
  readonly fields: readonly Field[];
  readonly size: number;
  #hints: readonly string[] | undefined;

  constructor(fields: readonly Field[], size: number) {
    this.fields = fields;
    this.size = size;
  }

  get hints(): readonly string[] {
    this.#hints ??= charsetHints(findField(this, 'content-type')?.value);
    return this.#hints;
  }
}

/** The charset named in a Content-Type value, as hints for what bears no label. */
export function charsetHints(contentType: Uint8Array | string | undefined): readonly string[] {
  if (contentType === undefined) return [];
  const text = typeof contentType === 'string' ? contentType : Buffer.from(contentType).toString('latin1');
  const charset = /charset\s*=\s*"?([^\s";]+)/i.exec(text)?.[1];
  return charset === undefined ? [] : [charset.toLowerCase()];
}

/** The first field of that name, in any case of letters. */
export function findField(header: Header, name: string): Field | undefined {
  const wanted = name.toLowerCase();
  return header.fields.find((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted);
}

/** Text of the first field of that name: unfolded, decoded, trimmed; undefined when there is none. */
export function fieldText(header: Header, name: string): string | undefined {
  const field = findField(header, name);
  return field === undefined ? undefined : decodeField(field.value, header.hints);
}

/** Texts of all fields of that name, in order. */
export function fieldTexts(header: Header, name: string): string[] {
  const wanted = name.toLowerCase();
  return header.fields
    .filter((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted)
    .map((field) => decodeField(field.value, header.hints));
}

/**
 * The addresses of all fields of that name. The structure is read before encoded-words are decoded: a comma in an encoded
 * name never makes a recipient of it.
 */
export function fieldAddresses(header: Header, name: string): Address[] {
  const wanted = name.toLowerCase();
  return header.fields
    .filter((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted)
    .flatMap((field) => parseAddresses(rawText(field.value, header.hints), header.hints));
}

/** Text in which encoded-words are decoded (RFC 2047); octets are first read as raw header text. */
export function decodeWords(text: Uint8Array | string, hintCharset?: string): string {
  const hints = hintCharset === undefined ? [] : [hintCharset];
  return decodeWordsOf(typeof text === 'string' ? text : rawText(text, hints), hints);
}

function endOfLine(bytes: Uint8Array, from: number): number {
  const end = bytes.indexOf(0x0a, from);
  return end < 0 ? bytes.length : end + 1;
}

function isEmptyLine(bytes: Uint8Array, start: number, end: number): boolean {
  return bytes[start] === 0x0a || (bytes[start] === 0x0d && (end - start === 1 || bytes[start + 1] === 0x0a));
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09;

/** Index of the colon when the line is a field: a name of visible octets, blanks allowed before the colon (RFC 5322 4.5). */
function colonOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const limit = Math.min(end, start + LONGEST_NAME);
  while (at < limit) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x3a) return at > start ? at : -1;
    if (byte <= 0x20 || byte === 0x7f) break;
    at++;
  }
  if (at === start) return -1;
  while (at < limit && isBlank(bytes[at])) at++;
  return bytes[at] === 0x3a && at < end ? at : -1;
}

function trimmedName(bytes: Uint8Array, start: number, colon: number): string {
  let end = colon;
  while (end > start && isBlank(bytes[end - 1])) end--;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
