/**
 * The privileged half does nothing that it is not meant to do, whatever the other half says.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { systemPaths } from '../../src/config/paths.ts';
import type { Identity } from '../../src/core/identity.ts';
import { type Acting, createHelper, type HelperSettings } from '../../src/daemon/helper.ts';
import {
  checkRequest,
  encodeFrame,
  FrameReader,
  type HelperAnswer,
  type MessageFrame,
} from '../../src/daemon/helper-protocol.ts';
import { messagesIn } from './new-lab.ts';

const roots: string[] = [];
afterAll(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

const BODY = Buffer.from('Subject: x\n\nhello\n');
const messages: readonly MessageFrame[] = [{ sender: 'a@b', received: 1_790_000_000, octets: BODY.length }];
const SHELL = '/bin/sh';

interface World {
  readonly root: string;
  readonly acted: Identity[];
  ask(request: unknown, body?: Uint8Array): Promise<HelperAnswer>;
}

/** A helper on a root folder with the users lee and ann, who are all the tester. */
function newWorld(files: Readonly<Record<string, string>> = {}, local: Partial<HelperSettings['local']> = {}): World {
  const root = mkdtempSync(join(tmpdir(), 'tmail-helper-'));
  roots.push(root);
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const all: Readonly<Record<string, string>> = {
    'etc/passwd': ['lee', 'ann', 'nobody'].map((name) => `${name}:x:${uid}:${gid}::/home/${name}:${SHELL}\n`).join(''),
    'etc/aliases': '',
    ...files,
  };
  for (const folder of ['etc', 'var/mail', 'var/tmp', 'home/lee', 'home/ann', 'home/nobody']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const [path, text] of Object.entries(all)) {
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), 0o644);
  }
  const acted: Identity[] = [];
  const acting: Acting = {
    as: (who, work) => {
      acted.push(who);
      return work();
    },
    asWhile: (who, work) => {
      acted.push(who);
      return work();
    },
    identityOf: (user) => ({ uid: user.uid, gid: user.gid, groups: [] }),
  };
  const settings: HelperSettings = {
    paths: systemPaths(root),
    hostname: 'host.example',
    local: {
      programs: [SHELL],
      programLimit: 10_000,
      maildir: '',
      maildirUsers: [],
      quota: 0,
      mailboxMode: 0o600,
      ...local,
    },
    lockTimeout: 1000,
    largest: 1024 * 1024,
    programUser: 'nobody',
  };
  const helper = createHelper(settings, acting);
  return { root, acted, ask: (request, body = new Uint8Array()) => helper.handle(request, body) };
}

const refusal = (why: RegExp) => ({ ok: false, temporary: true, error: expect.stringMatching(why) });

describe('a mailbox', () => {
  it('is where the configuration has it', async () => {
    const system = newWorld();
    expect(await system.ask({ do: 'mailbox', user: 'lee', messages }, BODY)).toMatchObject({ ok: true });
    expect(messagesIn(join(system.root, 'var/mail/lee'))).toHaveLength(1);
    const maildir = newWorld({}, { maildir: 'Maildir', maildirUsers: ['lee'] });
    for (const folder of ['cur', 'new', 'tmp'])
      mkdirSync(join(maildir.root, 'home/lee/Maildir', folder), { recursive: true });
    expect(await maildir.ask({ do: 'mailbox', user: 'lee', messages }, BODY)).toMatchObject({ ok: true });
    expect(existsSync(join(maildir.root, 'var/mail/lee'))).toBe(false);
  });

  it('takes no more than its quota', async () => {
    const { root, ask } = newWorld({ 'var/mail/lee': 'x'.repeat(100) }, { quota: 100 });
    expect(await ask({ do: 'mailbox', user: 'lee', messages }, BODY)).toEqual({ notes: [], ...refusal(/is full/) });
    expect(readFileSync(join(root, 'var/mail/lee'), 'utf8')).toHaveLength(100);
  });

  it.each(['nemo', '../../etc/passwd', '', 'lee/../ann', 'lee\n', '.', '..'])('of %j there is none', async (user) => {
    const { root, ask } = newWorld();
    expect(await ask({ do: 'mailbox', user, messages }, BODY)).toMatchObject({ ok: false });
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).not.toContain('hello');
  });

  it('quotes what would look like another message', async () => {
    const { root, ask } = newWorld();
    const body = Buffer.from('Subject: x\n\nFrom me Wed Nov 25 05:02:55 2026\nSubject: forged\n\n');
    const frame = { sender: 'x y\tz', received: 1, octets: body.length };
    await ask({ do: 'mailbox', user: 'lee', messages: [{ ...frame, sender: 'x y' }] }, body);
    expect(messagesIn(join(root, 'var/mail/lee'))).toHaveLength(1);
    expect(await ask({ do: 'mailbox', user: 'lee', messages: [frame] }, body)).toMatchObject(refusal(/messages/));
  });
});

