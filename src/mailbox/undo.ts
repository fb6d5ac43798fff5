/**
 * What the end of a session took out of a mailbox, kept for some days so that `undo` can bring it back.
 *
 * One file for one commit: STATE/undo/ID (mode 600), written in one go and synced before the mailbox is changed:
 *
 *     a line of JSON      version, mailbox, mbox, time
 *     for each message    a line of JSON (why it left, uid, flags, lengths), its From_ line, its content, a line end
 *     a line of JSON      totals; it ends the file in exactly 200 octets, so that a list needs not read the rest
 *
 * It gets its name when it is on the disk, so that one with a name is whole. Bringing back appends to the
 * mailbox what is not there any more and only then marks the file, so that a crash in between repeats harmlessly.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from '../core/crc32.ts';
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, makeFolder } from '../core/files.ts';
import { appendMessages } from './append.ts';
import { BLOCK } from './journal-file.ts';
import type { ByParts, Flags, Location, Mailbox, MailboxContext, NewMessage, Uid } from './mailbox.ts';
import { BlockWriter } from './rewrite-run.ts';

/** Why a message leaves: deleted (or saved elsewhere, which takes it out as well), or moved to mbox. */
export type Why = 'deleted' | 'saved' | 'moved';

/** A message that is about to leave. */
export interface Leaving {
  readonly slot: number;
  readonly uid: Uid;
  readonly flags: Flags;
  readonly why: Why;
  readonly received: number | undefined;
  /** As `Mailbox.stored` or `storedByParts` gives them. */
  readonly fromLine: Uint8Array;
  readonly content: Uint8Array | ByParts;
}

export interface KeepResult {
  /** Undefined when it was not kept. */
  readonly id: string | undefined;
  /** One sentence for the user when it was not kept, else ''. */
  readonly note: string;
}

export interface UndoEntry {
  readonly id: string;
  readonly location: Location;
  /** Where the moved ones went; '' when none was moved. */
  readonly mbox: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly deleted: number;
  readonly saved: number;
  readonly moved: number;
  readonly octets: number;
  /** Was brought back already. */
  readonly restored: boolean;
}

export interface Restored {
  readonly entry: UndoEntry;
  /** Messages that were put back. */
  readonly restored: number;
  /** Messages that were there still, or again. */
  readonly present: number;
  /** Messages that were moved, and are now taken out of mbox again; the others were not found there. */
  readonly unmoved: number;
}

/** Opens a mailbox; `openMailbox` of open.ts in the program. */
export type Opener = (context: MailboxContext, location: Location) => Promise<Mailbox>;

const LINE_END = Uint8Array.of(10);
const TOTALS = 200;
const LINE_LIMIT = 64 << 10;
const DONE = '.done';
const DAY = 86_400_000;

interface Meta {
  readonly why: Why;
  readonly slot: number;
  readonly uid: number;
  readonly flags: number;
  readonly received: number | null;
  readonly fromLine: number;
  readonly content: number;
}

/**
 * Keeps what is about to leave the mailbox at `location`; durable when it returns. `leaving` is taken one by one: only
 * one message is in memory. What is older than `days` is thrown away. Without room it is not kept, and the note says so.
 */
export function keepForUndo(
  context: Pick<MailboxContext, 'disk' | 'stateDir' | 'now'>,
  location: Location,
  leaving: Iterable<Leaving>,
  options: { readonly days?: number; readonly mbox?: string } = {},
): KeepResult {
  const { disk } = context;
  const { days = 7, mbox = '' } = options;
  const folder = join(context.stateDir, 'undo');
  attempt(() => prune(disk, folder, context.now() - days * DAY));
  if (days <= 0) return { id: undefined, note: '' };
  const id = newId(context.now());
  const path = join(folder, id);
  const unfinished = join(folder, `.${id}`);
  try {
    makeFolder(disk, folder, 0o700);
    const fd = disk.open(unfinished, 'exclusive', 0o600);
    try {
      writeEntry(disk, fd, { version: 1, location, mbox, time: context.now() }, leaving);
      disk.sync(fd);
    } finally {
      disk.close(fd);
    }
    disk.rename(unfinished, path);
    disk.syncDir(folder);
    return { id, note: '' };
  } catch (error) {
    for (const name of [unfinished, path]) attempt(() => disk.unlink(name));
    if (errnoOf(error) === undefined) throw error;
    return {
      id: undefined,
      note: `${path}: ${reasonOf(error)}; what leaves the mailbox now cannot be brought back by undo`,
    };
  }
}

