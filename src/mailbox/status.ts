/**
 * Flags and keywords in the header of an mbox message: `Status`, `X-Status`, `X-Keywords`, as mailx, mutt and dovecot
 * write them. Pure: from header bytes to the edits that make it say something else, everything else byte for byte.
 *
 * A field that is there keeps its place; a value that fits is written over in place, with blanks behind it, so that the
 * message keeps its length. New fields are put behind the other headers, with room for what is likely to be added.
 */
import { Flag, type Flags } from './mailbox.ts';

/** Octets `from` to `to` (exclusive) of the header are replaced. Edits are in order and do not overlap. */
export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

const LF = 10;
const CR = 13;
const NOTHING = new Uint8Array(0);

interface FieldLine {
  /** Start of the field, place behind its colon, end of its last line without and with the line end. */
  readonly from: number;
  readonly value: number;
  readonly end: number;
  readonly next: number;
  readonly folded: boolean;
}

/** Lines of the field `name` (small letters), in order. */
export function fieldLines(header: Uint8Array, name: string): FieldLine[] {
  const found: FieldLine[] = [];
  for (let p = 0; p < header.length; ) {
    const lf = header.indexOf(LF, p);
    let next = lf < 0 ? header.length : lf + 1;
    const from = p;
    if (startsWith(header, p, name) && header[p + name.length] === 58) {
      let folded = false;
      while (header[next] === 32 || header[next] === 9) {
        folded = true;
        const more = header.indexOf(LF, next);
        next = more < 0 ? header.length : more + 1;
      }
      let end = next;
      if (end > from && header[end - 1] === LF) end--;
      if (end > from && header[end - 1] === CR) end--;
      found.push({ from, value: from + name.length + 1, end, next, folded });
    }
    p = next;
  }
  return found;
}

function startsWith(b: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (((b[at + i] ?? 0) | 32) !== name.charCodeAt(i)) return false;
  return true;
}

const latin1 = (b: Uint8Array, from: number, to: number): string =>
  Buffer.from(b.buffer, b.byteOffset + from, to - from).toString('latin1');

/** The keywords that a header names. */
export function keywordsOf(header: Uint8Array): string[] {
  const words = fieldLines(header, 'x-keywords').flatMap(({ value, end }) =>
    Buffer.from(header.subarray(value, end))
      .toString('utf8')
      .split(/[\s\0]+/),
  );
  return [...new Set(words.filter((word) => word !== ''))];
}

const STATUS: readonly [number, string][] = [
  [Flag.read, 'R'],
  [Flag.old, 'O'],
];
const X_STATUS: readonly [number, string][] = [
  [Flag.answered, 'A'],
  [Flag.flagged, 'F'],
  [Flag.draft, 'T'],
  [Flag.deleted, 'D'],
];

const letters = (flags: Flags, table: readonly [number, string][]): string =>
  table.map(([flag, letter]) => ((flags & flag) === 0 ? '' : letter)).join('');

/** What a header shall say. */
export interface Wanted {
  readonly flags?: Flags;
  readonly keywords?: readonly string[];
}

/** How the header ends, for adding fields. */
interface Tail {
  /** Where new fields go: before the empty line. */
  readonly at: number;
  readonly eol: string;
  /** The last line has no line end: one must be put before the new field. */
  readonly open: boolean;
}

function tailOf(header: Uint8Array, crlf: boolean): Tail {
  const eol = crlf ? '\r\n' : '\n';
  const n = header.length;
  if (n > 0 && header[n - 1] !== LF) return { at: n, eol, open: true };
  if (n >= 2 && header[n - 2] === CR && (n === 2 || header[n - 3] === LF))
    return { at: n - 2, eol: '\r\n', open: false };
  if (n >= 1 && (n === 1 || header[n - 2] === LF)) return { at: n - 1, eol, open: false };
  return { at: n, eol, open: false };
}

