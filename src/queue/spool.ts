/**
 * The queue on disk: an append-only log in segments, and files for large messages.
 *
 * Promise: what `commit` resolved for is on stable storage, and stays until `remove`. Several commits share one sync: the
 * callers of one turn of the event loop wait together, which is what makes a busy server fast and costs an idle one nothing.
 *
 * A segment (`NNNNNNNN-MARK.log`) is a sequence of records: mark, kind, length, CRC-32, payload. The mark is random and each
 * segment's own: who sends a message cannot know it, and so cannot write what would be taken for a record when the segment
 * is damaged around it. Kinds: a message (entry as JSON and, up to LARGE octets, its content), a new state of an entry, the
 * removal of one. A larger content is `ID.msg` beside the
 * segments, synced before the record that names it. The last word about an entry counts. Segments go oldest first, since a
 * later one may hold the removal of a message in an earlier one; when messages that wait long keep many segments alive, the
 * oldest is emptied into the current one.
 *
 * After a crash, `openSpool` reads the segments in order. A torn tail was never acknowledged and is cut off. Damage in the
 * middle is set aside in `damaged/` with what was around it, and the rest goes on. `.msg` files that no record names are removed.
 *
 * When a write or sync fails, every caller of that turn gets a temporary MailError (452 4.3.1 to the client), the segment is
 * cut back to what was synced last, and a new one is begun: after a failed fsync the kernel may have dropped pages, so
 * nothing written since can be trusted.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { MailError, reasonOf } from '../core/errors.ts';
import { type Disk, makeFolder, readWhole, withFile } from '../core/files.ts';
import type { QueueEntry, QueueId } from './entry.ts';

/** Content up to this many octets lies in the log. */
export const LARGE = 256 * 1024;
const SEGMENT_LIMIT = 32 * 1024 * 1024;
/** With more segments than this, the oldest is emptied. */
const SEGMENTS = 4;
const BLOCK = 256 * 1024;
/** Octets of a mark, and of what stands before a payload. */
const MARK = 8;
const HEAD = MARK + 12;
const Kind = { message: 1, state: 2, removed: 3 } as const;
const KINDS: ReadonlySet<number> = new Set(Object.values(Kind));
const SEGMENT_NAME = /^(\d{8})-([0-9a-f]{16})\.log$/;
const LARGE_NAME = /^(.+)\.msg$/;

/** Where the content of a message is. */
type Place =
  | { readonly kind: 'log'; readonly position: number; readonly length: number }
  | { readonly kind: 'file'; readonly length: number };

interface Kept {
  entry: QueueEntry;
  readonly place: Place;
  /** The segment that holds the message record. */
  readonly segment: number;
}

interface Segment {
  readonly number: number;
  readonly path: string;
  readonly mark: Buffer;
  readonly fd: number;
  /** Where the next record goes. */
  end: number;
  /** Records before `end` that are not in the file yet: those of one turn go there in one piece. */
  unwritten: Uint8Array[];
  /** All before this is on stable storage. */
  synced: number;
  /** Messages in it that are still in the queue. */
  live: number;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Content that is coming in. Held in memory while small, in a file when not. */
export interface Incoming {
  readonly id: QueueId;
  readonly size: number;
  /** Throws a temporary MailError when the disk takes no more. */
  add(chunk: Uint8Array): void;
  /** Forgets it: the message is refused or the client went away. */
  discard(): void;
}

export interface Spool {
  entries(): IterableIterator<QueueEntry>;
  get(id: QueueId): QueueEntry | undefined;
  /** A place for a new message, with a fresh id. */
  begin(): Incoming;
  /** Takes the message in; resolves when it is on stable storage. */
  commit(incoming: Incoming, entry: Omit<QueueEntry, 'id' | 'size'>): Promise<QueueEntry>;
  /** New state of an entry. Resolves when it is on stable storage; it is in force at once. */
  update(entry: QueueEntry): Promise<void>;
  /** The entry is done. Resolves when that is on stable storage. */
  remove(id: QueueId): Promise<void>;
  /** The content in blocks, from `start`. */
  read(id: QueueId, start?: number): Generator<Uint8Array>;
  /** What recovery met, for the log. */
  readonly notes: readonly string[];
  /** Waits for what is being synced. */
  close(): Promise<void>;
}

export interface SpoolOptions {
  readonly disk: Disk;
  /** The folder, mode 700; made when missing. */
  readonly dir: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs a function after what is under way: setImmediate; tests bring their own. */
  readonly later: (run: () => void) => void;
}

export function openSpool(options: SpoolOptions): Spool {
  const spool = new LogSpool(options);
  spool.recover();
  return spool;
}

class LogSpool implements Spool {
  readonly notes: string[] = [];
  readonly #disk: Disk;
  readonly #dir: string;
  readonly #now: () => number;
  readonly #later: (run: () => void) => void;
  readonly #kept = new Map<QueueId, Kept>();
  readonly #segments = new Map<number, Segment>();
  #current: Segment | undefined;
  /** Who waits for the next sync, and for the one under way. */
  #waiting: Waiter[] = [];
  #served: readonly Waiter[] = [];
  #syncing = false;
  /** Counts failures: a sync that began before one proves nothing. */
  #generation = 0;
  #lastId = 0;
  #emptying = false;

