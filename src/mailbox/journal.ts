/**
 * Changes a file in place so that after a crash at any point there is the old content or the new one.
 *
 * The file keeps its inode: a program that waits for the lock on it goes on with the right file. What is under way is
 * written to a journal first (journal-file.ts), in steps (rewrite-plan.ts); the next opener finishes or drops it, under
 * the write locks. Nothing here knows what a mailbox is made of.
 *
 * The order of events, `|` standing for a sync without which the next must not begin:
 *
 *     no growth      begin + step 0 | write step 0 | step 1 | write step 1 … | cut | clear
 *     growth         begin | extend with zeros | step 0 | write step 0 …     | clear
 *     append         begin | extend, write | clear
 *
 * While it is under way the file is never shorter than before or after, whichever is longer. So what another program,
 * that knows nothing of the journal, appended after the crash lies behind that end, and is kept behind the new content.
 * When another program rewrote the file instead, the journal fits no more: it is set aside, and the file is left alone.
 */
import { dirname } from 'node:path';
import { MailError, reasonOf } from '../core/errors.ts';
import type { Disk, FileStat } from '../core/files.ts';
import { undoAppend } from './journal-append.ts';
import {
  type AppendRecord,
  clearJournal,
  endOf,
  FIRST,
  HEADER,
  type JournalFile,
  RESERVE,
  type RewriteRecord,
  readBegin,
  readStep,
} from './journal-file.ts';
import {
  abandon,
  attempt,
  identify,
  interrupted,
  isFull,
  type JournalContext,
  journalsOf,
  openFound,
  openJournal,
  shorten,
  unchanged,
} from './journal-open.ts';
import {
  needsNoSource,
  type Piece,
  type Plan,
  planRewrite,
  STEP_LIMITS,
  type Step,
  type StepLimits,
  shapesOf,
  slicesOf,
} from './rewrite-plan.ts';
import { begin, bytesOfStep, type Change, prepare, resume, run, takeOut } from './rewrite-run.ts';

export type { Piece } from './rewrite-plan.ts';

const ALIEN = 'Another program wrote it anew after a change of it was interrupted';

export interface RecoverResult {
  /** `nothing` was left; the change was `finished` or `undone`; `aside`: the file was changed by others and is as they
   *  left it; `unreadable`: somebody else's journal must be seen to first, nobody may change the file. */
  readonly kind: 'nothing' | 'finished' | 'undone' | 'aside' | 'unreadable';
  /** Whole sentences for the user. */
  readonly notes: readonly string[];
}

/** Without room for the usual journal, this much of the room that it always has is left for each slot. */
const LEAST_SLOT = 4096;

/**
 * Puts the content that `pieces` describe in the place of the content of `path`, open for writing as `fd`.
 * The caller holds the write locks, has called `recover`, and knows that the file has `oldSize` octets. When it returns
 * the new content is durable. Throws a temporary MailError that says whether nothing was changed, or the change was
 * interrupted and will be finished by the next opener.
 */
export function rewrite(
  context: JournalContext,
  path: string,
  fd: number,
  oldSize: number,
  pieces: readonly Piece[],
  limits: StepLimits = STEP_LIMITS,
): void {
  const { disk } = context;
  const stat = disk.fstat(fd);
  if (stat.size !== oldSize) throw unchanged(path, 'another program has just changed it');
  const plan = planRewrite(oldSize, shapesOf(pieces));
  if (plan.work === 0) {
    cutOnly(disk, path, fd, plan);
    return;
  }
  const journal = openJournal(context, path, stat);
  try {
    let change: Change;
    let step: Step;
    try {
      [change, step] = beginWithRoom(context, journal, path, fd, stat, plan, pieces, limits);
    } catch (error) {
      // The journal is what the next opener knows it by when the file could not be made as it was.
      if (plan.newSize > oldSize && !attempt(() => shorten(disk, fd, oldSize))) throw interrupted(path, journal, error);
      abandon(journal);
      throw unchanged(path, reasonOf(error), error);
    }
    try {
      run(change, 0, step, false);
      clearJournal(journal);
    } catch (error) {
      finishLater(context, path, fd, journal, error);
    }
  } finally {
    disk.close(journal.fd);
  }
}

