/**
 * What a line would do if Enter were pressed now: which messages it hits, or what is wrong with it and where.
 *
 * Nothing is changed, and searches in headers are not run for it: `/text` and names cost a look at every message, so the
 * caller asks for them only when it has time (`search`).
 */
import type { CommandContext } from './command.ts';
import { parseCommand } from './commands.ts';
import { type Among, parseList, resolveList } from './msglist.ts';
import { splitListAndFile } from './parse.ts';
import { readState, type Session } from './session.ts';
import { splitPipe } from './shell.ts';
import { words } from './words/en.ts';

export type Preview =
  /** The line names messages: these. */
  | { readonly kind: 'messages'; readonly numbers: readonly number[]; readonly text: string }
  /** The line cannot be carried out; `column` counts from 1 in the line. */
  | { readonly kind: 'error'; readonly text: string; readonly column: number }
  /** Nothing to show: an empty line, a command without messages, or a search that is not run. */
  | { readonly kind: 'none' };

const NONE: Preview = { kind: 'none' };

/** The part of a command's argument that is a message list, and which messages it can name. */
function listPart(
  kind: string,
  name: string,
  argument: string,
): { readonly list: string; readonly among: Among } | undefined {
  switch (kind) {
    case 'list':
      return { list: argument, among: 'present' };
    case 'list-deleted':
      return { list: argument, among: name === 'undelete' ? 'deleted' : 'any' };
    case 'list-file':
      return { list: splitListAndFile(argument).list, among: 'present' };
    case 'list-shell':
      return { list: splitPipe(argument).list, among: 'present' };
    default:
      return undefined;
  }
}

/** Looks at a line that is being typed. */
export function preview(line: string, context: CommandContext, options: { readonly search?: boolean } = {}): Preview {
  if (line.trim() === '') return NONE;
  const parsed = parseCommand(line);
  if ('error' in parsed)
    return { kind: 'error', text: parsed.error, column: line.length - line.trimStart().length + 1 };
  const { command, argument, column } = parsed;
  const part = listPart(command.argument, command.name, argument);
  if (part === undefined) return NONE;
  const list = parseList(part.list);
  if ('error' in list) return { kind: 'error', text: list.error.message, column: column + list.error.column - 1 };
  const searches = list.terms.some(({ kind }) => kind === 'search' || kind === 'address');
  if (searches && options.search === false) return NONE;
  const found = resolveList(context.session, list.terms, part.among);
  if ('error' in found) return { kind: 'error', text: found.error.message, column: column + found.error.column - 1 };
  return { kind: 'messages', numbers: found.numbers, text: count(context.session, found.numbers) };
}

/** `41 messages, 39 unread` */
function count(session: Session, numbers: readonly number[]): string {
  const unread = numbers.filter((number) => readState(session, number - 1) !== 'read').length;
  return unread === 0 ? words.messages(numbers.length) : `${words.messages(numbers.length)}, ${unread} unread`;
}
