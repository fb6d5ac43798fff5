/**
 * The built program as a user runs it: in a home folder of its own, with nothing of the tester's environment.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export const BIN = join(import.meta.dirname, '../../bin/tmail');

export interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Home {
  readonly dir: string;
  readonly spool: string;
  readonly env: Record<string, string>;
  /** Path below the home folder. */
  path(...names: string[]): string;
  write(name: string, content: string | Uint8Array, mode?: number): string;
  read(name: string): string;
  has(name: string): boolean;
  /** Runs tmail to its end. */
  tmail(args: readonly string[], input?: string | Uint8Array, env?: Record<string, string>): Result;
  run(program: string, args: readonly string[], input?: string | Uint8Array, env?: Record<string, string>): Result;
}

const made: string[] = [];

afterAll(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A new home folder. Its user is called lee. */
export function newHome(): Home {
  if (!existsSync(join(import.meta.dirname, '../../dist/start.js'))) throw new Error('not built: npm run build');
  const dir = mkdtempSync(join(tmpdir(), 'tmail-e2e-'));
  made.push(dir);
  const spool = join(dir, 'spool', 'lee');
  mkdirSync(join(dir, 'spool'));
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: dir,
    MAIL: spool,
    USER: 'lee',
    LOGNAME: 'lee',
    TERM: 'dumb',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    COLUMNS: '80',
    LINES: '24',
    SHELL: '/bin/sh',
  };
  const path = (...names: string[]) => join(dir, ...names);
  const run: Home['run'] = (program, args, input = '', more = {}) => {
    const options = { cwd: dir, env: { ...env, ...more }, input, timeout: 50_000, maxBuffer: 1 << 28 };
    const { status, stdout, stderr, error } = spawnSync(program, args, options);
    if (error !== undefined) throw error;
    return { status, out: stdout.toString(), err: stderr.toString() };
  };
  return {
    dir,
    spool,
    env,
    path,
    run,
    write(name, content, mode = 0o600) {
      writeFileSync(path(name), content, { mode });
      return path(name);
    },
    read: (name) => readFileSync(path(name), 'utf8'),
    has: (name) => existsSync(path(name)),
    tmail: (args, input, more) => run(process.execPath, [BIN, ...args], input, more),
  };
}

/** A small message with From_ line, as it stands in an mbox. */
export function letter(
  id: string,
  options: { readonly status?: string; readonly from?: string; readonly body?: string } = {},
): string {
  const { status, from = 'ann@example.org', body = `This is the text of message ${id}.\n` } = options;
  return [
    `From ${from} Mon Mar  2 09:00:00 2026`,
    `From: Ann <${from}>`,
    'To: lee@example.org',
    `Subject: subject-${id}`,
    `Message-ID: <${id}@example.org>`,
    'Date: Mon, 02 Mar 2026 09:00:00 +0000',
    ...(status === undefined ? [] : [`Status: ${status}`]),
    '',
    body,
    '',
  ].join('\n');
}

/** Whether a program of this name can be run; in CI everything that is compared with must be there. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0 || process.env.CI === 'true';
}
