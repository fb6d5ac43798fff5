/**
 * Reads a command line by commander: for `--help`, and for lines in which something is wrong.
 */
import { Command, CommanderError, Option } from 'commander';
import { EX, UserError } from '../core/errors.ts';
import type { LineSyntax, OptionRow, ParsedLine } from './command-line.ts';

function toOption(row: OptionRow): Option {
  const option = new Option(row.flags, row.help);
  if (row.many)
    option.argParser((value: string, before: unknown) => (Array.isArray(before) ? [...before, value] : [value]));
  if (row.hidden) option.hideHelp();
  return option;
}

/** Reads `args` (without the program's name). Throws UserError (status 2) for what the table does not have. */
export function readByCommander(syntax: LineSyntax, args: readonly string[]): ParsedLine {
  let shown = '';
  const command = new Command(syntax.name)
    .usage(syntax.usage)
    .description(syntax.summary)
    .helpOption('-h, --help', 'print this')
    .argument('[operand...]')
    .allowExcessArguments()
    .configureHelp({ visibleArguments: () => [], helpWidth: 100 })
    .configureOutput({ writeOut: (text) => (shown += text), writeErr: () => {} })
    .exitOverride();
  for (const row of syntax.options) command.addOption(toOption(row));
  if (syntax.more !== undefined) command.addHelpText('after', `\n${syntax.more}`);
  const remedy = `(\`${syntax.name} --help\` lists them)`;
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { values: {}, operands: [], help: shown };
    throw new UserError(`${oneLine(error)} ${remedy}`, EX.usage);
  }
  // Commander takes -5 for a number, thus an operand; here it can only be a mistyped option.
  const end = args.indexOf('--');
  const options = end < 0 ? args : args.slice(0, end);
  const stray = options.find((argument) => /^-\d/.test(argument) && command.args.includes(argument));
  if (stray !== undefined) throw new UserError(`unknown option '${stray}' ${remedy}`, EX.usage);
  return { values: command.opts(), operands: command.args, help: undefined };
}

function oneLine(error: CommanderError): string {
  return error.message
    .replace(/^error: /, '')
    .replace(/\n/g, ' ')
    .trim();
}
