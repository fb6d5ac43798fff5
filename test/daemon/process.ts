/**
 * The built program as a daemon process on a root folder of its own.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { BIN } from '../e2e/program.ts';
import { whenDone } from './when-done.ts';

/** A root folder with the tutorial's users, and files of its own. */
export function newRoot(files: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'tmail-root-'));
  whenDone(() => rmSync(root, { recursive: true, force: true }));
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const users = ['root', 'lee', 'dongliang'];
  const all: Readonly<Record<string, string>> = {
    'etc/passwd': users.map((user) => `${user}:x:${uid}:${gid}::/home/${user}:/bin/sh\n`).join(''),
    'etc/aliases': 'postmaster: root\nroot: lee\n',
    'etc/tmail/tmail.toml': 'hostname = "linux102.example.com"\n[[listen]]\nrole = "mta"\naddress = "127.0.0.1:0"\n',
    ...files,
  };
  for (const folder of ['etc/mail', 'var/mail', 'var/log', ...users.map((user) => `home/${user}`)]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

export interface DaemonProcess {
  /** Of the first listener. */
  readonly port: number;
  readonly pid: number;
  /** Sends a signal; resolves with the exit status, or the signal's name. */
  end(signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): Promise<number | string | null>;
  signal(signal: 'SIGHUP' | 'SIGUSR2'): void;
}

/** Starts the daemon; resolves when it says that it is ready. Rejects with what it said when it ends before. */
export async function startProcess(root: string, options: readonly string[] = []): Promise<DaemonProcess> {
  const child = spawn(process.execPath, [BIN, '--root', root, ...options, 'daemon'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', TZ: 'UTC', LANG: 'C.UTF-8' },
  });
  whenDone(() => void child.kill('SIGKILL'));
  const ended = new Promise<number | string | null>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(code ?? signal);
    });
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const output = createInterface({ input: child.stdout });
    output.on('line', (line) => {
      lines.push(line);
      if (line === 'ready') resolve();
    });
    void ended.then((how) => reject(new Error(`the daemon ended: ${how} ${said}`)));
  });
  const port = Number(/:(\d+)$/.exec(lines.find((line) => line.startsWith('listening')) ?? '')?.[1]);
  return {
    port,
    pid: child.pid ?? 0,
    end(signal) {
      child.kill(signal);
      return ended;
    },
    signal: (signal) => child.kill(signal),
  };
}

/** Resolves when `condition` holds; rejects after half a minute. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
