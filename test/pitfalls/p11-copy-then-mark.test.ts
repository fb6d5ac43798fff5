/** P11: a message is marked saved when its copy is safe, not before; crashes on the way are in quit-crash.test.ts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { type Disk, realDisk } from '../../src/core/files.ts';
import { openPlace } from '../../src/session/folder.ts';
import type { Services } from '../../src/session/io.ts';
import { planQuit } from '../../src/session/quit.ts';
import { execute, newContext } from '../../src/session/run.ts';
import { hasMark, Mark, newSession } from '../../src/session/session.ts';
import { desk, newFolder } from '../session/letters.ts';

async function sessionOn(disk: Disk) {
  const home = newFolder();
  const spool = join(home, 'spool', 'lee');
  mkdirSync(dirname(spool));
  writeFileSync(spool, 'From ann Mon Mar  2 12:00:00 2026\nSubject: a\n\ntext\n\n');
  const base = desk({ home, env: { MAIL: spool } });
  const services: Services = { ...base.services, disk, mailbox: { ...base.services.mailbox, disk } };
  const context = newContext(services, { escapes: false, sending: false });
  const box = await openPlace(context, { path: spool, system: true, user: 'lee' });
  context.session = newSession(box, { system: true, name: spool, settings: context.session.settings });
  return { context, home, err: base.err };
}

const FULL: Disk = {
  ...realDisk,
  write: () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  },
};
/** Says yes and keeps nothing. */
const LYING: Disk = { ...realDisk, write: () => {} };

test.each([
  ['s', FULL],
  ['w', FULL],
  ['s', LYING],
])('%s on a disk that fails marks nothing', async (command, disk) => {
  const { context, home, err } = await sessionOn(disk);
  await execute(context, `${command} 1 ${home}/kept`);
  expect(err).toHaveLength(1);
  expect(hasMark(context.session, 0, Mark.saved)).toBe(false);
  expect(planQuit(context.session).gone).toEqual([]);
  context.session.box.close();
});

test('a copy that is safe is marked', async () => {
  const { context, home, err } = await sessionOn(realDisk);
  await execute(context, `s 1 ${home}/kept`);
  expect(err).toEqual([]);
  expect(hasMark(context.session, 0, Mark.saved)).toBe(true);
  context.session.box.close();
});
