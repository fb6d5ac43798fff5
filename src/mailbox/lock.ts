/**
 * Every lock on a mailbox is taken here: fcntl, then the dotlock, released in reverse (Debian policy 11.6).
 *
 * Programs differ in which they take first, so neither is ever held while waiting for the other: both are only tried,
 * and when one is taken by somebody else everything is given back, for a random time that grows from 10 ms to half a
 * second. After a second of waiting the user is told for whom; after `timeoutMs` a temporary MailError says who holds
 * what, for how long, and what to do.
 *
 * - In one process, calls for the same file queue up (fcntl would not keep them apart in every case).
 * - A stale dotlock is taken away, and that is said (dotlock.ts has the rules).
 * - Where the folder cannot be written, dotlockfile(1), which is setgid mail, makes the dotlock if it is installed and
 *   willing; else fcntl alone must do. Somebody else's dotlock is respected there too. A full disk is the same case: it
 *   must be possible to delete mail then.
 * - A reader takes a shared fcntl lock and the dotlock, since procmail and its like know no other; where it can have
 *   neither it reads on without, as long as nobody holds a dotlock. A writer that can have neither is refused.
 * - When the process ends by itself or by SIGHUP, SIGINT or SIGTERM, dotlocks are taken away. After kill -9 one is left,
 *   which the next program finds stale.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { atEnding } from '../core/ending.ts';
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { type RecordLocks, recordLocks, whyNoLibc } from '../core/libc.ts';
import { type Processes, processesHere } from '../core/processes.ts';
import {
  ageOf,
  dotlockContent,
  type FoundLock,
  findDotlock,
  type Here,
  makeDotlock,
  removeDotlock,
  removeStale,
  STALE_AFTER,
  sameFile,
  whyStale,
} from './dotlock.ts';
import type { HeldLock, Locker } from './mailbox.ts';

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

const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 500;
const TELL_AFTER_MS = 1000;
const HELPERS = ['/usr/bin/dotlockfile', '/usr/local/bin/dotlockfile', '/bin/dotlockfile'];

/** Why a lock could not be had just now. */
interface Busy {
  readonly kind: 'busy';
  /** The lock and who holds it: `/var/mail/lee.lock, held by process 12 (mutt) for 4 s`. */
  readonly text: string;
  readonly remedy: string;
}

type Undo = () => void;
type Attempt = Busy | { readonly kind: 'taken'; readonly undo: Undo };
/** `unable`: can never be had here, whoever holds what. */
type DotlockAttempt = Attempt | { readonly kind: 'unable'; readonly why: string };

