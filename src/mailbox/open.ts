/** Opens what a path names: looks what it is, how it can be changed, and reads it in under a lock. */
import { accessSync, constants } from 'node:fs';
import { EX, errnoOf, reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { codingOf, isMmdfStart, isOneMessage } from './file-kind.ts';
import { pendingJournal, recover } from './journal.ts';
import { MovedError } from './lock.ts';
import type { Location, Mailbox, MailboxContext } from './mailbox.ts';
import { MboxMailbox, type OpenFile } from './mbox.ts';

/** Octets that are looked at to tell what a file is. */
const LOOK = 64 * 1024;

function refuse(path: string, why: string): UserError {
  return new UserError(`${path}: ${why}`, EX.failure);
}

/**
 * What lies at `path`. Throws a UserError when nothing does, or something that cannot be a mailbox; never waits (a FIFO
 * is refused at once).
 */
export function locate({ disk }: Pick<MailboxContext, 'disk'>, path: string): Location {
  let stat: ReturnType<Disk['stat']>;
  try {
    stat = disk.stat(path);
  } catch (error) {
    throw refuse(path, reasonOf(error));
  }
  if (stat === undefined) throw refuse(path, 'No such file or directory');
  if (stat.kind === 'directory') {
    const parts = ['new', 'cur', 'tmp'].map((name) => disk.stat(`${path}/${name}`)?.kind);
    if (parts.every((kind) => kind === 'directory')) return { kind: 'maildir', path };
    throw refuse(path, 'is a folder, and no Maildir (new, cur and tmp are not in it)');
  }
  if (stat.kind !== 'file') throw refuse(path, 'is not a mailbox but a FIFO, socket or device');
  return locateFile(disk, path);
}

function locateFile(disk: Disk, path: string): Location {
  const start = new Uint8Array(LOOK);
  let fd: number;
  try {
    fd = disk.open(path, 'read');
  } catch (error) {
    throw refuse(path, reasonOf(error));
  }
  let head: Uint8Array;
  try {
    head = start.subarray(0, disk.read(fd, start, 0));
  } finally {
    disk.close(fd);
  }
  const coding = codingOf(head);
  if (coding !== undefined) return { kind: 'compressed', path, coding };
  return { kind: isOneMessage(head) ? 'message' : 'mbox', path };
}

export interface OpenOptions {
  /** Nothing may be changed, whatever the file allows. */
  readonly readOnly?: boolean;
}

/**
 * Opens the mailbox at `location`. Throws a UserError when it cannot be read or is none; a temporary MailError when it
 * stays locked. Why it cannot be changed is in `readOnly` of what is returned.
 */
export async function openMailbox(
  context: MailboxContext,
  location: Location,
  options: OpenOptions = {},
): Promise<Mailbox> {
  switch (location.kind) {
    case 'maildir':
      return openMaildir(context, location, options);
    case 'compressed':
      return openCompressed(context, location);
    case 'mbox':
    case 'message':
      return openFileMailbox(context, location, options);
  }
}

async function openCompressed(
  context: MailboxContext,
  location: Extract<Location, { kind: 'compressed' }>,
): Promise<Mailbox> {
  const { decompress } = await import('./compressed.ts');
  const { fd, notes } = await decompress(context, location);
  try {
    const mailbox = new MboxMailbox(context, location, { fd, readOnly: 'it is compressed' }, false);
    mailbox.notes.push(...notes);
    mailbox.load();
    return mailbox;
  } catch (error) {
    context.disk.close(fd);
    throw error;
  }
}

async function openMaildir(
  context: MailboxContext,
  location: Extract<Location, { kind: 'maildir' }>,
  options: OpenOptions,
): Promise<Mailbox> {
  const { MaildirMailbox } = await import('./maildir.ts');
  return new MaildirMailbox(context, location, whyMaildirReadOnly(location.path, options));
}

function whyMaildirReadOnly(path: string, options: OpenOptions): string | undefined {
  if (options.readOnly === true) return 'it was opened read-only';
  for (const folder of ['new', 'cur', 'tmp']) {
    try {
      accessSync(`${path}/${folder}`, constants.W_OK | constants.X_OK);
    } catch (error) {
      return `${path}/${folder} cannot be written (${reasonOf(error)})`;
    }
  }
  return undefined;
}

async function openFileMailbox(context: MailboxContext, location: Location, options: OpenOptions): Promise<Mailbox> {
  for (let round = 0; ; round++) {
    try {
      return await openOnce(context, location, options);
    } catch (error) {
      // Another program put a new file there just then.
      if (!(error instanceof MovedError) || round >= 20) throw error;
    }
  }
}

async function openOnce(context: MailboxContext, location: Location, options: OpenOptions): Promise<Mailbox> {
  const { disk, locker } = context;
  const path = realPath(disk, location.path);
  const file = openForUse(context, location, options);
  let held: Awaited<ReturnType<typeof locker.lock>> | undefined;
  try {
    if (disk.fstat(file.fd).kind !== 'file')
      throw refuse(location.path, 'is not a mailbox but a FIFO, socket or device');
    const mailbox = new MboxMailbox(context, location, file, location.kind === 'mbox');
    const pending = pendingJournal(context, path);
    held = await locker.lock(path, file.fd, pending && file.readOnly === undefined ? 'write' : 'read');
    if (pending) {
      if (file.readOnly === undefined) mailbox.notes.push(...recover(context, path, file.fd).notes);
      else mailbox.notes.push(`${path}: a change was interrupted; it is shown as it was left.`);
    }
    mailbox.load();
    return mailbox;
  } catch (error) {
    disk.close(file.fd);
    throw error;
  } finally {
    held?.release();
  }
}

function beginsMmdf(disk: Disk, path: string): boolean {
  const head = new Uint8Array(5);
  const fd = disk.open(path, 'read');
  try {
    return disk.read(fd, head, 0) === 5 && isMmdfStart(head);
  } finally {
    disk.close(fd);
  }
}

/** The name that locks go by. */
function realPath(disk: Disk, path: string): string {
  try {
    return disk.realpath(path);
  } catch (error) {
    throw refuse(path, reasonOf(error));
  }
}

/** Opens the file for writing if it may be, else for reading, and says why. */
function openForUse(context: MailboxContext, location: Location, options: OpenOptions): OpenFile {
  const { disk, locker } = context;
  const { path } = location;
  const read = (readOnly: string): OpenFile => {
    try {
      return { fd: disk.open(path, 'read'), readOnly };
    } catch (error) {
      throw refuse(path, reasonOf(error));
    }
  };
  if (location.kind === 'message') return read('it is a single message, not a mailbox');
  if (options.readOnly === true) return read('it was opened read-only');
  if (beginsMmdf(disk, path)) return read('it is an MMDF mailbox, which is only read');
  try {
    const fd = disk.open(path, 'write');
    const why = locker.whyReadOnly?.(realPath(disk, path));
    if (why === undefined) return { fd, readOnly: undefined };
    disk.close(fd);
    return read(why);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw refuse(path, reasonOf(error));
    return read(`it cannot be written (${reasonOf(error)})`);
  }
}
