/** From host to host: what arrives is what was sent, what cannot go waits, is warned of and comes back. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { post } from './client.ts';
import { bodyOf, events, field, HERE, HOUR, mailbox, newLab, oneHost } from './new-lab.ts';

const LETTER = 'From: <lee@linux102.example.com>\r\nTo: <dl@qq.com>\r\nSubject: hello\r\n\r\n';
const toQq = (body: string, more = {}) => ({
  from: `lee@${HERE}`,
  to: ['dl@qq.com'],
  content: `${LETTER}${body}`,
  ...more,
});

describe('relaying', () => {
  it('delivers to the next host what came in, octet for octet', async () => {
    const lab = await newLab();
    const body = ['hello', '.', '..', '.hello', '', ' ', 'x'.repeat(990), 'y'.repeat(5000), 'From here', 'end'];
    const { rcpt, end } = await post(lab.host(HERE), toQq(`${body.join('\r\n')}\r\n`));
    expect(rcpt).toEqual(['250 2.1.5 <dl@qq.com>... Recipient ok']);
    expect(end).toMatch(/^250 2\.0\.0 \S+ Message accepted for delivery$/);
    await lab.settle();
    const [message = ''] = mailbox(lab.host('qq.com'), 'dl');
    expect(bodyOf(message)).toBe(`${body.join('\n').replace(/^From /m, '>From ')}\n\n`);
    expect(field(message, 'Return-Path')).toBe(`<lee@${HERE}>`);
    expect(field(message, 'Delivered-To')).toBe('dl@qq.com');
    expect(message.match(/^Received: /gm)).toHaveLength(2);
    expect(field(message, 'Received')).toMatch(
      /^from linux102\.example\.com \(linux102\.example\.com \[127\.0\.0\.101\]\) by qq\.com/,
    );
    expect(lab.host(HERE).daemon?.entries()).toEqual([]);
  });

  it('waits for a host that is down, with growing waits, and delivers when it is there again', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    await lab.down('qq.com');
    await post(here, toQq('waits\r\n'));
    await lab.settle();
    const [entry] = here.daemon?.entries() ?? [];
    expect(entry?.recipients[0]).toMatchObject({ attempts: 1, status: 'queued', reason: { status: '4.4.1' } });
    await lab.later(HOUR);
    // At 0, 1, 3, 7, 15, 31 minutes.
    expect(events(here, 'deferred')).toHaveLength(6);
    await lab.up('qq.com');
    await lab.later(HOUR);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
    expect(here.daemon?.entries()).toEqual([]);
  });

  it('warns after 4 hours and returns after 5 days', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    await lab.down('qq.com');
    await post(here, toQq('never arrives\r\n'));
    await lab.later(4 * HOUR - 1);
    expect(mailbox(here, 'lee')).toHaveLength(0);
    await lab.later(HOUR);
    const [warning = ''] = mailbox(here, 'lee');
    expect(warning).toMatch(/^From MAILER-DAEMON /);
    expect(field(warning, 'Return-Path')).toBe('<>');
    expect(field(warning, 'Subject')).toBe('Warning: message still undelivered');
    expect(warning).toMatch(/^Action: delayed\nStatus: 4\.4\.1$/m);
    expect(warning).toMatch(/^Final-Recipient: rfc822; dl@qq\.com$/m);
    expect(warning).not.toContain('never arrives');
    await lab.later(114 * HOUR);
    expect(mailbox(here, 'lee')).toHaveLength(1);
    await lab.later(2 * HOUR);
    const [, returned = ''] = mailbox(here, 'lee');
    expect(returned).toMatch(/^Action: failed\nStatus: 4\.4\.7$/m);
    expect(returned).toContain('never arrives');
    expect(here.daemon?.entries()).toEqual([]);
  });

  it('keeps what waits over a restart', async () => {
    const lab = await newLab();
    await lab.down('qq.com');
    await post(lab.host(HERE), toQq('kept\r\n'));
    await lab.settle();
    await lab.down(HERE);
    await lab.up('qq.com');
    await lab.up(HERE);
    await lab.later(2 * HOUR);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
  });

  it('frees all that waits for a host when one message gets through', async () => {
    const lab = await newLab();
    await lab.down('qq.com');
    for (let n = 0; n < 5; n++) await post(lab.host(HERE), toQq(`number ${n}\r\n`));
    await lab.later(30 * 60_000);
    await lab.up('qq.com');
    await post(lab.host(HERE), toQq('one more\r\n'));
    await lab.settle();
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(6);
  });
});

describe('what the other host says', () => {
  it.each([
    ['451 4.3.0 later', 'deferred', '4.3.0'],
    ['550 5.7.1 never', 'failed', '5.7.1'],
    ['550 no code of its own', 'failed', '5.0.0'],
    ['421 4.3.2 going down', 'deferred', '4.3.2'],
    ['nonsense', 'deferred', '4.5.0'],
  ])('%s: %s', async (text, event, status) => {
    const lab = await newLab();
    const here = lab.host(HERE);
    await lab.fault('qq.com', { kind: 'answer', text });
    await post(here, toQq('x\r\n'));
    await lab.settle();
    expect(events(here, event)).toMatchObject([{ status }]);
    expect(mailbox(here, 'lee')).toHaveLength(event === 'failed' ? 1 : 0);
  });

  it('a host that says nothing is tried again later', async () => {
    const lab = await newLab();
    await lab.fault('qq.com', { kind: 'silent' });
    await post(lab.host(HERE), toQq('x\r\n'));
    await lab.settle();
    expect(events(lab.host(HERE), 'deferred')).toMatchObject([{ status: '4.4.2' }]);
    await lab.fault('qq.com', undefined);
    await lab.later(HOUR);
    expect(mailbox(lab.host('qq.com'), 'dl')).toHaveLength(1);
  });

  it('a connection that breaks at any octet delays the message and stops nothing else', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    for (let after = 1; after < 420; after += 7) {
      await lab.fault('qq.com', { kind: 'breaks', after });
      await post(here, toQq(`${after}\r\n`));
      await lab.settle();
    }
    await post(here, { from: '', to: ['dongliang@163.com'], content: 'Subject: goes\r\n\r\n' });
    await lab.settle();
    expect(mailbox(lab.host('163.com'), 'dongliang')).toHaveLength(1);
    await lab.fault('qq.com', undefined);
    await lab.later(2 * HOUR);
    const arrived = mailbox(lab.host('qq.com'), 'dl');
    expect(new Set(arrived.map(bodyOf)).size).toBe(arrived.length);
    expect(here.daemon?.entries()).toEqual([]);
    expect(mailbox(here, 'lee')).toHaveLength(0);
  });

  it('honours the SIZE that a host announces', async () => {
    const lab = await newLab([
      { name: HERE, users: ['lee'] },
      { name: 'qq.com', users: ['dl'], toml: '[limits]\nmessage_size = "1k"\n' },
    ]);
    await post(lab.host(HERE), toQq(`${'x'.repeat(70)}\r\n`.repeat(100)));
    await lab.settle();
    const [returned = ''] = mailbox(lab.host(HERE), 'lee');
    expect(returned).toMatch(/^Action: failed\nStatus: 5\.3\.4$/m);
    expect(events(lab.host('qq.com'), 'refused')).toEqual([]);
  });
});

describe('reports', () => {
  it('honours NOTIFY, ENVID, ORCPT and RET', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    const mail = 'RET=HDRS ENVID=QQ314159';
    await post(here, {
      ...toQq('body text\r\n'),
      to: ['gone@qq.com'],
      mail,
      rcpt: 'NOTIFY=FAILURE ORCPT=rfc822;was+2Bhere@old.example',
    });
    await lab.settle();
    const [report = ''] = mailbox(here, 'lee');
    expect(report).toMatch(/^Original-Envelope-Id: QQ314159$/m);
    expect(report).toMatch(/^Original-Recipient: rfc822; ?was\+2Bhere@old\.example$/m);
    expect(report).toMatch(/^Remote-MTA: dns; qq\.com$/m);
    expect(report).toMatch(/^Diagnostic-Code: smtp; 550 5\.1\.1 .*User unknown$/m);
    expect(report).toMatch(/^Content-Type: text\/rfc822-headers$/m);
    expect(report).toContain('Subject: hello');
    expect(report).not.toContain('body text');
    expect(field(report, 'Auto-Submitted')).toBe('auto-replied');
  });

  it('says nothing with NOTIFY=NEVER, and of success only when asked', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    await post(here, { ...toQq('x\r\n'), to: ['gone@qq.com'], rcpt: 'NOTIFY=NEVER' });
    await post(here, { ...toQq('x\r\n'), to: ['dongliang'] });
    await lab.settle();
    expect(mailbox(here, 'lee')).toHaveLength(0);
    await post(here, { ...toQq('x\r\n'), to: ['dongliang'], rcpt: 'NOTIFY=SUCCESS' });
    await post(here, { ...toQq('x\r\n'), rcpt: 'NOTIFY=SUCCESS' });
    await lab.settle();
    const reports = mailbox(here, 'lee');
    expect(reports.map((one) => /^Action: (\w+)$/m.exec(one)?.[1]).sort()).toEqual(['delivered', 'delivered']);
    const finals = reports.map((one) => /^Final-Recipient: (.*)$/m.exec(one)?.[1]).sort();
    expect(finals).toEqual(['rfc822; dl@qq.com', `rfc822; dongliang@${HERE}`]);
  });

  it('go from the null sender, and what cannot be returned goes to postmaster once', async () => {
    const lab = await newLab();
    const here = lab.host(HERE);
    await post(here, { ...toQq('x\r\n'), from: 'nobody@qq.com', to: ['gone@163.com'] });
    await lab.settle();
    // The report to nobody@qq.com fails: its failure is for postmaster, whose mail is root's, which is lee's.
    const [double = '', ...more] = mailbox(here, 'lee');
    expect(more).toEqual([]);
    expect(field(double, 'Return-Path')).toBe('<>');
    expect(double).toMatch(/^Final-Recipient: rfc822; nobody@qq\.com$/m);
    await post(here, { ...toQq('x\r\n'), from: '', to: ['gone@163.com'] });
    await lab.settle();
    expect(mailbox(here, 'lee')).toHaveLength(2);
  });

  it('ends when even postmaster cannot be reached', async () => {
    const { lab, host } = await oneHost('', { 'etc/aliases': 'postmaster: gone@nowhere.example\n' });
    await post(host, { from: '', to: ['gone2@nowhere.example'], content: 'Subject: x\r\n\r\n' });
    await lab.settle();
    expect(host.daemon?.entries()).toEqual([]);
    expect(events(host, 'lost-report')).toHaveLength(1);
  });
});

describe('loops', () => {
  it('an MX that names this host, or its address, comes back at once', async () => {
    const { lab, host } = await oneHost();
    lab.dns.set('loop.example', { mx: [HERE] });
    lab.dns.set('loop2.example', { addresses: [host.address] });
    await post(host, { from: `lee@${HERE}`, to: ['a@loop.example', 'b@loop2.example'], content: 'Subject: x\r\n\r\n' });
    await lab.settle();
    expect(
      mailbox(host, 'lee')
        .join('')
        .match(/^Status: 5\.4\.6$/gm),
    ).toHaveLength(2);
    expect(host.daemon?.entries()).toEqual([]);
  });

  it('aliases of two hosts that name each other end by the count of Received fields', async () => {
    const lab = await newLab([
      { name: 'a.example', users: ['root'], files: { 'etc/aliases': 'postmaster: root\nbob: bob@b.example\n' } },
      { name: 'b.example', users: ['root'], files: { 'etc/aliases': 'postmaster: root\nbob: bob@a.example\n' } },
    ]);
    await post(lab.host('a.example'), {
      from: 'root@a.example',
      to: ['bob@a.example'],
      content: 'Subject: round\r\n\r\n',
    });
    await lab.settle();
    const [report = '', ...more] = mailbox(lab.host('a.example'), 'root');
    expect(more).toEqual([]);
    expect(report).toMatch(/5\.4\.6/);
    expect(report).toMatch(/Too many hops/);
  });
});

it('a message of another form than SMTP wants leaves in canonical form', async () => {
  const lab = await newLab();
  const here = lab.host(HERE);
  const submit = await import('../../src/queue/submit.ts');
  const { realDisk } = await import('../../src/core/files.ts');
  const message = Buffer.from('Subject: odd\n\none\rtwo\n.\n..three\nNUL:\0:\nno end', 'latin1');
  const dir = join(here.root, 'var/spool/tmail/submit');
  submit.writeSubmit(realDisk, dir, { from: `lee@${HERE}`, recipients: ['dl@qq.com'] }, message, lab.now());
  await here.daemon?.takeSubmissions();
  await lab.settle();
  const [arrived = ''] = mailbox(lab.host('qq.com'), 'dl');
  expect(bodyOf(arrived)).toBe('one\ntwo\n.\n..three\nNUL:\0:\nno end\n\n');
  expect(readFileSync(join(lab.host('qq.com').root, 'var/mail/dl'), 'latin1')).not.toContain('\r');
});
