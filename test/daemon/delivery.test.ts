/** What becomes of mail for this host: aliases, lists, ~/.forward, files, programs, virtual users, what is refused or dropped. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LabHost } from '../../src/daemon/lab.ts';
import { post, TestClient } from './client.ts';
import { bodyOf, events, field, HERE, HOUR, mailbox, messagesIn, newLab, oneHost } from './new-lab.ts';

const content = 'Subject: hello\r\n\r\nhow are you?\r\n';

async function deliver(host: LabHost, to: string | readonly string[], from = 'ann@away.example'): Promise<string[]> {
  const { rcpt } = await post(host, { from, to: typeof to === 'string' ? [to] : to, content });
  return rcpt.map((reply) => reply.slice(0, 9));
}

const aliases = (text: string) => ({ 'etc/aliases': `postmaster: root\nroot: lee\n${text}` });

describe('aliases', () => {
  it('one copy each, whatever ways lead there; a name in its own expansion is the user', async () => {
    const files = aliases('all: lee, dongliang\nlee: lee, dongliang\nsecond: all\n');
    const { lab, host } = await oneHost('', files);
    expect(await deliver(host, ['all', 'second', 'lee', 'LEE', 'Dongliang@LINUX102.example.com'])).toEqual(
      Array(5).fill('250 2.1.5'),
    );
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(1);
    expect(mailbox(host, 'dongliang')).toHaveLength(1);
  });

  it('postmaster and mailer-daemon always work; +detail reaches the user', async () => {
    const { lab, host } = await oneHost('', { 'etc/aliases': 'root: lee\n' });
    await deliver(host, ['postmaster']);
    await deliver(host, ['mailer-daemon']);
    await deliver(host, ['lee+work']);
    await lab.settle();
    const to = mailbox(host, 'lee').map((one) => field(one, 'Delivered-To'));
    expect(to.sort()).toEqual([`lee+work@${HERE}`, `lee@${HERE}`, `lee@${HERE}`]);
  });

  it('an alias that leads nowhere is refused at RCPT', async () => {
    const { host } = await oneHost('', aliases('a1: gone\n'));
    expect(await deliver(host, ['a1', 'gone', 'lee'])).toEqual(['550 5.1.1', '550 5.1.1', '250 2.1.5']);
  });

  it('a list that names nobody is reported to the sender, not lost', async () => {
    const files = { ...aliases('friends: :include:/etc/friends\n'), 'etc/friends': '# nobody yet\n' };
    const { lab, host } = await oneHost('', files);
    expect(await deliver(host, 'friends', `lee@${HERE}`)).toEqual(['250 2.1.5']);
    await lab.settle();
    const [report = ''] = mailbox(host, 'lee');
    expect(report).toContain('Status: 5.2.4');
    expect(report).toContain('the list names nobody');
  });

  it('a list has its owner as sender, reads :include: files, and its own sender hears of bad members', async () => {
    const lab = await newLab([
      {
        name: HERE,
        users: ['root', 'lee', 'dongliang'],
        files: {
          ...aliases('friends: :include:/etc/friends\nowner-friends: dongliang\n'),
          'etc/friends': '# who likes it\nlee\ndl@qq.com\ngone@qq.com\n',
        },
      },
      { name: 'qq.com', users: ['dl'] },
    ]);
    const host = lab.host(HERE);
    await post(host, { from: 'ann@away.example', to: ['friends'], content });
    await lab.settle();
    expect(field(mailbox(lab.host('qq.com'), 'dl')[0] ?? '', 'Return-Path')).toBe(`<dongliang@${HERE}>`);
    expect(mailbox(host, 'lee')).toHaveLength(1);
    const [report = '', ...more] = mailbox(host, 'dongliang');
    expect(more).toEqual([]);
    expect(report).toMatch(/^Final-Recipient: rfc822; gone@qq\.com$/m);
  });

  it('files get an mbox, without Delivered-To', async () => {
    const { lab, host } = await oneHost('', aliases('archive: /var/archive\n'));
    await deliver(host, 'archive');
    await deliver(host, 'archive');
    await lab.settle();
    const kept = messagesIn(join(host.root, 'var/archive'));
    expect(kept.map(bodyOf)).toEqual(['how are you?\n\n', 'how are you?\n\n']);
    expect(field(kept[0] ?? '', 'Delivered-To')).toBeUndefined();
  });
});

describe('~/.forward', () => {
  const forward = (host: LabHost, text: string, mode = 0o644) => {
    const path = join(host.root, 'home/lee/.forward');
    writeFileSync(path, text);
    chmodSync(path, mode);
  };

  it('forwards, keeps a copy, and is heeded only when nobody else can write it', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    forward(here, '\\lee, dl@qq.com\n');
    await deliver(here, 'lee');
    await lab.settle();
    expect(mailbox(here, 'lee')).toHaveLength(1);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
    forward(here, 'dl@qq.com\n', 0o666);
    await deliver(here, 'lee');
    await lab.settle();
    expect(mailbox(here, 'lee')).toHaveLength(2);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
  });

  it('a user who forwards to themselves by two names gets one copy and no loop', async () => {
    const { lab, host } = await oneHost();
    forward(host, `lee@${HERE}, "/home/lee/copy"\n`);
    await deliver(host, 'lee');
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(1);
  });
});

describe('programs', () => {
  const script = (host: LabHost, text: string): string => {
    const path = join(host.root, 'program');
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  async function withProgram(
    text: string,
  ): Promise<{ lab: Awaited<ReturnType<typeof oneHost>>['lab']; host: LabHost }> {
    // The path is known only once the folder is there: configure, then start again.
    const { lab, host } = await oneHost();
    const path = script(host, text);
    await lab.down(HERE);
    writeFileSync(join(host.root, 'etc/aliases'), `postmaster: root\nroot: lee\nprog: "|${path} a 'b c' $HOME"\n`);
    const toml = join(host.root, 'etc/tmail/tmail.toml');
    writeFileSync(toml, `${readFileSync(toml, 'utf8')}\n[local]\nprograms = ["${path}"]\n`);
    await lab.up(HERE);
    return { lab, host };
  }

  it('get the message on standard input, their words unexpanded, and a clean environment', async () => {
    const { lab, host } = await withProgram('cat > "$0.in"; echo "$# $3" > "$0.words"; env | sort > "$0.env"');
    await deliver(host, 'prog');
    await lab.settle();
    expect(readFileSync(join(host.root, 'program.words'), 'utf8')).toBe('3 $HOME\n');
    const input = readFileSync(join(host.root, 'program.in'), 'utf8');
    expect(input).toMatch(/^From ann@away\.example .*\nReturn-Path: <ann@away\.example>\nReceived: /);
    expect(input).not.toContain('\r');
    const names = readFileSync(join(host.root, 'program.env'), 'utf8').match(/^\w+(?==)/gm);
    expect(names?.filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name))).toEqual([
      'HOME',
      'LOGNAME',
      'PATH',
      'SENDER',
      'SHELL',
      'USER',
    ]);
  });

  it.each([
    ['exit 75', 'deferred', '4.3.0'],
    ['exit 71', 'deferred', '4.3.0'],
    ['kill -9 $$', 'deferred', '4.3.0'],
    ['echo no such person; exit 67', 'failed', '5.1.1'],
    ['exit 69', 'failed', '5.3.0'],
    ['exit 77', 'failed', '5.7.0'],
    ['exit 1', 'failed', '5.3.0'],
  ])('%s: %s', async (text, event, status) => {
    const { lab, host } = await withProgram(text);
    await deliver(host, 'prog', `lee@${HERE}`);
    await lab.settle();
    expect(events(host, event)).toMatchObject([{ status }]);
    const reports = mailbox(host, 'lee');
    expect(reports).toHaveLength(event === 'failed' ? 1 : 0);
    if (text.includes('echo')) expect(reports[0]).toContain('no such person');
    // What the command is called is nobody's business.
    expect(reports[0] ?? '').not.toMatch(/^Final-Recipient:.*\|/m);
  });

  it('that are not allowed are not run', async () => {
    const { lab, host } = await oneHost('', aliases('evil: "|/bin/touch /tmp/tmail-evil"\n'));
    await deliver(host, 'evil', `lee@${HERE}`);
    await lab.settle();
    expect(existsSync('/tmp/tmail-evil')).toBe(false);
    expect(mailbox(host, 'lee').join('')).toMatch(/^Status: 5\.7\.1$/m);
  });
});

describe('virtual users', () => {
  it('exact before +detail before the whole domain, whatever the case; users keep their mail', async () => {
    const files = {
      ...aliases(''),
      'etc/mail/local-host-names': 'd1.example\n',
      'etc/mail/virtusertable': 'bob@d1.example lee\nbob+*@d1.example dongliang\n@d1.example root\n',
    };
    const { lab, host } = await oneHost('', files);
    await deliver(host, 'BOB@D1.example');
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(1);
    await deliver(host, 'bob+x@d1.example');
    await lab.settle();
    expect(mailbox(host, 'dongliang')).toHaveLength(1);
    await deliver(host, ['nobody@d1.example', 'dongliang']);
    await lab.settle();
    // root is lee by the aliases; dongliang of the host's own name is not caught by @d1.example.
    expect(mailbox(host, 'lee')).toHaveLength(2);
    expect(mailbox(host, 'dongliang')).toHaveLength(2);
  });

  it('error: refuses in its own words', async () => {
    const files = {
      ...aliases(''),
      'etc/mail/local-host-names': 'd1.example\n',
      'etc/mail/virtusertable': 'old@d1.example error:5.1.6:551 moved to new@d2.example\n',
    };
    const { host } = await oneHost('', files);
    const { rcpt } = await post(host, { from: '', to: ['old@d1.example'], content });
    expect(rcpt).toEqual(['551 5.1.6 <old@d1.example>... moved to new@d2.example']);
  });
});

describe('access', () => {
  it('DISCARD takes the message and says so in the log alone', async () => {
    const { lab, host } = await oneHost('', { 'etc/mail/access': 'From:spam@away.example DISCARD\n' });
    const { end } = await post(host, { from: 'spam@away.example', to: ['lee'], content });
    expect(end).toMatch(/^250 2\.0\.0 /);
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(0);
    expect(events(host, 'discarded')).toMatchObject([{ rule: expect.stringContaining('access') }]);
  });

  it('QUARANTINE holds the message with the reason', async () => {
    const { lab, host } = await oneHost('', { 'etc/mail/access': 'From:odd@away.example QUARANTINE:looks odd\n' });
    await post(host, { from: 'odd@away.example', to: ['lee'], content });
    await lab.later(24 * HOUR);
    expect(mailbox(host, 'lee')).toHaveLength(0);
    expect(host.daemon?.entries()).toMatchObject([{ held: 'looks odd' }]);
  });

  it('a change counts without a restart, and a fault in it changes nothing', async () => {
    const { host } = await oneHost('', { 'etc/mail/access': '# nobody\n' });
    expect(await deliver(host, 'lee')).toEqual(['250 2.1.5']);
    writeFileSync(join(host.root, 'etc/mail/access'), 'From:ann@away.example REJECT\n');
    host.daemon?.reload();
    const { end } = await post(host, { from: 'ann@away.example', to: ['lee'], content });
    expect(end).toMatch(/^550 5\.7\.1 .*Access denied$/);
    writeFileSync(join(host.root, 'etc/mail/access'), 'From:ann@away.example\n');
    host.daemon?.reload();
    expect((await post(host, { from: 'ann@away.example', to: ['lee'], content })).end).toMatch(/^550 5\.7\.1/);
  });
});

describe('never an open relay', () => {
  it.each([
    'victim@far.example',
    'victim%far.example@linux102.example.com',
    '@linux102.example.com:victim@far.example',
    '@linux102.example.com,@b.example:victim@far.example',
    'far.example!victim@linux102.example.com',
    '"victim@far.example"@linux102.example.com',
    'victim@[192.0.2.1]',
    'victim@far.example%linux102.example.com',
    'victim@[IPv6:::ffff:192.0.2.1]',
    'victim@linux102.example.com@far.example',
  ])('%s', async (to) => {
    const { lab, host } = await oneHost('[relay]\nloopback = false\n', aliases(''));
    for (const from of ['ann@away.example', `lee@${HERE}`, '']) {
      const { rcpt } = await post(host, { from, to: [to], content });
      expect(rcpt.join('')).toMatch(/^5\d\d 5\./);
    }
    await lab.settle();
    expect(events(host, 'accepted')).toEqual([]);
  });
});

describe('local delivery', () => {
  it('hand-typed mail without HELO shows who did not say it', async () => {
    const { lab, host } = await oneHost();
    const client = await TestClient.to(host);
    expect(await client.say('mail from :dongliang@linux102.example.com')).toMatch(/^250 2\.1\.0 /);
    expect(await client.say('rcpt to: lee@linux102.example.com')).toMatch(/^250 2\.1\.5 /);
    await client.say('Data');
    client.write('hello\r\n.\r\n');
    expect(await client.reply()).toMatch(/^250 2\.0\.0 /);
    await client.quit();
    await lab.settle();
    const [message = ''] = mailbox(host, 'lee');
    expect(field(message, 'X-Authentication-Warning')).toBe(`${HERE}: [127.0.0.1] didn't use HELO protocol`);
  });

  it('does not believe what a message says of its own state', async () => {
    const { lab, host } = await oneHost();
    const forged =
      'Status: RO\r\nX-Status: D\r\nX-UID: 7\r\nX-IMAPbase: 1 7\r\nX-Keywords: x\r\nReturn-Path: <x@y>\r\n';
    await post(host, { from: 'ann@away.example', to: ['lee'], content: `${forged}Subject: x\r\n\r\nFrom me\r\n` });
    await lab.settle();
    const [message = ''] = mailbox(host, 'lee');
    expect(message).not.toMatch(/^(Status|X-Status|X-UID|X-IMAPbase|X-Keywords):/m);
    expect(message.match(/^Return-Path:.*/gm)).toEqual(['Return-Path: <ann@away.example>']);
    expect(message).toContain('\n>From me\n');
    expect(statSync(join(host.root, 'var/mail/lee')).mode & 0o777).toBe(0o600);
  });

  it('delivers to a Maildir where that is configured', async () => {
    const { lab, host } = await oneHost('[local]\nmaildir = "Maildir"\nmaildir_users = ["lee"]\n');
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(host.root, 'home/lee/Maildir', part), { recursive: true });
    await deliver(host, ['lee', 'dongliang']);
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(0);
    expect(mailbox(host, 'dongliang')).toHaveLength(1);
    const { readdirSync } = await import('node:fs');
    expect(readdirSync(join(host.root, 'home/lee/Maildir/new'))).toHaveLength(1);
  });

  it('a full mailbox delays its own mail, with growing waits, and warns once', async () => {
    const { lab, host } = await oneHost('[local]\nquota = "1K"\n');
    const large = `Subject: x\r\n\r\n${'x'.repeat(70)}\r\n`.repeat(20);
    await post(host, { from: `lee@${HERE}`, to: ['dongliang'], content: large });
    await lab.settle();
    for (let n = 0; n < 10; n++) await post(host, { from: `lee@${HERE}`, to: ['dongliang'], content });
    await lab.later(5 * HOUR);
    expect(mailbox(host, 'dongliang')).toHaveLength(1);
    expect(mailbox(host, 'lee')).toHaveLength(10);
    expect(events(host, 'deferred').length).toBeLessThan(10 * 12);
    writeFileSync(join(host.root, 'var/mail/dongliang'), '');
    await lab.later(2 * HOUR);
    expect(mailbox(host, 'dongliang')).toHaveLength(10);
  });
});

