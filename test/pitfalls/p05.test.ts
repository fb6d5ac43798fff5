import { expect, it } from 'vitest';
import { newPlace } from '../mailbox/boxes.ts';

it('P05: an empty spool file is a mailbox without mail', async () => {
  const place = newPlace();
  place.write('empty', '');
  const box = await place.open('empty');
  expect(box.length).toBe(0);
  expect(box.readOnly).toBeUndefined();
  expect(box.notes).toEqual([]);
  box.close();
  expect(place.read('empty')).toBe('');
  place.remove();
});