describe('files, programs and lists', () => {
  const files = {
    'etc/aliases':
      'archive: /var/archive, :include:/etc/list\nprog: "|/bin/sh -c true"\nother: "|/bin/false"\nmissing: :include:/etc/gone\n',
    'etc/list': '/var/from-list, :include:/etc/inner\n',
    'etc/inner': '"|/bin/sh -c inner"\n',
    'etc/shadow': 'secret@host\n',
    'home/lee/.forward': '/home/lee/copy, "|/bin/sh -c lee", :include:/home/lee/list\n',
    'home/lee/list': 'ann\n',
  };

  it.each([
    ['the alias file', '/var/archive', undefined],
    ['a list of it', '/var/from-list', undefined],
    ['a ~/.forward', '/home/lee/copy', 'lee'],
  ])('what %s names is written', async (_, path, asUser) => {
    const { root, ask } = newWorld(files);
    const request = { do: 'file', path, messages, ...(asUser === undefined ? {} : { asUser }) };
    expect(await ask(request, BODY)).toEqual({ ok: true, notes: [] });
    expect(messagesIn(join(root, path))).toHaveLength(1);
  });

  it.each([
    ['nobody names', '/etc/cron.d/x', undefined],
    ['nobody names like that', '/var/../var/archive', undefined],
    ["only a user's ~/.forward names", '/home/lee/copy', undefined],
    ["only another's ~/.forward names", '/home/lee/copy', 'ann'],
    ['only the tables name', '/var/archive', 'lee'],
  ])('what %s is not', async (_, path, asUser) => {
    const { root, ask } = newWorld(files);
    const request = { do: 'file', path, messages, ...(asUser === undefined ? {} : { asUser }) };
    expect(await ask(request, BODY)).toMatchObject(refusal(/nothing names/));
    expect(existsSync(join(root, path))).toBe(false);
  });

  it.each([
    ['a program that is not allowed', '/bin/false', undefined, /no program for mail/],
    ['one with other words', '/bin/sh -c false', undefined, /nothing names/],
    ['one of a user, for the tables', '/bin/sh -c lee', undefined, /nothing names/],
    ['one of the tables, as a user', '/bin/sh -c true', 'lee', /nothing names/],
    ['half a quote', '"/bin/sh', undefined, /no program for mail/],
  ])('%s is not run', async (_, command, asUser, why) => {
    const { ask } = newWorld(files);
    const request = { do: 'program', command, sender: 'a@b', ...(asUser === undefined ? {} : { asUser }) };
    expect(await ask(request, BODY)).toMatchObject(refusal(why));
  });

  it('no program runs as root', async () => {
    const { ask } = newWorld(files);
    const answer = await ask({ do: 'program', command: '/bin/sh -c true', sender: 'a@b' }, BODY);
    if (process.geteuid?.() === 0) expect(answer).toMatchObject(refusal(/as root/));
    else expect(answer).toMatchObject({ ok: true, result: { status: 0 } });
  });

  it('lists are read that are named, and no other file', async () => {
    const { ask } = newWorld(files);
    const members = (kind: string) => ({
      ok: true,
      result: { members: [expect.objectContaining({ kind }), expect.anything()] },
    });
    expect(await ask({ do: 'include', path: '/etc/list' })).toMatchObject(members('file'));
    expect(await ask({ do: 'include', path: '/etc/inner' })).toMatchObject({ ok: true });
    expect(await ask({ do: 'include', path: '/etc/gone' })).toMatchObject({ ok: true, result: { missing: true } });
    expect(await ask({ do: 'include', path: '/home/lee/list', asUser: 'lee' })).toMatchObject({ ok: true });
    for (const [path, asUser] of [
      ['/etc/shadow', undefined],
      ['/etc/shadow', 'lee'],
      ['/home/lee/list', undefined],
      ['/home/lee/list', 'ann'],
    ]) {
      const request = { do: 'include', path, ...(asUser === undefined ? {} : { asUser }) };
      const answer = await ask(request);
      expect(answer).toMatchObject(refusal(/nothing includes/));
      expect(JSON.stringify(answer)).not.toContain('secret');
    }
  });

  it('a ~/.forward is read with the checks that it always has', async () => {
    const { root, ask } = newWorld(files);
    expect(await ask({ do: 'forward', user: 'lee' })).toMatchObject({ ok: true, result: { members: [{}, {}, {}] } });
    expect(await ask({ do: 'forward', user: 'ann' })).toMatchObject({ ok: true, result: { missing: true } });
    chmodSync(join(root, 'home/lee/.forward'), 0o666);
    expect(await ask({ do: 'forward', user: 'lee' })).toMatchObject({ ok: true, result: { fault: expect.anything() } });
    // And then it names nothing.
    const request = { do: 'file', path: '/home/lee/copy', asUser: 'lee', messages };
    expect(await ask(request, BODY)).toMatchObject(refusal(/nothing names/));
  });
});

