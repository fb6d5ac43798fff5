import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { locate, openMailbox } from '../../src/mailbox/open.ts';
import { latin1, message, newPlace, type Place, subjects } from './boxes.ts';

let place: Place;
beforeEach(() => {
  place = newPlace();
});
afterEach(() => place.remove());

const ab = message('a') + message('b');
const kind = (name: string): string => locate(place.context, place.path(name)).kind;
const hasZstd = spawnSync('zstd', ['--version']).status === 0;

describe('locate', () => {
  it('knows mailboxes by what is in them', () => {
    place.write('mbox', ab);
    place.write('empty', '');
    place.write('bom', `\xef\xbb\xbf${ab}`);
    place.write('blank', `\n\n${ab}`);
    for (const name of ['mbox', 'empty', 'bom', 'blank']) expect(kind(name)).toBe('mbox');
    place.write('one', 'X-Odd: 1\n folded\nSubject: a\n\ntext\n');
    place.write('folded', ' folded first\nSubject: a\n\ntext\n');
    place.write('obsolete', 'From  : ann@a.test\n\ntext\n');
    place.write('body', '\nno header at all\n');
    for (const name of ['one', 'folded', 'obsolete', 'body']) expect(kind(name)).toBe('message');
    place.write('gz', gzipSync(ab));
    expect(kind('gz')).toBe('compressed');
    for (const folder of ['new', 'cur', 'tmp']) mkdirSync(place.path(`md/${folder}`), { recursive: true });
    expect(kind('md')).toBe('maildir');
  });

  it('refuses what cannot be a mailbox, at once and with a reason', async () => {
    execFileSync('mkfifo', [place.path('fifo')]);
    mkdirSync(place.path('folder'));
    expect(() => kind('fifo')).toThrow(/FIFO/);
    expect(() => kind('folder')).toThrow(/no Maildir/);
    expect(() => kind('none')).toThrow(/No such file/);
    expect(() => locate(place.context, '/dev/null')).toThrow(UserError);
    place.write('text', 'hello world\nSubject: x\n');
    place.write('passwd', 'root:x:0:0:root:/root:/bin/sh\n');
    for (const name of ['text', 'passwd']) {
      await expect(place.open(name)).rejects.toThrow(/is not a mailbox: its first line is "/);
    }
  });
});

describe('openMailbox', () => {
  it('says why it cannot be changed', async () => {
    place.write('box', ab);
    const readOnly = await openMailbox(place.context, { kind: 'mbox', path: place.path('box') }, { readOnly: true });
    expect(readOnly.readOnly).toContain('read-only');
    readOnly.close();
    const noLock = {
      ...place.context,
      locker: { ...place.context.locker, whyReadOnly: () => 'no lock can be had' },
    };
    const unlocked = await openMailbox(noLock, { kind: 'mbox', path: place.path('box') });
    expect(unlocked.readOnly).toBe('no lock can be had');
    unlocked.close();
    if (process.getuid?.() !== 0) {
      chmodSync(place.path('box'), 0o400);
      const box = await place.open('box');
      expect(box.readOnly).toContain('Permission denied');
      box.close();
    }
  });

  it('opens an empty mailbox', async () => {
    place.write('box', '');
    const box = await place.open('box');
    expect(box.length).toBe(0);
    expect(await box.commit({ remove: [] })).toMatchObject({
      others: { added: [], removed: [], flagged: [] },
      missing: [],
    });
    box.close();
  });

  it('reads compressed mailboxes and leaves nothing behind', async () => {
    place.write('gz', gzipSync(ab));
    place.write('two', Buffer.concat([gzipSync(message('a')), gzipSync(message('b'))]));
    place.write('one', gzipSync('Subject: a\n\ntext\n'));
    if (hasZstd) {
      place.write('plain', ab);
      execFileSync('zstd', ['-q', place.path('plain'), '-o', place.path('zst')]);
    }
    for (const name of hasZstd ? ['gz', 'two', 'zst'] : ['gz', 'two']) {
      const box = await place.open(name);
      expect(subjects(box)).toEqual(['a', 'b']);
      expect(box.readOnly).toContain('compressed');
      expect(await box.refresh()).toEqual({ added: [], removed: [], flagged: [] });
      await expect(box.commit({ remove: [0] })).rejects.toThrow(UserError);
      expect([box.info(0).uid, box.info(1).uid]).toEqual([1, 2]);
      box.close();
    }
    const one = await place.open('one');
    expect(latin1(one.content(0))).toBe('Subject: a\n\ntext\n');
    one.close();
    expect(readdirSync(place.context.stateDir, { recursive: true })).toEqual(['tmp']);
  });

  it('shows what can be read of a damaged compressed mailbox', async () => {
    const whole = gzipSync(ab + message('long', { body: `${Math.random()}\n`.repeat(9000) }));
    place.write('cut', whole.subarray(0, whole.length - 10));
    const box = await place.open('cut');
    expect(subjects(box)).toEqual(['a', 'b', 'long']);
    expect(box.notes.join()).toContain('damaged');
    box.close();
    place.write('bad', '\x1f\x8bnot gzip at all');
    await expect(place.open('bad')).rejects.toThrow(/cannot be decompressed/);
  });

  it('reads MMDF, and does not change it', async () => {
    const mark = '\x01\x01\x01\x01\n';
    place.write('mmdf', `${mark}${message('a')}${mark}${mark}From: x\nSubject: b\n\nFrom me\n${mark}`);
    const box = await place.open('mmdf');
    expect(subjects(box)).toEqual(['a', 'b']);
    expect(latin1(box.content(1))).toBe('From: x\nSubject: b\n\nFrom me\n');
    expect(box.readOnly).toContain('MMDF');
    box.close();
  });
});
