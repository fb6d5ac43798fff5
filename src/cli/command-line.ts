/**
 * Reads a command line by a table of options.
 *
 * Options may follow operands, one-letter options may be joined (`-nN`), `--` ends them. A wrong option is a UserError
 * with exit status 2 and one line. The same tables make `--help`, the completion of shells and the man page.
 *
 * What is right is read here, in a few lines, since every start pays for it. Whatever is not, and `--help`, is left to
 * commander, which knows how to explain (by-commander.ts); a test compares what both read.
 */

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

/** Reads `args` (without the program's name). Throws UserError (status 2) for what the table does not have. */
export async function parseLine(syntax: LineSyntax, args: readonly string[]): Promise<ParsedLine> {
  return readPlain(syntax.options, args) ?? (await import('./by-commander.ts')).readByCommander(syntax, args);
}

/** How the value of an option is called in `ParsedLine.values`. */
function keyOf({ flags }: OptionRow): string {
  const long = /--([^ ]+)/.exec(flags)?.[1];
  return long ?? flags.slice(1, 2);
}

/** Reads a line in which everything is right; undefined when something is not, or when help is asked for. */
export function readPlain(options: readonly OptionRow[], args: readonly string[]): ParsedLine | undefined {
  const byFlag = new Map(options.flatMap((row) => row.flags.split(/[ ,]+/).map((flag) => [flag, row] as const)));
  const values: Record<string, unknown> = {};
  const operands: string[] = [];
  const put = (row: OptionRow, value: string | true) => {
    const key = keyOf(row);
    const before = values[key];
    values[key] = row.many ? [...(Array.isArray(before) ? before : []), value] : value;
  };
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? '';
    if (argument === '--') return { values, operands: [...operands, ...args.slice(i + 1)], help: undefined };
    if (!argument.startsWith('-') || argument === '-') {
      operands.push(argument);
      continue;
    }
    const row = byFlag.get(argument);
    if (row !== undefined) {
      const value = takesValue(row) ? args[++i] : true;
      if (value === undefined) return undefined;
      put(row, value);
      continue;
    }
    const rest = argument.startsWith('--') ? longWithValue(argument) : joined(argument);
    if (rest === undefined) return undefined;
    for (const [given, value] of rest) put(given, value);
  }
  return { values, operands, help: undefined };

  function longWithValue(argument: string): [OptionRow, string][] | undefined {
    const equals = argument.indexOf('=');
    const row = equals < 0 ? undefined : byFlag.get(argument.slice(0, equals));
    return row !== undefined && takesValue(row) ? [[row, argument.slice(equals + 1)]] : undefined;
  }

  /** `-nN`, `-sSUBJECT`, `-nsSUBJECT`; a value in the next argument is left to the long way round. */
  function joined(argument: string): [OptionRow, string | true][] | undefined {
    const found: [OptionRow, string | true][] = [];
    for (let at = 1; at < argument.length; at++) {
      const row = byFlag.get(`-${argument[at]}`);
      if (row === undefined || argument[at] === '-') return undefined;
      if (!takesValue(row)) {
        found.push([row, true]);
        continue;
      }
      const value = argument.slice(at + 1);
      return value === '' ? undefined : [...found, [row, value]];
    }
    return found;
  }
}

function takesValue({ flags }: OptionRow): boolean {
  return flags.includes('<');
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
