/**
 * The sendmail face: what cron, git and other programs call to hand a message over.
 *
 * Takes sendmail's options; those that only tune the old program are read and ignored. `-bp` is mailq, `-bi` newaliases.
 * `-q` asks the daemon to try its queue, `-bs` speaks SMTP, `-bv` says where mail would end. What only a daemon does (`-bd`,
 * `-bt`) is refused by name. Exit statuses are those of sysexits.h.
 */
import { readSync } from 'node:fs';
import { EX, errnoOf, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { localZone } from '../message/date.ts';
import type { ReportWishes } from '../session/io.ts';
import type { ParsedLine } from './command-line.ts';
import { foundation, type Invocation, lazyOutbox, mailboxContext } from './services.ts';
import { printError } from './stdio.ts';
import { prepareSubmission } from './submission.ts';

/** EX_USAGE of sysexits.h; mailx's own is 2. */
const USAGE = 64;

export type QueueRun = { readonly all: true } | { readonly domain: string } | { readonly ids: readonly string[] };

export interface SendmailRequest {
  readonly mode: 'send' | 'mailq' | 'newaliases' | 'run' | 'smtp' | 'verify';
  /** What -q tries: all, what waits for a domain (-qR), one message (-qI). */
  readonly run?: QueueRun;
  readonly recipients: readonly string[];
  /** -t */
  readonly fromHeader: boolean;
  /** -i: a line with a single dot is text. */
  readonly ignoreDots: boolean;
  /** Envelope sender (-f, -r); '' for `<>`; undefined: the caller. */
  readonly from: string | undefined;
  /** Full name (-F). */
  readonly fullName: string | undefined;
  readonly verbose: boolean;
  /** -N, -R, -V; undefined when none was given. */
  readonly dsn?: ReportWishes;
}

/** What becomes of an option letter: with a value that must follow, with one glued to it, alone. */
const WITH_VALUE = new Set([...'BCDFfhLNOopRrVX']);
const GLUED = new Set([...'Abdeq']);
const ALONE = new Set([...'GimnstUv']);
/** What -b asks for besides sending. */
const MODES: Readonly<Record<string, SendmailRequest['mode']>> = {
  p: 'mailq',
  i: 'newaliases',
  s: 'smtp',
  v: 'verify',
};
const KINDS = ['success', 'failure', 'delay'] as const;

/** Reads sendmail's options. Throws UserError with EX_USAGE. */
export function readSendmailArguments(args: readonly string[]): SendmailRequest {
  const recipients: string[] = [];
  const found: [letter: string, value: string][] = [];
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? '';
    if (argument === '--') {
      recipients.push(...args.slice(i + 1));
      break;
    }
    if (!argument.startsWith('-') || argument === '-') {
      recipients.push(argument);
      continue;
    }
    for (let at = 1; at < argument.length; at++) {
      const letter = argument[at] ?? '';
      const rest = argument.slice(at + 1);
      if (ALONE.has(letter)) {
        found.push([letter, '']);
        continue;
      }
      if (!WITH_VALUE.has(letter) && !GLUED.has(letter))
        throw new UserError(`sendmail has no option -${letter}`, USAGE);
      const value = rest !== '' || GLUED.has(letter) ? rest : args[++i];
      if (value === undefined) throw new UserError(`-${letter} needs a value`, USAGE);
      found.push([letter, value]);
      break;
    }
  }
  return toRequest(found, recipients);
}

function toRequest(found: readonly [string, string][], recipients: readonly string[]): SendmailRequest {
  const last = (letters: string) => found.findLast(([letter]) => letters.includes(letter))?.[1];
  const mode = last('b') ?? 'm';
  if (['d', 'D', 't', 'h', 'H', 'P'].includes(mode)) {
    throw new UserError(`-b${mode}: tmail does this by other names: tmail daemon, tmail explain`, EX.unavailable);
  }
  const queueRun = queueRunOf(last('q'));
  if (!['m', 'p', 'i', 'a', 's', 'v'].includes(mode)) throw new UserError(`sendmail has no mode -b${mode}`, USAGE);
  const from = last('fr')?.replace(/^<(.*)>$/, '$1');
  for (const value of [...recipients, from ?? '', last('F') ?? '']) {
    if (/[\r\n\0]/.test(value))
      throw new UserError(`${JSON.stringify(value)}: a line end in an address: nothing sent`, USAGE);
  }
  const dots = found.some(([letter, value]) => letter === 'i' || (letter === 'o' && value.startsWith('i')));
  return {
    mode: MODES[mode] ?? (queueRun === undefined ? 'send' : 'run'),
    ...(queueRun === undefined ? {} : { run: queueRun }),
    recipients: recipients
      .flatMap((text) => text.split(','))
      .map((text) => text.trim().replace(/^<(.*)>$/, '$1'))
      .filter(Boolean),
    fromHeader: found.some(([letter]) => letter === 't'),
    ignoreDots: dots,
    from,
    fullName: last('F'),
    verbose: found.some(([letter]) => letter === 'v'),
    ...wishesOf(last('N'), last('R'), last('V')),
  };
}

