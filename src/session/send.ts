/**
 * Sending: the commands mail, reply, followup, forward and resend of a session, and send mode (`tmail -s ... TO`).
 *
 * What the commands have in common: a letter is prepared from what was typed or answered, its author writes it
 * (dialogue.ts), and it is handed on (letter.ts). A letter that was not sent makes the session's exit status 1.
 */
import { EX, errnoOf, MailError, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { type Address, parseAddresses } from '../message/address.ts';
import { readEnvelope } from '../message/envelope.ts';
import { type Field, isFieldName, isSendable } from '../message/fields.ts';
import { decodeWords, fieldAddresses, fieldText, parseHeader } from '../message/header.ts';
import { forwardSubject, type Original, oneLine, replyTo as replyFor, threadOf } from '../message/reply.ts';
import { withoutLocalFields, withResentFields } from '../message/resend.ts';
import type { CommandContext } from './command.ts';
import { addLine, addText, autosave, type Composer, readAttachment } from './composer.ts';
import { composeLetter, exitStatus } from './dialogue.ts';
import type { Services } from './io.ts';
import { EMPTY_LETTER, type Letter, resendMessage } from './letter.ts';
import { parseList } from './msglist.ts';
import { splitWords } from './parse.ts';
import { ownAddresses, parseNames } from './recipients.ts';
import { recordName } from './record.ts';
import { unfinishedDrafts } from './resume.ts';
import { select, slotsOf } from './select.ts';
import { apply, contentOf, headerOf, Mark, type Session, type Settings } from './session.ts';
import { isSet } from './settings.ts';
import { sendingWords as words } from './words/en-sending.ts';

function composerOf(context: CommandContext, letter: Letter): Composer {
  return {
    services: context.services,
    context,
    settings: () => context.session.settings,
    from: undefined,
    verbose: false,
    escapes: context.escapes,
    dotEnds: true,
    letter,
    text: [],
    draft: undefined,
    unsaved: false,
  };
}

/** Lets the author write; true when the letter was sent. */
async function write(context: CommandContext, composer: Composer): Promise<boolean> {
  const { kind } = await composeLetter(composer);
  if (kind === 'not sent') context.failed = true;
  return kind === 'sent';
}

/** `mail NAME...` */
export async function runMail(context: CommandContext, argument: string): Promise<void> {
  const to = parseNames(argument);
  if (to.length === 0 && !context.services.io.interactive) throw new UserError(words.noRecipients);
  await write(context, composerOf(context, { ...EMPTY_LETTER, to }));
}

/** What a message says to whoever answers it. */
export function originalOf(session: Session, number: number): Original {
  const bytes = headerOf(session, number - 1);
  const header = parseHeader(bytes);
  const clean = (list: readonly Address[]) => list.map(({ name, address }) => ({ name: oneLine(name), address }));
  const addresses = (name: string) => clean(fieldAddresses(header, name));
  const { from, replyTo, to, cc, subject, messageId, inReplyTo, references } = readEnvelope(bytes);
  return {
    // A message without From: its envelope sender is all that is known.
    from: from.length > 0 ? clean(from) : parseAddresses(session.box.info(number - 1).sender),
    replyTo: clean(replyTo),
    to: clean(to),
    cc: clean(cc),
    subject,
    messageId,
    inReplyTo,
    references,
    followupTo: addresses('mail-followup-to'),
    deliveredTo: [...addresses('delivered-to'), ...addresses('x-original-to')],
  };
}

interface ReplyKind {
  /** To the recipients as well; `flipr` and `Replyall` turn that round for reply and Reply. */
  readonly all: boolean;
  readonly flips: boolean;
  /** A copy goes to a file named after the author of the (first) message. */
  readonly records: boolean;
}

function replying(kind: ReplyKind) {
  return async (context: CommandContext, argument: string): Promise<void> => {
    const numbers = select(context, argument);
    const { settings } = context.session;
    const flipped = kind.flips && isSet(settings, 'flipr') !== isSet(settings, 'Replyall');
    const all = kind.all !== flipped;
    // A reply to all is one letter a message; one to the senders is one letter for them together.
    const groups = all ? numbers.map((number) => [number]) : [numbers];
    for (const group of groups) await answer(context, group, all, kind.records);
  };
}

async function answer(
  context: CommandContext,
  numbers: readonly number[],
  all: boolean,
  records: boolean,
): Promise<void> {
  const { session, services } = context;
  const { settings } = session;
  const [first, ...others] = numbers.map((number) => originalOf(session, number));
  if (first === undefined) return;
  const own = ownAddresses(services, settings);
  const reply = replyFor([first, ...others], own, { all, metoo: isSet(settings, 'metoo') });
  const everybody = [...reply.to, ...reply.cc];
  const broken = everybody.filter(({ address }) => !isSendable(address)).map(({ address }) => visible(address));
  if (broken.length === everybody.length) throw new UserError(words.nobodyToAnswer(numbers[0] ?? 0));
  if (broken.length > 0) services.io.err(words.leftOut(broken.join(', ')));
  const sendable = (list: readonly Address[]) => list.filter(({ address }) => isSendable(address));
  const author = (first.from[0] ?? reply.to[0])?.address ?? '';
  const letter: Letter = {
    ...EMPTY_LETTER,
    from: reply.from === own.from ? undefined : reply.from,
    to: sendable(reply.to),
    cc: sendable(reply.cc),
    subject: reply.subject,
    inReplyTo: reply.inReplyTo,
    references: reply.references,
    recordAs: records ? recordName(author) : undefined,
  };
  const slots = slotsOf([...numbers]);
  context.session = apply(session, [{ slots, set: Mark.read, clear: Mark.unread }]);
  const composer = composerOf(context, letter);
  if (services.io.interactive) showHeader(composer);
  if (await write(context, composer)) context.session = apply(context.session, [{ slots, set: Mark.answered }]);
}

/** Whom it goes to, before a word is written. */
function showHeader(composer: Composer): void {
  const { io } = composer.services;
  const { to, cc, subject } = composer.letter;
  const list = (addresses: readonly Address[]) => visible(addresses.map(({ address }) => address).join(', '));
  io.out(`To: ${list(to)}`);
  if (cc.length > 0) io.out(`Cc: ${list(cc)}`);
  io.out(`Subject: ${visible(subject)}`);
}

/** `reply`, `respond`: to the author and all recipients. */
export const runReply = replying({ all: true, flips: true, records: false });
/** `Reply`, `Respond`: to the authors only. */
export const runReplySender = replying({ all: false, flips: true, records: false });
export const runFollowup = replying({ all: true, flips: false, records: true });
export const runFollowupSender = replying({ all: false, flips: false, records: true });

/** `[LIST] NAME...`: what leads the line and reads as numbers, signs or `/text` is the list; the rest are names. */
function listThenNames(argument: string): { list: string; names: string } {
  const found = splitWords(argument);
  let count = 0;
  for (const word of found) {
    const parsed = parseList(word);
    if ('error' in parsed || parsed.terms.some(({ kind }) => kind === 'address')) break;
    count++;
  }
  return { list: found.slice(0, count).join(' '), names: found.slice(count).join(' ') };
}

/** `forward [LIST] NAME...`: the text in the letter, and the whole message as an attachment where text is not all of it. */
export async function runForward(context: CommandContext, argument: string): Promise<void> {
  const { list, names } = listThenNames(argument);
  const to = parseNames(names);
  if (to.length === 0 && !context.services.io.interactive) throw new UserError(words.noRecipients);
  const numbers = select(context, list);
  const first = originalOf(context.session, numbers[0] ?? 0);
  const { references } = threadOf(first);
  const subject = forwardSubject(first.subject);
  const composer = composerOf(context, { ...EMPTY_LETTER, to, subject, references });
  for (const number of numbers) await forwardInto(composer, context.session, number);
  context.session = apply(context.session, [{ slots: slotsOf([...numbers]), set: Mark.read, clear: Mark.unread }]);
  autosave(composer);
  await write(context, composer);
}

async function forwardInto(composer: Composer, session: Session, number: number): Promise<void> {
  const { settings } = session;
  const content = contentOf(session, number - 1);
  const type = fieldText(parseHeader(headerOf(session, number - 1)), 'content-type') ?? 'text/plain';
  const whole = isSet(settings, 'forward-as-attachment') || !/^\s*text\//i.test(type);
  if (whole) {
    const name = `message-${number}.eml`;
    const file = { path: name, name, content: withoutLocalFields(content), type: 'message/rfc822' };
    composer.letter = { ...composer.letter, files: [...composer.letter.files, file] };
  }
  if (isSet(settings, 'forward-as-attachment')) return;
  const { messageText } = await import('./quote.ts');
  addText(composer, Buffer.from(`${words.forwarded}\n`));
  addText(composer, await messageText(session, number, { prefix: '', allHeaders: false }));
}

/** `resend [LIST] NAME...`: the message as it is to somebody else, with `Resent-` fields (RFC 5322 3.6.6). */
export async function runResend(context: CommandContext, argument: string): Promise<void> {
  const { list, names } = listThenNames(argument);
  const to = parseNames(names);
  if (to.length === 0) throw new UserError(words.noRecipients);
  const { services } = context;
  for (const number of select(context, list)) {
    const sender = { services, settings: context.session.settings, from: undefined, verbose: false };
    const content = contentOf(context.session, number - 1);
    await resendMessage(sender, to, (fields) => withResentFields(content, fields));
    context.session = apply(context.session, [{ slots: slotsOf([number]), set: Mark.read, clear: Mark.unread }]);
  }
}

/** What the command line asks for in send mode. */
export interface SendOptions {
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string | undefined;
  /** `-a`: `Name: value`, or the name of a file; which of them is for `compat` to say, or its looks. */
  readonly added: readonly string[];
  readonly compat: 'bsd' | 'gnu' | 's-nail' | undefined;
  /** `-A`: paths. */
  readonly attachments: readonly string[];
  /** `-E`: an empty letter is not sent, and that is no error. */
  readonly skipEmpty: boolean;
  /** `-F`: the copy goes to a file named after the first recipient. */
  readonly recordByName: boolean;
  /** `-t`: recipients and subject stand in the header of what is read. */
  readonly fromMessage: boolean;
  /** `-~`: obey escapes though standard input is no terminal. */
  readonly escapes: boolean;
  readonly verbose: boolean;
  /** `-r` */
  readonly from: string | undefined;
}

/**
 * Sends one letter: its text is standard input, or what is typed. `context` is where `~:` runs its commands; without one
 * there are none. Returns the exit status: 0 only when the letter was handed on.
 */
export async function sendMode(
  services: Services,
  settings: Settings,
  options: SendOptions,
  context?: CommandContext,
): Promise<number> {
  const { io } = services;
  // Everything that can be wrong with the command line is found before a word is read.
  const prepared = options.added.reduce(
    (letter, text) => withAdded(services, letter, text, options.compat),
    letterOf(services, options),
  );
  const composer: Composer = {
    services,
    context,
    settings: () => context?.session.settings ?? settings,
    from: options.from,
    verbose: options.verbose,
    escapes: options.escapes || io.interactive,
    dotEnds: options.escapes || io.interactive,
    letter: prepared,
    text: [],
    draft: undefined,
    unsaved: false,
  };
  if (io.interactive) tellDrafts(services);
  if (options.fromMessage) {
    await readAll(composer);
    takeHeader(composer);
    return exitStatus(await composeLetter(composer, 'written'));
  }
  if (options.skipEmpty && !io.interactive && !options.escapes) {
    await readAll(composer);
    if (composer.text.length === 0 && prepared.files.length === 0) return EX.ok;
    return exitStatus(await composeLetter(composer, 'written'));
  }
  return exitStatus(await composeLetter(composer));
}

/** Letters that a crash left behind are told of where somebody can go on with them. */
function tellDrafts(services: Services): void {
  try {
    const count = unfinishedDrafts(services).length;
    if (count > 0) services.io.err(words.unfinished(count));
  } catch (error) {
    // Without a readable state folder there are none to tell of.
    if (errnoOf(error) === undefined && !(error instanceof MailError)) throw error;
  }
}

function letterOf(services: Services, options: SendOptions): Letter {
  const names = (list: readonly string[]) => list.flatMap(parseNames);
  const to = names(options.to);
  const [first] = to;
  return {
    ...EMPTY_LETTER,
    to,
    cc: names(options.cc),
    bcc: names(options.bcc),
    subject: options.subject ?? '',
    files: options.attachments.map((path) => readAttachment(services, path)),
    recordAs: options.recordByName && first !== undefined ? recordName(first.address) : undefined,
  };
}

/** Fields that the letter has a place for; others are kept as they are. */
const PLACES: Readonly<Record<string, (letter: Letter, value: string) => Letter>> = {
  to: (letter, value) => ({ ...letter, to: [...letter.to, ...parseNames(value)] }),
  cc: (letter, value) => ({ ...letter, cc: [...letter.cc, ...parseNames(value)] }),
  bcc: (letter, value) => ({ ...letter, bcc: [...letter.bcc, ...parseNames(value)] }),
  from: (letter, value) => ({ ...letter, from: parseNames(value)[0] ?? letter.from }),
  'reply-to': (letter, value) => ({ ...letter, replyTo: [...letter.replyTo, ...parseNames(value)] }),
  subject: (letter, value) => ({ ...letter, subject: value }),
  'in-reply-to': (letter, value) => ({ ...letter, inReplyTo: value.match(/<[^<>\s]+>/g) ?? [] }),
  references: (letter, value) => ({ ...letter, references: value.match(/<[^<>\s]+>/g) ?? [] }),
};

function withField(letter: Letter, { name, value }: Field): Letter {
  const place = PLACES[name.toLowerCase()];
  return place === undefined ? { ...letter, headers: [...letter.headers, { name, value }] } : place(letter, value);
}

/** `-a` is a header in one program and a file in another: without word of which, a file that exists is one, and told. */
function withAdded(services: Services, letter: Letter, text: string, compat: SendOptions['compat']): Letter {
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(colon, 0)).trimEnd();
  const header = isFieldName(name) && !/^\.{0,2}\//.test(text);
  const guess = header && services.disk.stat(text)?.kind !== 'file' ? 'header' : 'file';
  const kind = compat === undefined ? guess : compat === 's-nail' ? 'file' : 'header';
  if (kind === 'file') {
    const file = readAttachment(services, text);
    if (compat === undefined) services.io.err(words.tookForFile(visible(text)));
    return { ...letter, files: [...letter.files, file] };
  }
  if (!isFieldName(name)) throw new UserError(words.badHeader(visible(text)), EX.usage);
  return withField(letter, { name, value: text.slice(colon + 1).trim() });
}

async function readAll(composer: Composer): Promise<void> {
  const { io } = composer.services;
  for (let line = await io.readLine(''); line !== undefined; line = await io.readLine('')) addLine(composer, line);
}

/** Takes the header off the text and into the letter; a text without one stays as it is. */
function takeHeader(composer: Composer): void {
  const text = Buffer.concat(composer.text);
  const end = text.indexOf('\n\n');
  const header = parseHeader(end < 0 ? text : text.subarray(0, end + 1));
  if (header.fields.length === 0) return;
  for (const { name, value } of header.fields) {
    const decoded = decodeWords(value)
      .replace(/\r?\n[ \t]*/g, ' ')
      .trim();
    if (isFieldName(name)) composer.letter = withField(composer.letter, { name, value: decoded });
  }
  composer.text = end < 0 ? [] : [text.subarray(end + 2)];
}
