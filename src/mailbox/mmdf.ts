/**
 * MMDF mailboxes: each message stands between two lines of four ^A. They are only read; that is enough to bring old
 * mail over.
 */
import { headerSizeOf } from './quoting.ts';
import { RowBit, type Rows } from './rows.ts';
import { type Source, scanInto } from './scan.ts';
import { plainKernel } from './scan-plain.ts';

const MARK = Buffer.from('\x01\x01\x01\x01\n');

/** Whether the file begins with the MMDF separator. */
export function isMmdf(source: Source): boolean {
  const start = new Uint8Array(MARK.length);
  return source.read(start, 0) === MARK.length && MARK.equals(start);
}

/** Where separator lines start, in order. */
function* marks(source: Source, size: number): Generator<number> {
  const buffer = Buffer.alloc(1 << 20);
  let base = 0;
  let kept = 0;
  let last = -1;
  while (base + kept < size) {
    const n = source.read(buffer.subarray(kept, Math.min(buffer.length, size - base)), base + kept);
    const end = kept + n;
    for (let p = buffer.indexOf(MARK); p >= 0 && p + MARK.length <= end; p = buffer.indexOf(MARK, p + MARK.length)) {
      if (base + p <= last || (base + p > 0 && buffer[p - 1] !== 10)) continue;
      last = base + p;
      yield last;
    }
    if (n === 0) return;
    kept = Math.min(end, MARK.length);
    buffer.copyWithin(0, end - kept, end);
    base += end - kept;
  }
}

/** Adds a row for each message; From_ lines inside are optional. */
export function scanMmdf(rows: Rows, source: Source, size: number): void {
  let from = -1;
  const finish = (to: number): void => {
    if (from < 0 || to <= from) return;
    addMessage(rows, source, from, to);
    from = -1;
  };
  for (const mark of marks(source, size)) {
    finish(mark);
    from = mark + MARK.length;
  }
  finish(size);
}

function addMessage(rows: Rows, source: Source, from: number, to: number): void {
  const head = Buffer.alloc(Math.min(to - from, 65536));
  source.read(head, from);
  const lf = head.indexOf(10);
  const fromSize = head.subarray(0, 5).toString('latin1') === 'From ' && lf > 0 ? lf + 1 : 0;
  addWhole(rows, source, from, fromSize, to);
}

/** Adds a row for a message that is known to lie between two offsets, whatever lines it holds. */
export function addWhole(rows: Rows, source: Source, from: number, fromSize: number, to: number): void {
  // The walk over the header and the hash are those of the scan; the From_ line is made up, so that it finds one.
  const line = Buffer.from('From - Thu Jan  1 00:00:00 1970\n');
  const header = Buffer.alloc(Math.min(to - from - fromSize, 1 << 20));
  source.read(header, from + fromSize);
  const headerSize = headerSizeOf(header);
  const probe = Buffer.concat([line, header.subarray(0, headerSize)]);
  const scratch = rows.head(0);
  const memory: Source = {
    read(into, position) {
      const part = probe.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
  scanInto(scratch, plainKernel(16 * 1024), memory, probe.length);
  const row = rows.add();
  rows.setExtent(row, from, fromSize, headerSize, to - from - fromSize, countLines(source, from + fromSize, to));
  rows.setFlags(row, scratch.flags(0));
  rows.setBits(row, scratch.bits(0) & (RowBit.keywords | RowBit.quoted));
  rows.setIdentity(row, Math.floor(scratch.identity(0) / 0x20_0000), to - from);
}

function countLines(source: Source, from: number, to: number): number {
  const buffer = Buffer.alloc(Math.min(1 << 20, Math.max(1, to - from)));
  let lines = 0;
  let last = 10;
  for (let at = from; at < to; ) {
    const n = source.read(buffer.subarray(0, Math.min(buffer.length, to - at)), at);
    if (n === 0) break;
    for (let p = buffer.indexOf(10); p >= 0 && p < n; p = buffer.indexOf(10, p + 1)) lines++;
    last = buffer[n - 1] ?? 10;
    at += n;
  }
  return last === 10 ? lines : lines + 1;
}
