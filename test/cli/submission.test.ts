import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prepareSubmission, type SubmissionOptions } from '../../src/cli/submission.ts';

const options: SubmissionOptions = {
  recipientsFromHeader: true,
  sender: { name: 'Lee', address: 'lee@linux102.example.com' },
  hostname: 'linux102.example.com',
  now: 1_764_000_000_000,
  zone: 60,
};

function prepare(text: string, changes: Partial<SubmissionOptions> = {}) {
  const { message, recipients } = prepareSubmission(Buffer.from(text), { ...options, ...changes });
  return { text: Buffer.from(message).toString(), recipients };
}

test('a message that has everything stays as it is', () => {
  const whole =
    'From: Lee <lee@example.com>\nDate: Mon, 24 Nov 2025 17:00:00 +0100\nMessage-ID: <a@example.com>\nTo: dl@example.com\n\nHello\n';
  expect(prepare(whole)).toEqual({ text: whole, recipients: ['dl@example.com'] });
});

test('what is missing is added in front', () => {
  const { text } = prepare('To: dl@example.com\n\nHello\n');
  expect(text).toMatch(
    /^Date: Mon, 24 Nov 2025 17:00:00 \+0100\nFrom: Lee <lee@linux102\.example\.com>\nMessage-ID: <[^>]+@linux102\.example\.com>\nTo: dl@example\.com\n\nHello\n$/,
  );
});

test('addresses without a domain get this host, once, in every address field', () => {
  const { text, recipients } = prepare(
    'From: root\nTo: lee, "D. L." <dl>, anna@garden.example.org\nCc: dongliang@linux102.example.com\n\n',
  );
  expect(text).toContain('From: root@linux102.example.com\n');
  expect(text).toMatch(
    /To: lee@linux102\.example\.com,\s+"D\. L\." <dl@linux102\.example\.com>,\s+anna@garden\.example\.org\n/,
  );
  expect(text).toContain('\nCc: dongliang@linux102.example.com\n');
  expect(recipients).toEqual(['lee', 'dl', 'anna@garden.example.org', 'dongliang@linux102.example.com']);
});

test('a group stays as it is written', () => {
  expect(prepare('To: undisclosed-recipients:;\nBcc: lee\n\nx\n')).toEqual({
    text: expect.stringContaining('To: undisclosed-recipients:;\n'),
    recipients: ['lee'],
  });
});

test('blind copies get the message and are not named in it', () => {
  const { text, recipients } = prepare(
    'To: lee\nBcc: dl,\n dongliang\nReturn-Path: <x@example.com>\nSubject: s\n\nBcc: stays\n',
  );
  expect(recipients).toEqual(['lee', 'dl', 'dongliang']);
  expect(text).not.toMatch(/^Bcc: dl|^ dongliang|^Return-Path/m);
  expect(text).toMatch(/Subject: s\n\nBcc: stays\n$/);
});

test('resent fields name the recipients when there are some', () => {
  expect(prepare('Resent-To: dl@example.com\nTo: lee@example.com\n\nx\n').recipients).toEqual(['dl@example.com']);
});

test('recipients are not taken from the header unless asked', () => {
  expect(prepare('To: lee\n\nx\n', { recipientsFromHeader: false }).recipients).toEqual([]);
});

const texts: readonly [what: string, text: string, body: string][] = [
  ['a text without a header', 'Hello there\nsecond line\n', 'Hello there\nsecond line\n'],
  ['a header that runs into the text', 'Subject: x\nHello there\nTo: nobody\n', 'Hello there\nTo: nobody\n'],
  ['a header without text', 'Subject: x\n', ''],
  ['a header without a last line end', 'Subject: x', ''],
  ['nothing', '', ''],
  ['CRLF', 'Subject: x\r\n\r\none\r\ntwo\r\n', 'one\ntwo\n'],
  ['a lone CR in the text', 'Subject: x\n\none\rtwo\n', 'one\rtwo\n'],
];

test.each(texts)('%s', (_what, text, body) => {
  const result = prepare(text, { recipientsFromHeader: false }).text;
  expect(result.slice(result.indexOf('\n\n') + 2)).toBe(body);
});

test('whatever is handed over, every octet of a text behind an empty line goes on', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array({ maxLength: 200 }), (head, body) => {
      const field = Buffer.from(`X-Any: ${Buffer.from(head).toString('base64')}\n\n`);
      const { message } = prepareSubmission(Buffer.concat([field, body]), options);
      expect(Buffer.from(message).subarray(message.length - body.length)).toEqual(Buffer.from(body));
    }),
  );
});

test('no octets make it throw, nor put a field of their own choice behind the header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const { message } = prepareSubmission(bytes, options);
      expect(Buffer.from(message).includes('\n\n')).toBe(true);
    }),
  );
});

test('what an encoded name holds is no recipient', () => {
  const { text, recipients } = prepare('To: =?utf-8?Q?Foo,_root?= <foo@example.com>\nCc: =?utf-8?Q?dl=40y.test?=\n\n');
  expect(recipients).toEqual(['foo@example.com']);
  expect(text).toContain('\nTo: =?utf-8?Q?Foo,_root?= <foo@example.com>\nCc: =?utf-8?Q?dl=40y.test?=\n');
});
