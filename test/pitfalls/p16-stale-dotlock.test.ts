/** P16: a dotlock left by a crash blocked delivery for days. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { createLocker } from '../../src/mailbox/lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p16-'));
  writeFileSync(join(folder, 'ann'), '');
});
afterEach(() => rmSync(folder, { recursive: true }));

const dead = () => spawnSync('true').pid;
const DAYS = 86_400;

it.each([
  ['of a process that is gone', () => `${dead()}\n`, 3 * DAYS],
  ['of nobody', () => '', 3 * DAYS],
  ['of procmail', () => '0', 400],
  ['of dovecot, which is gone', () => `${dead()}:box`, 400],
  [
    'of this program, before the machine was started again',
    () => '1\ntmail box.example.org another-boot - 7\n',
    3000 * DAYS,
  ],
])('a lock %s does not keep mail away, and its removal is told', async (_, content, age) => {
  const box = join(folder, 'ann');
  writeFileSync(`${box}.lock`, content());
  const time = Date.now() / 1000 - age;
  utimesSync(`${box}.lock`, time, time);

  const notes: string[] = [];
  const sleep = () => Promise.reject(new Error('waits'));
  const notify = (text: string) => notes.push(text);
  const locker = createLocker({ disk: realDisk, hostname: 'box.example.org', now: Date.now, notify, sleep });
  const fd = realDisk.open(box, 'write');
  (await locker.lock(box, fd, 'write')).release();
  realDisk.close(fd);

  expect(notes).toEqual([expect.stringContaining(`removed the stale lock ${box}.lock`)]);
  expect(readdirSync(folder)).toEqual(['ann']);
});
