import { appendFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { appendMessages } from '../../src/mailbox/append.ts';
import { createLocker } from '../../src/mailbox/lock.ts';
import type { Mailbox, MailboxContext } from '../../src/mailbox/mailbox.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { message, newPlace, type Place, subjects } from '../mailbox/boxes.ts';

function withLocks(place: Place): MailboxContext {
  const locker = createLocker({ disk: realDisk, hostname: hostname(), now: Date.now, notify: () => {} });
  return { ...place.context, locker };
}

it('P10: of two equal messages one is deleted, and never one that was not shown', async () => {
  const place = newPlace();
  const location = {
    kind: 'mbox',
    path: place.write('box', message('a') + message('twin') + message('twin')),
  } as const;
  const context = withLocks(place);
  const first = await openMailbox(context, location);
  const second = await openMailbox(context, location);
  // A third one, equal too, that neither session has seen.
  appendFileSync(location.path, message('twin') + message('new'));
  await first.commit({ remove: [1] });
  const result = await second.commit({ remove: [0, 2] });
  expect(result.missing).toEqual([]);
  expect(subjects(second)).toEqual(['twin', 'new']);
  await first.refresh();
  expect(subjects(first)).toEqual(['twin', 'new']);
  const last = await first.commit({ remove: [0, 1] });
  expect(last.missing).toEqual([0, 1]);
  expect(place.read('box')).toBe(message('twin') + message('new'));
  first.close();
  second.close();
  place.remove();
});

/** Two sessions on a box of `ids`; the first deletes slots, and messages are delivered, before the second does. */
async function twoSessions(ids: readonly string[], removed: readonly number[], delivered: readonly string[]) {
  const place = newPlace();
  const location = { kind: 'mbox', path: place.write('box', ids.map((id) => message(id)).join('')) } as const;
  const context = withLocks(place);
  return {
    place,
    async open() {
      const [first, second] = [await openMailbox(context, location), await openMailbox(context, location)];
      return { first, second };
    },
    async change(first: Mailbox) {
      await first.commit({ remove: removed });
      appendFileSync(location.path, delivered.map((id) => message(id)).join(''));
    },
  };
}

it('P10: an equal message that was delivered after the first was deleted is not taken for it', async () => {
  const { place, open, change } = await twoSessions(['twin', 'b', 'c'], [0, 1], ['twin', 'b']);
  const { first, second } = await open();
  await change(first);
  expect(await second.commit({ remove: [0, 1, 2] })).toMatchObject({ kept: [0, 1], missing: [] });
  expect(subjects(second)).toEqual(['twin', 'b']);
  expect(place.read('box')).toBe(message('twin') + message('b'));
  for (const box of [first, second]) box.close();
  place.remove();
});

it('P10: neither where it lies in the same place, when UIDs tell them apart', async () => {
  const { place, open, change } = await twoSessions(['a', 'twin'], [1], ['twin']);
  const before = await open();
  // Somebody asked for UIDs once: since then there is an index.
  expect(before.first.info(1).uid).toBe(2);
  for (const box of [before.first, before.second]) box.close();
  const { first, second } = await open();
  await change(first);
  expect((await second.commit({ remove: [1] })).missing).toEqual([1]);
  expect(place.read('box')).toBe(message('a') + message('twin'));
  expect(second.info(2).uid).toBeGreaterThan(2);
  for (const box of [first, second]) box.close();
  place.remove();
});

it('P10: what was gone and is there again is left too', async () => {
  const { place, open } = await twoSessions(['a', 'twin'], [], []);
  const { first, second } = await open();
  await first.commit({ remove: [1] });
  expect((await second.refresh()).removed).toEqual([1]);
  appendFileSync(place.path('box'), message('twin'));
  expect(await second.commit({ remove: [1] })).toMatchObject({ kept: [1] });
  expect(place.read('box')).toBe(message('a') + message('twin'));
  for (const box of [first, second]) box.close();
  place.remove();
});

it('P10: sessions and deliveries at once lose nothing', async () => {
  const place = newPlace();
  const ids = Array.from({ length: 20 }, (_, i) => `old${i}`);
  const location = { kind: 'mbox', path: place.write('box', ids.map((id) => message(id)).join('')) } as const;
  const context = withLocks(place);
  const session = async (slots: number[]): Promise<void> => {
    const box = await openMailbox(context, location);
    for (const slot of slots) await box.commit({ remove: [slot] });
    box.close();
  };
  const deliveries = Array.from({ length: 60 }, (_, i) => {
    const content = Buffer.from(`Subject: new${i}\n\ntext\n`);
    return appendMessages(context, location.path, [{ content, sender: 'a@a.test', received: 0, quote: true }]);
  });
  await Promise.all([session([0, 2, 4, 6, 8]), session([1, 3, 5, 7, 9]), ...deliveries]);
  const box = await openMailbox(context, location);
  const expected = [...ids.slice(10), ...Array.from({ length: 60 }, (_, i) => `new${i}`)];
  expect(subjects(box).sort()).toEqual(expected.sort());
  box.close();
  place.remove();
});
