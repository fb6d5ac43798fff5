/** The queue from the command line: while a daemon runs, and when none does. */
import { execFile } from 'node:child_process';
import { readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Lab, LabHost } from '../../src/daemon/lab.ts';
import { post } from '../daemon/client.ts';
import { HERE, mailbox, newLab } from '../daemon/new-lab.ts';
import { cleanUpAfterwards } from '../daemon/when-done.ts';
import { BIN, newHome, type Result } from './program.ts';

const home = newHome();

/** Not waiting for it: the daemon that answers is in this process. */
function run(program: string, args: readonly string[], input = ''): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd: home.dir, env: home.env }, (error, out, err) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ status, out, err });
    });
    // Who does not read it may be gone already.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

interface Row {
  readonly id: string;
  readonly [name: string]: unknown;
}

cleanUpAfterwards();

let lab: Lab;
let host: LabHost;
const tmail = (...args: string[]) => run(BIN, ['--root', host.root, ...args]);
const rows = async () => {
  const { out } = await tmail('mailq', '--json');
  return out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
};

/** Messages for hosts that are down, in the queue. */
async function wait(...to: string[]): Promise<string[]> {
  const before = new Set((await rows()).map(({ id }) => id));
  for (const one of to) await post(host, { from: `lee@${HERE}`, to: [one], content: 'Subject: x\r\n\r\nhello\r\n' });
  await lab.settle();
  return (await rows()).map(({ id }) => id).filter((id) => !before.has(id));
}

beforeAll(async () => {
  lab = await newLab();
  host = lab.host(HERE);
  await lab.down('qq.com');
});

