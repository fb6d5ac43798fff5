/**
 * The daemon is killed (SIGKILL) under load, again and again, on the real disk: every message that it acknowledged is in its
 * mailbox, whole, at most twice for each kill that it lived through. TMAIL_STORM=500 makes it a long one.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { randomFrom } from '../core/sim-disk.ts';
import { TestClient } from './client.ts';
import { messagesIn } from './new-lab.ts';
import { newRoot, startProcess, until } from './process.ts';

const KILLS = Math.min(Number(process.env.TMAIL_STORM ?? 8), 1000);
const SESSIONS = 10;

const bodyOf = (number: number) => `line of message ${number}\n`.repeat(1 + ((number * 7919) % 300));

/** Sends messages until the connection breaks; what is in `acknowledged` was. */
async function session(port: number, next: () => number, acknowledged: Set<number>, told: () => void): Promise<void> {
  try {
    const client = await TestClient.open({ port });
    await client.say('EHLO storm');
    for (;;) {
      const number = next();
      const content = `Subject: n${number}\r\n\r\n${bodyOf(number).replaceAll('\n', '\r\n')}`;
      const { end } = await client.send({ from: 'ann@away.example', to: ['lee', 'dongliang'], content });
      if (end.startsWith('250 2.0.0')) acknowledged.add(number);
      else if (end === '') return;
      told();
    }
  } catch {
    // Refused, or reset in the midst of it: that is what this is about.
  }
}

/** How often each message lies in a mailbox; throws for one that is not whole. */
function numbersIn(path: string): Map<number, number> {
  const counts = new Map<number, number>();
  for (const message of messagesIn(path)) {
    const number = Number(/^Subject: n(\d+)$/m.exec(message)?.[1]);
    if (!message.endsWith(`\n\n${bodyOf(number)}\n`)) throw new Error(`message ${number} is not whole`);
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  return counts;
}

it(`loses nothing in ${KILLS} kills`, async () => {
  const root = newRoot();
  const random = randomFrom(Date.now());
  const acknowledged = new Set<number>();
  let number = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const daemon = await startProcess(root);
    const enough = acknowledged.size + 1 + Math.floor(random() * 150);
    let reached: () => void = () => undefined;
    const load = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const told = () => {
      if (acknowledged.size >= enough) reached();
    };
    const sessions = Array.from({ length: SESSIONS }, () => session(daemon.port, () => number++, acknowledged, told));
    await load;
    await daemon.end('SIGKILL');
    await Promise.all(sessions);
  }
  const last = await startProcess(root);
  const boxes = ['lee', 'dongliang'].map((user) => join(root, 'var/mail', user));
  const missing = () =>
    boxes.flatMap((box) => {
      const found = numbersIn(box);
      return [...acknowledged].filter((one) => !found.has(one));
    });
  await until(
    () => missing().length === 0,
    `some of ${acknowledged.size} messages are missing: ${missing().slice(0, 9)}`,
  );
  expect(await last.end('SIGTERM')).toBe(0);
  for (const box of boxes) {
    const counts = [...numbersIn(box)];
    expect(Math.max(...counts.map(([, count]) => count))).toBeLessThanOrEqual(2);
    expect(counts.filter(([, count]) => count > 1).length).toBeLessThanOrEqual(KILLS * 100);
  }
  // Nothing waits any more: another start finds an empty queue.
  const again = await startProcess(root);
  expect(await again.end('SIGTERM')).toBe(0);
}, 600_000);
