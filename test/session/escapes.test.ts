import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ESCAPES } from '../../src/session/escapes.ts';
import { newContext } from '../../src/session/run.ts';
import { runMail } from '../../src/session/send.ts';
import { hasMark, Mark } from '../../src/session/session.ts';
import { desk, newFolder, send, sessionAt, settings, type Typed } from './letters.ts';

async function typed(lines: readonly Typed[], set = settings(), files: Record<string, string> = {}) {
  const at = desk({ lines });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(at.home, name), text, { mode: 0o755 });
  const status = await send(at, { escapes: true }, set);
  return { ...at, status, body: at.sent[0]?.body, letter: at.sent[0] };
}

describe('what is text and what is not', () => {
  test.each<[string, Typed[], string]>([
    ['a tilde twice is one', ['~~ five km', 'plain ~s'], '~ five km\nplain ~s\n'],
    ['~. ends the letter', ['one', '~.', 'two'], 'one\n'],
    ['end of input does too', ['one'], 'one\n'],
    ['an unknown escape is not sent', ['one', '~z secret', '~', 'two'], 'one\ntwo\n'],
    ['a dot is text without dot', ['one', '.', 'two'], 'one\n.\ntwo\n'],
    ['empty lines stay', ['', 'one', '', ''], '\none\n\n\n'],
  ])('%s', async (_, lines, body) => {
    expect((await typed(lines)).body).toBe(body);
  });

  test('an unknown escape is reported, harmless', async () => {
    const { err } = await typed(['~\x1b[2J']);
    expect(err).toHaveLength(1);
    expect(err[0]).toMatch(/^Unknown escape: /);
    expect(err[0]).not.toContain('\x1b');
  });

  test.each([
    ['another character', 'escape=%', ['~s not', '%s yes', '%.'], 'yes'],
    ['none', 'escape=', ['~s not'], 'hi'],
    [
      'one that is no ASCII stands for its first octet only where that begins a line',
      'escape=§',
      ['~s not', '§s not either'],
      'hi',
    ],
  ])('escape: %s', async (_, set, lines, subject) => {
    const { letter } = await typed(lines, settings(set));
    expect(letter?.header).toContain(`\nSubject: ${subject}\n`);
  });
});

describe('header', () => {
  test('~s ~t ~c ~b', async () => {
    const { letter } = await typed([
      '~s A new subject',
      '~c carol@c.test',
      '~b dave@d.test',
      '~t erin@e.test, "F, G" <f@f.test>',
      '.',
    ]);
    expect(letter?.envelope.recipients).toEqual([
      'bob@example.net',
      'erin@e.test',
      'f@f.test',
      'carol@c.test',
      'dave@d.test',
    ]);
    expect(letter?.header).toContain('\nSubject: A new subject\n');
    expect(letter?.header).toContain('\nCc: carol@c.test\n');
    expect(letter?.header).not.toContain('dave');
  });

  test('~h asks on a terminal; an empty answer leaves what is there', async () => {
    const at = desk({ lines: ['~h', 'ann@a.test', '', '', '', 'text', '~.'], interactive: true });
    await send(at);
    expect(at.prompts).toEqual(['To: bob@example.net', 'Subject: hi', 'Cc: ', 'Bcc: ']);
    expect(at.sent[0]?.envelope.recipients).toEqual(['ann@a.test']);
    expect((await typed(['~h', 'x'])).err[0]).toContain('terminal');
  });
});

