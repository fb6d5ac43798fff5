/**
 * Puts messages at the end of a mailbox, be it an mbox file, a Maildir folder, or a file that is made for them.
 *
 * All or nothing: after a crash the next opener finds every message of the call or none (in a Maildir: each whole or not
 * there). What was returned is on stable storage, the name of a new file included. An mbox is locked as every program
 * locks it, and is left in the form that all programs read: a From_ line, the message, an empty line.
 */
import { dirname } from 'node:path';
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import type { Disk, FileStat } from '../core/files.ts';
import { codingOf, isMmdfStart } from './file-kind.ts';
import { recover } from './journal.ts';
import { appendBytes } from './journal-append.ts';
import { MovedError } from './lock.ts';
import type { MailboxContext, NewMessage } from './mailbox.ts';
import { appendToMaildir, isMaildir } from './maildir-append.ts';
import { storedMessage } from './mbox-commit.ts';

export interface AppendOptions {
  /** Permission bits of a file that is made; 0o600 when not given. */
  readonly mode?: number;
  /** Whose mailbox it is (deliveries by root): a file that is made is given to them; one that is there must be theirs,
   *  and symbolic links are not followed. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Where a message was put: for the index, and for the undo store. */
export interface Appended {
  /** Of the From_ line; 0 in a Maildir. */
  readonly offset: number;
  /** Octets written for this message, From_ line and separator included. */
  readonly octets: number;
}

export interface AppendResult {
  readonly isNew: boolean;
  /** What was written, From_ lines and separators included: mailx tells it. */
  readonly lines: number;
  readonly octets: number;
  readonly messages: readonly Appended[];
}

const NOTHING: AppendResult = { isNew: false, lines: 0, octets: 0, messages: [] };
/** How often a mailbox may be replaced under our hands before we give up. */
const TRIES = 20;

/**
 * Appends `messages` to the mailbox at `path`, which is made when it is not there (its folder must exist). They are taken
 * from the iterable one after the other, under the lock, so that any number of them costs little memory.
 * Throws a MailError when it could not be done; then nothing was appended.
 */
export async function appendMessages(
  context: MailboxContext,
  path: string,
  messages: Iterable<NewMessage>,
  options: AppendOptions = {},
): Promise<AppendResult> {
  const { disk } = context;
  const rest = startOf(messages);
  if (rest === undefined) return NOTHING;
  for (let tries = 0; tries < TRIES; tries++) {
    const target = look(disk, path, options);
    if (target === 'null') return count(rest);
    if (target === 'maildir') {
      const { lines, octets } = appendToMaildir(context, path, rest);
      const messages = octets.map((size) => ({ offset: 0, octets: size }));
      return { isNew: false, lines, octets: octets.reduce((sum, size) => sum + size, 0), messages };
    }
    const result = await appendToFile(context, path, rest, options);
    if (result !== 'moved') return result;
  }
  throw new MailError(`${path}: other programs keep replacing it; nothing was written`, { temporary: true });
}

/** The same messages as an iterable, or undefined when there are none: then no file may be made. */
function startOf(messages: Iterable<NewMessage>): Iterable<NewMessage> | undefined {
  const iterator = messages[Symbol.iterator]();
  const first = iterator.next();
  if (first.done === true) return undefined;
  return (function* () {
    yield first.value;
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) yield next.value;
  })();
}

/** What lies at `path`, refusing what messages cannot be put into. */
function look(disk: Disk, path: string, options: AppendOptions): 'null' | 'maildir' | 'file' | 'nothing' {
  const link = options.owner === undefined ? undefined : disk.lstat(path);
  if (link?.kind === 'symlink') throw refused(path, 'is a symbolic link, which is not followed for deliveries');
  const stat = disk.stat(path);
  if (stat === undefined) return 'nothing';
  if (stat.kind === 'directory') {
    if (isMaildir(disk, path)) return 'maildir';
    throw refused(path, 'is a folder, and no Maildir');
  }
  if (stat.kind === 'file') return 'file';
  if (disk.realpath(path) === '/dev/null') return 'null';
  throw refused(path, 'is a device or pipe, not a mailbox');
}

function refused(path: string, why: string): MailError {
  return new MailError(`${path}: ${why}`, { temporary: false });
}

/** Opens the mailbox, or makes it. */
function openTarget(disk: Disk, path: string, options: AppendOptions): { fd: number; made: boolean } | undefined {
  const mode = options.mode ?? 0o600;
  if (disk.lstat(path) === undefined) {
    try {
      const fd = disk.open(path, 'exclusive', 0o600);
      try {
        if (options.owner !== undefined) disk.chown(fd, options.owner.uid, options.owner.gid);
        disk.chmod(fd, mode);
      } catch (error) {
        disk.close(fd);
        disk.unlink(path);
        throw error;
      }
      return { fd, made: true };
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return undefined;
      throw error;
    }
  }
  // A symbolic link that leads nowhere yet makes the file it names, as in a shell.
  const made = disk.stat(path) === undefined;
  return { fd: disk.open(path, made ? 'create' : 'write', mode), made };
}