describe('with a daemon', () => {
  test('mailq prints the columns of sendmail, and the reason under each recipient', async () => {
    const [id = ''] = await wait('dl@qq.com');
    const { out, status } = await tmail('mailq');
    expect(status).toBe(0);
    expect(out.split('\n')).toEqual([
      `\t\t${host.root}/var/spool/tmail/queue (1 request)`,
      '-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------',
      expect.stringMatching(new RegExp(`^${id} {6} {5}\\d{3} Wed Nov 25 03:44 <lee@${HERE}>$`)),
      `${' '.repeat(41)}<dl@qq.com>`,
      expect.stringMatching(/^ {41}\(Deferred: qq\.com .*refused.*\)$/i),
      '\t\tTotal requests: 1',
      '',
    ]);
    expect(await rows()).toMatchObject([
      {
        id,
        queue: 'queue',
        state: 'queued',
        from: `lee@${HERE}`,
        submitted: lab.now() / 1000,
        recipients: ['dl@qq.com'],
        held: null,
        targets: [{ address: 'dl@qq.com', state: 'queued', attempts: 1, next: lab.now() / 1000 + 60, status: '4.4.1' }],
      },
    ]);
    await tmail('queue', 'delete', id);
  });

  test('as mailq and sendmail -bp it is the same', async () => {
    const ids = await wait('dl@qq.com');
    const expected = (await tmail('mailq')).out;
    for (const [name, ...args] of [['mailq'], ['sendmail', '-bp']] as const) {
      symlinkSync(BIN, join(home.dir, name));
      expect((await run('env', [`TMAIL_ROOT=${host.root}`, join(home.dir, name), ...args])).out).toBe(expected);
    }
    await tmail('queue', 'delete', ...ids);
  });

  test('holds, shows, releases, tries, deletes and returns', async () => {
    const [one = '', two = ''] = await wait('dl@qq.com', 'x@qq.com');
    expect(await tmail('queue', 'hold', one, '--reason', 'looks odd')).toMatchObject({ out: '1 message held\n' });
    const listed = (await tmail('mailq')).out;
    expect(listed).toMatch(new RegExp(`^${one} {5}X .*\\n {41}\\(held: looks odd\\)\\n {41}<dl@qq\\.com>$`, 'm'));
    const shown = (await tmail('queue', 'show', one.toLowerCase())).out;
    expect(shown).toMatch(/^Held +looks odd$/m);
    expect(shown).toMatch(/^To +<dl@qq\.com>: 1 attempt, next Wed Nov 25 03:45$/m);
    expect(await tmail('queue', 'retry', one)).toMatchObject({
      status: 1,
      err: `tmail: ${one} is held; release it first\n`,
    });
    expect((await tmail('queue', 'release', one)).out).toBe('1 message released\n');
    await lab.settle();
    expect((await rows()).find(({ id }) => id === one)).toMatchObject({ targets: [{ attempts: 2 }] });
    expect((await tmail('queue', 'retry', 'qq.com')).out).toBe('2 messages for qq.com will be tried now\n');
    expect((await tmail('queue', 'retry', '163.com', '@com')).out).toBe(
      '0 messages for 163.com will be tried now\n2 messages for @com will be tried now\n',
    );
    await lab.settle();
    expect((await tmail('queue', 'run')).out).toBe('2 messages will be tried now\n');
    await lab.settle();
    expect((await tmail('queue', 'delete', one)).out).toBe('1 message deleted\n');
    expect((await tmail('queue', 'bounce', two, '--reason', 'no such customer')).out).toBe(
      '1 message returned to sender\n',
    );
    await lab.settle();
    expect(await rows()).toEqual([]);
    expect(mailbox(host, 'lee').at(-1)).toMatch(/no such customer/);
    expect((await tmail('queue', 'show')).out).toBe('the queue is empty\n');
  });

  test('sendmail -q has the daemon try its queue, and says nothing', async () => {
    const [id = ''] = await wait('dl@qq.com');
    await lab.up('qq.com');
    const sendmail = join(home.dir, 'sendmail');
    const result = await run('env', [`TMAIL_ROOT=${host.root}`, sendmail, '-q']);
    expect(result).toEqual({ status: 0, out: '', err: '' });
    await lab.settle();
    expect(await rows()).toEqual([]);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
    const traced = (await tmail('trace', id)).out;
    expect(traced).toMatch(new RegExp(`^${id} +<lee@${HERE.replaceAll('.', '\\.')}> +\\d+ bytes`));
    expect(traced).toMatch(/<dl@qq\.com> +deferred: qq\.com/);
    expect(traced).toMatch(/<dl@qq\.com> +relayed, after 0 s: qq\.com: 250 /);
    await lab.down('qq.com');
  });

  test('what is submitted by command is not said to wait for a daemon', async () => {
    const before = mailbox(host, 'dongliang').length;
    const sent = await run(BIN, ['--root', host.root, 'send', '-s', 'x', 'x@163.com'], 'hello\n');
    expect(sent).toEqual({ status: 0, out: '', err: '' });
    await host.daemon?.takeSubmissions();
    await lab.settle();
    expect(mailbox(host, 'dongliang')).toHaveLength(before);
    expect((await tmail('trace', 'to', 'x@163.com')).out).toMatch(/by submit as /);
  });

  test('trace finds who was refused, and why', async () => {
    const eve = await post(host, { from: 'eve@far.example', to: ['nosuch@linux102.example.com'], content: 'x\r\n' });
    expect(eve.rcpt[0]).toMatch(/^550 /);
    const { out, status } = await tmail('trace', 'from', 'eve@far.example');
    expect(status).toBe(0);
    expect(out).toMatch(
      /^Refused:\n.* from <eve@far\.example> +RCPT TO:<nosuch@linux102.*: 550 .*User unknown +\(local\)$/im,
    );
    expect(await tmail('trace', 'nobody@nowhere.org')).toMatchObject({ status: 1, out: 'nothing in the log\n' });
    const events = (await tmail('trace', 'eve@far.example', '--json')).out.trim().split('\n');
    expect(events.map((line) => JSON.parse(line) as Row)).toMatchObject([
      { event: 'refused', from: 'eve@far.example' },
    ]);
  });

  test('mailstats counts', async () => {
    const { out } = await tmail('mailstats');
    expect(out).toMatch(/^Statistics from Wed Nov 25 03:44:00 2026\n M {3}msgsfr {2}bytes_from /);
    expect(out).toMatch(/^ T +\d+ +\d+K +\d+ +\d+K +\d+ +\d+$/m);
    const { mailers } = JSON.parse((await tmail('mailstats', '--json')).out) as {
      mailers: Record<string, Record<string, number>>;
    };
    expect(mailers.esmtp).toMatchObject({ messagesTo: 1, rejected: 1 });
  });

  test('audit misses nothing while the daemon is at work', async () => {
    const ids = await wait('dl@qq.com');
    const { out, status } = await tmail('audit');
    expect(out).toMatch(/ 1 queued\nnothing is missing\n$/);
    expect(status).toBe(0);
    await tmail('queue', 'delete', ...ids);
  });
});

