/**
 * Delivery to a program that the administrator allows (`"|/usr/bin/procmail -a work"` in aliases or .forward).
 *
 * No shell: the command is cut into words at blanks, with quotes, and nothing in it is expanded, so that an address can never
 * run a command. The program gets the message with a From_ line and LF ends on standard input, and a small environment.
 * Its exit status decides (BSD sysexits.h, as sendmail reads it): 0 delivered; 75, 71, 73, 74 and signals later; 67 no such
 * user; others never.
 */
import { spawn } from 'node:child_process';
import { EX } from '../core/errors.ts';
import { makeFromLine } from '../mailbox/from-line.ts';
import type { Job, Transport } from '../queue/run.ts';
import type { Outcome } from '../queue/schedule.ts';
import { finalMessage } from './local.ts';

export interface ProgramTarget {
  /** What follows the `|`. */
  readonly command: string;
  /** As whom it runs, when we may choose. */
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string };
  /** Absolute paths of programs that may be run. */
  readonly allowed: ReadonlySet<string>;
  /** Milliseconds after which it is ended. */
  readonly limit: number;
  /** Runs it by somebody who may run it as that user; by this process when not given. */
  readonly run?: (words: readonly string[], input: ProgramInput) => Promise<ProgramEnd>;
}

export interface ProgramInput {
  /** Envelope sender, for the environment. */
  readonly sender: string;
  /** A From_ line and the message. */
  readonly content: Uint8Array;
}

/** How a program ended. */
export interface ProgramEnd {
  /** Exit status, or the name of the signal that ended it, or `error` when it could not be run for now. */
  readonly status: number | string;
  /** The beginning of what it said. */
  readonly output: string;
}

const LATER: ReadonlySet<number> = new Set([EX.tempFail, EX.osError, EX.cannotCreate, EX.ioError]);
const STATUS_OF: Readonly<Record<number, string>> = {
  [EX.noUser]: '5.1.1',
  68: '5.1.2',
  [EX.unavailable]: '5.3.0',
  [EX.noPermission]: '5.7.0',
  [EX.usage]: '5.3.5',
  64: '5.3.5',
  65: '5.6.0',
  [EX.noInput]: '5.3.0',
};
const MOST_OUTPUT = 4096;
const KILL_AFTER = 10_000;

export function programTransport(target: ProgramTarget, now: () => number): Transport {
  return {
    async deliver(jobs, answer) {
      for (const job of jobs) {
        const outcome = await runProgram(target, job, now());
        answer(
          job,
          job.recipients.map(() => outcome),
        );
      }
    },
  };
}

/** Words of a command; undefined when a quote is not closed or there are none. */
export function commandWords(command: string): readonly string[] | undefined {
  const words: string[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|((?:[^\s"'\\]|\\.)+))/gsy;
  let end = 0;
  for (let match = pattern.exec(command); match !== null; match = pattern.exec(command)) {
    end = pattern.lastIndex;
    const [, double, single, bare] = match;
    words.push(single ?? (double ?? bare ?? '').replace(/\\(.)/gs, '$1'));
  }
  return words.length === 0 || command.slice(end).trim() !== '' ? undefined : words;
}

async function runProgram(target: ProgramTarget, job: Job, now: number): Promise<Outcome> {
  const words = commandWords(target.command);
  const [file, ...args] = words ?? [];
  if (file === undefined || !target.allowed.has(file)) {
    return {
      kind: 'failed',
      reason: { status: '5.7.1', text: `mailing to the program ${file ?? target.command} is not allowed here` },
    };
  }
  const [index = 0] = job.recipients;
  const message = finalMessage(
    job.entry,
    job.entry.recipients[index],
    Buffer.concat([...job.content()]),
    { deliveredTo: undefined },
    now,
  );
  const content = Buffer.concat([Buffer.from(`${makeFromLine(message.sender, message.received)}\n`), message.content]);
  const input = { sender: job.entry.sender, content };
  const { status, output } = await (target.run?.([file, ...args], input) ?? runToEnd(file, args, target, input));
  const text = output === '' ? `${file}: exit status ${status}` : output;
  if (status === 0) return { kind: 'delivered', reason: { status: '2.1.5', text: `delivered to ${file}` } };
  if (typeof status === 'string' || LATER.has(status)) return { kind: 'deferred', reason: { status: '4.3.0', text } };
  return { kind: 'failed', reason: { status: STATUS_OF[status] ?? '5.3.0', text } };
}

/** How a process is started and ended, where that takes rights that are not always at hand. */
export interface ProgramPowers {
  /** Does what is done as whoever may choose the user of a process. */
  readonly asRoot: <T>(work: () => T) => T;
  /** The command that starts the program in all groups of its user; undefined: in that of `user.gid` alone. */
  readonly inGroups?: readonly [string, ...string[]];
}

/** Runs a program to its end. Never throws. */
export function runToEnd(
  file: string,
  args: readonly string[],
  { user, limit }: Pick<ProgramTarget, 'user' | 'limit'>,
  input: ProgramInput,
  { asRoot, inGroups }: ProgramPowers = { asRoot: (work) => work() },
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const start = (command: string, words: readonly string[], ids: { uid: number; gid: number } | undefined) =>
      spawn(command, words, {
        cwd: '/',
        stdio: ['pipe', 'pipe', 'pipe'],
        env: {
          PATH: '/usr/local/bin:/usr/bin:/bin',
          HOME: user.home,
          USER: user.name,
          LOGNAME: user.name,
          SHELL: '/bin/sh',
          SENDER: input.sender,
        },
        ...ids,
      });
    const { uid, gid } = user;
    const child = asRoot(() => {
      if (inGroups !== undefined) return start(inGroups[0], [...inGroups.slice(1), file, ...args], undefined);
      return start(file, args, process.geteuid?.() === 0 ? { uid, gid } : undefined);
    });
    let output = '';
    const collect = (bytes: Buffer) => {
      if (output.length < MOST_OUTPUT) output += bytes.toString('utf8').slice(0, MOST_OUTPUT - output.length);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    // A program need not read all of its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input.content);
    const timer = setTimeout(() => {
      asRoot(() => child.kill('SIGTERM'));
      setTimeout(() => asRoot(() => child.kill('SIGKILL')), KILL_AFTER).unref();
    }, limit);
    const end = (status: number | string) => {
      clearTimeout(timer);
      resolve({ status, output: output.trim() });
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      collect(Buffer.from(`${file}: ${error.code ?? error.message}`));
      end(error.code === 'ENOENT' || error.code === 'EACCES' ? EX.unavailable : 'error');
    });
    child.on('close', (code, signal) => end(code ?? signal ?? 'error'));
  });
}
