/**
 * A letter on its way out: what the user wrote becomes a message, is handed on, recorded, or kept when that fails.
 *
 * Order: names are resolved and the message is made before anything leaves (so a mistake sends nothing); then it is
 * handed on; then copies for `record` and files are written. What was not handed on is kept, and told once.
 */
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { appendMessages } from '../mailbox/append.ts';
import { type Address, formatAddress } from '../message/address.ts';
import { decodeText } from '../message/charset.ts';
import { type Attachment, compose, type Draft, newMessageId } from '../message/compose.ts';
import { formatDate, localZone } from '../message/date.ts';
import { addressField, type Field } from '../message/fields.ts';
import { charsetsOfLocale } from '../message/guess.ts';
import { type DraftLetter, deadLetterPath, keepDeadLetter, removeDraft } from './drafts.ts';
import type { Services } from './io.ts';
import { expandNames, ownAddresses, type Recipients } from './recipients.ts';
import { recordPath } from './record.ts';
import type { Settings } from './session.ts';
import { isSet, variable } from './settings.ts';
import { sendingWords as words } from './words/en-sending.ts';

/** A file that goes with the letter. */
export interface LetterFile extends Attachment {
  /** As it was named: for drafts. */
  readonly path: string;
}

/** What the user has said so far, but for the text. Names are as they were typed: aliases are spelled out at the end. */
export interface Letter {
  /** Undefined: the usual sender. */
  readonly from: Address | undefined;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly subject: string;
  readonly headers: readonly Field[];
  readonly files: readonly LetterFile[];
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
  /** File for the copy instead of `record`: a correspondent's name (`followup`, `-F`). */
  readonly recordAs: string | undefined;
}

export const EMPTY_LETTER: Letter = {
  from: undefined,
  to: [],
  cc: [],
  bcc: [],
  replyTo: [],
  subject: '',
  headers: [],
  files: [],
  inReplyTo: [],
  references: [],
  recordAs: undefined,
};

/** Who sends, and how. */
export interface Sender {
  readonly services: Services;
  readonly settings: Settings;
  /** `-r`. */
  readonly from: string | undefined;
  readonly verbose: boolean;
}

/** The part of a letter that a draft keeps. */
export function draftLetter(letter: Letter, body: Uint8Array): DraftLetter {
  const { from, to, cc, bcc, subject, headers, inReplyTo, references } = letter;
  return {
    from,
    to,
    cc,
    bcc,
    subject,
    headers,
    body,
    files: letter.files.map(({ path }) => path),
    inReplyTo,
    references,
  };
}

/**
 * Hands the letter on; 0 when every recipient has it, else the exit status that says why not. A failure is told here, and
 * the text kept; that a copy could not be recorded is told, but does not make it unsent. `draft` is where it was saved
 * while it was written.
 */
export async function sendLetter(sender: Sender, letter: Letter, body: Uint8Array, draft?: string): Promise<number> {
  const { io, disk } = sender.services;
  try {
    await handOn(sender, letter, body);
  } catch (error) {
    if (!(error instanceof UserError || error instanceof MailError)) throw error;
    io.err(visible(error.message));
    keepLetter(sender, letter, body, draft);
    return error.status || EX.failure;
  }
  if (draft !== undefined) removeDraft(disk, draft);
  return EX.ok;
}

/** Keeps a letter that is not sent; says where. An empty one is dropped. */
export function keepLetter(sender: Sender, letter: Letter, body: Uint8Array, draft: string | undefined): void {
  const { io, disk, env, user, mailbox, now } = sender.services;
  if (body.length === 0) {
    io.err(words.notKept);
  } else {
    const dead = deadLetterPath(variable(sender.settings, env, 'DEAD'), user.home);
    const where = { dead, stateDir: () => mailbox.stateDir, draft, now: now() };
    const path = keepDeadLetter(disk, draftLetter(letter, body), where);
    io.err(words.kept(visible(path)));
    if (path === draft) return;
  }
  if (draft !== undefined) removeDraft(disk, draft);
}

async function handOn(sender: Sender, letter: Letter, body: Uint8Array): Promise<void> {
  const { services, settings } = sender;
  const { io, env, hostname, outbox, now } = services;
  const own = ownAddresses(services, settings, sender.from);
  const recipients = expandNames(letter, settings, own);
  const addresses = [...recipients.to, ...recipients.cc, ...recipients.bcc].map(({ address }) => address);
  if (addresses.length + recipients.files.length + recipients.commands.length === 0)
    throw new UserError(words.noRecipients);
  const from = letter.from ?? own.from;
  const { mta, smtp, verbose, explicitSender, full } = wayOut(sender);
  const draft = draftOf(letter, from, recipients, full);
  // What the copy is put in is settled before anything leaves.
  const record = recordPath(letter.recordAs, services, settings);
  const files = recipients.files.map((name) => recordPath(name, services, settings, 'file'));
  const message = await compose(withBody(draft, body), {
    now: now(),
    hostname,
    zone: localZone(now()),
    eightBit: !smtp,
    decode: (bytes) => decodeText(bytes, undefined, localeCharsets(env)),
  });
  if (isSet(settings, 'debug')) {
    io.err(words.wouldSend(visible(addresses.join(', ')), message.length));
    return;
  }
  if (addresses.length > 0) {
    const envelope = { from: from.address, recipients: addresses };
    const how = { mta, verbose, explicitSender: explicitSender || letter.from !== undefined };
    const { note } = await outbox(message, envelope, how);
    if (note !== '') io.err(visible(note));
  }
  await giveToCommands(services, settings, recipients.commands, message);
  for (const path of files) if (path !== undefined) await copyTo(services, path, from.address, message);
  if (record === undefined) return;
  try {
    await copyTo(services, record, from.address, ownCopy(message, recipients.bcc));
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailError)) throw error;
    io.err(words.notRecorded(visible(record), reasonOf(error)));
  }
}

