import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeIndex } from '../../src/mailbox/index-file.ts';
import type { Mailbox } from '../../src/mailbox/mailbox.ts';
import { latin1, message, newPlace, type Place, subjects } from './boxes.ts';

let place: Place;
beforeEach(() => {
  place = newPlace();
});
afterEach(() => place.remove());

const uids = (box: Mailbox): number[] =>
  [...Array(box.length).keys()].filter((slot) => !box.info(slot).gone).map((slot) => box.info(slot).uid);
const indexFile = (): string => {
  const folder = join(place.context.stateDir, 'index');
  return join(folder, readdirSync(folder)[0] ?? '');
};
const abc = ['a', 'b', 'c'].map((id) => message(id)).join('');

/** Opens the box, does something, closes it. */
async function session<T>(work: (box: Mailbox) => T | Promise<T>): Promise<T> {
  const box = await place.open('box');
  try {
    return await work(box);
  } finally {
    box.close();
  }
}

describe('the index', () => {
  it('is not written for a small mailbox whose UIDs nobody asked for', async () => {
    place.write('box', abc);
    await session((box) => subjects(box));
    expect(() => readdirSync(place.context.stateDir)).toThrow();
  });

  it('is on disk before a UID is told', async () => {
    place.write('box', abc);
    const box = await place.open('box');
    expect(box.info(2).uid).toBe(3);
    const index = decodeIndex(new Uint8Array(readFileSync(indexFile())));
    expect(index?.uidNext).toBe(4);
    expect(index?.uidValidity).toBe(box.uidValidity);
    expect(statSync(indexFile()).mode & 0o777).toBe(0o600);
    box.close();
  });

  it('carries UIDs over what other programs do', async () => {
    place.write('box', abc);
    const validity = await session((box) => {
      expect(uids(box)).toEqual([1, 2, 3]);
      return box.uidValidity;
    });
    place.write('box', message('a') + message('c', { fields: 'Status: RO\n' }) + message('d'));
    await session((box) => {
      expect([box.uidValidity, box.uidNext, ...uids(box)]).toEqual([validity, 5, 1, 3, 4]);
    });
    // The highest one is gone: it is not given again.
    place.write('box', message('a') + message('e'));
    await session((box) => {
      expect([box.uidValidity, ...uids(box)]).toEqual([validity, 1, 5]);
    });
    place.write('box', '');
    await session((box) => expect(uids(box)).toEqual([]));
    place.write('box', message('f'));
    await session((box) => expect([box.uidValidity, ...uids(box)]).toEqual([validity, 6]));
  });

  it('raises the UIDVALIDITY when something was put in the middle', async () => {
    place.write('box', abc);
    const validity = await session((box) => box.uidValidity);
    place.write('box', message('a') + message('new') + message('b') + message('c'));
    await session((box) => {
      expect(box.uidValidity).toBeGreaterThan(validity);
      expect(uids(box)).toEqual([1, 2, 3, 4]);
    });
  });

  it('follows commits, also when the mailbox is removed by one', async () => {
    place.write('box', abc);
    const validity = await session(async (box) => {
      expect(uids(box)).toEqual([1, 2, 3]);
      await box.commit({ remove: [1] });
      expect(uids(box)).toEqual([1, 3]);
      await box.commit({ remove: [0, 2], whenEmpty: 'remove' });
      return box.uidValidity;
    });
    place.write('box', message('d'));
    await session((box) => expect([box.uidValidity, ...uids(box)]).toEqual([validity, 4]));
  });

  it('gives a new UID to a message that was edited', async () => {
    place.write('box', abc);
    await session(async (box) => {
      const validity = box.uidValidity;
      await box.commit({ replace: new Map([[2, Buffer.from('Subject: c2\n\nother\n')]]) });
      expect([box.uidValidity, ...uids(box)]).toEqual([validity, 1, 2, 4]);
      expect(latin1(box.content(2))).toBe('Subject: c2\n\nother\n');
    });
  });

  it('is scanned behind, not anew, when mail was only appended', async () => {
    place.write('box', abc);
    await session((box) => uids(box));
    place.write('box', abc.slice(0, -1));
    place.write('box', `${abc}${message('d')}`);
    await session((box) => {
      expect(subjects(box)).toEqual(['a', 'b', 'c', 'd']);
      expect(uids(box)).toEqual([1, 2, 3, 4]);
    });
  });

  it('is made anew when it is damaged in any way, and nothing fails', async () => {
    place.write('box', abc);
    await session((box) => uids(box));
    const good = new Uint8Array(readFileSync(indexFile()));
    const damage = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(good.length).map((length) => good.slice(0, length)),
      fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
        const bad = good.slice();
        bad[at] = (bad[at] ?? 0) ^ by;
        return bad;
      }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        writeFileSync(indexFile(), bytes);
        await session((box) => {
          expect(subjects(box)).toEqual(['a', 'b', 'c']);
          expect(uids(box)).toEqual([1, 2, 3]);
        });
      }),
      { numRuns: 100 },
    );
    for (let length = 0; length < good.length; length++) {
      if (length !== good.length) expect(decodeIndex(good.slice(0, length))).toBeUndefined();
    }
  });

  it('can do without a state folder', async () => {
    place.write('box', abc);
    mkdirSync(place.context.stateDir);
    writeFileSync(join(place.context.stateDir, 'index'), 'a file, no folder');
    await session((box) => expect(uids(box)).toEqual([1, 2, 3]));
    chmodSync(place.context.stateDir, 0o500);
    await session((box) => expect(uids(box)).toEqual([1, 2, 3]));
    chmodSync(place.context.stateDir, 0o700);
  });
});
