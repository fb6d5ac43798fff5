import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MailError } from '../../src/core/errors.ts';
import { type Disk, realDisk } from '../../src/core/files.ts';
import { type RecordLocks, recordLocks } from '../../src/core/libc.ts';
import { createLocker, type LockerOptions, MovedError } from '../../src/mailbox/lock.ts';
import type { Locker } from '../../src/mailbox/mailbox.ts';
import { bundle, needs, start } from '../peers.ts';

let programs: string;
let child: string;
beforeAll(async () => {
  programs = mkdtempSync(join(tmpdir(), 'lock-child-'));
  child = join(programs, 'child.mjs');
  await bundle(join(import.meta.dirname, 'lock-child.ts'), child);
});
afterAll(() => rmSync(programs, { recursive: true }));

let folder: string;
let box: string;
let fd: number;
let notes: string[];
/** What runs when a locker waits the n-th time; nothing really waits. */
let whenWaiting: Array<() => void | Promise<void>>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  box = join(folder, 'ann');
  writeFileSync(box, '');
  fd = openSync(box, 'r+');
  notes = [];
  whenWaiting = [];
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

function locker(change: Partial<LockerOptions> = {}): Locker {
  return createLocker({
    disk: realDisk,
    hostname: 'box.example.org',
    now: Date.now,
    notify: (text) => notes.push(text),
    sleep: async () => whenWaiting.shift()?.(),
    ...change,
  });
}

function leaveDotlock(content: string, ageSeconds: number): void {
  writeFileSync(`${box}.lock`, content);
  const time = Date.now() / 1000 - ageSeconds;
  utimesSync(`${box}.lock`, time, time);
}

/** The folder of the mailbox cannot be written: as root, too. */
const closedFolder: Disk = {
  ...realDisk,
  open(path, how, mode) {
    if (how === 'exclusive') throw Object.assign(new Error('open'), { code: 'EACCES' });
    return realDisk.open(path, how, mode);
  },
};

/** A process number that was in use a moment ago. */
function deadPid(): number {
  return spawnSync('true').pid;
}

const lockWithPython = `
import fcntl, os, sys
f = open(sys.argv[1], 'r+')
try:
    fcntl.lockf(f, fcntl.LOCK_EX | (0 if sys.argv[2] == 'wait' else fcntl.LOCK_NB))
    print('got', flush=True)
    sys.stdin.read()
except OSError as e:
    print('refused', flush=True)
`;