function withBody(draft: Omit<Draft, 'body'>, body: Uint8Array): Draft {
  return { ...draft, body };
}

interface WayOut {
  readonly mta: string | undefined;
  /** `mta` is the URL of a server, which may not take 8-bit text. */
  readonly smtp: boolean;
  readonly verbose: boolean;
  readonly explicitSender: boolean;
  /** Gives names of this host its name, where no delivery program does that (once is enough). */
  readonly full: (list: readonly Address[]) => Address[];
}

/** What the settings say about how mail leaves. */
function wayOut({ services, settings, from, verbose }: Sender): WayOut {
  const mta = settings.variables.get('sendmail') ?? settings.variables.get('mta');
  const smtp = /^[a-z]+:\/\//i.test(mta ?? '');
  const program = mta !== undefined && mta !== '' && !smtp;
  const complete = (one: Address) =>
    program || one.address.includes('@') ? one : { ...one, address: `${one.address}@${services.hostname}` };
  return {
    mta,
    smtp,
    verbose: verbose || isSet(settings, 'verbose'),
    explicitSender: from !== undefined || isSet(settings, 'from'),
    full: (list) => list.map(complete),
  };
}

function isThere(field: string | undefined): field is string {
  return field !== undefined;
}

function draftOf(letter: Letter, from: Address, recipients: Recipients, full: WayOut['full']): Omit<Draft, 'body'> {
  return {
    from: full([from])[0] ?? from,
    replyTo: full(letter.replyTo),
    to: full(recipients.to),
    cc: full(recipients.cc),
    bcc: full(recipients.bcc),
    subject: letter.subject,
    headers: letter.headers,
    attachments: letter.files,
    inReplyTo: letter.inReplyTo,
    references: letter.references,
  };
}

function localeCharsets(env: Services['env']): readonly string[] {
  return charsetsOfLocale(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
}

async function giveToCommands(
  services: Services,
  settings: Settings,
  commands: readonly string[],
  message: Uint8Array,
): Promise<void> {
  const shell = variable(settings, services.env, 'SHELL') ?? '/bin/sh';
  for (const command of commands) {
    const { status } = await services.io.run(shell, command.slice(1).trim(), { input: message });
    if (status !== 0) throw new MailError(`${command}: exit status ${status}`, { temporary: false });
  }
}

async function copyTo(services: Services, path: string, sender: string, content: Uint8Array): Promise<void> {
  const received = Math.floor(services.now() / 1000);
  await appendMessages(services.mailbox, path, [{ content, sender, received, quote: true }], { mode: 0o600 });
}

/** The copy for oneself says who got blind copies, and is not new to its author. */
function ownCopy(message: Uint8Array, bcc: readonly Address[]): Uint8Array {
  const bytes = Buffer.from(message);
  const end = bytes.indexOf('\n\n') + 1;
  const fields = [addressField('Bcc', bcc), 'Status: RO'].filter(isThere);
  return Buffer.concat([bytes.subarray(0, end), Buffer.from(`${fields.join('\n')}\n`), bytes.subarray(end)]);
}

/** Hands on a message that somebody else wrote, `build` puts the `Resent-` fields into it (RFC 5322 3.6.6). */
export async function resendMessage(
  sender: Sender,
  to: readonly Address[],
  build: (fields: readonly string[]) => Uint8Array,
): Promise<void> {
  const { services, settings } = sender;
  const { now, hostname, outbox, io } = services;
  const own = ownAddresses(services, settings, sender.from);
  const recipients = expandNames({ to, cc: [], bcc: [] }, settings, own);
  const { mta, explicitSender, verbose, full } = wayOut(sender);
  const message = build([
    ...[addressField('Resent-From', full([own.from])), addressField('Resent-To', full(recipients.to))].filter(isThere),
    `Resent-Date: ${formatDate(Math.floor(now() / 1000), localZone(now()))}`,
    `Resent-Message-ID: ${newMessageId(now(), hostname)}`,
  ]);
  const envelope = { from: own.from.address, recipients: recipients.to.map(({ address }) => address) };
  const { note } = await outbox(message, envelope, { mta, verbose, explicitSender });
  if (note !== '') io.err(visible(note));
}

/** One line a field, as `~p` shows it; undefined where there is nothing. */
export function letterHeader(letter: Letter): string[] {
  const list = (name: string, addresses: readonly Address[]) =>
    addresses.length === 0 ? [] : [`${name}: ${addresses.map(formatAddress).join(', ')}`];
  return [
    ...(letter.from === undefined ? [] : list('From', [letter.from])),
    ...list('To', letter.to),
    ...list('Cc', letter.cc),
    ...list('Bcc', letter.bcc),
    ...list('Reply-To', letter.replyTo),
    ...(letter.subject === '' ? [] : [`Subject: ${letter.subject}`]),
    ...letter.headers.map(({ name, value }) => `${name}: ${value}`),
    ...letter.files.map(({ name, content }) => words.attached(name, content.length)),
  ];
}
