/**
 * Files of members that rules ask for: `:include:` lists and ~/.forward, read only when nobody else can have written them.
 *
 * Whoever can write such a file, or rename a folder above it, decides where another's mail goes and as whom a program runs.
 * A ~/.forward therefore must belong to its user (or root) and be writable by nobody else, its folders likewise. A list
 * that the administrator's tables name must not be writable by everybody; one that a ~/.forward names, that user must be
 * allowed to read. What a list names is written and run as whoever keeps the list, as in sendmail. A fault is a value that
 * names the path and the command that mends it.
 */
import { dirname, join } from 'node:path';
import { reasonOf } from '../core/errors.ts';
import { type Disk, type FileStat, readWhole, realDisk } from '../core/files.ts';
import { lookUpUid, type User } from '../core/users.ts';
import { parseList } from '../rules/aliases.ts';
import type { ListResult } from '../rules/expand.ts';
import { where } from '../rules/table.ts';

/** Octets; a list of a hundred thousand addresses is a tenth of it. */
const LARGEST = 32 * 1024 * 1024;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;

/** A user's ~/.forward. `root`: the folder that stands for `/`; folders above it are not this mail system's. */
export function readForward(user: User, root = '', disk: Disk = realDisk): ListResult {
  const path = join(user.home, '.forward');
  return guarded(() => {
    const stat = disk.lstat(path);
    if (stat === undefined) return { missing: true };
    const fault =
      kindFault(path, stat) ??
      ownerFault(path, stat, user) ??
      writableFault(path, stat) ??
      foldersFault(
        disk,
        dirname(path),
        root,
        (folder, found) => ownerFault(folder, found, user) ?? writableFault(folder, found),
      );
    return fault === undefined ? read(disk, path, stat) : { fault, temporary: false };
  });
}

/** An `:include:` list; `asUser` when a ~/.forward of that user names it. */
export function readInclude(path: string, asUser: User | undefined, root = '', disk: Disk = realDisk): ListResult {
  return guarded(() => {
    const stat = disk.stat(path);
    if (stat === undefined) return { missing: true };
    const fault =
      kindFault(path, stat) ??
      (asUser === undefined ? undefined : readableFault(path, stat, asUser)) ??
      openToAllFault(path, stat) ??
      foldersFault(disk, dirname(disk.realpath(path)), root, openToAllFault);
    if (fault !== undefined) return { fault, temporary: false };
    const list = read(disk, path, stat);
    // Where we are not root, everything is done and owned by one user.
    if (asUser !== undefined || stat.uid === 0 || process.geteuid?.() !== 0 || !('members' in list)) return list;
    const owner = lookUpUid(stat.uid, root)?.name;
    if (owner !== undefined) return { ...list, owner };
    return { fault: `${path} belongs to user ${stat.uid}, whom nobody knows (chown root ${path})`, temporary: false };
  });
}

function guarded(work: () => ListResult): ListResult {
  try {
    return work();
  } catch (error) {
    // A disk that fails now may be there again later.
    return { fault: reasonOf(error), temporary: true };
  }
}

function read(disk: Disk, path: string, stat: FileStat): ListResult {
  if (stat.size > LARGEST) return { fault: `${path} is larger than ${LARGEST} octets`, temporary: false };
  const bytes = readWhole(disk, path) ?? new Uint8Array();
  const { members, faults } = parseList(path, new TextDecoder().decode(bytes));
  const [first] = faults;
  // Whoever keeps the file can mend it while the mail waits.
  if (first !== undefined) return { fault: `${where(first)}: ${first.reason}`, temporary: true };
  return { members, at: { file: path, line: 1 } };
}

function kindFault(path: string, stat: FileStat): string | undefined {
  if (stat.kind === 'file') return undefined;
  return stat.kind === 'symlink' ? `${path} is a symbolic link` : `${path} is no file`;
}

/** Root may write anywhere anyway. */
function ownerFault(path: string, stat: FileStat, user: Pick<User, 'name' | 'uid'>): string | undefined {
  if (stat.uid === user.uid || stat.uid === 0) return undefined;
  return `${path} does not belong to ${user.name} (chown ${user.name} ${path})`;
}

function writableFault(path: string, { mode, kind }: FileStat): string | undefined {
  // In a sticky folder nobody can rename what is another's.
  if (kind === 'directory' && (mode & STICKY) !== 0) return undefined;
  if ((mode & WRITABLE_BY_ALL) !== 0) return `${path} can be written by everybody (chmod go-w ${path})`;
  if ((mode & WRITABLE_BY_GROUP) !== 0) return `${path} can be written by its group (chmod g-w ${path})`;
  return undefined;
}

function openToAllFault(path: string, { mode, kind }: FileStat): string | undefined {
  if ((mode & WRITABLE_BY_ALL) === 0 || (kind === 'directory' && (mode & STICKY) !== 0)) return undefined;
  return `${path} can be written by everybody (chmod o-w ${path})`;
}

function readableFault(path: string, { mode, uid, gid }: FileStat, user: User): string | undefined {
  const may = uid === user.uid ? mode & 0o400 : gid === user.gid ? mode & 0o040 : mode & 0o004;
  return may === 0 ? `${path} cannot be read by ${user.name}` : undefined;
}

/** What others than `user` and root could change of the way to a file: the first folder above it that they can. */
export function wayFault(disk: Disk, path: string, root: string, user: Pick<User, 'name' | 'uid'>): string | undefined {
  const check = (folder: string, stat: FileStat) => ownerFault(folder, stat, user) ?? writableFault(folder, stat);
  const folder = dirname(path);
  return foldersFault(disk, folder, root, check) ?? foldersFault(disk, disk.realpath(folder), root, check);
}

/** What `check` says of the first bad folder, from `folder` up to the root of the mail system. */
function foldersFault(
  disk: Disk,
  folder: string,
  root: string,
  check: (folder: string, stat: FileStat) => string | undefined,
): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const stat = disk.stat(at);
    const fault = stat === undefined ? undefined : check(at, stat);
    if (fault !== undefined || at === root || dirname(at) === at) return fault;
  }
}
