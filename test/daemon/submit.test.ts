/**
 * Mail that is handed over by command, with a daemon that runs and for one that starts later: `tmail send`, and the
 * sendmail face as cron, scripts and alpine call it.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withCr } from '../../src/cli/sendmail-smtp.ts';
import { realDisk } from '../../src/core/files.ts';
import { writeSubmit } from '../../src/queue/submit.ts';
import { BIN } from '../e2e/program.ts';
import { bodyOf, events, field, HERE, HOUR, mailbox, messagesIn, newLab, oneHost } from './new-lab.ts';
import { newRoot, startProcess, until } from './process.ts';

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the built program under a name, in an environment as poor as cron's. */
function call(root: string, name: string, args: readonly string[], input = '', user = 'lee'): Result {
  const link = join(root, name);
  try {
    symlinkSync(BIN, link);
  } catch {
    // It is there.
  }
  const env = { TMAIL_ROOT: root, LOGNAME: user, PATH: '/usr/bin:/bin', TZ: 'UTC' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [link, ...args], { env, input, timeout: 50_000 });
  return { status, out: stdout.toString(), err: stderr.toString() };
}

const box = (root: string, user: string) => messagesIn(join(root, 'var/mail', user));
const submitted = (root: string) => {
  try {
    return readdirSync(join(root, 'var/spool/tmail/submit')).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
};

const ALIASES = { 'etc/aliases': 'postmaster: root\nroot: lee\nteam: lee, dongliang\n' };

describe('with a daemon that runs', () => {
  it('aliases count, fields are added, and the daemon says what became of it', async () => {
    const root = newRoot(ALIASES);
    const daemon = await startProcess(root);
    const letter = 'To: team\nBcc: hidden\nSubject: by cron\n\n.\nhello\n';
    expect(call(root, 'sendmail', ['-FCronDaemon', '-i', '-oem', 'team'], letter)).toMatchObject({
      status: 0,
      err: '',
    });
    await until(() => box(root, 'lee').length === 1 && box(root, 'dongliang').length === 1, 'one copy each');
    const [message = ''] = box(root, 'lee');
    expect(bodyOf(message)).toBe('.\nhello\n\n');
    expect(field(message, 'From')).toBe(`CronDaemon <lee@${HERE}>`);
    expect(field(message, 'To')).toBe(`team@${HERE}`);
    expect(field(message, 'Return-Path')).toBe(`<lee@${HERE}>`);
    expect(message).toMatch(/^Message-ID: <.*>$/m);
    expect(message).toMatch(/^Date: /m);
    expect(message).not.toMatch(/^Bcc:/m);
    expect(message).toMatch(/^Received: \(from \w+@localhost\)\n\tby linux102/m);
    expect(call(root, 'tmail', ['send', '-s', 'hi', 'dongliang'], 'text\n')).toMatchObject({ status: 0 });
    await until(() => box(root, 'dongliang').length === 2, 'the second letter');
    expect(await daemon.end('SIGTERM')).toBe(0);
  });

  it('DSN wishes are kept', async () => {
    const root = newRoot(ALIASES);
    const daemon = await startProcess(root);
    const options = ['-N', 'success', '-V', 'my-id', '-f', 'lee', 'dongliang'];
    expect(call(root, 'sendmail', options, 'Subject: x\n\n').status).toBe(0);
    await until(() => box(root, 'lee').length === 1, 'the report');
    expect(box(root, 'lee')[0]).toMatch(/^Original-Envelope-Id: my-id$/m);
    expect(box(root, 'lee')[0]).toMatch(/^Action: delivered$/m);
    await daemon.end('SIGTERM');
  });
});

describe('for a daemon that starts later', () => {
  it('names that stand for others wait; users get theirs at once', async () => {
    const root = newRoot(ALIASES);
    mkdirSync(join(root, 'home/dongliang'), { recursive: true });
    writeFileSync(join(root, 'home/dongliang/.forward'), 'lee\n');
    chmodSync(join(root, 'home/dongliang/.forward'), 0o644);
    const options = ['-v', 'team', 'lee', 'dongliang'];
    const sent = call(root, 'sendmail', options, 'Subject: x\n\nhello\n');
    expect(sent).toMatchObject({ status: 0, err: expect.stringContaining('queued for team') });
    expect(box(root, 'lee')).toHaveLength(1);
    expect(box(root, 'dongliang')).toHaveLength(0);
    expect(submitted(root)).toHaveLength(1);
    const daemon = await startProcess(root);
    await until(() => submitted(root).length === 0 && box(root, 'lee').length === 2, 'the daemon takes it up');
    await daemon.end('SIGTERM');
  });

  it('an unknown name sends nothing to anybody', () => {
    const root = newRoot(ALIASES);
    const result = call(root, 'sendmail', ['gone', 'lee'], 'Subject: x\n\n');
    expect(result).toMatchObject({ status: 67, err: expect.stringContaining('gone: User unknown') });
    expect(box(root, 'lee')).toHaveLength(0);
  });
});

describe('the sendmail face', () => {
  it('-bs speaks SMTP, with the line ends that people type', () => {
    const root = newRoot(ALIASES);
    const input =
      'ehlo me\nmail from: lee\nrcpt to: dongliang\nrcpt to: gone\ndata\nSubject: by hand\n\n..dot\nlast\n.\nquit\nnoop\n';
    const { status, out, err } = call(root, 'sendmail', ['-bs'], input);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const codes = out.split('\r\n').filter((line) => /^\d{3} /.test(line));
    expect(codes.map((line) => line.slice(0, 3))).toEqual(['220', '250', '250', '250', '550', '354', '250', '221']);
    expect(codes[4]).toMatch(/^550 5\.1\.1 gone\.\.\. User unknown/);
    expect(bodyOf(box(root, 'dongliang')[0] ?? '')).toBe('.dot\nlast\n\n');
  });

  it('-bs takes nothing that did not end', () => {
    const root = newRoot();
    const { status } = call(root, 'sendmail', ['-bs'], 'mail from: lee\nrcpt to: lee\ndata\nSubject: x\n\nhalf');
    expect(status).toBe(0);
    expect(box(root, 'lee')).toHaveLength(0);
    expect(submitted(root)).toEqual([]);
  });

  it('-bv says where mail would end', () => {
    const root = newRoot(ALIASES);
    const { status, out } = call(root, 'sendmail', ['-bv', 'team', 'postmaster']);
    expect(status).toBe(0);
    expect(out.split('\n').filter(Boolean)).toEqual([
      'lee... deliverable: mailer local, user lee',
      'dongliang... deliverable: mailer local, user dongliang',
      'lee... deliverable: mailer local, user lee',
    ]);
    const wrong = call(root, 'sendmail', ['-bv', 'gone']);
    expect(wrong).toMatchObject({ status: 67, out: 'gone... User unknown\n' });
  });

  it('-t reads the recipients, -bp lists what waits', () => {
    const root = newRoot(ALIASES);
    const letter = 'To: dl@qq.com\nCc: "A, B" <b@qq.com>\nBcc: c@qq.com\nSubject: x\n\nhello\n';
    expect(call(root, 'sendmail', ['-t'], letter).status).toBe(0);
    const { out } = call(root, 'sendmail', ['-bp']);
    for (const address of ['dl@qq.com', 'b@qq.com', 'c@qq.com']) expect(out).toContain(address);
  });
});

describe('the folder of submissions', () => {
  it('is believed only in who wrote: neither addresses that are none, nor line ends in them', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    const dir = join(here.root, 'var/spool/tmail/submit');
    const evil = 'lee@x>\r\nRCPT TO:<dl@qq.com>\r\nX: <y';
    writeSubmit(
      realDisk,
      dir,
      { from: evil, recipients: ['dongliang', evil, 'dl@qq.com'] },
      Buffer.from('\nx\n'),
      lab.now(),
    );
    await here.daemon?.takeSubmissions();
    await lab.later(HOUR);
    expect(here.daemon?.entries()).toEqual([]);
    expect(mailbox(here, 'dongliang')).toHaveLength(1);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
    const paths = [mailbox(here, 'dongliang'), mailbox(lab.host('qq.com'), 'dl')].map(([one = '']) =>
      field(one, 'Return-Path'),
    );
    expect(paths).toEqual([`<root@${HERE}>`, `<root@${HERE}>`]);
  });

  it('holds what is damaged under another name; the rest goes on', async () => {
    const { lab, host } = await oneHost();
    const dir = join(host.root, 'var/spool/tmail/submit');
    for (const [name, text] of [
      ['000000001-aaaaaaaaaaaa', ''],
      ['000000002-aaaaaaaaaaaa', 'not JSON\nx'],
      ['000000003-aaaaaaaaaaaa', '{"version":1}\n'],
    ] as const) {
      writeFileSync(join(dir, name), text);
    }
    writeSubmit(realDisk, dir, { from: 'root', recipients: ['lee'] }, Buffer.from('Subject: x\n\n'), lab.now());
    await host.daemon?.takeSubmissions();
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(1);
    expect(readdirSync(dir).sort()).toEqual([
      'damaged-000000001-aaaaaaaaaaaa',
      'damaged-000000002-aaaaaaaaaaaa',
      'damaged-000000003-aaaaaaaaaaaa',
    ]);
    expect(events(host, 'problem')).toHaveLength(3);
  });
});

it.each([
  ['a\nb\n', 'a\r\nb\r\n'],
  ['a\r\nb\n', 'a\r\nb\r\n'],
  ['\n\n', '\r\n\r\n'],
  ['none', 'none'],
])('%j with a CR before each LF', (given, wanted) => {
  expect(Buffer.from(withCr(Buffer.from(given), 0)).toString()).toBe(wanted);
  const pieces = [...given].map((one, at) => withCr(Buffer.from(one), at === 0 ? 0 : given.charCodeAt(at - 1)));
  expect(Buffer.concat(pieces).toString()).toBe(wanted);
});
