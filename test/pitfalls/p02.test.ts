import { expect, it } from 'vitest';
import { diagnose } from '../../src/mailbox/fsck.ts';
import { newPlace, subjects } from '../mailbox/boxes.ts';

it('P02: exported archives open, whatever order their dates are in', async () => {
  const place = newPlace();
  const dates = [
    '123@xxx Tue Mar 09 17:00:00 +0500 2019',
    '123@xxx Tue Mar 09 17:00:00 2019 +0500',
    '123@xxx Tue, 9 Mar 2019 17:00:00 +0500',
    'ann@a.test Tue Mar  9 17:00 2019',
    '1844347792267117879@xxx',
    '- Tue Mar 09 17:00:00 +0000 2019',
  ];
  place.write('box', dates.map((date, i) => `From ${date}\nX-GM-THRID: ${i}\nSubject: s${i}\n\ntext\n\n`).join(''));
  const box = await place.open('box');
  expect(subjects(box)).toEqual(['s0', 's1', 's2', 's3', 's4', 's5']);
  expect(box.info(0).received).toBe(Date.UTC(2019, 2, 9, 12, 0, 0) / 1000);
  expect(box.info(2).received).toBe(box.info(0).received);
  box.close();
  expect(diagnose(place.context, place.path('box')).dialect).toBe('mbox, separators without dates');
  place.remove();
});
