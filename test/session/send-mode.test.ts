import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MailError, UserError } from '../../src/core/errors.ts';
import { desk, END, INTERRUPT, send, settings, type Typed } from './letters.ts';

async function piped(lines: readonly Typed[], options: Parameters<typeof send>[1] = {}, set = settings()) {
  const at = desk({ lines });
  const status = await send(at, options, set);
  return { ...at, status, letter: at.sent[0] };
}

describe('from a pipe', () => {
  test('the text is standard input, escapes and all', async () => {
    const { status, letter, err, prompts } = await piped(
      ['~s no', '~! false', '.', '~x'],
      {},
      settings('ask askcc dot'),
    );
    expect([status, letter?.body, err, prompts]).toEqual([0, '~s no\n~! false\n.\n~x\n', [], []]);
    expect(letter?.header).toContain('\nSubject: hi\n');
  });

  test('bytes that are not UTF-8 become text', async () => {
    const { letter } = await piped([Buffer.from('caf\xe9 au lait, d\xe9j\xe0 vu', 'latin1')]);
    expect(letter?.body).toBe('café au lait, déjà vu\n');
    expect(letter?.header).toContain('Content-Type: text/plain; charset=utf-8\n');
  });

  test('nothing is sent too, unless -E', async () => {
    expect(await piped([])).toMatchObject({ status: 0, letter: { body: '' } });
    expect(await piped([], { skipEmpty: true })).toMatchObject({ status: 0, letter: undefined });
    expect((await piped(['text'], { skipEmpty: true })).letter?.body).toBe('text\n');
  });

  test('-t takes the header off the text', async () => {
    const text = [
      'To: ann@a.test',
      'Bcc: dave@d.test',
      'Subject: =?UTF-8?B?5L2g5aW9?=',
      'X-A: b',
      '',
      'text',
      'To: not this',
    ];
    const { letter } = await piped(text, { fromMessage: true, to: [], subject: undefined });
    expect(letter?.envelope.recipients).toEqual(['ann@a.test', 'dave@d.test']);
    expect(letter?.header).toMatch(/^X-A: b$/m);
    expect(letter?.header).not.toContain('dave');
    expect(letter?.body).toBe('text\nTo: not this\n');
  });
});

describe('recipients', () => {
  test.each([
    ['commas and blanks', ['a@x.test, b@x.test c@x.test'], 'a@x.test b@x.test c@x.test'],
    ['names', ['"B, C" <b@x.test>, Ann A <a@x.test>'], 'b@x.test a@x.test'],
    ['aliases, nested', ['team'], 'bob@example.net carol@example.net dave@example.net'],
    ['an alias that loops', ['one'], 'bob@example.net carol@example.net'],
    ['an alias with itself in it', ['home'], 'home lee@home.example'],
    ['a backslash keeps an alias closed', ['\\team'], 'team'],
    ['me in a group', ['us'], 'bob@example.net'],
    ['me alone in a group', ['mine'], 'lee'],
    ['me by name', ['lee'], 'lee'],
    [
      'each once, letter case aside',
      ['Bob@Example.net', 'bob@example.net', 'team'],
      'Bob@Example.net carol@example.net dave@example.net',
    ],
  ])('%s', async (_, to, expected) => {
    const set = settings('', {
      team: 'bob@example.net friends',
      friends: 'carol@example.net dave@example.net',
      one: 'two bob@example.net',
      two: 'one carol@example.net',
      home: 'home lee@home.example',
      us: 'lee bob@example.net LEE@host.example',
      mine: 'lee',
    });
    const { letter } = await piped(['text'], { to }, set);
    expect([...(letter?.envelope.recipients ?? [])].sort().join(' ')).toBe(expected.split(' ').sort().join(' '));
  });

  test('metoo keeps me in groups', async () => {
    const { letter } = await piped(['text'], { to: ['us'] }, settings('metoo', { us: 'lee bob@example.net' }));
    expect(letter?.envelope.recipients).toEqual(['lee', 'bob@example.net']);
  });

  test('an alias that is only itself in the end is told', async () => {
    const { status, letter, err } = await piped(['text'], { to: ['a'] }, settings('', { a: 'b', b: 'a' }));
    expect([status === 0, letter]).toEqual([false, undefined]);
    expect(err[0]).toContain('alias a');
  });

  test.each(['/tmp/x', './x', '+x', '|cat', '-oQ'])('%s is no recipient', async (name) => {
    const { status, letter, err } = await piped(['text'], { to: [name, 'bob@example.net'] });
    expect([status === 0, letter]).toEqual([false, undefined]);
    expect(err[0]).toContain(name);
  });

  test('with expandaddr files get a copy and commands the message', async () => {
    const at = desk({ lines: ['text'] });
    const file = join(at.home, 'copies');
    const set = settings('expandaddr');
    expect(await send(at, { to: [file, `|cat >'${at.home}/piped'`, 'bob@example.net'] }, set)).toBe(0);
    expect(at.sent[0]?.envelope.recipients).toEqual(['bob@example.net']);
    expect(readFileSync(file, 'utf8')).toMatch(/^From lee@host\.example .*\n(.*\n)+\ntext\n/);
    expect(readFileSync(join(at.home, 'piped'), 'utf8')).toContain('\n\ntext\n');
  });

  test('names of this host get its name, unless a delivery program does that', async () => {
    expect((await piped(['x'], { to: ['ann'] })).letter?.header).toContain('\nTo: ann@host.example\n');
    expect((await piped(['x'], { to: ['ann'] }, settings('sendmail=/bin/mta'))).letter?.header).toContain(
      '\nTo: ann\n',
    );
  });
});