/** Begins a change; on a full disk with the little room that the journal always has. */
function beginWithRoom(
  context: JournalContext,
  journal: JournalFile,
  path: string,
  fd: number,
  stat: FileStat,
  plan: Plan,
  pieces: readonly Piece[],
  limits: StepLimits,
): [Change, Step] {
  const news = pieces.flatMap((piece) => (piece.kind === 'bytes' && piece.bytes.length > 0 ? [piece.bytes] : []));
  const identity = identify(context.disk, path, stat);
  const start = (within: StepLimits): [Change, Step] => {
    const change = prepare(journal, FIRST, fd, plan, news, identity, within, '');
    return [change, begin(change)];
  };
  try {
    return start(limits);
  } catch (error) {
    if (!isFull(error) || plan.newSize > plan.oldSize) throw error;
    abandon(journal);
    const tables = prepare(journal, FIRST, fd, plan, news, identity, limits, '').record.slotsAt;
    const room = Math.floor((RESERVE - tables) / 2) - HEADER - 512;
    if (room < LEAST_SLOT) throw error;
    return start({ small: room, free: Math.min(limits.free, room), journal: room });
  }
}

/** Looks for a journal that `recover` would have to deal with; changes nothing, takes microseconds when there is none. */
export function pendingJournal(context: JournalContext, path: string): boolean {
  const { disk } = context;
  const owner = disk.stat(path)?.uid;
  return journalsOf(context, path).some((file) => {
    const journal = openFound(disk, file, 'read', owner);
    if (journal === undefined) return false;
    if (journal === 'denied') return true;
    try {
      return readBegin(journal, FIRST) !== undefined;
    } finally {
      disk.close(journal.fd);
    }
  });
}

/**
 * Finishes or drops what a crash left of a change of `path`, open for writing as `fd`. Every opener that holds the write
 * locks calls it before it looks at the file. Throws a temporary MailError when the disk refuses; then nothing is lost,
 * and the next opener will try again.
 */
export function recover(context: JournalContext, path: string, fd: number): RecoverResult {
  const { disk } = context;
  const notes: string[] = [];
  let kind: RecoverResult['kind'] = 'nothing';
  for (const file of journalsOf(context, path)) {
    const journal = openFound(disk, file, 'write', disk.fstat(fd).uid);
    if (journal === undefined) continue;
    if (journal === 'denied') {
      kind = 'unreadable';
      notes.push(
        `${path}: another user's change was interrupted; ${file} is needed to finish it and cannot be opened.`,
      );
      continue;
    }
    try {
      const found = recoverFrom(context, path, fd, journal);
      if (found === undefined) continue;
      kind = found.kind;
      notes.push(`${path}: ${found.note}`);
    } catch (error) {
      const why = `an interrupted change could not be finished now (${reasonOf(error)}); ${file} keeps it for the next try`;
      throw new MailError(`${path}: ${why}`, { temporary: true, cause: error });
    } finally {
      disk.close(journal.fd);
    }
  }
  return { kind, notes };
}

interface Found {
  readonly kind: RecoverResult['kind'];
  readonly note: string;
}

/** Deals with one journal; undefined when nothing is under way in it. */
function recoverFrom(context: JournalContext, path: string, fd: number, journal: JournalFile): Found | undefined {
  const { disk } = context;
  const record = readBegin(journal, FIRST);
  if (record === undefined) return undefined;
  const { ino, size } = disk.fstat(fd);
  const { identity } = record;
  if (identity.ino !== String(ino) || identity.path !== disk.realpath(path)) {
    return setAside(context, journal, 'It is not the file any more that a change was interrupted on');
  }
  const last = lastOf(journal, record);
  if (last.kind === 'rewrite') return finish(context, fd, journal, last, size);
  if (!undoAppend(journal, fd, last, size)) return setAside(context, journal, ALIEN);
  clearJournal(journal);
  return { kind: 'undone', note: 'An append that was interrupted is undone.' };
}

/** The last of the changes in a journal: one that followed another was begun when that was durable. */
function lastOf(journal: JournalFile, first: RewriteRecord | AppendRecord): RewriteRecord | AppendRecord {
  let last = first;
  for (;;) {
    const next = readBegin(journal, endOf(last));
    if (next?.kind !== 'rewrite' || next.follows !== last.id || readStep(journal, next) === undefined) return last;
    last = next;
  }
}

function finish(context: JournalContext, fd: number, journal: JournalFile, record: RewriteRecord, size: number): Found {
  const change = resume(journal, fd, record);
  const { plan } = change;
  const found = readStep(journal, record);
  if (found === undefined) return undoBegin(change, size);
  const { number, from, to, journaled } = found.header;
  const step = { from, to, journaled };
  const mayBeCut = plan.newSize < plan.oldSize && to === plan.work && needsNoSource(plan, step);
  const state = compare(change, number, step, size);
  if (state === 'foreign' || (state === 'cut' && !mayBeCut)) {
    return setAside(context, journal, ALIEN);
  }
  run(change, number, step, state === 'cut');
  clearJournal(journal);
  return { kind: 'finished', note: 'A change that was interrupted is finished.' };
}

