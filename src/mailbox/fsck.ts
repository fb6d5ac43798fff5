/**
 * Looks a mailbox over, and repairs it into a new file.
 *
 * Every repair is an insertion: octets are put in front of others, none is taken away or changed. So the account is
 * simple: every octet of the old file is in the new one, in order (empty lines in front of the first message go to the
 * end), and the rest was added. What belongs to no message becomes a message of its own.
 */
import { dirname } from 'node:path';
import { reasonOf, UserError } from '../core/errors.ts';
import { type Disk, withFile } from '../core/files.ts';
import { codingOf, isMmdfStart, isOneMessage } from './file-kind.ts';
import { type Finding, findFaults, type Insertion } from './fsck-findings.ts';
import { pendingJournal } from './journal.ts';
import type { MailboxContext } from './mailbox.ts';

export type { Finding } from './fsck-findings.ts';

export interface Diagnosis {
  readonly path: string;
  /** Octets. */
  readonly size: number;
  /** Messages that can be read as the file is. */
  readonly messages: number;
  /** What kind of mailbox it is, in a few words: `mbox, CR LF, separators without dates`. */
  readonly dialect: string;
  /** In file order. */
  readonly findings: readonly Finding[];
}

export interface Account {
  /** Octets read, of which all are in the new file. */
  readonly input: number;
  readonly kept: number;
  /** Octets that are new: `input + added` is the size of the new file. */
  readonly added: number;
  readonly output: number;
  /** Messages before and after. */
  readonly messagesBefore: number;
  readonly messagesAfter: number;
  /** Messages that were made for what belonged to none. */
  readonly recovered: number;
  readonly findings: readonly Finding[];
}

interface Examined extends Diagnosis {
  readonly insertions: readonly Insertion[];
  readonly recovered: number;
  /** Empty lines in front of everything: they go to the end. */
  readonly leading: number;
}

/** What is wrong with the mailbox at `path`. Throws a UserError when it is not a file that could be an mbox. */
export function diagnose(context: MailboxContext, path: string): Diagnosis {
  const {
    insertions: _,
    recovered: __,
    leading: ___,
    ...diagnosis
  } = withMailbox(context, path, (fd, size) => examine(context, path, fd, size));
  return diagnosis;
}

/**
 * Writes a sound copy of the mailbox at `path` to `target`, which must not exist; it is on disk when this returns.
 * The mailbox itself is not touched. Throws a UserError when there is something in the way.
 */
export function repair(context: MailboxContext, path: string, target: string): Account {
  const { disk } = context;
  return withMailbox(context, path, (fd, size) => {
    const examined = examine(context, path, fd, size);
    if (disk.lstat(target) !== undefined) throw new UserError(`${target} exists already: repairs go into a new file`);
    const out = createTarget(disk, target);
    let output: number;
    try {
      output = writeRepaired(disk, fd, size, out, examined);
      disk.sync(out);
    } catch (error) {
      disk.unlink(target);
      throw error;
    } finally {
      disk.close(out);
    }
    disk.syncDir(dirname(target));
    const after = diagnose(context, target);
    const { messages, findings, recovered } = examined;
    const account = { input: size, kept: size, added: output - size, output };
    return { ...account, messagesBefore: messages, messagesAfter: after.messages, recovered, findings };
  });
}

function createTarget(disk: Disk, target: string): number {
  try {
    return disk.open(target, 'exclusive', 0o600);
  } catch (error) {
    throw new UserError(`${target}: ${reasonOf(error)}`);
  }
}

function withMailbox<T>(context: MailboxContext, path: string, work: (fd: number, size: number) => T): T {
  const { disk } = context;
  const stat = disk.stat(path);
  if (stat === undefined) throw new UserError(`${path}: No such file or directory`);
  if (stat.kind !== 'file') throw new UserError(`${path}: only mailbox files can be checked`);
  return withFile(disk, path, 'read', (fd) => work(fd, disk.fstat(fd).size));
}

function examine(context: MailboxContext, path: string, fd: number, size: number): Examined {
  const { disk } = context;
  const head = new Uint8Array(Math.min(size, 65536));
  disk.read(fd, head, 0);
  if (codingOf(head) !== undefined) throw new UserError(`${path} is compressed: decompress it first`);
  if (isMmdfStart(head)) throw new UserError(`${path} is an MMDF mailbox, which is only read`);
  const source = { read: (into: Uint8Array, position: number) => disk.read(fd, into, position) };
  const found = findFaults(source, size, isOneMessage(head));
  const findings = [...found.findings];
  if (pendingJournal(context, path)) {
    const text = 'a change was interrupted; the next program that opens it for writing finishes or undoes it';
    findings.unshift({ offset: 0, line: 1, kind: 'journal', text });
  }
  return { path, size, ...found, findings };
}

/** Writes input and insertions; returns the size of what was written. */
function writeRepaired(disk: Disk, fd: number, size: number, out: number, examined: Examined): number {
  const { insertions, leading } = examined;
  const block = new Uint8Array(1 << 20);
  let written = 0;
  const put = (bytes: Uint8Array): void => {
    disk.write(out, bytes, written);
    written += bytes.length;
  };
  const copy = (from: number, to: number): void => {
    for (let at = from; at < to; ) {
      const part = block.subarray(0, Math.min(block.length, to - at));
      const n = disk.read(fd, part, at);
      if (n === 0) throw new UserError('the mailbox became shorter while it was being read');
      put(part.subarray(0, n));
      at += n;
    }
  };
  let at = leading;
  for (const { offset, bytes } of insertions) {
    copy(at, offset);
    put(bytes);
    at = offset;
  }
  copy(at, size);
  copy(0, leading);
  return written;
}
