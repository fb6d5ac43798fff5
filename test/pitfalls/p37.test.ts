// P37: dead.letter appears where nobody wants it, or nowhere at all.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MailError } from '../../src/core/errors.ts';
import { realDisk } from '../../src/core/files.ts';
import { listDrafts } from '../../src/session/drafts.ts';
import { desk, newFolder, send, settings } from '../session/letters.ts';

const failing = async () => {
  throw new MailError('the mail program failed', { temporary: true });
};

test('a job whose home folder cannot be written keeps its letter as a draft, and says where, once', async () => {
  const state = newFolder();
  const base = desk({ lines: ['report', 'of the night'], outbox: failing });
  const services = {
    ...base.services,
    user: { ...base.services.user, home: '/proc/nohome' },
    mailbox: { ...base.services.mailbox, stateDir: state },
  };
  const here = readdirSync('.');
  expect(await send({ ...base, services }, { to: ['ann@a.test'], subject: 'nightly' })).toBe(75);
  const [draft] = listDrafts(realDisk, state);
  expect([draft?.letter.subject, Buffer.from(draft?.letter.body ?? []).toString()]).toEqual([
    'nightly',
    'report\nof the night\n',
  ]);
  expect(base.err).toEqual(['the mail program failed', `The letter is kept in ${draft?.path}`]);
  expect(readdirSync('.')).toEqual(here);
});

test('no state folder either: a file for temporary files', async () => {
  const base = desk({ lines: ['report'], outbox: failing });
  const mailbox = {
    ...base.services.mailbox,
    get stateDir(): string {
      throw new MailError('no folder for state', { temporary: false });
    },
  };
  const services = { ...base.services, user: { ...base.services.user, home: '/proc/nohome' }, mailbox };
  expect(await send({ ...base, services })).toBe(75);
  const path = /kept in (.*)/.exec(base.err[1] ?? '')?.[1] ?? '';
  const left = realDisk.stat(path);
  expect([left?.kind, left?.mode]).toEqual(['file', 0o600]);
  realDisk.unlink(path);
});

test('a home folder that can be written gets it', async () => {
  const at = desk({ lines: ['report'], outbox: failing });
  await send(at, {}, settings());
  expect(at.err[1]).toBe(`The letter is kept in ${join(at.home, 'dead.letter')}`);
});
