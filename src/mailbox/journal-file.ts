/**
 * The journal's form on disk, and where it lies.
 *
 * One file for one mailbox, STATE/journal/NAME (mode 600), kept when nothing is under way with its first sectors
 * already allocated, so that mail can be deleted on a full disk:
 *
 *     0      `tmailj1\n`, written after the file's name was synced
 *     512    the record that begins a change: a rewrite (its plan, its new bytes) or an append
 *     then   slots that take turns for the records of the steps, each with the data it must not lose: two for a rewrite,
 *            three for an append, which looks at the step before the last as well
 *     then   room for the record that begins a second change after the first (recovery after others appended)
 *
 * A record is a header of 64 octets in one sector, then its payload. It is believed only when the checksums of both are
 * right, and when it bears the random id of the change; what an earlier change left in the file bears another.
 * A change is dropped by overwriting the header that began it: that alone decides, whatever else reached the disk.
 */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { crc32 } from '../core/crc32.ts';
import { type Disk, type FileStat, makeFolder } from '../core/files.ts';
import type { PieceShape, StepLimits } from './rewrite-plan.ts';

const MAGIC = new TextEncoder().encode('tmailj1\n');
/** Octets that the file keeps for good. */
export const RESERVE = 64 << 10;
/** Where the first change begins. */
export const FIRST = 512;
const SECTOR = 512;
export const HEADER = 64;
/** Copying goes by blocks of this many octets. */
export const BLOCK = 1 << 20;
/** More than this in the tables of a record is no record of ours. */
const TABLES_LIMIT = 256 << 20;

const TAGS = { rewrite: 0x4e474542, step: 0x50455453, append: 0x444e5041 } as const;
export type Tag = keyof typeof TAGS;

export interface Header {
  readonly tag: Tag;
  /** 16 random octets, as hexadecimal digits: the same in all records of one change. */
  readonly id: string;
  /** Number of the step, from 0. */
  readonly number: number;
  /** Stretch of the work of a step. */
  readonly from: number;
  readonly to: number;
  readonly journaled: boolean;
  readonly length: number;
  readonly checksum: number;
}

