/** The simulated disk: as a disk when nothing happens, and as strict as POSIX allows when it stops. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type Disk, readWhole, realDisk, replaceFile } from '../../src/core/files.ts';
import { crashesOf, crashStates, randomFrom, SimDisk } from './sim-disk.ts';

const top = mkdtempSync(join(tmpdir(), 'sim-disk-'));
afterAll(() => rmSync(top, { recursive: true }));

type Op =
  | { kind: 'write'; at: number; text: string }
  | { kind: 'truncate'; size: number }
  | { kind: 'rename' | 'sync' };
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), at: fc.nat(60), text: fc.string({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('truncate' as const), size: fc.nat(80) }),
  fc.record({ kind: fc.constantFrom('rename' as const, 'sync' as const) }),
);

function play(disk: Disk, folder: string, ops: readonly Op[]): string {
  let name = join(folder, 'a');
  const fd = disk.open(name, 'create');
  disk.truncate(fd, 0);
  for (const one of ops) {
    if (one.kind === 'write') disk.write(fd, Buffer.from(one.text), one.at);
    else if (one.kind === 'truncate') disk.truncate(fd, one.size);
    else if (one.kind === 'sync') disk.sync(fd);
    else {
      const next = join(folder, name.endsWith('a') ? 'b' : 'a');
      disk.rename(name, next);
      name = next;
    }
  }
  disk.close(fd);
  const text = Buffer.from(readWhole(disk, name) ?? []).toString('latin1');
  return `${name.slice(folder.length)} ${disk.list(folder).sort()} ${text}`;
}

/** Texts of a file after a crash, '-' where it is not there. */
function textsOf(disk: SimDisk, path: string): Set<string> {
  return new Set(crashStates(disk, randomFrom(1), 40).map((state) => state.text(path) ?? '-'));
}

it('does what the disk of the machine does', () => {
  let round = 0;
  fc.assert(
    fc.property(fc.array(op, { maxLength: 12 }), (ops) => {
      const folder = join(top, String(round++));
      realDisk.mkdir(folder, 0o700);
      const disk = new SimDisk();
      disk.putFolder('/x');
      expect(play(disk, '/x', ops)).toBe(play(realDisk, folder, ops));
    }),
    { numRuns: 150 },
  );
});

it('answers with the errors of the system', () => {
  const disk = new SimDisk();
  disk.put('/x/a', 'a');
  const codes = [
    () => disk.open('/x/no', 'read'),
    () => disk.open('/no/b', 'create'),
    () => disk.open('/x/a', 'exclusive'),
    () => disk.open('/x', 'write'),
    () => disk.link('/x/a', '/x/a'),
    () => disk.unlink('/x/no'),
    () => disk.close(99),
  ].map((work) => {
    try {
      work();
      return '';
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : '?';
    }
  });
  expect(codes).toEqual(['ENOENT', 'ENOENT', 'EEXIST', 'EISDIR', 'EEXIST', 'ENOENT', 'EBADF']);
});

describe('after a crash', () => {
  const world = (text: string): [SimDisk, number] => {
    const disk = new SimDisk();
    disk.put('/x/a', text);
    return [disk, disk.open('/x/a', 'write')];
  };

  it('a write may be lost, there or torn until it is synced', () => {
    const [disk, fd] = world('....');
    disk.write(fd, Buffer.from('abcd'), 0);
    const texts = textsOf(disk, '/x/a');
    for (const text of ['....', 'abcd', 'a...', 'abc.']) expect(texts).toContain(text);
    disk.sync(fd);
    expect(textsOf(disk, '/x/a')).toEqual(new Set(['abcd']));
  });

  it('a later write may be there without an earlier one', () => {
    const [disk, fd] = world('....');
    disk.write(fd, Buffer.from('a'), 0);
    disk.write(fd, Buffer.from('b'), 3);
    expect(textsOf(disk, '/x/a')).toEqual(new Set(['....', 'a...', '...b', 'a..b']));
  });

  it('a file that grew may be longer without its data, or shorter with it', () => {
    const [disk, fd] = world('ab');
    disk.write(fd, Buffer.from('cd'), 2);
    const texts = textsOf(disk, '/x/a');
    for (const text of ['ab', 'abcd', 'ab\0\0', 'abc', 'abc\0', 'ab\0d']) expect(texts).toContain(text);
    for (const text of texts) expect(text).toMatch(/^ab(?:[c\0][d\0]?)?$/);
  });

  it('a length set by truncate is the old one or the new one, and what was cut does not come back', () => {
    const [disk, fd] = world('abcd');
    disk.truncate(fd, 1);
    disk.truncate(fd, 3);
    expect(textsOf(disk, '/x/a')).toEqual(new Set(['abcd', 'a', 'a\0\0', 'abc']));
  });

  it('a name is durable with its folder, not with its file', () => {
    const disk = new SimDisk();
    disk.putFolder('/x');
    const fd = disk.open('/x/a', 'create');
    disk.write(fd, Buffer.from('abc'), 0);
    disk.sync(fd);
    expect(textsOf(disk, '/x/a')).toEqual(new Set(['-', 'abc']));
    disk.syncDir('/x');
    expect(textsOf(disk, '/x/a')).toEqual(new Set(['abc']));
    disk.rename('/x/a', '/x/b');
    for (const state of crashStates(disk, randomFrom(1)))
      expect([state.text('/x/a'), state.text('/x/b')].sort()).toEqual(['abc', undefined]);
  });

  it('a folder that is lost takes what is in it with it', () => {
    const disk = new SimDisk();
    disk.mkdir('/x/y', 0o700);
    disk.close(disk.open('/x/y/a', 'create'));
    disk.syncDir('/x/y');
    expect(disk.afterCrash(() => 'lost').paths()).toEqual(['/']);
    expect(disk.afterCrash(() => 'done').paths()).toEqual(['/', '/x', '/x/y', '/x/y/a']);
  });

  it('replaceFile leaves the old file or the new one', async () => {
    const disk = new SimDisk();
    disk.put('/x/a', 'old');
    const crashes = await crashesOf(disk, () => replaceFile(disk, '/x/a', Buffer.from('quite new')));
    expect(new Set(crashes.map((crash) => crash.disk.text('/x/a')))).toEqual(new Set(['old', 'quite new']));
    expect(textsOf(disk, '/x/a')).toEqual(new Set(['quite new']));
  });
});

it('fails the calls it is told to, with half of a write done', () => {
  const disk = new SimDisk();
  disk.put('/x/a', '');
  const fd = disk.open('/x/a', 'write');
  disk.failure = { call: disk.calls + 2, code: 'ENOSPC' };
  disk.write(fd, Buffer.from('ab'), 0);
  expect(() => disk.write(fd, Buffer.from('cdef'), 2)).toThrow('ENOSPC');
  expect(disk.text('/x/a')).toBe('abcd');
  disk.sync(fd);
  disk.failure = undefined;
  disk.capacity = 4096;
  disk.write(fd, Buffer.from('ef'), 4);
  expect(() => disk.write(fd, Buffer.from('x'), 5000)).toThrow('ENOSPC');
});
