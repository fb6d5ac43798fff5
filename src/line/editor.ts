/**
 * Lines typed on a real terminal: editing, completion and history by node's readline.
 *
 * One interface lives as long as input does, since lines that were pasted come in one piece; the terminal is given back
 * whenever a program runs.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { Interrupted } from '../session/io.ts';

export interface EditorOptions {
  readonly historyFile: string | undefined;
  readonly ignoreInterrupts: boolean;
  readonly complete: (line: string) => { readonly candidates: readonly string[]; readonly word: string } | undefined;
}

export interface Editor {
  readLine(prompt: string, preset?: string): Promise<Uint8Array | undefined>;
  /** Gives the terminal back until the next line is read. */
  release(): void;
}

const HISTORY_KEPT = 500;

export function openEditor({ historyFile, ignoreInterrupts, complete }: EditorOptions): Editor {
  let history = readHistory(historyFile);
  let open: Interface | undefined;
  const typed: string[] = [];
  let waiting: { resolve: (line: string | undefined) => void; reject: (reason: Error) => void } | undefined;
  const settle = (): typeof waiting => {
    const wait = waiting;
    waiting = undefined;
    return wait;
  };

  const start = (): Interface => {
    const made = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: [...history],
      historySize: HISTORY_KEPT,
      removeHistoryDuplicates: true,
      completer: (line: string): [string[], string] => {
        const found = complete(line);
        return found === undefined ? [[], line] : [[...found.candidates], found.word];
      },
    });
    made.on('history', (lines: string[]) => {
      history = lines;
      writeHistory(historyFile, lines);
    });
    made.on('line', (line) => {
      const wait = settle();
      if (wait === undefined) typed.push(line);
      else wait.resolve(line);
    });
    made.on('SIGINT', () => {
      if (ignoreInterrupts) return;
      // What was typed so far is abandoned with it.
      made.write(null, { ctrl: true, name: 'e' });
      made.write(null, { ctrl: true, name: 'u' });
      process.stdout.write('^C\n');
      settle()?.reject(new Interrupted());
    });
    // Ctrl-D: the end of input, for once. Lines that were pasted come first.
    made.on('close', () => {
      if (open === made) open = undefined;
      if (waiting !== undefined) process.stdout.write('\n');
      settle()?.resolve(undefined);
    });
    return made;
  };

  return {
    async readLine(prompt, preset) {
      const ahead = typed.shift();
      if (ahead !== undefined) {
        if (prompt !== '') process.stdout.write(`${prompt}${ahead}\n`);
        return Buffer.from(ahead);
      }
      open ??= start();
      const editor = open;
      process.stdin.setRawMode(true);
      editor.resume();
      editor.setPrompt(prompt);
      const line = await new Promise<string | undefined>((resolve, reject) => {
        waiting = { resolve, reject };
        editor.prompt();
        if (preset !== undefined) editor.write(preset);
      });
      return line === undefined ? undefined : Buffer.from(line);
    },
    release() {
      open?.pause();
      process.stdin.setRawMode(false);
    },
  };
}

/** Newest first, as readline has it. */
function readHistory(path: string | undefined): string[] {
  if (path === undefined) return [];
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .slice(0, HISTORY_KEPT);
  } catch {
    return [];
  }
}

/** The history is a convenience: when it cannot be kept, nothing is said. */
function writeHistory(path: string | undefined, lines: readonly string[]): void {
  if (path === undefined) return;
  try {
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
    chmodSync(path, 0o600);
  } catch {
    // As good as no history.
  }
}