/** Compares the samples taken before the change with the file: `cut` when only those behind the new end are gone. */
function compare(change: Change, number: number, step: Step, size: number): 'same' | 'cut' | 'foreign' {
  const { plan, record, disk, fd } = change;
  const end = plan.newSize < plan.oldSize ? plan.newSize : Number.POSITIVE_INFINITY;
  if (size < plan.newSize || (size < plan.oldSize && end === Number.POSITIVE_INFINITY)) return 'foreign';
  let cut = size < plan.oldSize;
  const written = slicesOf(plan, 0, step.to);
  for (const { at, bytes } of record.witnesses) {
    const now = new Uint8Array(bytes.length);
    const there = disk.read(fd, now, at);
    const touched = written.filter((slice) => slice.to < at + bytes.length && slice.to + slice.length > at);
    const fresh = touched.length === 0 ? undefined : bytesOfStep(change, number, step, at, at + bytes.length);
    const done =
      touched.length === 0
        ? []
        : slicesOf(plan, 0, step.from).filter((slice) => slice.to < at + bytes.length && slice.to + slice.length > at);
    for (const [i, old] of bytes.entries()) {
      const place = at + i;
      if (i < there && now[i] === old) continue;
      if (place >= end) {
        cut = true;
        break;
      }
      if (fresh?.get(place) === now[i] || covers(done, place)) continue;
      if (fresh?.get(place) === undefined && covers(touched, place)) continue;
      return 'foreign';
    }
  }
  return cut ? 'cut' : 'same';
}

function covers(slices: readonly { to: number; length: number }[], place: number): boolean {
  return slices.some((slice) => slice.to <= place && place < slice.to + slice.length);
}

/** The change had been announced, and the file perhaps extended, but nothing written. */
function undoBegin(change: Change, size: number): Found {
  const { disk, fd, journal, plan, record } = change;
  const note = 'A change was interrupted before it began; all is as it was.';
  if (
    plan.newSize > plan.oldSize &&
    size > plan.oldSize &&
    record.witnesses.every((w) => same(disk, fd, w.at, w.bytes))
  ) {
    const theirs = endOfZeros(disk, fd, plan.oldSize, Math.min(size, plan.newSize));
    takeOut(journal, fd, record, plan.oldSize, theirs, size);
  }
  clearJournal(journal);
  return { kind: 'undone', note };
}

function endOfZeros(disk: Disk, fd: number, from: number, to: number): number {
  const block = new Uint8Array(64 << 10);
  for (let at = from; at < to; ) {
    const part = block.subarray(0, Math.min(block.length, to - at));
    const read = disk.read(fd, part, at);
    const other = part.subarray(0, read).findIndex((byte) => byte !== 0);
    if (other !== -1) return at + other;
    if (read === 0) return at;
    at += read;
  }
  return to;
}

function same(disk: Disk, fd: number, at: number, bytes: Uint8Array): boolean {
  const now = new Uint8Array(bytes.length);
  return disk.read(fd, now, at) === now.length && now.every((byte, i) => byte === bytes[i]);
}

/** Keeps a journal that fits no more for the administrator, under a name that nobody will use. */
function setAside(context: JournalContext, journal: JournalFile, why: string): Found {
  const { disk } = context;
  const name = `${journal.path}.${Math.floor(context.now() / 1000)}`;
  disk.rename(journal.path, name);
  disk.syncDir(dirname(name));
  return { kind: 'aside', note: `${why}; it is left as it is, and what was to be done is kept in ${name}.` };
}

/** Only the length changes: one operation, which a disk does whole or not at all. */
function cutOnly(disk: Disk, path: string, fd: number, plan: Plan): void {
  if (plan.newSize === plan.oldSize) return;
  try {
    shorten(disk, fd, plan.newSize);
  } catch (error) {
    throw new MailError(`${path}: ${reasonOf(error)}`, { temporary: true, cause: error });
  }
}

/** Goes on after an error in the midst of a change, and says what is to be expected when that fails as well. */
function finishLater(context: JournalContext, path: string, fd: number, journal: JournalFile, error: unknown): void {
  try {
    if (recoverFrom(context, path, fd, journal)?.kind === 'finished') return;
  } catch {
    // Said below.
  }
  throw interrupted(path, journal, error);
}
