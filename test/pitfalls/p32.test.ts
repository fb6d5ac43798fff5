// P32: a reply to all goes to oneself as well, and comes from the wrong one of one's addresses.
import { expect, test } from 'vitest';
import { runReply } from '../../src/session/send.ts';
import { desk, sessionAt, settings } from '../session/letters.ts';

const ALTERNATES = ['lee@work.example', 'lee@home.example', 'lw@club.example'];

test.each([
  ['lee@work.example', 'lee@work.example'],
  ['Lee W <lee@home.example>', 'lee@home.example'],
  ['lw+chess@club.example', 'lw+chess@club.example'],
  ['LEE@Work.Example', 'LEE@Work.Example'],
  ['lee@host.example', 'lee@host.example'],
])('a mail to %s is answered from %s, and none of mine gets it', async (to, from) => {
  const at = desk({ lines: ['answer', '~.'] });
  const message = [
    'From: ann@a.test',
    `To: bob@b.test, ${to}`,
    'Cc: lee+list@home.example, carol@c.test, lee@work.example',
    'Subject: x',
    '',
    'text',
    '',
  ].join('\n');
  await runReply(sessionAt(at, [message], settings('', {}, ALTERNATES)), '1');
  expect(at.sent[0]?.envelope).toEqual({ from, recipients: ['ann@a.test', 'bob@b.test', 'carol@c.test'] });
  expect(at.sent[0]?.header).toMatch(new RegExp(`^From: .*${from.replace('+', '\\+')}`, 'm'));
  expect(at.sent[0]?.header.match(/^(To|Cc): .*/gm)?.join()).toBe('To: ann@a.test, bob@b.test,Cc: carol@c.test');
});
