/** What the journal does when the disk refuses, when others meddle, and when what lies there cannot be believed. */
import { describe, expect, it } from 'vitest';
import { MailError } from '../../src/core/errors.ts';
import { type Piece, pendingJournal } from '../../src/mailbox/journal.ts';
import { appendBytes } from '../../src/mailbox/journal-append.ts';
import type { StepLimits } from '../../src/mailbox/rewrite-plan.ts';
import { type Crash, crashesOf, randomFrom, type SimDisk } from '../core/sim-disk.ts';
import {
  BOX,
  contextOn,
  copyOf,
  fresh,
  JOURNAL,
  keep,
  modelOf,
  recoverOn,
  rewriteOn,
  worldWith,
} from './journal-world.ts';

const OLD = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/';
const TINY: StepLimits = { small: 0, free: 4, journal: 8 };
const WHOLE: StepLimits = { small: 1000, free: 1000, journal: 1000 };
const CHANGES: Record<string, Piece[]> = {
  shorter: [keep(0, 8), keep(16, 24), keep(32, 40), keep(48, 56)],
  longer: [keep(0, 9), fresh('S1\n'), keep(9, 30), fresh('S2\n'), keep(30, 64)],
  'both ways': [keep(4, 16), fresh('12345678'), keep(16, 24), keep(40, 44), fresh('=================='), keep(50, 64)],
};

function failureOf(work: () => void): MailError | undefined {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(MailError);
    return error as MailError;
  }
  return undefined;
}

describe('a disk that refuses', () => {
  for (const [name, pieces] of Object.entries(CHANGES)) {
    for (const [size, limits] of [
      ['tiny', TINY],
      ['whole', WHOLE],
    ] as const) {
      for (const code of ['ENOSPC', 'EIO'] as const) {
        for (const lasting of [false, true]) {
          it(`${name}, ${size} steps: ${code} at any call, ${lasting ? 'for good' : 'once'}`, () => {
            const next = modelOf(OLD, pieces);
            for (let call = 1; ; call++) {
              const disk = worldWith(OLD);
              disk.failure = { call, code, lasting };
              const error = failureOf(() => rewriteOn(disk, pieces, limits));
              const reached = disk.calls >= call;
              disk.failure = undefined;
              expect(disk.openFiles).toBe(0);
              const where = `call ${call}: ${error?.message ?? 'no error'}`;
              if (error === undefined) expect(disk.text(BOX), where).toBe(next);
              else {
                expect(error.temporary).toBe(true);
                expect(error.message).toContain(BOX);
                expect(error.message).toMatch(/No space left on device|Input\/output error/);
                const finished = error.message.includes('nothing was changed') ? OLD : next;
                recoverOn(disk);
                // When even giving up failed, the change may still be made; nothing else may happen.
                if (lasting || error.message.includes('finished or undone'))
                  expect([OLD, next], where).toContain(disk.text(BOX));
                else expect(disk.text(BOX), where).toBe(finished);
              }
              expect(pendingJournal(contextOn(disk), BOX), where).toBe(false);
              rewriteOn(disk, [keep(0, 3)]);
              expect(disk.text(BOX)).toBe((error === undefined ? next : (disk.text(BOX) ?? '')).slice(0, 3));
              if (!reached) break;
            }
          });
        }
      }
    }
  }

  for (const code of ['ENOSPC', 'EIO'] as const) {
    it(`an append leaves nothing: ${code} at any call`, () => {
      for (let call = 1; ; call++) {
        const disk = worldWith(OLD);
        const fd = disk.open(BOX, 'write');
        disk.failure = { call, code };
        const parts = [Buffer.from('From one\n\n'), Buffer.from('From two\n\n')];
        const error = failureOf(() => void appendBytes(contextOn(disk), BOX, fd, OLD.length, parts, 4));
        if (disk.calls < call) break;
        disk.failure = undefined;
        expect(error?.message ?? '', `call ${call}`).toMatch(error === undefined ? '' : /nothing was changed/);
        expect(disk.text(BOX), `call ${call}`).toBe(error === undefined ? `${OLD}From one\n\nFrom two\n\n` : OLD);
        expect(recoverOn(disk).kind).toBe('nothing');
        disk.close(fd);
      }
    });
  }

  it('mail can be deleted on a full disk when it was used before', () => {
    const text = Array.from({ length: 40_000 }, (_, i) => `line ${i}\n`).join('');
    const disk = worldWith(text);
    rewriteOn(disk, [fresh('L'), keep(1, text.length)]);
    disk.capacity = 1;
    rewriteOn(disk, [keep(100_000, 200_000), keep(300_000, text.length)]);
    expect(disk.text(BOX)).toBe(text.slice(100_000, 200_000) + text.slice(300_000));
  });

  it('a change that needs room fails on a full disk, and leaves all as it was', () => {
    const disk = worldWith('x'.repeat(4096));
    rewriteOn(disk, [fresh('L'), keep(1, 4096)]);
    disk.capacity = 1;
    const before = disk.text(BOX);
    const error = failureOf(() => rewriteOn(disk, [fresh('new'), keep(0, 4096)]));
    expect(error?.message).toBe(`${BOX}: nothing was changed: No space left on device`);
    expect(disk.text(BOX)).toBe(before);
    expect(recoverOn(disk).kind).toBe('nothing');
  });
});

