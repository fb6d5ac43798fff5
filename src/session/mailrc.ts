/**
 * Startup files and `source`: commands read from a file, line by line.
 *
 * /etc/tmail.rc, or /etc/mail.rc where that is missing, unless `-n`; then $MAILRC or ~/.mailrc. A bad line is told with
 * file and line number, and the next one is read (s-nail and mailutils; POSIX lets a program stop there).
 */
import { join } from 'node:path';
import { errnoOf, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, readWhole } from '../core/files.ts';
import { visible } from '../core/text.ts';
import type { CommandContext } from './command.ts';
import { splitWords } from './parse.ts';
import { filePath } from './place.ts';
import { words } from './words/en.ts';

/** A startup file is text somebody wrote; more than this is not one. */
const LIMIT = 4 << 20;

/** Lines with their numbers (from 1); a final backslash joins the next line. CRLF ends lines as well. */
export function* logicalLines(text: string): Generator<{ readonly line: string; readonly number: number }> {
  let joined: string | undefined;
  let first = 0;
  let number = 0;
  for (const raw of text.split('\n')) {
    number += 1;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const whole = joined === undefined ? line : `${joined} ${line.trimStart()}`;
    if (joined === undefined) first = number;
    if (/(?:^|[^\\])(?:\\\\)*\\$/.test(whole)) {
      joined = whole.slice(0, -1);
      continue;
    }
    joined = undefined;
    yield { line: whole, number: first };
  }
  if (joined !== undefined) yield { line: joined, number: first };
}

/** Text of a file of commands: UTF-8, or Latin-1 when it is none. */
function readText(disk: Disk, path: string): string | undefined {
  const stat = disk.stat(path);
  if (stat === undefined) return undefined;
  if (stat.kind === 'directory') throw new UserError(words.noFile(visible(path)));
  // /dev/null is how one says "no startup file".
  if (stat.kind !== 'file') return '';
  if (stat.size > LIMIT) throw new UserError(words.tooLargeToSource(visible(path)));
  const bytes = readWhole(disk, path);
  if (bytes === undefined) return undefined;
  return decodeLine(bytes);
}

/** A line as text: UTF-8, or Latin-1 when it is none, so that no byte is lost. */
export function decodeLine(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }
}

/** Runs the commands of a file; false when it does not exist. Throws UserError when it cannot be read. */
async function runFile(context: CommandContext, path: string): Promise<boolean> {
  let text: string | undefined;
  try {
    text = readText(context.services.disk, path);
  } catch (error) {
    if (error instanceof UserError || errnoOf(error) === undefined) throw error;
    throw new UserError(words.cannotOpen(visible(path), reasonOf(error)));
  }
  if (text === undefined) return false;
  const outside = { where: context.where, conditions: context.conditions };
  context.conditions = [];
  for (const { line, number } of logicalLines(text)) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    context.where = `${path}:${number}`;
    await context.execute(line);
    if (context.ended !== undefined) break;
  }
  if (context.conditions.length > 0) context.services.io.err(words.missingEndif(visible(path)));
  Object.assign(context, outside);
  return true;
}

export interface StartupOptions {
  /** -n */
  readonly noSystemRc: boolean;
  /** The system's file, and the one read where it is missing. */
  readonly systemRc?: readonly string[];
}

/** Reads the startup files. What is wrong in them is told; nothing in them ends the program. */
export async function readStartup(context: CommandContext, options: StartupOptions): Promise<void> {
  const { env, user, io } = context.services;
  const own = env.MAILRC || join(env.HOME || user.home, '.mailrc');
  const system = options.noSystemRc ? [] : (options.systemRc ?? ['/etc/tmail.rc', '/etc/mail.rc']);
  context.startup = true;
  for (const candidates of [system, [own]]) {
    for (const path of candidates) {
      try {
        if (await runFile(context, path)) break;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        io.err(visible(error.message));
      }
    }
  }
  context.startup = false;
  context.ended = undefined;
}

const SOURCE_DEPTH = 30;

/** source FILE */
export async function runSource(context: CommandContext, argument: string): Promise<void> {
  const [typed, extra] = splitWords(argument);
  if (typed === undefined) throw new UserError(words.needsArgument('source', 'FILE'));
  if (extra !== undefined) throw new UserError(words.oneName(extra));
  const path = filePath(context, typed);
  if (context.sourcing >= SOURCE_DEPTH) throw new UserError(words.sourceLoop(visible(path)));
  context.sourcing += 1;
  try {
    if (!(await runFile(context, path))) throw new UserError(words.noFileThere(visible(path)));
  } finally {
    context.sourcing -= 1;
  }
}

/** `if s`, `if r`, `if t`: a part of a file that holds when sending, when reading mail, on a terminal. */
export async function runIf(context: CommandContext, argument: string): Promise<void> {
  const { io } = context.services;
  const tests: Readonly<Record<string, boolean>> = {
    s: context.sending,
    r: !context.sending,
    t: io.interactive,
    '1': true,
    '0': false,
  };
  const wanted = argument.trim().toLowerCase();
  const holds = tests[wanted] ?? tests[{ send: 's', receive: 'r', terminal: 't' }[wanted] ?? ''];
  const outside = isSkipping(context);
  context.conditions = [...context.conditions, { holds: !outside && holds === true, outside, other: false }];
  if (holds === undefined && !outside) throw new UserError(words.unknownCondition(argument));
}

export async function runElse(context: CommandContext): Promise<void> {
  const last = context.conditions.at(-1);
  if (last === undefined || last.other) throw new UserError(words.withoutIf('else'));
  const other = { holds: !last.outside && !last.holds, outside: last.outside, other: true };
  context.conditions = [...context.conditions.slice(0, -1), other];
}

export async function runEndif(context: CommandContext): Promise<void> {
  if (context.conditions.length === 0) throw new UserError(words.withoutIf('endif'));
  context.conditions = context.conditions.slice(0, -1);
}

/** True inside a branch that does not hold. */
export function isSkipping({ conditions }: CommandContext): boolean {
  const last = conditions.at(-1);
  return last !== undefined && !last.holds;
}