/** The edits that make `header` (the empty line included, if there is one) say what is wanted. */
export function statusEdits(header: Uint8Array, wanted: Wanted, crlf: boolean): Edit[] {
  const edits: Edit[] = [];
  const added: string[] = [];
  const put = (name: string, value: string, room: number): void => {
    const lines = fieldLines(header, name.toLowerCase());
    const [first, ...others] = lines;
    if (first === undefined) {
      if (value !== '') added.push(`${name}: ${value.padEnd(room)}`);
      return;
    }
    edits.push(...valueEdit(header, first, name, value, room));
    for (const { value: from, end, folded } of others) {
      // Blank, so that its letters do not count; taking the line out would change the length for nothing.
      if (latin1(header, from, end).trim() === '') continue;
      edits.push({ from, to: end, bytes: folded ? NOTHING : Buffer.alloc(end - from, 32) });
    }
  };
  if (wanted.flags !== undefined) {
    put('Status', letters(wanted.flags, STATUS), 2);
    const foreign = fieldLines(header, 'x-status')
      .map(({ value, end }) => latin1(header, value, end).replace(/[AFTD\s]/g, ''))
      .join('');
    put('X-Status', letters(wanted.flags, X_STATUS) + foreign, 4);
  }
  if (wanted.keywords !== undefined) put('X-Keywords', wanted.keywords.join(' '), 0);
  edits.sort((a, b) => a.from - b.from);
  if (added.length > 0) {
    const { at, eol, open } = tailOf(header, crlf);
    edits.push({ from: at, to: at, bytes: Buffer.from((open ? eol : '') + added.map((line) => line + eol).join('')) });
  }
  return edits;
}

/** Gives a field that is there another value: nothing when it has it, in place when it fits. */
function valueEdit(header: Uint8Array, line: FieldLine, name: string, value: string, room: number): Edit[] {
  const old = latin1(header, line.value, line.end);
  const bytes = Buffer.from(value);
  if (!line.folded) {
    const same = name === 'X-Keywords' ? old.trim() === bytes.toString('latin1') : sameLetters(old, value);
    if (same) return [];
    // The blank behind the colon stays: there are readers that look for it.
    const lead = /^[ \t]/.test(old) || old === '' ? 1 : 0;
    const space = line.end - line.value - lead;
    if (bytes.length <= space) {
      const text = Buffer.concat([bytes, Buffer.alloc(space - bytes.length, 32)]);
      return [{ from: line.value + lead, to: line.end, bytes: text }];
    }
  }
  const text = Buffer.concat([Buffer.from(' '), bytes, Buffer.alloc(Math.max(0, room - bytes.length), 32)]);
  return [{ from: line.value, to: line.end, bytes: text }];
}

function sameLetters(a: string, b: string): boolean {
  return [...a.replace(/\s/g, '')].sort().join('') === [...b].sort().join('');
}

/**
 * Edits that make `Content-Length` and `Lines` true again, or take them away when they were not: a reader that believes
 * them would find other messages than we do. `bodySize` and `bodyLines` are those of the body as it will be stored.
 */
export function lengthEdits(header: Uint8Array, bodySize: number, bodyLines: () => number): Edit[] {
  const edits: Edit[] = [];
  const check = (name: string, right: () => number): void => {
    for (const { from, value, end, next } of fieldLines(header, name)) {
      const is = String(right());
      if (latin1(header, value, end).trim() === is) continue;
      // The last line of a header that was cut off stays, so that what is put behind it finds a line to end.
      const cut = next === header.length && header[next - 1] !== LF;
      edits.push(cut ? { from: value, to: end, bytes: Buffer.from(` ${is}`) } : { from, to: next, bytes: NOTHING });
    }
  };
  check('content-length', () => bodySize);
  check('lines', bodyLines);
  return edits.sort((a, b) => a.from - b.from);
}

/** The header with the edits made. */
export function applyEdits(header: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { from, to, bytes } of edits) {
    parts.push(header.subarray(at, from), bytes);
    at = to;
  }
  parts.push(header.subarray(at));
  return Buffer.concat(parts);
}
