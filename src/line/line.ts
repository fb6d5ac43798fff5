/**
 * Line mode's terminal: prompt, lines, paging, children. No cursor is moved here, so any terminal and any pipe will do.
 *
 * On a real terminal node's readline gives editing, completion and history; with TERM=dumb or none the terminal's own
 * line discipline does; from a pipe lines are read as they come, without a prompt.
 */
import { fstatSync } from 'node:fs';
import { Interrupted, type Io } from '../session/io.ts';
import { type LineReader, pipeReader, terminalReader } from './input.ts';
import { writeErr, writeOut, writePrompt } from './output.ts';

export interface LineOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** File that keeps the lines typed on a real terminal; undefined: none. Asked for when the first line is read. */
  readonly historyFile?: () => string | undefined;
  /** -i: Ctrl-C does nothing. */
  readonly ignoreInterrupts?: boolean;
}

/** The Io of a session on standard input and output. */
export function lineIo({ env, historyFile, ignoreInterrupts = false }: LineOptions): Io {
  const interactive = isTerminal(0);
  const terminal = isTerminal(1);
  const plain = env.TERM === undefined || env.TERM === '' || env.TERM === 'dumb';
  const interrupts = interactive ? listenForInterrupts(ignoreInterrupts) : undefined;
  const rich = interactive && terminal && !plain;
  let reader: LineReader | undefined;
  let editor: Promise<import('./editor.ts').Editor> | undefined;
  let assistant: Parameters<NonNullable<Io['assist']>>[0];

  const richLine = async (prompt: string, preset: string | undefined): Promise<Uint8Array | undefined> => {
    editor ??= import('./editor.ts').then(({ openEditor }) =>
      openEditor({ historyFile: historyFile?.(), ignoreInterrupts, complete: (line) => assistant?.complete(line) }),
    );
    return (await editor).readLine(prompt, preset);
  };

  const run = async (argv: readonly string[], options: { input?: Uint8Array; capture?: boolean } = {}) => {
    (await editor)?.release();
    const { runProgram } = await import('./children.ts');
    return runProgram(argv, { ...options, terminal: interactive });
  };

  return {
    out: writeOut,
    err: writeErr,
    interactive,
    terminal,
    get columns() {
      return sizeOf(env.COLUMNS, terminal ? process.stdout.columns : undefined, 80);
    },
    get rows() {
      return sizeOf(env.LINES, terminal ? process.stdout.rows : undefined, 24);
    },
    assist(next) {
      assistant = next;
    },
    async readLine(prompt, preset) {
      if (rich) return richLine(prompt, preset);
      reader ??= interrupts === undefined ? pipeReader(0) : terminalReader(0, interrupts);
      if (interactive) writePrompt(prompt);
      if (!interactive) return reader.next();
      let line: Uint8Array | undefined;
      try {
        line = await reader.next();
      } catch (error) {
        if (error instanceof Interrupted) writePrompt('\n');
        throw error;
      }
      if (line === undefined) writePrompt('\n');
      // Without a line editor an empty answer keeps what was there.
      return line !== undefined && line.length === 0 && preset !== undefined ? Buffer.from(preset) : line;
    },
    async page(text, pager) {
      if (!terminal || pager === '' || pager === 'cat') writeOut(text);
      else await run(['/bin/sh', '-c', pager], { input: Buffer.from(`${text}\n`) });
    },
    run: (shell, command, options) => run([shell, '-c', command], options),
    exec: run,
  };
}

/** /dev/null and its like have this major device number on Linux. */
const MEMORY_DEVICES = 1;

/** True for a terminal. The module that knows is loaded only for what may be one: a pipe and a cron job start fast. */
function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice()) return false;
    if (process.platform === 'linux' && ((stat.rdev >> 8) & 0xfff) === MEMORY_DEVICES) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule('node:tty').isatty(fd);
}

/** The terminal's own size is newer than the environment's; on a pipe only the environment has one. */
function sizeOf(fromEnvironment: string | undefined, fromTerminal: number | undefined, otherwise: number): number {
  if (fromTerminal !== undefined && fromTerminal > 0) return fromTerminal;
  const number = Number(fromEnvironment);
  return Number.isInteger(number) && number > 0 && number < 10_000 ? number : otherwise;
}

/** Ctrl-C ends the wait that is under way, if any, and nothing else. */
function listenForInterrupts(ignored: boolean): (stop: (reason: Error) => void) => () => void {
  let waiting: ((reason: Error) => void) | undefined;
  process.on('SIGINT', () => {
    if (!ignored) waiting?.(new Interrupted());
  });
  return (stop) => {
    waiting = stop;
    return () => {
      if (waiting === stop) waiting = undefined;
    };
  };
}
