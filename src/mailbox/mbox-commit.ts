/**
 * What the file of an mbox is to be, as pieces for the journal: ranges of the old file and new bytes, in order. Pure but
 * for reading headers, through `header`.
 *
 * Octets that no change names come back as they were: the line before the first message, separators, blocks of NULs. A
 * row goes with everything up to the next one, so that what stays stays parted as it was.
 */
import { FromKind, followedByHeader, fromKind, HEADER_LOOK, makeFromLine } from './from-line.ts';
import type { Flags, NewMessage } from './mailbox.ts';
import { headerSizeOf, quoteFrom } from './quoting.ts';
import type { Piece } from './rewrite-plan.ts';
import { RowBit, type Rows } from './rows.ts';
import { applyEdits, type Edit, lengthEdits, statusEdits, type Wanted } from './status.ts';
import { matchByIdentity } from './uids.ts';

/** Changes by row. */
export interface RowChanges {
  readonly remove: ReadonlySet<number>;
  readonly flags: ReadonlyMap<number, Flags>;
  readonly keywords: ReadonlyMap<number, readonly string[]>;
  readonly replace: ReadonlyMap<number, Uint8Array>;
  /** Whole messages with From_ line and separator (storedMessage), to stand before the first message. */
  readonly prepend: readonly Uint8Array[];
}

export interface CommitPlan {
  readonly pieces: Piece[];
  /** Rows before this one keep their place; Infinity when nothing moves at all. */
  readonly firstMoved: number;
  readonly changed: boolean;
  /** Messages are left, hidden ones counted. */
  readonly rest: number;
}

const LF = 10;

/** Collects pieces; ranges that touch become one. */
class Pieces {
  readonly list: Piece[] = [];
  keep(from: number, to: number): void {
    if (to <= from) return;
    const last = this.list.at(-1);
    if (last?.kind === 'keep' && last.to === from)
      this.list[this.list.length - 1] = { kind: 'keep', from: last.from, to };
    else this.list.push({ kind: 'keep', from, to });
  }
  put(bytes: Uint8Array): void {
    if (bytes.length > 0) this.list.push({ kind: 'bytes', bytes });
  }
}

/** The pieces of the file of `fileSize` octets after the changes; `header` reads the header of a row as it is stored. */
export function planCommit(
  rows: Rows,
  fileSize: number,
  changes: RowChanges,
  header: (row: number) => Uint8Array,
): CommitPlan {
  const pieces = new Pieces();
  const n = rows.length;
  let firstMoved = Number.POSITIVE_INFINITY;
  let changed = changes.remove.size > 0 || changes.prepend.length > 0;
  const moves = (row: number): void => {
    if (row < firstMoved) firstMoved = row;
  };
  const front = frontRow(rows);
  const rest = n - changes.remove.size + (changes.prepend.length > 0 ? 1 : 0);
  if (rest > 0) pieces.keep(0, n > 0 ? rows.offset(0) : 0);
  for (let row = 0; row <= n; row++) {
    if (row === front && changes.prepend.length > 0) {
      for (const message of changes.prepend) pieces.put(message);
      moves(row);
    }
    if (row === n) break;
    const from = rows.offset(row);
    const end = row + 1 < n ? rows.offset(row + 1) : fileSize;
    if (changes.remove.has(row)) {
      moves(row);
      continue;
    }
    const replacement = changes.replace.get(row);
    const wanted = wantedFor(changes, row);
    if (replacement !== undefined) {
      const stored = storedForm(replacement, wanted, (rows.bits(row) & RowBit.crlf) !== 0);
      pieces.keep(from, rows.start(row));
      if ((rows.bits(row) & RowBit.cut) !== 0) pieces.put(Buffer.from('\n'));
      for (const part of stored) pieces.put(part);
      changed = true;
      moves(row + 1);
      continue;
    }
    const edits = wanted === undefined ? [] : editsFor(rows, row, header(row), wanted);
    let at = from;
    for (const edit of edits) {
      pieces.keep(at, rows.start(row) + edit.from);
      if (header(row).length === 0 && (rows.bits(row) & RowBit.cut) !== 0) pieces.put(Buffer.from('\n'));
      pieces.put(edit.bytes);
      at = rows.start(row) + edit.to;
      changed = true;
      if (edit.bytes.length !== edit.to - edit.from) moves(row + 1);
      // The row says something about keywords that must be read again.
      if (changes.keywords.has(row)) moves(row);
    }
    pieces.keep(at, end);
  }
  return { pieces: pieces.list, firstMoved, changed, rest };
}

/** The row that prepended messages go in front of: behind the hidden first message, and behind patches, whose From_ lines
 *  begin messages only at the start of a file. */
