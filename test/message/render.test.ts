import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEnvelope } from '../../src/message/envelope.ts';
import { type RenderOptions, renderMessage, sizeText } from '../../src/message/render.ts';

const bytes = (lines: readonly string[]): Uint8Array => Buffer.from(lines.join('\n'), 'latin1');
const read = async (lines: readonly string[], options: RenderOptions = {}): Promise<string> =>
  (await renderMessage(bytes(lines), options)).join('\n');
/** Below the header. */
const body = async (lines: readonly string[], options: RenderOptions = {}): Promise<string> => {
  const text = await read(lines, options);
  return text.slice(text.indexOf('\n\n') + 2);
};
const multipart = (type: string, parts: readonly (readonly string[])[], parameters = ''): string[] => [
  'Subject: x',
  `Content-Type: multipart/${type}; boundary=b${parameters}`,
  '',
  ...parts.flatMap((part) => ['--b', ...part]),
  '--b--',
  '',
];
const TEXT = ['Content-Type: text/plain; charset=utf-8', '', 'plain'];
const HTML = ['Content-Type: text/html; charset=utf-8', '', '<p>rich</p>'];

describe('header', () => {
  const MESSAGE = [
    'From lee Mon Mar  3 10:00:00 2025',
    'Received: from a',
    '\tby b',
    'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe=0A?=',
    ' \x1b]0;x\x07',
    'X-Raw: \xfcber',
    '',
    'text',
    '',
  ];

  test('is shown as stored, decoded and harmless', async () => {
    expect(await read(MESSAGE)).toBe('Received: from a\n\tby b\nSubject: Grüße\\n \\x1b]0;x\\x07\nX-Raw: über\n\ntext');
  });

  test('ignored fields are left out, retained ones only kept, all of them shown when asked for', async () => {
    expect(await read(MESSAGE, { ignored: new Set(['received', 'x-raw']) })).toBe(
      'Subject: Grüße\\n \\x1b]0;x\\x07\n\ntext',
    );
    expect(await read(MESSAGE, { ignored: new Set(['x-raw']), retained: new Set(['x-raw']) })).toBe(
      'X-Raw: über\n\ntext',
    );
    expect(await read(MESSAGE, { retained: new Set(['x-raw']), allHeaders: true })).toContain('\tby b\nSubject');
  });

  test('lines that end in a lone CR', async () => {
    const message = Buffer.from('From: lee@x.test\rSubject: x\r\rone\rtwo\r');
    expect(await renderMessage(message)).toEqual(['From: lee@x.test', 'Subject: x', '', 'one', 'two']);
    expect(readEnvelope(message).subject).toBe('x');
  });

  test('text that got into the header by mistake is shown', async () => {
    expect(await read(['Subject: x', 'no empty line', 'here'])).toBe('Subject: x\nno empty line\nhere\n');
    expect(await read(['no header', 'at all', '', 'text'])).toBe('\nno header\nat all\n\ntext');
  });
});