describe('limits', () => {
  it('SIZE is refused before DATA, and at the end when it was not announced', async () => {
    const { host } = await oneHost('[limits]\nmessage_size = 1000\n');
    const large = `Subject: x\r\n\r\n${'x'.repeat(2000)}\r\n`;
    const announced = await post(host, { from: 'a@away.example', to: ['lee'], content: large, mail: 'SIZE=2000' });
    expect(announced.end).toBe('552 5.3.4 Message exceeds maximum fixed size (1000)');
    const { end } = await post(host, { from: 'a@away.example', to: ['lee'], content: large });
    expect(end).toBe('552 5.3.4 Message exceeds maximum fixed size (1000)');
  });

  it('a header beyond its limit is refused; a long field and NUL are kept', async () => {
    const { lab, host } = await oneHost();
    const header = `Subject: ${'s'.repeat(3000)}\r\n\r\n`;
    await post(host, { from: 'a@away.example', to: ['lee'], content: header });
    await lab.settle();
    expect(field(mailbox(host, 'lee')[0] ?? '', 'Subject')).toBe('s'.repeat(3000));
    const big = `${`X-Field: ${'y'.repeat(900)}\r\n`.repeat(80)}\r\n`;
    expect((await post(host, { from: 'a@away.example', to: ['lee'], content: big })).end).toMatch(/^55\d 5\.6\.0/);
    const nul = await post(host, { from: 'a@away.example', to: ['lee'], content: 'Subject: a\0b\r\n\r\n' });
    expect(nul.end).toMatch(/^250 /);
    await lab.settle();
    expect(mailbox(host, 'lee')[1]).toContain('Subject: a\0b\n');
  });

  it('too many connections of one client get a 421, others go on', async () => {
    const { host } = await oneHost('[limits]\nconnections_per_client = 2\n');
    const clients = [await TestClient.to(host), await TestClient.to(host)];
    const third = await TestClient.to(host, false);
    expect(await third.reply()).toMatch(/^421 4\.7\.0 linux102\.example\.com Too many/);
    const where = { port: host.port ?? 0, host: host.address, localAddress: '127.0.0.9' };
    const other = await TestClient.open(where, false);
    expect(await other.reply()).toMatch(/^220 /);
    for (const client of [...clients, other]) await client.quit();
    const again = await TestClient.to(host, false);
    expect(await again.reply()).toMatch(/^220 /);
    await again.quit();
  });

  it('1000 idle connections and one that types slowly stop nobody', async () => {
    const { lab, host } = await oneHost('[limits]\nconnections = 1100\nconnections_per_client = 1100\n');
    const idle = await Promise.all(Array.from({ length: 1000 }, () => TestClient.to(host)));
    const slow = idle[0];
    slow?.write('MAIL FR');
    await deliver(host, 'lee');
    for (const client of idle) client.socket.destroy();
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(1);
  });
});