function writeEntry(disk: Disk, fd: number, header: object, leaving: Iterable<Leaving>): void {
  const out = new BlockWriter((bytes, at) => disk.write(fd, bytes, at), BLOCK);
  let at = 0;
  const put = (bytes: Uint8Array): void => {
    out.put(at, bytes);
    at += bytes.length;
  };
  put(line(header));
  const totals = { deleted: 0, saved: 0, moved: 0, octets: 0 };
  for (const { fromLine, content, received, ...message } of leaving) {
    const { why, slot, uid, flags } = message;
    const meta: Meta = {
      why,
      slot,
      uid,
      flags,
      received: received ?? null,
      fromLine: fromLine.length,
      content: content.length,
    };
    put(line(meta));
    put(fromLine);
    if (content instanceof Uint8Array) put(content);
    else content.copy(put);
    put(LINE_END);
    totals[why]++;
    totals.octets += content.length;
  }
  put(Buffer.from(`${JSON.stringify({ totals }).padEnd(TOTALS - 1)}\n`));
  out.flush();
}

function line(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** `20260131-235959-123-k3`: sorts by time. */
function newId(now: number): string {
  const [date = '', time = ''] = new Date(now).toISOString().split('T');
  const clock = time.replaceAll(':', '').replace('.', '-').replace('Z', '');
  return `${date.replaceAll('-', '')}-${clock}-${randomBytes(2).toString('hex')}`;
}

function prune(disk: Disk, folder: string, before: number): void {
  for (const name of disk.list(folder)) {
    const path = join(folder, name);
    const stat = disk.lstat(path);
    if (stat?.kind === 'file' && Number(stat.mtimeNs / 1_000_000n) < before) disk.unlink(path);
  }
}

/** What can be brought back, newest first. */
export function listUndo(context: Pick<MailboxContext, 'disk' | 'stateDir'>): UndoEntry[] {
  const { disk } = context;
  const folder = join(context.stateDir, 'undo');
  return disk
    .list(folder)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .reverse()
    .flatMap((name) => {
      const entry = withEntry(disk, join(folder, name), (fd) => readEntry(disk, fd, name));
      return entry === undefined ? [] : [entry];
    });
}

function withEntry<T>(disk: Disk, path: string, work: (fd: number) => T): T | undefined {
  try {
    const fd = disk.open(path, 'read');
    try {
      return work(fd);
    } finally {
      disk.close(fd);
    }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError || errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

function readEntry(disk: Disk, fd: number, name: string): UndoEntry {
  const { size } = disk.fstat(fd);
  const end = new Uint8Array(Math.min(TOTALS, size));
  disk.read(fd, end, size - end.length);
  const { totals } = JSON.parse(Buffer.from(end).toString()) as {
    totals: Omit<UndoEntry, 'id' | 'location' | 'mbox' | 'time'>;
  };
  const { value } = readLine(disk, fd, 0);
  const { location, mbox, time } = value as unknown as Pick<UndoEntry, 'location' | 'mbox' | 'time'>;
  const restored = name.endsWith(DONE);
  return { id: restored ? name.slice(0, -DONE.length) : name, location, mbox, time, ...totals, restored };
}

/** A line of JSON and where the next octet is. Throws a RangeError when there is no line. */
function readLine(disk: Disk, fd: number, at: number): { value: Record<string, unknown>; next: number } {
  for (let length = 512; length <= LINE_LIMIT; length *= 4) {
    const bytes = new Uint8Array(length);
    const part = bytes.subarray(0, disk.read(fd, bytes, at));
    const end = part.indexOf(10);
    if (end !== -1) return { value: JSON.parse(Buffer.from(part.subarray(0, end)).toString()), next: at + end + 1 };
    if (part.length < length) break;
  }
  throw new RangeError('not an undo file');
}

/** The messages of a file in order; content is read when asked for. */
function* readMessages(disk: Disk, fd: number): Generator<{ meta: Meta; message: () => NewMessage }> {
  let at = readLine(disk, fd, 0).next;
  for (;;) {
    const { value, next } = readLine(disk, fd, at);
    if ('totals' in value) return;
    const meta = value as unknown as Meta;
    const read = (from: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      if (disk.read(fd, bytes, from) < length) throw new RangeError('not an undo file');
      return bytes;
    };
    yield {
      meta,
      message: () => ({
        fromLine: read(next, meta.fromLine),
        content: read(next + meta.fromLine, meta.content),
        sender: '',
        received: meta.received ?? 0,
        quote: false,
      }),
    };
    at = next + meta.fromLine + meta.content + 1;
  }
}

/**
 * Puts back what left a mailbox: entry `id`, or the newest that was not brought back yet. What is in the mailbox already
 * is not put there twice; the rest comes to its end, in the old order, as it was. What had been moved is taken out of
 * mbox again when it is found there unchanged.
 * Throws a UserError when there is no such entry, a MailError when it could not be done (and it can be tried again).
 */
export async function restoreUndo(context: MailboxContext, open: Opener, id?: string): Promise<Restored> {
  const { disk } = context;
  const entries = listUndo(context);
  const entry = id === undefined ? entries.find((one) => !one.restored) : entries.find((one) => one.id === id);
  if (entry === undefined) {
    const what = id === undefined ? 'nothing to undo' : `${id}: no such undo entry ("undo list" shows them)`;
    throw new UserError(what);
  }
  const path = join(context.stateDir, 'undo', entry.restored ? `${entry.id}${DONE}` : entry.id);
  const fd = disk.open(path, 'read');
  try {
    const there = await identitiesIn(context, open, entry.location);
    const kept = { restored: 0, present: 0 };
    const missing = function* (): Generator<NewMessage> {
      for (const { message } of readMessages(disk, fd)) {
        const one = message();
        if (take(there, identityOf(one))) kept.present++;
        else {
          kept.restored++;
          yield one;
        }
      }
    };
    await appendMessages(context, entry.location.path, missing());
    const unmoved = entry.moved > 0 ? await takeOutOfMbox(context, open, entry, fd) : 0;
    if (!entry.restored) {
      disk.rename(path, `${path}${DONE}`);
      disk.syncDir(join(context.stateDir, 'undo'));
    }
    return { entry, ...kept, unmoved };
  } catch (error) {
    if (error instanceof RangeError) throw new MailError(`${path}: is damaged`, { temporary: false, cause: error });
    throw error;
  } finally {
    disk.close(fd);
  }
}

async function takeOutOfMbox(context: MailboxContext, open: Opener, entry: UndoEntry, fd: number): Promise<number> {
  const { disk } = context;
  if (disk.stat(entry.mbox) === undefined) return 0;
  const wanted = new Map<string, number>();
  for (const { meta, message } of readMessages(disk, fd)) {
    if (meta.why === 'moved') add(wanted, identityOf(message()));
  }
  const box = await open(context, { kind: 'mbox', path: entry.mbox });
  try {
    const remove: number[] = [];
    // The last ones first: those are the ones that the session put there.
    for (let slot = box.length - 1; slot >= 0; slot--) {
      if (!box.info(slot).gone && take(wanted, identityOf(box.stored(slot)))) remove.push(slot);
    }
    if (remove.length > 0) await box.commit({ remove: remove.reverse(), whenEmpty: 'cut' });
    return remove.length;
  } finally {
    box.close();
  }
}

/** How often each message is in a mailbox. */
async function identitiesIn(context: MailboxContext, open: Opener, location: Location): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const stat = context.disk.stat(location.path);
  if (stat === undefined || (stat.kind === 'file' && stat.size === 0)) return found;
  const box = await open(context, location);
  try {
    for (let slot = 0; slot < box.length; slot++) {
      if (!box.info(slot).gone) add(found, identityOf(box.stored(slot)));
    }
  } finally {
    box.close();
  }
  return found;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function take(counts: Map<string, number>, key: string): boolean {
  const count = counts.get(key) ?? 0;
  if (count > 0) counts.set(key, count - 1);
  return count > 0;
}

/** Fields that mail programs change in a message that stays the same. */
const CHANGING = /^(?:status|x-status|x-keywords|x-uid|content-length|lines)[ \t]*:/i;

/** The same for the same message, whatever became of its flags. */
export function identityOf({ fromLine, content }: { fromLine?: Uint8Array; content: Uint8Array }): string {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  let header = 0;
  let skipping = false;
  let at = 0;
  for (; at < bytes.length; ) {
    const end = bytes.indexOf(10, at) + 1 || bytes.length;
    const first = bytes[at];
    if (first === 10 || (first === 13 && end === at + 2)) break;
    if (first !== 32 && first !== 9) skipping = CHANGING.test(bytes.toString('latin1', at, Math.min(end, at + 40)));
    if (!skipping) header = crc32(bytes.subarray(at, end), header);
    at = end;
  }
  // A missing or additional line end at the very end makes no other message.
  let end = bytes.length;
  while (end > at && (bytes[end - 1] === 10 || bytes[end - 1] === 13)) end--;
  const body = crc32(bytes.subarray(at, end));
  return `${Buffer.from(fromLine ?? []).toString('latin1')}\n${header}:${body}:${end - at}`;
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // Tidiness can wait.
  }
}
