/**
 * Finding, opening and giving up journals: whose may be believed, and what is said when one cannot be had.
 *
 * A journal is believed when it is a plain file of somebody who may change the mailbox anyway: its owner, root, or the
 * caller. What it can make a caller do is to write to that mailbox, and to nothing else.
 */
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import type { Disk, FileStat } from '../core/files.ts';
import {
  clearJournal,
  FIRST,
  hasMagic,
  type Identity,
  type JournalFile,
  journalPath,
  openOwnJournal,
  RESERVE,
  readBegin,
} from './journal-file.ts';
import type { MailboxContext } from './mailbox.ts';

export type JournalContext = Pick<MailboxContext, 'disk' | 'stateDir' | 'stateDirsOf' | 'now'>;

export function identify(disk: Disk, path: string, stat: FileStat): Identity {
  return { path: disk.realpath(path), ino: String(stat.ino) };
}

export function openJournal(context: JournalContext, path: string, stat: FileStat): JournalFile {
  let file = context.stateDir;
  try {
    file = journalPath(context.stateDir, context.disk.realpath(path));
    const journal = openOwnJournal(context.disk, file, stat);
    if (readBegin(journal, FIRST) === undefined) return journal;
    context.disk.close(journal.fd);
  } catch (error) {
    throw unchanged(path, `${file}: ${reasonOf(error)}`, error);
  }
  throw unchanged(path, `an earlier change waits in ${file}`);
}

/** Files in which a journal of `path` may lie. */
export function journalsOf(context: JournalContext, path: string): string[] {
  let canonical: string;
  try {
    canonical = context.disk.realpath(path);
  } catch {
    return [];
  }
  const folders = new Set([context.stateDir, ...context.stateDirsOf(path)]);
  return [...folders].map((folder) => journalPath(folder, canonical));
}

/** Opens a journal that somebody may have left: only a plain file of one who may change the mailbox anyway. */
export function openFound(
  disk: Disk,
  file: string,
  how: 'read' | 'write',
  owner: number | undefined,
): JournalFile | 'denied' | undefined {
  let fd: number;
  try {
    const stat = disk.lstat(file);
    if (stat === undefined || stat.kind !== 'file' || stat.nlink !== 1 || stat.size === 0) return undefined;
    if (![0, owner, process.geteuid?.() ?? 0].includes(stat.uid)) return undefined;
    try {
      fd = disk.open(file, how);
    } catch (error) {
      const denied = ['EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '');
      return denied && stat.size !== RESERVE ? 'denied' : undefined;
    }
    const opened = disk.fstat(fd);
    const journal = { disk, fd, path: file };
    if (opened.ino === stat.ino && opened.dev === stat.dev && hasMagic(disk, fd)) return journal;
    disk.close(fd);
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
  return undefined;
}

/** Makes sure that what was announced is not done later, as well as a failing disk lets us. */
export function abandon(journal: JournalFile): void {
  const { disk, fd, path } = journal;
  if (attempt(() => clearJournal(journal))) return;
  if (attempt(() => disk.truncate(fd, 0))) return;
  attempt(() => disk.unlink(path));
}

export function shorten(disk: Disk, fd: number, size: number): void {
  disk.truncate(fd, size);
  disk.sync(fd);
}

export function attempt(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');
}

export function unchanged(path: string, why: string, cause?: unknown): MailError {
  return new MailError(`${path}: nothing was changed: ${why}`, { temporary: true, cause });
}

/** For a change that an error stopped in its midst. */
export function interrupted(path: string, journal: JournalFile, error: unknown): MailError {
  const why = `the change was interrupted (${reasonOf(error)}); it is kept in ${journal.path} and will be finished or undone when the mailbox is next opened`;
  return new MailError(`${path}: ${why}`, { temporary: true, cause: error });
}
