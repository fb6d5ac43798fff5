import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import type { CommandContext } from '../../src/session/command.ts';
import {
  runFollowup,
  runFollowupSender,
  runForward,
  runReply,
  runReplySender,
  runResend,
} from '../../src/session/send.ts';
import { hasMark, Mark } from '../../src/session/session.ts';
import { desk, sessionAt, settings } from './letters.ts';

const FIRST = [
  'From: Ann A <ann@a.test>',
  'To: lee@host.example, bob@b.test',
  'Cc: carol@c.test',
  'Subject: =?UTF-8?B?6K6h5YiS?=',
  'Message-ID: <first@a.test>',
  'Status: RO',
  'Bcc: secret@s.test',
  '',
  'Text of the first.',
  '',
].join('\n');
const SECOND = 'From: Dan <dan@d.test>\nTo: lee\nSubject: Other\nContent-Type: multipart/mixed; boundary=x\n\n--x--\n';

async function run(
  command: (context: CommandContext, argument: string) => Promise<void>,
  argument: string,
  set = settings(),
  lines: readonly string[] = ['my answer', '~.', 'second answer', '~.'],
) {
  const at = desk({ lines });
  const context = sessionAt(at, [FIRST, SECOND], set);
  await command(context, argument);
  return { ...at, context };
}

const recipients = (at: Awaited<ReturnType<typeof run>>) =>
  at.sent.map(({ envelope }) => envelope.recipients.join(' '));

describe('reply', () => {
  test('r to all, R to the sender', async () => {
    const all = await run(runReply, '1');
    expect(recipients(all)).toEqual(['ann@a.test bob@b.test carol@c.test']);
    expect(all.sent[0]?.header).toContain('\nCc: carol@c.test\n');
    expect(all.sent[0]?.header).toContain('\nIn-Reply-To: <first@a.test>\nReferences: <first@a.test>\n');
    expect(all.sent[0]?.header).toContain(`\nSubject: =?UTF-8?B?${Buffer.from('Re: 计划').toString('base64')}?=\n`);
    expect(all.sent[0]?.body).toBe('my answer\n');
    expect(recipients(await run(runReplySender, ''))).toEqual(['ann@a.test']);
  });

  test.each(['flipr', 'Replyall'])('%s lets them change places; both leave them', async (name) => {
    expect(recipients(await run(runReply, '1', settings(name)))).toEqual(['ann@a.test']);
    expect(recipients(await run(runReplySender, '1', settings(name)))).toEqual(['ann@a.test bob@b.test carol@c.test']);
    expect(recipients(await run(runReply, '1', settings('flipr Replyall')))).toEqual([
      'ann@a.test bob@b.test carol@c.test',
    ]);
  });

  test('a list: one letter to the senders, or one a message to all', async () => {
    expect(recipients(await run(runReplySender, '1 2'))).toEqual(['ann@a.test dan@d.test']);
    expect(recipients(await run(runReply, '1 2'))).toEqual(['ann@a.test bob@b.test carol@c.test', 'dan@d.test']);
  });

  test('marks: read when it is begun, answered when it was sent', async () => {
    const { context } = await run(runReply, '1');
    expect([Mark.read, Mark.answered].map((mark) => hasMark(context.session, 0, mark))).toEqual([true, true]);
    const abandoned = await run(runReply, '1', settings(), ['text', '~x']);
    expect([Mark.read, Mark.answered].map((mark) => hasMark(abandoned.context.session, 0, mark))).toEqual([
      true,
      false,
    ]);
  });

  test('at a terminal it shows whom it goes to', async () => {
    const at = desk({ lines: ['text'], interactive: true });
    await runReply(sessionAt(at, [FIRST]), '1');
    expect(at.out.slice(0, 3)).toEqual(['To: ann@a.test, bob@b.test', 'Cc: carol@c.test', 'Subject: Re: 计划']);
  });

  test('what a stranger put into names and subject cannot drive the terminal when it is asked for', async () => {
    const at = desk({ lines: ['~h', '', '', '', '', 'text', '~.'], interactive: true });
    const evil = '=?UTF-8?Q?a=1B]52;c=07=E2=80=AEb=C2=9B?=';
    await runReply(sessionAt(at, [`From: ${evil} <ann@a.test>\nSubject: ${evil}\n\nx\n`]), '1');
    const shown = [...at.prompts, ...at.out].join('\n');
    expect(at.prompts.slice(0, 2)).toEqual(['To: "a ]52;c b" <ann@a.test>', 'Subject: Re: a ]52;c b']);
    expect(shown).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });

  test('what is no address is left out and told; it does not cost the letter', async () => {
    const at = desk({ lines: ['text', '~.'] });
    const long = `${'x'.repeat(400)}@x.test`;
    await runReply(sessionAt(at, [`From: ann@a.test\nCc: ${long}, bob@b.test\n\nx\n`]), '1');
    expect(at.sent[0]?.envelope.recipients).toEqual(['ann@a.test', 'bob@b.test']);
    expect(at.err[0]).toMatch(/^no mail can be sent to: x+@x\.test/);
  });

  test('a message that is not there is refused, nothing is sent', async () => {
    await expect(run(runReply, '9')).rejects.toThrow(UserError);
  });
});

