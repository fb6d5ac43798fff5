/** Crashes at every file operation while letters are kept: drafts, dead.letter, the submit queue. */
import { expect, test } from 'vitest';
import { listSubmit, readSubmit, writeSubmit } from '../../src/queue/submit.ts';
import {
  type DraftLetter,
  keepDeadLetter,
  listDrafts,
  newDraftPath,
  readDraft,
  saveDraft,
} from '../../src/session/drafts.ts';
import { draftLetter, EMPTY_LETTER } from '../../src/session/letter.ts';
import { crashesOf, SimDisk } from '../core/sim-disk.ts';

const STATE = '/home/lee/.local/state/tmail';

function letter(text: string): DraftLetter {
  return draftLetter(EMPTY_LETTER, Buffer.from(text));
}

const LONG = 'a line of the letter\n'.repeat(600);

test('a draft is the last one that was saved, or the one before; others are as they were', async () => {
  const disk = new SimDisk();
  disk.putFolder('/home/lee');
  const first = newDraftPath(disk, STATE, 0);
  saveDraft(disk, first, letter('first'), 0);
  const second = newDraftPath(disk, STATE, 1000);
  saveDraft(disk, second, letter('one\n'), 0);
  const allowed: string[] = ['one\n'];
  let saved = 'one\n';
  const at: { allowed: readonly string[] }[] = [];
  const crashes = await crashesOf(disk, () => {
    const collect = disk.after;
    disk.after = (operation) => {
      collect?.(operation);
      at[operation.number] = { allowed: [...allowed] };
    };
    for (const text of [`one\n${LONG}`, `one\n${LONG}three\n`]) {
      allowed.splice(0, allowed.length, saved, text);
      saveDraft(disk, second, letter(text), 0);
      saved = text;
      allowed.splice(0, allowed.length, saved);
    }
  });
  expect(crashes.length).toBeGreaterThan(10);
  for (const { disk: left, operation } of crashes) {
    expect(Buffer.from(readDraft(left, first)?.letter.body ?? []).toString()).toBe('first');
    const body = Buffer.from(readDraft(left, second)?.letter.body ?? []).toString();
    expect(at[operation.number]?.allowed ?? ['one\n']).toContain(body);
    expect(listDrafts(left, STATE)).toHaveLength(2);
  }
});

test('the first draft is there once it was saved, with its folders', async () => {
  const disk = new SimDisk();
  disk.putFolder('/home/lee');
  saveDraft(disk, newDraftPath(disk, STATE, 0), letter('text'), 0);
  const left = disk.afterCrash(() => 'lost');
  expect(listDrafts(left, STATE)).toHaveLength(1);
});

test('dead.letter keeps what it had, and has the letter when that was said', async () => {
  const disk = new SimDisk();
  disk.put('/home/lee/dead.letter', 'older\n');
  const where = { dead: '/home/lee/dead.letter', stateDir: () => STATE, draft: undefined, now: 0 };
  const crashes = await crashesOf(disk, () => void keepDeadLetter(disk, letter(LONG), where));
  for (const { disk: left } of crashes) expect(left.text('/home/lee/dead.letter')).toMatch(/^older\n/);
  expect(disk.afterCrash(() => 'lost').text('/home/lee/dead.letter')).toBe(`older\n\n${LONG}`);
});

test('a submitted message is whole or not there; it is there once that was said', async () => {
  const disk = new SimDisk();
  disk.putFolder('/var/spool');
  const dir = '/var/spool/tmail/submit';
  const message = Buffer.from(LONG);
  const envelope = { from: 'lee@host.example', recipients: ['bob@example.net'] };
  const crashes = await crashesOf(disk, () => {
    for (let i = 0; i < 3; i++) writeSubmit(disk, dir, envelope, message, i * 60_000);
  });
  for (const { disk: left } of crashes) {
    for (const id of listSubmit(left, dir)) {
      const entry = readSubmit(left, dir, id);
      expect(entry?.header.recipients).toEqual(['bob@example.net']);
      expect(Buffer.from(entry?.message ?? []).equals(message)).toBe(true);
    }
  }
  expect(
    listSubmit(
      disk.afterCrash(() => 'lost'),
      dir,
    ),
  ).toHaveLength(3);
});

test('a failing disk: every operation in turn, nothing half is left under a name that counts', () => {
  for (let call = 1; call < 12; call++) {
    const disk = new SimDisk();
    disk.putFolder('/home/lee');
    const path = newDraftPath(disk, STATE, 0);
    saveDraft(disk, path, letter('before'), 0);
    disk.failure = { call, code: 'ENOSPC' };
    try {
      saveDraft(disk, path, letter(LONG), 0);
    } catch {
      // Told to the user; the draft is what it was.
    }
    disk.failure = undefined;
    expect(['before', LONG]).toContain(Buffer.from(readDraft(disk, path)?.letter.body ?? []).toString());
  }
});
