/**
 * A session from its first line to its last: what to open, the loop over command lines, how it ends.
 *
 * Exit status (spec of line mode, section 1): 0 done; 1 no mail, no such file, a message that could not be handed on, a
 * mailbox that could not be changed. What goes wrong in one command is told in one line and never ends the session.
 */
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { charsetsOfLocale } from '../message/guess.ts';
import type { Command, CommandContext } from './command.ts';
import { parseCommand } from './commands.ts';
import { complete } from './complete.ts';
import { keepCopies } from './copies.ts';
import { greet, noMailbox, openPlace, takeInNews } from './folder.ts';
import { remember } from './history.ts';
import { Interrupted, type Services } from './io.ts';
import { leaveMailbox } from './leave.ts';
import { decodeLine, isSkipping, readStartup } from './mailrc.ts';
import { mboxPath, ownSystemMailbox, type Place, placeOf } from './place.ts';
import { select } from './select.ts';
import { newSession, type Settings } from './session.ts';
import { initialSettings, isSet, setVariables } from './settings.ts';
import { headerRows } from './show.ts';
import { words } from './words/en.ts';

/** What holds for reading and for sending. */
export interface StartOptions {
  /** -n: skip the system's startup file. */
  readonly noSystemRc: boolean;
  /** -i */
  readonly ignoreInterrupts: boolean;
  /** -~: obey escapes though standard input is no terminal. */
  readonly escapes: boolean;
  readonly verbose: boolean;
  /** -S: `NAME=VALUE`, `NAME` or `noNAME`, in order; after the startup files. */
  readonly set: readonly string[];
  /** -r */
  readonly from: string | undefined;
  /** The system's startup file, and the one read where it is missing. */
  readonly systemRc?: readonly string[];
}

export interface SessionOptions extends StartOptions {
  /** `headers` prints the summary (-H), `exists` only says by its status whether there is mail (-e). */
  readonly kind: 'session' | 'headers' | 'exists' | 'json';
  /** -u: the system mailbox of this user. Only when `file` is undefined. */
  readonly user: string | undefined;
  /** -f: '' stands for $MBOX or ~/mbox. */
  readonly file: string | undefined;
  /** Message list for `headers` and `json`; empty: all. */
  readonly list: readonly string[];
  readonly json: 'whole' | 'headers' | undefined;
  /** -N */
  readonly noHeaders: boolean;
  /** -R */
  readonly readOnly: boolean;
}

/** State for commands: no mailbox is open yet, and no startup file was read. */
export function newContext(
  services: Services,
  { escapes, sending }: { readonly escapes: boolean; readonly sending: boolean },
): CommandContext {
  const context: CommandContext = {
    services,
    session: newSession(noMailbox(), { system: false, name: '', settings: initialSettings() }),
    history: [],
    escapes: escapes || services.io.interactive,
    failed: false,
    ended: undefined,
    lastShell: '',
    startup: false,
    sending,
    where: undefined,
    conditions: [],
    sourcing: 0,
    execute: (line) => execute(context, line),
  };
  return context;
}

/** The same, with the settings of the startup files and the command line. */
async function startContext(services: Services, options: StartOptions, sending: boolean): Promise<CommandContext> {
  const context = newContext(services, { escapes: options.escapes, sending });
  await readStartup(context, options);
  for (const text of options.set) setOption(context, text);
  if (options.from !== undefined) setOption(context, `from=${options.from}`);
  if (options.verbose) setOption(context, 'verbose');
  if (options.ignoreInterrupts) setOption(context, 'ignore');
  return context;
}

/** `-S NAME=VALUE`: the value is taken as it is, quotes and blanks too. */
function setOption(context: CommandContext, text: string): void {
  const equals = text.indexOf('=');
  const quoted = equals < 0 ? text : `${text.slice(0, equals)}='${text.slice(equals + 1).replaceAll("'", `'"'"'`)}'`;
  const { settings, errors } = setVariables(context.session.settings, quoted);
  if (errors.length > 0) throw new UserError(`-S ${text}: ${errors.join('; ')}`, EX.usage);
  context.session = { ...context.session, settings };
}

