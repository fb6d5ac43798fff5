/**
 * The only place that touches the disk for writing.
 *
 * Everything that creates or changes a file goes through one `Disk`, so that tests can put a simulated disk in its place
 * (test/core/sim-disk.ts), stop it at every single operation, and look at every state a crash may leave behind.
 * The calls are synchronous: a mailbox is changed in one stretch under its lock, and a step that can be interleaved
 * with nothing is a step that can be reasoned about. Errors are node's own (`code` is the errno name).
 */
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from './errors.ts';

/** How a file is opened: `read`, `write` (read and write, must exist), `create` (read and write, made when missing,
 *  never cut), `exclusive` (read and write, must not exist yet, symbolic links not followed). */
export type OpenHow = 'read' | 'write' | 'create' | 'exclusive';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly dev: bigint;
  readonly ino: bigint;
  /** Octets. */
  readonly size: number;
  /** Permission bits only (0o7777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  /** Last change of content or attributes: unlike mtime, no program can set it back. */
  readonly ctimeNs?: bigint;
}

export interface Disk {
  /** Opens a file; never blocks on a FIFO or device (they are opened without waiting, and refused by the caller). */
  open(path: string, how: OpenHow, mode?: number): number;
  close(fd: number): void;
  /** Reads at `position` until `into` is full or the file ends; returns the octets read. */
  read(fd: number, into: Uint8Array, position: number): number;
  /** Writes all of `bytes` at `position`, or throws (then any part of it may have been written). */
  write(fd: number, bytes: Uint8Array, position: number): void;
  truncate(fd: number, size: number): void;
  /** fsync: data and metadata of this file; not its name. */
  sync(fd: number): void;
  /** The same without holding up the caller: for what many wait for together. */
  syncLater(fd: number): Promise<void>;
  fstat(fd: number): FileStat;
  /** Follows symbolic links; undefined when nothing is there. */
  stat(path: string): FileStat | undefined;
  lstat(path: string): FileStat | undefined;
  /** The path without symbolic links, `.` and `..`; the file must exist. */
  realpath(path: string): string;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  unlink(path: string): void;
  /** Makes the folder and those above it; one that exists is fine. */
  mkdir(path: string, mode: number): void;
  /** Names in a folder, unsorted; empty when it does not exist. */
  list(path: string): string[];
  /** fsync of a folder: makes names durable. */
  syncDir(path: string): void;
  chmod(fd: number, mode: number): void;
  chown(fd: number, uid: number, gid: number): void;
  /** Sets access and modification time (nanoseconds since 1970). Mail checkers take atime < mtime for "new mail". */
  setTimes(fd: number, atimeNs: bigint, mtimeNs: bigint): void;
}

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
const OPEN_FLAGS: Record<OpenHow, number> = {
  read: O_RDONLY | O_NONBLOCK | O_NOCTTY,
  write: O_RDWR | O_NONBLOCK | O_NOCTTY,
  create: O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY,
  exclusive: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY,
};

function toStat(s: fs.BigIntStats): FileStat {
  return {
    kind: s.isFile() ? 'file' : s.isDirectory() ? 'directory' : s.isSymbolicLink() ? 'symlink' : 'other',
    dev: s.dev,
    ino: s.ino,
    size: Number(s.size),
    mode: Number(s.mode) & 0o7777,
    uid: Number(s.uid),
    gid: Number(s.gid),
    nlink: Number(s.nlink),
    mtimeNs: s.mtimeNs,
    atimeNs: s.atimeNs,
    ctimeNs: s.ctimeNs,
  };
}

function seconds(ns: bigint): number {
  return Number(ns / 1_000_000_000n) + Number(ns % 1_000_000_000n) / 1e9;
}

/** The disk of this machine. */
export const realDisk: Disk = {
  open: (path, how, mode = 0o600) => fs.openSync(path, OPEN_FLAGS[how], mode),
  close: (fd) => fs.closeSync(fd),
  read(fd, into, position) {
    let done = 0;
    while (done < into.length) {
      const n = fs.readSync(fd, into, done, into.length - done, position + done);
      if (n === 0) break;
      done += n;
    }
    return done;
  },
  write(fd, bytes, position) {
    let done = 0;
    while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
  },
  truncate: (fd, size) => fs.ftruncateSync(fd, size),
  sync: (fd) => fs.fsyncSync(fd),
  syncLater: (fd) =>
    new Promise((resolve, reject) => {
      fs.fsync(fd, (error) => (error === null ? resolve() : reject(error)));
    }),
  fstat: (fd) => toStat(fs.fstatSync(fd, { bigint: true })),
  stat(path) {
    const s = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    return s === undefined ? undefined : toStat(s);
  },
  lstat(path) {
    const s = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return s === undefined ? undefined : toStat(s);
  },
  realpath: (path) => fs.realpathSync(path),
  rename: (from, to) => fs.renameSync(from, to),
  link: (from, to) => fs.linkSync(from, to),
  unlink: (path) => fs.unlinkSync(path),
  mkdir(path, mode) {
    fs.mkdirSync(path, { recursive: true, mode });
  },
  list(path) {
    try {
      return fs.readdirSync(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  syncDir(path) {
    const fd = fs.openSync(path, O_RDONLY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
  chmod: (fd, mode) => fs.fchmodSync(fd, mode),
  chown: (fd, uid, gid) => fs.fchownSync(fd, uid, gid),
  setTimes: (fd, atimeNs, mtimeNs) => fs.futimesSync(fd, seconds(atimeNs), seconds(mtimeNs)),
};

/** Runs `work` on an open file and closes it, whatever happens. */
export function withFile<T>(disk: Disk, path: string, how: OpenHow, work: (fd: number) => T): T {
  const fd = disk.open(path, how);
  try {
    return work(fd);
  } finally {
    disk.close(fd);
  }
}

/** The whole of a regular file; undefined when it does not exist. For files of bounded size, never for mailboxes. */
export function readWhole(disk: Disk, path: string): Uint8Array | undefined {
  let fd: number;
  try {
    fd = disk.open(path, 'read');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    // Not filled with zeros first: that takes as long as reading it.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(disk.fstat(fd).size).buffer);
    return bytes.subarray(0, disk.read(fd, bytes, 0));
  } finally {
    disk.close(fd);
  }
}

/** Makes a folder and those above it that are missing, durably: after a crash they and what was synced in them are there. */
export function makeFolder(disk: Disk, path: string, mode: number): void {
  const made: string[] = [];
  for (let folder = path; disk.stat(folder) === undefined && dirname(folder) !== folder; folder = dirname(folder)) {
    made.push(folder);
  }
  if (made.length === 0) return;
  disk.mkdir(path, mode);
  for (const folder of made) disk.syncDir(dirname(folder));
}

/**
 * Puts `bytes` in the place of `path`, durably: after a crash there is the old file or the new one, never a part.
 * Only for files that no other program appends to. The folder must exist.
 */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array, mode = 0o600): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.new`);
  if (disk.lstat(temporary) !== undefined) disk.unlink(temporary);
  const fd = disk.open(temporary, 'exclusive', mode);
  try {
    try {
      disk.write(fd, bytes, 0);
      disk.sync(fd);
    } finally {
      disk.close(fd);
    }
    disk.rename(temporary, path);
  } catch (error) {
    disk.unlink(temporary);
    throw error;
  }
  disk.syncDir(dirname(path));
}