describe('what the options say', () => {
  test('-c and -b', async () => {
    const { letter } = await piped(['x'], { cc: ['c@x.test,d@x.test'], bcc: ['e@x.test'] });
    expect(letter?.envelope.recipients).toEqual(['bob@example.net', 'c@x.test', 'd@x.test', 'e@x.test']);
    expect(letter?.header).toContain('\nCc: c@x.test, d@x.test\n');
    expect(letter?.header).not.toContain('e@x.test');
  });

  test.each([
    [undefined, '', 'Lee Wong <lee@host.example>', false],
    ['boss@work.example', '', 'boss@work.example', true],
    [undefined, 'from="Lee <lee@home.example>"', 'Lee <lee@home.example>', true],
  ])('-r %s, set %s', async (from, set, shown, explicit) => {
    const { letter } = await piped(['x'], { from }, settings(set));
    expect(letter?.header).toContain(`\nFrom: ${shown}\n`);
    expect(letter?.how.explicitSender).toBe(explicit);
  });

  test('-a knows the fields a letter has a place for', async () => {
    const added = [
      'X-Loop: yes',
      'Reply-To: team@x.test',
      'Cc: c@x.test',
      'Bcc: d@x.test',
      'Subject: other',
      'From: me@x.test',
    ];
    const { letter } = await piped(['x'], { added });
    expect(letter?.header).toMatch(/^X-Loop: yes$/m);
    expect(letter?.header).toMatch(/^Reply-To: team@x\.test$/m);
    expect(letter?.header).toMatch(/^From: me@x\.test$/m);
    expect(letter?.header.match(/^Subject: .*/gm)).toEqual(['Subject: other']);
    expect(letter?.envelope).toEqual({ from: 'me@x.test', recipients: ['bob@example.net', 'c@x.test', 'd@x.test'] });
  });

  test('set debug sends nothing', async () => {
    expect(await piped(['x'], {}, settings('debug'))).toMatchObject({ status: 0, letter: undefined });
  });
});

