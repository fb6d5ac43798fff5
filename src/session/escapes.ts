/**
 * The `~` escapes of the compose dialogue: one table, which `~?` prints and the man page is made from.
 *
 * An escape that fails (no such file, no such message) is told and the letter is as it was. What commands print and files
 * hold goes into the letter as bytes; what is shown of it is made visible.
 */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MailError, reasonOf, UserError } from '../core/errors.ts';
import { readWhole } from '../core/files.ts';
import { visible, visibleLines } from '../core/text.ts';
import { formatAddress } from '../message/address.ts';
import { addText, bodyOf, type Composer, composerPath, readAttachment, readUserFile } from './composer.ts';
import { deadLetterPath } from './drafts.ts';
import { letterHeader } from './letter.ts';
import { splitWords } from './parse.ts';
import { parseNames } from './recipients.ts';
import { select, slotsOf } from './select.ts';
import { apply, Mark } from './session.ts';
import { variable } from './settings.ts';
import { sendingWords as words } from './words/en-sending.ts';

/** What an escape leads to: the dialogue goes on, or ends. */
export type After = 'goes on' | 'send' | 'keep' | 'drop';

export interface Escape {
  /** The character behind the tilde; other names mean the same. */
  readonly letters: readonly string[];
  /** As in `~r FILE`. */
  readonly usage: string;
  /** One line; begins in lower case, no full stop. */
  readonly help: string;
  readonly run: (composer: Composer, argument: string, typed: string) => After | Promise<After>;
}

function needed(argument: string, complaint: string): string {
  if (argument === '') throw new UserError(complaint);
  return argument;
}

function withNames(list: 'to' | 'cc' | 'bcc') {
  return (composer: Composer, argument: string, typed: string): After => {
    const names = parseNames(needed(argument, words.needsNames(typed)));
    composer.letter = { ...composer.letter, [list]: [...composer.letter[list], ...names] };
    return 'goes on';
  };
}

function shellOf(composer: Composer): string {
  return variable(composer.settings(), composer.services.env, 'SHELL') ?? '/bin/sh';
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 0x0a) lines++;
  return lines + (bytes.length > 0 && bytes.at(-1) !== 0x0a ? 1 : 0);
}

function putIn(composer: Composer, name: string, bytes: Uint8Array): After {
  addText(composer, bytes);
  composer.services.io.out(words.readIn(visible(name), countLines(bytes), bytes.length));
  return 'goes on';
}

async function readIn(composer: Composer, argument: string, typed: string): Promise<After> {
  if (argument.startsWith('!')) return readCommand(composer, argument.slice(1).trim(), typed);
  const path = needed(argument, words.needsFile(typed));
  return putIn(composer, path, readUserFile(composer.services.disk, composerPath(composer, path)));
}

async function readCommand(composer: Composer, argument: string, typed: string): Promise<After> {
  const command = needed(argument, words.needsCommand(typed));
  const { status, output } = await composer.services.io.run(shellOf(composer), command, { capture: true });
  if (status !== 0) composer.services.io.err(words.editorFailed(visible(command), status));
  return putIn(composer, command, output);
}

/** To the end of the file, so that nothing there is lost. */
function writeOut(composer: Composer, argument: string, typed: string): After {
  const { disk, io } = composer.services;
  const path = composerPath(composer, needed(argument, words.needsFile(typed)));
  const body = bodyOf(composer);
  try {
    const existed = disk.stat(path) !== undefined;
    const fd = disk.open(path, 'create', 0o600);
    try {
      disk.write(fd, body, disk.fstat(fd).size);
      disk.sync(fd);
    } finally {
      disk.close(fd);
    }
    io.out(`"${visible(argument)}" ${existed ? '[Appended]' : '[New file]'} ${countLines(body)}/${body.length}`);
  } catch (error) {
    throw new UserError(`${path}: ${reasonOf(error)}`);
  }
  return 'goes on';
}

/** `~f ~F ~m ~M`: messages as they are read, `~m` behind `indentprefix`; they count as read then. */
function withMessages(how: { readonly indent: boolean; readonly allHeaders: boolean }) {
  return async (composer: Composer, argument: string): Promise<After> => {
    const { context } = composer;
    if (context === undefined || context.session.count === 0) throw new UserError(words.noMessages);
    const numbers = select(context, argument);
    const prefix = how.indent ? (composer.settings().variables.get('indentprefix') ?? '\t') : '';
    const { messageText } = await import('./quote.ts');
    for (const number of numbers) {
      addText(composer, await messageText(context.session, number, { prefix, allHeaders: how.allHeaders }));
    }
    const read = { slots: slotsOf(numbers), set: Mark.read, clear: Mark.unread };
    context.session = apply(context.session, [read]);
    composer.services.io.out(words.interpolating(numbers.join(' ')));
    return 'goes on';
  };
}

