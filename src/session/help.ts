/**
 * help, `?` and list: what there is, made from the table of commands.
 */
import { UserError } from '../core/errors.ts';
import { cellWidth, pad } from '../core/text.ts';
import type { Command, CommandContext } from './command.ts';
import { splitWords } from './parse.ts';
import { VARIABLES } from './settings.ts';
import { words } from './words/en.ts';

const GROUPS: readonly Command['group'][] = ['reading', 'disposing', 'filing', 'sending', 'names', 'settings', 'other'];

/** `d, delete [LIST]`: the shortest form first. */
export function synopsis({ name, aliases, short, usage }: Command): string {
  const names = [...short.filter((form) => form.length === 1), name, ...aliases];
  return [names.join(', '), usage].filter((part) => part !== '').join(' ');
}

/** Lines of help for all commands, in groups. */
export function helpLines(commands: readonly Command[]): string[] {
  const width = 34;
  return [
    ...GROUPS.flatMap((group) => {
      const rows = commands
        .filter((command) => command.group === group)
        .map((command) => {
          const left = synopsis(command);
          return cellWidth(left) > width
            ? `  ${left}\n  ${' '.repeat(width)}  ${command.help}`
            : `  ${pad(left, width)}  ${command.help}`;
        });
      return [words.helpGroup[group], ...rows];
    }),
    ...words.helpLists,
  ];
}

/** help [COMMAND | VARIABLE] */
export async function runHelp(commands: readonly Command[], context: CommandContext, argument: string): Promise<void> {
  const { io } = context.services;
  const [word] = splitWords(argument);
  if (word === undefined) {
    io.out(helpLines(commands).join('\n'));
    return;
  }
  const exact = commands.filter((command) => [command.name, ...command.aliases, ...command.short].includes(word));
  const found =
    exact.length > 0
      ? exact
      : commands.filter((command) => [command.name, ...command.aliases].some((name) => name.startsWith(word)));
  const variable = VARIABLES.find(({ name }) => name === word);
  const lines = found.map((command) => `${synopsis(command)}\n    ${command.help}`);
  if (variable !== undefined) lines.push(`set ${variable.name}${variable.value ? '=VALUE' : ''}\n    ${variable.help}`);
  if (lines.length === 0) throw new UserError(words.noHelp(word));
  io.out(lines.join('\n'));
}

/** list: the names of all commands. */
export async function runListCommands(commands: readonly Command[], { services }: CommandContext): Promise<void> {
  const names = commands.flatMap(({ name, aliases }) => [name, ...aliases]);
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length + 2 <= services.io.columns)
      lines[lines.length - 1] = `${last} ${name}`;
    else lines.push(name);
  }
  services.io.out(lines.join('\n'));
}
