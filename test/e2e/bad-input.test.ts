/**
 * Everything one can get wrong on the command line: one clear line on standard error, the right exit status, no stack,
 * and no file touched.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Home, letter, newHome } from './program.ts';

interface Case {
  readonly what: string;
  readonly args: readonly string[];
  readonly status: number;
  /** The line on standard error. */
  readonly says: RegExp;
  readonly input?: string;
  readonly env?: Record<string, string>;
  readonly prepare?: (home: Home) => void;
}

const cases: readonly Case[] = [
  { what: 'an unknown letter', args: ['-q'], status: 2, says: /unknown option '-q'.*--help/ },
  { what: 'an unknown word', args: ['--colour'], status: 2, says: /unknown option '--colour'/ },
  { what: 'a word that is nearly right', args: ['--jsn'], status: 2, says: /--jsn.*--json/ },
  { what: 'an unknown letter among joined ones', args: ['-nq'], status: 2, says: /unknown option '-q'/ },
  { what: 'a number for an option', args: ['-5'], status: 2, says: /unknown option '-5'/ },
  { what: 'an option without its value', args: ['-u'], status: 2, says: /-u/ },
  { what: '-s without recipient', args: ['-s', 'x'], status: 2, says: /recipient/ },
  { what: '-c without recipient', args: ['-c', 'dl'], status: 2, says: /recipient/ },
  { what: 'an empty recipient', args: ['-s', 'x', ''], status: 2, says: /recipient is empty/ },
  { what: '-f with two files', args: ['-f', 'a', 'b'], status: 2, says: /one file.*"b"/ },
  { what: '-f and -u', args: ['-u', 'lee', '-f', 'a'], status: 2, says: /-f.*-u/ },
  { what: '-u and a recipient', args: ['-u', 'lee', 'dl'], status: 2, says: /"dl"/ },
  { what: '-H and -s', args: ['-H', '-s', 'x'], status: 2, says: /-H.*-s/ },
  { what: '-e and an attachment', args: ['-e', '-A', 'x', 'dl'], status: 2, says: /-e.*-A/ },
  { what: 'a line end in the subject', args: ['-s', 'a\nBcc: eve@e.test', 'dl'], status: 2, says: /subject.*line end/ },
  { what: 'a return in the subject', args: ['-s', 'a\rBcc: eve@e.test', 'dl'], status: 2, says: /subject.*line end/ },
  {
    what: 'a line end in a recipient',
    args: ['-s', 'a', 'dl\nBcc: eve@e.test'],
    status: 2,
    says: /recipient.*line end/,
  },
  { what: 'a line end in a copy', args: ['-c', 'dl\nBcc: eve@e.test', 'dl'], status: 2, says: /recipient.*line end/ },
  {
    what: 'a line end in a header',
    args: ['-a', 'X-A: b\nBcc: eve@e.test', 'dl'],
    status: 2,
    says: /header.*line end/,
  },
  {
    what: 'a line end in the sender',
    args: ['-r', 'a@b.test\nBcc: eve@e.test', 'dl'],
    status: 2,
    says: /sender.*line end/,
  },
  {
    what: 'an attachment that is not there',
    args: ['-A', 'nothere.pdf', 'dl'],
    status: 66,
    says: /nothere\.pdf.*No such file/,
  },
  {
    what: 'an attachment that is not there, by -a',
    args: ['-a', './nothere.pdf', 'dl'],
    status: 66,
    says: /nothere\.pdf.*No such file/,
  },
  { what: 'a file that is not there', args: ['-n', '-f', 'nothere'], status: 1, says: /nothere.*No such file/ },
  {
    what: 'a folder that is no Maildir',
    args: ['-n', '-f', 'folder'],
    status: 1,
    says: /folder.*Maildir/,
    prepare: ({ path }) => mkdirSync(path('folder')),
  },
  {
    what: 'a FIFO',
    args: ['-n', '-f', 'fifo'],
    status: 1,
    says: /fifo.*FIFO/,
    prepare: ({ path }) => spawnSync('mkfifo', [path('fifo')]),
  },
  {
    what: 'a FIFO for -H',
    args: ['-n', '-H', '-f', 'fifo'],
    status: 1,
    says: /fifo.*FIFO/,
    prepare: ({ path }) => spawnSync('mkfifo', [path('fifo')]),
  },
  {
    what: 'a FIFO for --json',
    args: ['-n', '-f', 'fifo', '--json'],
    status: 1,
    says: /fifo.*FIFO/,
    prepare: ({ path }) => spawnSync('mkfifo', [path('fifo')]),
  },
  { what: 'a device', args: ['-n', '-f', '/dev/null'], status: 1, says: /\/dev\/null/ },
  {
    what: 'a link that leads nowhere',
    args: ['-n', '-f', 'link'],
    status: 1,
    says: /link/,
    prepare: ({ path }) => symlinkSync('gone', path('link')),
  },
  {
    what: 'a link to itself',
    args: ['-n', '-f', 'loop'],
    status: 1,
    says: /loop/,
    prepare: ({ path }) => symlinkSync('loop', path('loop')),
  },
  { what: 'a file below a file', args: ['-n', '-f', 'box/x'], status: 1, says: /box\/x.*Not a directory/ },
  {
    what: 'text that is no mailbox',
    args: ['-n', '-f', 'text'],
    status: 1,
    says: /text/,
    prepare: ({ write }) => write('text', 'hello\nworld\n'),
  },
  { what: 'a user name with a slash', args: ['-u', '../etc/passwd'], status: 2, says: /not a user name/ },
  { what: 'a bad message list for -H', args: ['-n', '-H', '-f', 'box', '9'], status: 1, says: /9/ },
  { what: 'a reversed message list for --json', args: ['-n', '--json', '-f', 'box', '2-1'], status: 1, says: /2-1/ },
  { what: 'a root that is not there', args: ['--root', 'nothere', '-H'], status: 2, says: /--root.*nothere/ },
  { what: 'a root that is a file', args: ['--root', 'box', '-H'], status: 2, says: /--root.*box/ },
  {
    what: 'a root from the environment that is not there',
    args: ['-H'],
    env: { TMAIL_ROOT: '/nothere' },
    status: 2,
    says: /TMAIL_ROOT.*nothere/,
  },
  {
    what: 'a configuration that is not there',
    args: ['--config', 'nothere.toml', '-H'],
    status: 78,
    says: /nothere\.toml/,
  },
  {
    what: 'a configuration with a fault',
    args: ['--config', 'bad.toml', '-H'],
    status: 78,
    says: /bad\.toml:2:/,
    prepare: ({ write }) => write('bad.toml', '# x\nhostname = 3\n'),
  },
  { what: 'a variable without a name', args: ['-n', '-S', '=x', '-H'], status: 2, says: /-S/ },
  { what: 'an unknown subcommand for help', args: ['help', 'nothing'], status: 2, says: /nothing/ },
  { what: 'an unknown shell', args: ['completion', 'csh'], status: 2, says: /bash, zsh or fish/ },
  { what: 'an operand too many', args: ['version', 'x'], status: 2, says: /version takes no operand/ },
  { what: 'a demo in a folder that is not empty', args: ['demo', '--dir', '.'], status: 2, says: /not empty/ },
  { what: 'an undo of nothing', args: ['undo', 'box'], status: 1, says: /box.*nothing to bring back/ },
  { what: 'an unknown id to recover', args: ['recover', '17'], status: 1, says: /17/ },
];