/** A few octets of the file as they were before the change. */
export interface Witness {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Which file, and what about it. */
export interface Identity {
  readonly path: string;
  readonly ino: string;
}

export interface RewriteRecord {
  readonly kind: 'rewrite';
  readonly id: string;
  readonly identity: Identity;
  readonly oldSize: number;
  readonly shapes: readonly PieceShape[];
  readonly witnesses: readonly Witness[];
  readonly limits: StepLimits;
  /** Octets of one slot. */
  readonly slot: number;
  /** The id of the change that this one follows, '' for the first in the file. */
  readonly follows: string;
  /** Where in the journal the new bytes begin, all of them end to end. */
  readonly newAt: number;
  /** Where the first slot begins. */
  readonly slotsAt: number;
}

/** An append; each of its steps is a stretch of what is appended, its payload the same octets. */
export interface AppendRecord {
  readonly kind: 'append';
  readonly id: string;
  readonly identity: Identity;
  readonly oldSize: number;
  readonly slot: number;
  readonly slotsAt: number;
}

export interface JournalFile {
  readonly disk: Disk;
  readonly fd: number;
  readonly path: string;
}

export function newId(): string {
  return randomBytes(16).toString('hex');
}

export function aligned(offset: number): number {
  return Math.ceil(offset / SECTOR) * SECTOR;
}

/** The journal of the mailbox whose real path is `canonical`. The name tells an administrator which one it is. */
export function journalPath(stateDir: string, canonical: string): string {
  const whole = canonical.replace(/^\//, '').replaceAll('%', '%25').replaceAll('/', '%2F');
  if (Buffer.byteLength(whole) <= 200) return join(stateDir, 'journal', whole);
  const tail = whole.replace(/[^\x21-\x7e]/g, '_').slice(-150);
  return join(stateDir, 'journal', `${tail}-${crc32(whole).toString(16)}${crc32(`${whole}/`).toString(16)}`);
}

/** Opens (and makes) the caller's own journal of a mailbox, its name durable and its room allocated where possible.
 *  What root writes belongs to the owner of the mailbox, so that both can finish it. */
export function openOwnJournal(disk: Disk, path: string, mailbox: FileStat): JournalFile {
  makeFolder(disk, dirname(path), 0o700);
  const fd = disk.open(path, 'create', 0o600);
  try {
    if (!hasMagic(disk, fd)) {
      const { uid } = disk.fstat(fd);
      if (uid === 0 && mailbox.uid !== 0) disk.chown(fd, mailbox.uid, mailbox.gid);
      disk.syncDir(dirname(path));
      const reserve = new Uint8Array(RESERVE);
      reserve.set(MAGIC);
      disk.write(fd, reserve, 0);
    }
    return { disk, fd, path };
  } catch (error) {
    disk.close(fd);
    throw error;
  }
}

export function hasMagic(disk: Disk, fd: number): boolean {
  const bytes = new Uint8Array(MAGIC.length);
  return disk.read(fd, bytes, 0) === bytes.length && bytes.every((byte, i) => byte === MAGIC[i]);
}

/** Ends a change, durably; then takes its data away. */
export function clearJournal(journal: JournalFile): void {
  const { disk, fd } = journal;
  disk.write(fd, new Uint8Array(HEADER), FIRST);
  disk.sync(fd);
  try {
    const { size } = disk.fstat(fd);
    disk.write(fd, new Uint8Array(Math.max(0, Math.min(size, RESERVE) - FIRST)), FIRST);
    disk.truncate(fd, RESERVE);
  } catch {
    // Only tidiness is lost.
  }
}

/** Gives the file a size other than that of rest: one who may not read the journal sees that something is under way. */
export function markBusy({ disk, fd }: JournalFile): void {
  if (disk.fstat(fd).size <= RESERVE) disk.truncate(fd, RESERVE + 1);
}

/** Writes the header of a record whose payload is there already. */
export function writeHeader(journal: JournalFile, at: number, header: Header): void {
  const bytes = new Uint8Array(HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, TAGS[header.tag], true);
  bytes.set(Buffer.from(header.id, 'hex'), 4);
  view.setUint32(20, header.number, true);
  view.setFloat64(24, header.from, true);
  view.setFloat64(32, header.to, true);
  view.setFloat64(40, header.length, true);
  view.setUint32(48, header.checksum, true);
  view.setUint32(52, header.journaled ? 1 : 0, true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  journal.disk.write(journal.fd, bytes, at);
}

/** The header at `at` when it is whole and one of ours. */
export function readHeader(journal: JournalFile, at: number): Header | undefined {
  const bytes = new Uint8Array(HEADER);
  if (journal.disk.read(journal.fd, bytes, at) < HEADER) return undefined;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(60, true) !== crc32(bytes.subarray(0, 60))) return undefined;
  const tag = (Object.keys(TAGS) as Tag[]).find((name) => TAGS[name] === view.getUint32(0, true));
  const length = view.getFloat64(40, true);
  if (tag === undefined || !Number.isSafeInteger(length) || length < 0) return undefined;
  return {
    tag,
    id: Buffer.from(bytes.subarray(4, 20)).toString('hex'),
    number: view.getUint32(20, true),
    from: view.getFloat64(24, true),
    to: view.getFloat64(32, true),
    journaled: view.getUint32(52, true) === 1,
    length,
    checksum: view.getUint32(48, true),
  };
}

/** True when the payload of a record is as it was written. */
export function payloadIsWhole(journal: JournalFile, at: number, header: Header): boolean {
  if (at + HEADER + header.length > journal.disk.fstat(journal.fd).size) return false;
  let checksum = 0;
  const block = new Uint8Array(Math.min(BLOCK, header.length));
  for (let done = 0; done < header.length; done += block.length) {
    const part = block.subarray(0, Math.min(block.length, header.length - done));
    if (journal.disk.read(journal.fd, part, at + HEADER + done) < part.length) return false;
    checksum = crc32(part, checksum);
  }
  return checksum === header.checksum;
}

/** Writes a record with its payload given in parts. */
export function writeRecord(
  journal: JournalFile,
  at: number,
  header: Omit<Header, 'length' | 'checksum'>,
  parts: readonly Uint8Array[],
): void {
  let length = 0;
  let checksum = 0;
  for (const part of parts) {
    if (part.length > 0) journal.disk.write(journal.fd, part, at + HEADER + length);
    checksum = crc32(part, checksum);
    length += part.length;
  }
  writeHeader(journal, at, { ...header, length, checksum });
}

/** The tables of a record that begins a rewrite: its meta data, witnesses and shapes, in front of its new bytes. */
export function encodeRewrite(record: Omit<RewriteRecord, 'kind' | 'id' | 'newAt' | 'slotsAt'>): Uint8Array {
  const shapes = encodeShapes(record.shapes);
  const meta = new TextEncoder().encode(
    JSON.stringify({
      path: record.identity.path,
      ino: record.identity.ino,
      oldSize: record.oldSize,
      limits: record.limits,
      slot: record.slot,
      follows: record.follows,
      shapes: shapes.length,
      witnesses: record.witnesses.map((witness) => [witness.at, witness.bytes.length]),
    }),
  );
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, meta.length, true);
  return Buffer.concat([size, meta, ...record.witnesses.map((witness) => witness.bytes), shapes]);
}

/** The same for an append. */
export function encodeAppend({
  identity,
  oldSize,
  slot,
}: Pick<AppendRecord, 'identity' | 'oldSize' | 'slot'>): Uint8Array {
  const meta = new TextEncoder().encode(JSON.stringify({ ...identity, oldSize, slot }));
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, meta.length, true);
  return Buffer.concat([size, meta]);
}