describe('copies', () => {
  test('record gets what was sent, with the blind copies', async () => {
    const at = desk({ lines: ['text'] });
    const path = join(at.home, 'sentbox');
    await send(at, { bcc: ['dave@d.test'] }, settings(`record=${path}`));
    const copy = readFileSync(path, 'utf8');
    expect(copy).toMatch(/^From lee@host\.example /);
    expect(copy).toMatch(/^Bcc: dave@d\.test$/m);
    expect(copy).toContain('\n\ntext\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['outfolder', 'record=sent outfolder folder=~/mail', 'mail/sent'],
    ['a plus sign', 'record=+sent folder=mail', 'mail/sent'],
    ['home', 'record=~/sent', 'sent'],
  ])('%s', async (_, set, path) => {
    const at = desk({ lines: ['text'] });
    mkdirSync(join(at.home, 'mail'));
    await send(at, {}, settings(set));
    expect(existsSync(join(at.home, path))).toBe(true);
  });

  test('-F: a file named after the first recipient, never a path of his choosing', async () => {
    const at = desk({ lines: ['text'] });
    mkdirSync(join(at.home, 'mail'));
    const set = settings('outfolder folder=~/mail');
    await send(at, { to: ['"../../evil"@example.net'], recordByName: true }, set);
    expect(readdirSync(join(at.home, 'mail')).filter((name) => !name.endsWith('.lock'))).toEqual(['__.._evil']);
  });

  test('a copy that cannot be written is told; the letter is sent', async () => {
    const at = desk({ lines: ['text'] });
    expect(await send(at, {}, settings(`record=${at.home}/no/such`))).toBe(0);
    expect(at.sent).toHaveLength(1);
    expect(at.err.join()).toContain('no copy');
  });

  test('+NAME without folder sends nothing', async () => {
    const { status, letter } = await piped(['text'], {}, settings('record=+sent'));
    expect([status === 0, letter]).toEqual([false, undefined]);
  });
});

describe('what is not sent is kept', () => {
  const failing = async () => {
    throw new MailError('the mail program failed', { temporary: true });
  };

  test('in dead.letter, told once', async () => {
    const at = desk({ lines: ['one', 'two'], outbox: failing });
    expect(await send(at)).toBe(75);
    const path = join(at.home, 'dead.letter');
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(at.err).toEqual(['the mail program failed', `The letter is kept in ${path}`]);
  });

  test('behind what is there', async () => {
    const at = desk({ lines: ['new'], outbox: failing, env: {} });
    writeFileSync(join(at.home, 'dead.letter'), 'old\n');
    await send(at);
    expect(readFileSync(join(at.home, 'dead.letter'), 'utf8')).toBe('old\n\nnew\n');
  });

  test('where DEAD says', async () => {
    const at = desk({ lines: ['text'], outbox: failing });
    await send(at, {}, settings('DEAD=~/elsewhere'));
    expect(readFileSync(join(at.home, 'elsewhere'), 'utf8')).toBe('text\n');
  });
});

describe('at a terminal', () => {
  async function typed(lines: readonly Typed[], options: Parameters<typeof send>[1] = {}, set = settings()) {
    const at = desk({ lines, interactive: true });
    const status = await send(at, options, set);
    return { ...at, status, letter: at.sent[0] };
  }

  test('asks for what is missing', async () => {
    const { letter, prompts } = await typed(
      ['a subject', 'carol@c.test', 'dave@d.test', 'text'],
      { subject: undefined },
      settings('ask askcc askbcc'),
    );
    expect(prompts).toEqual(['Subject: ', 'Cc: ', 'Bcc: ']);
    expect(letter?.header).toContain('\nSubject: a subject\n');
    expect(letter?.envelope.recipients).toEqual(['bob@example.net', 'carol@c.test', 'dave@d.test']);
    expect(letter?.body).toBe('text\n');
  });

  test.each([
    ['dot', 'text\n'],
    ['nodot', 'text\n.\nmore\n'],
    ['ignoreeof', 'text\n'],
  ])('a dot with set %s', async (set, body) => {
    expect((await typed(['text', '.', 'more'], {}, settings(set))).letter?.body).toBe(body);
  });

  test('ignoreeof wants a dot, and gives in when the terminal is gone', async () => {
    const { letter, err } = await typed(['text', END, 'more', '.'], {}, settings('ignoreeof'));
    expect(letter?.body).toBe('text\nmore\n');
    expect(err).toEqual(['Use "." to terminate letter']);
    expect((await typed(['text'], {}, settings('ignoreeof'))).letter?.body).toBe('text\n');
  });

  test('two interrupts in a row give it up, one does not', async () => {
    const once = await typed(['text', INTERRUPT, 'more']);
    expect(once.letter?.body).toBe('text\nmore\n');
    const twice = await typed(['text', INTERRUPT, INTERRUPT, 'more']);
    expect([twice.status, twice.letter]).toEqual([1, undefined]);
    expect(readFileSync(join(twice.home, 'dead.letter'), 'utf8')).toBe('text\n');
  });

  test('nothing is left in the drafts when it was sent or given up', async () => {
    for (const lines of [['text'], ['text', '~x'], ['text', '~q']]) {
      const { home } = await typed(lines);
      expect(readdirSync(join(home, 'state/drafts'))).toEqual([]);
    }
  });

  test('nosave keeps nothing of what is given up', async () => {
    const { home, letter } = await typed(['text', '~q'], {}, settings('nosave'));
    expect([letter, existsSync(join(home, 'dead.letter'))]).toEqual([undefined, false]);
  });
});

test('a bad option is an error before a word is read', async () => {
  const at = desk({ lines: ['text'] });
  await expect(send(at, { added: ['no header'], compat: 'bsd' })).rejects.toThrow(UserError);
  await expect(send(at, { attachments: ['/no/such'] })).rejects.toMatchObject({ status: 66 });
  expect(await at.services.io.readLine('')).toEqual(Buffer.from('text'));
});
