/**
 * A change of a file under way: its steps, carried out one by one behind the journal. What must be synced before what is
 * said in journal.ts; this file keeps it.
 */
import { crc32 } from '../core/crc32.ts';
import type { Disk } from '../core/files.ts';
import {
  type AppendRecord,
  aligned,
  BLOCK,
  encodeRewrite,
  endOf,
  HEADER,
  type Identity,
  type JournalFile,
  markBusy,
  newId,
  type RewriteRecord,
  slotAt,
  type Witness,
  writeHeader,
  writeRecord,
} from './journal-file.ts';
import {
  needsNoSource,
  nextStep,
  type Plan,
  planRewrite,
  type Slice,
  STEP_LIMITS,
  type Step,
  type StepLimits,
  slicesOf,
} from './rewrite-plan.ts';

/** Gives bytes of the new piece number `index`. */
export type ReadNew = (index: number, offset: number, into: Uint8Array) => void;

export interface Change {
  readonly disk: Disk;
  /** The file that is changed. */
  readonly fd: number;
  readonly journal: JournalFile;
  readonly record: RewriteRecord;
  readonly plan: Plan;
  readonly readNew: ReadNew;
}

/** Octets of the old file that are kept to see later whether it is still the same. */
const WITNESS = 512;
/** The same behind the end of the new content, where they also tell whether the file was cut already. */
const END_WITNESS = 4096;
/** Moves of at least this many octets are read straight to where they are wanted. */
const LARGE_READ = 64 << 10;
const READ_AHEAD = 256 << 10;

/** Writes the record that begins a change at `at` of the journal; nothing is synced, the file is not touched. */
export function prepare(
  journal: JournalFile,
  at: number,
  fd: number,
  plan: Plan,
  news: readonly Uint8Array[],
  identity: Identity,
  limits: StepLimits,
  follows: string,
): Change {
  const { disk } = journal;
  const tables = {
    identity,
    oldSize: plan.oldSize,
    shapes: plan.pieces,
    witnesses: witnessesOf(disk, fd, plan),
    limits,
    slot: aligned(HEADER + Math.min(limits.journal, plan.work)),
    follows,
  };
  const payload = encodeRewrite(tables);
  const newAt = at + HEADER + payload.length;
  const slotsAt = aligned(news.reduce((end, bytes) => end + bytes.length, newAt));
  const record: RewriteRecord = { ...tables, kind: 'rewrite', id: newId(), newAt, slotsAt };
  const header = { tag: 'rewrite', id: record.id, number: 0, from: 0, to: 0, journaled: false } as const;
  writeRecord(journal, at, header, [payload, ...news]);
  const readNew: ReadNew = (index, offset, into) => {
    const bytes = news[index];
    if (bytes !== undefined) into.set(bytes.subarray(offset, offset + into.length));
  };
  return { disk, fd, journal, record, plan, readNew };
}

/** Takes up a change that was found in a journal; throws a RangeError when it makes no sense. */
export function resume(journal: JournalFile, fd: number, record: RewriteRecord): Change {
  const plan = planRewrite(record.oldSize, record.shapes);
  const starts: number[] = [];
  let place = record.newAt;
  for (const shape of record.shapes) {
    if (shape.kind !== 'new') continue;
    starts.push(place);
    place += shape.length;
  }
  const { disk } = journal;
  const readNew: ReadNew = (index, offset, into) => readFully(disk, journal.fd, into, (starts[index] ?? 0) + offset);
  return { disk, fd, journal, record, plan, readNew };
}

/** Makes the beginning durable. When this returns the change will happen, now or by the next opener. */
export function begin(change: Change): Step {
  const { disk, fd, journal, plan } = change;
  if (plan.newSize > plan.oldSize) {
    disk.sync(journal.fd);
    const zeros = new Uint8Array(Math.min(BLOCK, plan.newSize - plan.oldSize));
    for (let at = plan.oldSize; at < plan.newSize; at += zeros.length) {
      disk.write(fd, zeros.subarray(0, Math.min(zeros.length, plan.newSize - at)), at);
    }
    disk.sync(fd);
  }
  return recordStep(change, 0, 0);
}

