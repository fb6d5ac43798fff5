/**
 * Reads a command line by a table of options (commander does the reading).
 *
 * Options may follow operands, one-letter options may be joined (`-nN`), `--` ends them. A wrong option is a UserError
 * with exit status 2 and one line. The same tables make `--help`, the completion of shells and the man page.
 */
import { Command, CommanderError, Option } from 'commander';
import { EX, UserError } from '../core/errors.ts';

/** One option of a table. */
export interface OptionRow {
  /** As commander has it: `-s, --subject <subject>`; a value in `<>` must follow. */
  readonly flags: string;
  /** One line of help; begins in lower case, no full stop. */
  readonly help: string;
  /** May be given more than once; the value is a list. */
  readonly many?: true;
  /** What completion offers for the value. */
  readonly value?: 'file' | 'folder' | 'user' | 'none';
  /** Left out of the short usage; for habits of other programs. */
  readonly hidden?: true;
}

export interface ParsedLine {
  /** By the long name in camel case, or the letter when there is none (`s`, `json`, `~`). */
  readonly values: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
  /** Text to print instead of doing anything: `--help` was given. */
  readonly help: string | undefined;
}

export interface LineSyntax {
  /** As in messages and usage: `tmail`, `tmail export`. */
  readonly name: string;
  /** Rest of the usage line, `[options] [TO...]`. */
  readonly usage: string;
  readonly summary: string;
  readonly options: readonly OptionRow[];
  /** Printed below the options by `--help`. */
  readonly more?: string;
}

function toOption(row: OptionRow): Option {
  const option = new Option(row.flags, row.help);
  if (row.many)
    option.argParser((value: string, before: unknown) => (Array.isArray(before) ? [...before, value] : [value]));
  if (row.hidden) option.hideHelp();
  return option;
}

/** Reads `args` (without the program's name). Throws UserError (status 2) for what the table does not have. */
export function parseLine(syntax: LineSyntax, args: readonly string[]): ParsedLine {
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

/** The value of an option that takes one. */
export function textOf(values: ParsedLine['values'], name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** The values of an option that may be repeated, in order. */
export function listOf(values: ParsedLine['values'], name: string): readonly string[] {
  const value = values[name];
  return Array.isArray(value) ? value.map(String) : [];
}