describe('LMTP', () => {
  it('answers for each recipient on a UNIX socket', async () => {
    const { lab, host } = await oneHost('[[listen]]\nrole = "lmtp"\naddress = "unix:/var/lmtp"\n');
    const client = await TestClient.open({ path: join(host.root, 'var/lmtp') });
    await client.say('LHLO me');
    expect(await client.say('EHLO me')).toMatch(/^500 /);
    await client.say('MAIL FROM:<ann@away.example>');
    expect(await client.say('RCPT TO:<lee>')).toMatch(/^250 /);
    expect(await client.say('RCPT TO:<gone>')).toMatch(/^550 /);
    expect(await client.say('RCPT TO:<dongliang>')).toMatch(/^250 /);
    await client.say('DATA');
    client.write(`${content}.\r\n`);
    expect(await client.reply()).toMatch(/^250 /);
    expect(await client.reply()).toMatch(/^250 /);
    await client.quit();
    await lab.settle();
    expect(mailbox(host, 'lee')).toHaveLength(1);
    expect(mailbox(host, 'dongliang')).toHaveLength(1);
  });

  it('is spoken to a host that mailertable says so of', async () => {
    const lab = await newLab([
      { name: HERE, users: ['root', 'lee'] },
      { name: 'store.example', users: ['dl'], toml: '[[listen]]\nrole = "lmtp"\naddress = "127.0.0.102:0"\n' },
    ]);
    const [lmtp = ''] = lab.host('store.example').daemon?.addresses ?? [];
    await lab.down(HERE);
    const port = lmtp.split(':')[1];
    writeFileSync(join(lab.host(HERE).root, 'etc/mail/mailertable'), `store.example lmtp:[127.0.0.102]:${port}\n`);
    await lab.up(HERE);
    await deliver(lab.host(HERE), ['dl@store.example', 'gone@store.example'], `lee@${HERE}`);
    await lab.settle();
    expect(mailbox(lab.host('store.example'), 'dl')).toHaveLength(1);
    expect(mailbox(lab.host(HERE), 'lee')[0]).toMatch(/^Final-Recipient: rfc822; gone@store\.example$/m);
  });
});

describe('SMTPUTF8', () => {
  it('goes through hosts that know it, and its report comes back to an address beyond ASCII', async () => {
    const lab = await newLab([
      { name: HERE, users: ['root', 'lee'] },
      { name: 'xn--tda.example', users: ['root', 'ünï'] },
    ]);
    const here = lab.host(HERE);
    const from = Buffer.from(`lee@${HERE}`).toString('latin1');
    const to = Buffer.from('ünï@xn--tda.example').toString('latin1');
    const sent = await post(here, {
      from,
      to: [to],
      content: `Subject: ${Buffer.from('grüße').toString('latin1')}\r\n\r\n`,
      mail: 'SMTPUTF8 BODY=8BITMIME',
    });
    expect(sent.end).toMatch(/^250 /);
    await lab.settle();
    expect(mailbox(lab.host('xn--tda.example'), 'ünï')).toHaveLength(1);
    await post(here, { from, to: [Buffer.from('göne@xn--tda.example').toString('latin1')], content, mail: 'SMTPUTF8' });
    await lab.settle();
    const [report = ''] = mailbox(here, 'lee');
    expect(Buffer.from(report, 'latin1').toString()).toMatch(/^Final-Recipient: utf-8; göne@xn--tda\.example$/m);
  });
});
