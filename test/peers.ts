/**
 * Other people's programs in tests. One that is not installed skips its test, and says so; under CI it fails it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { TestContext } from 'vitest';

/** Debian's packages. */
const PACKAGES: Record<string, string> = {
  alpine: 'alpine',
  'bsd-mailx': 'bsd-mailx',
  dotlockfile: 'liblockfile-bin',
  doveadm: 'dovecot-core',
  lockfile: 'procmail',
  mutt: 'mutt',
  mutt_dotlock: 'mutt',
  procmail: 'procmail',
  python3: 'python3',
  's-nail': 's-nail',
};

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v -- "$1"', 'sh', program]).status === 0;
}

/** Ends the test unless the programs are there. */
export function needs(context: TestContext, ...programs: readonly string[]): void {
  for (const program of programs) {
    if (isInstalled(program)) continue;
    const text = `needs ${program} (Debian: ${PACKAGES[program] ?? program})`;
    if (process.env.CI === 'true') throw new Error(text);
    context.skip(text);
  }
}

/** A program that runs beside the test. */
export interface Peer {
  readonly pid: number;
  /** Its next line on standard output; undefined at the end. */
  line(): Promise<string | undefined>;
  /** Ends its standard input. */
  end(): void;
  kill(signal: NodeJS.Signals): void;
  /** When it is done: exit status and signal. */
  readonly done: Promise<{ readonly status: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Starts a program with a pipe on standard input; its errors go to the test's. */
export function start(command: string, args: readonly string[], input?: string): Peer {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const done = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal }));
  });
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);
  return {
    pid: child.pid ?? 0,
    async line() {
      const { value, done: ended } = await lines.next();
      return ended === true ? undefined : value;
    },
    end: () => child.stdin.end(),
    kill: (signal) => child.kill(signal),
    done,
  };
}

/** Bundles a TypeScript program, so that a child process can run it with node; packages are looked for from `home`. */
export async function bundle(entry: string, outfile: string, home = import.meta.dirname): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi'],
    define: { 'import.meta.dirname': JSON.stringify(home) },
    logLevel: 'warning',
  });
}