describe('without a daemon', () => {
  let id: string;
  beforeAll(async () => {
    [id = ''] = await wait('dl@qq.com');
    await lab.down(HERE);
  });

  test('the folder itself is listed and changed', async () => {
    expect((await tmail('mailq')).out).toMatch(
      new RegExp(`^${id} [\\s\\S]*<dl@qq\\.com>\\n.*Deferred[\\s\\S]*Total requests: 1\\nNo tmail daemon runs`, 'm'),
    );
    expect((await tmail('queue', 'hold', id)).out).toBe('1 message held\n');
    expect(await rows()).toMatchObject([{ id, state: 'held', held: 'held by the administrator' }]);
    expect((await tmail('queue', 'release', id)).out).toBe('1 message released\n');
    expect((await tmail('queue', 'retry', 'all')).out).toBe(
      '1 message will be tried now, when the tmail daemon starts: none runs\n',
    );
    expect(await tmail('queue', 'bounce', id)).toMatchObject({
      status: 1,
      err: 'tmail: no daemon runs that could tell the sender; start it, or delete the message\n',
    });
    const sendmail = join(home.dir, 'sendmail');
    expect(await run('env', [`TMAIL_ROOT=${host.root}`, sendmail, '-q'])).toMatchObject({
      status: 75,
      err: 'sendmail: no tmail daemon runs; the queue is tried when one starts\n',
    });
    expect(await rows()).toMatchObject([{ id, state: 'queued' }]);
    expect((await tmail('mailstats')).out).toMatch(/^ T /m);
  });

  test('what is submitted waits, and is said to', async () => {
    const sent = await run(BIN, ['--root', host.root, 'send', '-s', 'x', 'y@163.com'], 'hello\n');
    expect(sent.status).toBe(0);
    expect(sent.err).toMatch(
      /queued for y@163\.com in .*\/submit: no tmail daemon runs here, it goes out when one does\n$/,
    );
    expect((await tmail('mailq')).out).toMatch(/\/submit \(1 request\)\n[\s\S]*<y@163\.com>\n\t\tTotal requests: 2\n/);
  });

  test('audit finds what is missing, also behind rotated logs', async () => {
    const path = join(host.root, 'var/log/tmail.log');
    expect(await tmail('audit')).toMatchObject({ status: 0 });
    const lines = readFileSync(path, 'utf8').split(/(?<=\n)/);
    const half = Math.floor(lines.length / 2);
    writeFileSync(`${path}.2.gz`, gzipSync(lines.slice(0, 5).join('')));
    writeFileSync(`${path}.1`, lines.slice(5, half).join(''));
    writeFileSync(path, lines.slice(half).join(''));
    expect(await tmail('audit')).toMatchObject({ status: 0, out: expect.stringMatching(/nothing is missing\n$/) });
    expect((await tmail('queue', 'delete', id)).out).toBe('1 message deleted\n');
    expect(await tmail('audit')).toMatchObject({ status: 0 });
    const after = readFileSync(path, 'utf8').replace(/^.*"event":"discarded".*deleted by the administrator.*\n$/m, '');
    writeFileSync(path, `${after}torn line`);
    const { out, status } = await tmail('audit');
    expect(status).toBe(1);
    expect(out).toMatch(
      new RegExp(`^${id}: <dl@qq\\.com>, accepted 2026-11-25T03:44:.*: no outcome, and not in the queue$`, 'm'),
    );
    expect(out).toMatch(/1 fault\n$/);
    const json = (await tmail('audit', '--json')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    expect(json[0]).toEqual({ fault: 'lost', id, to: 'dl@qq.com', accepted: expect.stringMatching(/^2026/) });
    expect(json[1]).toMatchObject({ faults: 1, unreadable: 0 });
    renameSync(path, `${path}.3`);
    expect(await tmail('audit')).toMatchObject({
      status: 1,
      err: `tmail: ${path}: No such file or directory; no daemon has run here, or log.file says that it writes elsewhere\n`,
    });
    expect((await tmail('trace', id)).out).toMatch(/<dl@qq\.com> waits in the queue; `tmail queue show/);
    writeFileSync(path, 'Nov 25 03:44:00 host tmail[1]: started, version=1\n');
    renameSync(`${path}.3`, `${path}-kept`);
    renameSync(`${path}.2.gz`, `${path}-kept2`);
    renameSync(`${path}.1`, `${path}-kept3`);
    expect(await tmail('audit')).toMatchObject({
      status: 1,
      err: `tmail: ${path}: written in the form maillog, which cannot be read back; set log.format = "json"\n`,
    });
  });

  test.each([
    [['queue'], 2, /^tmail: queue takes one of show, retry, hold/],
    [['queue', 'eat'], 2, /found "eat"/],
    [['queue', 'hold'], 2, /which messages\? `tmail mailq` lists them/],
    [['queue', 'run', 'X'], 2, /queue run takes no message/],
    [['queue', 'delete', 'NOSUCH'], 1, /^tmail: not in the queue: NOSUCH; nothing was changed$/],
    [['queue', 'show', 'NO\u001bSUCH'], 1, /^tmail: not in the queue: NO\\x1bSUCH$/],
    [['queue', 'delete', 'X', '--reason', 'x'], 2, /--reason is for hold and bounce/],
    [['queue', 'hold', 'X', '--reason', 'a\nb'], 2, /--reason takes one line/],
    [['trace'], 2, /trace takes a queue id, an address/],
    [['trace', 'a', 'b', 'c'], 2, /found "a b c"/],
    [['trace', 'lee', '--around', 'nine'], 2, /--around "nine": not a time such as 9:00/],
    [['audit', 'x'], 2, /audit takes no operand/],
    [['mailstats', '--jason'], 2, /unknown option/],
  ])('%j is refused in one line', async (args, status, err) => {
    const result = await tmail(...args);
    expect(result.status).toBe(status);
    expect(result.err.trimEnd()).toMatch(err);
    expect(result.err.match(/\n/g)).toHaveLength(1);
    expect(result.out).toBe('');
  });
});
