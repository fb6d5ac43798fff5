import { expect, it } from 'vitest';
import { appendMessages } from '../../src/mailbox/append.ts';
import { Flag, type Mailbox, type MailboxContext } from '../../src/mailbox/mailbox.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { crashesOf, SimDisk } from '../core/sim-disk.ts';
import { latin1, message } from '../mailbox/boxes.ts';

const BOX = '/var/mail/lee';
const location = { kind: 'mbox', path: BOX } as const;
const FRESH = 'Subject: d\n\ntext of d\n';

function contextOn(disk: SimDisk): MailboxContext {
  return {
    disk,
    locker: { lock: async () => ({ release() {} }) },
    stateDir: '/home/lee/state',
    stateDirsOf: () => [],
    now: () => 1_767_268_800_000,
    notify: () => {},
  };
}

/** What somebody was told: subject by UIDVALIDITY and UID. */
type Told = Map<string, string>;

function tell(box: Mailbox, told: Told): void {
  for (let slot = 0; slot < box.length; slot++) {
    const info = box.info(slot);
    if (info.gone) continue;
    const subject = /Subject: (.*)/.exec(latin1(box.header(slot)))?.[1] ?? '?';
    const key = `${box.uidValidity}/${info.uid}`;
    expect([key, told.get(key) ?? subject]).toEqual([key, subject]);
    told.set(key, subject);
  }
}

const subjectsOf = (told: Told, validity: number): string[] =>
  [...told].filter(([key]) => key.startsWith(`${validity}/`)).map(([, subject]) => subject);

it('I02: whenever the power goes, a UID that was told stays with its message, and the UIDVALIDITY stays too', async () => {
  const disk = new SimDisk();
  disk.put(BOX, message('a') + message('b') + message('c'));
  disk.putFolder('/home/lee');
  const told: Told = new Map();
  const scenario = async (): Promise<void> => {
    const context = contextOn(disk);
    const box = await openMailbox(context, location);
    tell(box, told);
    await box.commit({ flags: new Map([[0, Flag.old | Flag.read]]) });
    const content = Buffer.from(FRESH);
    await appendMessages(context, BOX, [{ content, sender: 'x', received: 0, quote: true }]);
    await box.refresh();
    tell(box, told);
    await box.commit({ remove: [1, 3] });
    await appendMessages(context, BOX, [
      { content: Buffer.from('Subject: e\n\ne\n'), sender: 'x', received: 0, quote: true },
    ]);
    await box.refresh();
    tell(box, told);
    box.close();
  };
  const crashes = await crashesOf(disk, scenario);
  const all: Told = new Map(told);
  let bumped = 0;
  for (const crash of crashes) {
    const box = await openMailbox(contextOn(crash.disk), location);
    const seen: Told = new Map();
    tell(box, seen);
    for (const [key, subject] of seen) {
      const before = all.get(key);
      if (before !== undefined)
        expect([crash.operation.text, key, subject]).toEqual([crash.operation.text, key, before]);
    }
    const validity = Number([...all.keys()][0]?.split('/')[0]);
    if (seen.size > 0 && subjectsOf(seen, validity).length === 0) bumped++;
    const found = [...seen.values()];
    expect(found).toContain('a');
    expect(found).toContain('c');
    box.close();
  }
  expect(crashes.length).toBeGreaterThan(50);
  expect(bumped).toBe(0);
});

it('I02: two processes that have the same mailbox open never give one UID to two messages', async () => {
  const disk = new SimDisk();
  disk.put(BOX, message('a'));
  disk.putFolder('/home/lee');
  const context = contextOn(disk);
  const told: Told = new Map();
  const one = await openMailbox(context, location);
  tell(one, told);
  const two = await openMailbox(context, location);
  const deliver = (id: string) =>
    appendMessages(context, BOX, [
      { content: Buffer.from(`Subject: ${id}\n\n${id}\n`), sender: 'x', received: 0, quote: true },
    ]);
  await deliver('b');
  await two.refresh();
  tell(two, told);
  await two.commit({ remove: [1] });
  await deliver('c');
  await one.refresh();
  tell(one, told);
  await deliver('d');
  await two.refresh();
  tell(two, told);
  await one.refresh();
  tell(one, told);
  expect([...told.values()]).toEqual(['a', 'b', 'c', 'd']);
  expect(new Set([...told.keys()].map((key) => key.split('/')[0])).size).toBe(1);
  one.close();
  two.close();
});
