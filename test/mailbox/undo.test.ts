import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mailbox, MailboxContext } from '../../src/mailbox/mailbox.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { type KeepResult, keepForUndo, type Leaving, listUndo, restoreUndo, type Why } from '../../src/mailbox/undo.ts';
import { crashesOf, SimDisk } from '../core/sim-disk.ts';
import { message, newPlace, type Place, subjects } from './boxes.ts';

const places: Place[] = [];
afterEach(() => {
  for (const place of places.splice(0)) place.remove();
});
function place(): Place {
  const made = newPlace();
  places.push(made);
  return made;
}

/** Takes messages out of a mailbox as the end of a session does. */
async function takeOut(
  context: MailboxContext,
  box: Mailbox,
  leaving: ReadonlyMap<number, Why>,
  options: { mbox?: string; days?: number } = {},
): Promise<KeepResult> {
  let kept: KeepResult = { id: undefined, note: '' };
  function* all(): Generator<Leaving> {
    for (const [slot, why] of leaving) {
      const { uid, flags, received } = box.info(slot);
      yield { slot, uid, flags, received, why, ...box.stored(slot) };
    }
  }
  await box.commit({
    remove: [...leaving.keys()],
    before: () => {
      kept = keepForUndo(context, box.location, all(), options);
    },
  });
  return kept;
}

const deleted = (...slots: number[]): Map<number, Why> => new Map(slots.map((slot) => [slot, 'deleted']));

describe('undo', () => {
  it('brings back what was deleted, byte for byte, behind what is there', async () => {
    const at = place();
    const odd = message('b', { body: 'odd \xff\0\r\n>From x\n', fields: 'Status: RO\nX-Status: F\n' });
    at.write('box', message('a') + odd + message('c'));
    const box = await at.open('box');
    await takeOut(at.context, box, deleted(0, 1));
    expect(at.read('box')).toBe(message('c'));
    const [entry] = listUndo(at.context);
    expect(entry).toMatchObject({ deleted: 2, moved: 0, restored: false, location: { path: at.path('box') } });
    const result = await restoreUndo(at.context, openMailbox);
    expect(result).toMatchObject({ restored: 2, present: 0, unmoved: 0 });
    expect(at.read('box')).toBe(message('c') + message('a') + odd);
    box.close();
  });

  it('does not bring back twice, nor what is there again', async () => {
    const at = place();
    at.write('box', message('a') + message('b') + message('c'));
    const box = await at.open('box');
    await takeOut(at.context, box, deleted(0, 1));
    box.close();
    // Somebody put one back by hand, and read it.
    at.write('box', message('c') + message('b', { fields: 'Status: RO\n' }));
    const { id } = listUndo(at.context)[0] ?? {};
    expect(await restoreUndo(at.context, openMailbox)).toMatchObject({ restored: 1, present: 1 });
    expect(await restoreUndo(at.context, openMailbox, id)).toMatchObject({ restored: 0, present: 2 });
    const again = await at.open('box');
    expect(subjects(again)).toEqual(['c', 'b', 'a']);
    again.close();
    expect(listUndo(at.context)[0]).toMatchObject({ restored: true });
    await expect(restoreUndo(at.context, openMailbox)).rejects.toThrow(/nothing to undo/);
    await expect(restoreUndo(at.context, openMailbox, 'nonsense')).rejects.toThrow(/nonsense: no such undo entry/);
  });

  it('keeps equal messages apart by their number', async () => {
    const at = place();
    at.write('box', message('a') + message('a') + message('a'));
    const box = await at.open('box');
    await takeOut(at.context, box, deleted(0, 1));
    expect(await restoreUndo(at.context, openMailbox)).toMatchObject({ restored: 1, present: 1 });
    box.close();
  });

  it('makes the mailbox again when it was removed', async () => {
    const at = place();
    at.write('box', message('a') + message('b'));
    const box = await at.open('box');
    const leaving = deleted(0, 1);
    await box.commit({
      remove: [0, 1],
      whenEmpty: 'remove',
      before: () => {
        const all = [...leaving].map(([slot, why]) => ({ slot, why, ...box.stored(slot), ...box.info(slot) }));
        keepForUndo(
          at.context,
          box.location,
          all.map((one) => ({ ...one, uid: box.info(one.slot).uid, flags: 0, received: 0 })),
        );
      },
    });
    box.close();
    expect(readdirSync(at.dir)).not.toContain('box');
    await restoreUndo(at.context, openMailbox);
    expect(at.read('box')).toBe(message('a') + message('b'));
    expect(statSync(at.path('box')).mode & 0o777).toBe(0o600);
  });

  it('takes what was moved out of mbox again, the copy that was put there last', async () => {
    const at = place();
    at.write('box', message('a') + message('b') + message('c'));
    // Another message that is equal was in mbox before.
    at.write('mbox', message('a') + message('x') + message('a') + message('b'));
    const box = await at.open('box');
    await takeOut(
      at.context,
      box,
      new Map<number, Why>([
        [0, 'moved'],
        [1, 'moved'],
        [2, 'deleted'],
      ]),
      {
        mbox: at.path('mbox'),
      },
    );
    box.close();
    expect(await restoreUndo(at.context, openMailbox)).toMatchObject({ restored: 3, unmoved: 2 });
    expect(at.read('mbox')).toBe(message('a') + message('x'));
    expect(at.read('box')).toBe(message('a') + message('b') + message('c'));
  });

  it('lists the newest first, forgets after the time, and keeps nothing for 0 days', async () => {
    const at = place();
    at.write('box', message('a') + message('b') + message('c'));
    let now = Date.now();
    const context = { ...at.context, now: () => now };
    const box = await at.open('box');
    await takeOut(context, box, deleted(0));
    now += 1000;
    await takeOut(context, box, deleted(1));
    expect(listUndo(context).map(({ time }) => time)).toEqual([now, now - 1000]);
    now += 8 * 86_400_000;
    expect((await takeOut(context, box, deleted(2))).note).toBe('');
    expect(listUndo(context)).toHaveLength(1);
    expect(keepForUndo(context, box.location, [], { days: 0 })).toEqual({ id: undefined, note: '' });
    box.close();
  });

  it('is kept where only its user can read it', async () => {
    const at = place();
    at.write('box', message('a') + message('b'));
    const box = await at.open('box');
    await takeOut(at.context, box, deleted(0));
    box.close();
    const folder = join(at.dir, 'state/undo');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, readdirSync(folder)[0] ?? '')).mode & 0o777).toBe(0o600);
  });
});

