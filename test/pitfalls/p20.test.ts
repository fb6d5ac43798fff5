import { expect, it } from 'vitest';
import type { Mailbox } from '../../src/mailbox/mailbox.ts';
import { latin1, message, newPlace } from '../mailbox/boxes.ts';

/** Subject by UID, of what is there. */
function byUid(box: Mailbox): Record<number, string> {
  const result: Record<number, string> = {};
  for (let slot = 0; slot < box.length; slot++) {
    const info = box.info(slot);
    if (!info.gone) result[info.uid] = /Subject: (.*)/.exec(latin1(box.content(slot)))?.[1] ?? '';
  }
  return result;
}

it('P20: a box edited while it is open never shows another body for a UID', async () => {
  const place = newPlace();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id) => message(id));
  place.write('box', `${a}${b}${c}`);
  const box = await place.open('box');
  const validity = box.uidValidity;
  expect(byUid(box)).toEqual({ 1: 'a', 2: 'b', 3: 'c' });
  // Deleted in the middle with an editor, while mail arrives.
  place.write('box', `${a}${c}${d}`);
  expect(byUid(box)).toEqual({ 1: 'a', 3: 'c', 4: 'd' });
  expect(box.uidValidity).toBe(validity);
  // Restored from a backup: what comes in the middle cannot have a UID that ascends.
  place.write('box', `${a}${message('x')}${c}${d}`);
  await box.refresh();
  expect(box.uidValidity).toBeGreaterThan(validity);
  expect(byUid(box)).toEqual({ 1: 'a', 2: 'x', 3: 'c', 4: 'd' });
  box.close();
  const again = await place.open('box');
  expect(again.uidValidity).toBeGreaterThan(validity);
  expect(byUid(again)).toEqual({ 1: 'a', 2: 'x', 3: 'c', 4: 'd' });
  again.close();
  place.remove();
});
