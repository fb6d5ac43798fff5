import { expect, it } from 'vitest';
import { diagnose } from '../../src/mailbox/fsck.ts';
import { newPlace, subjects } from '../mailbox/boxes.ts';

it('P01: a damaged separator does not send the reader astray', async () => {
  const place = newPlace();
  const from = 'From ann@a.test Thu Jan  1 12:00:00 2026';
  place.write('box', `${from}\nr${from.slice(2)}\nFrom: ann@a.test\nSubject: one\n\ntext\n`);
  const box = await place.open('box');
  expect(subjects(box)).toEqual(['one']);
  box.close();
  const { messages, findings } = diagnose(place.context, place.path('box'));
  expect(messages).toBe(1);
  expect(findings.map(({ kind, line }) => [kind, line])).toEqual([['separator-damaged', 2]]);
  // The same a hundred thousand times: no more than a pass over it.
  place.write('many', `${from}\n${`r${from.slice(2)}\n\n`.repeat(100_000)}`);
  const many = await place.open('many');
  expect(many.length).toBe(1);
  many.close();
  place.remove();
});