describe('followup', () => {
  test.each([
    [runFollowup, 'ann@a.test bob@b.test carol@c.test'],
    [runFollowupSender, 'ann@a.test'],
  ])('is recorded under the author', async (command, expected) => {
    const at = desk({ lines: ['my answer'] });
    mkdirSync(join(at.home, 'mail'));
    const context = sessionAt(at, [FIRST], settings('record=elsewhere outfolder folder=~/mail'));
    await command(context, '1');
    expect(at.sent[0]?.envelope.recipients.join(' ')).toBe(expected);
    expect(readFileSync(join(at.home, 'mail/ann'), 'utf8')).toContain('my answer');
    expect(existsSync(join(at.home, 'mail/elsewhere'))).toBe(false);
  });
});

describe('forward', () => {
  test('puts the text in; the author may write above and below', async () => {
    const { sent } = await run(runForward, '1 eve@e.test', settings(), ['below', '~.']);
    expect(sent[0]?.envelope.recipients).toEqual(['eve@e.test']);
    expect(sent[0]?.header).toContain(Buffer.from('Fwd: 计划').toString('base64'));
    expect(sent[0]?.body).toMatch(/^-+ Original Message -+\n(.*\n)+Text of the first\.\n+below\n$/);
    expect(sent[0]?.header).not.toContain('multipart');
  });

  test('attaches what text does not hold, whole but for what is nobody else’s business', async () => {
    const { sent } = await run(runForward, '2 eve@e.test', settings(), ['see below', '~.']);
    expect(sent[0]?.header).toContain('Content-Type: multipart/mixed');
    expect(sent[0]?.body).toContain('Content-Type: message/rfc822');
    const attached = await run(runForward, '1 eve@e.test', settings('forward-as-attachment'), ['see below', '~.']);
    expect(attached.sent[0]?.body).toContain('\n\nFrom: Ann A <ann@a.test>\n');
    expect(attached.sent[0]?.text).not.toMatch(/secret@s|^Status:/m);
    expect(attached.sent[0]?.body).not.toContain('Original Message');
  });

  test('without a list it is the current message', async () => {
    const { sent } = await run(runForward, 'eve@e.test fay@f.test', settings(), ['~.']);
    expect(sent[0]?.envelope.recipients).toEqual(['eve@e.test', 'fay@f.test']);
    await expect(run(runForward, '1')).rejects.toThrow(/recipients/);
  });
});

describe('resend', () => {
  test('sends the message on as it is', async () => {
    const { sent } = await run(runResend, '1-2 eve', settings('', { eve: 'eve@e.test' }));
    expect(sent).toHaveLength(2);
    expect(sent[0]?.envelope).toEqual({ from: 'lee@host.example', recipients: ['eve@e.test'] });
    expect(sent[0]?.text).toMatch(
      /^Resent-From: Lee Wong <lee@host\.example>\nResent-To: eve@e\.test\nResent-Date: .*\nResent-Message-ID: <.*>\nFrom: Ann A/,
    );
    expect(sent[0]?.text).not.toMatch(/secret@s|^Status:/m);
    expect(sent[0]?.body).toBe('Text of the first.\n');
  });

  test('wants somebody to send it to', async () => {
    await expect(run(runResend, '1')).rejects.toThrow(UserError);
  });
});