/** Writes and syncs the record of the step that begins at `from`, with the data it must not lose. */
function recordStep(change: Change, number: number, from: number): Step {
  const { disk, journal, plan, record } = change;
  const step = nextStep(plan, from, record.limits);
  const at = slotAt(record, number);
  let checksum = 0;
  let length = 0;
  if (step.journaled) {
    const moves = slicesOf(plan, step.from, step.to).filter((slice) => slice.source.kind === 'file');
    const out = new BlockWriter((bytes, place) => {
      checksum = crc32(bytes, checksum);
      disk.write(journal.fd, bytes, place);
    }, movedIn(moves));
    const reader = new FileReader(disk, change.fd, plan.oldSize);
    for (const { source, length: wanted } of moves) {
      if (source.kind === 'file')
        out.copy(at + HEADER + length, wanted, (offset, into) => reader.read(source.at + offset, into));
      length += wanted;
    }
    out.end();
  }
  const { id } = record;
  writeHeader(journal, at, { tag: 'step', id, number, ...step, length, checksum });
  if (number === 0) markBusy(journal);
  disk.sync(journal.fd);
  return step;
}

/** Carries out step number `number` and all that follow. `cut`: a crash came after the file was cut to its new length. */
export function run(change: Change, number: number, step: Step, cut: boolean): void {
  const { disk, fd, plan } = change;
  let current = step;
  let n = number;
  for (;;) {
    carryOut(change, n, current);
    if (current.to === plan.work) break;
    disk.sync(fd);
    n++;
    current = recordStep(change, n, current.to);
  }
  if (plan.newSize >= plan.oldSize || cut) disk.sync(fd);
  else cutToSize(change, n, current);
}

function cutToSize(change: Change, number: number, last: Step): void {
  const { disk, fd, plan, record } = change;
  if (!needsNoSource(plan, last)) {
    // Without its sources, which may be cut off now, the last step could not be done again.
    disk.sync(fd);
    recordStep(change, number + 1, plan.work);
  }
  const { size } = disk.fstat(fd);
  if (size === plan.oldSize) {
    disk.truncate(fd, plan.newSize);
    disk.sync(fd);
    return;
  }
  // What others appended goes behind the new content: a second change, which begins when the first is durable.
  disk.sync(fd);
  const shapes = [
    { kind: 'keep', from: 0, to: plan.newSize },
    { kind: 'keep', from: plan.oldSize, to: size },
  ] as const;
  follow(change.journal, endOf(record), fd, planRewrite(size, shapes), record.identity, record.limits, record.id);
}

/** A change that only moves, in the journal of the one it follows. */
function follow(
  journal: JournalFile,
  at: number,
  fd: number,
  plan: Plan,
  identity: Identity,
  limits: StepLimits,
  follows: string,
): void {
  const change = prepare(journal, at, fd, plan, [], identity, limits, follows);
  run(change, 0, begin(change), false);
}

/** Takes the octets from `from` to `to` out of a file: the change that follows one that is undone. */
export function takeOut(
  journal: JournalFile,
  fd: number,
  record: RewriteRecord | AppendRecord,
  from: number,
  to: number,
  size: number,
): void {
  if (from >= to) return;
  if (to === size) {
    journal.disk.truncate(fd, from);
    journal.disk.sync(fd);
    return;
  }
  const shapes = [
    { kind: 'keep', from: 0, to: from },
    { kind: 'keep', from: to, to: size },
  ] as const;
  const limits = record.kind === 'append' ? STEP_LIMITS : record.limits;
  follow(journal, endOf(record), fd, planRewrite(size, shapes), record.identity, limits, record.id);
}

function carryOut(change: Change, number: number, step: Step): void {
  const { disk, fd, journal, plan, record, readNew } = change;
  const slices = slicesOf(plan, step.from, step.to);
  const out = new BlockWriter((bytes, at) => disk.write(fd, bytes, at), step.to - step.from);
  let data = slotAt(record, number) + HEADER;
  const kept = step.journaled
    ? new FileReader(disk, journal.fd, data + movedIn(slices))
    : new FileReader(disk, fd, plan.oldSize);
  for (const { to, length, source } of slices) {
    if (source.kind === 'new') {
      out.copy(to, length, (offset, into) => readNew(source.index, source.offset + offset, into));
      continue;
    }
    const from = step.journaled ? data : source.at;
    out.copy(to, length, (offset, into) => kept.read(from + offset, into));
    if (step.journaled) data += length;
  }
  out.end();
}

/** Octets of slices that come out of the file. */
function movedIn(slices: readonly Slice[]): number {
  return slices.reduce((sum, slice) => (slice.source.kind === 'file' ? sum + slice.length : sum), 0);
}

