import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { type ComposeOptions, compose, type Draft, encodeText } from '../../src/message/compose.ts';

const OPTIONS: ComposeOptions = {
  now: Date.UTC(2026, 2, 1, 12),
  hostname: 'linux102.example.com',
  zone: 480,
  eightBit: true,
  decode: () => undefined,
};

function draft(parts: Partial<Draft> & { text?: string } = {}): Draft {
  const { text = 'Hello.\n', ...rest } = parts;
  return {
    from: { name: 'Lee Wong', address: 'lee@example.com' },
    replyTo: [],
    to: [{ name: '', address: 'bob@example.net' }],
    cc: [],
    bcc: [],
    subject: 'Lunch',
    headers: [],
    body: Buffer.from(text),
    attachments: [],
    inReplyTo: [],
    references: [],
    ...rest,
  };
}

async function written(
  parts: Parameters<typeof draft>[0] = {},
  options: Partial<ComposeOptions> = {},
): Promise<string> {
  return Buffer.from(await compose(draft(parts), { ...OPTIONS, ...options })).toString('latin1');
}

function headerOf(message: string): string {
  return message.slice(0, message.indexOf('\n\n') + 1);
}

/** What every message keeps: LF ends, no control characters in the header, no line over 998 octets, a header in shape. */
function expectSound(message: string): void {
  expect(message).not.toMatch(/\r/);
  const header = headerOf(message);
  expect(header).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
  for (const line of header.trimEnd().split('\n')) {
    expect(line).toMatch(/^([!-9;-~]+:|[ \t])/);
    expect(line).not.toMatch(/^[ \t]*$/);
  }
  for (const line of message.split('\n')) expect(line.length).toBeLessThanOrEqual(998);
}

describe('plain text', () => {
  test('ASCII stays as it is, without MIME', async () => {
    const message = await written({ text: 'One.\n-- \nlee\n' });
    expect(headerOf(message).replace(/Message-ID: <[^>]+>/, 'Message-ID: <X>')).toBe(
      [
        'Date: Sun, 01 Mar 2026 20:00:00 +0800',
        'From: Lee Wong <lee@example.com>',
        'To: bob@example.net',
        'Subject: Lunch',
        'Message-ID: <X>',
        'User-Agent: tmail/0.1.0',
        '',
      ].join('\n'),
    );
    expect(message.endsWith('\n\nOne.\n-- \nlee\n')).toBe(true);
  });

  test.each([
    ['UTF-8', '你好，世界\n', true, '8bit', 'utf-8'],
    ['UTF-8 on the way to SMTP', 'naïve\n', false, 'quoted-printable', 'utf-8'],
    ['mostly not Latin, on the way to SMTP', '你好，世界\n', false, 'base64', 'utf-8'],
    ['a long line', `${'x'.repeat(3000)}\n`, true, 'quoted-printable', 'us-ascii'],
    ['998 octets fit', `${'x'.repeat(998)}\n`, true, '7bit', 'us-ascii'],
    ['999 octets do not', `${'x'.repeat(999)}\n`, true, 'quoted-printable', 'us-ascii'],
    ['a lone CR', 'a\rb\n', true, 'quoted-printable', 'us-ascii'],
    ['a NUL', 'a\0b\n', true, 'quoted-printable', 'us-ascii'],
  ])('%s', async (_, text, eightBit, encoding, charset) => {
    const part = encodeText(Buffer.from(text), { eightBit, decode: () => undefined });
    expect([part.encoding, part.charset]).toEqual([encoding, charset]);
    const message = await written({ text }, { eightBit });
    expectSound(message);
    const parsed = await simpleParser(Buffer.from(message, 'latin1'));
    expect(parsed.text?.trimEnd()).toBe(text.trimEnd());
  });

  test('CRLF is a line end, and the last line gets one', async () => {
    expect((await written({ text: 'a\r\nb' })).endsWith('\n\na\nb\n')).toBe(true);
  });

  test('text in another charset is sent as UTF-8 when it can be read', () => {
    const part = encodeText(Buffer.from('caf\xe9\n', 'latin1'), { eightBit: true, decode: () => 'café\n' });
    expect(part).toEqual({ charset: 'utf-8', encoding: '8bit', bytes: Buffer.from('café\n') });
  });

  test('bytes that are no text are kept, as text of unknown charset', () => {
    const bytes = Buffer.from([0, 0xff, 13, 10, 0xfe, 13]);
    const part = encodeText(bytes, { eightBit: true, decode: () => undefined });
    expect(part.charset).toBe('unknown-8bit');
    expect(Buffer.from(Buffer.from(part.bytes).toString(), 'base64')).toEqual(bytes);
  });
});

