/**
 * One dotlock: the file MAILBOX.lock whose existence says "hands off" to programs that know nothing of fcntl.
 *
 * It is made under a temporary name and then linked to its own (link(2) is atomic everywhere, on NFS too, where the
 * answer may be lost: so the link count of the temporary file is what counts). It holds the process number on the first
 * line, which is all that other programs read; the second line says which host, which start of it, which set of
 * process numbers, and when the process was started, so that nobody takes a reused number for the holder.
 *
 * A lock that was left behind is never unlinked blindly, since between looking and unlinking it may have become somebody
 * else's: it is renamed to a name of our own, looked at again, and put back when it is another one.
 */
import { dirname, join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import type { Disk, FileStat } from '../core/files.ts';
import type { Processes } from '../core/processes.ts';

/** Who holds a dotlock, as far as its content tells. */
export interface Holder {
  /** undefined: not written down (s-nail, procmail's `0`), or not readable for us. */
  readonly pid?: number;
  readonly host?: string;
  /** Only in locks made by this program. */
  readonly exact?: { readonly boot: string; readonly namespace: string; readonly started: number | undefined };
}

/** This process and its machine: what a lock's holder is compared with. */
export interface Here {
  readonly hostname: string;
  readonly processes: Processes;
}

/** Seconds after which a lock counts as left behind when its process is gone or unknown. */
export const STALE_AFTER = 300;

/** The most that is read of a lock made by somebody else. */
const CONTENT_LIMIT = 512;

/** What to write into a lock of this process. */
export function dotlockContent({ hostname, processes }: Here): string {
  const { pid } = process;
  const { bootId, pidNamespace } = processes;
  return `${pid}\ntmail ${[hostname, bootId, pidNamespace, processes.started(pid)].map(word).join(' ')}\n`;
}

function word(value: string | number | undefined): string {
  return String(value ?? '').replace(/[^\x21-\x7e]/g, '') || '-';
}

/** Reads `PID`, `PID:HOST` (dovecot) and our own form; anything else is an unknown holder. */
export function parseHolder(content: string): Holder {
  const own = /^(\d{1,10})\ntmail (\S+) (\S+) (\S+) (\S+)\n$/.exec(content);
  const other = /^\s*(\d{1,10})(?::([^\s:]+)\s*$)?/.exec(content);
  const pid = Number((own ?? other)?.[1] ?? 0);
  if (pid < 1 || pid > 0x7fffffff) return {};
  if (own === null) return other?.[2] === undefined ? { pid } : { pid, host: other[2] };
  const [, , host = '', boot = '', namespace = '', started = ''] = own;
  const ticks = Number(started);
  return { pid, host, exact: { boot, namespace, started: Number.isNaN(ticks) ? undefined : ticks } };
}

type Life = 'alive' | 'unknown' | 'gone' | 'surely gone';

/** Whether the holder still lives; `age` is that of the lock in seconds, `untouched` since anything was done to it. */
function lifeOf(holder: Holder, age: number, { hostname, processes }: Here, untouched: number): Life {
  const { pid, host, exact } = holder;
  if (pid === undefined) return 'unknown';
  if (host !== undefined && host !== hostname && host !== shortName(hostname)) return 'unknown';
  if (exact !== undefined) {
    // Two machines may both be called "localhost": another boot proves something only for a lock older than this boot.
    if (exact.boot !== word(processes.bootId)) return age > processes.uptime() ? 'surely gone' : 'unknown';
    if (exact.namespace !== word(processes.pidNamespace)) return 'unknown';
    if (!processes.alive(pid)) return 'surely gone';
    const started = processes.started(pid);
    return started === undefined || exact.started === undefined || started === exact.started ? 'alive' : 'surely gone';
  }
  // A bare number may come from another machine or container, so what it says is never certain.
  if (!processes.alive(pid)) return 'gone';
  const started = processes.started(pid);
  if (started === undefined) return 'alive';
  const processAge = processes.uptime() - started / 100;
  return processAge + 60 < untouched ? 'gone' : 'alive';
}

const WHY_STALE: Record<Exclude<Life, 'alive'>, string> = {
  unknown: 'nobody knows its process',
  gone: 'its process is gone',
  'surely gone': 'its process is gone',
};

/**
 * Why a lock is stale, in a few words; undefined while it must be respected. Seconds of age come from file times; a
 * lock from the future (a clock was wrong) counts as old, or it would block the mailbox for as long. A process that is
 * younger than the last change of the lock's inode (`untouched`) has somebody else's number.
 */
export function whyStale(holder: Holder, age: number, here: Here, untouched = age): string | undefined {
  const life = lifeOf(holder, age, here, untouched);
  if (life === 'alive') return undefined;
  if (life === 'surely gone' || Math.abs(age) > STALE_AFTER) return WHY_STALE[life];
  return undefined;
}

function shortName(hostname: string): string {
  return hostname.split('.', 1)[0] ?? hostname;
}

/** A dotlock that was found. */
export interface FoundLock {
  readonly stat: FileStat;
  readonly holder: Holder;
}

/** Looks at a dotlock; undefined when there is none. */
export function findDotlock(disk: Disk, lockPath: string): FoundLock | undefined {
  const stat = disk.lstat(lockPath);
  if (stat === undefined) return undefined;
  return { stat, holder: stat.kind === 'file' ? parseHolder(contentOf(disk, lockPath)) : {} };
}

/** '' when it cannot be read, or went away. */
function contentOf(disk: Disk, lockPath: string): string {
  try {
    const fd = disk.open(lockPath, 'read');
    try {
      const bytes = Buffer.alloc(CONTENT_LIMIT);
      return bytes.toString('latin1', 0, disk.read(fd, bytes, 0));
    } finally {
      disk.close(fd);
    }
  } catch {
    return '';
  }
}

export function ageOf(stat: FileStat, nowMs: number): number {
  return nowMs / 1000 - Number(stat.mtimeNs / 1_000_000n) / 1000;
}

/** What came of making a lock. `impossible`: the folder does not let us, whoever holds what. */
export type MakeResult =
  | { readonly kind: 'made'; readonly stat: FileStat }
  | { readonly kind: 'exists' }
  | { readonly kind: 'impossible'; readonly error: unknown };

/** Seconds since the lock was made, or its inode changed in any way: not all programs that hold one leave its time alone. */
export function untouchedFor({ mtimeNs, ctimeNs = mtimeNs }: FileStat, nowMs: number): number {
  return nowMs / 1000 - Number(ctimeNs / 1_000_000n) / 1000;
}

/** A name of our own beside the lock, on any host: process, nanoseconds, chance. (node:crypto takes 2 ms to load.) */
function temporaryName(lockPath: string): string {
  const chance = Math.floor(Math.random() * 36 ** 6).toString(36);
  return join(dirname(lockPath), `.lk${process.pid}.${process.hrtime.bigint().toString(36)}${chance}`);
}

/** Makes the dotlock unless it exists. Never waits. */
export function makeDotlock(disk: Disk, lockPath: string, content: string): MakeResult {
  const temporary = temporaryName(lockPath);
  let fd: number;
  try {
    fd = disk.open(temporary, 'exclusive', 0o644);
  } catch (error) {
    return { kind: 'impossible', error };
  }
  try {
    writeContent(disk, fd, content);
    return linkDotlock(disk, temporary, fd, lockPath) ?? openDotlock(disk, lockPath, content);
  } finally {
    disk.close(fd);
    disk.unlink(temporary);
  }
}

/** On a full disk an empty lock still is one: others go by its age. */
function writeContent(disk: Disk, fd: number, content: string): void {
  try {
    disk.write(fd, Buffer.from(content), 0);
  } catch {
    disk.truncate(fd, 0);
  }
}

/** Links the temporary file to the lock's name; undefined where the file system has no links. */
function linkDotlock(disk: Disk, temporary: string, fd: number, lockPath: string): MakeResult | undefined {
  let code: string | undefined;
  try {
    disk.link(temporary, lockPath);
  } catch (error) {
    code = errnoOf(error) ?? '';
  }
  const stat = disk.fstat(fd);
  if (stat.nlink === 2 || (code === undefined && sameFile(disk.lstat(lockPath), stat))) return { kind: 'made', stat };
  return code === undefined || code === 'EEXIST' ? { kind: 'exists' } : undefined;
}

function openDotlock(disk: Disk, lockPath: string, content: string): MakeResult {
  let fd: number;
  try {
    fd = disk.open(lockPath, 'exclusive', 0o644);
  } catch (error) {
    return errnoOf(error) === 'EEXIST' ? { kind: 'exists' } : { kind: 'impossible', error };
  }
  try {
    writeContent(disk, fd, content);
    return { kind: 'made', stat: disk.fstat(fd) };
  } finally {
    disk.close(fd);
  }
}

export function sameFile(a: FileStat | undefined, b: FileStat): boolean {
  return a !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Removes our lock; false when the file there is not ours any more (somebody took it for stale). */
export function removeDotlock(disk: Disk, lockPath: string, made: FileStat): boolean {
  if (!sameFile(disk.lstat(lockPath), made)) return false;
  disk.unlink(lockPath);
  return true;
}

/**
 * Takes a stale lock away, if it still is the one that was found and is stale by the clock of its file system too.
 * Returns whether it is gone; throws what the folder answers when it does not let us.
 */
export function removeStale(disk: Disk, lockPath: string, found: FoundLock, here: Here): boolean {
  // A directory is nobody's dotlock; taking it away could take anything away.
  if (found.stat.kind === 'directory') return false;
  const aside = temporaryName(lockPath);
  const fd = disk.open(aside, 'exclusive', 0o600);
  try {
    const theirNow = Number(disk.fstat(fd).mtimeNs / 1_000_000n);
    const untouched = untouchedFor(found.stat, theirNow);
    if (whyStale(found.holder, ageOf(found.stat, theirNow), here, untouched) === undefined) return false;
    disk.rename(lockPath, aside);
    const taken = disk.lstat(aside);
    if (sameFile(taken, found.stat) && taken?.mtimeNs === found.stat.mtimeNs) return true;
    putBack(disk, aside, lockPath);
    return false;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  } finally {
    disk.close(fd);
    disk.unlink(aside);
  }
}

function putBack(disk: Disk, aside: string, lockPath: string): void {
  try {
    disk.link(aside, lockPath);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}
