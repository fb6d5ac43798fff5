import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Disk, realDisk } from '../../src/core/files.ts';
import { type Processes, processesHere } from '../../src/core/processes.ts';
import {
  dotlockContent,
  findDotlock,
  type Here,
  type Holder,
  makeDotlock,
  parseHolder,
  removeDotlock,
  removeStale,
  STALE_AFTER,
  whyStale,
} from '../../src/mailbox/dotlock.ts';

/** A machine that has been up for an hour, with one process: number 100, started ten minutes ago. */
const machine: Processes = {
  bootId: 'this-boot',
  pidNamespace: '4026531836',
  uptime: () => 3600,
  alive: (pid) => pid === 100,
  started: (pid) => (pid === 100 ? 300_000 : undefined),
  name: () => 'mutt',
};
const here: Here = { hostname: 'box.example.org', processes: machine };
const exact = { boot: 'this-boot', namespace: '4026531836', started: 300_000 };
const own = (change: Partial<Holder>): Holder => ({ pid: 100, host: 'box.example.org', exact, ...change });

describe('parseHolder', () => {
  const cases: [string, string, Holder][] = [
    ['a number', '123', { pid: 123 }],
    ['a number and a line end', '123\n', { pid: 123 }],
    ['blanks in front, as printf %10d writes', '       123\n', { pid: 123 }],
    ['number and host, as dovecot writes', '123:box', { pid: 123, host: 'box' }],
    ['nothing', '', {}],
    ['the 0 of procmail', '0', {}],
    ['words', 'locked by ann\n', {}],
    ['a number that no process has', '99999999999', {}],
    ['NUL behind the number', '123\0\0', { pid: 123 }],
    [
      'our own form',
      '123\ntmail h b n 77\n',
      { pid: 123, host: 'h', exact: { boot: 'b', namespace: 'n', started: 77 } },
    ],
    ['our own form cut short', '123\ntmail h b', { pid: 123 }],
  ];
  it.each(cases)('reads %s', (_, content, holder) => expect(parseHolder(content)).toEqual(holder));

  it('reads what this program writes', () => {
    const processes = processesHere();
    const started = processes.started(process.pid);
    const holder = parseHolder(dotlockContent({ hostname: 'box.example.org', processes }));
    expect(holder).toMatchObject({ pid: process.pid, host: 'box.example.org', exact: { started } });
    expect(Number.parseInt(dotlockContent({ hostname: 'x', processes }), 10)).toBe(process.pid);
  });

  it('never throws, and finds no process number out of range', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (content) => {
        const { pid } = parseHolder(content);
        expect(pid === undefined || (pid > 0 && pid < 2 ** 31)).toBe(true);
      }),
    );
  });
});

describe('whyStale', () => {
  const young = 1;
  const old = STALE_AFTER + 1;
  const gone = 'its process is gone';
  const unknown = 'nobody knows its process';
  const cases: [string, Holder, number, string | undefined][] = [
    ['young, no process number', {}, young, undefined],
    ['old, no process number', {}, old, unknown],
    ['from the future, no process number', {}, -1e6, unknown],
    ['old, process lives', { pid: 100 }, old, undefined],
    ['young, process gone, but perhaps of another machine', { pid: 5 }, young, undefined],
    ['old, process gone', { pid: 5 }, old, gone],
    ['older than the process that has its number now', { pid: 100 }, 1200, gone],
    ['old, dovecot on this host, process lives', { pid: 100, host: 'box' }, old, undefined],
    ['young, on another host', { pid: 5, host: 'other' }, young, undefined],
    ['old, on another host, where that number may live', { pid: 100, host: 'other' }, old, unknown],
    ['own, process lives', own({}), old, undefined],
    ['own, process gone', own({ pid: 5 }), young, gone],
    ['own, number used again', own({ exact: { ...exact, started: 299_000 } }), young, gone],
    ['own, from before the machine was started', own({ exact: { ...exact, boot: 'old' } }), 3700, gone],
    ['own, a namesake of this host, lock of now', own({ exact: { ...exact, boot: 'other' } }), young, undefined],
    ['own, in another container', own({ pid: 5, exact: { ...exact, namespace: '1' } }), young, undefined],
    ['own, in another container, old', own({ pid: 5, exact: { ...exact, namespace: '1' } }), old, unknown],
    ['own, on another host', own({ pid: 5, host: 'other' }), young, undefined],
  ];
  it.each(cases)('%s', (_, holder, age, why) => expect(whyStale(holder, age, here)).toBe(why));

  it('respects a lock that was touched when its process lived already, however old its time is', () => {
    expect(whyStale({ pid: 100 }, 1200, here, 1)).toBeUndefined();
    expect(whyStale({ pid: 5 }, 1200, here, 1)).toBe(gone);
  });
});

