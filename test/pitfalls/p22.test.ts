import { expect, it } from 'vitest';
import { appendMessages } from '../../src/mailbox/append.ts';
import { latin1, newPlace } from '../mailbox/boxes.ts';

const content = 'From: ann@a.test\nSubject: x\n\n>From x\nFrom y\n>>From z\n';

it('P22: a body with From lines is the same after deliver, read, save and read', async () => {
  const place = newPlace();
  const letter = { content: Buffer.from(content), sender: 'ann@a.test', received: 0, quote: true };
  await appendMessages(place.context, place.path('spool'), [letter]);
  const spool = await place.open('spool');
  expect(latin1(spool.content(0))).toBe(content);
  const saved = { ...spool.stored(0), sender: 'ann@a.test', received: 0, quote: false };
  await appendMessages(place.context, place.path('saved'), [saved]);
  expect(place.read('saved')).toBe(place.read('spool'));
  const box = await place.open('saved');
  expect(latin1(box.content(0))).toBe(content);
  // Edited and changed in place, it is still what it was.
  await box.commit({ flags: new Map([[0, 3]]) });
  expect(latin1(box.content(0))).toBe(content.replace('x\n\n', 'x\nStatus: RO\n\n'));
  await box.commit({ replace: new Map([[0, Buffer.from(content)]]) });
  expect(latin1(box.content(0))).toBe(content);
  spool.close();
  box.close();
  place.remove();
});

it('P22: what others quoted, or did not, is given as it is stored', async () => {
  const place = newPlace();
  const from = 'From ann@a.test Mon Mar  3 10:00:00 2025\n';
  place.write('box', `${from}Subject: x\n\n>From x\nFrom y\n>>From z\n`);
  const box = await place.open('box');
  expect(latin1(box.content(0))).toBe('Subject: x\n\n>From x\nFrom y\n>>From z\n');
  const saved = { ...box.stored(0), sender: 'ann@a.test', received: 0, quote: false };
  await appendMessages(place.context, place.path('saved'), [saved]);
  expect(place.read('saved')).toBe(`${place.read('box')}\n`);
  box.close();
  place.remove();
});
