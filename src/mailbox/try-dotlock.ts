/**
 * One try for the dotlock of a mailbox: made, in the way, or not to be had in that folder. Never waits.
 *
 * A stale one is taken away first, and that is said. Where the folder does not let us write, a writer asks
 * dotlockfile(1), which is setgid mail; a reader does not (it would cost two processes a look) and is content when
 * nobody else has a dotlock there. On a full disk there is no dotlock: it must be possible to delete mail then.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { atEnding } from '../core/ending.ts';
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import type { Processes } from '../core/processes.ts';
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
  untouchedFor,
  whyStale,
} from './dotlock.ts';

/** Why a lock could not be had just now. */
export interface Busy {
  readonly kind: 'busy';
  /** The lock and who holds it: `/var/mail/lee.lock, held by process 12 (mutt), 4 s old`. */
  readonly text: string;
  readonly remedy: string;
}

export type Undo = () => void;
export type Attempt = Busy | { readonly kind: 'taken'; readonly undo: Undo };
/** `unable`: can never be had here, whoever holds what. */
export type DotlockAttempt = Attempt | { readonly kind: 'unable'; readonly why: string };

export interface DotlockOptions {
  readonly disk: Disk;
  readonly here: Here;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly notify: (text: string) => void;
  /** Path of dotlockfile(1); null: without; undefined: where it is on Debian, if it is there. */
  readonly helper: string | null | undefined;
}

/** Errors that a folder gives to those who may not write in it. */
const PERMISSION = new Set(['EACCES', 'EPERM', 'EROFS']);
/** No dotlock can be made by anybody: the disk is full, or the name with `.lock` too long. */
const NO_ROOM = new Set(['EDQUOT', 'ENAMETOOLONG', 'ENOSPC']);
const HELPERS = ['/usr/bin/dotlockfile', '/usr/local/bin/dotlockfile', '/bin/dotlockfile'];
/** lockfile_create(3): L_MAXTRYS. */
const HELPER_SAYS_HELD = 4;

/** Makes the function that tries; what it keeps between calls is the text that it writes into locks. */
export function createDotlocker(options: DotlockOptions): (path: string, purpose: 'read' | 'write') => DotlockAttempt {
  const { disk, here, now, notify } = options;
  let content: string | undefined;

  function attempt(path: string, purpose: 'read' | 'write'): DotlockAttempt {
    const lockPath = `${resolve(path)}.lock`;
    content ??= dotlockContent(here);
    // Twice, since a stale lock may go, or the lock's holder may be done, between looking and making.
    for (let round = 0; round < 2; round++) {
      const found = findDotlock(disk, lockPath);
      const obstacle = found === undefined ? undefined : clearStale(lockPath, found, purpose);
      if (obstacle !== undefined) return obstacle;
      const made = makeDotlock(disk, lockPath, content);
      if (made.kind === 'made') return taken(lockPath, () => removeDotlock(disk, lockPath, made.stat));
      if (made.kind === 'impossible') {
        return refused(lockPath, purpose, made.error, `${lockPath} cannot be made (${reasonOf(made.error)})`);
      }
    }
    return busy(lockPath, findDotlock(disk, lockPath));
  }

  /** Takes a stale lock away; returns what stands in the way when it could not, or is not stale. */
  function clearStale(lockPath: string, found: FoundLock, purpose: 'read' | 'write'): DotlockAttempt | undefined {
    const age = ageOf(found.stat, now());
    const why = whyStale(found.holder, age, here, untouchedFor(found.stat, now()));
    if (why === undefined) return busy(lockPath, found);
    const what = `the stale lock ${lockPath}${heldBy(found)}: ${why}, it is ${spanText(age)} old`;
    try {
      if (!removeStale(disk, lockPath, found, here)) return busy(lockPath, found);
      notify(`removed ${what}`);
      return undefined;
    } catch (error) {
      return refused(lockPath, purpose, error, `cannot remove ${what} (${reasonOf(error)})`);
    }
  }

  function busy(lockPath: string, found: FoundLock | undefined): Busy {
    if (found === undefined) return { kind: 'busy', text: lockPath, remedy: 'try again' };
    const age = ageOf(found.stat, now());
    const text = `${lockPath}${heldBy(found)}, ${spanText(age)} old`;
    const left = whyStale(found.holder, STALE_AFTER + 1, here, untouchedFor(found.stat, now()));
    if (left === undefined) return { kind: 'busy', text, remedy: 'end that process if it hangs' };
    const due = spanText(STALE_AFTER - age);
    return { kind: 'busy', text, remedy: `${left}: the lock counts as stale in ${due}, or at once: rm ${lockPath}` };
  }

  function heldBy({ holder: { pid, host } }: FoundLock): string {
    if (pid === undefined) return '';
    return host === undefined || host === here.hostname
      ? `, held by ${processText(pid, here.processes)}`
      : `, held by process ${pid} on ${host}`;
  }

  /** What to do when the folder does not let us make or remove a lock. */
  function refused(lockPath: string, purpose: 'read' | 'write', error: unknown, why: string): DotlockAttempt {
    const code = errnoOf(error) ?? '';
    if (PERMISSION.has(code)) return purpose === 'read' ? { kind: 'unable', why } : askHelper(lockPath, why);
    if (NO_ROOM.has(code)) return { kind: 'unable', why };
    throw new MailError(why, { temporary: true, cause: error });
  }

  function askHelper(lockPath: string, why: string): DotlockAttempt {
    const helper = options.helper === undefined ? HELPERS.find((path) => existsSync(path)) : options.helper;
    if (helper === undefined || helper === null) return { kind: 'unable', why };
    // Loading node:child_process takes a millisecond, and it is seldom needed.
    const { spawnSync } = process.getBuiltinModule('node:child_process');
    const run = (...args: string[]) =>
      spawnSync(helper, [...args, lockPath], { stdio: 'ignore', timeout: 5000 }).status;
    switch (run('-l', '-r', '0', '-p', '-q')) {
      case 0:
        return taken(lockPath, () => run('-u', '-q') === 0);
      case HELPER_SAYS_HELD:
        return busy(lockPath, findDotlock(disk, lockPath));
      default:
        return { kind: 'unable', why };
    }
  }

  /** A dotlock that is held; it also goes when the process does. What was done under it is done: giving it back never fails. */
  function taken(lockPath: string, remove: () => boolean): Attempt {
    const giveBack = () => {
      try {
        if (!remove()) notify(`${lockPath} was removed by another program while it was ours`);
      } catch (error) {
        notify(`${lockPath} could not be removed (${reasonOf(error)}): do it by hand`);
      }
    };
    const forget = atEnding(giveBack);
    return {
      kind: 'taken',
      undo() {
        forget();
        giveBack();
      },
    };
  }

  return attempt;
}

/** `process 12 (mutt)`. */
export function processText(pid: number, processes: Processes): string {
  const name = processes.name(pid);
  return name === '' ? `process ${pid}` : `process ${pid} (${name})`;
}

/** `4 s`, `7 min`, `3 h`, `2 days`. */
export function spanText(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} days`;
}
