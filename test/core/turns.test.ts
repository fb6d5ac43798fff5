import { expect, it } from 'vitest';
import { takeTurn } from '../../src/core/turns.ts';

const LONG = 60_000;

it('serves callers of one name in their order, and others at once', async () => {
  const order: string[] = [];
  const first = await takeTurn('a', LONG);
  const second = takeTurn('a', LONG).then((leave) => {
    order.push('second');
    leave?.();
  });
  const third = takeTurn('a', LONG).then((leave) => {
    order.push('third');
    leave?.();
  });
  (await takeTurn('b', LONG))?.();
  order.push('other');
  first?.();
  first?.();
  await Promise.all([second, third]);
  expect(order).toEqual(['other', 'second', 'third']);
});

it('lets the next one in after somebody gave up waiting', async () => {
  const first = await takeTurn('a', LONG);
  expect(await takeTurn('a', 1)).toBeUndefined();
  const third = takeTurn('a', LONG);
  first?.();
  expect(await third).toBeDefined();
  (await third)?.();
});
