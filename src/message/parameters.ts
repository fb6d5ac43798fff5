/**
 * Content-Type and Content-Disposition values with their parameters (RFC 2045 5.1, RFC 2183), long and encoded ones
 * (RFC 2231 3 and 4), and what mailers write instead: values with blanks and no quotes, encoded-words, raw 8-bit text,
 * quotes that never close, pieces out of order, a missing semicolon.
 */
import { decodeText } from './charset.ts';
import { decodeWords, rawText } from './words.ts';

export interface Value {
  /** What stands before the parameters, lower case, without comments: `text/plain`, `attachment`. */
  readonly value: string;
  /** By lower-case name; decoded. The first of two with the same name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** A field is as long as a message if somebody wants so; a name or boundary beyond this is not meant to be read. */
const LONGEST = 100_000;

/** Reads a field value as stored. */
export function parseValue(field: Uint8Array | undefined, hints: readonly string[] = []): Value {
  if (field === undefined) return { value: '', parameters: new Map() };
  const raw = Buffer.from(field.buffer, field.byteOffset, Math.min(field.length, LONGEST)).toString('latin1');
  const text = raw.replace(/\r?\n(?=[ \t])/g, '').replace(/[\r\n]+/g, ' ');
  const end = headEnd(text);
  return {
    value: withoutComments(text.slice(0, end)).replace(/\s+/g, '').toLowerCase(),
    parameters: join(pieces(text, end), hints),
  };
}

/** Where the parameters begin: at the semicolon, or where one was forgotten. */
function headEnd(text: string): number {
  const semicolon = text.indexOf(';');
  const end = semicolon < 0 ? text.length : semicolon;
  const forgotten = /^[^;="(]*?[^\s;=/](?=\s+[\w.*-]+\s*=)/.exec(text.slice(0, end));
  return forgotten ? forgotten[0].length : end;
}

/** Text without comments in parentheses, nested ones too (RFC 5322 3.2.2); an open one ends with the text. */
export function withoutComments(text: string): string {
  if (!text.includes('(')) return text;
  let out = '';
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '\\' && (quoted || depth > 0)) {
      if (depth === 0) out += text.slice(at, at + 2);
      at++;
    } else if (depth === 0 && character === '"') {
      quoted = !quoted;
      out += character;
    } else if (!quoted && character === '(') depth++;
    else if (!quoted && depth > 0 && character === ')') depth--;
    else if (depth === 0) out += character;
  }
  return out;
}

interface Piece {
  readonly name: string;
  /** RFC 2231 number, -1 when there is none. */
  readonly number: number;
  /** Percent-encoded, with a charset in the first piece. */
  readonly encoded: boolean;
  /** Octets as latin1. */
  readonly value: string;
}

function pieces(text: string, from: number): Piece[] {
  const found: Piece[] = [];
  const name = /(?:\([^()]*\)\s*)*([^\s;="()]+)\s*=\s*/y;
  const skip = /[\s;]*/y;
  for (let at = from; at < text.length; ) {
    skip.lastIndex = at;
    skip.test(text);
    name.lastIndex = skip.lastIndex;
    const match = name.exec(text);
    if (match === null) {
      const next = text.indexOf(';', skip.lastIndex);
      if (next < 0) break;
      at = next;
      continue;
    }
    const [value, end] = valueAt(text, name.lastIndex);
    found.push(piece(match[1] ?? '', value));
    at = end;
  }
  return found;
}

function valueAt(text: string, start: number): [string, number] {
  if (text[start] === '"') {
    let out = '';
    for (let at = start + 1; at < text.length; at++) {
      const character = text[at] ?? '';
      const next = text[at + 1];
      if (character === '"') return [out, at + 1];
      // Only quotes and backslashes are escaped: Windows paths are written as they are.
      if (character === '\\' && (next === '"' || next === '\\')) {
        out += next;
        at++;
      } else out += character;
    }
    return [out, text.length];
  }
  const semicolon = text.indexOf(';', start);
  const end = semicolon < 0 ? text.length : semicolon;
  return [withoutBlanks(text, start, end), end];
}

/** Without blanks at its ends; these are octets, and 0xA0 may be half a character. */
function withoutBlanks(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && /[ \t\r\n]/.test(text[start] ?? '')) start++;
  while (end > start && /[ \t\r\n]/.test(text[end - 1] ?? '')) end--;
  return text.slice(start, end);
}

function piece(written: string, value: string): Piece {
  const match = /^(.*?)(?:\*(\d{1,9}))?(\*)?$/s.exec(written);
  const number = match?.[2] === undefined ? -1 : Number(match[2]);
  return { name: (match?.[1] ?? written).toLowerCase(), number, encoded: match?.[3] === '*', value };
}

function join(all: readonly Piece[], hints: readonly string[]): Map<string, string> {
  const byName = new Map<string, Piece[]>();
  for (const one of all) {
    const same = byName.get(one.name);
    if (same === undefined) byName.set(one.name, [one]);
    else same.push(one);
  }
  const parameters = new Map<string, string>();
  // A boundary is octets to be found in the body, not text to be read.
  for (const [name, same] of byName) parameters.set(name, name === 'boundary' ? octetsOf(same) : joined(same, hints));
  return parameters;
}

/** One parameter of its pieces. */
function joined(same: readonly Piece[], hints: readonly string[]): string {
  const parts = piecesThatCount(same);
  return parts[0] !== undefined && (parts[0].encoded || parts[0].number >= 0)
    ? extended(parts, hints)
    : plain(parts[0]?.value ?? '', hints);
}

/** The octets of a parameter that is no text, as latin1. */
const octetsOf = (same: readonly Piece[]): string =>
  piecesThatCount(same)
    .map(({ encoded, value }) => (encoded ? percentDecoded(value.replace(/^[^']*'[^']*'/, '')) : value))
    .join('');

/** Encoded or numbered pieces beat the plain one that is there for old readers (RFC 2231); of each number the first counts. */
function piecesThatCount(same: readonly Piece[]): readonly Piece[] {
  const whole = same.find(({ number, encoded }) => number < 0 && encoded);
  if (whole !== undefined) return [whole];
  const numbered = same.filter(({ number }) => number >= 0).sort((a, b) => a.number - b.number);
  return numbered.length > 0 ? unique(numbered) : same.slice(0, 1);
}

const unique = (sorted: readonly Piece[]): Piece[] =>
  sorted.filter((one, at) => at === 0 || one.number !== sorted[at - 1]?.number);

/** RFC 2231: octets of all pieces, in the charset that the first names. */
function extended(parts: readonly Piece[], hints: readonly string[]): string {
  let charset: string | undefined;
  let octets = '';
  for (const [index, { encoded, value }] of parts.entries()) {
    let rest = value;
    const named = index === 0 && encoded ? /^([^']*)'[^']*'/.exec(value) : null;
    if (named) {
      charset = named[1] === '' ? undefined : named[1];
      rest = value.slice(named[0].length);
    }
    octets += encoded ? percentDecoded(rest) : rest;
  }
  if (!parts.some(({ encoded }) => encoded)) return plain(octets, hints);
  return decodeText(Buffer.from(octets, 'latin1'), charset, hints);
}

function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function plain(octets: string, hints: readonly string[]): string {
  return decodeWords(rawText(octets, hints), hints);
}
