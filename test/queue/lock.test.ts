import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { lockQueue } from '../../src/queue/lock.ts';

const dir = mkdtempSync(join(tmpdir(), 'lock-'));
afterAll(() => rmSync(dir, { recursive: true }));

test('one at a time has the queue', () => {
  const first = lockQueue(realDisk, dir);
  expect(first).toBeDefined();
  expect(lockQueue(realDisk, dir)).toBeUndefined();
  first?.release();
  const second = lockQueue(realDisk, dir);
  expect(second).toBeDefined();
  second?.release();
});