function printLetter(composer: Composer): After {
  const { io } = composer.services;
  const header = letterHeader(composer.letter).map(visible);
  const body = visibleLines(new TextDecoder().decode(bodyOf(composer)));
  io.out(['-------', words.contains, ...header, '', body].join('\n'));
  return 'goes on';
}

async function askHeader(composer: Composer, _argument: string, typed: string): Promise<After> {
  if (!composer.services.io.interactive) throw new UserError(words.onTerminal(typed));
  await askNames(composer, 'to');
  await askSubject(composer);
  await askNames(composer, 'cc');
  await askNames(composer, 'bcc');
  return 'goes on';
}

const PROMPTS = { to: words.toPrompt, cc: words.ccPrompt, bcc: words.bccPrompt } as const;

/** Asks for a list, what is in it given to be edited; an empty answer leaves it as it is. */
export async function askNames(composer: Composer, list: keyof typeof PROMPTS): Promise<void> {
  const preset = composer.letter[list].map(formatAddress).join(', ');
  const answer = await ask(composer, PROMPTS[list], preset);
  if (answer !== '') composer.letter = { ...composer.letter, [list]: parseNames(answer) };
}

export async function askSubject(composer: Composer): Promise<void> {
  const answer = await ask(composer, words.subjectPrompt, composer.letter.subject);
  if (answer !== '') composer.letter = { ...composer.letter, subject: answer };
}

async function ask(composer: Composer, prompt: string, preset: string): Promise<string> {
  const bytes = await composer.services.io.readLine(prompt, preset);
  return bytes === undefined ? '' : new TextDecoder().decode(bytes).trim();
}

/** The text in an editor; what it leaves behind is the text, however the file's times look. */
function withEditor(name: 'EDITOR' | 'VISUAL') {
  return async (composer: Composer): Promise<After> => {
    const { io, env, disk } = composer.services;
    const editor = variable(composer.settings(), env, name) ?? (name === 'VISUAL' ? 'vi' : 'ed');
    const path = join(env.TMPDIR || tmpdir(), `tmail-${randomBytes(8).toString('hex')}.txt`);
    const fd = disk.open(path, 'exclusive', 0o600);
    try {
      disk.write(fd, bodyOf(composer), 0);
    } finally {
      disk.close(fd);
    }
    try {
      const { status } = await io.exec([...splitWords(editor), path]);
      const edited = readWhole(disk, path);
      if (status !== 0 || edited === undefined) {
        io.err(words.commandFailed(visible(editor), status));
        return 'goes on';
      }
      composer.text = [];
      addText(composer, edited);
    } finally {
      if (disk.lstat(path) !== undefined) disk.unlink(path);
    }
    io.out(words.goOn);
    return 'goes on';
  };
}

/** The text through a command: replaced only when that succeeds and prints something. */
async function filter(composer: Composer, argument: string, typed: string): Promise<After> {
  const command = needed(argument, words.needsCommand(typed));
  const { io } = composer.services;
  const { status, output } = await io.run(shellOf(composer), command, { input: bodyOf(composer), capture: true });
  if (status !== 0) io.err(words.commandFailed(visible(command), status));
  else if (output.length === 0) io.err(words.commandSilent(visible(command)));
  else {
    composer.text = [];
    addText(composer, output);
    io.out(words.readIn(visible(command), countLines(output), output.length));
  }
  return 'goes on';
}

async function shell(composer: Composer, argument: string, typed: string): Promise<After> {
  await composer.services.io.run(shellOf(composer), needed(argument, words.needsCommand(typed)));
  composer.services.io.out('!');
  return 'goes on';
}

async function command(composer: Composer, argument: string, typed: string): Promise<After> {
  const line = needed(argument, words.needsCommand(typed));
  if (composer.context === undefined) throw new UserError(words.noMessages);
  await composer.context.execute(line);
  return 'goes on';
}

/** Text of a variable; `\n` and `\t` in it are line end and tab (POSIX, sign and Sign). */
function putVariable(composer: Composer, name: string): After {
  const value = variable(composer.settings(), composer.services.env, name);
  if (value === undefined || value === '') throw new UserError(words.noVariable(visible(name)));
  const text = value.replaceAll('\\n', '\n').replaceAll('\\t', '\t');
  addText(composer, Buffer.from(text));
  composer.services.io.out(visibleLines(text));
  return 'goes on';
}

function deadLetter(composer: Composer): After {
  const { services } = composer;
  const path = deadLetterPath(variable(composer.settings(), services.env, 'DEAD'), services.user.home);
  return putIn(composer, path, readUserFile(services.disk, path));
}

