import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parseSmtpUrl, sendBySmtp } from '../../src/cli/smtp-client.ts';
import { MailError, UserError } from '../../src/core/errors.ts';

let server: Server | undefined;
afterEach(() => {
  server?.close();
  server = undefined;
});

interface Seen {
  readonly commands: string[];
  data: string;
}

/** A server that answers each command by `answer`, else as a plain one would. */
async function listen(seen: Seen, answer: (command: string) => string | undefined = () => undefined): Promise<number> {
  server = createServer((socket) => {
    let buffer = '';
    let inData = false;
    socket.on('error', () => {});
    socket.write('220 test ESMTP\r\n');
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1');
      for (;;) {
        const end = buffer.indexOf(inData ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + (inData ? 5 : 2));
        if (inData) {
          seen.data = line;
          inData = false;
          socket.write('250 2.0.0 queued\r\n');
          continue;
        }
        seen.commands.push(line);
        const reply = answer(line) ?? (/^EHLO/i.test(line) ? '250-test\r\n250-8BITMIME\r\n250 SIZE 1000000' : '250 ok');
        inData = /^DATA/i.test(line) && !reply.startsWith('5');
        socket.write(`${inData ? '354 go' : reply}\r\n`);
        if (/^QUIT/i.test(line)) socket.end();
      }
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const ENVELOPE = { from: 'lee@host.example', recipients: ['bob@b.test', 'ann@a.test'] };

async function send(port: number, message: string): Promise<void> {
  await sendBySmtp(parseSmtpUrl(`smtp://127.0.0.1:${port}`, {}), Buffer.from(message), ENVELOPE, 'host.example');
}

describe('the dialogue', () => {
  test('envelope and message, CRLF and dots as they must be', async () => {
    const seen: Seen = { commands: [], data: '' };
    await send(await listen(seen), 'Subject: x\n\none\n.\n..two\nthree\n');
    expect(seen.commands[0]).toBe('EHLO host.example');
    expect(seen.commands.filter((line) => /^(MAIL|RCPT)/.test(line))).toEqual([
      expect.stringMatching(/^MAIL FROM:<lee@host\.example>/),
      'RCPT TO:<bob@b.test>',
      'RCPT TO:<ann@a.test>',
    ]);
    expect(seen.data).toBe('Subject: x\r\n\r\none\r\n..\r\n...two\r\nthree');
    expect(seen.commands.at(-1)).toBe('QUIT');
  });

  test('8-bit text is announced', async () => {
    const seen: Seen = { commands: [], data: '' };
    await send(await listen(seen), 'Subject: x\n\nnaïve\n');
    expect(seen.commands.find((line) => line.startsWith('MAIL'))).toContain('BODY=8BITMIME');
  });

  test.each([
    ['every recipient refused', /^RCPT/, '550 5.1.1 User unknown', /550 5\.1\.1 User unknown/, false],
    ['the sender refused for now', /^MAIL/, '451 4.3.0 later', /451 4\.3\.0 later/, true],
    [
      'one recipient refused',
      /^RCPT TO:<ann/,
      '550 5.1.1 \x1b[2JUser unknown',
      /refused ann@a\.test .*went to bob@b\.test/,
      false,
    ],
  ])('%s', async (_, command, reply, said, temporary) => {
    const port = await listen({ commands: [], data: '' }, (line) => (command.test(line) ? reply : undefined));
    const sending = send(port, 'Subject: x\n\ntext\n');
    await expect(sending).rejects.toBeInstanceOf(MailError);
    await expect(sending).rejects.toThrow(said);
    await expect(sending).rejects.toMatchObject({ temporary });
    await expect(sending).rejects.not.toThrow('\x1b');
  });

  test('a server that is not there is temporary, and named', async () => {
    const port = await listen({ commands: [], data: '' });
    await new Promise((resolve) => server?.close(resolve));
    await expect(send(port, 'x')).rejects.toMatchObject({ temporary: true });
    await expect(send(port, 'x')).rejects.toThrow(`127.0.0.1:${port}`);
  });
});

describe('the URL', () => {
  test.each([
    [
      'smtp://relay.example',
      { host: 'relay.example', port: 25, secure: false, startTls: 'when offered', auth: undefined },
    ],
    ['smtp://localhost:2525', { host: 'localhost', port: 2525, secure: false, startTls: 'never', auth: undefined }],
    [
      'smtp://u:p@relay.example',
      { host: 'relay.example', port: 25, secure: false, startTls: 'required', auth: { user: 'u', pass: 'p' } },
    ],
    [
      'submission://u%40x:p%3A@relay.example',
      { host: 'relay.example', port: 587, secure: false, startTls: 'required', auth: { user: 'u@x', pass: 'p:' } },
    ],
    ['smtps://[::1]:4650/', { host: '::1', port: 4650, secure: true, startTls: 'never', auth: undefined }],
  ])('%s', (url, server) => {
    expect(parseSmtpUrl(url, {})).toEqual(server);
  });

  test('user and password may come from the environment', () => {
    const env = { TMAIL_SMTP_USER: 'lee', TMAIL_SMTP_PASSWORD: 'secret' };
    expect(parseSmtpUrl('submission://relay.example', env).auth).toEqual({ user: 'lee', pass: 'secret' });
  });

  test.each(['smtp://', 'smtp://host:port', 'http://x', 'smtp://u:secret@h/path'])(
    '%s is refused without its password',
    (url) => {
      expect(() => parseSmtpUrl(url, {})).toThrow(UserError);
      expect(() => parseSmtpUrl(url, {})).not.toThrow('secret');
    },
  );
});
