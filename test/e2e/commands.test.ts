/**
 * Subcommands and faces of the built program, each on a mail system or a home folder of its own.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BIN, has, letter, newHome } from './program.ts';

/** A demo's mail system and how to run tmail in it, with an environment that knows nothing of it. */
function sandbox() {
  const home = newHome();
  const root = home.path('root');
  const made = home.tmail(['demo', '--print', '--dir', root]);
  expect(made).toMatchObject({ status: 0, err: '' });
  return {
    home,
    root,
    made: made.out,
    tmail: (args: readonly string[], input = '') => home.tmail(['--root', root, ...args], input),
  };
}

describe('the demo', () => {
  test('prints the headers of all its messages, decoded, and what to try next', () => {
    const { made, root } = sandbox();
    expect(made.split('\n').filter((line) => /^[> ][ A-Z*] +\d+ /.test(line)).length).toBeGreaterThan(30);
    for (const subject of [
      '测试:中文邮件',
      '茶葉目錄',
      '会議の資料',
      '안녕하세요',
      'Письмо',
      'Grüße',
      'مرحبا',
      'שלום',
      'Καλημέρα',
    ]) {
      expect(made).toContain(subject);
    }
    expect(made).toContain(`--root ${root} -u lee`);
    expect(made).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  test('its mailboxes are mboxes that others read alike', () => {
    const { root } = sandbox();
    const script = 'import mailbox, sys; print(*(len(mailbox.mbox(p)) for p in sys.argv[1:]))';
    const boxes = ['lee', 'dongliang', 'dl'].map((user) => join(root, 'var/mail', user));
    expect(spawnSync('python3', ['-c', script, ...boxes], { encoding: 'utf8' }).stdout.trim()).toBe('38 2 1');
  });

  test('tmail fsck finds nothing wrong with them but what is so on purpose', () => {
    const { tmail, root } = sandbox();
    expect(tmail(['fsck', ...['lee', 'dongliang', 'dl'].map((user) => join(root, 'var/mail', user))]).status).toBe(0);
  });

  test('mail sent in it stays in it, and comes from lee', () => {
    const { tmail, home } = sandbox();
    expect(tmail(['-s', 'Tapes', 'dongliang'], 'All full.\n')).toMatchObject({ status: 0, out: '', err: '' });
    const read = tmail(['-N', '-u', 'dongliang'], 'p $\nx\n');
    expect(read.out).toMatch(/From: Lee <lee@linux102\.example\.com>/);
    expect(read.out).toContain('All full.');
    expect(tmail(['send', 'dl'], 'Hello\n').status).toBe(0);
    expect(tmail(['-H', '-u', 'dl', 'lee']).out).toMatch(/^[> ]N +2 Lee /m);
    expect(readdirSync(home.dir).sort()).toEqual(['root', 'spool']);
  });

  test('mail for elsewhere waits in its queue, and mailq lists it', () => {
    const { tmail } = sandbox();
    const sent = tmail(['-s', 'Seeds', 'anna@garden.example.org'], 'x\n');
    expect(sent.status).toBe(0);
    expect(sent.err).toMatch(/queued for anna@garden\.example\.org/);
    expect(tmail(['mailq']).out).toMatch(
      / <lee@linux102\.example\.com>\n {41}<anna@garden\.example\.org>\n\t\tTotal requests: 1\nNo tmail daemon runs/,
    );
    expect(JSON.parse(tmail(['mailq', '--json']).out)).toMatchObject({ recipients: ['anna@garden.example.org'] });
  });

  test('q moves what was read, undo brings it back', () => {
    const { tmail, home, root } = sandbox();
    const before = home.read('root/var/mail/lee');
    expect(tmail(['-N', '-u', 'lee'], 'd 1-10\np 36\nq\n').status).toBe(0);
    expect(tmail(['-u', 'lee', '--json=headers']).out.trim().split('\n')).toHaveLength(27);
    expect(tmail(['undo', '--list']).out).toContain('10 deleted, 1 moved to mbox');
    expect(tmail(['undo']).out).toMatch(/11 brought back to .*var\/mail\/lee, 1 taken out of .*mbox again/);
    expect(tmail(['-u', 'lee', '--json=headers']).out.trim().split('\n')).toHaveLength(38);
    const ids = (text: string) => [...text.matchAll(/^Message-ID: (.*)$/gm)].map((m) => m[1]).sort();
    expect(ids(home.read('root/var/mail/lee'))).toEqual(ids(before));
    expect(tmail(['undo'])).toMatchObject({ status: 1, err: expect.stringContaining('nothing to bring back') });
    expect(tmail(['recover']).out).toMatch(/brought back/);
    expect(readdirSync(join(root, 'home/lee')).sort()).toEqual(['.local', '.mailrc', 'mail', 'mbox']);
  });
});

describe('names', () => {
  function called(name: string, args: readonly string[], input = '') {
    const { home, root } = sandbox();
    symlinkSync(BIN, home.path(name));
    return { root, home, result: home.run(process.execPath, [home.path(name), ...args], input, { TMAIL_ROOT: root }) };
  }

  test('sendmail takes what cron and git hand it', () => {
    const { home, result } = called(
      'sendmail',
      ['-i', '-FCronDaemon', '-oem', '-t'],
      'To: dl\nSubject: Cron\nBcc: dongliang\n\n.\nout\n',
    );
    expect(result).toEqual({ status: 0, out: '', err: '' });
    const last = (user: string) =>
      home
        .read(`root/var/mail/${user}`)
        .split(/^From (?=.*\d\d:\d\d:\d\d)/m)
        .at(-1);
    expect(last('dl')).toMatch(/^From: CronDaemon <lee@linux102\.example\.com>$/m);
    expect(last('dl')).toMatch(/^To: dl@linux102\.example\.com$/m);
    expect(last('dl')).toMatch(/\n\n\.\nout\n\n$/);
    expect(last('dongliang')).not.toMatch(/^Bcc/m);
  });

  test('sendmail says no to a recipient nobody has, and sends nothing', () => {
    const { home, result } = called('sendmail', ['-i', 'dl', 'nobody-here'], 'Subject: x\n\nx\n');
    expect(result).toMatchObject({
      status: 67,
      out: '',
      err: expect.stringMatching(/^sendmail: nobody-here: User unknown.*\n$/),
    });
    expect(home.read('root/var/mail/dl')).not.toContain('Subject: x\n');
  });

  test('mailq and newaliases', () => {
    expect(called('mailq', []).result.out).toMatch(/var\/spool\/tmail\/queue is empty\n\t\tTotal requests: 0\n$/);
    expect(called('newaliases', []).result.out).toMatch(
      /etc\/aliases: 3 aliases, longest 18 bytes, \d+ bytes total\n$/,
    );
  });

  test('mailx has no subcommands: they are names of people', () => {
    expect(called('mailx', ['demo'], 'x\n').result).toMatchObject({
      status: 67,
      err: expect.stringContaining('demo: User unknown'),
    });
    expect(called('mailx', ['-V']).result.out).toMatch(/^tmail \d/);
    expect(called('Mail', ['-q']).result.err).toMatch(/^Mail: unknown option/);
  });
});

describe('--json', () => {
  test('one object a line, nothing changed', () => {
    const home = newHome();
    home.write('box', letter('a', { status: 'RO' }) + letter('b', { body: 'tab\there \u001b[2J\u009b \u2028\n' }));
    const before = home.read('box');
    const { out, status, err } = home.tmail(['-n', '-f', 'box', '--json']);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const lines = out.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        number: 1,
        status: 'read',
        subject: 'subject-a',
        from: [{ name: 'Ann', address: 'ann@example.org' }],
        date: 1772442000,
        parts: 1,
      },
      { number: 2, status: 'new', text: 'tab\there \u001b[2J\u009b \u2028\n' },
    ]);
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028]/);
    expect(home.read('box')).toBe(before);
  });

  test('headers alone, and lists of messages', () => {
    const home = newHome();
    home.write('box', letter('a') + letter('b', { from: 'bob@example.org' }) + letter('c'));
    const numbers = (...args: readonly string[]) =>
      home
        .tmail(['-n', ...args])
        .out.split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).number);
    expect(numbers('-f', 'box', '--json=headers', 'bob')).toEqual([2]);
    expect(numbers('-H', '--json', '-f', 'box', '2-3')).toEqual([2, 3]);
    expect(numbers('-f', '--json', 'box', '/subject-c')).toEqual([3]);
    expect(home.tmail(['-n', '-f', 'box', '--json=headers']).out).not.toContain('This is the text');
  });

  test('a reader that goes away ends it quietly', () => {
    const home = newHome();
    home.write('box', Array.from({ length: 3000 }, (_, i) => letter(`m${i}`)).join(''));
    for (const option of ['--json', '-H']) {
      const { out, err } = home.run('sh', ['-c', `"${process.execPath}" "${BIN}" -n ${option} -f box | head -1`]);
      expect(err).toBe('');
      expect(out.split('\n')).toHaveLength(2);
    }
  });
});

