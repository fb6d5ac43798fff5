/**
 * Programs that a session runs: shell commands, editors, pagers, delivery programs.
 *
 * They have the terminal to themselves while they run; an interrupt typed meanwhile is theirs. When standard input is no
 * terminal it holds the session's commands, so children read nothing from it.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { errnoOf, reasonOf, UserError } from '../core/errors.ts';
import type { RunResult } from '../session/io.ts';

export interface ChildOptions {
  readonly input?: Uint8Array;
  readonly capture?: boolean;
  /** Standard input is a terminal that the child may read. */
  readonly terminal: boolean;
}

/** Runs a program to its end. Throws UserError when it cannot be started. */
export function runProgram(argv: readonly string[], { input, capture, terminal }: ChildOptions): Promise<RunResult> {
  const [program, ...args] = argv;
  return new Promise((resolve, reject) => {
    if (program === undefined || argv.some((text) => text.includes('\0'))) {
      reject(new UserError('no program can be called that'));
      return;
    }
    // Ours until the child is gone: the terminal sends signals to both.
    const ignore = (): void => {};
    process.on('SIGINT', ignore);
    process.on('SIGQUIT', ignore);
    const done = (): void => {
      process.off('SIGINT', ignore);
      process.off('SIGQUIT', ignore);
    };
    const stdin = input !== undefined ? 'pipe' : terminal ? 'inherit' : 'ignore';
    const child = spawn(program, args, { stdio: [stdin, capture ? 'pipe' : 'inherit', 'inherit'] });
    const output: Uint8Array[] = [];
    child.stdout?.on('data', (bytes: Uint8Array) => output.push(bytes));
    // A program that reads only the beginning of what it is given is no error.
    child.stdin?.on('error', ignore);
    child.stdin?.end(input);
    child.on('error', (error) => {
      done();
      reject(errnoOf(error) === undefined ? error : new UserError(`${program}: ${reasonOf(error)}`));
    });
    child.on('close', (status, signal) => {
      done();
      const code = status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      resolve({ status: code, output: Buffer.concat(output) });
    });
  });
}
