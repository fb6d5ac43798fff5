/**
 * undo within a session, and recover after one.
 *
 * Only what a step changed is taken back: marks set since by other commands stay. What was written to other files stays
 * written. `recover` works on what earlier sessions put away when they quit (mailbox/undo.ts).
 */
import { UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import type { CommandContext, Step } from './command.ts';
import { isPresent, Mark, type Session } from './session.ts';
import { words } from './words/en.ts';

/** Marks that only say what was looked at: no step of their own. */
const LOOKED = Mark.read | Mark.shown | Mark.gone;
const STEPS_KEPT = 100;

/** True when `undo` has something to take back between the two. */
function differs(before: Session, after: Session): boolean {
  if (before.box !== after.box) return false;
  if (before.edited !== after.edited) return true;
  if (before.marks === after.marks) return false;
  return after.marks.some((mark, slot) => ((mark ^ (before.marks[slot] ?? 0)) & ~LOOKED) !== 0);
}

/** Remembers what a command line changed. */
export function remember(context: CommandContext, line: string, before: Session): void {
  if (!differs(before, context.session)) return;
  context.history = [...context.history, { line, before, after: context.session }].slice(-STEPS_KEPT);
}

/** The session without what a step changed. */
export function takeBack(session: Session, { before, after }: Step): Session {
  const marks = session.marks.slice();
  for (let slot = 0; slot < after.marks.length; slot++) {
    const then = before.marks[slot] ?? 0;
    const changed = (then ^ (after.marks[slot] ?? 0)) & ~Mark.gone;
    marks[slot] = ((marks[slot] ?? 0) & ~changed) | (then & changed);
  }
  const next: Session = { ...session, marks, edited: before.edited === after.edited ? session.edited : before.edited };
  return isPresent(next, before.dot - 1) ? { ...next, dot: before.dot } : next;
}

/** undo [N], undo list */
export async function runUndo(context: CommandContext, argument: string): Promise<void> {
  const { io } = context.services;
  if (argument === 'list') {
    if (context.history.length === 0) io.out(words.nothingToUndo);
    else io.out(context.history.map(({ line }, i) => `${context.history.length - i}  ${visible(line)}`).join('\n'));
    return;
  }
  const many = argument === '' ? 1 : Number(argument);
  if (!Number.isInteger(many) || many < 1) throw new UserError(words.undoUsage(argument));
  if (context.history.length === 0) throw new UserError(words.nothingToUndo);
  for (const step of context.history.slice(-many).reverse()) {
    context.session = takeBack(context.session, step);
    io.out(words.undone(visible(step.line)));
  }
  context.history = context.history.slice(0, -many);
}
