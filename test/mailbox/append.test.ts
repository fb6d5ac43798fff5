import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type OpenHow, realDisk } from '../../src/core/files.ts';
import { appendMessages } from '../../src/mailbox/append.ts';
import { pendingJournal } from '../../src/mailbox/journal.ts';
import { appendBytes } from '../../src/mailbox/journal-append.ts';
import type { Locker, MailboxContext, NewMessage } from '../../src/mailbox/mailbox.ts';
import { crashesOf, SimDisk } from '../core/sim-disk.ts';
import { BOX, contextOn, copyOf, recoverOn, worldWith } from './journal-world.ts';

const noLocks: Locker = { lock: async () => ({ release: () => {} }) };
const top = realpathSync(mkdtempSync(join(tmpdir(), 'append-')));
afterAll(() => rmSync(top, { recursive: true }));
let folders = 0;

function realWorld(): { folder: string; context: MailboxContext; told: string[] } {
  const folder = join(top, String(folders++));
  mkdirSync(folder);
  const told: string[] = [];
  const context: MailboxContext = {
    disk: realDisk,
    locker: noLocks,
    stateDir: join(folder, 'state'),
    stateDirsOf: () => [],
    now: () => 1_767_268_800_000,
    notify: (text) => void told.push(text),
  };
  return { folder, context, told };
}

function letter(content: string, more: Partial<NewMessage> = {}): NewMessage {
  const fromLine = Buffer.from('From lee Thu Jan  1 12:00:00 2026');
  return {
    content: Buffer.from(content, 'latin1'),
    sender: 'lee',
    received: 1_767_268_800,
    quote: false,
    fromLine,
    ...more,
  };
}

const FROM = 'From lee Thu Jan  1 12:00:00 2026\n';