describe('body', () => {
  test('plain text is read at once', () => {
    expect(Array.isArray(renderMessage(bytes(['Subject: x', '', 'text'])))).toBe(true);
    expect(Array.isArray(renderMessage(bytes(multipart('mixed', [TEXT, TEXT]))))).toBe(true);
  });

  test('charset, coding, control characters', async () => {
    expect(
      await body([
        'Subject: x',
        'Content-Type: text/plain; charset=gb2312',
        'Content-Transfer-Encoding: base64',
        '',
        'suLK1A==',
      ]),
    ).toBe('测试');
    expect(await body(['Subject: x', '', 'a\x1b[2J\tb\r', 'c\0\x9b'])).toBe('a\\x1b[2J\tb\nc\\x00›');
  });

  test('format=flowed', async () => {
    expect(
      await body(['Subject: x', 'Content-Type: text/plain; format=flowed', '', 'one ', 'line', '> a ', '> b']),
    ).toBe('one line\n> a b');
  });

  test('HTML is text, in the charset it names itself', async () => {
    expect(await body(['Subject: x', ...HTML])).toBe('rich');
    expect(
      await body([
        'Subject: x',
        'Content-Type: text/html',
        '',
        '<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2',
      ]),
    ).toBe('Привет');
    expect(
      await body(['Subject: x', 'Content-Type: text/html', '', '<p>one two three four five six'], { columns: 21 }),
    ).toBe('one two three four\nfive six');
  });

  test('alternatives: plain text when it says something', async () => {
    expect(await body(multipart('alternative', [TEXT, HTML]))).toBe('plain');
    expect(await body(multipart('alternative', [HTML, TEXT]))).toBe('plain');
    expect(await body(multipart('alternative', [['Content-Type: text/plain', '', ' ', ''], HTML]))).toBe('rich');
    expect(
      await body(
        multipart('alternative', [
          ['Content-Type: image/png', '', 'x'],
          ['Content-Type: text/x-y', '', 'y'],
        ]),
      ),
    ).toBe('y\n\n[1: image/png, 1 byte]');
    const related = [
      'Content-Type: multipart/related; boundary=c',
      '',
      '--c',
      ...HTML,
      '--c',
      'Content-Type: image/png; name=a.png',
      'Content-ID: <a>',
      '',
      'x',
      '--c--',
    ];
    expect(await body(multipart('alternative', [['Content-Type: text/plain', '', ''], related]))).toBe('rich');
  });

  test('a calendar beside the text is mentioned', async () => {
    expect(
      await body(
        multipart('alternative', [TEXT, ['Content-Type: text/calendar; method=REQUEST', '', 'BEGIN:VCALENDAR']]),
      ),
    ).toBe('plain\n\n[text/calendar, 15 bytes]');
  });

  test('attachments are listed with number, name, type, size', async () => {
    const pdf = [
      'Content-Type: application/pdf',
      'Content-Disposition: attachment; filename="a\u001b\xc3\xa9.pdf"',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.alloc(12_345).toString('base64'),
    ];
    const patch = ['Content-Type: text/plain; name=a.patch', 'Content-Disposition: inline', '', 'diff'];
    const saved = ['Content-Type: text/plain', 'Content-Disposition: attachment; filename=b.txt', '', 'not shown'];
    expect(await body(multipart('mixed', [TEXT, pdf, saved, patch]))).toBe(
      'plain\n\n[1: a\\x1bé.pdf, application/pdf, 12 kB]\n[2: b.txt, text/plain, 9 bytes]\n[3: a.patch, text/plain, 4 bytes]\n\ndiff',
    );
  });

  test('a message in a message', async () => {
    const inner = ['From: Lee <lee@x.test>', 'X-Other: y', 'Subject: =?utf-8?Q?=C3=A9?=', '', 'inner text'];
    const want = '[attached message]\nFrom: Lee <lee@x.test>\nSubject: é\n\ninner text';
    expect(await body(multipart('mixed', [TEXT, ['Content-Type: message/rfc822', '', ...inner]]))).toBe(
      `plain\n\n${want}`,
    );
    const coded = [
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(inner.join('\n')).toString('base64'),
    ];
    expect(await body(multipart('mixed', [TEXT, coded]))).toBe(`plain\n\n${want}`);
    const named = ['Content-Type: message/rfc822; name=in.eml', '', ...inner];
    expect(await body(multipart('mixed', [named]))).toMatch(/^\[1: in\.eml, message\/rfc822, \d+ bytes\]\nFrom: Lee/);
  });

  test('signed and encrypted', async () => {
    const signature = ['Content-Type: application/pgp-signature; name=signature.asc', '', 'x'];
    expect(await body(multipart('signed', [TEXT, signature], '; protocol="application/pgp-signature"'))).toBe(
      'plain\n\n[signed with PGP/MIME; the signature was not checked]',
    );
    expect(await body(multipart('signed', [TEXT, signature], '; protocol="application/pkcs7-signature"'))).toContain(
      'S/MIME',
    );
    const encrypted = multipart('encrypted', [
      ['Content-Type: application/pgp-encrypted', '', 'Version: 1'],
      ['Content-Type: application/octet-stream; name=a.asc', '', 'x'],
    ]);
    expect(await body(encrypted)).toBe(
      '[encrypted with PGP/MIME: save the last attachment and give it to gpg]\n\n[2: a.asc, application/octet-stream, 1 byte]',
    );
    expect(
      await body([
        'Subject: x',
        'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
        '',
        'x',
      ]),
    ).toMatch(/^\[encrypted with S\/MIME.*\n\n\[1: smime\.p7m, /);
  });

  test('a delivery report is a sentence', async () => {
    const status = [
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.x.test',
      '',
      'Final-Recipient: rfc822; nobody@x.test',
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 <nobody@x.test>: no such',
      ' user\x1b[2J',
      '',
      'Original-Recipient: rfc822;dl@x.test',
      'Action: delayed',
      'Status: 4.4.1 (no answer)',
    ];
    const returned = ['Content-Type: message/rfc822', '', 'Subject: hello', 'X-Other: y', '', 'long text'];
    expect(await body(multipart('report', [TEXT, status, returned], '; report-type=delivery-status'))).toBe(
      [
        'The message could not be delivered to nobody@x.test: <nobody@x.test>: no such user\\x1b[2J (5.1.1)',
        'The message has not been delivered yet to dl@x.test: no answer from host (4.4.1)',
        '',
        'plain',
        '',
        '[the message that was sent]',
        'Subject: hello',
      ].join('\n'),
    );
  });

  test('what cannot be split is shown as it is', async () => {
    expect(await body(['Subject: x', 'Content-Type: multipart/mixed; boundary=b', '', 'some', 'text', ''])).toBe(
      'some\ntext',
    );
    expect(await body(['Subject: x', 'Content-Type: multipart/mixed', '', '--b', '', 'text'])).toBe('--b\n\ntext');
  });
});

test('one line of 20 MB', async () => {
  const lines = await renderMessage(Buffer.concat([Buffer.from('Subject: x\n\n'), Buffer.alloc(20_000_000, 'x')]));
  expect(lines.map((line) => line.length)).toEqual([10, 0, 20_000_000]);
});

test.each(['\n', ' ', ' \n', '\u0301', '>', '> ', '\r', '\t', 'x \n', '\u200d', '👨\u200d'])(
  'a million of %j',
  async (piece) => {
    for (const type of ['text/plain', 'text/plain; format=flowed', 'text/html']) {
      const lines = await renderMessage(
        Buffer.from(`Content-Type: ${type}; charset=utf-8\n\n${piece.repeat(1_000_000)}x`),
      );
      expect(lines.at(-1)).toContain('x');
    }
  },
);

test('any octets give lines that are harmless', async () => {
  const piece = fc.constantFrom(
    'Content-Type: multipart/mixed; boundary=b\n',
    'Content-Type: multipart/alternative; boundary=b\n',
    'Content-Type: multipart/report; boundary=b\n',
    'Content-Type: text/html\n',
    'Content-Type: message/rfc822\n',
    'Content-Type: message/delivery-status\n',
    'Content-Transfer-Encoding: base64\n',
    'Content-Disposition: attachment; filename="\x1b[2J"\n',
    'Final-Recipient: x\x9b\n',
    '\n',
    '--b\n',
    '--b--\n',
    '<p>\x1b&#27;\u0085',
    '\x1b]52;',
    'U3ViamVjdDogeAoKeBsbG3g=\n',
    ' \r',
    '\xe2\x80\xae',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 25 }), async (pieces) => {
      for (const line of await renderMessage(Buffer.from(pieces.join(''), 'latin1'), { columns: 60 })) {
        expect(line).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e]/);
      }
    }),
    { numRuns: 1000 },
  );
});

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1500, '2 kB'],
  [12_345, '12 kB'],
  [999_499, '999 kB'],
  [1_500_000, '1.5 MB'],
  [50_000_000, '50 MB'],
])('%i octets are %s', (octets, want) => {
  expect(sizeText(octets)).toBe(want);
});
