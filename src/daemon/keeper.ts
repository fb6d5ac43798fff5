/**
 * Starts helpers and starts them anew when they die: the only process beside them that stays root.
 *
 * It reads nothing that anybody writes; what it is told stands in its environment, written before root was given up. Each
 * helper's end of a pair of sockets is its descriptor 3, the other end is passed up to the main process. When that is gone
 * it waits for the helpers, who are then ending by themselves, and ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { reasonOf } from '../core/errors.ts';
import { type Disk, readWhole, realDisk } from '../core/files.ts';

/** How a process of this program is started: node, its options, the program, its arguments. */
export type Command = readonly [string, ...string[]];

/** Two for the work, and one for when both wait for a lock. */
const HELPERS = 3;
/** Milliseconds before a helper that died is replaced, doubled each time it dies young. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 10_000;
const GROWN_UP = 10_000;

/** Told to the main process, with the helper's socket. */
export interface HelperStarted {
  readonly pid: number;
}

/** Takes away what `--detach` left there, when it is about that process. */
export function removePidFile(disk: Disk, path: string, pid: number): void {
  try {
    const text = readWhole(disk, path);
    if (text !== undefined && Buffer.from(text).toString().trim() === String(pid)) disk.unlink(path);
  } catch {
    // It does no harm.
  }
}

export function runKeeper(helper: Command, pidFile: string | undefined, count = HELPERS): Promise<number> {
  const main = process.ppid;
  process.title = 'tmail: keeper';
  process.chdir('/');
  process.stderr.on('error', () => undefined);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  /** With our copy of the end of each that was not passed up yet. */
  const alive = new Map<ChildProcess, Socket | undefined>();
  let ending = false;
  return new Promise((resolve) => {
    const end = () => {
      if (!ending || alive.size > 0) return;
      if (pidFile !== undefined) removePidFile(realDisk, pidFile, main);
      resolve(0);
    };
    const start = (pause: number) => {
      if (ending) return;
      const [file, ...args] = helper;
      const begun = Date.now();
      const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
      const socket = child.stdio[3] instanceof Socket ? child.stdio[3] : undefined;
      alive.set(child, socket);
      const { pid } = child;
      if (pid !== undefined && socket !== undefined) {
        socket.on('error', () => socket.destroy());
        // Closed at once when it is on its way: what the helper answers must not be read here.
        process.send?.({ pid } satisfies HelperStarted, socket, { keepOpen: true }, () => socket.destroy());
      }
      let gone = false;
      const over = () => {
        if (gone) return;
        gone = true;
        alive.delete(child);
        end();
        const next = Date.now() - begun > GROWN_UP ? FIRST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
        if (!ending) setTimeout(() => start(next), pause);
      };
      child.on('exit', over);
      child.on('error', (error) => {
        process.stderr.write(`tmail: a helper could not be started: ${reasonOf(error)}\n`);
        over();
      });
    };
    // The end of standard input is the end of the main process. (`disconnect` is not told when it comes early.)
    process.stdin.resume();
    process.stdin.on('error', () => undefined);
    process.stdin.on('close', () => {
      ending = true;
      if (process.connected) process.disconnect();
      for (const socket of alive.values()) socket?.destroy();
      end();
    });
    for (let i = 0; i < count; i++) start(FIRST_PAUSE);
  });
}
