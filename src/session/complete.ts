/**
 * What may stand at the end of a line: commands, then what the command takes. Made from the table of commands.
 */
import { basename, dirname, join } from 'node:path';
import { visible } from '../core/text.ts';
import type { Command, CommandContext } from './command.ts';
import { COMMANDS, findCommand, namesOf } from './commands.ts';
import { scanWords, splitLine } from './parse.ts';
import { folderPath } from './place.ts';
import { VARIABLES } from './settings.ts';

export interface Completion {
  /** What may stand in place of `word`, sorted; the rest of the line stays. */
  readonly candidates: readonly string[];
  readonly word: string;
}

const LIMIT = 500;

/** Completes the last word of a line. Never fails: where nothing is known, nothing is offered. */
export function complete(line: string, context: CommandContext): Completion {
  const { word, argument } = splitLine(line);
  const untouched = word !== '' && argument === '' && line.endsWith(word);
  if (word === '' || untouched)
    return pick(
      COMMANDS.flatMap((command) => [...namesOf(command)]),
      word,
    );
  const found = findCommand(word);
  if ('error' in found) return { candidates: [], word };
  const last = scanWords(argument).at(-1);
  const typed = last === undefined || last.end < argument.length || /\s$/.test(line) ? '' : last.text;
  return ofArgument(found.command, typed, context);
}

/** Those that begin like the word; names of commands that are signs are not worth offering. */
function pick(names: readonly string[], word: string): Completion {
  const candidates = [...new Set(names)].filter((name) => name.startsWith(word) && /^\w/.test(name));
  return { candidates: candidates.sort().slice(0, LIMIT), word };
}

function ofArgument({ name, argument, group }: Command, word: string, context: CommandContext): Completion {
  const { settings } = context.session;
  if (name === 'help')
    return pick(
      COMMANDS.flatMap((command) => [...namesOf(command)]),
      word,
    );
  if (name === 'set' || name === 'unset')
    return pick([...VARIABLES.map((row) => row.name), ...settings.variables.keys()], word);
  if (group === 'sending' || group === 'names') return pick([...settings.aliases.keys()], word);
  if (argument === 'list-file' || argument === 'file' || argument === 'list-shell') return files(word, context);
  return { candidates: [], word };
}

/** Names in the folder that is being typed: `+work`, `~/Mail/x`, `sub/x`. */
function files(word: string, context: CommandContext): Completion {
  const { disk, env, user } = context.services;
  const home = env.HOME || user.home;
  const inFolder = word.startsWith('+');
  const base = inFolder ? folderPath(context) : process.cwd();
  if (base === undefined) return { candidates: [], word };
  const text = inFolder ? word.slice(1) : word;
  const path = text.startsWith('~/') ? join(home, text.slice(2)) : text.startsWith('/') ? text : join(base, text);
  const folder = text === '' || text.endsWith('/') ? path : dirname(path);
  const begun = text === '' || text.endsWith('/') ? '' : basename(path);
  const lead = word.slice(0, word.length - begun.length);
  try {
    if (disk.stat(folder)?.kind !== 'directory') return { candidates: [], word };
    const names = disk
      .list(folder)
      .filter((name) => name.startsWith(begun) && (begun !== '' || !name.startsWith('.')) && visible(name) === name)
      .sort()
      .slice(0, LIMIT)
      .map((name) => `${lead}${name}${disk.stat(join(folder, name))?.kind === 'directory' ? '/' : ''}`);
    return { candidates: names, word };
  } catch {
    return { candidates: [], word };
  }
}
