/**
 * Hands a message to a delivery program (`set sendmail=PATH`): started without a shell, recipients behind `--`, so that
 * none of them can be an option, the message on standard input with LF line ends.
 *
 * What the program prints may quote a stranger's server; it comes back as text for one error line, made harmless.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { EX, MailError, reasonOf } from '../core/errors.ts';
import { visible } from '../core/text.ts';

/** More of what the program says is dropped. */
const OUTPUT_LIMIT = 4096;

export interface ProgramCall {
  /** Path, or path and options separated by blanks when no file has that name. */
  readonly program: string;
  /** Sender for `-f`; undefined: the program's own idea of who calls it. */
  readonly sender: string | undefined;
  readonly recipients: readonly string[];
  readonly verbose: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

function commandWords(program: string): string[] {
  if (statSync(program, { throwIfNoEntry: false }) !== undefined) return [program];
  return program.split(/\s+/).filter((word) => word !== '');
}

/** The words it is started with. */
export function programArguments(call: ProgramCall): string[] {
  const sender = call.sender === undefined ? [] : ['-f', call.sender === '' ? '<>' : call.sender];
  return [...commandWords(call.program), '-i', ...(call.verbose ? ['-v'] : []), ...sender, '--', ...call.recipients];
}

/** Runs it to its end; returns what it printed. Throws a MailError when its exit status is not 0. */
export async function runDeliveryProgram(call: ProgramCall, message: Uint8Array): Promise<string> {
  const [command = '', ...args] = programArguments(call);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...call.env } });
  let output = '';
  const take = (chunk: Buffer) => {
    if (output.length < OUTPUT_LIMIT) output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  // A program that does not read all of its input is judged by its exit status.
  child.stdin.on('error', () => {});
  child.stdin.end(message);
  const outcome = await new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', (error) =>
      reject(new MailError(`${command}: ${reasonOf(error)}`, { temporary: false, cause: error })),
    );
    child.on('close', (status, signal) => resolve({ status, signal }));
  });
  const said = visible(output.trim().split('\n').slice(-3).join('; ').slice(0, 400));
  if (outcome.status === 0) return said;
  const how = outcome.signal === null ? `exit status ${outcome.status}` : `ended by ${outcome.signal}`;
  throw new MailError(`${command} failed (${how})${said === '' ? '' : `: ${said}`}`, {
    temporary: outcome.signal !== null || outcome.status === EX.tempFail,
    status: outcome.status ?? EX.tempFail,
  });
}
