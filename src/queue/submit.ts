/**
 * The submit queue: messages that were handed over while no daemon ran.
 *
 * One file a message in one folder. Its first line is a JSON object (SubmitHeader), everything behind that line end is the
 * message, header and body with LF line ends, byte for byte. A file is written under a name that begins with a dot, synced,
 * renamed and the folder synced: whoever lists the folder sees whole messages only, oldest first by name.
 *
 * The folder of the system is meant to be writable for everybody and readable for the daemon alone (mode 1733, or 3733 when
 * the daemon is not root: then files get the daemon's group, which may read them). So the reader must take the sender's
 * word for nothing: `owner`, the uid the file belongs to, is the only thing that was not typed.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { errnoOf, MailError } from '../core/errors.ts';
import { type Disk, makeFolder, readWhole, withFile } from '../core/files.ts';
import type { Notify } from './entry.ts';

/** Name of the file; ascending in time. */
export type SubmitId = string & { readonly unit: 'submit' };

export interface SubmitHeader {
  readonly version: 1;
  /** Envelope sender, '' for the null sender. */
  readonly from: string;
  /** Bare addresses, each once. */
  readonly recipients: readonly string[];
  /** Milliseconds since 1970. */
  readonly submitted: number;
  /** Wishes for reports (RFC 3461). */
  readonly notify?: readonly Notify[];
  readonly ret?: 'full' | 'hdrs';
  readonly envid?: string;
}

/** What a submitter says of a message. */
export type SubmitEnvelope = Omit<SubmitHeader, 'version' | 'submitted'>;

export interface SubmitEntry {
  readonly id: SubmitId;
  readonly header: SubmitHeader;
  readonly message: Uint8Array;
  /** The uid that the file belongs to. */
  readonly owner: number;
}

const NOTIFY: readonly Notify[] = ['success', 'failure', 'delay'];
/** RFC 3461 4: what may stand in a parameter. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2}){1,100}$/;
/** Files in the folder get its group. */
const SETGID = 0o2000;
const NAME = /^[0-9a-z]{9}-[0-9a-f]{12}$/;

/**
 * Puts a message into the queue; it is on stable storage when this returns. `dir` is made when it is missing
 * (mode 700: a user's own; the system's folder is made by whoever installs the daemon).
 */
export function writeSubmit(
  disk: Disk,
  dir: string,
  envelope: SubmitEnvelope,
  message: Uint8Array,
  now: number,
): SubmitId {
  makeFolder(disk, dir, 0o700);
  const id = `${now.toString(36).padStart(9, '0')}-${randomBytes(6).toString('hex')}` as SubmitId;
  const header: SubmitHeader = { version: 1, ...envelope, submitted: now };
  const temporary = join(dir, `.${id}.new`);
  const fd = disk.open(temporary, 'exclusive', 0o600);
  try {
    if (((disk.stat(dir)?.mode ?? 0) & SETGID) !== 0) disk.chmod(fd, 0o640);
    disk.write(fd, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), message]), 0);
    disk.sync(fd);
    disk.rename(temporary, join(dir, id));
    syncName(disk, dir, fd);
  } catch (error) {
    removeIfThere(disk, temporary);
    removeIfThere(disk, join(dir, id));
    throw error;
  } finally {
    disk.close(fd);
  }
  return id;
}

/**
 * Makes the name durable. A folder that may be written but not read (mode 1733) cannot be opened to be synced by those who
 * write into it; there the file is synced once more under its new name, which Linux's file systems take as both.
 */
function syncName(disk: Disk, dir: string, fd: number): void {
  try {
    disk.syncDir(dir);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    disk.sync(fd);
  }
}

function removeIfThere(disk: Disk, path: string): void {
  try {
    disk.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Ids of what waits in the folder, oldest first; empty when there is no such folder. */
export function listSubmit(disk: Disk, dir: string): SubmitId[] {
  return disk
    .list(dir)
    .filter((name) => NAME.test(name))
    .sort() as SubmitId[];
}

/** Reads an entry; undefined when it is gone, a permanent MailError that names the file when it is damaged. */
export function readSubmit(disk: Disk, dir: string, id: SubmitId): SubmitEntry | undefined {
  const path = join(dir, id);
  if (disk.lstat(path)?.kind !== 'file') return undefined;
  const bytes = readWhole(disk, path);
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0x0a);
  const header = end < 0 ? undefined : parseHeader(Buffer.from(bytes.subarray(0, end)).toString());
  if (header === undefined) throw new MailError(`${path}: not a submitted message`, { temporary: false });
  const owner = withFile(disk, path, 'read', (fd) => disk.fstat(fd).uid);
  return { id, header, message: bytes.subarray(end + 1), owner };
}

/** Sets an entry aside that cannot be read; its new path. */
export function setAsideSubmit(disk: Disk, dir: string, id: SubmitId): string {
  const path = join(dir, `damaged-${id}`);
  disk.rename(join(dir, id), path);
  return path;
}

export function removeSubmit(disk: Disk, dir: string, id: SubmitId): void {
  disk.unlink(join(dir, id));
}

function parseHeader(line: string): SubmitHeader | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, from, recipients, submitted, notify, ret, envid } = value as Record<string, unknown>;
  if (version !== 1 || typeof from !== 'string' || typeof submitted !== 'number') return undefined;
  if (!Array.isArray(recipients) || !recipients.every((one): one is string => typeof one === 'string'))
    return undefined;
  return {
    version,
    from,
    recipients,
    submitted,
    ...(Array.isArray(notify) ? { notify: NOTIFY.filter((one) => notify.includes(one)) } : {}),
    ...(ret === 'full' || ret === 'hdrs' ? { ret } : {}),
    ...(typeof envid === 'string' && XTEXT.test(envid) ? { envid } : {}),
  };
}