  constructor({ disk, dir, now, later }: SpoolOptions) {
    this.#disk = disk;
    this.#dir = dir;
    this.#now = now;
    this.#later = later;
  }

  *entries(): IterableIterator<QueueEntry> {
    for (const { entry } of this.#kept.values()) yield entry;
  }

  get(id: QueueId): QueueEntry | undefined {
    return this.#kept.get(id)?.entry;
  }

  begin(): Incoming {
    return new IncomingContent(this.#disk, this.#dir, this.#newId());
  }

  commit(incoming: Incoming, rest: Omit<QueueEntry, 'id' | 'size'>): Promise<QueueEntry> {
    if (!(incoming instanceof IncomingContent)) throw new Error('content of another spool');
    const entry: QueueEntry = { ...rest, id: incoming.id, size: incoming.size };
    return this.#attempt(entry.id, () => {
      const content = incoming.finish();
      const head = Buffer.from(`${JSON.stringify(entry)}\n`);
      const { segment, position } = this.#append(Kind.message, content === undefined ? [head] : [head, content]);
      const place: Place =
        content === undefined
          ? { kind: 'file', length: incoming.size }
          : { kind: 'log', position: position + head.length, length: incoming.size };
      this.#kept.set(entry.id, { entry, place, segment: segment.number });
      segment.live += 1;
      return entry;
    });
  }

