/**
 * Leaving a mailbox: what planQuit decided is carried out, in the order in which nothing can be lost (quit.ts).
 */
import { MailError, reasonOf, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { appendMessages } from '../mailbox/append.ts';
import { parseFromLine } from '../mailbox/from-line.ts';
import type { Flags, NewMessage, Others } from '../mailbox/mailbox.ts';
import { locate, openMailbox } from '../mailbox/open.ts';
import { identityOf, keepForUndo, type Leaving, type Why } from '../mailbox/undo.ts';
import type { CommandContext } from './command.ts';
import { copiedMessage } from './copies.ts';
import { filed } from './filed.ts';
import { mboxPath } from './place.ts';
import { changesMail, changesNothing, planQuit, type QuitPlan, summary, withoutMbox, withoutTaken } from './quit.ts';
import { flagsNow, hasMark, Mark } from './session.ts';
import { isSet, undoDays } from './settings.ts';
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
  if (session.box.readOnly !== undefined) {
    if (changesMail(plan)) {
      services.io.err(words.readOnlyQuit(visible(session.name)));
      context.failed = true;
    }
  } else if (!changesNothing(plan)) {
    await carryOut(context, plan);
  }
  session.box.close();
}

/** With MBOX set to the mailbox itself, what would be moved stays. */
function isBoxItself({ session, services }: CommandContext, mbox: string): boolean {
  const [a, b] = [services.disk.stat(mbox), services.disk.stat(session.box.location.path)];
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Where mbox is; a name that makes no sense is as good as an mbox that cannot be written. */
function findMbox(context: CommandContext): { readonly path: string } | { readonly failure: MboxFailed } {
  try {
    return { path: mboxPath(context) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { failure: new MboxFailed(error.message) };
  }
}

async function carryOut(context: CommandContext, wanted: QuitPlan): Promise<void> {
  const { session, services } = context;
  const { io } = services;
  const found = findMbox(context);
  const mbox = 'path' in found ? found.path : 'MBOX';
  const plan = 'path' in found && isBoxItself(context, mbox) ? withoutMbox(session, wanted) : wanted;
  let done = plan;
  let outcome: Outcome;
  try {
    if ('failure' in found && plan.toMbox.length + plan.rescue.length > 0) throw found.failure;
    outcome = await commit(context, plan, mbox);
  } catch (error) {
    if (!(error instanceof MboxFailed)) throw error;
    io.err(words.mboxFailed(visible(mbox), visible(error.message), plan.toMbox.length));
    context.failed = true;
    done = withoutMbox(session, plan);
    if (changesNothing(done)) return;
    outcome = await commit(context, done, mbox);
  }
  const { others, rescued, kept } = outcome;
  if (others.removed.length > 0) io.err(words.takenByOthers(others.removed.length));
  if (kept.length > 0) io.err(words.keptDoubtful(kept.length));
  if (rescued > 0) io.err(words.rescued(rescued, visible(shortened(context, mbox))));
  const tell = io.interactive || changesMail(done);
  if (tell && !isSet(session.settings, 'quiet')) {
    const arrived = done.arrived + others.added.length;
    const notDone = new Set([...others.removed, ...kept]);
    const truth = withoutTaken(session, { ...done, arrived, stay: done.stay + kept.length }, notDone);
    io.out(visible(summary(truth, shortened(context, mbox))));
  }
}

/** `~/mbox` for what is under the home folder. */
function shortened({ services }: CommandContext, path: string): string {
  const home = services.env.HOME || services.user.home;
  return home !== '' && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

interface Outcome {
  readonly others: Others;
  /** Messages that others had taken away, and that mbox has now. */
  readonly rescued: number;
  /** Slots that were to leave and were left there. */
  readonly kept: readonly number[];
}

async function commit(context: CommandContext, plan: QuitPlan, mbox: string): Promise<Outcome> {
  const { session } = context;
  const leaving = new Set([...plan.gone, ...plan.toMbox]);
  let rescued = 0;
  const { others, kept = [] } = await session.box.commit({
    remove: [...leaving].sort((a, b) => a - b),
    flags: new Map<number, Flags>([...plan.flags].filter(([slot]) => !leaving.has(slot))),
    replace: plan.replace,
    whenEmpty: session.system && !isSet(session.settings, 'keep') ? 'remove' : 'cut',
    before: async (found) => {
      rescued = await secure(context, plan, mbox, found);
    },
  });
  return { others, rescued, kept };
}

/** Under the lock, before the mailbox is changed: everything that leaves it is written elsewhere first. Answers how many
 *  messages that others took away went to mbox out of their copies. */
async function secure(context: CommandContext, plan: QuitPlan, mbox: string, others: Others): Promise<number> {
  const { session } = context;
  const taken = new Set(others.removed);
  const moving = plan.toMbox.filter((slot) => !taken.has(slot) && session.box.isDoubtful?.(slot) !== true);
  const lost = [...plan.rescue, ...plan.toMbox.filter((slot) => taken.has(slot))];
  let rescued: readonly number[] = [];
  try {
    rescued = await notInMbox(context, mbox, lost);
    const slots = [...moving, ...rescued].sort((a, b) => a - b);
    if (slots.length > 0) await addToMbox(context, mbox, slots);
  } catch (error) {
    throw new MboxFailed(error instanceof UserError || error instanceof MailError ? error.message : reasonOf(error));
  }
  keepUndo(context, plan, taken, moving, mbox);
  return rescued.length;
}

/** Of the slots that were taken away: those with a copy that mbox has not got yet, from another session on this mailbox. */
async function notInMbox(context: CommandContext, mbox: string, slots: readonly number[]): Promise<readonly number[]> {
  const { mailbox, disk } = context.services;
  const copied = slots.filter((slot) => copiedMessage(context, slot) !== undefined);
  const there = copied.length === 0 ? undefined : disk.stat(mbox);
  if (there === undefined || there.size === 0) return copied;
  const box = await openMailbox(mailbox, locate(mailbox, mbox));
  try {
    const known = new Set<string>();
    for (let slot = 0; slot < box.length; slot++) known.add(identityOf(box.stored(slot)));
    return copied.filter((slot) => !known.has(identityOf(copiedMessage(context, slot) ?? NOTHING)));
  } finally {
    box.close();
  }
}

const NOTHING = { content: new Uint8Array(0) };

/** To the end of mbox with `append`, else to its front, in mailbox order. A new mbox has mode 600. */
async function addToMbox(context: CommandContext, mbox: string, slots: readonly number[]): Promise<void> {
  const { session } = context;
  const { mailbox, disk } = context.services;
  const message = (slot: number): NewMessage =>
    session.box.info(slot).gone
      ? (copiedMessage(context, slot) ?? filed(session, slot, flagsNow(session, slot)))
      : filed(session, slot, flagsNow(session, slot));
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
    if (!taken.has(slot) && session.box.isDoubtful?.(slot) !== true)
      why.set(slot, hasMark(session, slot, Mark.deleted) ? 'deleted' : 'saved');
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
  const days = undoDays(session.settings);
  const { note } = keepForUndo(services.mailbox, session.box.location, leaving(), {
    mbox: moving.length > 0 ? mbox : '',
    ...(days === undefined ? {} : { days }),
  });
  if (note !== '') services.io.err(visible(note));
}
