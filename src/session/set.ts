/**
 * Commands that change settings: set, unset, alias, unalias, alternates, ignore, retain; and echo, cd's quiet neighbour.
 */
import { UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import type { CommandContext } from './command.ts';
import { addAlias, aliasLine, removeAliases } from './names.ts';
import { splitWords } from './parse.ts';
import type { Settings } from './session.ts';
import { listVariables, setVariables, unsetVariables } from './settings.ts';
import { words } from './words/en.ts';

function change(context: CommandContext, settings: Settings): void {
  context.session = { ...context.session, settings };
}

function printLines(context: CommandContext, lines: readonly string[]): void {
  if (lines.length > 0) context.services.io.out(lines.map(visible).join('\n'));
}

/** Alone it lists what is set. */
export async function runSet(context: CommandContext, argument: string): Promise<void> {
  if (argument === '') {
    printLines(context, listVariables(context.session.settings));
    return;
  }
  const { settings, errors } = setVariables(context.session.settings, argument);
  change(context, settings);
  if (errors.length > 0) throw new UserError(errors.join('\n'));
}

export async function runUnset(context: CommandContext, argument: string): Promise<void> {
  if (argument === '') throw new UserError(words.needsArgument('unset', 'NAME...'));
  change(context, unsetVariables(context.session.settings, argument));
}

/** alias, group: alone all, with a name that one, with more the addresses are added. */
export async function runAlias(context: CommandContext, argument: string): Promise<void> {
  const { settings } = context.session;
  const [name, ...addresses] = splitWords(argument);
  if (name === undefined) {
    printLines(
      context,
      [...settings.aliases.keys()].sort().flatMap((one) => aliasLine(settings, one) ?? []),
    );
  } else if (addresses.length === 0) {
    const line = aliasLine(settings, name);
    if (line === undefined) throw new UserError(words.noAlias(name));
    printLines(context, [line]);
  } else {
    change(context, addAlias(settings, name, addresses.flatMap(atCommas)));
  }
}

/** `bob, carol` as well as `bob carol`; a word with a full name in it is one address. */
function atCommas(word: string): string[] {
  return /[\s"<(]/.test(word) ? [word] : word.split(',').filter((part) => part !== '');
}

export async function runUnalias(context: CommandContext, argument: string): Promise<void> {
  const names = splitWords(argument);
  if (names.length === 0) throw new UserError(words.needsArgument('unalias', 'NAME...'));
  const unknown = names.filter((name) => name !== '*' && !context.session.settings.aliases.has(name));
  const all = names.includes('*') ? [...context.session.settings.aliases.keys()] : names;
  change(context, removeAliases(context.session.settings, all));
  if (unknown.length > 0) throw new UserError(unknown.map(words.noAlias).join('\n'));
}

/** alternates: alone it lists, else the addresses given are the list. */
export async function runAlternates(context: CommandContext, argument: string): Promise<void> {
  const alternates = splitWords(argument.replaceAll(',', ' '));
  if (alternates.length === 0) printLines(context, context.session.settings.alternates);
  else change(context, { ...context.session.settings, alternates });
}

/** ignore, discard and retain: field names in any letter case are added; alone they list. */
export function fieldList(which: 'ignored' | 'retained') {
  return async (context: CommandContext, argument: string): Promise<void> => {
    const { settings } = context.session;
    const names = splitWords(argument).map((name) => name.toLowerCase().replace(/:$/, ''));
    if (names.length === 0) printLines(context, [...settings[which]].sort());
    else change(context, { ...settings, [which]: new Set([...settings[which], ...names]) });
  };
}

/** unignore, unretain: takes names off the list, `*` all of them. */
export function fieldUnlist(which: 'ignored' | 'retained') {
  return async (context: CommandContext, argument: string): Promise<void> => {
    const { settings } = context.session;
    const names = new Set(splitWords(argument).map((name) => name.toLowerCase()));
    const left = names.has('*') ? [] : [...settings[which]].filter((name) => !names.has(name));
    change(context, { ...settings, [which]: new Set(left) });
  };
}

export async function runEcho(context: CommandContext, argument: string): Promise<void> {
  context.services.io.out(visible(splitWords(argument).join(' ')));
}