describe('both locks', () => {
  it('are taken and given back, and nothing stays in the folder', async () => {
    const lock = await locker().lock(box, fd, 'write');
    expect(readdirSync(folder).sort()).toEqual(['ann', 'ann.lock']);
    expect(readFileSync(`${box}.lock`, 'utf8')).toMatch(new RegExp(`^${process.pid}\n`));
    const other = openSync(box, 'r+');
    expect(recordLocks()?.tryLock(other, 'write')).toBe('held');
    expect(recordLocks()?.tryLock(other, 'read')).toBe('held');
    lock.release();
    expect(recordLocks()?.tryLock(other, 'write')).toBe('locked');
    closeSync(other);
    expect(readdirSync(folder)).toEqual(['ann']);
    lock.release();
  });

  it('survive that another descriptor of the file is closed', async (context) => {
    needs(context, 'python3');
    const lock = await locker().lock(box, fd, 'write');
    closeSync(openSync(box, 'r+'));
    const python = start('python3', ['-c', lockWithPython, box, 'try']);
    expect(await python.line()).toBe('refused');
    lock.release();
  });

  it('are had again and again', async () => {
    const ours = locker();
    for (let i = 0; i < 100; i++) (await ours.lock(box, fd, 'write')).release();
    expect(readdirSync(folder)).toEqual(['ann']);
    expect(notes).toEqual([]);
  });

  it('are for the file that the path names', async () => {
    writeFileSync(join(folder, 'new'), 'another file');
    renameSync(join(folder, 'new'), box);
    await expect(locker().lock(box, fd, 'write')).rejects.toBeInstanceOf(MovedError);
    rmSync(box);
    await expect(locker().lock(box, fd, 'write')).rejects.toBeInstanceOf(MovedError);
    expect(readdirSync(folder)).toEqual([]);
    expect(recordLocks()?.tryLock(fd, 'write')).toBe('locked');
  });

  it('queue up within a process, over several lockers', async () => {
    const order: string[] = [];
    const first = await locker().lock(box, fd, 'write');
    const second = openSync(box, 'r+');
    const waiting = locker()
      .lock(box, second, 'write')
      .then((lock) => {
        order.push('second has it');
        lock.release();
      });
    order.push('first gives back');
    first.release();
    await waiting;
    expect(order).toEqual(['first gives back', 'second has it']);
    closeSync(second);
  });

  it('give up on a holder in the same process, and the next in the queue still gets them', async () => {
    const lock = await locker().lock(box, fd, 'write');
    await expect(locker({ timeoutMs: 5 }).lock(box, fd, 'write')).rejects.toThrow(/this program is changing it itself/);
    const next = locker().lock(box, fd, 'write');
    lock.release();
    (await next).release();
  });

  it('are free again when taking them failed', async () => {
    const disk: Disk = {
      ...realDisk,
      open() {
        throw Object.assign(new Error('open'), { code: 'EMFILE' });
      },
    };
    const error = await locker({ disk })
      .lock(box, fd, 'write')
      .catch((caught) => caught);
    expect(error).toBeInstanceOf(MailError);
    expect(error).toMatchObject({ temporary: true });
    (await locker().lock(box, fd, 'write')).release();
  });

  it('keep 4 processes x 200 additions apart', async () => {
    writeFileSync(box, '0');
    const peers = [1, 2, 3, 4].map(() => start('node', [child, 'count', box, '200'], ''));
    for (const peer of peers) expect(await peer.done).toEqual({ status: 0, signal: null });
    expect(readFileSync(box, 'utf8')).toBe('800');
    expect(readdirSync(folder)).toEqual(['ann']);
  });
});

describe('the fcntl lock of another program', () => {
  it('is waited for, and told about after a second', async (context) => {
    needs(context, 'python3');
    const python = start('python3', ['-c', lockWithPython, box, 'wait']);
    expect(await python.line()).toBe('got');
    for (let i = 0; i < 9; i++) whenWaiting.push(() => expect(existsSync(`${box}.lock`)).toBe(false));
    whenWaiting.push(async () => {
      python.end();
      await python.done;
    });
    const lock = await locker({ random: () => 1 }).lock(box, fd, 'write');
    expect(notes).toEqual([
      expect.stringMatching(`^waiting for the fcntl lock on ${box}, held by process ${python.pid}`),
    ]);
    lock.release();
  });

  it('ends in an error that names the process and what to do', async (context) => {
    needs(context, 'python3');
    const python = start('python3', ['-c', lockWithPython, box, 'wait']);
    expect(await python.line()).toBe('got');
    const error = await locker()
      .lock(box, fd, 'read')
      .catch((caught) => caught);
    expect(error).toMatchObject({ temporary: true, name: 'MailError' });
    expect(error.message).toMatch(new RegExp(`within 30 s: the fcntl lock .*process ${python.pid} .*end`));
    python.end();
    await python.done;
  });

  it('may be shared between readers', async () => {
    const other = openSync(box, 'r');
    expect(recordLocks()?.tryLock(other, 'read')).toBe('locked');
    (await locker().lock(box, fd, 'read')).release();
    closeSync(other);
  });
});