describe('text from elsewhere', () => {
  test.each<[string, Typed[], string]>([
    ['~r', ['a', '~r FILE', 'b'], 'a\nfrom the file\nb\n'],
    ['~<', ['~< FILE'], 'from the file\n'],
    ['~< with a command', ['~< !echo out'], 'out\n'],
    ['~<! as well', ['~<!echo out'], 'out\n'],
    ['a file that is not there', ['a', '~r /no/such', 'b'], 'a\nb\n'],
    ['a folder', ['a', '~r /', 'b'], 'a\nb\n'],
    ['a device', ['a', '~r /dev/zero', 'b'], 'a\nb\n'],
    ['no name', ['a', '~r', 'b'], 'a\nb\n'],
  ])('%s', async (_, lines, body) => {
    const at = desk();
    const path = join(at.home, 'letter.txt');
    writeFileSync(path, 'from the file');
    const sending = desk({ home: at.home, lines: lines.map((line) => String(line).replace('FILE', path)) });
    await send(sending, { escapes: true });
    expect(sending.sent[0]?.body).toBe(body);
  });

  test('~d reads dead.letter', async () => {
    expect((await typed(['~d'], settings(), { 'dead.letter': 'words\n' })).body).toBe('words\n');
  });

  test('~a ~A ~i put in variables, \\n and \\t in them', async () => {
    const set = settings(String.raw`sign="Lee\\n\\tWong" Sign=Dr greeting="Good day"`);
    expect((await typed(['~i greeting', '~a', '~A', '~i nothing'], set)).body).toBe('Good day\nLee\n\tWong\nDr\n');
  });

  test('~@ attaches, and says so when it cannot', async () => {
    const at = desk();
    const path = join(at.home, 'a.txt');
    writeFileSync(path, 'attached\n');
    const sending = desk({ home: at.home, lines: ['text', `~@ ${path}`, '~@ /no/such'] });
    await send(sending, { escapes: true });
    expect(sending.sent[0]?.header).toContain('Content-Type: multipart/mixed');
    expect(sending.sent[0]?.body).toContain('filename=a.txt');
    expect(sending.err[0]).toContain('/no/such: No such file or directory');
  });
});

describe('commands', () => {
  test.each<[string, string, string]>([
    ['a filter that works', 'tr a-z A-Z', 'ABC\ndef\n'],
    ['that fails', 'cat; exit 3', 'abc\ndef\n'],
    ['that fails and reads nothing', 'false', 'abc\ndef\n'],
    ['that prints nothing', 'cat >/dev/null', 'abc\ndef\n'],
    ['that leaves the last line end out', 'printf x', 'x\ndef\n'],
  ])('~| %s', async (_, command, body) => {
    expect((await typed(['abc', `~| ${command}`, 'def'])).body).toBe(body);
  });

  test('~w writes to the end of a file', async () => {
    const at = desk();
    const path = join(at.home, 'copy');
    writeFileSync(path, 'there\n');
    await send(desk({ home: at.home, lines: ['one', `~w ${path}`, '~w /no/such/folder', 'two'] }), { escapes: true });
    expect(readFileSync(path, 'utf8')).toBe('there\none\n');
  });

  test('~e and ~v edit, and leave no file behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('tmail-'));
    const editor = '#!/bin/sh\nsed -i s/teh/the/ "$1"\n';
    for (const [tilde, variable] of [
      ['~e', 'EDITOR'],
      ['~v', 'VISUAL'],
    ]) {
      const at = desk();
      writeFileSync(join(at.home, 'ed'), editor, { mode: 0o755 });
      const sending = desk({ home: at.home, lines: ['teh text', tilde ?? ''] });
      await send(sending, { escapes: true }, settings(`${variable}=${at.home}/ed`));
      expect(sending.sent[0]?.body).toBe('the text\n');
    }
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('tmail-'))).toEqual(before);
  });

  test('an editor that fails leaves the text', async () => {
    expect((await typed(['text', '~v'], settings('VISUAL=false'))).body).toBe('text\n');
  });

  test('~: and ~_ run a command of the session', async () => {
    const at = desk({ lines: ['text', '~: set x', '~_ d 1', '~.'] });
    const context = sessionAt(at, ['Subject: x\n\n']);
    await runMail(context, 'bob@example.net');
    expect([context.executed, at.sent[0]?.body]).toEqual([['set x', 'd 1'], 'text\n']);
  });
});

