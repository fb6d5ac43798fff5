/**
 * Delivery into a Maildir: each message is written and synced in tmp/, then gets its name in new/ (or cur/, when it has
 * been seen by somebody). No locks: names are unique.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MailError, reasonOf } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { Flag, type Flags, type MailboxContext, type NewMessage } from './mailbox.ts';
import { makeName } from './maildir-names.ts';

export function isMaildir(disk: Disk, path: string): boolean {
  return ['cur', 'new', 'tmp'].every((name) => disk.stat(join(path, name))?.kind === 'directory');
}

/** Puts all messages into the folder, each with the name that makes it visible only when all are on the disk. Returns
 *  the lines of all and the octets of each. Throws a MailError when one cannot be written; then none is left. */
export function appendToMaildir(
  context: MailboxContext,
  path: string,
  messages: Iterable<NewMessage>,
): { lines: number; octets: number[] } {
  const { disk } = context;
  const written: { from: string; to: string }[] = [];
  const octets: number[] = [];
  let lines = 0;
  try {
    for (const message of messages) {
      const base = uniqueName(context.now(), written.length);
      const { content, flags } = withoutStatus(message.content);
      const { folder, name } = makeName({ base, flags, others: '' });
      const from = join(path, 'tmp', base);
      const to = join(path, folder, name);
      writeFile(disk, from, content, message.received);
      written.push({ from, to });
      octets.push(content.length);
      for (let at = content.indexOf(10); at !== -1; at = content.indexOf(10, at + 1)) lines++;
    }
    for (const { from, to } of written) disk.rename(from, to);
    disk.syncDir(join(path, 'new'));
    disk.syncDir(join(path, 'cur'));
  } catch (error) {
    for (const { from, to } of written) for (const name of [from, to]) tryUnlink(disk, name);
    throw new MailError(`${path}: nothing was written: ${reasonOf(error)}`, { temporary: true, cause: error });
  }
  return { lines, octets };
}

function writeFile(disk: Disk, path: string, content: Uint8Array, received: number): void {
  const fd = disk.open(path, 'exclusive', 0o600);
  try {
    disk.write(fd, content, 0);
    // The time of a Maildir file is when it was received.
    const time = BigInt(Math.floor(received)) * 1_000_000_000n;
    disk.setTimes(fd, time, time);
    disk.sync(fd);
  } catch (error) {
    tryUnlink(disk, path);
    throw error;
  } finally {
    disk.close(fd);
  }
}

function tryUnlink(disk: Disk, path: string): void {
  try {
    disk.unlink(path);
  } catch {
    // It is not there, or the disk is beyond help.
  }
}

function uniqueName(now: number, number: number): string {
  const seconds = Math.floor(now / 1000);
  const host = hostname().replaceAll('/', '\\057').replaceAll(':', '\\072');
  return `${seconds}.M${Math.floor(now % 1000) * 1000}P${process.pid}Q${number}R${randomBytes(4).toString('hex')}.${host}`;
}

const FLAGS: Readonly<Record<string, Flags>> = {
  R: Flag.read,
  O: Flag.old,
  A: Flag.answered,
  F: Flag.flagged,
  T: Flag.draft,
  D: Flag.deleted,
};

/** A Maildir has flags in the file's name, and not in the header. */
function withoutStatus(content: Uint8Array): { content: Uint8Array; flags: Flags } {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const kept: Uint8Array[] = [];
  let flags: Flags = 0;
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf(10, at) + 1 || bytes.length;
    const line = bytes.toString('latin1', at, Math.min(end, at + 100)).trimEnd();
    if (line === '') break;
    const field = /^(?:x-)?status:\s*([A-Z]*)$/i.exec(line);
    if (field === null) kept.push(bytes.subarray(at, end));
    for (const letter of field?.[1] ?? '') flags |= FLAGS[letter] ?? 0;
    at = end;
  }
  return { content: Buffer.concat([...kept, bytes.subarray(at)]), flags };
}
