/**
 * A process that changes a mailbox without end, until it is killed: storm-child STATE BOX SEED
 *
 * Waits for a line on standard input, then prints what it is about to do before each change, and `done` behind it.
 * A message is known by its number, which stands in its subject; its body follows from its number.
 */
import { readSync, writeSync } from 'node:fs';
import { realDisk } from '../../src/core/files.ts';
import { appendMessages } from '../../src/mailbox/append.ts';
import { Flag, type MailboxContext } from '../../src/mailbox/mailbox.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { letter, numberOf, type Operation, randomFrom, size } from './storm.ts';

const [state = '', path = '', seed = '1'] = process.argv.slice(2);
const random = randomFrom(Number(seed));
const context: MailboxContext = {
  disk: realDisk,
  locker: { lock: async () => ({ release: () => {} }) },
  stateDir: state,
  stateDirsOf: () => [],
  now: Date.now,
  notify: () => {},
};

function say(what: Operation | 'done'): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}

function pick(numbers: readonly number[], share: number): number[] {
  return numbers.filter(() => random() < share);
}

readSync(0, Buffer.alloc(1));
let next = Number(seed) * 10_000;
for (;;) {
  const box = await openMailbox(context, { kind: 'mbox', path });
  for (let round = 0; round < 4; round++) {
    await box.refresh();
    const slots = Array.from({ length: box.length }, (_, slot) => slot).filter((slot) => !box.info(slot).gone);
    const numbers = slots.map((slot) => numberOf(box.header(slot)));
    const chosen = pick(slots, 0.1 + random() * 0.6);
    const named = chosen.map((slot) => numberOf(box.header(slot)));
    const kind = slots.length < 12 ? 0 : Math.floor(random() * 3);
    if (kind === 0) {
      const fresh = Array.from({ length: 1 + Math.floor(random() * 10) }, () => next++);
      say({ kind: 'append', numbers: fresh });
      await appendMessages(context, path, fresh.map(letter));
    } else if (kind === 1) {
      say({ kind: 'remove', numbers: named });
      await box.commit({ remove: chosen });
    } else {
      // Status lines are put in, and a message gets other content: the file grows here, and shrinks there.
      const [first] = slots;
      const replace = first === undefined ? new Map() : new Map([[first, letter(numbers[0] ?? 0).content]]);
      const flags = new Map(chosen.map((slot) => [slot, size(next++) % 2 === 0 ? Flag.read | Flag.old : 0]));
      say({ kind: 'flags', numbers: named });
      await box.commit({ flags, replace, remove: [] });
    }
    say('done');
  }
  box.close();
}
