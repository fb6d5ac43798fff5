import { expect, it } from 'vitest';
import { latin1, newPlace, subjects } from '../mailbox/boxes.ts';

const patch = `From ${'0123456789'.repeat(4)} Mon Sep 17 00:00:00 2001\nFrom: A U Thor <a@a.test>\nSubject: [PATCH] x\n\ndiff\n`;

it('P04: a bare From_ line parts messages, a patch in a body does not', async () => {
  const place = newPlace();
  place.write(
    'box',
    `From \nFrom: ann@a.test\nSubject: one\n\nHere it is:\n\n${patch}\nFrom -\nTo: lee\nSubject: two\n\ntext\n`,
  );
  const box = await place.open('box');
  expect(subjects(box)).toEqual(['one', 'two']);
  expect(latin1(box.content(0))).toContain(patch);
  box.close();
  // A file of patches is a mailbox too.
  place.write('patches', `${patch}\n${patch}`);
  const patches = await place.open('patches');
  expect(patches.length).toBe(2);
  patches.close();
  place.remove();
});