describe('a dotlock left behind', () => {
  const removed = [expect.stringMatching(/^removed the stale lock .*ann\.lock/)];
  const cases: [string, () => string, number][] = [
    ['old, without a process number', () => '', 400],
    ['old, its process gone', () => `${deadPid()}\n`, 400],
    ['old, made on another host', () => '1:elsewhere', 400],
    ['from the future', () => '', -100_000],
    ['from before the last start of this machine', () => `1\ntmail box.example.org long-ago - 1\n`, 1e9],
  ];
  it.each(cases)('is taken away when it is %s', async (_, content, age) => {
    leaveDotlock(content(), age);
    (await locker().lock(box, fd, 'write')).release();
    expect(notes).toEqual(removed);
    expect(readdirSync(folder)).toEqual(['ann']);
  });

  it('by a process of ours that was killed is taken away at once', async () => {
    const peer = start('node', [child, 'hold', box]);
    expect(await peer.line()).toBe('held');
    peer.kill('SIGKILL');
    await peer.done;
    expect(existsSync(`${box}.lock`)).toBe(true);
    (await locker().lock(box, fd, 'write')).release();
    expect(notes).toEqual(removed);
  });

  const kept: [string, () => string, number, RegExp][] = [
    ['young and without a process number', () => '', 100, /nobody knows its process: .* stale in 3 min.*rm/],
    ['young, its process gone', () => `${deadPid()}\n`, 10, /its process is gone: .*stale in .*rm/],
    ['old, its process alive', () => `${process.pid}\n`, 100_000, /held by process \d+ .*, 28 h old; end that process/],
    ['young and made on another host', () => '1:elsewhere', 10, /held by process 1 on elsewhere/],
  ];
  it.each(kept)('is respected while it is %s', async (_, content, age, words) => {
    // The test runner is as young as the lock would have to be: its start is put long ago.
    const made = content();
    leaveDotlock(made, age);
    const processes = {
      bootId: 'b',
      pidNamespace: 'n',
      uptime: () => 1e7,
      alive,
      started: () => 0,
      name: () => 'mutt',
    };
    const error = await locker({ processes })
      .lock(box, fd, 'write')
      .catch((caught) => caught);
    expect(error).toMatchObject({ temporary: true });
    expect(error.message).toMatch(words);
    expect(notes).toEqual([expect.stringMatching(/^waiting for .*ann\.lock/)]);
    expect(recordLocks()?.tryLock(fd, 'write')).toBe('locked');
    expect(readFileSync(`${box}.lock`, 'utf8')).toBe(made);
  });

  function alive(pid: number): boolean {
    return pid === process.pid;
  }
});

describe('a folder that cannot be written', () => {
  it('leaves fcntl alone, and that is said once', async () => {
    const ours = locker({ disk: closedFolder, helper: null });
    for (let i = 0; i < 2; i++) (await ours.lock(box, fd, 'write')).release();
    expect(notes).toEqual([`${box}.lock cannot be made (Permission denied): only an fcntl lock protects ${box}`]);
    expect(ours.whyReadOnly?.(box)).toBeUndefined();
  });

  it('is read without a word', async () => {
    (await locker({ disk: closedFolder, helper: '/bin/false' }).lock(box, fd, 'read')).release();
    expect(notes).toEqual([]);
  });

  it("still has other people's dotlocks respected", async () => {
    leaveDotlock('', 10);
    whenWaiting.push(() => rmSync(`${box}.lock`));
    (await locker({ disk: closedFolder, helper: null }).lock(box, fd, 'read')).release();
    expect(whenWaiting).toEqual([]);
  });

  it('lets dotlockfile make the lock, and take it away', async (context) => {
    needs(context, 'dotlockfile');
    const ours = locker({ disk: closedFolder });
    const lock = await ours.lock(box, fd, 'write');
    expect(readFileSync(`${box}.lock`, 'utf8')).toMatch(new RegExp(`^${process.pid}\\b`));
    lock.release();
    expect(readdirSync(folder)).toEqual(['ann']);
    leaveDotlock(`${process.pid}\n`, 0);
    whenWaiting.push(() => rmSync(`${box}.lock`));
    (await ours.lock(box, fd, 'write')).release();
    expect(notes).toEqual([]);
  });

  it('with no fcntl locks either can only be read', async () => {
    const ours = locker({ disk: closedFolder, helper: null, records: null });
    const error = await ours.lock(box, fd, 'write').catch((caught) => caught);
    expect(error).toMatchObject({ temporary: false });
    expect(error.message).toMatch(
      /ann can only be read: .*ann\.lock cannot be made \(Permission denied\), and there are no/,
    );
    expect(ours.whyReadOnly?.(box)).toMatch(/cannot be made/);
    (await ours.lock(box, fd, 'read')).release();
  });
});

