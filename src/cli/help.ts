/**
 * `tmail help [SUBCOMMAND]` and `tmail version`.
 */
import { EX, UserError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { readByCommander } from './by-commander.ts';
import type { ParsedLine } from './command-line.ts';
import type { Invocation } from './services.ts';
import { printText } from './stdio.ts';
import { mailxSyntax, SUBCOMMANDS, syntaxOf } from './subcommands.ts';

export async function run(invocation: Invocation, { operands }: ParsedLine): Promise<number> {
  if (invocation.subcommand === 'version') return printText(`tmail ${VERSION}\n`);
  const name = operands[0];
  if (name === undefined) return printText(readByCommander(mailxSyntax('tmail'), ['--help']).help ?? '');
  const subcommand = SUBCOMMANDS.find((row) => row.name === name);
  if (subcommand === undefined) {
    throw new UserError(`there is no subcommand ${JSON.stringify(name)} (\`tmail help\` lists them)`, EX.usage);
  }
  return printText(readByCommander(syntaxOf(subcommand), ['--help']).help ?? '');
}
