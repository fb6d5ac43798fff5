/**
 * UIDs of a Maildir: STATE/index/NAME.uids, text, one `UID BASE` a line behind `tmail-uids 1 UIDVALIDITY UIDNEXT`, and
 * `end COUNT` as the last line. A file that is damaged reads as if there were none.
 */
import { dirname } from 'node:path';
import { type Disk, makeFolder, readWhole, replaceFile } from '../core/files.ts';
import { indexPath } from './index-file.ts';
import type { UidState } from './uids.ts';

export interface UidList extends UidState {
  /** By base name. */
  readonly uids: ReadonlyMap<string, number>;
}

export function uidListPath(stateDir: string, canonical: string): string {
  return indexPath(stateDir, canonical).replace(/\.tmx$/, '.uids');
}

export function parseUidList(text: string): UidList | undefined {
  const lines = text.split('\n');
  const head = /^tmail-uids 1 (\d{1,10}) (\d{1,10})$/.exec(lines[0] ?? '');
  const end = lines.length - 2;
  if (head === null || end < 1 || lines[end] !== `end ${end - 1}` || lines[end + 1] !== '') return undefined;
  const uidNext = Number(head[2]);
  const uids = new Map<string, number>();
  for (const line of lines.slice(1, end)) {
    const at = line.indexOf(' ');
    const uid = Number(line.slice(0, at));
    if (at < 1 || !Number.isInteger(uid) || uid < 1 || uid >= uidNext) return undefined;
    uids.set(line.slice(at + 1), uid);
  }
  return { uidValidity: Number(head[1]), uidNext, uids };
}

export function formatUidList({ uidValidity, uidNext, uids }: UidList): string {
  const lines = [...uids].map(([base, uid]) => `${uid} ${base}\n`);
  return `tmail-uids 1 ${uidValidity} ${uidNext}\n${lines.join('')}end ${lines.length}\n`;
}

export function readUidList(disk: Disk, path: string): UidList | undefined {
  try {
    const bytes = readWhole(disk, path);
    return bytes === undefined ? undefined : parseUidList(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Writes the list; false when the state folder cannot be written. */
export function writeUidList(disk: Disk, path: string, list: UidList): boolean {
  try {
    makeFolder(disk, dirname(path), 0o700);
    replaceFile(disk, path, Buffer.from(formatUidList(list)));
    return true;
  } catch {
    return false;
  }
}
