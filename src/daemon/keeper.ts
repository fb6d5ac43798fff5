/**
 * Starts helpers and starts them anew when they die: the only process beside them that stays root.
 *
 * It hears nothing and reads nothing; what it is told stands in its environment, written before root was given up. Each
 * helper's end of a pair of sockets is its descriptor 3, the other end is passed up to the main process. When that is gone
 * it waits for the helpers, who are then ending by themselves, and ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { reasonOf } from '../core/errors.ts';

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

export function runKeeper(helper: Command, count = HELPERS): Promise<number> {
  process.title = 'tmail: keeper';
  process.chdir('/');
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  const alive = new Set<ChildProcess>();
  let ending = false;
  return new Promise((resolve) => {
    const end = () => {
      if (ending && alive.size === 0) resolve(0);
    };
    const start = (pause: number) => {
      if (ending) return;
      const [file, ...args] = helper;
      const begun = Date.now();
      const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
      alive.add(child);
      const socket = child.stdio[3];
      const { pid } = child;
      if (pid !== undefined && socket instanceof Socket) {
        process.send?.({ pid } satisfies HelperStarted, socket, {}, () => undefined);
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
    process.on('disconnect', () => {
      ending = true;
      end();
    });
    for (let i = 0; i < count; i++) start(FIRST_PAUSE);
  });
}
