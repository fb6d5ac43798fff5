// P41: a line end in subject or recipient adds header fields; a recipient that begins with a dash is an option.
import { expect, test } from 'vitest';
import { programArguments } from '../../src/cli/delivery-program.ts';
import { choicesOf, sendRequest } from '../../src/cli/mailx-options.ts';
import { UserError } from '../../src/core/errors.ts';
import { runReplySender } from '../../src/session/send.ts';
import { desk, send, sessionAt, settings } from '../session/letters.ts';

test.each<[string, Parameters<typeof send>[1]]>([
  ['subject', { subject: 'a\nBcc: eve@e.test' }],
  ['subject with a lone CR', { subject: 'a\rBcc: eve@e.test' }],
  ['recipient', { to: ['ann@a.test\rBcc: eve@e.test'] }],
  ['copy', { cc: ['"x\r" <ann@a.test>', 'a\0b@a.test'] }],
  ['header', { added: ['X-A: b\nBcc: eve@e.test'] }],
  ['sender', { from: 'lee@x.test\rBcc: eve@e.test' }],
])('a line end in the %s sends nothing', async (_, options) => {
  const at = desk({ lines: ['text'] });
  expect(
    await send(at, options).catch((error: unknown) => (error instanceof UserError ? error.status : error)),
  ).not.toBe(0);
  expect(at.sent).toEqual([]);
});

test('the command line refuses it with one clear line', () => {
  const values = { subject: 'a\nBcc: eve@e.test' };
  expect(() => sendRequest(values, ['ann@a.test'], choicesOf(values))).toThrow(/subject.*line end/);
});

test('a stranger’s subject cannot do it either', async () => {
  const at = desk({ lines: ['answer', '~.'] });
  const message =
    'From: =?UTF-8?Q?A=0ABcc:_eve@e.test?= <ann@a.test>\nSubject: =?UTF-8?Q?Pay=0ABcc:_eve@e.test?=\n\nx\n';
  await runReplySender(sessionAt(at, [message]), '1');
  expect(at.sent[0]?.envelope.recipients).toEqual(['ann@a.test']);
  expect(at.sent[0]?.header).not.toMatch(/^Bcc/im);
});

test.each(['-oQ/tmp', '-t'])('the name %s is refused', async (name) => {
  const at = desk({ lines: ['text'] });
  expect(await send(at, { to: [name] }, settings())).not.toBe(0);
  expect(at.sent).toEqual([]);
});

test('an address that begins with a dash goes behind --', () => {
  const call = { program: '/bin/sh', sender: undefined, recipients: ['-eve@a.test'], verbose: false, env: {} };
  expect(programArguments(call).slice(-2)).toEqual(['--', '-eve@a.test']);
});
