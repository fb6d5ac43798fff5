/**
 * Programs that people really send with, against the built daemon: swaks, curl, msmtp, mutt, python's smtplib, nodemailer,
 * git send-email. Missing ones are skipped on a developer's machine and fail in CI.
 */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { has } from '../e2e/program.ts';
import { bodyOf, field, messagesIn } from './new-lab.ts';
import { type DaemonProcess, newRoot, startProcess, until } from './process.ts';
import { cleanUpAfterwards } from './when-done.ts';

cleanUpAfterwards();

const root = newRoot({ 'etc/aliases': 'postmaster: root\nroot: lee\nteam: lee, dongliang\n' });
let daemon: DaemonProcess;
let delivered = 0;

beforeAll(async () => {
  daemon = await startProcess(root);
});
afterAll(() => daemon.end('SIGTERM'));

/** Runs a client to its end; throws with what it said when it fails. */
async function run(
  program: string,
  args: readonly string[],
  input = '',
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(program, args, {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', HOME: root, LANG: 'C.UTF-8', LOGNAME: 'ann', ...env },
  });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  expect(status, `${program}: ${said}`).toBe(0);
  return said;
}

/** The message that came last to lee. */
async function arrived(): Promise<string> {
  delivered += 1;
  const box = () => messagesIn(join(root, 'var/mail/lee'));
  await until(() => box().length >= delivered, 'the message');
  return box().at(-1) ?? '';
}

const LETTER = 'From: ann@away.example\r\nTo: lee@linux102.example.com\r\nSubject: by a client\r\n\r\n.dot\r\ncafé\r\n';