/** Makes the locker of this process. What it keeps between calls is only what it has told the user already. */
export function createLocker(options: LockerOptions): Locker {
  const { disk, now, notify, timeoutMs = 30_000, sleep = wait, random = Math.random } = options;
  const here: Here = { hostname: options.hostname, processes: options.processes ?? processesHere() };
  const told = new Set<string>();
  let content: string | undefined;

  function records(): RecordLocks | undefined {
    if (options.records !== undefined) return options.records ?? undefined;
    const locks = recordLocks();
    if (locks === undefined)
      tell(`only dotlocks protect mailboxes here, other programs' fcntl locks go unseen (${whyNoLibc()})`);
    return locks;
  }

  function tell(text: string): void {
    if (told.has(text)) return;
    told.add(text);
    notify(text);
  }

  function tryRecord(path: string, fd: number, purpose: 'read' | 'write'): Attempt | { readonly kind: 'none' } {
    const locks = records();
    if (locks === undefined) return { kind: 'none' };
    switch (tryRecordLock(locks, path, fd, purpose)) {
      case 'locked':
        return { kind: 'taken', undo: () => locks.unlock(fd) };
      case 'unsupported':
        return { kind: 'none' };
      case 'held': {
        const pid = locks.holder(fd);
        const who = pid === undefined ? 'another program' : processText(pid, here);
        return { kind: 'busy', text: `the fcntl lock on ${path}, held by ${who}`, remedy: `end ${who} if it hangs` };
      }
    }
  }

  function tryDotlock(path: string): DotlockAttempt {
    const lockPath = `${resolve(path)}.lock`;
    content ??= dotlockContent(here);
    // Twice, since a stale lock may go, or the lock's holder may be done, between looking and making.
    for (let round = 0; round < 2; round++) {
      const found = findDotlock(disk, lockPath);
      if (found !== undefined) {
        const obstacle = clearStale(lockPath, found);
        if (obstacle !== undefined) return obstacle;
      }
      const made = makeDotlock(disk, lockPath, content);
      if (made.kind === 'made') {
        const { stat } = made;
        return taken(() => {
          if (!removeDotlock(disk, lockPath, stat))
            notify(`${lockPath} was removed by another program while it was ours`);
        });
      }
      if (made.kind === 'impossible') {
        return refused(lockPath, made.error, `${lockPath} cannot be made (${reasonOf(made.error)})`);
      }
    }
    return busyDotlock(lockPath, findDotlock(disk, lockPath));
  }

  /** Takes a stale lock away; returns what stands in the way when it could not, or is not stale. */
  function clearStale(lockPath: string, found: FoundLock): DotlockAttempt | undefined {
    const age = ageOf(found.stat, now());
    const why = whyStale(found.holder, age, here);
    if (why === undefined) return busyDotlock(lockPath, found);
    const what = `the stale lock ${lockPath}${who(found)}: ${why}, it is ${spanText(age)} old`;
    try {
      if (!removeStale(disk, lockPath, found, here)) return busyDotlock(lockPath, found);
      notify(`removed ${what}`);
      return undefined;
    } catch (error) {
      return refused(lockPath, error, `cannot remove ${what} (${reasonOf(error)})`);
    }
  }

  function busyDotlock(lockPath: string, found: FoundLock | undefined): Busy {
    if (found === undefined) return { kind: 'busy', text: lockPath, remedy: 'try again' };
    const age = ageOf(found.stat, now());
    const text = `${lockPath}${who(found)}, ${spanText(age)} old`;
    const left = whyStale(found.holder, STALE_AFTER + 1, here);
    if (left === undefined) return { kind: 'busy', text, remedy: 'end that process if it hangs' };
    const due = spanText(STALE_AFTER - age);
    return { kind: 'busy', text, remedy: `${left}: the lock counts as stale in ${due}, or at once: rm ${lockPath}` };
  }

  function who({ holder: { pid, host } }: FoundLock): string {
    if (pid === undefined) return '';
    return host === undefined || host === here.hostname
      ? `, held by ${processText(pid, here)}`
      : `, held by process ${pid} on ${host}`;
  }

  /** What to do when the folder does not let us make or remove a lock. */
  function refused(lockPath: string, error: unknown, why: string): DotlockAttempt {
    const code = errnoOf(error) ?? '';
    if (PERMISSION.has(code)) return askHelper(lockPath, why);
    if (NO_ROOM.has(code)) return { kind: 'unable', why };
    throw new MailError(why, { temporary: true, cause: error });
  }

  /** Lets dotlockfile(1) make the lock: it may, where only group mail can write. */
  function askHelper(lockPath: string, why: string): DotlockAttempt {
    const helper = options.helper === undefined ? HELPERS.find((path) => existsSync(path)) : options.helper;
    if (helper === undefined || helper === null) return { kind: 'unable', why };
    // Loading node:child_process takes a millisecond, and it is seldom needed.
    const { spawnSync } = process.getBuiltinModule('node:child_process');
    const run = (...args: string[]) =>
      spawnSync(helper, [...args, lockPath], { stdio: 'ignore', timeout: 5000 }).status;
    switch (run('-l', '-r', '0', '-p', '-q')) {
      case 0:
        return taken(() => run('-u', '-q'));
      case HELPER_SAYS_HELD:
        return busyDotlock(lockPath, findDotlock(disk, lockPath));
      default:
        return { kind: 'unable', why };
    }
  }

  /** One try for all locks: all or none. */
  function attempt(path: string, fd: number, purpose: 'read' | 'write'): Attempt {
    const record = tryRecord(path, fd, purpose);
    if (record.kind === 'busy') return record;
    const giveBack = record.kind === 'taken' ? record.undo : () => {};
    let dotlock: DotlockAttempt;
    try {
      dotlock = tryDotlock(path);
    } catch (error) {
      giveBack();
      throw error;
    }
    if (dotlock.kind === 'busy') {
      giveBack();
      return dotlock;
    }
    if (dotlock.kind === 'taken') {
      const { undo } = dotlock;
      return { kind: 'taken', undo: () => inOrder(undo, giveBack) };
    }
    if (purpose === 'read') return { kind: 'taken', undo: giveBack };
    if (record.kind === 'none') {
      throw new MailError(`${path} can only be read: ${unlockable(dotlock.why)}`, { temporary: false });
    }
    tell(`${dotlock.why}: only an fcntl lock protects ${path}`);
    return { kind: 'taken', undo: giveBack };
  }

  /** Why there is no lock at all, given why there is no dotlock. */
  function unlockable(why: string): string {
    const reason = options.records === undefined ? whyNoLibc() : undefined;
    return `${why}, and there are no fcntl locks ${reason === undefined ? 'on that file system' : `(${reason})`}`;
  }

  async function untilTaken(path: string, fd: number, purpose: 'read' | 'write'): Promise<Undo> {
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

  function gaveUp(path: string, { text, remedy }: Busy): MailError {
    return new MailError(`${path} could not be locked within ${spanText(timeoutMs / 1000)}: ${text}; ${remedy}`, {
      temporary: true,
    });
  }

  return {
    whyReadOnly(path) {
      if (records() !== undefined) return undefined;
      const dotlock = tryDotlock(path);
      if (dotlock.kind === 'taken') dotlock.undo();
      return dotlock.kind === 'unable' ? unlockable(dotlock.why) : undefined;
    },

    async lock(path, fd, purpose): Promise<HeldLock> {
      const stat = disk.fstat(fd);
      const leave = await takeTurn(`${stat.dev}:${stat.ino}`, path, timeoutMs);
      try {
        const undo = await untilTaken(path, fd, purpose);
        if (!sameFile(disk.stat(path), stat)) {
          undo();
          throw new MovedError(path);
        }
        return held(() => inOrder(undo, leave));
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}

/** Errors that a folder gives to those who may not write in it. */
const PERMISSION = new Set(['EACCES', 'EPERM', 'EROFS']);
/** No dotlock can be made by anybody: the disk is full, or the name with `.lock` too long. */
const NO_ROOM = new Set(['EDQUOT', 'ENAMETOOLONG', 'ENOSPC']);
/** lockfile_create(3): L_MAXTRYS. */
const HELPER_SAYS_HELD = 4;

function tryRecordLock(locks: RecordLocks, path: string, fd: number, purpose: 'read' | 'write') {
  try {
    return locks.tryLock(fd, purpose);
  } catch (error) {
    throw new MailError(
      `${path} cannot be locked for ${purpose === 'read' ? 'reading' : 'writing'}: ${reasonOf(error)}`,
      {
        temporary: false,
        cause: error,
      },
    );
  }
}

/** A dotlock that is held; it also goes when the process does. */
function taken(remove: Undo): Attempt {
  const forget = atEnding(remove);
  return { kind: 'taken', undo: () => inOrder(forget, remove) };
}

function processText(pid: number, { processes }: Here): string {
  const name = processes.name(pid);
  return name === '' ? `process ${pid}` : `process ${pid} (${name})`;
}

/** `4 s`, `7 min`, `3 h`, `2 days`. */
function spanText(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} days`;
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

// ---- One process: callers of the same file queue up ----

/** By device and inode: settles when the last one in the queue is done. */
const queues = new Map<string, Promise<void>>();

async function takeTurn(file: string, path: string, timeoutMs: number): Promise<Undo> {
  const before = queues.get(file);
  let leave: Undo = () => {};
  const mine = new Promise<void>((done) => {
    leave = done;
  });
  const tail = before === undefined ? mine : before.then(() => mine);
  queues.set(file, tail);
  void tail.then(() => {
    if (queues.get(file) === tail) queues.delete(file);
  });
  if (before === undefined || (await settles(before, timeoutMs))) return leave;
  leave();
  throw new MailError(
    `${path} could not be locked within ${spanText(timeoutMs / 1000)}: this program is changing it itself`,
    {
      temporary: true,
    },
  );
}

async function settles(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((done) => {
    timer = setTimeout(() => done(false), timeoutMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