  update(entry: QueueEntry): Promise<void> {
    const kept = this.#kept.get(entry.id);
    if (kept === undefined) throw new Error(`no entry ${entry.id}`);
    kept.entry = entry;
    return this.#attempt(undefined, () => {
      this.#append(Kind.state, [Buffer.from(JSON.stringify(entry))]);
    });
  }

  async remove(id: QueueId): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    await this.#attempt(undefined, () => {
      this.#append(Kind.removed, [Buffer.from(id)]);
    });
    this.#forget(id);
    this.#dropOldest();
    await this.#emptyOldest();
  }

  *read(id: QueueId, start = 0): Generator<Uint8Array> {
    const kept = this.#kept.get(id);
    if (kept === undefined) throw new MailError(`no message ${id} in the queue`, { temporary: false });
    const { place } = kept;
    const own = place.kind === 'file' ? this.#disk.open(this.#largePath(id), 'read') : undefined;
    const segment = this.#segments.get(kept.segment);
    const fd = own ?? segment?.fd;
    if (fd === undefined || segment === undefined) throw new Error(`segment ${kept.segment} is closed`);
    if (own === undefined) this.#writeOut(segment);
    const offset = place.kind === 'log' ? place.position : 0;
    try {
      for (let at = start; at < place.length; at += BLOCK) {
        const block = new Uint8Array(Math.min(BLOCK, place.length - at));
        if (this.#disk.read(fd, block, offset + at) < block.length) {
          throw new MailError(`${this.#dir}: the content of ${id} is damaged`, { temporary: false });
        }
        yield block;
      }
    } finally {
      if (own !== undefined) this.#disk.close(own);
    }
  }

  async close(): Promise<void> {
    while (this.#syncing) await new Promise<void>((resolve) => setImmediate(resolve));
    for (const { fd } of this.#segments.values()) this.#disk.close(fd);
    this.#segments.clear();
    this.#current = undefined;
  }

  /** Reads what an earlier process left. */
  recover(): void {
    makeFolder(this.#disk, this.#dir, 0o700);
    const names = this.#disk.list(this.#dir).sort();
    const segments = names.filter((name) => SEGMENT_NAME.test(name));
    for (const name of segments) this.#recoverSegment(name, name === segments.at(-1));
    for (const name of names) {
      const id = LARGE_NAME.exec(name)?.[1] as QueueId | undefined;
      if (id !== undefined && this.#kept.get(id)?.place.kind !== 'file') this.#disk.unlink(join(this.#dir, name));
    }
    for (const [id, { place }] of this.#kept) {
      if (place.kind !== 'file' || this.#disk.stat(this.#largePath(id))?.size === place.length) continue;
      this.notes.push(`${this.#largePath(id)} is missing or damaged; ${id} is held`);
      this.#hold(id, 'its content is missing or damaged');
    }
    this.#dropOldest();
  }

  #recoverSegment(name: string, last: boolean): void {
    const [, number = '', mark = ''] = SEGMENT_NAME.exec(name) ?? [];
    const path = join(this.#dir, name);
    const fd = this.#disk.open(path, 'write');
    const bytes = readWhole(this.#disk, path) ?? new Uint8Array();
    const segment: Segment = {
      number: Number(number),
      path,
      mark: Buffer.from(mark, 'hex'),
      fd,
      end: bytes.length,
      unwritten: [],
      synced: bytes.length,
      live: 0,
    };
    this.#segments.set(segment.number, segment);
    let at = 0;
    while (at < bytes.length) {
      const record = readRecord(bytes, at, segment.mark);
      if (record !== undefined) {
        this.#replay(segment, record, at + HEAD);
        at = record.end;
        continue;
      }
      const next = nextRecord(bytes, at + 1, segment.mark);
      if (next === undefined && last) {
        this.#disk.truncate(fd, at);
        this.#disk.sync(fd);
        segment.end = at;
        segment.synced = at;
        return;
      }
      this.#setAside(segment, bytes.subarray(at, next ?? bytes.length), at);
      at = next ?? bytes.length;
    }
  }

  #replay(segment: Segment, { kind, payload }: ReadRecord, position: number): void {
    if (kind === Kind.removed) {
      const id = Buffer.from(payload).toString() as QueueId;
      const kept = this.#kept.get(id);
      if (kept === undefined) return;
      this.#kept.delete(id);
      const home = this.#segments.get(kept.segment);
      if (home !== undefined) home.live -= 1;
      return;
    }
    const end = kind === Kind.message ? payload.indexOf(0x0a) : payload.length;
    const entry = JSON.parse(Buffer.from(payload.subarray(0, end)).toString()) as QueueEntry;
    this.#lastId = Math.max(this.#lastId, idTime(entry.id));
    const kept = this.#kept.get(entry.id);
    if (kind === Kind.state) {
      if (kept !== undefined) kept.entry = entry;
      return;
    }
    const length = payload.length - end - 1;
    const place: Place =
      length === 0 && entry.size > 0
        ? { kind: 'file', length: entry.size }
        : { kind: 'log', position: position + end + 1, length };
    const home = kept === undefined ? undefined : this.#segments.get(kept.segment);
    if (home !== undefined) home.live -= 1;
    this.#kept.set(entry.id, { entry, place, segment: segment.number });
    segment.live += 1;
  }

  #setAside({ number, path: segment }: Segment, bytes: Uint8Array, position: number): void {
    const dir = join(this.#dir, 'damaged');
    this.#disk.mkdir(dir, 0o700);
    const path = join(dir, `${String(number).padStart(8, '0')}-${position}`);
    withFile(this.#disk, path, 'create', (fd) => {
      this.#disk.truncate(fd, 0);
      this.#disk.write(fd, bytes, 0);
      this.#disk.sync(fd);
    });
    this.notes.push(`${segment}: ${bytes.length} octets at ${position} are damaged; kept in ${path}`);
  }

  #hold(id: QueueId, why: string): void {
    const kept = this.#kept.get(id);
    if (kept !== undefined) kept.entry = { ...kept.entry, held: why };
  }

  /** Runs what appends records, and waits for the sync that covers them. */
  async #attempt<T>(newId: QueueId | undefined, append: () => T): Promise<T> {
    let value: T;
    try {
      value = append();
    } catch (error) {
      this.#fail(error);
      throw spoolError(this.#dir, error);
    }
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push({ resolve, reject });
        if (!this.#syncing) this.#later(() => void this.#flush());
        this.#syncing = true;
      });
    } catch (error) {
      if (newId !== undefined) this.#forget(newId);
      throw error;
    }
    return value;
  }

  /** Syncs for those who wait; whoever comes meanwhile waits for the next one. */
  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#served = waiting;
      const generation = this.#generation;
      try {
        for (const segment of this.#segments.values()) {
          const { end } = segment;
          if (segment.synced === end) continue;
          this.#writeOut(segment);
          await this.#disk.syncLater(segment.fd);
          if (generation !== this.#generation) break;
          segment.synced = end;
        }
      } catch (error) {
        if (generation === this.#generation) this.#fail(error);
      }
      this.#served = [];
      if (generation === this.#generation) for (const { resolve } of waiting) resolve();
    }
    this.#syncing = false;
  }

  /** Nobody who waits may be told "done": what was written since the last sync is taken back. */
  #fail(error: unknown): void {
    const waiting = [...this.#served, ...this.#waiting];
    this.#served = [];
    this.#waiting = [];
    this.#generation += 1;
    for (const segment of this.#segments.values()) {
      if (segment.synced === segment.end) continue;
      segment.end = segment.synced;
      segment.unwritten = [];
      try {
        this.#disk.truncate(segment.fd, segment.synced);
        this.#disk.sync(segment.fd);
      } catch {
        this.notes.push(`${segment.path} cannot be cut back: ${reasonOf(error)}`);
      }
    }
    this.#current = undefined;
    for (const { reject } of waiting) reject(spoolError(this.#dir, error));
  }

  #append(kind: number, payload: readonly Uint8Array[]): { segment: Segment; position: number } {
    const segment = this.#segmentToWrite();
    const length = payload.reduce((sum, one) => sum + one.length, 0);
    const record = Buffer.allocUnsafe(HEAD + length);
    let at = HEAD;
    for (const one of payload) {
      record.set(one, at);
      at += one.length;
    }
    record.set(segment.mark, 0);
    record.writeUInt32LE(kind, MARK);
    record.writeUInt32LE(length, MARK + 4);
    record.writeUInt32LE(recordCrc(kind, record.subarray(HEAD)), MARK + 8);
    const position = segment.end;
    segment.unwritten.push(record);
    segment.end += record.length;
    return { segment, position: position + HEAD };
  }

  #writeOut(segment: Segment): void {
    if (segment.unwritten.length === 0) return;
    const bytes = Buffer.concat(segment.unwritten);
    this.#disk.write(segment.fd, bytes, segment.end - bytes.length);
    segment.unwritten = [];
  }

  #segmentToWrite(): Segment {
    const current = this.#current;
    if (current !== undefined && current.end < SEGMENT_LIMIT) return current;
    const number = Math.max(0, ...this.#segments.keys()) + 1;
    const mark = randomBytes(MARK);
    const path = join(this.#dir, `${String(number).padStart(8, '0')}-${mark.toString('hex')}.log`);
    const fd = this.#disk.open(path, 'exclusive', 0o600);
    const segment: Segment = { number, path, mark, fd, end: 0, unwritten: [], synced: 0, live: 0 };
    this.#segments.set(number, segment);
    this.#disk.syncDir(this.#dir);
    this.#current = segment;
    return segment;
  }

  #forget(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    if (kept.place.kind === 'file') this.#disk.unlink(this.#largePath(id));
    const segment = this.#segments.get(kept.segment);
    if (segment !== undefined) segment.live -= 1;
  }

  #oldest(): Segment | undefined {
    const [oldest] = this.#segments.values();
    return oldest === this.#current ? undefined : oldest;
  }

  #dropOldest(): void {
    for (let oldest = this.#oldest(); oldest !== undefined && oldest.live === 0; oldest = this.#oldest()) {
      this.#segments.delete(oldest.number);
      this.#disk.close(oldest.fd);
      this.#disk.unlink(oldest.path);
    }
  }

  /** Copies what still waits in the oldest segment behind the rest. The copies count once they are synced. */
  async #emptyOldest(): Promise<void> {
    const oldest = this.#oldest();
    if (oldest === undefined || this.#segments.size <= SEGMENTS || this.#emptying) return;
    this.#emptying = true;
    try {
      const waiting = [...this.#kept.values()].filter(({ segment }) => segment === oldest.number);
      const moves = await this.#attempt(undefined, () => waiting.map((kept) => this.#copy(kept)));
      for (const { kept, place, segment } of moves) {
        if (this.#kept.get(kept.entry.id) !== kept) continue;
        this.#kept.set(kept.entry.id, { entry: kept.entry, place, segment: segment.number });
        segment.live += 1;
        oldest.live -= 1;
      }
      this.#dropOldest();
    } finally {
      this.#emptying = false;
    }
  }

  #copy(kept: Kept): { kept: Kept; place: Place; segment: Segment } {
    const head = Buffer.from(`${JSON.stringify(kept.entry)}\n`);
    const content = kept.place.kind === 'log' ? [...this.read(kept.entry.id)] : [];
    const { segment, position } = this.#append(Kind.message, [head, ...content]);
    const place = kept.place.kind === 'log' ? { ...kept.place, position: position + head.length } : kept.place;
    return { kept, place, segment };
  }

  #largePath(id: QueueId): string {
    return join(this.#dir, `${id}.msg`);
  }

  /** Ascending, also when the clock goes back: milliseconds in base 36, at least one more than the last. */
  #newId(): QueueId {
    this.#lastId = Math.max(this.#lastId + 1, this.#now());
    return this.#lastId.toString(36).toUpperCase().padStart(9, '0') as QueueId;
  }
}