describe('on disk', () => {
  let folder: string;
  let lock: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dotlock-'));
    lock = join(folder, 'ann.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function leave(content: string, ageSeconds: number): void {
    writeFileSync(lock, content);
    const time = Date.now() / 1000 - ageSeconds;
    utimesSync(lock, time, time);
  }

  it('is made once, and leaves nothing else in the folder', () => {
    const made = makeDotlock(realDisk, lock, '12\n');
    expect(made.kind).toBe('made');
    expect(makeDotlock(realDisk, lock, '13\n').kind).toBe('exists');
    expect(readdirSync(folder)).toEqual(['ann.lock']);
    expect(readFileSync(lock, 'utf8')).toBe('12\n');
    if (made.kind === 'made') expect(removeDotlock(realDisk, lock, made.stat)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is made where the answer of link is lost, as on NFS', () => {
    const disk: Disk = {
      ...realDisk,
      link(from, to) {
        realDisk.link(from, to);
        throw Object.assign(new Error('link'), { code: 'EEXIST' });
      },
    };
    expect(makeDotlock(disk, lock, '12\n').kind).toBe('made');
  });

  it('is made where there are no links', () => {
    const disk: Disk = {
      ...realDisk,
      link() {
        throw Object.assign(new Error('link'), { code: 'EPERM' });
      },
    };
    expect(makeDotlock(disk, lock, '12\n').kind).toBe('made');
    expect(makeDotlock(disk, lock, '12\n').kind).toBe('exists');
    expect(readdirSync(folder)).toEqual(['ann.lock']);
  });

  it('is made empty on a full disk', () => {
    const disk: Disk = {
      ...realDisk,
      write() {
        throw Object.assign(new Error('write'), { code: 'ENOSPC' });
      },
    };
    expect(makeDotlock(disk, lock, '12\n').kind).toBe('made');
    expect(readFileSync(lock, 'utf8')).toBe('');
  });

  it('is not removed when somebody else has it now', () => {
    const made = makeDotlock(realDisk, lock, '12\n');
    rmSync(lock);
    writeFileSync(join(folder, 'keeps the inode from coming back'), '');
    writeFileSync(lock, '13\n');
    if (made.kind === 'made') expect(removeDotlock(realDisk, lock, made.stat)).toBe(false);
    expect(readFileSync(lock, 'utf8')).toBe('13\n');
  });

  it('goes when it is stale', () => {
    leave('', 3600);
    const found = findDotlock(realDisk, lock);
    expect(found && removeStale(realDisk, lock, found, here)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes when another program was faster', () => {
    leave('', 3600);
    const found = findDotlock(realDisk, lock);
    rmSync(lock);
    expect(found && removeStale(realDisk, lock, found, here)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is put back when it became another between looking and renaming', () => {
    leave('', 3600);
    const found = findDotlock(realDisk, lock);
    const disk: Disk = {
      ...realDisk,
      rename(from, to) {
        rmSync(lock);
        writeFileSync(lock, '77\n');
        realDisk.rename(from, to);
      },
    };
    expect(found && removeStale(disk, lock, found, here)).toBe(false);
    expect(readFileSync(lock, 'utf8')).toBe('77\n');
    expect(readdirSync(folder)).toEqual(['ann.lock']);
  });

  it('stays when it is young by the clock of its file system', () => {
    leave('', 0);
    const found = findDotlock(realDisk, lock);
    expect(found && removeStale(realDisk, lock, found, here)).toBe(false);
    expect(readdirSync(folder)).toEqual(['ann.lock']);
  });

  it('is no folder of that name', () => {
    realDisk.mkdir(lock, 0o700);
    utimesSync(lock, 0, 0);
    const found = findDotlock(realDisk, lock);
    expect(found && removeStale(realDisk, lock, found, here)).toBe(false);
    expect(readdirSync(folder)).toEqual(['ann.lock']);
  });
});