describe.sequential('real clients', () => {
  it.skipIf(!has('swaks'))('swaks', async () => {
    const server = ['--server', `127.0.0.1:${daemon.port}`];
    await run('swaks', [
      ...server,
      '--from',
      'ann@away.example',
      '--to',
      'lee',
      '--h-Subject',
      'swaks',
      '--body',
      '.x\n..y',
    ]);
    expect(bodyOf(await arrived())).toContain('.x\n..y\n');
    const pipelined = await run('swaks', [...server, '--pipeline', '--from', 'ann@away.example', '--to', 'lee']);
    expect(pipelined).toContain('250 2.0.0');
    await arrived();
  });

  it.skipIf(!has('swaks'))('swaks over LMTP', async () => {
    const listen = '[[listen]]\nrole = "lmtp"\naddress = "127.0.0.1:0"\n';
    const other = newRoot({ 'etc/tmail/tmail.toml': `hostname = "linux102.example.com"\n${listen}` });
    const lmtp = await startProcess(other);
    const server = ['--protocol', 'LMTP', '--server', `127.0.0.1:${lmtp.port}`];
    await run('swaks', [...server, '--from', 'ann@away.example', '--to', 'lee,dongliang']);
    await until(() => messagesIn(join(other, 'var/mail/dongliang')).length === 1, 'both copies');
    await lmtp.end('SIGTERM');
  });

  it.skipIf(!has('curl'))('curl', async () => {
    writeFileSync(join(root, 'letter'), LETTER);
    const url = `smtp://127.0.0.1:${daemon.port}/client.example`;
    await run('curl', [
      '-sS',
      url,
      '--mail-from',
      'ann@away.example',
      '--mail-rcpt',
      'lee',
      '--mail-rcpt',
      'dongliang',
      '-T',
      'letter',
    ]);
    expect(bodyOf(await arrived())).toBe(`.dot\n${Buffer.from('café').toString('latin1')}\n\n`);
  });

  it.skipIf(!has('msmtp'))('msmtp', async () => {
    const options = ['--host=127.0.0.1', `--port=${daemon.port}`, '--from=ann@away.example', '--tls=off'];
    await run('msmtp', [...options, 'lee@linux102.example.com'], LETTER.replaceAll('\r\n', '\n'));
    expect(field(await arrived(), 'Subject')).toBe('by a client');
    await run(
      'msmtp',
      [...options, '--dsn-notify=failure,delay', '--dsn-return=headers', 'lee'],
      'Subject: dsn\n\nx\n',
    );
    expect(field(await arrived(), 'Subject')).toBe('dsn');
  });

  it.skipIf(!has('mutt'))('mutt', async () => {
    const rc = [
      'set from=ann@away.example',
      `set smtp_url=smtp://127.0.0.1:${daemon.port}/`,
      'set copy=no',
      'set ssl_starttls=no',
      'set ssl_force_tls=no',
    ];
    writeFileSync(join(root, 'muttrc'), `${rc.join('\n')}\n`);
    await run('mutt', ['-F', 'muttrc', '-s', 'naïve mutt', '--', 'lee@linux102.example.com'], 'text\n.\nmore\n', {
      TERM: 'dumb',
    });
    const message = await arrived();
    expect(bodyOf(message)).toBe('text\n.\nmore\n\n');
    expect(field(message, 'Subject')).toMatch(/=\?/);
  });

  it.skipIf(!has('python3'))("python's smtplib", async () => {
    const program = `
import smtplib, sys
with smtplib.SMTP('127.0.0.1', ${daemon.port}) as server:
    server.ehlo()
    assert server.has_extn('pipelining') and server.has_extn('smtputf8')
    refused = server.sendmail('ann@away.example', ['lee', 'gone'], 'Subject: python\\n\\n.a\\nb\\n')
    assert refused['gone'][0] == 550, refused
    server.sendmail('ann@away.example', ['lee'], 'Subject: again\\r\\n\\r\\nx\\r\\n'.encode(), mail_options=['BODY=8BITMIME'])
    try:
        server.sendmail('ann@away.example', ['x@far.example%%nowhere'], 'x')
        assert False
    except smtplib.SMTPRecipientsRefused:
        pass
`;
    await run('python3', ['-'], program);
    await arrived();
    await arrived();
    const [first = ''] = messagesIn(join(root, 'var/mail/lee')).filter((one) => field(one, 'Subject') === 'python');
    expect(bodyOf(first)).toBe('.a\nb\n\n');
  });

  it('nodemailer', async () => {
    const transport = createTransport({ host: '127.0.0.1', port: daemon.port, ignoreTLS: true, pool: true });
    const mail = { from: 'ann@away.example', to: 'lee@linux102.example.com', text: '.x\n'.repeat(10_000) };
    await Promise.all(Array.from({ length: 5 }, (_, n) => transport.sendMail({ ...mail, subject: `pooled ${n}` })));
    transport.close();
    for (let n = 0; n < 4; n++) await arrived();
    expect(bodyOf(await arrived())).toContain('.x\n'.repeat(10));
  });

  it.skipIf(!existsSync('/usr/lib/git-core/git-send-email') && !has('git-send-email'))('git send-email', async () => {
    const patch = [
      'From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001',
      'From: Ann <ann@away.example>',
      'Date: Mon, 2 Mar 2026 09:00:00 +0000',
      'Subject: [PATCH] Add a file',
      '',
      '---',
      '.',
      'From here on',
      '-- ',
      '2.39',
      '',
    ].join('\n');
    writeFileSync(join(root, '0001.patch'), patch);
    const options = ['--smtp-server=127.0.0.1', `--smtp-server-port=${daemon.port}`, '--smtp-encryption=none'];
    await run('git', [
      'send-email',
      ...options,
      '--confirm=never',
      '--suppress-cc=all',
      '--quiet',
      '--from=Ann <ann@away.example>',
      '--to=lee@linux102.example.com',
      '0001.patch',
    ]);
    const message = await arrived();
    expect(field(message, 'Subject')).toBe('[PATCH] Add a file');
    expect(bodyOf(message)).toContain('\n.\n>From here on\n');
  });
});