describe('others who meddle after a crash', () => {
  const pieces = CHANGES.shorter ?? [];
  const next = modelOf(OLD, pieces);
  const crashes = async (limits: StepLimits): Promise<Crash[]> => {
    const disk = worldWith(OLD);
    return await crashesOf(disk, () => rewriteOn(disk, pieces, limits));
  };

  it('a mailbox that was written anew is left alone, and the journal is set aside with a word', async () => {
    let aside = 0;
    for (const limits of [TINY, WHOLE]) {
      for (const { disk, operation } of await crashes(limits)) {
        for (const text of ['', 'From other\n\nshort\n\n', `From other\n\n${'longer than it ever was\n'.repeat(9)}`]) {
          const after = copyOf(disk);
          const fd = after.open(BOX, 'write');
          after.truncate(fd, 0);
          after.write(fd, Buffer.from(text), 0);
          after.close(fd);
          const { kind, notes } = recoverOn(after);
          expect(after.text(BOX), `${operation.text}: ${kind}`).toBe(text);
          if (kind !== 'aside') continue;
          aside++;
          expect(notes.join()).toContain(BOX);
          const kept = after.paths().find((path) => path.startsWith(`${JOURNAL}.`));
          expect(notes.join()).toContain(kept);
          expect(recoverOn(after).kind).toBe('nothing');
        }
      }
    }
    expect(aside).toBeGreaterThan(20);
  });

  it('a mailbox that was replaced by a new file is left alone', async () => {
    for (const { disk, operation } of await crashes(TINY)) {
      const after = copyOf(disk);
      const size = after.text(BOX)?.length ?? 0;
      after.put('/var/mail/new', 'N'.repeat(size));
      after.rename('/var/mail/new', BOX);
      recoverOn(after);
      expect(after.text(BOX), operation.text).toBe('N'.repeat(size));
      expect(pendingJournal(contextOn(after), BOX)).toBe(false);
    }
  });

  it('a flag that another program set in place is not lost', async () => {
    for (const { disk, operation } of await crashes(TINY)) {
      const after = copyOf(disk);
      const fd = after.open(BOX, 'write');
      // In the part that is still to be moved, where nothing was written yet.
      if (after.text(BOX)?.[50] !== OLD[50]) continue;
      after.write(fd, Buffer.from('!'), 50);
      after.close(fd);
      const { kind } = recoverOn(after);
      const text = after.text(BOX) ?? '';
      const marked = [OLD, next].map((one) => one.replace('O', '!'));
      if (kind === 'finished' || kind === 'undone') expect([...marked, next], operation.text).toContain(text);
      else expect(text).toContain('!');
    }
  });
});

describe('journals that cannot be believed', () => {
  it('garbage in every shape is no journal, and is no hindrance', async () => {
    const random = randomFrom(7);
    const disk = worldWith(OLD);
    const [some] = (await crashesOf(disk, () => rewriteOn(disk, CHANGES.longer ?? [], TINY))).slice(-20);
    const real = Buffer.from(some?.disk.text(JOURNAL) ?? '', 'latin1');
    expect(real.length).toBeGreaterThan(1000);
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from(real);
      const kind = round % 4;
      // Within the record that begins the change: what lies behind may be a step, which is allowed to be torn.
      if (kind === 0) bytes[512 + Math.floor(random() * 64)] = Math.floor(random() * 256);
      if (kind === 1) bytes.fill(0, 512 + Math.floor(random() * 60), 600);
      if (kind === 2) for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256);
      const content = kind === 3 ? bytes.subarray(0, Math.floor(random() * 600)) : bytes;
      const after = worldWith(OLD);
      after.put(JOURNAL, content);
      const before = Buffer.from(content).equals(real);
      recoverOn(after);
      if (!before && kind !== 0) expect(after.text(BOX), `round ${round}`).toBe(OLD);
      rewriteOn(after, [keep(0, 8), keep(16, 64)]);
      expect(after.text(BOX)?.length).toBeGreaterThan(50);
    }
  });

  const begun = async (): Promise<SimDisk> => {
    const disk = worldWith(OLD);
    const found = (await crashesOf(disk, () => rewriteOn(disk, CHANGES.shorter ?? [], TINY))).find(
      (crash) => pendingJournal(contextOn(crash.disk), BOX) && crash.operation.text.startsWith(`write ${BOX}`),
    );
    if (found === undefined) throw new Error('no crash left a journal');
    return found.disk;
  };

  it('only its owner, the owner of the mailbox or root can leave one', async () => {
    const disk = await begun();
    disk.chownPath(BOX, 1000);
    disk.chownPath(JOURNAL, 1001);
    const before = disk.text(BOX);
    expect(pendingJournal(contextOn(disk), BOX)).toBe(false);
    expect(recoverOn(disk).kind).toBe('nothing');
    expect(disk.text(BOX)).toBe(before);
    disk.chownPath(JOURNAL, 1000);
    expect(recoverOn(disk).kind).toBe('finished');
  });

  it('one that is a link, or has two names, is not touched', async () => {
    const disk = await begun();
    disk.rename(JOURNAL, '/tmp');
    disk.putSymlink(JOURNAL, '/tmp');
    expect(recoverOn(disk).kind).toBe('nothing');
    const other = await begun();
    other.link(JOURNAL, '/home/lee/other');
    expect(recoverOn(other).kind).toBe('nothing');
  });

  it('one that another state folder keeps is found and finished', async () => {
    const disk = await begun();
    disk.putFolder('/var/lib/tmail/journal');
    disk.rename(JOURNAL, '/var/lib/tmail/journal/var%2Fmail%2Flee');
    expect(recoverOn(disk).kind).toBe('finished');
    expect(disk.text(BOX)).toBe(modelOf(OLD, CHANGES.shorter ?? []));
  });

  it('one of another user that cannot be opened forbids changes', async () => {
    const disk = await begun();
    const open = disk.open.bind(disk);
    disk.open = (path, how, mode) => {
      if (path === JOURNAL) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
      return open(path, how, mode);
    };
    const { kind, notes } = recoverOn(disk);
    expect(kind).toBe('unreadable');
    expect(notes.join()).toContain(JOURNAL);
  });
});
