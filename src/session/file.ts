/**
 * Commands that file messages: save, copy, Save, Copy, write.
 *
 * Messages are copied, synced and looked for before they are marked saved; when that fails they are not marked, and a
 * later `q` does not remove them. All of a list go into the file or none.
 */
import { dirname } from 'node:path';
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, withFile } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { type AppendResult, appendMessages } from '../mailbox/append.ts';
import type { NewMessage } from '../mailbox/mailbox.ts';
import { headerSizeOf } from '../mailbox/quoting.ts';
import { readEnvelope } from '../message/envelope.ts';
import { decodedBody, parseStructure } from '../message/structure.ts';
import type { CommandContext } from './command.ts';
import { filed } from './filed.ts';
import { tellReadOnly } from './mark.ts';
import { splitListAndFile } from './parse.ts';
import { filePath, mboxPath } from './place.ts';
import { recordName } from './record.ts';
import { select, slotsOf } from './select.ts';
import { apply, contentOf, flagsNow, headerOf, Mark, type MarkChange } from './session.ts';
import { words } from './words/en.ts';

const FROM = Buffer.from('From ');
const LINE_END = Buffer.from('\n');

interface Target {
  readonly path: string;
  /** As typed: for the line that tells the result. */
  readonly name: string;
}

/** What was written. */
interface Tally {
  readonly isNew: boolean;
  readonly lines: number;
  readonly octets: number;
}

/** Writes messages with `put`; only then marks them, and tells the result. */
async function fileAll(
  context: CommandContext,
  numbers: readonly number[],
  { path, name }: Target,
  change: Omit<MarkChange, 'slots'>,
  put: (context: CommandContext, path: string, numbers: readonly number[]) => Promise<Tally>,
): Promise<void> {
  let tally: Tally;
  try {
    tally = await put(context, path, numbers);
  } catch (error) {
    if (error instanceof UserError || error instanceof MailError || errnoOf(error) === undefined) throw error;
    throw new UserError(words.cannotWrite(visible(name), reasonOf(error)));
  }
  context.session = apply(context.session, [{ slots: slotsOf(numbers), ...change }]);
  context.services.io.out(words.filed(visible(name), tally.isNew, tally.lines, tally.octets));
}

/** Whole messages, with From_ line and Status; all of them or none. `read`: they count as read by this. */
function putWhole(read: boolean) {
  return async (context: CommandContext, path: string, numbers: readonly number[]): Promise<Tally> => {
    const { session, services } = context;
    const { disk } = services;
    if (disk.stat(dirname(path)) === undefined) throw new UserError(words.noSuchFolder(visible(dirname(path))));
    const slots = slotsOf(numbers);
    const marked = read ? apply(session, [{ slots, set: Mark.read, clear: Mark.unread }]) : session;
    function* messages(): Generator<NewMessage> {
      for (const slot of slots) yield filed(session, slot, flagsNow(marked, slot));
    }
    const result = await appendMessages(services.mailbox, path, messages(), { mode: 0o600 });
    if (!areThere(disk, path, result.messages)) throw new MailError(words.notThere(visible(path)), { temporary: true });
    return result;
  };
}

/** Looks for what was written: a disk that says yes and keeps nothing (some network file systems do) costs no message. */
function areThere(disk: Disk, path: string, messages: AppendResult['messages']): boolean {
  if (disk.stat(path)?.kind === 'directory') return true;
  const start = new Uint8Array(5);
  return withFile(disk, path, 'read', (fd) => {
    const { size } = disk.fstat(fd);
    return messages.every(({ offset, octets }) => {
      if (offset + octets > size || disk.read(fd, start, offset) < start.length) return false;
      return Buffer.compare(start, FROM) === 0;
    });
  });
}

/** The text below the header: decoded when the message has one part, as it is when it has several. */
function bodyOf(content: Uint8Array): Uint8Array {
  const part = parseStructure(content);
  return part.parts.length === 0 && part.type !== 'message/rfc822'
    ? decodedBody(content, part)
    : content.subarray(headerSizeOf(content));
}

async function putBodies(context: CommandContext, path: string, numbers: readonly number[]): Promise<Tally> {
  const { session, services } = context;
  const { disk, mailbox } = services;
  function* bodies(): Generator<Uint8Array> {
    for (const number of numbers) yield bodyOf(contentOf(session, number - 1));
  }
  if (path !== mboxPath(context)) return appendPlain(disk, path, bodies());
  // Other programs put messages there at the same time, and no body may pass for one.
  function* quoted(): Generator<Uint8Array> {
    for (const body of bodies()) {
      const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
      yield Buffer.from(text.replace(/^(?=>*From )/gm, '>'), 'latin1');
    }
  }
  const fd = disk.open(path, 'create', 0o600);
  try {
    const lock = await mailbox.locker.lock(path, fd, 'write');
    try {
      return appendPlain(disk, path, quoted());
    } finally {
      lock.release();
    }
  } finally {
    disk.close(fd);
  }
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1;
  return lines;
}

