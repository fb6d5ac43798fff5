import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type MessageFacts, messageObject, safeJson } from '../../src/message/json.ts';

const object = (text: string, more: Partial<MessageFacts> = {}) => {
  const content = Buffer.from(text, 'latin1');
  return messageObject({
    number: 1,
    uid: 7,
    status: 'new',
    flags: ['flagged'],
    content,
    size: content.length,
    lines: 3,
    withBody: true,
    ...more,
  });
};

const MESSAGE = [
  'From: =?utf-8?Q?L=C3=A9?= <lee@x.test>',
  'To: a@x.test, B <b@x.test>',
  'Reply-To: dl@x.test',
  'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
  'Date: Mon, 3 Mar 2025 10:00:00 +0000',
  'Message-ID: <1@x.test>',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset="ISO-8859-1"',
  '',
  '\xfcber\r',
  'zwei\0drei',
  '--b',
  'Content-Type: message/rfc822; name=in.eml',
  '',
  'Content-Type: application/pdf; name=inner.pdf',
  '',
  '--b',
  "Content-Disposition: attachment; filename*=utf-8''%E6%B5%8B.pdf",
  'Content-Type: application/pdf',
  '',
  'x',
  '--b--',
].join('\n');

test('messageObject tells what a program wants, in this order', () => {
  expect(Object.entries(object(MESSAGE))).toEqual(
    Object.entries({
      number: 1,
      uid: 7,
      status: 'new',
      flags: ['flagged'],
      from: [{ name: 'Lé', address: 'lee@x.test' }],
      to: [
        { name: '', address: 'a@x.test' },
        { name: 'B', address: 'b@x.test' },
      ],
      cc: [],
      sender: [],
      replyTo: [{ name: '', address: 'dl@x.test' }],
      subject: 'Grüße',
      date: 1740996000,
      messageId: '<1@x.test>',
      size: MESSAGE.length,
      lines: 3,
      parts: 3,
      attachments: ['in.eml', '测.pdf'],
      charset: 'iso-8859-1',
      text: 'über\nzwei drei',
    }),
  );
});

test('without a body it ends with the lines', () => {
  expect(Object.keys(object(MESSAGE, { withBody: false })).at(-1)).toBe('lines');
});

test('what is not there is null', () => {
  const { subject, date, messageId, charset, text, parts } = object('Date: yesterday\nContent-Type: image/png\n\nx');
  expect([subject, date, messageId, charset, text, parts]).toEqual([null, null, null, null, null, 1]);
  expect(object('Subject:\n\n').subject).toBe('');
});

test('safeJson escapes all that acts on a terminal or hides', () => {
  const text = 'a\x1b\x7f\x9b\u202e\u2028\ufeff\u200b\u{e0041}\ud800 é 中 "\\\n';
  const json = safeJson({ text });
  expect(json).toBe(
    '{"text":"a\\u001b\\u007f\\u009b\\u202e\\u2028\\ufeff\\u200b\\udb40\\udc41\\ud800 é 中 \\"\\\\\\n"}',
  );
  expect(JSON.parse(json)).toEqual({ text });
});

test('any octets give an object that survives JSON', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const value = object(Buffer.from(bytes).toString('latin1'));
      const json = safeJson(value);
      expect(json).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
