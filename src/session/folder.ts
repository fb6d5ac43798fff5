/**
 * Commands about mailboxes: file and folder, folders, inc; and how a mailbox is opened for a session.
 */
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { Flag, type Mailbox, type Others } from '../mailbox/mailbox.ts';
import { locate, openMailbox } from '../mailbox/open.ts';
import type { CommandContext } from './command.ts';
import { leaveMailbox } from './leave.ts';
import { splitWords } from './parse.ts';
import { folderPath, mboxPath, type Place, placeOf } from './place.ts';
import { planQuit } from './quit.ts';
import { allFlags, countWithout, isUntouched, Mark, newSession, readState, type Session, takeIn } from './session.ts';
import { isSet, variable } from './settings.ts';
import { headerRows, runHeaders } from './show.ts';
import { words } from './words/en.ts';

/** Opens the mailbox at a place. Throws UserError, with the file named, when there is none or it cannot be read. */
export async function openPlace(context: CommandContext, place: Place, readOnly = false): Promise<Mailbox> {
  const { mailbox, disk } = context.services;
  if (disk.stat(place.path) === undefined) {
    throw new UserError(place.user === undefined ? words.noFileThere(visible(place.path)) : words.noMail(place.user));
  }
  try {
    return await openMailbox(mailbox, locate(mailbox, place.path), { readOnly });
  } catch (error) {
    if (error instanceof UserError || error instanceof MailError || errnoOf(error) === undefined) throw error;
    throw new UserError(words.cannotOpen(visible(place.path), reasonOf(error)));
  }
}

/** `"/var/mail/lee": 3 messages 1 new 1 unread`, with what else is to be known. */
export function describe(session: Session): string {
  const { present, fresh, unread, deleted } = isUntouched(session) ? asStored(session) : asMarked(session);
  const { readOnly } = session.box;
  return words.boxLine(
    visible(session.name),
    present,
    fresh,
    unread,
    deleted,
    readOnly === undefined ? '' : visible(readOnly),
  );
}

interface Counts {
  readonly present: number;
  readonly fresh: number;
  readonly unread: number;
  readonly deleted: number;
}

/** Of a session that has done nothing yet. */
function asStored(session: Session): Counts {
  const all = allFlags(session).subarray(0, session.count);
  const { read, old } = Flag;
  return {
    present: session.count,
    fresh: countWithout(all, read | old),
    unread: countWithout(all, read) - countWithout(all, read | old),
    deleted: 0,
  };
}

function asMarked(session: Session): Counts {
  const counts = { present: 0, fresh: 0, unread: 0, deleted: 0 };
  const { marks, count } = session;
  for (let slot = 0; slot < count; slot++) {
    const mark = marks[slot] ?? 0;
    if ((mark & Mark.gone) !== 0) continue;
    counts.present += 1;
    if ((mark & Mark.deleted) !== 0) counts.deleted += 1;
    const state = readState(session, slot);
    if (state === 'new') counts.fresh += 1;
    else if (state === 'unread') counts.unread += 1;
  }
  return counts;
}

/** Says what a mailbox just opened has to say: notes of its repair, its line, and the headers. */
export async function greet(context: CommandContext): Promise<void> {
  const { io } = context.services;
  const { session } = context;
  for (const note of session.box.notes) io.err(visible(note));
  if (!isSet(session.settings, 'quiet')) io.out(describe(session));
  else if (session.box.readOnly !== undefined) io.err(visible(session.box.readOnly));
  if (isSet(session.settings, 'header') && session.dot > 0) await runHeaders(context, '');
}