/** The whole record that begins a change at `at`; undefined when there is none. */
export function readBegin(journal: JournalFile, at: number): RewriteRecord | AppendRecord | undefined {
  const header = readHeader(journal, at);
  if (header === undefined || header.tag === 'step' || !payloadIsWhole(journal, at, header)) return undefined;
  const start = at + HEADER;
  const end = start + header.length;
  const readAt = (from: number, length: number): Uint8Array => {
    if (!(length >= 0 && length <= TABLES_LIMIT && from + length <= end)) throw new RangeError('not a record');
    const bytes = new Uint8Array(length);
    journal.disk.read(journal.fd, bytes, from);
    return bytes;
  };
  try {
    const size = readAt(start, 4);
    const metaLength = new DataView(size.buffer).getUint32(0, true);
    const meta = JSON.parse(Buffer.from(readAt(start + 4, metaLength)).toString()) as Record<string, unknown>;
    const identity = { path: String(meta.path), ino: String(meta.ino) };
    const oldSize = Number(meta.oldSize);
    let place = start + 4 + metaLength;
    if (header.tag === 'append') {
      return { kind: 'append', id: header.id, identity, oldSize, slot: Number(meta.slot), slotsAt: aligned(end) };
    }
    const witnesses = (meta.witnesses as [number, number][]).map(([from, length]) => {
      const bytes = readAt(place, length);
      place += length;
      return { at: from, bytes };
    });
    const shapes = decodeShapes(readAt(place, Number(meta.shapes)));
    place += Number(meta.shapes);
    return {
      kind: 'rewrite',
      id: header.id,
      identity,
      oldSize,
      shapes,
      witnesses,
      limits: meta.limits as StepLimits,
      slot: Number(meta.slot),
      follows: String(meta.follows),
      newAt: place,
      slotsAt: aligned(end),
    };
  } catch {
    return undefined;
  }
}

/** How many slots take turns. */
const TURNS = { rewrite: 2, append: 3 } as const;
type Slots = Pick<RewriteRecord | AppendRecord, 'kind' | 'slotsAt' | 'slot'>;

/** Where step number `number` is written. */
export function slotAt(record: Slots, number: number): number {
  return record.slotsAt + (number % TURNS[record.kind]) * record.slot;
}

/** Where a change that follows this one begins. */
export function endOf(record: Slots): number {
  return record.slotsAt + TURNS[record.kind] * record.slot;
}

export interface FoundStep {
  readonly header: Header;
  readonly at: number;
}

/** The last step of a change that was begun, or step number `number`; undefined when it is not there. */
export function readStep(
  journal: JournalFile,
  record: RewriteRecord | AppendRecord,
  number?: number,
): FoundStep | undefined {
  const found = Array.from({ length: TURNS[record.kind] }, (_, turn) => slotAt(record, turn)).flatMap((at) => {
    const header = readHeader(journal, at);
    return header?.tag === 'step' && header.id === record.id ? [{ header, at }] : [];
  });
  return found
    .filter(({ header }) => number === undefined || header.number === number)
    .filter(({ header, at }) => payloadIsWhole(journal, at, header))
    .sort((a, b) => b.header.number - a.header.number)[0];
}

/** Kept ranges as (gap, length), new bytes as length, in the 7-bit form of varints: a few octets a piece. */
function encodeShapes(shapes: readonly PieceShape[]): Uint8Array {
  let bytes = new Uint8Array(1024);
  let length = 0;
  const put = (value: number): void => {
    if (length + 10 > bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[length++] = (rest % 128) | 128;
    bytes[length++] = rest;
  };
  let read = 0;
  for (const shape of shapes) {
    if (shape.kind === 'keep') {
      put((shape.from - read) * 2);
      put(shape.to - shape.from);
      read = shape.to;
    } else put(shape.length * 2 + 1);
  }
  return bytes.subarray(0, length);
}

function decodeShapes(bytes: Uint8Array): PieceShape[] {
  const shapes: PieceShape[] = [];
  let at = 0;
  const take = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('not a record');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  let read = 0;
  while (at < bytes.length) {
    const value = take();
    if (value % 2 === 1) shapes.push({ kind: 'new', length: (value - 1) / 2 });
    else {
      const from = read + value / 2;
      read = from + take();
      shapes.push({ kind: 'keep', from, to: read });
    }
  }
  return shapes;
}
