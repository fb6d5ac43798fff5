/**
 * `makemap` for habit's sake: checks a table, and with `-u` or `-v` prints what is in force of it. Nothing is written: the
 * daemon reads the text itself, when it changes.
 *
 * `makemap hash /etc/mail/access < /etc/mail/access` as with sendmail, or `makemap access`. The file's name says which
 * table it is; of another only the form is checked. Exit status 78 when there is a fault, named as file:line.
 */
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { isatty } from 'node:tty';
import { EX, reasonOf, UserError } from '../core/errors.ts';
import { readWhole, realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { ruleOptions } from '../daemon/settings.ts';
import { faultText, isError, readTables, type TablePaths, tablePaths, usersOnly } from '../daemon/tables.ts';
import type { Rules } from '../rules/rules.ts';
import { type Entry, type Fault, parseTable } from '../rules/table.ts';
import type { ParsedLine } from './command-line.ts';
import { configOf, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

const TYPES = new Set(['hash', 'btree', 'dbm', 'cdb', 'implicit', 'text']);

type TableName = Exclude<keyof TablePaths, 'expect' | 'aliases'>;

/** Where the entries of each table are. */
const ENTRIES: Readonly<Record<TableName, (rules: Rules) => ReadonlyMap<string, Entry>>> = {
  access: ({ access }) => access.entries,
  localHostNames: ({ localHosts }) => localHosts.entries,
  relayDomains: ({ relayDomains }) => relayDomains.entries,
  virtualDomains: ({ virtualDomains }) => virtualDomains.entries,
  virtusertable: ({ virtual }) => virtual.entries,
  genericstable: ({ generics }) => generics.entries,
  mailertable: ({ mailers }) => mailers.entries,
};

export async function run(invocation: Invocation, { operands, values }: ParsedLine): Promise<number> {
  const typed = operands.length === 2 && TYPES.has(operands[0] ?? '');
  const [name, ...more] = typed ? operands.slice(1) : operands;
  if (name === undefined || more.length > 0)
    throw new UserError(
      'write `makemap [TYPE] NAME`, such as `makemap hash /etc/mail/access < /etc/mail/access`',
      EX.usage,
    );
  const config = await configOf(invocation);
  const files = tablePaths(config.paths);
  const known = tableNamed(files, name);
  const file = known === undefined ? resolve(name) : files[known];
  const text = typed && values.u !== true ? fromInput(file) : fromFile(file);
  const { entries, faults } =
    known === undefined
      ? generic(file, text)
      : parsed(
          readTables(realDisk, files, ruleOptions(config), usersOnly(config.root.value), { file, text }),
          known,
          file,
        );
  for (const fault of faults) printError(faultText(fault));
  if (faults.some(isError)) return EX.config;
  if (values.u === true || values.v === true) {
    for (const { key, value } of entries) printText(`${visible(key)}${value === '' ? '' : `\t${visible(value)}`}\n`);
  }
  if (values.u === true) return EX.ok;
  return printText(
    `${visible(file)}: ${entries.length} entries; the daemon reads the file itself, nothing was written\n`,
  );
}

/** `access`, `/etc/mail/access`, `/etc/mail/access.db`: the table of that name. */
function tableNamed(files: TablePaths, name: string): TableName | undefined {
  const wanted = basename(name).replace(/\.(db|txt)$/, '');
  return (Object.keys(ENTRIES) as TableName[]).find((table) => basename(files[table]) === wanted);
}

function parsed(
  { rules, faults }: { rules: Rules; faults: readonly Fault[] },
  table: TableName,
  file: string,
): { entries: Entry[]; faults: Fault[] } {
  return { entries: [...ENTRIES[table](rules).values()], faults: faults.filter((fault) => fault.file === file) };
}

function generic(file: string, text: string): { entries: Entry[]; faults: readonly Fault[] } {
  const table = parseTable(file, text, ({ key }) => ({ key: key.toLowerCase() }));
  return { entries: [...table.entries.values()], faults: table.faults };
}

/** What was given with `<`; the file itself when nothing was. */
function fromInput(file: string): string {
  if (isatty(0)) return fromFile(file);
  try {
    return readFileSync(0, 'utf8');
  } catch (error) {
    throw new UserError(`standard input: ${reasonOf(error)}`, EX.ioError);
  }
}

function fromFile(file: string): string {
  const bytes = readWhole(realDisk, file);
  if (bytes === undefined) throw new UserError(`${file}: No such file or directory`, EX.noInput);
  return new TextDecoder().decode(bytes);
}
