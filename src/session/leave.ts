/**
 * Leaving a mailbox: what planQuit decided is carried out, in the order in which nothing can be lost (quit.ts).
 */
import { MailError, reasonOf, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { appendMessages } from '../mailbox/append.ts';
import { parseFromLine } from '../mailbox/from-line.ts';
import type { CommitResult, Flags, NewMessage, Others } from '../mailbox/mailbox.ts';
import { locate, openMailbox } from '../mailbox/open.ts';
import { keepForUndo, type Leaving, type Why } from '../mailbox/undo.ts';
import type { CommandContext } from './command.ts';
import { filed } from './filed.ts';
import { mboxPath } from './place.ts';
import { changesMail, changesNothing, planQuit, type QuitPlan, summary, withoutMbox } from './quit.ts';
import { flagsNow, hasMark, Mark } from './session.ts';
import { isSet } from './settings.ts';
import { words } from './words/en.ts';

/** Thrown out of a commit: mbox could not be written, the mailbox was not touched. */
class MboxFailed extends Error {}

/**
 * Ends the session on its mailbox as `q` does, and closes it. Throws (a MailError or UserError) when the mailbox could
 * not be changed: then it and mbox are as they were, and it is still open.
 */
export async function leaveMailbox(context: CommandContext): Promise<void> {
  const { session, services } = context;
  const plan = planQuit(session);
  const mbox = mboxPath(context);
  if (session.box.readOnly !== undefined) {
    if (changesMail(plan)) {
      services.io.err(words.readOnlyQuit(visible(session.name)));
      context.failed = true;
    }
  } else if (!changesNothing(plan)) {
    await carryOut(context, isBoxItself(context, mbox) ? withoutMbox(session, plan) : plan, mbox);
  }
  session.box.close();
}

/** With MBOX set to the mailbox itself, what would be moved stays. */
function isBoxItself({ session, services }: CommandContext, mbox: string): boolean {
  const [a, b] = [services.disk.stat(mbox), services.disk.stat(session.box.location.path)];
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

async function carryOut(context: CommandContext, plan: QuitPlan, mbox: string): Promise<void> {
  const { io } = context.services;
  let done = plan;
  let result: CommitResult;
  try {
    result = await commit(context, plan, mbox);
  } catch (error) {
    if (!(error instanceof MboxFailed)) throw error;
    io.err(words.mboxFailed(visible(mbox), error.message, plan.toMbox.length));
    context.failed = true;
    done = withoutMbox(context.session, plan);
    if (changesNothing(done)) return;
    result = await commit(context, done, mbox);
  }
  if (result.missing.length > 0) io.err(words.takenByOthers(result.missing.length));
  const tell = io.interactive || changesMail(done);
  if (tell && !isSet(context.session.settings, 'quiet')) {
    const arrived = done.arrived + result.others.added.length;
    io.out(visible(summary({ ...done, arrived }, shortened(context, mbox))));
  }
}

/** `~/mbox` for what is under the home folder. */
function shortened({ services }: CommandContext, path: string): string {
  const home = services.env.HOME || services.user.home;
  return home !== '' && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

function commit(context: CommandContext, plan: QuitPlan, mbox: string): Promise<CommitResult> {
  const { session } = context;
  const leaving = new Set([...plan.gone, ...plan.toMbox]);
  return session.box.commit({
    remove: [...leaving].sort((a, b) => a - b),
    flags: new Map<number, Flags>([...plan.flags].filter(([slot]) => !leaving.has(slot))),
    replace: plan.replace,
    whenEmpty: session.system && !isSet(session.settings, 'keep') ? 'remove' : 'cut',
    before: (others) => secure(context, plan, mbox, others),
  });
}

/** Under the lock, before the mailbox is changed: everything that leaves it is written elsewhere first. */
async function secure(context: CommandContext, plan: QuitPlan, mbox: string, others: Others): Promise<void> {
  const taken = new Set(others.removed);
  const moving = plan.toMbox.filter((slot) => !taken.has(slot));
  if (moving.length > 0) {
    try {
      await addToMbox(context, mbox, moving);
    } catch (error) {
      throw new MboxFailed(error instanceof UserError || error instanceof MailError ? error.message : reasonOf(error));
    }
  }
  keepUndo(context, plan, taken, moving, mbox);
}

/** To the end of mbox with `append`, else to its front, in mailbox order. A new mbox has mode 600. */
async function addToMbox(context: CommandContext, mbox: string, slots: readonly number[]): Promise<void> {
  const { session } = context;
  const { mailbox, disk } = context.services;
  const message = (slot: number): NewMessage => filed(session, slot, flagsNow(session, slot));
  const there = disk.stat(mbox);
  const location = there === undefined || there.size === 0 ? undefined : locate(mailbox, mbox);
  if (location?.kind !== 'mbox' || isSet(context.session.settings, 'append')) {
    // One after the other, so that memory stays bounded however many there are.
    function* messages(): Generator<NewMessage> {
      for (const slot of slots) yield message(slot);
    }
    await appendMessages(mailbox, mbox, messages(), { mode: 0o600 });
    return;
  }
  const box = await openMailbox(mailbox, location);
  try {
    if (box.readOnly !== undefined) throw new UserError(box.readOnly);
    await box.commit({ prepend: slots.map(message) });
  } finally {
    box.close();
  }
}

/** What `recover` can bring back. It is a help, not a promise: when it cannot be kept, that is said and `q` goes on. */
function keepUndo(
  { session, services }: CommandContext,
  plan: QuitPlan,
  taken: ReadonlySet<number>,
  moving: readonly number[],
  mbox: string,
): void {
  const why = new Map<number, Why>(moving.map((slot) => [slot, 'moved']));
  for (const slot of plan.gone) {
    if (!taken.has(slot)) why.set(slot, hasMark(session, slot, Mark.deleted) ? 'deleted' : 'saved');
  }
  if (why.size === 0) return;
  function* leaving(): Generator<Leaving> {
    for (const slot of [...why.keys()].sort((a, b) => a - b)) {
      const { uid, flags } = session.box.info(slot);
      const stored = session.box.storedByParts?.(slot) ?? session.box.stored(slot);
      const { received } = parseFromLine(stored.fromLine);
      yield { slot, uid, flags, received, why: why.get(slot) ?? 'deleted', ...stored };
    }
  }
  const { note } = keepForUndo(services.mailbox, session.box.location, leaving(), {
    mbox: moving.length > 0 ? mbox : '',
  });
  if (note !== '') services.io.err(visible(note));
}