describe('header fields', () => {
  test('any subject and name comes back, in lines of at most 78', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.string({ unit: 'binary', maxLength: 120 }),
        async (subject, name) => {
          fc.pre(!/[\r\n\0]/.test(subject));
          const wanted = Buffer.from(subject).toString().trim();
          const message = await written({ subject, to: [{ name, address: 'bob@example.net' }] });
          expectSound(message);
          const parsed = await simpleParser(Buffer.from(message, 'latin1'));
          expect((parsed.subject ?? '').trim()).toBe(wanted.replace(/\s+$/u, '').trim());
          const to = Array.isArray(parsed.to) ? parsed.to[0] : parsed.to;
          expect(to?.value[0]?.address).toBe('bob@example.net');
          for (const line of headerOf(message).split('\n')) {
            if (line.length > 78) expect(line.trim()).not.toMatch(/ /);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([
    ['subject', { subject: 'a\nBcc: eve@e.test' }],
    ['subject with CR', { subject: 'a\rBcc: eve@e.test' }],
    ['header value', { headers: [{ name: 'X-A', value: 'b\nBcc: eve@e.test' }] }],
    ['header name', { headers: [{ name: 'X-A: b\nBcc', value: 'eve@e.test' }] }],
    ['recipient', { to: [{ name: '', address: 'a@b.test\nBcc: eve@e.test' }] }],
    ['domain', { to: [{ name: '', address: 'a@b.test\r\n' }] }],
  ])('a line end in the %s is refused', async (_, parts) => {
    await expect(written(parts)).rejects.toThrow(UserError);
  });

  test('an address that looks like two stays one', async () => {
    const message = await written({ to: [{ name: '', address: 'a@b.test, eve@e.test' }] });
    expect(message).toContain('To: "a@b.test, eve"@e.test\n');
  });

  test('a line end in a name becomes a blank', async () => {
    const message = await written({ to: [{ name: 'Bob\nBcc: eve@e.test', address: 'bob@example.net' }] });
    expect(headerOf(message)).toContain('To: "Bob Bcc: eve@e.test" <bob@example.net>\n');
  });

  test('Bcc is never written', async () => {
    expect(await written({ bcc: [{ name: '', address: 'dave@example.net' }] })).not.toMatch(/dave|bcc/i);
  });

  test('local parts that need quotes get them, domains become A-labels', async () => {
    const message = await written({
      to: [
        { name: '', address: 'a b@example.net' },
        { name: '', address: 'lee@müller.example' },
        { name: '', address: '用户@例子.example' },
      ],
    });
    const header = Buffer.from(headerOf(message), 'latin1').toString();
    expect(header).toContain('To: "a b"@example.net, lee@xn--mller-kva.example, 用户@例子.example');
  });

  test('a type given with -a is the type of the text', async () => {
    const html = await written({ text: '<p>é</p>\n', headers: [{ name: 'Content-Type', value: 'text/html' }] });
    expect(headerOf(html)).toMatch(/^Content-Type: text\/html; charset=utf-8$/m);
    expect(headerOf(html)).toMatch(/^MIME-Version: 1.0$/m);
    expect(html.match(/^content-type:/gim)).toHaveLength(1);
  });

  test('fields of the user replace those that are made', async () => {
    const message = await written({
      headers: [
        { name: 'Date', value: 'Fri, 2 Jan 2026 00:00:00 +0000' },
        { name: 'Message-ID', value: '<mine@example.com>' },
        { name: 'X-LOUD', value: 'yes' },
      ],
    });
    expect(headerOf(message).match(/^(date|message-id):.*/gim)).toEqual([
      'Date: Fri, 2 Jan 2026 00:00:00 +0000',
      'Message-ID: <mine@example.com>',
    ]);
    expect(headerOf(message)).toContain('\nX-LOUD: yes\n');
  });
});

describe('attachments', () => {
  test('any name and content comes back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
        fc.uint8Array({ maxLength: 400 }),
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        async (name, content, text) => {
          fc.pre(!/[\r\n\0\\]/.test(name + text));
          const file = { name, content, type: 'application/octet-stream' };
          const message = await written({ text: `${text}\n`, attachments: [file] });
          expectSound(message);
          const parsed = await simpleParser(Buffer.from(message, 'latin1'));
          expect(parsed.attachments).toHaveLength(1);
          expect(Buffer.compare(parsed.attachments[0]?.content ?? Buffer.of(1), content)).toBe(0);
          expect((parsed.text ?? '').trimEnd()).toBe(text.trimEnd());
        },
      ),
      { numRuns: 100 },
    );
  });

  test.each([
    ['发票 2026.pdf', 'application/pdf'],
    ['a"b;c.txt', 'text/plain'],
    [`${'long '.repeat(30)}.bin`, 'application/octet-stream'],
  ])('the name %s survives, type %s is found', async (name, type) => {
    const message = await written({ attachments: [{ name, content: Buffer.from('text\n') }] });
    const parsed = await simpleParser(Buffer.from(message, 'latin1'));
    expect([parsed.attachments[0]?.filename, parsed.attachments[0]?.contentType]).toEqual([name, type]);
  });

  test('a message is attached as one, byte for byte', async () => {
    const inner = 'Subject: inner\n\nFrom here on.\n';
    const message = await written({
      attachments: [{ name: 'm.eml', content: Buffer.from(inner), type: 'message/rfc822' }],
    });
    expect(message).toContain(`\n\n${inner}`);
    expect(message).toContain('Content-Type: message/rfc822');
  });

  test('a message that cannot be sent unencoded is attached as a file', async () => {
    const inner = Buffer.from(`Subject: inner\n\n${'x'.repeat(2000)}\n`);
    const message = await written({ attachments: [{ name: 'm.eml', content: inner, type: 'message/rfc822' }] });
    expectSound(message);
    const parsed = await simpleParser(message);
    expect(parsed.attachments[0]?.content).toEqual(inner);
  });
});