/** For a program that only sends: `if s` holds in the startup files, no mailbox is open, `~:` has where to run. */
export async function sendContext(services: Services, options: StartOptions): Promise<CommandContext> {
  return startContext(services, options, true);
}

/** The settings alone. */
export async function sendSettings(services: Services, options: StartOptions): Promise<Settings> {
  return (await sendContext(services, options)).session.settings;
}

/** Opens what the options name and runs the session on it. Returns the exit status. */
export async function runSession(services: Services, options: SessionOptions): Promise<number> {
  const context = await startContext(services, options, false);
  const place = startPlace(context, options);
  const name = place.user ?? '';
  let opened: Awaited<ReturnType<typeof openPlace>>;
  try {
    opened = await openPlace(context, place, options.readOnly);
  } catch (error) {
    if (!(error instanceof UserError || error instanceof MailError)) throw error;
    if (options.kind === 'exists') return EX.failure;
    if (place.user !== undefined && services.disk.stat(place.path) === undefined)
      services.io.out(visible(error.message));
    else services.io.err(visible(error.message));
    return EX.failure;
  }
  const { settings } = context.session;
  const { env } = services;
  const charsets = charsetsOfLocale(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
  context.session = newSession(opened, { system: place.system, name: place.path, settings, charsets });
  if (opened.length === 0) {
    opened.close();
    // For programs nothing is a list of nothing; a file without mail is no failure to mailx and s-nail either.
    if (options.kind === 'json') return EX.ok;
    if (options.kind !== 'exists') {
      services.io.out(
        place.user === undefined ? words.noMailIn(`"${visible(place.path)}"`) : words.noMail(visible(name)),
      );
    }
    return options.kind === 'session' && place.user === undefined ? EX.ok : EX.failure;
  }
  if (options.kind !== 'session') return inspect(context, options);
  if (options.noHeaders) context.session = withoutVariable(context, 'header');
  await greet(context);
  return loop(context);
}

function withoutVariable(context: CommandContext, name: string): CommandContext['session'] {
  const variables = new Map(context.session.settings.variables);
  variables.delete(name);
  return { ...context.session, settings: { ...context.session.settings, variables } };
}

function startPlace(context: CommandContext, { file, user }: SessionOptions): Place {
  const { services } = context;
  if (file !== undefined) {
    if (file === '') return { path: mboxPath(context), system: false, user: undefined };
    return placeOf(context, file);
  }
  if (user !== undefined) return { path: services.systemMailbox(user), system: true, user };
  return { path: ownSystemMailbox(context), system: true, user: services.user.name };
}

/** -e, -H, --json: looks at the mailbox and leaves it as it is. */
async function inspect(context: CommandContext, options: SessionOptions): Promise<number> {
  const { session, services } = context;
  try {
    if (options.kind === 'exists') return EX.ok;
    const numbers = select(context, options.list.length === 0 ? '*' : options.list.join(' '));
    if (options.kind === 'headers' && options.json === undefined) {
      services.io.out(headerRows(context, numbers).join('\n'));
      return EX.ok;
    }
    const { printObjects } = await import('./objects.ts');
    printObjects(context, numbers, options.json === 'headers');
    return EX.ok;
  } finally {
    session.box.close();
  }
}

/** Runs one line. What goes wrong is told, in one line that begins with the place in a file where there is one. */
export async function execute(context: CommandContext, line: string): Promise<void> {
  try {
    await perform(context, line);
  } catch (error) {
    if (error instanceof Interrupted) {
      context.services.io.err(words.interrupted);
      return;
    }
    const message = messageOf(error);
    if (message === undefined) throw error;
    const lead = context.where === undefined ? '' : `${visible(context.where)}: `;
    for (const text of message.split('\n')) context.services.io.err(lead + visible(text));
  }
}

/** The text for an error that somebody caused; undefined for a fault of the program. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof UserError || error instanceof MailError) return error.message;
  if (errnoOf(error) === undefined || !(error instanceof Error)) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : '';
  return path + reasonOf(error);
}

/** Commands that are looked at inside a branch that does not hold. */
const CONDITIONALS = new Set(['if', 'else', 'endif']);

async function perform(context: CommandContext, line: string): Promise<void> {
  const parsed = parseCommand(line);
  if ('error' in parsed) {
    if (isSkipping(context)) return;
    throw new UserError(parsed.error);
  }
  const { command, argument } = parsed;
  if (isSkipping(context) && !CONDITIONALS.has(command.name)) return;
  refuse(context, command, argument);
  const before = context.session;
  try {
    await command.run(context, argument);
  } finally {
    if (command.name !== 'undo') remember(context, line, before);
    keepCopies(context, before);
  }
}

function refuse(context: CommandContext, command: Command, argument: string): void {
  if (context.startup && command.notInRc) throw new UserError(words.notInStartup(command.name));
  if (command.argument === 'none' && argument !== '') throw new UserError(words.takesNothing(command.name));
}

/** `ignoreeof` gives in at last: a terminal that is gone says end of input for ever. */
const EOF_LIMIT = 25;

/** Reads and runs lines until the session ends; then leaves the mailbox. */
async function loop(context: CommandContext): Promise<number> {
  const { io } = context.services;
  io.assist?.({ complete: (line) => complete(line, context) });
  let ends = 0;
  while (context.ended === undefined) {
    let line: string | undefined;
    if (io.interactive) await lookForNews(context);
    try {
      line = await readCommand(context);
    } catch (error) {
      if (error instanceof Interrupted) {
        io.err(words.interrupted);
        continue;
      }
      const message = messageOf(error);
      if (message === undefined) throw error;
      // Nobody can say what is wanted: all stays as it was.
      io.err(words.noInput(visible(message)));
      context.failed = true;
      context.ended = 'exit';
      break;
    }
    if (line === undefined) {
      ends += 1;
      if (io.interactive && isSet(context.session.settings, 'ignoreeof') && ends < EOF_LIMIT) {
        io.err(words.useQuit);
        continue;
      }
      context.ended = 'quit';
    } else {
      ends = 0;
      await execute(context, line);
    }
    if (context.ended === 'quit' && !(await quit(context))) break;
  }
  if (context.ended === 'exit') context.session.box.close();
  return context.failed ? EX.failure : EX.ok;
}

/** New mail is told before the prompt; that it cannot be looked for is told too, and the session goes on. */
async function lookForNews(context: CommandContext): Promise<void> {
  try {
    await takeInNews(context);
  } catch (error) {
    const message = messageOf(error);
    if (message === undefined) throw error;
    context.services.io.err(visible(message));
  }
}

/** Leaves the mailbox as `q` does; a failure leaves it as it was. False: the session is over in any case. */
async function quit(context: CommandContext): Promise<boolean> {
  try {
    await leaveMailbox(context);
  } catch (error) {
    const message = messageOf(error);
    if (message === undefined) throw error;
    context.services.io.err(words.cannotLeave(visible(message)));
    context.failed = true;
    context.session.box.close();
  }
  return false;
}

/** A command line; a final backslash joins the next one. Undefined at the end of input. */
async function readCommand(context: CommandContext): Promise<string | undefined> {
  const { io } = context.services;
  const { settings } = context.session;
  let prompt = settings.variables.get('prompt') ?? '';
  let joined = '';
  for (;;) {
    const bytes = await io.readLine(prompt);
    if (bytes === undefined) return joined === '' ? undefined : joined;
    const line = joined + decodeLine(bytes);
    if (!/(?:^|[^\\])(?:\\\\)*\\$/.test(line)) return line;
    joined = `${line.slice(0, -1)} `;
    prompt = '';
  }
}