describe('giving up', () => {
  test.each([
    ['~q', '', true],
    ['~q', 'nosave', false],
    ['~x', '', false],
  ])('%s with set %s', async (tilde, set, kept) => {
    const { home, status, letter } = await typed(['text', tilde, 'more'], settings(set));
    expect([status, letter, existsSync(join(home, 'dead.letter'))]).toEqual([1, undefined, kept]);
  });

  test('in a session it goes on with the next line', async () => {
    const at = desk({ lines: ['text', '~x', 'd 1'] });
    const context = sessionAt(at, ['Subject: x\n\n']);
    await runMail(context, 'bob@example.net');
    // It was meant so: no failure of the session.
    expect(context.failed).toBe(false);
    expect(await at.services.io.readLine('')).toEqual(Buffer.from('d 1'));
  });
});

describe('messages', () => {
  const MESSAGES = [
    'From: ann@a.test\nSubject: one\nX-Long: yes\n\nQuoted text.\n\nMore.\n',
    'From: bob@b.test\nSubject: two\n\nSecond.\n',
  ];

  async function with_(lines: Typed[], set = settings()) {
    const at = desk({ lines });
    const context = sessionAt(at, MESSAGES, set);
    await runMail(context, 'bob@example.net');
    return { body: at.sent[0]?.body ?? '', err: at.err, session: context.session };
  }

  test('~f as it is, ~m behind indentprefix', async () => {
    const { body, session } = await with_(['~m', '--', '~f 2']);
    expect(body).toMatch(/^\tFrom: ann@a\.test$/m);
    expect(body).toMatch(/^\tQuoted text\.$\n\n\tMore\.$/m);
    expect(body).toMatch(/--\n(.*\n)*Second\.\n$/);
    expect([0, 1].map((slot) => hasMark(session, slot, Mark.read))).toEqual([true, true]);
    expect((await with_(['~m'], settings('indentprefix="> "'))).body).toMatch(/^> Quoted text\.$/m);
  });

  test('~F and ~M with all headers, ~f ~m without the ignored', async () => {
    const set = { ...settings(), ignored: new Set(['x-long']) };
    expect((await with_(['~f'], set)).body).not.toContain('X-Long');
    expect((await with_(['~F'], set)).body).toContain('X-Long: yes');
    expect((await with_(['~M'], set)).body).toContain('\tX-Long: yes');
  });

  test('a message that is not there is reported', async () => {
    const { body, err } = await with_(['~m 7', 'text']);
    expect([body, err.length]).toEqual(['text\n', 1]);
  });

  test('in send mode there are none', async () => {
    const { body, err } = await typed(['~m', 'text']);
    expect([body, err.length]).toEqual(['text\n', 1]);
  });
});

test('~p prints the letter, ~? every escape', async () => {
  const { out } = await typed(['line \x1b[2J', '~p', '~?']);
  const text = out.join('\n');
  expect(text).toContain('To: bob@example.net\nSubject: hi\n\nline ');
  expect(text).not.toContain('\x1b');
  for (const { usage } of ESCAPES) expect(text).toContain(usage);
});

test('files are named as for commands: home, folder, quotes, patterns', async () => {
  const home = newFolder();
  mkdirSync(join(home, 'Mail'));
  for (const name of ['plain', 'Mail/two', 'my letter', 'unique-name']) {
    writeFileSync(join(home, name), `from ${basename(name)}\n`);
  }
  const lines = ['m bob', '~r ~/plain', '~r +two', `~r "${home}/my letter"`, `~< ${home}/my letter`, `~r ${home}/uni*`];
  const at = desk({ home, lines: [...lines.slice(1), '~w +out', '.'] });
  const context = newContext(at.services, { escapes: true, sending: false });
  await context.execute(`set folder=${home}/Mail`);
  await runMail(context, 'bob@example.net');
  const body = ['plain', 'two', 'my letter', 'my letter', 'unique-name'].map((name) => `from ${name}\n`).join('');
  expect(at.err).toEqual([]);
  expect(readFileSync(join(home, 'Mail/out'), 'utf8')).toBe(body);
});
