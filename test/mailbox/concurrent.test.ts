/**
 * Everybody at one mailbox at once: 1,000 deliveries by three processes, two sessions that delete, and other programs'
 * sessions that delete too. In the end every message is there that nobody deleted, whole, and no other.
 *
 * bsd-mailx and s-nail notice new mail by the length of the file alone: when anybody deletes during their session, they
 * write the deleted messages back and cut as much off what was delivered. So while they are there our sessions only
 * look, and take turns with them. bsd-mailx reads the mailbox without a lock: it is let in while nobody writes.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { createLocker } from '../../src/mailbox/lock.ts';
import type { Locker } from '../../src/mailbox/mailbox.ts';
import { bundle, needs, type Peer, start } from '../peers.ts';

const top = mkdtempSync(join(tmpdir(), 'concurrent-'));
const program = join(top, 'child.mjs');
beforeAll(() => bundle(join(import.meta.dirname, 'concurrent-child.ts'), program));
afterAll(() => rmSync(top, { recursive: true }));

async function linesOf(peer: Peer): Promise<string[]> {
  const lines: string[] = [];
  for (let line = await peer.line(); line !== undefined; line = await peer.line()) lines.push(line);
  expect((await peer.done).status).toBe(0);
  return lines;
}

/** One session of another mailx on the system mailbox: deletes the first message and quits; which one it was. With a
 *  locker, nobody writes while it reads the mailbox. */
async function foreignSession(
  mailx: readonly string[],
  box: string,
  home: string,
  locker?: Locker,
): Promise<string | undefined> {
  const [command = '', ...args] = mailx;
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    MAIL: box,
    MAILRC: '/dev/null',
    TERM: 'dumb',
    TZ: 'UTC',
    LC_ALL: 'C',
  };
  const fd = openSync(box, 'r+');
  const lock = await locker?.lock(box, fd, 'write');
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const done = new Promise((resolve) => child.on('close', resolve));
  let out = '';
  child.stdout.on('data', (bytes) => (out += bytes));
  child.stderr.on('data', (bytes) => (out += bytes));
  child.stdin.on('error', () => {});
  child.stdin.write('set hold\nset keep\n!echo ready >&2\n');
  await Promise.race([once(child.stderr, 'data'), done]);
  lock?.release();
  closeSync(fd);
  child.stdin.end('from 1\ndelete 1\nquit\n');
  await done;
  return /\bn(\d+)\./.exec(out)?.[1];
}

/** One of our sessions, each round of which is asked for. */
class Visitor {
  readonly deleted: number[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(box: string, state: string, rest: number) {
    const args = [program, 'session', box, state, String(rest)];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async round(how: 'delete' | 'watch'): Promise<void> {
    this.#child.stdin.write(`${how}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error('a session ended too early');
      if (value === 'done') return;
      this.deleted.push(Number(value));
    }
  }

  end(): void {
    this.#child.stdin.end();
  }
}

const PEERS: Record<string, { mailx: string[]; readsWithoutLock: boolean }> = {
  'bsd-mailx': { mailx: ['bsd-mailx', '-n', '-N'], readsWithoutLock: true },
  's-nail': { mailx: ['s-nail', '-n', '-N', '-S', 'dotlock-ignore-error'], readsWithoutLock: false },
};

for (const [name, { mailx, readsWithoutLock }] of Object.entries(PEERS)) {
  it(`1,000 deliveries, two sessions and ${name} at once`, async (context: TestContext) => {
    needs(context, name);
    const folder = join(top, name);
    mkdirSync(folder);
    const box = join(folder, 'lee');
    writeFileSync(box, '', { mode: 0o600 });
    const state = (who: string): string => join(folder, `state-${who}`);
    const deliveries = [0, 1, 2].map((i) =>
      start('node', [program, 'deliver', box, state('daemon'), String(i * 334), String(Math.min(1000, (i + 1) * 334))]),
    );
    const visitors = [0, 1].map((rest) => new Visitor(box, state('lee'), rest));
    const locker = createLocker({
      disk: realDisk,
      hostname: 'box',
      now: Date.now,
      notify: () => {},
      timeoutMs: 60_000,
    });
    let delivering = true;
    const delivered = Promise.all(deliveries.map(linesOf)).finally(() => {
      delivering = false;
    });
    const byForeign: number[] = [];
    const together = async (how: 'delete' | 'watch'): Promise<unknown> =>
      Promise.all(visitors.map((one) => one.round(how)));
    while (delivering) {
      await together('delete');
      const watching = together('watch');
      const number = await foreignSession(mailx, box, folder, readsWithoutLock ? locker : undefined);
      if (number !== undefined) byForeign.push(Number(number));
      await watching;
    }
    await together('delete');
    for (const visitor of visitors) visitor.end();
    expect((await delivered).flat().join()).toBe('delivered 334,delivered 334,delivered 332');

    const text = readFileSync(box, 'latin1');
    const found = text.split(/^(?=From ann@example\.org )/m).flatMap((part) => {
      if (part === '') return [];
      const number = Number(/^Subject: n(\d+)\.$/m.exec(part)?.[1] ?? -1);
      const body = `>From now on: line of ${number}\n`.repeat(1 + (number % 50));
      expect(part.slice(part.indexOf('\n\n') + 2), `message ${number}`).toBe(`${body}\n`);
      return [number];
    });
    const everywhere = [...found, ...byForeign, ...visitors.flatMap(({ deleted }) => deleted)];
    // Each message is there or was deleted by one of them: none is lost, none twice, none came back.
    expect(everywhere.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    for (const [rest, { deleted }] of visitors.entries()) expect(deleted.every((n) => n % 4 === rest)).toBe(true);
    expect(found.filter((n) => n % 4 < 2)).toEqual([]);
  });
}