describe('export', () => {
  const box = letter('a') + letter('b', { body: '>From here\n' }) + letter('c');

  test('to mbox: the messages as they are stored', () => {
    const home = newHome();
    home.write('box', box);
    expect(home.tmail(['export', 'box', 'new.mbox']).out).toBe('3 messages copied to new.mbox (mbox)\n');
    expect(home.read('new.mbox')).toBe(box);
    expect(home.tmail(['export', 'box', 'two.mbox', '1', '3']).status).toBe(0);
    expect(home.read('two.mbox')).toBe(letter('a') + letter('c'));
    expect(home.read('box')).toBe(box);
  });

  test('to Maildir, files and JSON', () => {
    const home = newHome();
    home.write('box', box);
    expect(home.tmail(['export', 'box', 'dir', '--format', 'maildir']).status).toBe(0);
    expect(readdirSync(home.path('dir')).sort()).toEqual(expect.arrayContaining(['cur', 'new', 'tmp']));
    expect(home.tmail(['-n', '-H', '-f', 'dir']).out.match(/subject-/g)).toHaveLength(3);
    expect(home.tmail(['export', 'box', 'files/']).status).toBe(0);
    expect(readdirSync(home.path('files'))).toEqual(['0001.eml', '0002.eml', '0003.eml']);
    expect(home.read('files/0002.eml')).toMatch(/^From: Ann/);
    expect(home.tmail(['export', 'box', 'all.json']).status).toBe(0);
    expect(home.read('all.json')).toBe(home.tmail(['-n', '-f', 'box', '--json']).out);
    expect(home.tmail(['export', 'box', 'one.html', '2']).status).toBe(0);
    expect(home.read('one.html')).toContain('<pre>&gt;From here</pre>');
    expect(home.tmail(['export', 'box', 'pages', '--format', 'html']).status).toBe(0);
    expect(readdirSync(home.path('pages'))).toEqual(['0001.html', '0002.html', '0003.html']);
    expect(home.tmail(['export', 'box', 'one.eml', '2']).status).toBe(0);
    expect(home.read('one.eml')).toBe(home.read('files/0002.eml'));
  });

  test.each(['box', 'folder', 'dangling'])('never onto what is there already: %s', (name) => {
    const home = newHome();
    home.write('box', box);
    home.run('mkdir', ['folder']);
    symlinkSync('nowhere', home.path('dangling'));
    for (const format of ['mbox', 'maildir', 'eml', 'html', 'json']) {
      const result = home.tmail(['export', 'box', name, '--format', format]);
      expect(result).toMatchObject({ status: 73, out: '', err: expect.stringMatching(/is there already/) });
    }
    expect(home.read('box')).toBe(box);
    expect(home.has('nowhere')).toBe(false);
  });
});

