import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readByCommander } from '../../src/cli/by-commander.ts';
import { readPlain } from '../../src/cli/command-line.ts';
import { decideMailx, MAILX_OPTIONS, type MailxRequest } from '../../src/cli/mailx-options.ts';
import { mailxSyntax } from '../../src/cli/subcommands.ts';
import { UserError } from '../../src/core/errors.ts';

function decide(...args: readonly string[]): MailxRequest {
  const syntax = mailxSyntax('tmail');
  return decideMailx(readPlain(syntax.options, args) ?? readByCommander(syntax, args));
}

const readings: readonly [args: string, request: object][] = [
  ['', { kind: 'session', user: undefined, file: undefined, noHeaders: false }],
  ['-u lee', { kind: 'session', user: 'lee' }],
  ['-ulee', { kind: 'session', user: 'lee' }],
  ['-f', { kind: 'session', file: '' }],
  ['-f box', { kind: 'session', file: 'box' }],
  ['-f -n box', { kind: 'session', file: 'box', noSystemRc: true }],
  ['-n -N -f box', { kind: 'session', file: 'box', noSystemRc: true, noHeaders: true }],
  ['-nNf box', { kind: 'session', file: 'box', noSystemRc: true, noHeaders: true }],
  ['-f box -N', { kind: 'session', file: 'box', noHeaders: true }],
  ['box -f', { kind: 'session', file: 'box' }],
  ['-f -- -box', { kind: 'session', file: '-box' }],
  ['-f box --json', { kind: 'json', file: 'box', json: 'whole', list: [] }],
  ['-f --json box', { kind: 'json', file: 'box', json: 'whole' }],
  ['--json=headers -f box', { kind: 'json', json: 'headers' }],
  ['-H --json -f box', { kind: 'json', json: 'headers', file: 'box' }],
  ['-H', { kind: 'headers', list: [] }],
  ['-H :u /x', { kind: 'headers', list: [':u', '/x'], file: undefined }],
  ['-Hf box 1-3 ann', { kind: 'headers', file: 'box', list: ['1-3', 'ann'] }],
  ['-e', { kind: 'exists' }],
  ['-He', { kind: 'exists' }],
  ['-R -f box', { kind: 'session', readOnly: true }],
  ['-i -v -~ -S a=b -S noc', { ignoreInterrupts: true, verbose: true, escapes: true, set: ['a=b', 'noc'] }],
  ['-I', { escapes: true }],
  ['-r me@example.com', { kind: 'session', from: 'me@example.com' }],
  ['-V', { kind: 'version' }],
];

test.each(readings)('tmail %s', (args, request) => {
  expect(decide(...args.split(' ').filter(Boolean))).toMatchObject(request);
});

const sendings: readonly [args: readonly string[], request: object][] = [
  [['dl'], { to: ['dl'], subject: undefined, skipEmpty: false }],
  [['-s', 'two words', 'dl', 'lee'], { to: ['dl', 'lee'], subject: 'two words' }],
  [['dl', '-s', 'later'], { to: ['dl'], subject: 'later' }],
  [['-ssubject', 'dl'], { subject: 'subject' }],
  [['-s', '-x', 'dl'], { subject: '-x' }],
  [['-s', '', 'dl'], { subject: '' }],
  [['-c', 'a,b', '-c', 'c', '-b', 'd', 'dl'], { cc: ['a,b', 'c'], bcc: ['d'] }],
  [
    ['-a', 'X-Loop: yes', '-a', './f.pdf', '-A', 'g.pdf', 'dl'],
    { added: ['X-Loop: yes', './f.pdf'], attachments: ['g.pdf'] },
  ],
  [['-a', 'f.pdf', 'dl'], { added: ['f.pdf'], attachments: [], compat: undefined }],
  [['--compat', 's-nail', '-a', 'x', 'dl'], { added: ['x'], compat: 's-nail' }],
  [['-EF~', 'dl'], { skipEmpty: true, recordByName: true, escapes: true }],
  [['-t'], { fromMessage: true, to: [] }],
  [['--', '-dl'], { to: ['-dl'] }],
  [['-s', 'x', '--', '-5'], { to: ['-5'] }],
];

test.each(sendings)('tmail %j sends', (args, request) => {
  expect(decide(...args)).toMatchObject({ kind: 'send', ...request });
});

test('no command line throws anything but a UserError with the status of wrong usage', () => {
  const word = fc.oneof(
    fc.constantFrom(
      '-f',
      '-u',
      '-s',
      '-H',
      '-e',
      '--',
      '-n',
      '--json',
      '--json=headers',
      '-a',
      '--root',
      '-5',
      '-',
      '',
      '--x=y',
      '-~',
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (args) => {
      try {
        decide(...args);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect(error).toMatchObject({ status: 2 });
      }
    }),
  );
});

test('a line end gets into a letter by no option', () => {
  const lineEnd = fc.constantFrom('\n', '\r', '\r\n', '\0');
  const place = fc.constantFrom('-s', '-c', '-b', '-r', '-a', 'to');
  fc.assert(
    fc.property(place, fc.string(), lineEnd, fc.string(), (option, before, end, after) => {
      const value = `X: ${before}${end}${after}`;
      const args = option === 'to' ? ['--', value] : [option, value, 'dl'];
      expect(() => decide(...args)).toThrow(/line end|recipient/);
    }),
  );
});

test('what is read the short way, commander reads alike', () => {
  const flags = MAILX_OPTIONS.flatMap(({ flags: text }) => text.split(/[ ,]+/).filter((flag) => flag.startsWith('-')));
  const flag = fc.constantFrom(...flags, '-h', '--help', '--none', '-q');
  const word = fc.oneof(
    { weight: 4, arbitrary: flag },
    {
      weight: 1,
      arbitrary: fc.tuple(flag, fc.constantFrom('n', 'x', '=x', '=', 'sfoo', '-n', '5')).map((parts) => parts.join('')),
    },
    { weight: 1, arbitrary: fc.constantFrom('--', '-', '', 'box', '-5', '-nNf', '-n-', '---', '-=') },
    { weight: 1, arbitrary: fc.string() },
  );
  const syntax = mailxSyntax('tmail');
  let plain = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 7 }), (args) => {
      const read = readPlain(syntax.options, args);
      if (read === undefined) return;
      plain += 1;
      expect(readByCommander(syntax, args)).toEqual(read);
    }),
    { numRuns: 3000 },
  );
  expect(plain).toBeGreaterThan(300);
});

test('lines that are right need no commander', () => {
  for (const [args] of readings) {
    expect(readPlain(MAILX_OPTIONS, args.split(' ').filter(Boolean)), args).toBeDefined();
  }
  for (const [args] of sendings) expect(readPlain(MAILX_OPTIONS, args), args.join(' ')).toBeDefined();
});