function frontRow(rows: Rows): number {
  let row = 0;
  while (row < rows.length && (rows.bits(row) & (RowBit.pseudo | RowBit.patch)) !== 0) row++;
  return row;
}

function wantedFor(changes: RowChanges, row: number): Wanted | undefined {
  const flags = changes.flags.get(row);
  const keywords = changes.keywords.get(row);
  if (flags === undefined && keywords === undefined) return undefined;
  return { ...(flags === undefined ? {} : { flags }), ...(keywords === undefined ? {} : { keywords }) };
}

function editsFor(rows: Rows, row: number, header: Uint8Array, wanted: Wanted): Edit[] {
  const crlf = (rows.bits(row) & RowBit.crlf) !== 0;
  const edits = statusEdits(header, wanted, crlf);
  if (edits.every(({ from, to, bytes }) => bytes.length === to - from)) return edits;
  const bodyLines = (): number => rows.lines(row) - countLines(header);
  const all = [...edits, ...lengthEdits(header, rows.size(row) - header.length, bodyLines)];
  // Stable: new fields, at the end of the header, stay behind.
  return all.sort((a, b) => a.from - b.from);
}

function countLines(bytes: Uint8Array): number {
  let n = 0;
  for (let p = bytes.indexOf(LF); p >= 0; p = bytes.indexOf(LF, p + 1)) n++;
  return bytes.length > 0 && bytes[bytes.length - 1] !== LF ? n + 1 : n;
}

/** New content as it is stored behind its From_ line, in parts: quoted, with true lengths, the wanted flags, and an empty
 *  line behind it. */
function storedForm(content: Uint8Array, wanted: Wanted | undefined, crlf: boolean, quote = true): Uint8Array[] {
  const quoted = quote ? quoteFrom(content) : content;
  const eol = Buffer.from(crlf ? '\r\n' : '\n');
  const end = quoted.length > 0 && quoted[quoted.length - 1] !== LF ? [eol, eol] : [eol];
  const headerEnd = headerSizeOf(quoted);
  const body = quoted.subarray(headerEnd);
  const bodySize = body.length + (body.length > 0 && end.length > 1 ? eol.length : 0);
  const header = quoted.subarray(0, headerEnd);
  const lengths = lengthEdits(header, bodySize, () => countLines(body));
  const sound = lengths.length === 0 ? header : applyEdits(header, lengths);
  const edits = wanted === undefined ? [] : statusEdits(sound, wanted, crlf);
  return [edits.length === 0 ? sound : applyEdits(sound, edits), body, ...end];
}

/** A message as it is put into an mbox: From_ line, content, empty line. Line ends are those of the content. */
export function storedMessage(message: NewMessage): Uint8Array {
  const { content } = message;
  const lf = content.indexOf(LF);
  const crlf = lf > 0 && content[lf - 1] === 13;
  const line = Buffer.concat([fromLineFor(message), Buffer.from(crlf ? '\r\n' : '\n')]);
  return Buffer.concat([line, ...storedForm(content, undefined, crlf, message.quote)]);
}

/** The From_ line that came along, if it begins a message wherever it stands; else one that does. */
export function fromLineFor({ fromLine, content, sender, received }: NewMessage): Uint8Array {
  if (fromLine !== undefined && fromLine.length > 5 && !fromLine.includes(LF)) {
    const kind =
      Buffer.from(fromLine.subarray(0, 5)).toString('latin1') === 'From ' ? fromKind(fromLine, 0, fromLine.length) : 0;
    if (kind === FromKind.dated) return fromLine;
    const odd = kind === FromKind.loose || kind === FromKind.bare || kind === FromKind.word;
    const end = Math.min(content.length, HEADER_LOOK);
    if (odd && followedByHeader(content, 0, end, kind === FromKind.word)) return fromLine;
  }
  return Buffer.from(makeFromLine(sender, received));
}

/** For each row of the file after the changes, the row it was, or -1: by place, and by identity where that fails. */
export function followRows(before: Rows, after: Rows, changes: RowChanges): Int32Array {
  const front = frontRow(before);
  const extra = after.length - before.length + changes.remove.size;
  const match = new Int32Array(after.length).fill(-1);
  let row = 0;
  let right = extra === changes.prepend.length;
  for (let old = 0; old < before.length && right; old++) {
    if (old === front) row += extra;
    if (changes.remove.has(old)) continue;
    right = changes.replace.has(old) || before.identity(old) === after.identity(row);
    match[row++] = old;
  }
  return right ? match : matchByIdentity(identities(before), identities(after));
}

/** Identities of all rows, in order. */
export function identities(rows: Rows): Float64Array {
  const result = new Float64Array(rows.length);
  for (let row = 0; row < rows.length; row++) result[row] = rows.identity(row);
  return result;
}
