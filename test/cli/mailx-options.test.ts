import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLine } from '../../src/cli/command-line.ts';
import { decideMailx, type MailxRequest } from '../../src/cli/mailx-options.ts';
import { mailxSyntax } from '../../src/cli/subcommands.ts';
import { UserError } from '../../src/core/errors.ts';

function decide(...args: readonly string[]): MailxRequest {
  return decideMailx(parseLine(mailxSyntax('tmail'), args));
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