/** Report wishes (RFC 3461) as sendmail takes them: -N never|success,failure,delay, -R full|hdrs, -V envelope-id. */
function wishesOf(
  notify: string | undefined,
  ret: string | undefined,
  envid: string | undefined,
): { readonly dsn?: ReportWishes } {
  if (notify === undefined && ret === undefined && envid === undefined) return {};
  const words = notify?.toLowerCase().split(',') ?? [];
  const wrong = words.find((word) => word !== 'never' && !KINDS.some((kind) => kind === word));
  if (wrong !== undefined) throw new UserError(`-N ${wrong}: never, or some of ${KINDS.join(', ')}`, USAGE);
  const part = ret?.toLowerCase();
  if (part !== undefined && part !== 'full' && part !== 'hdrs') throw new UserError(`-R ${ret}: full or hdrs`, USAGE);
  return {
    dsn: {
      ...(notify === undefined ? {} : { notify: KINDS.filter((kind) => words.includes(kind)) }),
      ...(part === undefined ? {} : { ret: part }),
      ...(envid === undefined ? {} : { envid }),
    },
  };
}

/** What `-q` with this value wants to be tried; undefined when it was not given. Throws for what only a daemon can do. */
function queueRunOf(value: string | undefined): QueueRun | undefined {
  if (value === undefined) return undefined;
  const rest = value.slice(1);
  if (value === '' || value === 'f') return { all: true };
  if (value.startsWith('R') && rest !== '') return { domain: rest.slice(rest.lastIndexOf('@') + 1) };
  if (value.startsWith('I') && rest !== '') return { ids: [rest] };
  throw new UserError(
    `-q${value} is not done by command: the tmail daemon tries the queue by itself, every queue.interval at the latest`,
    EX.unavailable,
  );
}

/** Has the daemon try the queue; says nothing when it does, as sendmail. */
async function runQueue(invocation: Invocation, what: QueueRun): Promise<number> {
  const { askQueue } = await import('./queue-access.ts');
  const { by } = await askQueue(invocation, { do: 'retry', ...what });
  if (by === 'daemon') return EX.ok;
  printError('sendmail: no tmail daemon runs; the queue is tried when one starts');
  return EX.tempFail;
}

/** All of standard input, up to a line with a single dot when that ends the message. */
function readMessage(ignoreDots: boolean): Uint8Array {
  const parts: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536);
    const size = readSome(chunk);
    if (size === 0) break;
    parts.push(chunk.subarray(0, size));
  }
  const all = Buffer.concat(parts);
  if (ignoreDots) return all;
  const dot = /(?:^|\n)\.\r?(?:\n|$)/.exec(all.toString('latin1'));
  return dot === null ? all : all.subarray(0, dot.index === 0 && all[0] !== 0x0a ? 0 : dot.index + 1);
}

function readSome(into: Buffer): number {
  for (;;) {
    try {
      return readSync(0, into);
    } catch (error) {
      if (errnoOf(error) === 'EOF') return 0;
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

export async function runSendmail(invocation: Invocation): Promise<number> {
  const request = readSendmailArguments(invocation.args);
  const none: ParsedLine = { values: {}, operands: [], help: undefined };
  if (request.mode === 'mailq') return (await import('./mailq.ts')).run(invocation, none);
  if (request.mode === 'run') return runQueue(invocation, request.run ?? { all: true });
  if (request.mode === 'smtp') return (await import('./sendmail-smtp.ts')).runSmtp(invocation);
  if (request.mode === 'verify') return (await import('./sendmail-verify.ts')).verify(invocation, request.recipients);
  if (request.mode === 'newaliases') return (await import('./newaliases.ts')).run(invocation, none);
  if (request.recipients.length === 0 && !request.fromHeader) {
    throw new UserError('no recipient: name some, or use -t to take them from the message', USAGE);
  }
  const base = await foundation(invocation);
  const context = mailboxContext(base, printError);
  const now = Date.now();
  const { message, recipients } = prepareSubmission(readMessage(request.ignoreDots), {
    recipientsFromHeader: request.fromHeader,
    sender: {
      name: request.fullName ?? base.user.fullName,
      address: request.from || `${base.user.name}@${base.hostname}`,
    },
    hostname: base.hostname,
    now,
    zone: localZone(now),
  });
  const all = [...new Set([...request.recipients, ...recipients])];
  if (all.length === 0) throw new UserError('no recipient in To, Cc or Bcc: nothing sent', USAGE);
  const { dsn } = request;
  const envelope = { from: request.from ?? base.user.name, recipients: all, ...(dsn === undefined ? {} : { dsn }) };
  const { note } = await lazyOutbox(base, context)(message, envelope, {
    mta: undefined,
    verbose: request.verbose,
    explicitSender: request.from !== undefined,
  });
  if (request.verbose && note !== '') printError(`sendmail: ${visible(note)}`);
  return EX.ok;
}
