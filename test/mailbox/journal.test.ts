import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Piece } from '../../src/mailbox/journal.ts';
import { pendingJournal } from '../../src/mailbox/journal.ts';
import type { StepLimits } from '../../src/mailbox/rewrite-plan.ts';
import { crashesOf, crashStates, randomFrom } from '../core/sim-disk.ts';
import { BOX, contextOn, copyOf, fresh, keep, modelOf, recoverOn, rewriteOn, worldWith } from './journal-world.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/';
const FOREIGN = 'From bob Thu Jan  1 12:00:00 2026\n\nhello\n\n';
/** Steps so small that a few dozen octets take all kinds of them. */
const TINY: StepLimits = { small: 0, free: 4, journal: 8 };
const WHOLE: StepLimits = { small: 1000, free: 1000, journal: 1000 };

const SHAPES: Record<string, Piece[]> = {
  'one octet written over': [keep(0, 10), fresh('!'), keep(11, 64)],
  'flags written over here and there': [keep(0, 8), fresh('RO'), keep(10, 40), fresh('RO'), keep(42, 64)],
  'the first message removed': [keep(10, 64)],
  'the first half removed': [keep(32, 64)],
  'all but the end removed': [keep(60, 64)],
  'one octet removed': [keep(0, 5), keep(6, 64)],
  'every second piece removed': [keep(0, 8), keep(16, 24), keep(32, 40), keep(48, 56)],
  'every second piece removed, from the first': [keep(8, 16), keep(24, 32), keep(40, 48), keep(56, 64)],
  'the last removed and a flag set': [keep(0, 6), fresh('R'), keep(7, 50)],
  'a status line put in': [keep(0, 20), fresh('Status: O\n'), keep(20, 64)],
  'a status line put into each': [
    keep(0, 9),
    fresh('S1\n'),
    keep(9, 30),
    fresh('S2\n'),
    keep(30, 50),
    fresh('S3\n'),
    keep(50, 64),
  ],
  'put in front': [fresh('in front of all\n'), keep(0, 64)],
  'longer, and one removed': [keep(0, 10), fresh('Status: O\n'), keep(10, 20), keep(45, 64)],
  'one removed, and longer': [keep(20, 40), fresh('Status: RO and much more than was there\n'), keep(40, 64)],
  'down, up, down, up': [
    keep(4, 16),
    fresh('12345678'),
    keep(16, 24),
    keep(40, 44),
    fresh('=================='),
    keep(50, 64),
  ],
  'all new and shorter': [fresh('nothing of it')],
  'all new and longer': [fresh('x'.repeat(90))],
  'same length, all moved': [keep(3, 33), fresh('abc'), keep(33, 64)],
};

/** Every crash of the change, with and without mail that came after it, ends in the old content or the new one. */
async function everyCrash(old: string, pieces: Piece[], limits: StepLimits, seed = 1, count = 5): Promise<number> {
  const next = modelOf(old, pieces);
  const disk = worldWith(old);
  const crashes = await crashesOf(disk, () => rewriteOn(disk, pieces, limits), seed, count);
  expect(disk.text(BOX)).toBe(next);
  expect(disk.openFiles).toBe(0);
  // What was done is done: nothing may be left for the next opener, who may find other content here by then.
  for (const state of crashStates(disk, randomFrom(seed), count)) {
    expect(state.text(BOX)).toBe(next);
    expect(pendingJournal(contextOn(state), BOX)).toBe(false);
  }
  for (const crash of crashes) {
    for (const foreign of ['', FOREIGN]) {
      const after = copyOf(crash.disk);
      after.append(BOX, foreign);
      const { kind } = recoverOn(after);
      const found = after.text(BOX);
      const right = found === old + foreign || found === next + foreign;
      if (right && kind !== 'aside' && !pendingJournal(contextOn(after), BOX)) continue;
      // Asking expect every time would take most of the time.
      const where = `after ${crash.operation.number}: ${crash.operation.text} (${kind}, foreign ${foreign !== ''})`;
      expect([old + foreign, next + foreign], where).toContain(found);
      expect(kind, where).not.toBe('aside');
      expect.fail(`${where}: the journal is still there`);
    }
  }
  return crashes.length;
}

describe('rewrite', () => {
  for (const [name, pieces] of Object.entries(SHAPES)) {
    for (const [size, limits] of Object.entries({ tiny: TINY, whole: WHOLE })) {
      it(`survives a crash at every operation: ${name}, ${size} steps`, async () => {
        expect(await everyCrash(LETTERS, pieces, limits)).toBeGreaterThan(3);
      });
    }
  }

  it('survives a crash in the recovery from a crash, with mail coming in between', async () => {
    const names = [
      'every second piece removed',
      'a status line put into each',
      'down, up, down, up',
      'all but the end removed',
    ];
    for (const [name, limits] of names.flatMap((one) => [[one, TINY] as const, [one, WHOLE] as const])) {
      const pieces = SHAPES[name] ?? [];
      const next = modelOf(LETTERS, pieces);
      const disk = worldWith(LETTERS);
      const crashes = await crashesOf(disk, () => rewriteOn(disk, pieces, limits), 2, 2);
      for (const [i, crash] of crashes.entries()) {
        if (i % Math.ceil(crashes.length / 20) !== 0) continue;
        const foreign = i % 4 === 0 ? '' : FOREIGN;
        const first = copyOf(crash.disk);
        first.append(BOX, foreign);
        const again = await crashesOf(first, () => void recoverOn(first), i, 2);
        for (const second of again) {
          second.disk.append(BOX, 'From amy');
          recoverOn(second.disk);
          const where = `${name}: ${crash.operation.text}, then ${second.operation.text}`;
          const expected = [LETTERS, next].map((text) => `${text}${foreign}From amy`);
          expect(expected, where).toContain(second.disk.text(BOX));
        }
      }
    }
  });

  it('makes what the pieces say of any file', () => {
    fc.assert(
      fc.property(arbitraryChange(), ({ old, pieces, limits }) => {
        const disk = worldWith(old);
        rewriteOn(disk, pieces, limits);
        expect(disk.text(BOX)).toBe(modelOf(old, pieces));
      }),
      { numRuns: 800 },
    );
  });

  it('survives crashes of any change', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryChange(), fc.integer(), async ({ old, pieces, limits }, seed) => {
        await everyCrash(old, pieces, limits, seed, 3);
      }),
      { numRuns: 40 },
    );
  });
});

function arbitraryChange(): fc.Arbitrary<{ old: string; pieces: Piece[]; limits: StepLimits }> {
  const step = fc.record({
    gap: fc.nat(12),
    length: fc.nat(12),
    bytes: fc.string({ maxLength: 6 }),
    put: fc.boolean(),
  });
  const limits = fc.record({
    small: fc.nat(20),
    free: fc.integer({ min: 1, max: 20 }),
    journal: fc.integer({ min: 1, max: 30 }),
  });
  return fc
    .record({ steps: fc.array(step, { maxLength: 12 }), tail: fc.nat(10), limits })
    .map(({ steps, tail, limits }) => {
      const pieces: Piece[] = [];
      let at = 0;
      for (const { gap, length, bytes, put } of steps) {
        at += gap % 3 === 0 ? gap : 0;
        pieces.push(keep(at, at + length));
        at += length;
        if (put) pieces.push(fresh(bytes.replace(/[^\x01-\x7f]/g, '?').replaceAll('\0', '?')));
      }
      const old = Array.from({ length: at + tail }, (_, i) => String.fromCharCode(33 + ((i * 7) % 90))).join('');
      return { old, pieces, limits };
    });
}
