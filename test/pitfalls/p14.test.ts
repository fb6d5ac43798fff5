// P14: the path for the copy is worked out half-way, and the copy lands under another name in the working directory.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runMail } from '../../src/session/send.ts';
import { desk, sessionAt, settings } from '../session/letters.ts';

test('what changes the settings while the letter is on its way does not move its copy', async () => {
  const at = desk({
    lines: ['text', '~.'],
    outbox: async () => {
      mkdirSync(join(at.home, 'other'));
      context.session = { ...context.session, settings: settings('record=garbage outfolder folder=~/other') };
      return { note: '' };
    },
  });
  mkdirSync(join(at.home, 'mail'));
  const context = sessionAt(at, ['Subject: x\n\n'], settings('record=sent outfolder folder=~/mail'));
  const here = readdirSync('.');
  await runMail(context, 'bob@example.net');
  expect(readFileSync(join(at.home, 'mail/sent'), 'utf8')).toContain('\n\ntext\n');
  expect(readdirSync(join(at.home, 'other'))).toEqual([]);
  expect(readdirSync('.')).toEqual(here);
});

test('a copy whose place cannot be known sends nothing', async () => {
  const at = desk({ lines: ['text', '~.'] });
  const context = sessionAt(at, ['Subject: x\n\n'], settings('record=+sent'));
  await runMail(context, 'bob@example.net');
  expect([at.sent, existsSync('+sent'), context.failed]).toEqual([[], false, true]);
});