/** What parts a file that is `size` long from what is added: line ends until it ends in an empty line. */
function parting(disk: Disk, fd: number, size: number): Uint8Array {
  if (size === 0) return new Uint8Array(0);
  const end = new Uint8Array(2);
  const got = disk.read(fd, end.subarray(0, Math.min(size, 2)), Math.max(size - 2, 0));
  const last = end.subarray(0, got);
  if (last.at(-1) !== 10) return Buffer.from('\n\n');
  return got === 2 && last[0] === 10 ? new Uint8Array(0) : LINE_END;
}

/** Appends to a file that is no mailbox, behind an empty line, synced; on failure the file is as it was. */
function appendPlain(disk: Disk, path: string, pieces: Iterable<Uint8Array>): Tally {
  const known = disk.stat(path);
  if (known !== undefined && known.kind !== 'file' && disk.realpath(path) !== '/dev/null') {
    throw new UserError(words.noFile(visible(path)));
  }
  const fd = disk.open(path, 'create', 0o600);
  let lines = 0;
  let octets = 0;
  try {
    const { size, kind } = disk.fstat(fd);
    try {
      const before = kind === 'file' ? parting(disk, fd, size) : new Uint8Array(0);
      if (before.length > 0) disk.write(fd, before, size);
      for (const bytes of pieces) {
        disk.write(fd, bytes, size + before.length + octets);
        octets += bytes.length;
        lines += countLines(bytes);
      }
      if (kind === 'file') disk.sync(fd);
    } catch (error) {
      if (known === undefined) disk.unlink(path);
      else if (kind === 'file') disk.truncate(fd, size);
      throw error;
    }
  } finally {
    disk.close(fd);
  }
  const isNew = known === undefined || (known.kind === 'file' && known.size === 0);
  if (known === undefined) disk.syncDir(dirname(path));
  return { isNew, lines, octets };
}

/** List and target of `s [LIST] [FILE]`; without a file it is mbox. */
function listAndTarget(context: CommandContext, argument: string): { numbers: readonly number[]; target: Target } {
  const { list, file } = splitListAndFile(argument);
  const numbers = select(context, list);
  if (file === undefined) {
    const path = mboxPath(context);
    return { numbers, target: { path, name: path } };
  }
  return { numbers, target: { path: filePath(context, file), name: file } };
}

const SAVED = { set: Mark.saved | Mark.touched } as const;
const COPIED = { set: Mark.read, clear: Mark.unread } as const;

export async function runSave(context: CommandContext, argument: string): Promise<void> {
  const { numbers, target } = listAndTarget(context, argument);
  tellReadOnly(context);
  await fileAll(context, numbers, target, SAVED, putWhole(false));
}

/** Copies are not marked saved, but count as read. */
export async function runCopy(context: CommandContext, argument: string): Promise<void> {
  const { numbers, target } = listAndTarget(context, argument);
  await fileAll(context, numbers, target, COPIED, putWhole(true));
}

export async function runWrite(context: CommandContext, argument: string): Promise<void> {
  const { numbers, target } = listAndTarget(context, argument);
  tellReadOnly(context);
  await fileAll(context, numbers, target, SAVED, putBodies);
}

/** The file that is named after the author of the first message: the local part of the address, never a path. */
function authorTarget(context: CommandContext, numbers: readonly number[]): Target {
  const slot = (numbers[0] ?? 1) - 1;
  const { from, sender } = readEnvelope(headerOf(context.session, slot));
  const address = from[0]?.address ?? sender[0]?.address ?? context.session.box.info(slot).sender;
  const name = recordName(address);
  return { path: filePath(context, `./${name}`), name };
}

export async function runSaveByName(context: CommandContext, argument: string): Promise<void> {
  const numbers = select(context, argument);
  tellReadOnly(context);
  await fileAll(context, numbers, authorTarget(context, numbers), SAVED, putWhole(false));
}

export async function runCopyByName(context: CommandContext, argument: string): Promise<void> {
  const numbers = select(context, argument);
  await fileAll(context, numbers, authorTarget(context, numbers), COPIED, putWhole(true));
}
