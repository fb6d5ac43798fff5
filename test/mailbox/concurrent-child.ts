/**
 * A process at a mailbox that others are at as well, with real locks:
 *
 *     deliver BOX STATE FROM TO    delivers messages of these numbers (TO not included), one by one; prints how many
 *     session BOX STATE REST       for each line on standard input: opens the mailbox, looks at all, and if the line
 *                                  is "delete", deletes what there is of number n % 4 === REST; quits; prints the
 *                                  number of each message that it deleted, then "done"
 */
import { createInterface } from 'node:readline';
import { MailError } from '../../src/core/errors.ts';
import { realDisk } from '../../src/core/files.ts';
import { appendMessages } from '../../src/mailbox/append.ts';
import { createLocker } from '../../src/mailbox/lock.ts';
import type { Mailbox, MailboxContext } from '../../src/mailbox/mailbox.ts';
import { openMailbox } from '../../src/mailbox/open.ts';

const [what = '', path = '', stateDir = '', ...rest] = process.argv.slice(2);
const print = (text: string) => void process.stdout.write(`${text}\n`);
const context: MailboxContext = {
  disk: realDisk,
  locker: createLocker({
    disk: realDisk,
    hostname: 'box.example.org',
    now: Date.now,
    notify: () => {},
    timeoutMs: 120_000,
  }),
  stateDir,
  stateDirsOf: () => [],
  now: Date.now,
  notify: () => {},
};

async function deliver(from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const body = `From now on: line of ${n}\n`.repeat(1 + (n % 50));
    const content = Buffer.from(`From: ann@example.org\nSubject: n${n}.\n\n${body}`);
    await appendMessages(context, path, [{ content, sender: 'ann@example.org', received: 1_767_268_800, quote: true }]);
  }
  print(`delivered ${to - from}`);
}

/** NaN when another program took the message away just then. */
function numberOf(box: Mailbox, slot: number): number {
  try {
    return Number(/^Subject: n(\d+)\.$/m.exec(Buffer.from(box.header(slot)).toString())?.[1]);
  } catch (error) {
    if (error instanceof MailError) return Number.NaN;
    throw error;
  }
}

/** One session: what is there when it opens is looked at, and some of it is deleted when it quits. */
async function session(wanted: number, how: string): Promise<void> {
  const box = await openMailbox(context, { kind: 'mbox', path });
  const remove: number[] = [];
  const numbers: number[] = [];
  for (let slot = 0; slot < box.length; slot++) {
    const number = numberOf(box, slot);
    if (number % 4 !== wanted) continue;
    remove.push(slot);
    numbers.push(number);
  }
  const { missing } = how === 'delete' ? await box.commit({ remove, whenEmpty: 'cut' }) : { missing: remove };
  for (const [i, number] of numbers.entries()) if (!missing.includes(remove[i] ?? -1)) print(String(number));
  box.close();
}

if (what === 'deliver') await deliver(Number(rest[0]), Number(rest[1]));
else {
  for await (const line of createInterface({ input: process.stdin })) {
    await session(Number(rest[0]), line);
    print('done');
  }
}
