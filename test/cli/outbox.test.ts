import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { programArguments } from '../../src/cli/delivery-program.ts';
import { createOutbox, type OutboxOptions, planDelivery } from '../../src/cli/outbox.ts';
import { MailError, UserError } from '../../src/core/errors.ts';
import { realDisk } from '../../src/core/files.ts';
import type { MailboxContext } from '../../src/mailbox/mailbox.ts';
import { listSubmit, readSubmit } from '../../src/queue/submit.ts';
import type { OutboxSettings } from '../../src/session/io.ts';

const MESSAGE = Buffer.from('From: lee@host.example\nSubject: x\n\nFrom here\nto there\n');
const HOW: OutboxSettings = { mta: undefined, verbose: false };
const USERS = ['lee', 'ann', 'bob', 'root'];

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'outbox-'));
  mkdirSync(join(dir, 'spool'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function options(changes: Partial<OutboxOptions> = {}): OutboxOptions {
  const mailbox: MailboxContext = {
    disk: realDisk,
    locker: { lock: async () => ({ release: () => {} }) },
    stateDir: join(dir, 'state'),
    stateDirsOf: () => [join(dir, 'state')],
    now: () => Date.UTC(2026, 2, 1, 12),
    notify: () => {},
  };
  return {
    disk: realDisk,
    mailbox,
    hostname: 'host.example',
    env: process.env,
    systemMailbox: (user) => join(dir, 'spool', user),
    lookUpUser: (name) => (USERS.includes(name) ? { name, uid: process.getuid?.() ?? 0, gid: 0 } : undefined),
    submitDirs: [join(dir, 'submit'), join(dir, 'own')],
    sendmailProgram: undefined,
    uid: 1000,
    now: () => Date.UTC(2026, 2, 1, 12),
    ...changes,
  };
}

function script(body: string): string {
  const path = join(dir, 'mta');
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('who gets it where', () => {
  test.each([
    ['lee', 'lee', ''],
    ['LEE@Host.Example', 'lee', ''],
    ['lee@localhost', 'lee', ''],
    ['lee@host', 'lee', ''],
    ['lee+list@host.example', 'lee', ''],
    ['postmaster', 'root', ''],
    ['lee@elsewhere.example', '', 'lee@elsewhere.example'],
    ['lee@host.example.org', '', 'lee@host.example.org'],
  ])('%s', (recipient, user, elsewhere) => {
    const plan = planDelivery(options(), [recipient], () => true);
    expect(plan.mailboxes.map((box) => box.user.name).join()).toBe(user);
    expect(plan.elsewhere.join()).toBe(elsewhere);
  });

  test('one copy for two names of one user', () => {
    const plan = planDelivery(options(), ['lee', 'lee+x', 'lee@localhost'], () => true);
    expect(plan.mailboxes).toHaveLength(1);
    expect(plan.mailboxes[0]?.recipients).toEqual(['lee', 'lee+x', 'lee@localhost']);
  });

  test.each(['nobody-here', '../../etc/passwd', 'a\0b'])('the name %j is unknown', (name) => {
    expect(() => planDelivery(options(), ['lee', name], () => true)).toThrow(/User unknown/);
  });
});

describe("tmail's own way", () => {
  test('to system mailboxes and the queue', async () => {
    const envelope = { from: 'lee@host.example', recipients: ['lee', 'ann', 'x@far.example'] };
    const { note } = await createOutbox(options())(MESSAGE, envelope, HOW);
    for (const user of ['lee', 'ann']) {
      const box = readFileSync(join(dir, 'spool', user), 'latin1');
      expect(box).toMatch(/^From lee@host\.example \w{3} \w{3} .* 2026\nReturn-Path: <lee@host\.example>\nFrom: lee/);
      expect(box).toContain('\n>From here\nto there\n');
      expect(statSync(join(dir, 'spool', user)).mode & 0o777).toBe(0o600);
    }
    const [id] = listSubmit(realDisk, join(dir, 'submit'));
    if (id === undefined) throw new Error('nothing queued');
    const entry = readSubmit(realDisk, join(dir, 'submit'), id);
    expect(entry?.header.recipients).toEqual(['x@far.example']);
    expect(Buffer.from(entry?.message ?? [])).toEqual(MESSAGE);
    expect(note).toContain(join(dir, 'submit'));
  });

  test('an unknown user: nobody gets anything', async () => {
    const envelope = { from: 'lee', recipients: ['lee', 'x@far.example', 'nobody-here'] };
    await expect(createOutbox(options())(MESSAGE, envelope, HOW)).rejects.toMatchObject({ status: 67 });
    expect(readdirSync(join(dir, 'spool'))).toEqual([]);
    expect(existsSync(join(dir, 'submit'))).toBe(false);
  });

  test('a mailbox that cannot be appended to: its copy waits in the queue', async () => {
    mkdirSync(join(dir, 'spool/ann'));
    const { note } = await createOutbox(options())(MESSAGE, { from: 'lee', recipients: ['ann', 'lee'] }, HOW);
    const [id] = listSubmit(realDisk, join(dir, 'submit'));
    if (id === undefined) throw new Error('nothing queued');
    expect(readSubmit(realDisk, join(dir, 'submit'), id)?.header.recipients).toEqual(['ann']);
    expect(note).toMatch(/^ann: /);
    expect(readFileSync(join(dir, 'spool/lee'), 'latin1')).toContain('to there');
  });

  test('the own queue where the system has none that can be written', async () => {
    writeFileSync(join(dir, 'submit'), 'a file in the way');
    await createOutbox(options())(MESSAGE, { from: 'lee', recipients: ['x@far.example'] }, HOW);
    expect(listSubmit(realDisk, join(dir, 'own'))).toHaveLength(1);
  });

  test('a failure half-way names who has it and who has not', async () => {
    for (const name of ['submit', 'own']) writeFileSync(join(dir, name), 'in the way');
    const sending = createOutbox(options())(MESSAGE, { from: 'lee', recipients: ['lee', 'x@far.example'] }, HOW);
    await expect(sending).rejects.toThrow(/delivered to lee, not to x@far\.example/);
    await expect(sending).rejects.toBeInstanceOf(MailError);
  });

  test('no recipient', async () => {
    await expect(createOutbox(options())(MESSAGE, { from: 'lee', recipients: [] }, HOW)).rejects.toThrow(UserError);
  });
});

describe('a delivery program', () => {
  test('gets recipients as arguments behind --, and the message with LF ends', async () => {
    const mta = script(`for a; do echo "$a"; done > ${dir}/argv; cat > ${dir}/message`);
    const envelope = { from: 'boss@work.example', recipients: ['-oQ/tmp@x.example', 'bob; touch x'] };
    await createOutbox(options())(MESSAGE, envelope, { ...HOW, mta, explicitSender: true });
    expect(readFileSync(join(dir, 'argv'), 'utf8').split('\n').slice(0, -1)).toEqual([
      '-i',
      '-f',
      'boss@work.example',
      '--',
      '-oQ/tmp@x.example',
      'bob; touch x',
    ]);
    expect(readFileSync(join(dir, 'message'))).toEqual(MESSAGE);
  });

  test.each([
    ['exit status', 'cat >/dev/null; echo "no such host" >&2; exit 68', /exit status 68.*no such host/, false],
    ['temporary', 'exit 75', /exit status 75/, true],
    ['signal', 'kill -9 $$', /SIGKILL/, true],
    ['what it says is made harmless', String.raw`printf '550 \033[2Jno\n'; exit 1`, /\^\[\[2J|␛|\\/, false],
  ])('that fails: %s', async (_, body, said, temporary) => {
    const sending = createOutbox(options())(
      MESSAGE,
      { from: 'lee', recipients: ['bob'] },
      { ...HOW, mta: script(body) },
    );
    await expect(sending).rejects.toThrow(said);
    await expect(sending).rejects.toMatchObject({ temporary });
    await expect(sending).rejects.not.toThrow('\x1b');
  });

  test('that reads nothing and succeeds is believed', async () => {
    const big = Buffer.alloc(1 << 20, 'x\n');
    await createOutbox(options())(big, { from: 'lee', recipients: ['bob'] }, { ...HOW, mta: script('exit 0') });
  });

  test('that is not there is named', async () => {
    const mta = join(dir, 'nowhere');
    const sending = createOutbox(options())(MESSAGE, { from: 'lee', recipients: ['bob'] }, { ...HOW, mta });
    await expect(sending).rejects.toThrow(`${mta}: No such file or directory`);
  });

  test('options may follow its path', () => {
    const call = { program: 'msmtp -a work', sender: undefined, recipients: ['bob'], verbose: true, env: {} };
    expect(programArguments(call)).toEqual(['msmtp', '-a', 'work', '-i', '-v', '--', 'bob']);
  });

  test('stands in for mailboxes that may not be written', async () => {
    const program = script(`for a; do echo "$a"; done > ${dir}/argv; cat >/dev/null`);
    const others = options({ sendmailProgram: program, systemMailbox: (user) => join('/proc/1', user) });
    await createOutbox(others)(MESSAGE, { from: 'lee@host.example', recipients: ['ann'] }, HOW);
    expect(readFileSync(join(dir, 'argv'), 'utf8')).toBe('-i\n--\nann\n');
  });
});

describe('what is said of a message that waits', () => {
  const far = { from: 'lee@host.example', recipients: ['ann@far.example'] };
  const note = async (changes: Partial<OutboxOptions>) =>
    (await createOutbox(options(changes))(MESSAGE, far, HOW)).note;

  test.each([
    [
      'no daemon runs',
      async () => false,
      /^queued for ann@far\.example in .*\/submit: no tmail daemon runs here, it goes out/,
    ],
    ['a daemon runs', async () => true, /^$/],
    [
      'none can be asked, and none takes it',
      async () => undefined,
      /in .*\/submit: it goes out when a tmail daemon takes it up$/,
    ],
  ])('%s', async (_what, daemonRuns, expected) => {
    expect(await note({ daemonRuns, patience: 0 })).toMatch(expected);
    expect(listSubmit(realDisk, join(dir, 'submit'))).toHaveLength(1);
  });

  test('none can be asked, but one takes it', async () => {
    const daemonRuns = async () => {
      rmSync(join(dir, 'submit'), { recursive: true, force: true });
      return undefined;
    };
    expect(await note({ daemonRuns })).toBe('');
  });

  test('a daemon runs, but does not look where it had to be put', async () => {
    writeFileSync(join(dir, 'submit'), 'no folder');
    expect(await note({ daemonRuns: async () => true })).toMatch(
      /\/own, where a tmail daemon does not look, since .*\/submit cannot be written/,
    );
    expect(listSubmit(realDisk, join(dir, 'own'))).toHaveLength(1);
  });
});
