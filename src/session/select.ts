/**
 * From what was typed to message numbers, for every command that takes a list: one line when the list is refused.
 */
import { EX, UserError } from '../core/errors.ts';
import type { CommandContext } from './command.ts';
import { type Among, parseList, type Resolved, resolveList } from './msglist.ts';
import type { Session } from './session.ts';

/** What a list as typed selects, or why it is refused. Touches nothing. */
export function tryList(session: Session, text: string, among: Among = 'present'): Resolved {
  const parsed = parseList(text);
  return 'error' in parsed ? parsed : resolveList(session, parsed.terms, among);
}

/** Numbers of the messages that a list as typed selects, ascending, at least one. Throws UserError. */
export function select(context: CommandContext, text: string, among: Among = 'present'): readonly number[] {
  const found = tryList(context.session, text, among);
  if ('error' in found) throw new UserError(found.error.message, EX.failure);
  return found.numbers;
}

/** Slots instead of numbers. */
export function slotsOf(numbers: readonly number[]): number[] {
  return numbers.map((number) => number - 1);
}
