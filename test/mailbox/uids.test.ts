import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignUids, matchByIdentity } from '../../src/mailbox/uids.ts';

const match = (a: number[], b: number[]): number[] => [...matchByIdentity(a, b)];

describe('matchByIdentity', () => {
  it('finds messages again', () => {
    expect(match([1, 2, 3], [1, 2, 3, 4])).toEqual([0, 1, 2, -1]);
    expect(match([1, 2, 3], [1, 3])).toEqual([0, 2]);
    expect(match([1, 2, 3], [3, 1, 9, 2])).toEqual([2, 0, -1, 1]);
    expect(match([], [1])).toEqual([-1]);
    expect(match([7, 7, 8, 7], [8, 7, 7])).toEqual([2, 0, 1]);
  });

  it('gives no old message to two new ones, and only to its like', () => {
    const list = fc.array(fc.nat(5), { maxLength: 12 });
    fc.assert(
      fc.property(list, list, (a, b) => {
        const found = match(a, b);
        const taken = found.filter((old) => old >= 0);
        expect(new Set(taken).size).toBe(taken.length);
        for (const [i, old] of found.entries()) if (old >= 0) expect(a[old]).toBe(b[i]);
        // As many are found as there are pairs.
        for (const x of new Set(b)) {
          const pairs = Math.min(a.filter((y) => y === x).length, b.filter((y) => y === x).length);
          expect(found.filter((old, i) => old >= 0 && b[i] === x).length).toBe(pairs);
        }
      }),
    );
  });
});

describe('assignUids', () => {
  const state = { uidValidity: 100, uidNext: 10 };
  const assign = (known: number[]) => {
    const { uids, ...after } = assignUids(known, state, 500);
    return [[...uids], after.uidValidity, after.uidNext];
  };

  it('gives new UIDs at the end', () => {
    expect(assign([2, 5, 0, 0])).toEqual([[2, 5, 10, 11], 100, 12]);
    expect(assign([])).toEqual([[], 100, 10]);
  });

  it('raises the UIDVALIDITY when UIDs could not ascend', () => {
    expect(assign([2, 0, 5])).toEqual([[1, 2, 3], 500, 4]);
    expect(assign([5, 2])).toEqual([[1, 2], 500, 3]);
    expect(assign([2, 12])).toEqual([[1, 2], 500, 3]);
  });
});
