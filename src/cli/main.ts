/**
 * The command line: the name by which the program is called and the first words choose the face.
 *
 * Called as `sendmail`, `mailq`, `newaliases` or `mailx`, `Mail`, `mail` (links to bin/tmail) it is that program; as
 * `tmail` it is mailx with subcommands. Exit statuses: 0 done; 1 no mail, no such file, not handed on; 2 wrong usage;
 * sysexits.h where a mail program is expected to use them; 70 when only a fault of this program explains what happened.
 */
import { basename } from 'node:path';
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { parseLine } from './command-line.ts';
import { runMailx } from './mailx.ts';
import { decideMailx } from './mailx-options.ts';
import type { Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';
import { mailxSyntax, SUBCOMMANDS, type Subcommand, syntaxOf } from './subcommands.ts';

type Face = (invocation: Invocation) => Promise<number>;

/** By the name the program is called. What is not here is tmail. */
const FACES: Readonly<Record<string, Face>> = {
  mail: (invocation) => mailx(invocation),
  mailx: (invocation) => mailx(invocation),
  Mail: (invocation) => mailx(invocation),
  sendmail: async (invocation) => (await import('./sendmail.ts')).runSendmail(invocation),
  mailq: (invocation) => subcommandByName('mailq', invocation),
  newaliases: (invocation) => subcommandByName('newaliases', invocation),
  praliases: (invocation) => subcommandByName('praliases', invocation),
  makemap: (invocation) => subcommandByName('makemap', invocation),
};

async function tmail(invocation: Invocation): Promise<number> {
  const { args } = invocation;
  const first = firstWord(args);
  const subcommand = SUBCOMMANDS.find(({ name }) => name === args[first]);
  if (subcommand === undefined) return mailx(invocation);
  return runSubcommand(subcommand, { ...invocation, args: [...args.slice(0, first), ...args.slice(first + 1)] });
}

/** Index of the first argument that is not --root or --config with its value. */
function firstWord(args: readonly string[]): number {
  let i = 0;
  for (;;) {
    const argument = args[i] ?? '';
    if (argument === '--root' || argument === '--config') i += 2;
    else if (argument.startsWith('--root=') || argument.startsWith('--config=')) i += 1;
    else return i;
  }
}

async function mailx(invocation: Invocation): Promise<number> {
  const line = await parseLine(mailxSyntax(invocation.calledAs), invocation.args);
  const request = decideMailx(line);
  if (request.kind === 'help') return printText(request.text);
  if (request.kind === 'version') return printText(`tmail ${VERSION}\n`);
  return runMailx(withCommonOptions(invocation, line.values), request);
}

function subcommandByName(name: string, invocation: Invocation): Promise<number> {
  const subcommand = SUBCOMMANDS.find((row) => row.name === name);
  if (subcommand === undefined) throw new Error(`no subcommand ${name}`);
  return runSubcommand(subcommand, invocation);
}

async function runSubcommand(subcommand: Subcommand, invocation: Invocation): Promise<number> {
  const line = await parseLine(syntaxOf(subcommand), invocation.args);
  if (line.help !== undefined) return printText(line.help);
  if (subcommand.operands === '' && line.operands.length > 0) {
    throw new UserError(`${subcommand.name} takes no operand, found ${JSON.stringify(line.operands[0])}`, EX.usage);
  }
  const { run } = await subcommand.load();
  return run({ ...withCommonOptions(invocation, line.values), subcommand: subcommand.name }, line);
}

function withCommonOptions(invocation: Invocation, values: Readonly<Record<string, unknown>>): Invocation {
  const { root, config } = values;
  return {
    ...invocation,
    root: typeof root === 'string' ? root : undefined,
    config: typeof config === 'string' ? config : undefined,
  };
}

/** One line for what went wrong, and the exit status. */
function explain(error: unknown, calledAs: string): { line: string; status: number } {
  if (error instanceof UserError || error instanceof MailError) {
    return { line: `${calledAs}: ${error.message}`, status: error.status };
  }
  if (errnoOf(error)?.startsWith('E') && error instanceof Error && 'syscall' in error) {
    const path = 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : '';
    return { line: `${calledAs}: ${path}${reasonOf(error)}`, status: EX.failure };
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const place = error instanceof Error ? (/^ +at .*/m.exec(error.stack ?? '')?.[0].trim() ?? '') : '';
  const report = `this is a fault in ${calledAs} ${VERSION}, your mail was left as it was; please report it with this line`;
  return { line: `${calledAs}: ${report}: ${what} ${place}`, status: EX.software };
}

async function main(): Promise<number> {
  const calledAs = basename(process.argv[1] ?? 'tmail');
  const face = FACES[calledAs];
  const invocation: Invocation = {
    calledAs: face === undefined ? 'tmail' : calledAs,
    args: process.argv.slice(2),
    env: process.env,
    root: undefined,
    config: undefined,
    subcommand: undefined,
  };
  try {
    return await (face ?? tmail)(invocation);
  } catch (error) {
    const { line, status } = explain(error, invocation.calledAs);
    printError(line);
    return status;
  }
}

main().then((status) => process.exit(status));
