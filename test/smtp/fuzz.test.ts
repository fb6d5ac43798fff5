/** Any bytes in any chunking: nothing throws, replies are lines, and they are the same as in one piece. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatReply } from '../../src/smtp/reply.ts';
import { Driver, newStage } from './play.ts';

const WORDS = [
  'EHLO a\r\n',
  'HELO\r\n',
  'MAIL FROM:<lee>\r\n',
  'mail from :lee\n',
  'RCPT TO:<root>\r\n',
  'RCPT TO:<x@far.test>\r\n',
  'DATA\r\n',
  'DATA\n',
  '\r\n.\r\n',
  '\n.\n',
  '.\r\n',
  '..\r\n',
  '\r',
  '\n',
  '.',
  'BDAT 5\r\n',
  'BDAT 3 LAST\r\n',
  'BDAT 0 LAST\r\n',
  'RSET\r\n',
  'NOOP\r\n',
  'QUIT\r\n',
  'AUTH LOGIN\r\n',
  'AUTH PLAIN AGxlZQ==\r\n',
  'bGVl\r\n',
  '*\r\n',
  'Subject: x\r\n',
  'From lee Mon \r\n',
  'From',
  'Received: x\r\n',
  ' folded\r\n',
  'text\r\n',
  '\r\n',
  '\x08',
  '\x7f',
  '\xff\xfb\x01',
  '\xc3\xa9',
  'x'.repeat(70),
  'y'.repeat(200),
  'STARTTLS\r\n',
];

const piece = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')) },
);
const input = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

function driver(options: { lmtp: boolean; convert: boolean }): Driver {
  const stage = newStage();
  stage.config = {
    ...stage.config,
    lmtp: options.lmtp,
    startTls: true,
    bareNewline: options.convert ? 'convert' : 'refuse',
    mechanisms: { clear: ['PLAIN', 'LOGIN'], tls: ['PLAIN', 'LOGIN'] },
    limits: { ...stage.config.limits, command: 120, line: 150, size: 400, header: 300, hops: 2, badCommands: 12 },
  };
  return new Driver(stage);
}

function seen(d: Driver): unknown {
  return {
    output: d.output,
    doings: d.doings,
    messages: d.messages.map((m) => ({ ...m, content: m.content.toString('latin1') })),
  };
}

it('says the same in any chunking', () => {
  fc.assert(
    fc.property(
      input,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.boolean(),
      fc.boolean(),
      (bytes, cuts, lmtp, convert) => {
        const whole = driver({ lmtp, convert });
        whole.send(bytes);
        const pieces = driver({ lmtp, convert });
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = cuts[i % cuts.length] ?? 1;
          // A copy each, overwritten afterwards as far as the machine allows: only the last piece may still be needed.
          pieces.send(Buffer.from(bytes.subarray(at, at + length)));
          at += length;
        }
        expect(seen(pieces)).toEqual(seen(whole));
        for (const line of whole.output.split('\r\n').slice(0, -1)) expect(line).toMatch(/^[2345]\d\d[ -][^\r\n]*$/);
        for (const message of whole.messages) {
          const text = message.content.toString('latin1');
          expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
          expect(text === '' || text.endsWith('\r\n')).toBe(true);
          expect(text.length).toBeLessThanOrEqual(400);
        }
      },
    ),
    { numRuns: 1500 },
  );
});

it('any bytes at all', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      const whole = driver({ lmtp: false, convert: false });
      whole.send(bytes);
      const single = driver({ lmtp: false, convert: false });
      for (const byte of bytes) single.send(Buffer.from([byte]));
      expect(seen(single)).toEqual(seen(whole));
    }),
    { numRuns: 100 },
  );
});

it('content comes out as it went in, dots and all', () => {
  const line = fc
    .array(fc.constantFrom('.', '..', 'x', ' ', 'From ', '\xe9', '\0'), { maxLength: 5 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.integer({ min: 1, max: 40 }), (lines, size) => {
      const content = `Subject: x\r\n\r\n${lines.map((text) => `${text}\r\n`).join('')}`;
      const wire = content.replace(/(^|\r\n)\./g, '$1..');
      const d = new Driver(newStage());
      const bytes = Buffer.from(`MAIL FROM:<>\r\nRCPT TO:<lee>\r\nDATA\r\n${wire}.\r\n`, 'latin1');
      for (let at = 0; at < bytes.length; at += size) d.send(bytes.subarray(at, at + size));
      expect(d.messages[0]?.content.toString('latin1')).toBe(content);
    }),
  );
});

it('memory stays bounded: content is given out as it comes, an endless line is not kept', () => {
  const stage = newStage();
  const d = new Driver(stage);
  const kept = (): number => Reflect.get(d.session, 'input').length;
  const chunk = Buffer.alloc(65536, 'x');
  for (let i = 0; i < 64; i++) {
    d.send(chunk);
    expect(kept()).toBeLessThanOrEqual(chunk.length);
  }
  d.send(Buffer.from('\r\nMAIL FROM:<>\r\nRCPT TO:<lee>\r\nDATA\r\n\r\n'));
  let given = 0;
  for (let i = 0; i < 32; i++) {
    for (const action of d.session.receive(Buffer.alloc(65536, `${'y'.repeat(62)}\r\n`))) {
      if (action.kind === 'content') given += action.bytes.length;
    }
    expect(given).toBeGreaterThanOrEqual((i + 1) * 65536 - 2);
  }
});

it('a reply is lines of at most 512 bytes, whatever is put in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), fc.boolean(), (text, utf8) => {
      const bytes = formatReply({ code: 550, status: '5.7.1', text }, utf8);
      const lines = bytes.toString('utf8').split('\r\n');
      expect(lines.pop()).toBe('');
      for (const [i, line] of lines.entries()) {
        expect(Buffer.byteLength(line) + 2).toBeLessThanOrEqual(512);
        expect(line).toMatch(i === lines.length - 1 ? /^550 5\.7\.1 / : /^550-5\.7\.1 /);
        expect(line).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
      }
    }),
  );
});