function attach(composer: Composer, argument: string, typed: string): After {
  const file = readAttachment(composer.services, composerPath(composer, needed(argument, words.needsFile(typed))));
  composer.letter = { ...composer.letter, files: [...composer.letter.files, file] };
  composer.services.io.out(words.attached(visible(file.name), file.content.length));
  return 'goes on';
}

function help(composer: Composer): After {
  const width = Math.max(...ESCAPES.map(({ usage }) => usage.length));
  composer.services.io.out(ESCAPES.map(({ usage, help }) => `${usage.padEnd(width)}  ${help}`).join('\n'));
  return 'goes on';
}

/** THE table. `~~` (a tilde) is the dialogue's own. */
export const ESCAPES: readonly Escape[] = [
  { letters: ['.'], usage: '~.', help: 'send the letter', run: () => 'send' },
  { letters: ['~'], usage: '~~ TEXT', help: 'a line that begins with a tilde', run: () => 'goes on' },
  {
    letters: ['s'],
    usage: '~s SUBJECT',
    help: 'set the subject',
    run: (composer, argument) => {
      composer.letter = { ...composer.letter, subject: argument };
      return 'goes on';
    },
  },
  { letters: ['t'], usage: '~t NAME...', help: 'add recipients', run: withNames('to') },
  { letters: ['c'], usage: '~c NAME...', help: 'add copies', run: withNames('cc') },
  { letters: ['b'], usage: '~b NAME...', help: 'add blind copies', run: withNames('bcc') },
  { letters: ['h'], usage: '~h', help: 'ask for recipients and subject', run: askHeader },
  { letters: ['@'], usage: '~@ FILE', help: 'attach a file', run: attach },
  { letters: ['r'], usage: '~r FILE', help: 'put a file in', run: readIn },
  { letters: ['<'], usage: '~< FILE, ~< !COMMAND', help: 'put a file in, or what a command prints', run: readIn },
  { letters: ['d'], usage: '~d', help: 'put dead.letter in', run: deadLetter },
  { letters: ['w'], usage: '~w FILE', help: 'write the text to the end of a file', run: writeOut },
  {
    letters: ['f'],
    usage: '~f [LIST]',
    help: 'put messages in',
    run: withMessages({ indent: false, allHeaders: false }),
  },
  {
    letters: ['F'],
    usage: '~F [LIST]',
    help: 'the same with all headers',
    run: withMessages({ indent: false, allHeaders: true }),
  },
  {
    letters: ['m'],
    usage: '~m [LIST]',
    help: 'put messages in, indented',
    run: withMessages({ indent: true, allHeaders: false }),
  },
  {
    letters: ['M'],
    usage: '~M [LIST]',
    help: 'the same with all headers',
    run: withMessages({ indent: true, allHeaders: true }),
  },
  { letters: ['p'], usage: '~p', help: 'print the letter', run: printLetter },
  { letters: ['e'], usage: '~e', help: 'edit the text with EDITOR', run: withEditor('EDITOR') },
  { letters: ['v'], usage: '~v', help: 'edit the text with VISUAL', run: withEditor('VISUAL') },
  { letters: ['|'], usage: '~| COMMAND', help: 'put the text through a command', run: filter },
  { letters: ['!'], usage: '~! COMMAND', help: 'run a shell command', run: shell },
  { letters: [':', '_'], usage: '~: COMMAND', help: 'run a mailx command', run: command },
  { letters: ['a'], usage: '~a', help: 'put in the variable sign', run: (composer) => putVariable(composer, 'sign') },
  { letters: ['A'], usage: '~A', help: 'put in the variable Sign', run: (composer) => putVariable(composer, 'Sign') },
  {
    letters: ['i'],
    usage: '~i VARIABLE',
    help: 'put in the value of a variable',
    run: (composer, argument, typed) => putVariable(composer, needed(argument, words.needsVariable(typed))),
  },
  { letters: ['q', 'Q'], usage: '~q', help: 'give up; the text goes to dead.letter', run: () => 'keep' },
  { letters: ['x'], usage: '~x', help: 'give up, keep nothing', run: () => 'drop' },
  { letters: ['?'], usage: '~?', help: 'this list', run: help },
];

const BY_LETTER = new Map(ESCAPES.flatMap((row) => row.letters.map((letter) => [letter, row] as const)));

/** Obeys one line that begins with the escape character (given without it). Mistakes are told here. */
export async function obeyEscape(composer: Composer, line: string): Promise<After> {
  const [letter = ''] = line;
  const typed = `~${letter}`;
  const row = BY_LETTER.get(letter);
  const { io } = composer.services;
  if (row === undefined) {
    io.err(words.unknownEscape(visible(typed)));
    return 'goes on';
  }
  try {
    return await row.run(composer, line.slice(letter.length).trim(), typed);
  } catch (error) {
    if (!(error instanceof UserError || error instanceof MailError)) throw error;
    io.err(visible(error.message));
    return 'goes on';
  }
}
