/**
 * Every lock on a mailbox is taken here: fcntl, then the dotlock, released in reverse (Debian policy 11.6).
 *
 * Programs differ in which they take first, so neither is ever held while waiting for the other: both are only tried,
 * and when one is taken by somebody else everything is given back, for a random time that grows from 10 ms to half a
 * second. After a second of waiting the user is told for whom; after `timeoutMs` a temporary MailError says who holds
 * what, for how long, and what to do.
 *
 * - In one process, calls for the same file queue up (fcntl would not keep them apart in every case).
 * - try-dotlock.ts takes stale dotlocks away, and knows what to do where the folder cannot be written. Where there can
 *   be no dotlock, fcntl alone must do.
 * - A reader takes a shared fcntl lock and the dotlock, since procmail and its like know no other; where it can have
 *   neither it reads on without, as long as nobody holds a dotlock. A writer that can have neither is refused.
 * - When the process ends by itself or by SIGHUP, SIGINT or SIGTERM, dotlocks are taken away. After kill -9 one is left,
 *   which the next program finds stale.
 */
import { MailError, reasonOf } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { type RecordLocks, recordLocks, whyNoLibc } from '../core/libc.ts';
import { type Processes, processesHere } from '../core/processes.ts';
import { takeTurn } from '../core/turns.ts';
import { sameFile } from './dotlock.ts';
import type { HeldLock, Locker } from './mailbox.ts';
import {
  type Attempt,
  type Busy,
  createDotlocker,
  type DotlockAttempt,
  processText,
  spanText,
  type Undo,
} from './try-dotlock.ts';

/**
 * The locks were taken, but meanwhile `path` had become another file, or none: `fd` is not the mailbox any more.
 * Nothing is locked. Open the path again and lock that.
 */
export class MovedError extends MailError {
  readonly path: string;

  constructor(path: string) {
    super(`${path}: another program replaced the mailbox while it was being opened`, { temporary: true });
    this.path = path;
  }
}

export interface LockerOptions {
  readonly disk: Disk;
  /** Name of this host, written into dotlocks. */
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Says what the user should know: for whom we wait, which stale lock went. */
  readonly notify: (text: string) => void;
  /** How long to wait for both locks. Default 30,000. */
  readonly timeoutMs?: number;
  /** Record locks; null: without. Default: libc's, when koffi can be loaded. */
  readonly records?: RecordLocks | null;
  /** Path of dotlockfile(1); null: without. Default: where Debian's liblockfile-bin puts it, if it is there. */
  readonly helper?: string | null;
  readonly processes?: Processes;
  readonly sleep?: (ms: number) => Promise<void>;
  /** 0 to 1. */
  readonly random?: () => number;
}

type Purpose = 'read' | 'write';

const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 500;
const TELL_AFTER_MS = 1000;

