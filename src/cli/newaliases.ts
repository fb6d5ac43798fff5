/**
 * `newaliases` checks the alias file, `praliases` prints what is in force of it. Nothing is compiled: the file itself is
 * what the daemon reads, when it changes.
 *
 * Exit status 78 (EX_CONFIG) when there is a fault, named as file:line; the daemon then goes on with the last good table.
 */
import { EX, UserError } from '../core/errors.ts';
import { readWhole, realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { faultText, isError, usersOnly } from '../daemon/tables.ts';
import { type AliasTable, aliasSummary, parseAliases } from '../rules/aliases.ts';
import { checkTargets } from '../rules/expand.ts';
import { buildRules, DEFAULT_OPTIONS } from '../rules/rules.ts';
import type { ParsedLine } from './command-line.ts';
import { configOf, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

export async function run(invocation: Invocation, { operands }: ParsedLine): Promise<number> {
  const { paths, hostname } = await configOf(invocation);
  const file = paths.aliases;
  const bytes = readWhole(realDisk, file);
  if (bytes === undefined) {
    throw new UserError(`${file}: No such file or directory; without it every name stands for itself`, EX.noInput);
  }
  const text = new TextDecoder().decode(bytes);
  const table = parseAliases(file, text);
  for (const fault of table.faults) printError(faultText(fault));
  if (table.faults.some(isError)) return EX.config;
  if (invocation.subcommand === 'praliases') return praliases(table, operands);
  const { rules } = buildRules({ aliases: { file, text } }, { ...DEFAULT_OPTIONS, hostname: hostname.value });
  for (const fault of checkTargets(rules, usersOnly(paths.root))) printError(faultText(fault));
  return printText(`${visible(aliasSummary(table))}\n`);
}

/** All aliases, or those named; status 1 when one of these is none. */
function praliases({ aliases }: AliasTable, names: readonly string[]): number {
  const shown = names.length === 0 ? [...aliases.keys()] : names.map((name) => name.toLowerCase());
  let status = 0;
  for (const name of shown) {
    const alias = aliases.get(name);
    if (alias === undefined) {
      printError(`${name}: No such alias`);
      status = EX.failure;
    } else printText(`${visible(`${alias.name}: ${alias.text}`)}\n`);
  }
  return status;
}