describe('appendMessages', () => {
  it('makes a new file with mode 600 and tells what it wrote', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'mbox');
    const result = await appendMessages(context, path, [
      letter('Subject: a\n\nhello\n'),
      letter('Subject: b\n\nbye\n'),
    ]);
    const text = `${FROM}Subject: a\n\nhello\n\n${FROM}Subject: b\n\nbye\n\n`;
    expect(readFileSync(path, 'latin1')).toBe(text);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(result).toMatchObject({ isNew: true, lines: 10, octets: text.length });
    expect(result.messages.map(({ offset }) => text.slice(offset, offset + 5))).toEqual(['From ', 'From ']);
  });

  const ends: [string, string, string][] = [
    ['an empty line', 'x\n\n', 'x\n\n'],
    ['a line end', 'x\n', 'x\n\n'],
    ['no line end', 'x', 'x\n\n'],
    ['an empty line with CR', 'x\r\n\r\n', 'x\r\n\r\n'],
    ['a line end with CR', 'x\r\n', 'x\r\n\r\n'],
    ['a single line end', '\n', '\n'],
  ];
  for (const [name, before, after] of ends) {
    it(`begins behind an empty line: the file ends in ${name}`, async () => {
      const { folder, context } = realWorld();
      const path = join(folder, 'box');
      writeFileSync(path, before, { mode: 0o640 });
      const result = await appendMessages(context, path, [letter('A: b\n\nc')]);
      expect(readFileSync(path, 'latin1')).toBe(`${after}${FROM}A: b\n\nc\n\n`);
      expect(result.isNew).toBe(false);
      expect(statSync(path).mode & 0o777).toBe(0o640);
    });
  }

  it('keeps every octet of a message that comes out of a mailbox', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'box');
    const odd = `A: \xff\xfe\n\n\0\r\n>From x\nFrom here on\r${'long '.repeat(9000)}\n\n\n`;
    await appendMessages(context, path, [letter(odd)]);
    expect(readFileSync(path, 'latin1')).toBe(`${FROM}${odd}\n`);
  });

  it('leaves CR LF as they are, the From_ line and the separator included', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'box');
    await appendMessages(context, path, [letter('A: b\r\n\r\nc\r\n')]);
    expect(readFileSync(path, 'latin1')).toBe(`${FROM.trimEnd()}\r\nA: b\r\n\r\nc\r\n\r\n`);
  });

  it('quotes what would begin a message when asked to', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'box');
    await appendMessages(context, path, [letter('A: b\n\nFrom x\n>From y\n', { quote: true })]);
    expect(readFileSync(path, 'latin1')).toContain('\n>From x\n>>From y\n');
  });

  it('takes messages one by one from a generator, and none make no file', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'box');
    await appendMessages(context, path, []);
    expect(readdirSync(folder)).toEqual([]);
    await appendMessages(
      context,
      path,
      (function* () {
        for (let i = 0; i < 300; i++) yield letter(`N: ${i}\n\n${'x'.repeat(50_000)}\n`);
      })(),
    );
    expect(readFileSync(path, 'latin1').match(/^N: \d+$/gm)).toHaveLength(300);
  });

  it('leaves nothing when a message cannot be read', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'box');
    const broken = function* (): Generator<NewMessage> {
      for (let i = 0; i < 300; i++) yield letter(`N: ${i}\n\n${'x'.repeat(50_000)}\n`);
      throw new Error('the other mailbox is gone');
    };
    await expect(appendMessages(context, path, broken())).rejects.toThrow('the other mailbox is gone');
    expect(readdirSync(folder)).toEqual(['state']);
    writeFileSync(path, 'From here\n\n');
    await expect(appendMessages(context, path, broken())).rejects.toThrow('the other mailbox is gone');
    expect(readFileSync(path, 'latin1')).toBe('From here\n\n');
    expect(pendingJournal(context, path)).toBe(false);
  });

  it('puts messages into a Maildir, flags in the name', async () => {
    const { folder, context } = realWorld();
    for (const name of ['new', 'cur', 'tmp']) mkdirSync(join(folder, 'md', name), { recursive: true });
    await appendMessages(context, join(folder, 'md'), [
      letter('Status: RO\nX-Status: F\nA: b\n\nc\n'),
      letter('A: b\n\nStatus: in the body\n'),
    ]);
    const [seen] = readdirSync(join(folder, 'md/cur'));
    const [fresh] = readdirSync(join(folder, 'md/new'));
    expect(seen).toMatch(/:2,FS$/);
    expect(readFileSync(join(folder, 'md/cur', seen ?? ''), 'latin1')).toBe('A: b\n\nc\n');
    expect(readFileSync(join(folder, 'md/new', fresh ?? ''), 'latin1')).toBe('A: b\n\nStatus: in the body\n');
    expect(readdirSync(join(folder, 'md/tmp'))).toEqual([]);
  });

  it('writes to /dev/null as to a file', async () => {
    const { context } = realWorld();
    const result = await appendMessages(context, '/dev/null', [letter('A: b\n\nc\n')]);
    expect(result).toMatchObject({ isNew: false, lines: 5 });
  });

  it('follows a symbolic link of the user, and makes the file it names', async () => {
    const { folder, context } = realWorld();
    symlinkSync('real', join(folder, 'link'));
    expect((await appendMessages(context, join(folder, 'link'), [letter('A: b\n\n')])).isNew).toBe(true);
    expect((await appendMessages(context, join(folder, 'link'), [letter('A: b\n\n')])).isNew).toBe(false);
    expect(readFileSync(join(folder, 'real'), 'latin1').match(/^From /gm)).toHaveLength(2);
  });

  const refusals: [string, (path: string) => void, RegExp][] = [
    ['a folder', (path) => mkdirSync(path), /is a folder, and no Maildir/],
    ['a compressed file', (path) => writeFileSync(path, Buffer.from('1f8b0800', 'hex')), /is compressed/],
    ['an MMDF mailbox', (path) => writeFileSync(path, '\x01\x01\x01\x01\nA: b\n'), /MMDF/],
  ];
  for (const [name, make, why] of refusals) {
    it(`refuses ${name} and leaves it alone`, async () => {
      const { folder, context } = realWorld();
      const path = join(folder, 'box');
      make(path);
      await expect(appendMessages(context, path, [letter('A: b\n\n')])).rejects.toThrow(why);
    });
  }

  it('refuses devices and pipes at once', async () => {
    const disk = new SimDisk();
    disk.putOther('/tmp/fifo');
    const context = { ...contextOn(disk), locker: noLocks, notify: () => {} };
    await expect(appendMessages(context, '/tmp/fifo', [letter('A: b\n\n')])).rejects.toThrow(/device or pipe/);
  });

  it('does not follow links, nor write to files of others, when it delivers for somebody', async () => {
    const disk = new SimDisk();
    disk.put('/etc/shadow', 'secret');
    disk.putFolder('/var/mail');
    disk.putSymlink('/var/mail/eve', '/etc/shadow');
    disk.put('/var/mail/lee', '');
    const context = { ...contextOn(disk), locker: noLocks, notify: () => {} };
    const owner = { uid: 1000, gid: 8 };
    await expect(appendMessages(context, '/var/mail/eve', [letter('A: b\n\n')], { owner })).rejects.toThrow(
      /symbolic link/,
    );
    await expect(appendMessages(context, '/var/mail/lee', [letter('A: b\n\n')], { owner })).rejects.toThrow(
      /belongs to user 0/,
    );
    expect(disk.text('/etc/shadow')).toBe('secret');
    disk.chownPath('/var/mail/lee', 1000);
    disk.link('/var/mail/lee', '/var/mail/other');
    await expect(appendMessages(context, '/var/mail/lee', [letter('A: b\n\n')], { owner })).rejects.toThrow(
      /hard link/,
    );
  });

  it('does not follow a symbolic link that takes the place of the mailbox after it was looked at', async () => {
    let swapped = false;
    class SwappingDisk extends SimDisk {
      override open(path: string, how: OpenHow, mode?: number): number {
        if (path === '/var/mail/lee' && !swapped) {
          swapped = true;
          this.unlink(path);
          this.putSymlink(path, '/home/lee/.profile');
        }
        return super.open(path, how, mode);
      }
    }
    const disk = new SwappingDisk();
    disk.putFolder('/var/mail');
    disk.putFolder('/home/lee');
    for (const path of ['/var/mail/lee', '/home/lee/.profile']) {
      disk.put(path, '');
      disk.chownPath(path, 1000);
    }
    const context = { ...contextOn(disk), locker: noLocks, notify: () => {} };
    const owner = { uid: 1000, gid: 8 };
    await expect(appendMessages(context, '/var/mail/lee', [letter('A: b\n\n')], { owner })).rejects.toThrow(
      /symbolic link/,
    );
    expect(swapped).toBe(true);
    expect(disk.text('/home/lee/.profile')).toBe('');
  });

  it('gives a spool file that it makes to its owner', async () => {
    const disk = new SimDisk();
    disk.putFolder('/var/mail');
    const context = { ...contextOn(disk), locker: noLocks, notify: () => {} };
    await appendMessages(context, '/var/mail/ann', [letter('A: b\n\n')], { mode: 0o660, owner: { uid: 1001, gid: 8 } });
    expect(disk.stat('/var/mail/ann')).toMatchObject({ uid: 1001, gid: 8, mode: 0o660 });
  });

  it('goes on with the file that is at the path when it has the lock', async () => {
    const { folder, context } = realWorld();
    const path = join(folder, 'box');
    writeFileSync(path, 'From old\n\n');
    let first = true;
    const locker: Locker = {
      lock: async () => {
        // Another program replaces the file while we wait.
        if (first) realDisk.rename(path, `${path}.old`);
        if (first) writeFileSync(path, 'From new\n\n');
        first = false;
        return { release: () => {} };
      },
    };
    await appendMessages({ ...context, locker }, path, [letter('A: b\n\n')]);
    expect(readFileSync(path, 'latin1')).toBe(`From new\n\n${FROM}A: b\n\n\n`);
    expect(readFileSync(`${path}.old`, 'latin1')).toBe('From old\n\n');
  });

  it('names the file and the reason when it cannot be written', async () => {
    const { folder, context } = realWorld();
    await expect(appendMessages(context, join(folder, 'no/box'), [letter('A: b\n\n')])).rejects.toThrow(
      `${folder}/no/box: No such file or directory`,
    );
    chmodSync(folder, 0o700);
  });
});