async function appendToFile(
  context: MailboxContext,
  given: string,
  messages: Iterable<NewMessage>,
  options: AppendOptions,
): Promise<AppendResult | 'moved'> {
  const { disk } = context;
  let opened: { fd: number; made: boolean } | undefined;
  try {
    opened = openTarget(disk, given, options);
  } catch (error) {
    const temporary = !['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR', 'ENOENT'].includes(errnoOf(error) ?? '');
    throw new MailError(`${given}: ${reasonOf(error)}`, { temporary, cause: error });
  }
  if (opened === undefined) return 'moved';
  const { fd, made } = opened;
  try {
    const path = disk.realpath(given);
    const lock = await context.locker.lock(path, fd, 'write');
    try {
      const stat = disk.fstat(fd);
      // What was opened may have been a symbolic link that somebody put there after it was looked at.
      const there = options.owner === undefined ? disk.stat(path) : disk.lstat(given);
      if (there === undefined || there.ino !== stat.ino || there.dev !== stat.dev) return 'moved';
      check(path, stat, options);
      finishEarlier(context, path, fd);
      try {
        return { isNew: made, ...write(context, path, fd, messages) };
      } catch (error) {
        if (made && disk.fstat(fd).size === 0) disk.unlink(path);
        throw error;
      }
    } finally {
      lock.release();
    }
  } catch (error) {
    if (error instanceof MovedError || errnoOf(error) === 'ENOENT') return 'moved';
    throw error;
  } finally {
    disk.close(fd);
  }
}

function check(path: string, stat: FileStat, options: AppendOptions): void {
  if (stat.kind !== 'file') throw refused(path, 'is no plain file');
  const { owner } = options;
  if (owner === undefined) return;
  if (stat.uid !== owner.uid)
    throw refused(path, `belongs to user ${stat.uid} and not to ${owner.uid}, whose mailbox it is`);
  if (stat.nlink > 1) throw refused(path, 'has another name (hard link), under which it may be something else');
}

/** Finishes what a crash left; says what it was. */
function finishEarlier(context: MailboxContext, path: string, fd: number): void {
  const { kind, notes } = recover(context, path, fd);
  if (kind === 'unreadable') throw new MailError(notes.join(' '), { temporary: true });
  for (const note of notes) context.notify(note);
}

function write(
  context: MailboxContext,
  path: string,
  fd: number,
  messages: Iterable<NewMessage>,
): Omit<AppendResult, 'isNew'> {
  const { disk } = context;
  const { size } = disk.fstat(fd);
  const why = whyNotMbox(disk, fd);
  if (why !== undefined) throw refused(path, why);
  const written = { lines: 0, messages: [] as Appended[] };
  // An empty file may be one whose name was never made durable, by whomever.
  if (size === 0) syncName(disk, path);
  const octets = appendBytes(context, path, fd, size, partsOf(gapBefore(disk, fd, size), size, messages, written));
  return { octets, ...written };
}

function syncName(disk: Disk, path: string): void {
  try {
    disk.syncDir(dirname(path));
  } catch (error) {
    // A folder that may be written but not read, such as one for dropping things into.
    if (errnoOf(error) === 'EACCES') return;
    throw new MailError(`${path}: nothing was written: ${reasonOf(error)}`, { temporary: true, cause: error });
  }
}

/** What is missing at the end of a file for a From_ line to follow. */
function gapBefore(disk: Disk, fd: number, size: number): Uint8Array {
  const end = new Uint8Array(Math.min(size, 4));
  disk.read(fd, end, size - end.length);
  const text = Buffer.from(end).toString('latin1');
  if (text === '' || /(?:^|\n)\r?\n$/.test(text)) return new Uint8Array(0);
  const eol = text.endsWith('\r\n') ? '\r\n' : '\n';
  return Buffer.from(text.endsWith('\n') ? eol : eol + eol);
}

/** All octets to be written, message by message; counts them. */
function* partsOf(
  gap: Uint8Array,
  size: number,
  messages: Iterable<NewMessage>,
  written: { lines: number; messages: Appended[] },
): Generator<Uint8Array> {
  if (gap.length > 0) yield gap;
  let offset = size + gap.length;
  for (const message of messages) {
    const bytes = storedMessage(message);
    written.lines += linesIn(bytes);
    yield bytes;
    written.messages.push({ offset, octets: bytes.length });
    offset += bytes.length;
  }
}

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}

/** Why messages cannot be put behind what is in the file. */
function whyNotMbox(disk: Disk, fd: number): string | undefined {
  const start = new Uint8Array(8);
  disk.read(fd, start, 0);
  if (codingOf(start) !== undefined) return 'is compressed: nothing can be added to it';
  return isMmdfStart(start) ? 'is an MMDF mailbox, which is only read' : undefined;
}

/** For /dev/null: what would have been written. */
function count(messages: Iterable<NewMessage>): AppendResult {
  const written = { lines: 0, messages: [] as Appended[] };
  let octets = 0;
  for (const part of partsOf(new Uint8Array(0), 0, messages, written)) octets += part.length;
  return { isNew: false, octets, ...written };
}
