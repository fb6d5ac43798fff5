import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MailError } from '../../src/core/errors.ts';
import { type Disk, realDisk } from '../../src/core/files.ts';
import { listSubmit, readSubmit, removeSubmit, type SubmitId, writeSubmit } from '../../src/queue/submit.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'submit-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('what is written is read, byte for byte', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string(), { maxLength: 4 }), fc.uint8Array(), (from, recipients, message) => {
      const id = writeSubmit(realDisk, dir, { from, recipients }, message, 1_772_000_000_000);
      const entry = readSubmit(realDisk, dir, id);
      expect(entry?.header).toEqual({ version: 1, from, recipients, submitted: 1_772_000_000_000 });
      expect(Buffer.from(entry?.message ?? []).equals(Buffer.from(message))).toBe(true);
      expect(entry?.owner).toBe(process.geteuid?.());
    }),
    { numRuns: 50 },
  );
});

test('lists oldest first, and nothing that is half written or of others', () => {
  const envelope = { from: 'lee', recipients: ['bob'] };
  const ids = [3, 1, 2].map((n) =>
    writeSubmit(realDisk, dir, envelope, Buffer.from('x'), 1_772_000_000_000 + n * 60_000),
  );
  writeFileSync(join(dir, `.${ids[0]}.new`), 'half');
  writeFileSync(join(dir, 'README'), 'not ours');
  expect(listSubmit(realDisk, dir)).toEqual([ids[1], ids[2], ids[0]]);
  removeSubmit(realDisk, dir, ids[1] as SubmitId);
  expect(listSubmit(realDisk, dir)).toEqual([ids[2], ids[0]]);
  expect(listSubmit(realDisk, join(dir, 'nowhere'))).toEqual([]);
});

test('files are for their owner only; a missing folder is made', () => {
  const inner = join(dir, 'a/b');
  const id = writeSubmit(realDisk, inner, { from: '', recipients: ['bob'] }, Buffer.from('x'), 0);
  expect(statSync(join(inner, id)).mode & 0o777).toBe(0o600);
  expect(statSync(inner).mode & 0o777).toBe(0o700);
});

test('a folder that gives files its group lets that group read them, whatever the umask', () => {
  const shared = join(dir, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o3733);
  const id = writeSubmit(realDisk, shared, { from: '', recipients: ['bob'] }, Buffer.from('x'), 0);
  expect(statSync(join(shared, id)).mode & 0o777).toBe(0o640);
});

test.each([
  '',
  'no line end',
  '[]\nx',
  '{"version":2}\nx',
  '{"version":1,"from":"a","recipients":[1],"submitted":1}\nx',
])('a damaged entry is named: %j', (content) => {
  const id = '000000000-0123456789ab' as SubmitId;
  writeFileSync(join(dir, id), content);
  expect(() => readSubmit(realDisk, dir, id)).toThrow(MailError);
  expect(() => readSubmit(realDisk, dir, id)).toThrow(join(dir, id));
});

test('an error at any operation leaves nothing behind that could be taken for a message', () => {
  const names = ['open', 'write', 'sync', 'rename', 'syncDir'] as const;
  for (const name of names) {
    const failing: Disk = {
      ...realDisk,
      [name]: () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    };
    const attempt = () => writeSubmit(failing, dir, { from: 'lee', recipients: ['bob'] }, Buffer.from('x'), 0);
    expect(attempt).toThrow('no space');
    expect(readdirSync(dir)).toEqual([]);
  }
});

test('where the folder cannot be opened to be synced, the file is synced under its new name', () => {
  const calls: string[] = [];
  const blind: Disk = {
    ...realDisk,
    sync(fd) {
      calls.push('sync');
      realDisk.sync(fd);
    },
    rename(from, to) {
      calls.push('rename');
      realDisk.rename(from, to);
    },
    syncDir() {
      throw Object.assign(new Error('not readable'), { code: 'EACCES' });
    },
  };
  writeSubmit(blind, dir, { from: 'lee', recipients: ['bob'] }, Buffer.from('x'), 0);
  expect(calls).toEqual(['sync', 'rename', 'sync']);
});