describe('an append that is interrupted', () => {
  const OLD = 'From old\n\nfirst\n\n';
  const FOREIGN = 'From bob Thu Jan  1 12:00:00 2026\n\nhello\n\n';
  const parts = [
    Buffer.from('From lee A\n\n'),
    Buffer.from('one\n\nFrom lee B\n\n'),
    Buffer.from('two \0\0 zeros\n\n'),
    Buffer.from('end\n\n'),
  ];
  const all = Buffer.concat(parts).toString('latin1');

  for (const stretch of [1, 20, 1000]) {
    it(`is there whole or not at all, and so is mail that came after the crash (stretches of ${stretch})`, async () => {
      const disk = worldWith(OLD);
      const crashes = await crashesOf(disk, () => {
        const fd = disk.open(BOX, 'write');
        expect(appendBytes(contextOn(disk), BOX, fd, OLD.length, parts, stretch)).toBe(all.length);
        disk.close(fd);
      });
      expect(disk.text(BOX)).toBe(OLD + all);
      expect(crashes.length).toBeGreaterThan(10);
      for (const [i, crash] of crashes.entries()) {
        for (const foreign of ['', FOREIGN]) {
          const after = copyOf(crash.disk);
          after.append(BOX, foreign);
          const twice = i % 5 === 0 ? await crashesOf(copyOf(after), () => {}, i) : [];
          const { kind } = recoverOn(after);
          const where = `${crash.operation.text} (${kind})`;
          expect([OLD + foreign, OLD + all + foreign], where).toContain(after.text(BOX));
          for (const second of twice) {
            second.disk.append(BOX, 'From amy');
            recoverOn(second.disk);
            expect([`${OLD}${foreign}From amy`, `${OLD}${all}${foreign}From amy`], where).toContain(
              second.disk.text(BOX),
            );
          }
        }
      }
    });

    it(`survives a crash while it is undone (stretches of ${stretch})`, async () => {
      const disk = worldWith(OLD);
      const crashes = await crashesOf(disk, () => {
        const fd = disk.open(BOX, 'write');
        appendBytes(contextOn(disk), BOX, fd, OLD.length, parts, stretch);
        disk.close(fd);
      });
      for (const [i, crash] of crashes.entries()) {
        if (i % 4 !== 0) continue;
        const first = copyOf(crash.disk);
        first.append(BOX, FOREIGN);
        for (const second of await crashesOf(first, () => void recoverOn(first), i, 3)) {
          second.disk.append(BOX, 'From amy');
          recoverOn(second.disk);
          const expected = [OLD, OLD + all].map((text) => `${text}${FOREIGN}From amy`);
          expect(expected, `${crash.operation.text}, then ${second.operation.text}`).toContain(second.disk.text(BOX));
        }
      }
    });
  }

  it('takes nothing out of a mailbox that another program wrote anew', async () => {
    const disk = worldWith(OLD);
    const crashes = await crashesOf(disk, () => {
      const fd = disk.open(BOX, 'write');
      appendBytes(contextOn(disk), BOX, fd, OLD.length, parts, 20);
      disk.close(fd);
    });
    for (const crash of crashes) {
      for (const text of ['From new\n\nshort\n\n', `From new\n\n${'longer than all of it\n'.repeat(9)}\n`, '']) {
        const after = copyOf(crash.disk);
        const fd = after.open(BOX, 'write');
        after.truncate(fd, 0);
        after.write(fd, Buffer.from(text), 0);
        after.close(fd);
        recoverOn(after);
        expect(after.text(BOX), crash.operation.text).toBe(text);
      }
    }
  });

  it('appendMessages makes a new file durable before it says so', async () => {
    const disk = new SimDisk();
    disk.putFolder('/home/lee/mail');
    const context = { ...contextOn(disk), locker: noLocks, notify: () => {} };
    const path = '/home/lee/mail/mbox';
    let done = false;
    const crashes = await crashesOf(disk, async () => {
      await appendMessages(context, path, [letter('A: b\n\nc\n')]);
      done = true;
    });
    expect(done).toBe(true);
    const whole = `${FROM}A: b\n\nc\n\n`;
    expect(disk.afterCrash(() => 'lost').text(path)).toBe(whole);
    for (const { disk: left, operation } of crashes) {
      if (left.text(path) === undefined) continue;
      const after = { ...contextOn(left), locker: noLocks, notify: () => {} };
      await appendMessages(after, path, [letter('X: y\n\nz\n')]);
      const next = `${FROM}X: y\n\nz\n\n`;
      expect([next, whole + next], operation.text).toContain(left.text(path));
    }
  });
});
