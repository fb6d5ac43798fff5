/**
 * The index of an mbox on disk: STATE/index/NAME.tmx, one file a mailbox.
 *
 * For where messages are it is a cache, and only believed while the mailbox has the fingerprint that it was made from.
 * For UIDs and UIDVALIDITY it is the only home. Therefore it is written before anyone is told a UID, by replacing the
 * whole file; one that is damaged in any way reads as if there were none, and the UIDVALIDITY rises.
 *
 * Little-endian: 8 octets magic, u32 version, u32 size of a row, u64 device, u64 inode, f64 size, i64 mtime, i64 ctime
 * (nanoseconds), f64 hash of the head, f64 of the tail, u32 UIDVALIDITY, u32 next UID, u32 rows, u32 CRC-32 of the
 * whole file with this field zero, 40 octets spare; then the rows (rows.ts); then the flags of all rows, an octet each, so
 * that a start need not gather them.
 */
import { basename, join } from 'node:path';
import { crc32 } from '../core/crc32.ts';
import { type Disk, makeFolder, readWhole, replaceFile } from '../core/files.ts';
import type { Fingerprint } from './fingerprint.ts';
import { journalPath } from './journal-file.ts';
import { ROW_SIZE, Rows } from './rows.ts';
import type { UidState } from './uids.ts';

const MAGIC = 'tmailidx';
const VERSION = 2;
const HEADER = 128;
const SUM_AT = 84;

export interface IndexFile extends UidState {
  readonly print: Fingerprint;
  readonly rows: Rows;
}

/** The index of the mailbox whose real path is `canonical`. */
export function indexPath(stateDir: string, canonical: string): string {
  return join(stateDir, 'index', `${basename(journalPath(stateDir, canonical))}.tmx`);
}

export function encodeIndex({ print, rows, uidValidity, uidNext }: IndexFile): Uint8Array {
  const bytes = new Uint8Array(HEADER + rows.length * (ROW_SIZE + 1));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, ROW_SIZE, true);
  view.setBigUint64(16, print.dev, true);
  view.setBigUint64(24, print.ino, true);
  view.setFloat64(32, print.size, true);
  view.setBigInt64(40, print.mtimeNs, true);
  view.setBigInt64(48, print.ctimeNs, true);
  view.setFloat64(56, print.head, true);
  view.setFloat64(64, print.tail, true);
  view.setUint32(72, uidValidity, true);
  view.setUint32(76, uidNext, true);
  view.setUint32(80, rows.length, true);
  bytes.set(rows.bytes(), HEADER);
  bytes.set(rows.allFlags(0), HEADER + rows.length * ROW_SIZE);
  view.setUint32(SUM_AT, crc32(bytes), true);
  return bytes;
}

/** What the bytes say, or undefined when they are not a whole index. */
export function decodeIndex(bytes: Uint8Array): IndexFile | undefined {
  if (bytes.length < HEADER || bytes.byteOffset % 8 !== 0) return undefined;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC.charCodeAt(i)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint32(80, true);
  if (view.getUint32(8, true) !== VERSION || view.getUint32(12, true) !== ROW_SIZE) return undefined;
  if (bytes.length !== HEADER + count * (ROW_SIZE + 1)) return undefined;
  const sum = view.getUint32(SUM_AT, true);
  view.setUint32(SUM_AT, 0, true);
  if (crc32(bytes) !== sum) return undefined;
  const rowsEnd = HEADER + count * ROW_SIZE;
  const rows = Rows.over(bytes.subarray(HEADER, rowsEnd), bytes.subarray(rowsEnd));
  const size = view.getFloat64(32, true);
  if (!soundRows(rows, size)) return undefined;
  return {
    print: {
      dev: view.getBigUint64(16, true),
      ino: view.getBigUint64(24, true),
      size,
      mtimeNs: view.getBigInt64(40, true),
      ctimeNs: view.getBigInt64(48, true),
      head: view.getFloat64(56, true),
      tail: view.getFloat64(64, true),
    },
    rows,
    uidValidity: view.getUint32(72, true),
    uidNext: view.getUint32(76, true),
  };
}

/** The last row lies within the file. (Each of the others was right when the check sum was made.) */
function soundRows(rows: Rows, size: number): boolean {
  const last = rows.length - 1;
  return last < 0 || rows.start(last) + rows.size(last) <= size;
}

/** The index, or undefined when there is none that can be used. Never throws. */
export function readIndex(disk: Disk, path: string): IndexFile | undefined {
  try {
    const bytes = readWhole(disk, path);
    return bytes === undefined ? undefined : decodeIndex(bytes);
  } catch {
    return undefined;
  }
}

/** Writes the index; false when the state folder cannot be written: then UIDs hold for this session only. */
export function writeIndex(disk: Disk, path: string, index: IndexFile): boolean {
  try {
    makeFolder(disk, join(path, '..'), 0o700);
    replaceFile(disk, path, encodeIndex(index));
    return true;
  } catch {
    return false;
  }
}