test.each(cases)('$what', ({ args, status, says, input = '', env = {}, prepare }) => {
  const home = newHome();
  home.write('box', letter('a') + letter('b'));
  prepare?.(home);
  const before = readdirSync(home.dir).sort();
  const result = home.tmail(args, input, env);
  expect(result.err).toMatch(says);
  expect(result.err.trimEnd().split('\n'), result.err).toHaveLength(1);
  expect(result.err).not.toMatch(/\bat .*\.(js|ts|cjs):\d+/);
  expect(result.out).toBe('');
  expect(result.status).toBe(status);
  expect(
    readdirSync(home.dir)
      .sort()
      .filter((name) => name !== '.local'),
  ).toEqual(before);
  expect(home.read('box')).toBe(letter('a') + letter('b'));
});

test.skipIf(process.getuid?.() === 0 && spawnSync('runuser', ['--version']).status !== 0)(
  'a mailbox one may not read',
  () => {
    const home = newHome();
    home.write('box', letter('a'), 0o000);
    chmodSync(home.path('box'), 0o000);
    if (process.getuid?.() === 0) return; // Root may read everything; conformance runs this as another user.
    const result = home.tmail(['-n', '-f', 'box']);
    expect(result).toMatchObject({ status: 1, out: '', err: expect.stringMatching(/box: Permission denied\n$/) });
  },
);

test('a name with escape sequences cannot drive the terminal that shows the error', () => {
  const home = newHome();
  const result = home.tmail(['-n', '-f', 'x\u001b]0;owned\u0007\u202ey']);
  expect(result.status).toBe(1);
  expect(result.err).toContain('\\x1b]0;owned\\x07\\u202ey');
  expect(result.err).not.toMatch(/[\u001b\u0007\u202e]/);
});

test('an empty mailbox is no error, but there is nothing to read', () => {
  const home = newHome();
  home.write('empty', '');
  const result = home.tmail(['-n', '-f', 'empty']);
  expect(`${result.out}${result.err}`).toMatch(/No mail/i);
  expect(result.status).toBe(0); // As bsd-mailx and s-nail.
  expect(home.tmail(['-n', '-H', '-f', 'empty']).status).toBe(1);
  expect(home.tmail(['-n', '-e', '-f', 'empty'])).toMatchObject({ status: 1, out: '', err: '' });
  // For programs an empty mailbox is a list of nothing.
  expect(home.tmail(['-n', '-f', 'empty', '--json'])).toMatchObject({ status: 0, out: '', err: '' });
});

test('a recipient nobody has: the letter is kept and nobody gets it', () => {
  const home = newHome();
  const result = home.tmail(['-s', 'x', 'no-such-user-here', 'anna@garden.example.org'], 'text\n');
  expect(result).toMatchObject({ status: 67, out: '' });
  expect(result.err).toMatch(/^[^\n]*no-such-user-here: User unknown[^\n]*\n[^\n]*dead\.letter[^\n]*\n$/);
  expect(home.read('dead.letter')).toContain('text\n');
});

test('no mail at all', () => {
  const home = newHome();
  expect(home.tmail(['-n'])).toMatchObject({ status: 1, out: 'No mail for lee\n', err: '' });
  expect(home.tmail(['-n', '-e'])).toMatchObject({ status: 1, out: '', err: '' });
  expect(home.has('spool/lee')).toBe(false);
});