describe('a system without fcntl locks', () => {
  it('has the dotlock', async () => {
    const ours = locker({ records: null });
    const lock = await ours.lock(box, fd, 'write');
    expect(readdirSync(folder).sort()).toEqual(['ann', 'ann.lock']);
    lock.release();
    expect(ours.whyReadOnly?.(box)).toBeUndefined();
    expect(readdirSync(folder)).toEqual(['ann']);
  });

  it('is also one where koffi cannot be loaded, which is said', async () => {
    const without = join(programs, 'without-koffi.mjs');
    await bundle(join(import.meta.dirname, 'lock-child.ts'), without, '/nowhere');
    writeFileSync(box, '0');
    const peers = [without, child].map((program) => start('node', [program, 'count', box, '50'], ''));
    const [first] = peers;
    expect(await first?.line()).toBe('ready');
    expect(await first?.line()).toMatch(/^only dotlocks protect mailboxes here.*\(koffi: Cannot find module/);
    expect(await first?.line()).toBeUndefined();
    for (const peer of peers) expect(await peer.done).toEqual({ status: 0, signal: null });
    expect(readFileSync(box, 'utf8')).toBe('100');
  });

  it('is also a file system that has none', async () => {
    const records: RecordLocks = { tryLock: () => 'unsupported', unlock() {}, holder: () => undefined };
    (await locker({ records }).lock(box, fd, 'write')).release();
    await expect(locker({ records, disk: closedFolder, helper: null }).lock(box, fd, 'write')).rejects.toThrow(
      /no fcntl locks on that file system/,
    );
  });
});

describe('giving back', () => {
  it('never fails: what was done under the lock is done', async () => {
    const disk: Disk = {
      ...realDisk,
      unlink(path) {
        if (path.endsWith('.lock')) throw Object.assign(new Error('unlink'), { code: 'EIO' });
        realDisk.unlink(path);
      },
    };
    (await locker({ disk }).lock(box, fd, 'write')).release();
    expect(notes).toEqual([`${box}.lock could not be removed (Input/output error): do it by hand`]);
    expect(recordLocks()?.tryLock(fd, 'write')).toBe('locked');
  });

  it("leaves somebody else's dotlock alone, and says so", async () => {
    const lock = await locker().lock(box, fd, 'write');
    writeFileSync(join(folder, 'theirs'), '1\n');
    renameSync(join(folder, 'theirs'), `${box}.lock`);
    lock.release();
    expect(notes).toEqual([`${box}.lock was removed by another program while it was ours`]);
    expect(readFileSync(`${box}.lock`, 'utf8')).toBe('1\n');
  });
});

describe('a full disk', () => {
  it('does not keep anybody from deleting mail', async () => {
    const disk: Disk = {
      ...realDisk,
      open(path, how, mode) {
        if (how === 'exclusive') throw Object.assign(new Error('open'), { code: 'ENOSPC' });
        return realDisk.open(path, how, mode);
      },
    };
    (await locker({ disk }).lock(box, fd, 'write')).release();
    expect(notes).toEqual([expect.stringMatching(/No space left on device.*only an fcntl lock/)]);
  });
});

describe('the end of a process', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('by %s takes its dotlock away', async (signal) => {
    const peer = start('node', [child, 'hold', box]);
    expect(await peer.line()).toBe('held');
    expect(existsSync(`${box}.lock`)).toBe(true);
    peer.kill(signal);
    expect(await peer.done).toEqual({ status: null, signal });
    expect(readdirSync(folder)).toEqual(['ann']);
  });
});