/** `file` alone tells where we are; with a name it leaves the mailbox as `q` would and opens the other. */
export async function runFolder(context: CommandContext, argument: string): Promise<void> {
  const { services, session } = context;
  const [typed, extra] = splitWords(argument);
  if (typed === undefined) {
    services.io.out(describe(session));
    return;
  }
  if (extra !== undefined) throw new UserError(words.oneName(extra));
  const place = placeOf(context, typed);
  const old = session.box;
  // Opened before the old one is left: when it cannot be, nothing has happened. But leaving may make mbox.
  const made = services.disk.stat(place.path) === undefined && isMbox(context, place) && fillsMbox(session);
  const opened = made ? undefined : await openPlace(context, place);
  try {
    await leaveMailbox(context);
  } catch (error) {
    opened?.close();
    throw error;
  }
  let box = opened;
  if (box === undefined || place.path === old.location.path || isMbox(context, place)) {
    // Leaving may have changed it.
    opened?.close();
    box = await openAgain(context, place);
  }
  const { settings, charsets = [] } = session;
  const about = {
    system: place.system,
    name: place.path,
    settings,
    previous: old.location,
    previousSystem: session.system,
    charsets,
  };
  context.session = newSession(box, about);
  context.history = [];
  await greet(context);
}

/** Opens what leaving may have emptied, or taken away: then there is a mailbox without messages. */
async function openAgain(context: CommandContext, place: Place): Promise<Mailbox> {
  try {
    return await openPlace(context, place);
  } catch (error) {
    if (!(error instanceof UserError || error instanceof MailError)) throw error;
    context.services.io.err(visible(error.message));
    return { ...noMailbox(), location: { kind: 'mbox', path: place.path } };
  }
}

function isMbox(context: CommandContext, place: Place): boolean {
  try {
    return place.path === mboxPath(context);
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** Leaving moves messages to mbox. */
function fillsMbox(session: Session): boolean {
  const { toMbox, rescue } = planQuit(session);
  return session.box.readOnly === undefined && toMbox.length + rescue.length > 0;
}

/** Lists the folder directory, through LISTER when that is set. */
export async function runFolders(context: CommandContext, argument: string): Promise<void> {
  const { io, disk, env } = context.services;
  const [typed] = splitWords(argument);
  const path = typed === undefined ? folderPath(context) : placeOf(context, typed).path;
  if (path === undefined) throw new UserError(words.folderNotSet);
  if (disk.stat(path)?.kind !== 'directory') throw new UserError(words.noSuchFolder(visible(path)));
  const lister = variable(context.session.settings, env, 'LISTER');
  if (lister !== undefined && lister !== '') {
    await io.exec([...splitWords(lister), path]);
    return;
  }
  const names = disk.list(path).filter((name) => !name.startsWith('.'));
  if (names.length > 0) io.out(names.sort().map(visible).join('\n'));
}

/** Looks for mail that came since and takes it in. */
export async function runInc(context: CommandContext): Promise<void> {
  const added = await takeInNews(context);
  if (added === 0) context.services.io.out(words.noNewMail);
}

/** Takes in what came and what others took away, and says so; answers how many came. */
export async function takeInNews(context: CommandContext): Promise<number> {
  const { io } = context.services;
  const before = context.session;
  const others: Others = await before.box.refresh();
  if (others.removed.length === 0 && before.box.length === before.count) return 0;
  context.session = takeIn(before, others.removed);
  if (others.removed.length > 0) io.err(words.removedByOthers(others.removed.length));
  const added: number[] = [];
  for (let number = before.count + 1; number <= context.session.count; number++) added.push(number);
  if (added.length > 0) {
    io.out(words.newMail(added.length));
    if (isSet(context.session.settings, 'header')) io.out(headerRows(context, added.slice(-io.rows)).join('\n'));
  }
  return added.length;
}

/** A mailbox without messages: what a session holds before one is opened, and while only sending. */
export function noMailbox(): Mailbox {
  const nothing = (): never => {
    throw new Error('no mailbox is open');
  };
  const others: Others = { added: [], removed: [], flagged: [] };
  return {
    location: { kind: 'mbox', path: '' },
    readOnly: undefined,
    length: 0,
    uidValidity: 0,
    uidNext: 1 as Mailbox['uidNext'],
    notes: [],
    info: nothing,
    header: nothing,
    content: nothing,
    head: nothing,
    stored: nothing,
    refresh: async () => others,
    commit: async () => ({ others, missing: [] }),
    close() {},
  };
}
