import { expect, test } from 'vitest';
import { checkAliases } from '../../src/cli/newaliases.ts';

const good: readonly [name: string, text: string, entries: readonly [string, string][]][] = [
  ['one alias', 'root: lee\n', [['root', 'lee']]],
  ['comments and empty lines', '# hello\n\nroot: lee\n\t\n# end', [['root', 'lee']]],
  ['a line that goes on', 'team: lee,\n  dl,\n\tdongliang\n', [['team', 'lee, dl, dongliang']]],
  ['a comment inside a continued one', 'team: lee,\n# not dl\n  dongliang\n', [['team', 'lee, dongliang']]],
  ['a quoted name', '"big: team": lee\n', [['big: team', 'lee']]],
  [
    'a program and a file',
    'a: "|/bin/p x"\nb: /var/log/m\nc: :include:/etc/l\n',
    [
      ['a', '"|/bin/p x"'],
      ['b', '/var/log/m'],
      ['c', ':include:/etc/l'],
    ],
  ],
  [
    'CRLF',
    'a: b\r\nc: d\r\n',
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  ],
  ['nothing', '', []],
];

test.each(good)('reads %s', (_name, text, entries) => {
  const check = checkAliases(text);
  expect(check.faults).toEqual([]);
  expect(check.entries.map(({ name, value }) => [name, value])).toEqual(entries);
});

const bad: readonly [name: string, text: string, line: number, reason: RegExp][] = [
  ['no colon', 'a: b\nhello there\n', 2, /no alias/],
  ['no recipient', 'a:\n', 1, /a has no recipient/],
  ['only commas', 'a: , ,\n', 1, /no recipient/],
  ['a name twice, in another case', 'root: a\n\nRoot: b\n', 3, /twice.*line 1/],
  ['an open quotation mark', '#\na: "|x\n', 2, /quotation/],
  ['no name', ': b\n', 1, /no alias/],
];

test.each(bad)('names the line of %s', (_name, text, line, reason) => {
  expect(checkAliases(text).faults).toEqual([{ line, reason: expect.stringMatching(reason) }]);
});