describe('requests', () => {
  const good = { do: 'mailbox', user: 'lee', messages };

  it.each([
    ['none', undefined],
    ['a list', []],
    ['an unknown one', { ...good, do: 'open' }],
    ['one of the prototype', { ...good, do: 'constructor' }],
    ['a place', { ...good, path: '/etc/passwd' }],
    ['an id', { ...good, uid: 0 }],
    ['a user who is a number', { ...good, user: 0 }],
    ['no messages', { ...good, messages: [] }],
    ['a message that is none', { ...good, messages: [null] }],
    ['less than was announced', { ...good, messages: [{ ...messages[0], octets: 5 }] }],
    [
      'a length below zero',
      {
        ...good,
        messages: [
          { ...messages[0], octets: -1 },
          { ...messages[0], octets: BODY.length + 1 },
        ],
      },
    ],
    ['more of a message', { ...good, messages: [{ ...messages[0], fromLine: 'From x' }] }],
    ['a path that is relative', { do: 'file', path: 'etc/passwd', messages }],
    ['a path with a null', { do: 'file', path: '/etc/passwd\0', messages }],
  ])('%s', (_, request) => {
    expect(checkRequest(request, BODY.length)).toBeTypeOf('string');
  });

  it('a good one', () => {
    expect(checkRequest(good, BODY.length)).toBe(good);
    expect(checkRequest({ ...good, id: 3 }, BODY.length)).toBeTypeOf('object');
  });

  it('nothing throws', async () => {
    const { ask } = newWorld();
    const kinds = fc.constantFrom('mailbox', 'file', 'program', 'forward', 'include', 'x');
    const anything = fc.record(
      { do: kinds, user: fc.anything(), path: fc.anything(), messages: fc.anything() },
      { requiredKeys: ['do'] },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(anything, fc.anything()), fc.uint8Array(), async (request, body) => {
        expect((await ask(request, body)).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('frames', () => {
  it('are the same however they come', () => {
    const frames = [
      { head: { id: 1, text: 'é\n' }, body: [Buffer.from('abc'), Buffer.from('def')] },
      { head: {}, body: [] },
      { head: { id: 2 }, body: [Buffer.alloc(1000, 120)] },
    ];
    const bytes = Buffer.concat(frames.flatMap(({ head, body }) => encodeFrame(head, body)));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 })), (sizes) => {
        const reader = new FrameReader(10_000);
        const got = [];
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          got.push(...reader.take(bytes.subarray(at, at + size)));
          at = Math.min(bytes.length, at + size);
        }
        expect(got.map(({ head, body }) => ({ head, body: Buffer.from(body).toString() }))).toEqual(
          frames.map(({ head, body }) => ({ head, body: Buffer.concat(body).toString() })),
        );
      }),
    );
  });

  it('that are too large, or no JSON, are the end', () => {
    const lengths = (head: number, body: number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(head, 0);
      bytes.writeUInt32BE(body, 4);
      return bytes;
    };
    expect(() => new FrameReader(1000).take(lengths(2, 1001))).toThrow('a frame of 2 and 1001 octets');
    expect(() => new FrameReader(1000).take(lengths(0xffffffff, 1))).toThrow('a frame of');
    expect(() => new FrameReader(1000).take(Buffer.concat([lengths(2, 0), Buffer.from('{]')]))).toThrow();
  });
});
