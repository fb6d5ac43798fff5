/**
 * Commands that run others: !, shell, pipe, edit, visual, cd.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reasonOf, UserError } from '../core/errors.ts';
import { readWhole } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { headerSizeOf } from '../mailbox/quoting.ts';
import type { CommandContext } from './command.ts';
import { tellReadOnly } from './mark.ts';
import { scanWords, splitWords } from './parse.ts';
import { filePath } from './place.ts';
import { select, slotsOf } from './select.ts';
import { apply, contentOf, Mark } from './session.ts';
import { isSet, variable } from './settings.ts';
import { words } from './words/en.ts';

/** The shell that commands are given to. */
export function shellOf({ session, services }: CommandContext): string {
  return variable(session.settings, services.env, 'SHELL') || '/bin/sh';
}

/** With `bang`, a `!` that no backslash quotes is the last command. */
function withBang(context: CommandContext, command: string): string {
  if (!isSet(context.session.settings, 'bang')) return command;
  const full = command.replace(/\\!|!/g, (found) => (found === '!' ? context.lastShell : '!'));
  context.lastShell = full;
  return full;
}

/** !CMD */
export async function runShellCommand(context: CommandContext, argument: string): Promise<void> {
  if (argument === '') throw new UserError(words.needsArgument('!', 'CMD'));
  const { io } = context.services;
  const { status } = await io.run(shellOf(context), withBang(context, argument));
  if (io.interactive) io.out(status === 0 ? '!' : words.exitStatus(status));
}

/** shell */
export async function runShell(context: CommandContext): Promise<void> {
  await context.services.io.exec([shellOf(context)]);
}

/** cd, chdir: without a name the home folder. */
export async function runChangeDirectory(context: CommandContext, argument: string): Promise<void> {
  const [typed, extra] = splitWords(argument);
  if (extra !== undefined) throw new UserError(words.oneName(extra));
  const path = filePath(context, typed ?? '~');
  try {
    process.chdir(path);
  } catch (error) {
    throw new UserError(words.cannotOpen(visible(path), reasonOf(error)));
  }
}

/** What certainly is a message list at the start of `pipe`'s argument: a word that might be a command is none. */
const LEADING = /^(?:(?:\d+|[.^$+-])(?:-(?:\d+|[.^$+-]))?|\*|:[a-z]+)(?:,(?:\d+|[.^$])(?:-(?:\d+|[.^$]))?)*$/;

/**
 * `[LIST] CMD`: the command begins behind the numbers and signs that lead. It may be one word in quotes (POSIX) or the
 * rest of the line as it is (BSD); a name is the command's, not an address, or `pipe cat` would look for Cathy.
 */
export function splitPipe(argument: string): { readonly list: string; readonly command: string } {
  const found = scanWords(argument);
  const start = found.findIndex(({ text, quoted }) => quoted || !LEADING.test(text));
  const first = found[start];
  if (first === undefined) return { list: argument, command: '' };
  const quotedWhole = first.quoted && start === found.length - 1;
  const command = quotedWhole ? first.text : argument.slice(first.start).trim();
  return { list: argument.slice(0, first.start), command };
}

/** pipe, |: the messages as they are stored, one after the other, to the standard input of a command. */
export async function runPipe(context: CommandContext, argument: string): Promise<void> {
  const { list, command: typed } = splitPipe(argument);
  const { io } = context.services;
  const command = typed === '' ? (context.session.settings.variables.get('cmd') ?? '') : withBang(context, typed);
  if (command === '') throw new UserError(words.needsArgument('pipe', 'CMD'));
  const numbers = select(context, list);
  const end = Buffer.from(isSet(context.session.settings, 'page') ? '\f' : '');
  const input = Buffer.concat(numbers.flatMap((number) => [contentOf(context.session, number - 1), end]));
  context.session = apply(
    context.session,
    [{ slots: slotsOf(numbers), set: Mark.read, clear: Mark.unread }],
    numbers.at(-1),
  );
  const { status } = await io.run(shellOf(context), command, { input });
  if (status !== 0) io.err(words.exitStatus(status));
}

/** edit and visual: each message in the editor; what was changed replaces it at the end of the session. */
export function editing(name: 'EDITOR' | 'VISUAL', otherwise: string) {
  return async (context: CommandContext, argument: string): Promise<void> => {
    const numbers = select(context, argument);
    tellReadOnly(context);
    const { settings } = context.session;
    const editor = splitWords(variable(settings, context.services.env, name) || otherwise);
    for (const number of numbers) await edit(context, number, editor);
  };
}

async function edit(context: CommandContext, number: number, editor: readonly string[]): Promise<void> {
  const { io, disk, env } = context.services;
  const before = contentOf(context.session, number - 1);
  const folder = mkdtempSync(join(env.TMPDIR || tmpdir(), 'tmail-'));
  try {
    const path = join(folder, `message-${number}`);
    const fd = disk.open(path, 'exclusive', 0o600);
    try {
      disk.write(fd, before, 0);
    } finally {
      disk.close(fd);
    }
    const { status } = await io.exec([...editor, path]);
    if (status !== 0) {
      io.err(words.editorFailed(visible(editor.join(' ')), status));
      return;
    }
    const after = readWhole(disk, path);
    context.session = { ...context.session, dot: number };
    if (after === undefined || Buffer.compare(after, before) === 0) return;
    if (headerSizeOf(after) === 0 || !/^[!-9;-~]+:/.test(Buffer.from(after.subarray(0, 200)).toString('latin1'))) {
      io.err(words.editedNoHeader(number));
      return;
    }
    const edited = new Map(context.session.edited).set(number - 1, after);
    context.session = { ...context.session, edited };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