describe('undo on a disk that fails', () => {
  const BOX = '/var/mail/lee';
  const world = (): SimDisk => {
    const disk = new SimDisk();
    disk.put(BOX, ['a', 'b', 'c', 'd'].map((id) => message(id)).join(''));
    disk.putFolder('/home/lee');
    return disk;
  };
  const contextOn = (disk: SimDisk): MailboxContext => ({
    disk,
    locker: { lock: async () => ({ release: () => {} }) },
    stateDir: '/home/lee/state',
    stateDirsOf: () => [],
    now: () => 1_767_268_800_000,
    notify: () => {},
  });
  const open = (disk: SimDisk): Promise<Mailbox> => openMailbox(contextOn(disk), { kind: 'mbox', path: BOX });
  const there = async (disk: SimDisk): Promise<string> => {
    if (disk.stat(BOX) === undefined) return '';
    const box = await open(disk);
    const found = subjects(box).sort().join(' ');
    box.close();
    return found;
  };

  it('whenever the power goes, every message is in the mailbox or can be brought back', async () => {
    const disk = world();
    const crashes = await crashesOf(disk, async () => {
      const box = await open(disk);
      await takeOut(contextOn(disk), box, deleted(1, 2));
      box.close();
    });
    expect(crashes.length).toBeGreaterThan(10);
    for (const { disk: left, operation } of crashes) {
      const found = await there(left);
      expect(['a b c d', 'a d'], operation.text).toContain(found);
      const entries = listUndo(contextOn(left));
      if (found === 'a d') expect(entries, operation.text).toHaveLength(1);
      if (entries.length === 0) continue;
      await restoreUndo(contextOn(left), openMailbox);
      expect(await there(left), operation.text).toBe('a b c d');
    }
  });

  it('whenever the power goes while they are brought back, none is lost and none comes twice', async () => {
    const disk = world();
    const box = await open(disk);
    await takeOut(contextOn(disk), box, deleted(1, 2));
    box.close();
    const crashes = await crashesOf(disk, async () => {
      await restoreUndo(contextOn(disk), openMailbox);
    });
    for (const { disk: left, operation } of crashes) {
      const [entry] = listUndo(contextOn(left));
      await restoreUndo(contextOn(left), openMailbox, entry?.id);
      expect(await there(left), operation.text).toBe('a b c d');
    }
  });

  it('says so when it cannot be kept, and leaves no part of it', async () => {
    for (let call = 1; call < 12; call++) {
      for (const code of ['ENOSPC', 'EIO'] as const) {
        const disk = world();
        const box = await open(disk);
        const all = [
          { slot: 0, uid: box.info(0).uid, flags: 0, received: 0, why: 'deleted' as const, ...box.stored(0) },
        ];
        disk.failure = { call: disk.calls + call, code };
        const { id, note } = keepForUndo(contextOn(disk), box.location, all);
        disk.failure = undefined;
        box.close();
        if (id !== undefined) expect(listUndo(contextOn(disk))).toHaveLength(1);
        else {
          expect(note).toMatch(/cannot be brought back by undo$/);
          expect(listUndo(contextOn(disk))).toHaveLength(0);
        }
      }
    }
  });

  it('what is damaged is not offered', async () => {
    const disk = world();
    const box = await open(disk);
    await takeOut(contextOn(disk), box, deleted(1, 2));
    box.close();
    const path = disk.paths().find((name) => name.startsWith('/home/lee/state/undo/')) ?? '';
    const text = disk.text(path) ?? '';
    for (let cut = 0; cut < text.length; cut += 7) {
      disk.put(path, text.slice(0, cut));
      expect(listUndo(contextOn(disk)), String(cut)).toEqual([]);
    }
    disk.put(path, text.replace('"content":', '"content":9'));
    await expect(restoreUndo(contextOn(disk), openMailbox)).rejects.toThrow(/is damaged/);
    expect(await there(disk)).toBe('a d');
  });
});