/** What a slice of a journaled step, or of new bytes, holds; undefined where only the file knows. */
export function bytesOfStep(change: Change, number: number, step: Step, from: number, to: number): Map<number, number> {
  const known = new Map<number, number>();
  let data = slotAt(change.record, number) + HEADER;
  for (const slice of slicesOf(change.plan, step.from, step.to)) {
    const { source } = slice;
    const begins = Math.max(from, slice.to);
    const ends = Math.min(to, slice.to + slice.length);
    if (begins < ends && (source.kind === 'new' || step.journaled)) {
      const bytes = new Uint8Array(ends - begins);
      if (source.kind === 'new') change.readNew(source.index, source.offset + begins - slice.to, bytes);
      else readFully(change.disk, change.journal.fd, bytes, data + begins - slice.to);
      for (const [i, byte] of bytes.entries()) known.set(begins + i, byte);
    }
    if (source.kind === 'file' && step.journaled) data += slice.length;
  }
  return known;
}

/** Samples of the old file: in front of and at the start of what changes, in the middle, at the end, and where it will
 *  be cut. */
function witnessesOf(disk: Disk, fd: number, plan: Plan): Witness[] {
  const first = plan.segments.reduce((least, segment) => Math.min(least, segment.to), plan.newSize);
  const { oldSize, newSize } = plan;
  const wanted: [number, number][] = [
    [first - WITNESS, WITNESS],
    [first, WITNESS],
    [Math.floor((first + oldSize) / 2), WITNESS],
    [oldSize - WITNESS, WITNESS],
  ];
  if (newSize < oldSize) wanted.push([newSize, END_WITNESS]);
  return wanted.flatMap(([at, length]) => {
    const from = Math.max(0, at);
    const to = Math.min(oldSize, at + length);
    if (from >= to) return [];
    const bytes = new Uint8Array(to - from);
    readFully(disk, fd, bytes, from);
    return [{ at: from, bytes }];
  });
}

export function readFully(disk: Disk, fd: number, into: Uint8Array, at: number): void {
  if (disk.read(fd, into, at) < into.length) throw new Error('the file ends too early');
}

/** Reads of ascending ranges: small ones out of one larger read. */
class FileReader {
  readonly #disk: Disk;
  readonly #fd: number;
  readonly #end: number;
  #window: Uint8Array = new Uint8Array(0);
  #at = 0;
  #filled = 0;

  constructor(disk: Disk, fd: number, end: number) {
    this.#disk = disk;
    this.#fd = fd;
    this.#end = end;
  }

  read(at: number, into: Uint8Array): void {
    if (into.length >= LARGE_READ) {
      readFully(this.#disk, this.#fd, into, at);
      return;
    }
    if (at < this.#at || at + into.length > this.#at + this.#filled) this.#fill(at);
    const from = at - this.#at;
    if (from + into.length > this.#filled) throw new Error('the file ends too early');
    into.set(this.#window.subarray(from, from + into.length));
  }

  #fill(at: number): void {
    const length = Math.max(0, Math.min(READ_AHEAD, this.#end - at));
    if (this.#window.length < length) this.#window = new Uint8Array(length);
    const wanted = this.#window.subarray(0, length);
    this.#at = at;
    this.#filled = this.#disk.read(this.#fd, wanted, at);
  }
}

/** A block that nobody uses. */
let spare: Uint8Array | undefined;

/** Writes of ranges that mostly follow each other: collected into blocks. */
export class BlockWriter {
  readonly #write: (bytes: Uint8Array, at: number) => void;
  readonly #block: Uint8Array;
  #at = 0;
  #filled = 0;

  /** `total`: octets that will be written, so that small changes take small buffers. */
  constructor(write: (bytes: Uint8Array, at: number) => void, total: number) {
    this.#write = write;
    const size = Math.max(1, Math.min(BLOCK, total));
    // The steps of a large change follow each other: they share one block.
    const block = spare;
    spare = undefined;
    this.#block = block !== undefined && size === BLOCK ? block : new Uint8Array(size);
  }

  /** Writes what is left; nothing may be put any more. */
  end(): void {
    this.flush();
    if (this.#block.length === BLOCK) spare = this.#block;
  }

  /** Has `length` octets for place `at` put into the block by `fill(offset, into)`, in one or more parts. */
  copy(at: number, length: number, fill: (offset: number, into: Uint8Array) => void): void {
    if (at !== this.#at + this.#filled) {
      this.flush();
      this.#at = at;
    }
    for (let done = 0; done < length; ) {
      if (this.#filled === this.#block.length) this.flush();
      const part = Math.min(length - done, this.#block.length - this.#filled);
      fill(done, this.#block.subarray(this.#filled, this.#filled + part));
      this.#filled += part;
      done += part;
    }
  }

  put(at: number, bytes: Uint8Array): void {
    this.copy(at, bytes.length, (offset, into) => into.set(bytes.subarray(offset, offset + into.length)));
  }

  flush(): void {
    if (this.#filled > 0) this.#write(this.#block.subarray(0, this.#filled), this.#at);
    this.#at += this.#filled;
    this.#filled = 0;
  }
}
