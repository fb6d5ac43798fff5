/**
 * Who could change what the mail system believes, or read what it keeps: findings with the command that mends each.
 *
 * sendmail refuses to work when a folder above a table can be written by its group, and says so in words that few
 * understand. Here it works, and says which path it is and what to type.
 */
import { dirname } from 'node:path';
import type { SystemPaths } from '../config/paths.ts';
import { reasonOf } from '../core/errors.ts';
import type { Disk, FileStat } from '../core/files.ts';
import type { Fault } from '../rules/table.ts';
import { tablePaths } from './tables.ts';

export interface Finding extends Fault {
  /** The command that mends it. */
  readonly remedy?: string;
}

const STICKY = 0o1000;

/** Files and folders whose writers decide about everybody's mail, those that are private, and programs that get mail. */
export function checkPermissions(disk: Disk, paths: SystemPaths, programs: Iterable<string>): Finding[] {
  const tables = Object.values(tablePaths(paths));
  const trusted = [paths.config, ...tables, ...programs];
  const folders = trusted.flatMap((file) => foldersAbove(dirname(file), paths.root));
  return [
    ...[...new Set([...folders, ...trusted])].flatMap((path) => look(disk, path, writableFindings)),
    ...[paths.queue, paths.state].flatMap((path) => look(disk, path, privateFindings)),
    ...look(disk, paths.spool, spoolFindings),
    ...[...programs].flatMap((path) => programFindings(disk, path)),
  ];
}

/** From the root of the mail system down to `folder`. */
function foldersAbove(folder: string, root: string): string[] {
  const above = dirname(folder);
  const stop = folder === root || above === folder;
  return stop ? [folder] : [...foldersAbove(above, root), folder];
}

function look(disk: Disk, path: string, judge: (path: string, stat: FileStat) => Finding[]): Finding[] {
  try {
    const stat = disk.stat(path);
    return stat === undefined ? [] : judge(path, stat);
  } catch (error) {
    return [finding(path, reasonOf(error))];
  }
}

function finding(file: string, reason: string, remedy?: string): Finding {
  return { file, line: 0, level: 'warning', reason, ...(remedy === undefined ? {} : { remedy }) };
}

function writableFindings(path: string, { mode, kind, uid }: FileStat): Finding[] {
  const found: Finding[] = [];
  // In a sticky folder nobody can rename or remove what is another's.
  const sticky = kind === 'directory' && (mode & STICKY) !== 0;
  if ((mode & 0o002) !== 0 && !sticky) {
    found.push(finding(path, 'can be written by everybody', `chmod go-w ${quoted(path)}`));
  } else if ((mode & 0o020) !== 0 && !sticky) {
    found.push(finding(path, 'can be written by its group', `chmod g-w ${quoted(path)}`));
  }
  if (uid !== 0 && uid !== process.geteuid?.()) {
    found.push(finding(path, `belongs to user ${uid}, who can change it`, `chown root ${quoted(path)}`));
  }
  return found;
}

function privateFindings(path: string, { mode }: FileStat): Finding[] {
  if ((mode & 0o077) === 0) return [];
  return [finding(path, `is open to others (mode ${mode.toString(8)})`, `chmod 700 ${quoted(path)}`)];
}

/** Everybody may have a mailbox made here, but must not take away another's: 1777, or 2775 for group mail. */
function spoolFindings(path: string, { mode }: FileStat): Finding[] {
  if ((mode & 0o002) === 0 || (mode & STICKY) !== 0) return [];
  return [finding(path, 'everybody can take away the mailboxes of others', `chmod +t ${quoted(path)}`)];
}

function programFindings(disk: Disk, path: string): Finding[] {
  const stat = disk.stat(path);
  if (stat === undefined) return [finding(path, 'is in [local] programs and does not exist')];
  if (stat.kind === 'file' && (stat.mode & 0o111) !== 0) return [];
  return [finding(path, 'is in [local] programs and cannot be run', `chmod +x ${quoted(path)}`)];
}

/** A path as a word for a shell. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
