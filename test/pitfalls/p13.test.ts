// P13: opening the second draft shows the first, and overwrites it.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { listDrafts, newDraftPath, saveDraft } from '../../src/session/drafts.ts';
import { draftLetter, EMPTY_LETTER } from '../../src/session/letter.ts';
import { continueDraft } from '../../src/session/resume.ts';
import { desk, INTERRUPT, newFolder, settings } from '../session/letters.ts';

const LETTER = draftLetter({ ...EMPTY_LETTER, to: [{ name: '', address: 'bob@example.net' }] }, Buffer.of());

test('three drafts, the second edited twice, stay three', async () => {
  const home = newFolder();
  const state = join(home, 'state');
  const paths = ['one', 'two', 'three'].map((subject, i) => {
    const path = newDraftPath(realDisk, state, i * 1000);
    saveDraft(realDisk, path, { ...LETTER, subject, body: Buffer.from(`${subject}\n`) }, i);
    return path;
  });
  for (const text of ['first edit', 'second edit']) {
    // The terminal goes away in the middle of the letter.
    const gone = desk({ home, lines: [text], interactive: true });
    const { io } = gone.services;
    let read = 0;
    const services = {
      ...gone.services,
      io: {
        ...io,
        readLine: async (prompt: string) => {
          if (read++ > 0) throw new Error('the power failed');
          return io.readLine(prompt);
        },
      },
    };
    await expect(continueDraft(services, settings(), paths[1] ?? '')).rejects.toThrow('the power failed');
    expect(gone.out.join('\n')).toContain('Subject: two');
  }
  const drafts = listDrafts(realDisk, state).map(({ letter }) => [letter.subject, Buffer.from(letter.body).toString()]);
  expect(drafts).toEqual([
    ['one', 'one\n'],
    ['two', 'two\nfirst edit\nsecond edit\n'],
    ['three', 'three\n'],
  ]);
});

test('giving one up leaves the others', async () => {
  const home = newFolder();
  const state = join(home, 'state');
  const [first] = ['one', 'two'].map((subject) => {
    const path = newDraftPath(realDisk, state, 0);
    saveDraft(realDisk, path, { ...LETTER, subject, body: Buffer.from('text\n') }, 0);
    return path;
  });
  const at = desk({ home, lines: [INTERRUPT, INTERRUPT], interactive: true });
  await continueDraft(at.services, settings(), first ?? '');
  expect(listDrafts(realDisk, state).map(({ letter }) => letter.subject)).toEqual(['two']);
});
