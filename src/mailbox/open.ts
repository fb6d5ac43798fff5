/** Opens what a path names: looks what it is, how it can be changed, and reads it in under a lock. */
import { EX, errnoOf, reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { fieldNameAt, isWellKnownField } from './from-line.ts';
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
  if (head[0] === 0x1f && head[1] === 0x8b) return { kind: 'compressed', path, coding: 'gzip' };
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) {
    return { kind: 'compressed', path, coding: 'zstd' };
  }
  return { kind: isOneMessage(head) ? 'message' : 'mbox', path };
}

/** Whether the file is one message without a From_ line: a header with a field of mail in it, or an empty header. */
function isOneMessage(head: Uint8Array): boolean {
  let p = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  if (isFromLine(head, p) || startsWith(head, p, '\x01\x01\x01\x01')) return false;
  const bodyFirst = head[p] === 10 || (head[p] === 13 && head[p + 1] === 10);
  while (head[p] === 10 || head[p] === 13 || head[p] === 0) p++;
  if (p >= head.length || isFromLine(head, p)) return false;
  if (bodyFirst) return true;
  let fields = 0;
  for (let lines = 0; p < head.length && lines < 200; lines++) {
    const lf = head.indexOf(10, p);
    const end = lf < 0 ? head.length : lf;
    if (end === p || (end === p + 1 && head[p] === 13)) break;
    if (head[p] !== 32 && head[p] !== 9) {
      const name = fieldNameAt(head, p, end + 1);
      if (isWellKnownField(name)) return true;
      if (name !== '') fields++;
      else if (fields === 0) return false;
    }
    p = end + 1;
  }
  return false;
}

/** A From_ line, and not the field `From :` with blanks before its colon. */
function isFromLine(head: Uint8Array, at: number): boolean {
  return startsWith(head, at, 'From ') && fieldNameAt(head, at, head.length) === '';
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
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
      throw refuse(location.path, 'Maildir is not read yet');
    case 'compressed':
      throw refuse(location.path, 'compressed mailboxes are not read yet');
    case 'mbox':
    case 'message':
      return openFileMailbox(context, location, options);
  }
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
  const { path } = location;
  const file = openForUse(context, location, options);
  let held: Awaited<ReturnType<typeof locker.lock>> | undefined;
  try {
    if (disk.fstat(file.fd).kind !== 'file') throw refuse(path, 'is not a mailbox but a FIFO, socket or device');
    const mailbox = new MboxMailbox(context, location, file, true);
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
    return disk.read(fd, head, 0) === 5 && startsWith(head, 0, '\x01\x01\x01\x01\n');
  } finally {
    disk.close(fd);
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
    const why = locker.whyReadOnly?.(path);
    if (why === undefined) return { fd, readOnly: undefined };
    disk.close(fd);
    return read(why);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw refuse(path, reasonOf(error));
    return read(`it cannot be written (${reasonOf(error)})`);
  }
}
