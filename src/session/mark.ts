/**
 * Commands that say what shall become of messages: delete, undelete, hold, mbox, touch, unread, flag.
 *
 * They set marks in the session and touch no mailbox. The last of hold, mbox, delete and undelete counts, so each takes
 * away the marks of the others.
 */
import type { CommandContext } from './command.ts';
import type { Among } from './msglist.ts';
import { select, slotsOf } from './select.ts';
import { apply, isPresent, Mark, type Marks, nearest } from './session.ts';
import { isSet } from './settings.ts';
import { print } from './show.ts';
import { words } from './words/en.ts';

interface Marking {
  readonly set: Marks;
  readonly clear: Marks;
}

const MARKING = {
  delete: { set: Mark.deleted, clear: Mark.held | Mark.mbox | Mark.saved },
  undelete: { set: Mark.read, clear: Mark.deleted | Mark.unread },
  hold: { set: Mark.held, clear: Mark.mbox },
  mbox: { set: Mark.mbox, clear: Mark.held },
  touch: { set: Mark.touched, clear: 0 },
  /** As if it had never been read: takes back all that would move the message. */
  unread: { set: Mark.unread, clear: Mark.read | Mark.touched },
  flag: { set: Mark.flagged, clear: Mark.unflagged },
  unflag: { set: Mark.unflagged, clear: Mark.flagged },
} as const satisfies Record<string, Marking>;

/** Marks the messages of a list; answers their numbers. Throws UserError when the list is refused. */
function mark(context: CommandContext, argument: string, { set, clear }: Marking, among?: Among): readonly number[] {
  const numbers = select(context, argument, among);
  context.session = apply(context.session, [{ slots: slotsOf(numbers), set, clear }]);
  return numbers;
}

/** A command that marks and does nothing else. */
export function marking(kind: keyof typeof MARKING) {
  return async (context: CommandContext, argument: string): Promise<void> => {
    mark(context, argument, MARKING[kind]);
  };
}

/** Says at once when the end of the session will not do what is asked. */
export function tellReadOnly(context: CommandContext): void {
  const { readOnly } = context.session.box;
  if (readOnly !== undefined) context.services.io.err(words.readOnlyMark(readOnly));
}

/** Deletes, and makes the next message current, else the one before; answers the number of the next, or 0. */
function deleteMessages(context: CommandContext, argument: string): number {
  const numbers = mark(context, argument, MARKING.delete);
  tellReadOnly(context);
  const last = numbers.at(-1) ?? context.session.dot;
  const next = nearest(context.session, last, 1);
  const dot = next || nearest(context.session, last, -1) || context.session.dot;
  context.session = { ...context.session, dot };
  return next;
}

export async function runDelete(context: CommandContext, argument: string): Promise<void> {
  deleteMessages(context, argument);
  const { session } = context;
  if (isSet(session.settings, 'autoprint') && isPresent(session, session.dot - 1)) await print(context, [session.dot]);
}

/** dp, dt: deletes, then prints the next message when there is one. */
export async function runDeletePrint(context: CommandContext, argument: string): Promise<void> {
  const next = deleteMessages(context, argument);
  if (next > 0) await print(context, [next]);
  else context.services.io.out(words.atEnd);
}

/** Brings deleted messages back; they count as read, and the last of them becomes current. */
export async function runUndelete(context: CommandContext, argument: string): Promise<void> {
  const numbers = mark(context, argument, MARKING.undelete, 'deleted');
  const last = numbers.at(-1) ?? context.session.dot;
  context.session = { ...context.session, dot: last };
  if (isSet(context.session.settings, 'autoprint')) await print(context, [last]);
}
