// Octets of a message never drive the terminal, wherever they stand: they become marks that can be read.
import { describe, expect, test } from 'vitest';
import { visible, visibleLines } from '../../src/core/text.ts';
import { messageObject, safeJson } from '../../src/message/json.ts';
import { renderMessage } from '../../src/message/render.ts';

const ATTACKS: readonly (readonly [string, string])[] = [
  ['clipboard', '\x1b]52;c;cm0gLXJm\x07'],
  ['clear screen', '\x1b[2J\x1b[H'],
  ['title', '\x1b]0;owned\x1b\\'],
  ['C1 control sequence', '\u009b2J'],
  ['C1 operating system command', '\u009d0;owned\u009c'],
  ['report of the cursor', '\x1b[6n\x05'],
  ['alternate character set', '\x0e\x1b(0'],
  ['overwriting', 'good\r\x08\x08evil'],
  ['right to left', '\u202etxt.exe\u2066'],
  ['invisible', 'pay\u200bpal\u2060\u{e0041}'],
];
const HARMFUL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060\u2066-\u2069\u{e0041}]/u;

describe('P26', () => {
  test.each(ATTACKS)('%s in header, text, HTML and file name', async (_, attack) => {
    const word = `=?utf-8?B?${Buffer.from(attack).toString('base64')}?=`;
    const message = Buffer.from(
      [
        `From: "${word}" <lee@x.test>`,
        `Subject: ${attack} ${word}`,
        `X-${attack}: y`,
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        'Content-Type: text/plain; charset=utf-8',
        '',
        `before ${attack} after`,
        '--b',
        'Content-Type: text/html; charset=utf-8',
        '',
        `<p title="${attack}">before ${attack} ${[...attack].map((one) => `&#${one.codePointAt(0)};`).join('')} after</p>`,
        `<a href="http://x.test/${attack}">link</a><img alt="${attack}">`,
        '--b',
        `Content-Type: application/pdf; name="${attack}.pdf"`,
        '',
        'x',
        '--b--',
        '',
      ].join('\n'),
    );
    const text = (await renderMessage(message)).join('\n');
    expect(text).not.toMatch(HARMFUL);
    expect(text.match(/before/g)).toHaveLength(2);
    expect(text.match(/after/g)).toHaveLength(2);
    const facts = { number: 1, uid: 1, status: 'new', flags: [], content: message, size: 1, lines: 1, withBody: true };
    expect(safeJson(messageObject(facts))).not.toMatch(HARMFUL);
  });

  test.each(ATTACKS)('%s in the reply of another host', (_, attack) => {
    const reply = `550 5.1.1 ${attack} no such user`;
    expect(visible(reply)).not.toMatch(HARMFUL);
    expect(visible(reply)).toMatch(/^550 5\.1\.1 .*no such user$/);
    expect(visibleLines(`${reply}\n250 ok`)).not.toMatch(HARMFUL);
  });
});