class IncomingContent implements Incoming {
  readonly id: QueueId;
  readonly #disk: Disk;
  readonly #dir: string;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #fd: number | undefined;

  constructor(disk: Disk, dir: string, id: QueueId) {
    this.#disk = disk;
    this.#dir = dir;
    this.id = id;
  }

  get size(): number {
    return this.#size;
  }

  add(chunk: Uint8Array): void {
    try {
      if (this.#fd === undefined && this.#size + chunk.length <= LARGE) {
        this.#chunks.push(chunk.slice());
      } else {
        this.#fd ??= this.#spill();
        this.#disk.write(this.#fd, chunk, this.#size);
      }
    } catch (error) {
      throw spoolError(this.#dir, error);
    }
    this.#size += chunk.length;
  }

  discard(): void {
    this.#chunks = [];
    if (this.#fd === undefined) return;
    this.#disk.close(this.#fd);
    this.#fd = undefined;
    this.#disk.unlink(this.#path());
  }

  /** The content when it is small; else it is made durable in its file, and undefined comes back. */
  finish(): Uint8Array | undefined {
    if (this.#fd === undefined) return Buffer.concat(this.#chunks);
    this.#disk.sync(this.#fd);
    this.#disk.close(this.#fd);
    this.#fd = undefined;
    this.#disk.syncDir(this.#dir);
    return undefined;
  }

  #spill(): number {
    const fd = this.#disk.open(this.#path(), 'exclusive', 0o600);
    this.#disk.write(fd, Buffer.concat(this.#chunks), 0);
    this.#chunks = [];
    return fd;
  }

  #path(): string {
    return join(this.#dir, `${this.id}.msg`);
  }
}

interface ReadRecord {
  readonly kind: number;
  readonly payload: Uint8Array;
  readonly end: number;
}

function recordCrc(kind: number, payload: Uint8Array): number {
  return crc32(payload, kind);
}

/** The record at `at`, or undefined when there is no whole and undamaged one. */
function readRecord(bytes: Uint8Array, at: number, mark: Buffer): ReadRecord | undefined {
  if (at + HEAD > bytes.length) return undefined;
  if (!mark.equals(bytes.subarray(at, at + MARK))) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + MARK, HEAD - MARK);
  const kind = view.getUint32(0, true);
  const length = view.getUint32(4, true);
  const end = at + HEAD + length;
  // No payload is empty; where only the mark got to the disk, zeros follow, and 0 is their CRC.
  if (length === 0 || !KINDS.has(kind) || end > bytes.length) return undefined;
  const payload = bytes.subarray(at + HEAD, end);
  return recordCrc(kind, payload) === view.getUint32(8, true) ? { kind, payload, end } : undefined;
}

/** Where the next undamaged record begins, or undefined. */
function nextRecord(bytes: Uint8Array, from: number, mark: Buffer): number | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = buffer.indexOf(mark, from); at >= 0; at = buffer.indexOf(mark, at + 1)) {
    if (readRecord(bytes, at, mark) !== undefined) return at;
  }
  return undefined;
}

function idTime(id: QueueId): number {
  return Number.parseInt(id, 36);
}

function spoolError(dir: string, error: unknown): MailError {
  if (error instanceof MailError) return error;
  return new MailError(`queue ${dir}: ${reasonOf(error)}`, { temporary: true, cause: error });
}
