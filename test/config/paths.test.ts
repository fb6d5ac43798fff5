import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateDir, stateDirsOf, systemMailbox, systemPaths } from '../../src/config/paths.ts';
import { type Disk, type FileStat, realDisk } from '../../src/core/files.ts';

let root: string;
let user: { uid: number; home: string };
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'paths-'));
  user = { uid: process.geteuid?.() ?? 0, home: join(root, 'home/lee') };
  mkdirSync(user.home, { recursive: true });
  mkdirSync(join(root, 'var/tmp'), { recursive: true });
  mkdirSync(join(root, 'var/mail'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The disk, on which some paths look other than they are. */
function seenAs(path: string, change: Partial<FileStat>): Disk {
  const seen = (p: string, stat: FileStat | undefined) => (p === path && stat ? { ...stat, ...change } : stat);
  return { ...realDisk, lstat: (p) => seen(p, realDisk.lstat(p)), stat: (p) => seen(p, realDisk.stat(p)) };
}

describe('systemPaths', () => {
  it('has everything below the root', () => {
    const { spool, startup, ...paths } = systemPaths(root);
    for (const path of [spool, ...startup, ...Object.values(paths)]) expect(path.startsWith(root)).toBe(true);
    expect(spool).toBe(join(root, 'var/mail'));
    expect(systemPaths().config).toBe('/etc/tmail/tmail.toml');
  });

  it('knows the old place of system mailboxes', () => {
    rmSync(join(root, 'var/mail'), { recursive: true });
    mkdirSync(join(root, 'var/spool/mail'), { recursive: true });
    expect(systemPaths(root).spool).toBe(join(root, 'var/spool/mail'));
  });

  it('has no mailbox outside the spool', () => {
    expect(systemMailbox(systemPaths(root), 'lee')).toBe(join(root, 'var/mail/lee'));
    for (const name of ['../lee', '..', '', 'a/b', 'a\0']) {
      expect(() => systemMailbox(systemPaths(root), name)).toThrow(/is not a user name/);
    }
  });
});

describe('stateDir', () => {
  const find = (env = {}, disk = realDisk) => stateDir(user, env, systemPaths(root), disk);

  it('is made in the home, for its owner only', () => {
    expect(find()).toBe(join(user.home, '.local/state/tmail'));
    expect(lstatSync(find()).mode & 0o777).toBe(0o700);
  });

  it('is where XDG_STATE_HOME says, if that is absolute', () => {
    const paths = { ...systemPaths(), temporary: join(root, 'var/tmp') };
    const XDG_STATE_HOME = join(root, 'xdg');
    expect(stateDir(user, { XDG_STATE_HOME }, paths)).toBe(join(root, 'xdg/tmail'));
    expect(stateDir(user, { XDG_STATE_HOME: 'xdg' }, paths)).toBe(join(user.home, '.local/state/tmail'));
  });

  it('is closed when it was open to others', () => {
    mkdirSync(join(user.home, '.local/state/tmail'), { recursive: true });
    chmodSync(join(user.home, '.local/state/tmail'), 0o755);
    expect(lstatSync(find()).mode & 0o777).toBe(0o700);
  });

  const shared = () => join(root, `var/tmp/tmail-${user.uid}`);

  it('is in /var/tmp when the home cannot be written', () => {
    const disk: Disk = {
      ...realDisk,
      mkdir(path, mode) {
        if (path.startsWith(user.home)) throw Object.assign(new Error('mkdir'), { code: 'EACCES' });
        realDisk.mkdir(path, mode);
      },
    };
    expect(find({}, disk)).toBe(shared());
  });

  it('is in /var/tmp when there is no home, which is not made', () => {
    rmSync(user.home, { recursive: true });
    expect(find()).toBe(shared());
    expect(realDisk.stat(user.home)).toBeUndefined();
  });

  it('is no file, no link, and nobody else has it', () => {
    rmSync(user.home, { recursive: true });
    symlinkSync(user.home, shared());
    expect(() => find()).toThrow(/set XDG_STATE_HOME/);
    rmSync(shared());
    symlinkSync('/tmp', shared());
    expect(() => find()).toThrow(/is a symbolic link/);
    rmSync(shared());
    writeFileSync(shared(), '');
    expect(() => find()).toThrow(/File exists|no folder/);
    rmSync(shared());
    mkdirSync(shared());
    expect(() => find({}, seenAs(shared(), { uid: user.uid + 1 }))).toThrow(/belongs to another user/);
  });

  it.runIf(process.geteuid?.() === 0)("of root is not made in somebody else's home", () => {
    expect(find({}, seenAs(user.home, { uid: 4242 }))).toBe(shared());
  });
});

describe('stateDirsOf', () => {
  it('begins with our own, and has those of the owner and the daemon when they are there', () => {
    const paths = systemPaths(root);
    const box = join(root, 'var/mail/lee');
    writeFileSync(box, '');
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/passwd'), 'lee:x:4242:4242::/home/lee:/bin/sh\n');
    const theirs = join(root, 'home/lee/.local/state/tmail');
    const leesBox = (mode: number): Disk => {
      const disk = seenAs(box, { uid: 4242 });
      return { ...disk, lstat: (path) => seenAs(theirs, { uid: 4242, mode }).lstat(path) };
    };
    expect(stateDirsOf('/own', paths, leesBox(0o700))(box)).toEqual(['/own']);
    mkdirSync(theirs, { recursive: true });
    mkdirSync(join(root, 'var/lib/tmail'), { recursive: true });
    expect(stateDirsOf('/own', paths, leesBox(0o700))(box)).toEqual(['/own', theirs, paths.state]);
    expect(stateDirsOf('/own', paths, leesBox(0o770))(box)).toEqual(['/own', paths.state]);
    expect(stateDirsOf('/own', paths)(join(root, 'missing'))).toEqual(['/own', paths.state]);
  });
});