test.each([
  ['gzip', ['-c']],
  ['zstd', ['-qc']],
] as const)('a mailbox packed by %s is read', (program, args) => {
  const home = newHome();
  home.write('box', letter('a') + letter('b'));
  if (!has(program)) return;
  home.run('sh', ['-c', `${program} ${args.join(' ')} box > packed`]);
  expect(home.tmail(['-n', '-f', 'packed'], 'p 2\nq\n')).toMatchObject({
    status: 0,
    out: expect.stringContaining('message b'),
  });
  expect(home.tmail(['-n', '-f', 'packed', '--json=headers']).out.split('\n')).toHaveLength(3);
});

test('--version, version, help', () => {
  const home = newHome();
  const version = /^tmail \d+\.\d+\.\d+\n$/;
  expect(home.tmail(['--version']).out).toMatch(version);
  expect(home.tmail(['version']).out).toMatch(version);
  expect(home.tmail(['help', 'export']).out).toContain('--format');
  expect(home.tmail(['help']).out).toBe(home.tmail(['--help']).out);
});

test('what a subcommand is called can be written to', () => {
  const { tmail } = sandbox();
  for (const args of [
    ['--', 'demo'],
    ['send', 'demo'],
    ['-s', 'x', 'demo'],
  ]) {
    expect(tmail(args, 'x\n')).toMatchObject({ status: 67, err: expect.stringContaining('demo: User unknown') });
  }
});

test.skipIf(process.getuid?.() !== 0 || !has('runuser'))(
  'another user can run it from a folder that nobody may write',
  () => {
    const home = newHome();
    home.run('sh', [
      '-c',
      `mkdir tmail && cp -R "${join(BIN, '../../bin')}" "${join(BIN, '../../dist')}" tmail/ && chmod -R a-w,a+rX tmail && chmod 755 .`,
    ]);
    home.write('box', letter('a'), 0o644);
    const args = [
      '-u',
      'nobody',
      '--',
      'env',
      `HOME=${home.dir}`,
      process.execPath,
      home.path('tmail/bin/tmail'),
      '-n',
      '-H',
      '-f',
      home.path('box'),
    ];
    expect(home.run('runuser', args)).toMatchObject({ status: 0, out: expect.stringContaining('subject-a') });
  },
);
