/**
 * Processes that change a mailbox are killed in the midst of it, again and again, on the real disk: what was said to be
 * done is done, what was under way is done or not, no message is half. TMAIL_STORM=500 makes it a long one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import type { MailboxContext } from '../../src/mailbox/mailbox.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { bundle } from '../peers.ts';
import { bodyOf, numberOf, type Operation, randomFrom } from './storm.ts';

const KILLS = Number(process.env.TMAIL_STORM ?? 60);
const top = mkdtempSync(join(tmpdir(), 'storm-'));
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(top, { recursive: true });
});

const box = join(top, 'box');
const state = join(top, 'state');
const context: MailboxContext = {
  disk: realDisk,
  locker: { lock: async () => ({ release: () => {} }) },
  stateDir: state,
  stateDirsOf: () => [],
  now: Date.now,
  notify: () => {},
};

/** Numbers of the messages in order; each must be whole. */
async function look(): Promise<{ numbers: number[]; notes: readonly string[] }> {
  const mailbox = await openMailbox(context, { kind: 'mbox', path: box });
  const numbers: number[] = [];
  for (let slot = 0; slot < mailbox.length; slot++) {
    const text = Buffer.from(mailbox.content(slot)).toString();
    const number = numberOf(mailbox.header(slot));
    if (!text.endsWith(`\n\n${bodyOf(number)}`))
      throw new Error(`message ${number} is not whole: ${text.slice(0, 200)}`);
    numbers.push(number);
  }
  mailbox.close();
  return { numbers, notes: mailbox.notes };
}

function after(numbers: readonly number[], operation: Operation): number[] {
  if (operation.kind === 'append') return [...numbers, ...operation.numbers];
  if (operation.kind === 'remove') return numbers.filter((number) => !operation.numbers.includes(number));
  return [...numbers];
}

/** Starts a child, which waits. */
function prepare(program: string, seed: number): ChildProcess {
  const child = spawn(process.execPath, [program, state, box, String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  return child;
}

/** Lets a child work until it has said `lines` lines, and kills it; returns all that it said. */
async function storm(child: ChildProcess, lines: number): Promise<(Operation | 'done')[]> {
  const said: (Operation | 'done')[] = [];
  if (child.stdout === null || child.stdin === null) throw new Error('no pipes');
  child.stdin.write('\n');
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(JSON.parse(line));
    if (said.length === lines) child.kill('SIGKILL');
  }
  children.delete(child);
  return said;
}

it(`survives ${KILLS} kills in the midst of changes`, async () => {
  const program = join(top, 'child.mjs');
  await bundle(join(import.meta.dirname, 'storm-child.ts'), program);
  writeFileSync(box, '');
  const random = randomFrom(Date.now());
  let { numbers } = await look();
  let finished = 0;
  const ready = [prepare(program, 1), prepare(program, 2)];
  for (let kill = 1; kill <= KILLS; kill++) {
    ready.push(prepare(program, kill + 2));
    const child = ready.shift();
    if (child === undefined) break;
    const said = await storm(child, 1 + Math.floor(random() * 12));
    let under: Operation | undefined;
    for (const one of said) {
      if (one !== 'done') under = one;
      else if (under !== undefined) {
        numbers = after(numbers, under);
        under = undefined;
      }
    }
    const found = await look();
    if (found.notes.length > 0) finished++;
    const possible = under === undefined ? [numbers] : [numbers, after(numbers, under)];
    expect(possible, `kill ${kill}, under way: ${JSON.stringify(under)}; ${found.notes.join()}`).toContainEqual(
      found.numbers,
    );
    numbers = found.numbers;
  }
  // Some kills must have hit a change in its midst, or the test shows nothing.
  expect(finished).toBeGreaterThan(0);
});