/** Makes the locker of this process. What it keeps between calls is only what it has told the user already. */
export function createLocker(options: LockerOptions): Locker {
  const { disk, now, notify, helper, timeoutMs = 30_000, sleep = wait, random = Math.random } = options;
  const processes = options.processes ?? processesHere();
  const tryDotlock = createDotlocker({ disk, here: { hostname: options.hostname, processes }, now, notify, helper });
  const told = new Set<string>();

  function tellOnce(text: string): void {
    if (told.has(text)) return;
    told.add(text);
    notify(text);
  }

  function records(): RecordLocks | undefined {
    if (options.records !== undefined) return options.records ?? undefined;
    const locks = recordLocks();
    if (locks !== undefined) return locks;
    tellOnce(`only dotlocks protect mailboxes here, other programs' fcntl locks go unseen (${whyNoLibc()})`);
    return undefined;
  }

  function tryRecord(path: string, fd: number, purpose: Purpose): Attempt | { readonly kind: 'none' } {
    const locks = records();
    switch (locks === undefined ? 'unsupported' : tryRecordLock(locks, path, fd, purpose)) {
      case 'locked':
        return { kind: 'taken', undo: () => locks?.unlock(fd) };
      case 'unsupported':
        return { kind: 'none' };
      case 'held': {
        const pid = locks?.holder(fd);
        const who = pid === undefined ? 'another program' : processText(pid, processes);
        return { kind: 'busy', text: `the fcntl lock on ${path}, held by ${who}`, remedy: `end ${who} if it hangs` };
      }
    }
  }

  /** One try for all locks: all or none. */
  function attempt(path: string, fd: number, purpose: Purpose): Attempt {
    const record = tryRecord(path, fd, purpose);
    if (record.kind === 'busy') return record;
    const undoRecord = record.kind === 'taken' ? record.undo : () => {};
    let result: Attempt | undefined;
    try {
      result = withDotlock(path, purpose, tryDotlock(path, purpose), record.kind === 'taken');
    } finally {
      if (result?.kind !== 'taken') undoRecord();
    }
    if (result.kind === 'busy') return result;
    const { undo } = result;
    return { kind: 'taken', undo: () => inOrder(undo, undoRecord) };
  }

  /** What a try for the dotlock comes to, with or without a record lock. */
  function withDotlock(path: string, purpose: Purpose, dotlock: DotlockAttempt, recorded: boolean): Attempt {
    if (dotlock.kind !== 'unable') return dotlock;
    if (purpose === 'write') {
      if (!recorded) throw new MailError(`${path} can only be read: ${unlockable(dotlock.why)}`, { temporary: false });
      tellOnce(`${dotlock.why}: only an fcntl lock protects ${path}`);
    }
    return { kind: 'taken', undo: () => {} };
  }

  /** Why there is no lock at all, given why there is no dotlock. */
  function unlockable(why: string): string {
    const reason = options.records === undefined ? whyNoLibc() : undefined;
    return `${why}, and there are no fcntl locks ${reason === undefined ? 'on that file system' : `(${reason})`}`;
  }

  async function untilTaken(path: string, fd: number, purpose: Purpose): Promise<Undo> {
    let limit = FIRST_WAIT_MS;
    let waited = 0;
    let silent = true;
    for (;;) {
      const result = attempt(path, fd, purpose);
      if (result.kind === 'taken') return result.undo;
      if (waited >= timeoutMs) throw gaveUp(path, result);
      if (silent && waited >= TELL_AFTER_MS) {
        silent = false;
        notify(`waiting for ${result.text}`);
      }
      const pause = Math.min(limit * (0.5 + random() / 2), timeoutMs - waited);
      await sleep(pause);
      waited += pause;
      limit = Math.min(limit * 2, LONGEST_WAIT_MS);
    }
  }

  function gaveUp(path: string, { text, remedy }: Omit<Busy, 'kind'>): MailError {
    const span = spanText(timeoutMs / 1000);
    return new MailError(`${path} could not be locked within ${span}: ${text}; ${remedy}`, { temporary: true });
  }

  return {
    whyReadOnly(path) {
      if (records() !== undefined) return undefined;
      const dotlock = tryDotlock(path, 'write');
      if (dotlock.kind === 'taken') dotlock.undo();
      return dotlock.kind === 'unable' ? unlockable(dotlock.why) : undefined;
    },

    async lock(path, fd, purpose): Promise<HeldLock> {
      const stat = disk.fstat(fd);
      const leave = await takeTurn(`${stat.dev}:${stat.ino}`, timeoutMs);
      if (leave === undefined) throw gaveUp(path, { text: 'this program is changing it itself', remedy: 'try again' });
      let undo: Undo = () => {};
      try {
        undo = await untilTaken(path, fd, purpose);
        if (!sameFile(disk.stat(path), stat)) throw new MovedError(path);
      } catch (error) {
        inOrder(undo, leave);
        throw error;
      }
      return held(() => inOrder(undo, leave));
    },
  };
}

function tryRecordLock(locks: RecordLocks, path: string, fd: number, purpose: Purpose) {
  try {
    return locks.tryLock(fd, purpose);
  } catch (error) {
    const what = purpose === 'read' ? 'reading' : 'writing';
    throw new MailError(`${path} cannot be locked for ${what}: ${reasonOf(error)}`, { temporary: false, cause: error });
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function inOrder(first: Undo, second: Undo): void {
  try {
    first();
  } finally {
    second();
  }
}

/** A lock that is released once, however often that is asked. */
function held(undo: Undo): HeldLock {
  let open = true;
  return {
    release() {
      if (!open) return;
      open = false;
      undo();
    },
  };
}
