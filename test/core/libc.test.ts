import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RecordLocks, recordLocks, whyNoLibc } from '../../src/core/libc.ts';

describe('record locks', () => {
  let folder: string;
  let fds: number[];
  let locks: RecordLocks;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'libc-'));
    fds = [];
    const found = recordLocks();
    if (found === undefined) throw new Error(whyNoLibc());
    locks = found;
  });
  afterEach(() => {
    for (const fd of fds) closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  function open(flags: string): number {
    const fd = openSync(join(folder, 'file'), flags);
    fds.push(fd);
    return fd;
  }

  it('keep two descriptors of one process apart', () => {
    const [a, b] = [open('w+'), open('r+')];
    expect(locks.tryLock(a, 'write')).toBe('locked');
    expect(locks.tryLock(b, 'write')).toBe('held');
    expect(locks.tryLock(b, 'read')).toBe('held');
    locks.unlock(a);
    expect(locks.tryLock(b, 'write')).toBe('locked');
  });

  it('are shared by readers, not by a writer', () => {
    const [a, b, c] = [open('w+'), open('r'), open('r')];
    expect(locks.tryLock(b, 'read')).toBe('locked');
    expect(locks.tryLock(c, 'read')).toBe('locked');
    expect(locks.tryLock(a, 'write')).toBe('held');
  });

  it('change from one kind to the other', () => {
    const [a, b] = [open('w+'), open('r')];
    expect(locks.tryLock(a, 'write')).toBe('locked');
    expect(locks.tryLock(a, 'read')).toBe('locked');
    expect(locks.tryLock(b, 'read')).toBe('locked');
  });

  it('end with their descriptor, and with no other', () => {
    const [a, b, c] = [openSync(join(folder, 'file'), 'w+'), openSync(join(folder, 'file'), 'r'), open('r+')];
    expect(locks.tryLock(a, 'write')).toBe('locked');
    closeSync(b);
    expect(locks.tryLock(c, 'write')).toBe('held');
    closeSync(a);
    expect(locks.tryLock(c, 'write')).toBe('locked');
  });

  it('need a descriptor that can write, for writing', () => {
    open('w');
    const fd = open('r');
    expect(() => locks.tryLock(fd, 'write')).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it('have no holder that can be named when nobody or we hold them', () => {
    const [a, b] = [open('w+'), open('r+')];
    expect(locks.holder(a)).toBeUndefined();
    locks.tryLock(a, 'write');
    expect(locks.holder(b)).toBeUndefined();
  });
});
