/**
 * `tmail export BOX TARGET [MESSAGES...]`: copies messages into something new. Nothing is overwritten and BOX is not
 * changed; every file is synced before the command says it is done.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { EX, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { appendMessages } from '../mailbox/append.ts';
import type { Mailbox, MailboxContext, NewMessage } from '../mailbox/mailbox.ts';
import { locate, openMailbox } from '../mailbox/open.ts';
import { parseList, resolveList } from '../session/msglist.ts';
import { objectLine } from '../session/objects.ts';
import { newSession } from '../session/session.ts';
import { initialSettings } from '../session/settings.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import { foundation, type Invocation, mailboxContext } from './services.ts';
import { printError, printText } from './stdio.ts';

type Write = (context: MailboxContext, box: Mailbox, slots: readonly number[], target: string) => Promise<void>;

const FORMATS: Readonly<Record<string, Write>> = {
  mbox: toMbox,
  maildir: toMaildir,
  eml: toFiles('eml', (box, slot) => box.content(slot)),
  html: toFiles('html', page),
  json: toJson,
};

/** The format that the ending of a name asks for. */
export function formatOf(target: string): string {
  if (/\.(json|jsonl|ndjson)$/i.test(target)) return 'json';
  if (/\.maildir\/?$/i.test(target)) return 'maildir';
  if (/\.html?$/i.test(target)) return 'html';
  return /(\.eml|\/)$/i.test(target) ? 'eml' : 'mbox';
}

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  const [source, target, ...list] = operands;
  if (source === undefined || target === undefined) {
    throw new UserError('export what, and where to? tmail export BOX TARGET [MESSAGES...]', EX.usage);
  }
  const format = textOf(values, 'format') ?? formatOf(target);
  const write = FORMATS[format];
  if (write === undefined) {
    throw new UserError(
      `${JSON.stringify(format)} is no format: use one of ${Object.keys(FORMATS).join(', ')}`,
      EX.usage,
    );
  }
  const context = mailboxContext(await foundation(invocation), (text) => printError(`tmail: ${text}`));
  if (context.disk.lstat(target) !== undefined)
    throw new UserError(`${target}: is there already; name something new`, EX.cannotCreate);
  const box = await openMailbox(context, locate(context, source), { readOnly: true });
  try {
    for (const note of box.notes) printError(`tmail: ${note}`);
    const slots = select(box, source, list);
    await write(context, box, slots, resolve(target));
    const many = slots.length === 1 ? '1 message' : `${slots.length} messages`;
    return printText(`${many} copied to ${visible(target)} (${format})\n`);
  } finally {
    box.close();
  }
}

/** Slots of the messages that a list names; of all when it is empty. */
function select(box: Mailbox, name: string, list: readonly string[]): number[] {
  const session = newSession(box, { system: false, name, settings: initialSettings() });
  if (list.length === 0)
    return Array.from({ length: box.length }, (_, slot) => slot).filter((slot) => !box.info(slot).gone);
  const parsed = parseList(list.join(' '));
  const resolved = 'error' in parsed ? parsed : resolveList(session, parsed.terms);
  if ('error' in resolved) throw new UserError(resolved.error.message);
  return resolved.numbers.map((number) => number - 1);
}

function* stored(box: Mailbox, slots: readonly number[]): Generator<NewMessage> {
  for (const slot of slots) {
    const { sender, received } = box.info(slot);
    yield { ...box.stored(slot), sender, received: received ?? 0, quote: false };
  }
}

async function toMbox(context: MailboxContext, box: Mailbox, slots: readonly number[], target: string): Promise<void> {
  const { disk } = context;
  // Made here, and only when it does not exist: appending would add to a file that came just now.
  disk.close(disk.open(target, 'exclusive', 0o600));
  await appendMessages(context, target, stored(box, slots));
  disk.syncDir(dirname(target));
}

async function toMaildir(
  context: MailboxContext,
  box: Mailbox,
  slots: readonly number[],
  target: string,
): Promise<void> {
  for (const name of ['tmp', 'new', 'cur']) context.disk.mkdir(join(target, name), 0o700);
  await appendMessages(context, target, stored(box, slots));
}

/** One file a message, `0001.eml`; a target with that ending takes one message. */
function toFiles(ending: string, made: (box: Mailbox, slot: number) => Uint8Array | Promise<Uint8Array>): Write {
  return async ({ disk }, box, slots, target) => {
    const [only, ...others] = slots;
    if (only !== undefined && others.length === 0 && formatOf(target) === ending && !target.endsWith('/')) {
      writeNew(disk, target, [await made(box, only)]);
      return;
    }
    disk.mkdir(target, 0o700);
    const width = Math.max(4, String(box.length).length);
    for (const slot of slots) {
      const name = `${String(slot + 1).padStart(width, '0')}.${ending}`;
      writeNew(disk, join(target, name), [await made(box, slot)]);
    }
  };
}

/** A page for a browser that loads nothing; the library that puts it together is loaded when it is asked for. */
async function page(box: Mailbox, slot: number): Promise<Uint8Array> {
  const { messagePage } = await import('../message/page.ts');
  return Buffer.from(await messagePage(box.content(slot)));
}

async function toJson({ disk }: MailboxContext, box: Mailbox, slots: readonly number[], target: string): Promise<void> {
  const session = newSession(box, { system: false, name: basename(target), settings: initialSettings() });
  writeNew(
    disk,
    target,
    (function* () {
      for (const slot of slots) yield Buffer.from(`${objectLine(session, slot + 1, false)}\n`);
    })(),
  );
}

/** Writes a file that did not exist, durably. */
function writeNew(disk: Disk, path: string, pieces: Iterable<Uint8Array>): void {
  const fd = disk.open(path, 'exclusive', 0o600);
  try {
    let at = 0;
    for (const piece of pieces) {
      disk.write(fd, piece, at);
      at += piece.length;
    }
    disk.sync(fd);
  } catch (error) {
    disk.unlink(path);
    throw error;
  } finally {
    disk.close(fd);
  }
  disk.syncDir(dirname(path));
}
