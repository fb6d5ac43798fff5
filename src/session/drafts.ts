/**
 * Letters that are not sent yet, or could not be: drafts in the state folder, and dead.letter.
 *
 * A draft is one file of its own, `DRAFTS/NAME.draft`: a JSON object with the letter's fields on the first line, the text
 * behind it, byte for byte. It is replaced as a whole and synced, so that a crash leaves the last state or the one before.
 * It is removed when its letter is sent. Nothing here asks or prints.
 */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import { type Disk, makeFolder, readWhole, replaceFile } from '../core/files.ts';
import type { Address } from '../message/address.ts';
import type { Field } from '../message/fields.ts';

/** What is kept of a letter. */
export interface DraftLetter {
  readonly from: Address | undefined;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string;
  readonly headers: readonly Field[];
  readonly body: Uint8Array;
  /** Paths of files to attach. */
  readonly files: readonly string[];
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
}

export interface DraftEntry {
  readonly path: string;
  readonly letter: DraftLetter;
  /** Milliseconds since 1970 when it was saved last. */
  readonly saved: number;
  /** Process that was writing it. */
  readonly pid: number;
}

const SUFFIX = '.draft';

export function draftsFolder(stateDir: string): string {
  return join(stateDir, 'drafts');
}

/** A path for a new draft, which no other letter has. */
export function newDraftPath(disk: Disk, stateDir: string, now: number): string {
  const folder = draftsFolder(stateDir);
  makeFolder(disk, folder, 0o700);
  return join(folder, `${now.toString(36).padStart(9, '0')}-${randomBytes(4).toString('hex')}${SUFFIX}`);
}

/** Writes a draft durably. Throws what the disk throws; then the draft is as it was. */
export function saveDraft(disk: Disk, path: string, letter: DraftLetter, now: number): void {
  const { body, ...fields } = letter;
  const head = JSON.stringify({ version: 1, saved: now, pid: process.pid, ...fields });
  replaceFile(disk, path, Buffer.concat([Buffer.from(`${head}\n`), body]));
}

export function removeDraft(disk: Disk, path: string): void {
  try {
    disk.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Drafts that are there, oldest first. Files that are no drafts of ours are left out. */
export function listDrafts(disk: Disk, stateDir: string): DraftEntry[] {
  const folder = draftsFolder(stateDir);
  const names = disk.list(folder).filter((name) => name.endsWith(SUFFIX) && !name.startsWith('.'));
  return names.sort().flatMap((name) => readDraft(disk, join(folder, name)) ?? []);
}

/** Reads one draft; undefined when there is none or it is damaged. */
export function readDraft(disk: Disk, path: string): DraftEntry | undefined {
  if (disk.lstat(path)?.kind !== 'file') return undefined;
  const bytes = readWhole(disk, path);
  const end = bytes?.indexOf(0x0a) ?? -1;
  if (bytes === undefined || end < 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString());
  } catch {
    return undefined;
  }
  return typeof value === 'object' && value !== null
    ? entryOf(path, value as Record<string, unknown>, bytes.subarray(end + 1))
    : undefined;
}

function entryOf(path: string, value: Record<string, unknown>, body: Uint8Array): DraftEntry | undefined {
  if (value.version !== 1) return undefined;
  const pairs = (key: string, a: string, b: string) =>
    (Array.isArray(value[key]) ? value[key] : []).flatMap((one: unknown) => {
      const pair = one as Record<string, unknown> | null;
      return typeof pair?.[a] === 'string' && typeof pair[b] === 'string' ? [{ [a]: pair[a], [b]: pair[b] }] : [];
    });
  const addresses = (key: string) => pairs(key, 'name', 'address') as unknown as Address[];
  const strings = (key: string) =>
    (Array.isArray(value[key]) ? value[key] : []).filter((one: unknown): one is string => typeof one === 'string');
  const from = value.from as Partial<Address> | undefined;
  const letter: DraftLetter = {
    from: typeof from?.address === 'string' ? { name: String(from.name ?? ''), address: from.address } : undefined,
    to: addresses('to'),
    cc: addresses('cc'),
    bcc: addresses('bcc'),
    subject: typeof value.subject === 'string' ? value.subject : '',
    headers: pairs('headers', 'name', 'value') as unknown as Field[],
    body,
    files: strings('files'),
    inReplyTo: strings('inReplyTo'),
    references: strings('references'),
  };
  return {
    path,
    letter,
    saved: typeof value.saved === 'number' ? value.saved : 0,
    pid: typeof value.pid === 'number' ? value.pid : 0,
  };
}

/** Where dead.letter is: `DEAD` (a leading `~/` is the home folder), else in the home folder. */
export function deadLetterPath(dead: string | undefined, home: string): string {
  if (dead === undefined || dead === '') return join(home, 'dead.letter');
  return dead.startsWith('~/') ? join(home, dead.slice(2)) : dead;
}

/**
 * Keeps the text of a letter that was not sent; durable when this returns the path it is in. It goes to the end of
 * dead.letter; where that cannot be written (a job whose home folder is not its own) the whole letter becomes a draft, and
 * failing that a file in the system's folder for temporary files. Throws a MailError when it can be written nowhere.
 */
export function keepDeadLetter(
  disk: Disk,
  letter: DraftLetter,
  where: {
    readonly dead: string;
    /** Looked for when it is needed: a user without a home may have none. */
    readonly stateDir: () => string;
    readonly draft: string | undefined;
    readonly now: number;
  },
): string {
  const tries: (() => string)[] = [
    () => appendDeadLetter(disk, where.dead, letter.body),
    () => {
      const path = where.draft ?? newDraftPath(disk, where.stateDir(), where.now);
      saveDraft(disk, path, letter, where.now);
      return path;
    },
    () => {
      const path = join(tmpdir(), `tmail-${process.pid}-${randomBytes(4).toString('hex')}${SUFFIX}`);
      saveDraft(disk, path, letter, where.now);
      return path;
    },
  ];
  let last: unknown;
  for (const attempt of tries) {
    try {
      return attempt();
    } catch (error) {
      last = error;
    }
  }
  throw new MailError(`the letter could not be kept anywhere: ${reasonOf(last)}`, { temporary: false, cause: last });
}

/** Appends to dead.letter, an empty line before what is new; cut back when the disk fails half-way. */
function appendDeadLetter(disk: Disk, path: string, body: Uint8Array): string {
  const existed = disk.stat(path) !== undefined;
  const fd = disk.open(path, 'create', 0o600);
  try {
    const { size, kind } = disk.fstat(fd);
    if (kind !== 'file') throw new MailError(`${path} is no file`, { temporary: false });
    try {
      const end = body.length === 0 || body.at(-1) === 0x0a ? '' : '\n';
      disk.write(fd, Buffer.concat([Buffer.from(size > 0 ? '\n' : ''), body, Buffer.from(end)]), size);
      disk.sync(fd);
    } catch (error) {
      disk.truncate(fd, size);
      throw error;
    }
  } finally {
    disk.close(fd);
  }
  if (!existed) disk.syncDir(dirname(path));
  return path;
}
