/**
 * A terminal for the program: a tmux of its own, typed into and looked at. Nothing sleeps for a fixed time; `until` looks
 * again and again until the screen shows what is waited for.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { BIN, type Home } from './program.ts';

const PATIENCE_MS = 20_000;

export class Terminal {
  readonly #socket: string;

  constructor(
    home: Home,
    args: readonly string[],
    env: Record<string, string>,
    size: readonly [number, number] = [80, 24],
  ) {
    this.#socket = home.path('tmux');
    const variables = Object.entries({ ...home.env, ...env }).map(([name, value]) => `${name}=${value}`);
    const words = ['env', '-i', ...variables, process.execPath, BIN, ...args].map(
      (word) => `'${word.replaceAll("'", "'\\''")}'`,
    );
    // The exit status is shown, and the screen stays to be looked at.
    const script = `cd '${home.dir}'; ${words.join(' ')}; echo "[status $?]"; exec cat`;
    const made = this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(size[0]),
      '-y',
      String(size[1]),
      script,
    );
    if (made.status !== 0) throw new Error(`tmux: ${made.stderr}`);
  }

  #tmux(...args: readonly string[]) {
    return spawnSync('tmux', ['-u', '-S', this.#socket, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8' },
    });
  }

  /** The screen, without blanks at the ends of lines. */
  get screen(): string {
    return this.#tmux('capture-pane', '-p')
      .stdout.replace(/[ \t]+$/gm, '')
      .trimEnd();
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text);
  }

  /** Presses keys by tmux's names: `Enter`, `C-d`, `Up`, `Tab`. */
  press(...keys: readonly string[]): void {
    this.#tmux('send-keys', '--', ...keys);
  }

  enter(line: string): void {
    this.type(line);
    this.press('Enter');
  }

  /** Waits until the screen shows it, and returns the screen. */
  async until(wanted: RegExp): Promise<string> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const { screen } = this;
      if (wanted.test(screen)) return screen;
      if (Date.now() > end) throw new Error(`the screen never showed ${wanted}:\n${screen}`);
      await pause(30);
    }
  }

  close(): void {
    this.#tmux('kill-server');
  }
}
