import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logicalLines } from '../../src/session/mailrc.ts';
import { addAlias, expandAliases } from '../../src/session/names.ts';
import { scanWords, splitListAndFile, splitWords } from '../../src/session/parse.ts';
import {
  initialSettings,
  listVariables,
  setVariables,
  undoDays,
  unsetVariables,
  variable,
} from '../../src/session/settings.ts';
import { splitPipe } from '../../src/session/shell.ts';

describe('words', () => {
  const cases: readonly [string, readonly string[]][] = [
    ['a b  c', ['a', 'b', 'c']],
    ['"a b" c', ['a b', 'c']],
    ["'a b' c", ['a b', 'c']],
    ['x="a b"y', ['x=a by']],
    [`"it's"`, ["it's"]],
    [`'say "hi"'`, ['say "hi"']],
    ['a\\ b', ['a b']],
    ['"\\t|"', ['\t|']],
    ["'\\t'", ['\\t']],
    ['"a\\"b"', ['a"b']],
    ['"C:\\dir"', ['C:\\dir']],
    ['""', ['']],
    ['"open', ['open']],
    ['', []],
  ];
  test.each(cases)('%j', (text, expected) => {
    expect(splitWords(text)).toEqual(expected);
  });

  test('positions lead back into the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let at = 0;
        for (const { start, end } of scanWords(text)) {
          expect(text.slice(at, start).trim()).toBe('');
          expect(end).toBeGreaterThan(start);
          at = end;
        }
        expect(text.slice(at).trim()).toBe('');
      }),
    );
  });

  test('the last word is the file', () => {
    expect(splitListAndFile('1 2-4 "my mail"')).toEqual({ list: '1 2-4 ', file: 'my mail' });
    expect(splitListAndFile('file')).toEqual({ list: '', file: 'file' });
    expect(splitListAndFile(' ')).toEqual({ list: '', file: undefined });
  });
});

describe('pipe', () => {
  const cases: readonly [string, string, string][] = [
    ['3 sink', '3 ', 'sink'],
    ['wc -l', '', 'wc -l'],
    ['2-4 wc -l', '2-4 ', 'wc -l'],
    ['1,3 cat', '1,3 ', 'cat'],
    ['* "wc -l"', '* ', 'wc -l'],
    ['"wc -l"', '', 'wc -l'],
    ['grep "a b" ', '', 'grep "a b"'],
    [':u $ cat > "x y"', ':u $ ', 'cat > "x y"'],
    ['/usr/bin/wc', '', '/usr/bin/wc'],
    ['2', '2', ''],
    ['', '', ''],
  ];
  test.each(cases)('%j', (argument, list, command) => {
    expect(splitPipe(argument)).toEqual({ list, command });
  });
});

describe('set', () => {
  const set = (text: string) => setVariables(initialSettings(), text);

  test('several on a line, with quotes, without a value, taken back by no', () => {
    const { settings, errors } = set(`hold folder=~/Mail indentprefix="a b " sign='x "y"' noheader`);
    expect(errors).toEqual([]);
    expect(Object.fromEntries(settings.variables)).toMatchObject({
      hold: '',
      folder: '~/Mail',
      indentprefix: 'a b ',
      sign: 'x "y"',
    });
    expect(settings.variables.has('header')).toBe(false);
  });

  test('names with a meaning of their own are not taken for no-', () => {
    expect(set('note=1').settings.variables.get('note')).toBe('1');
    expect(set('nokeep').settings.variables.has('nokeep')).toBe(false);
  });

  test('what makes no sense is named, and the rest is set', () => {
    const { settings, errors } = set('screen=many =x hold 1a');
    expect(errors).toHaveLength(3);
    expect(errors[0]).toContain('"many"');
    expect(settings.variables.has('hold')).toBe(true);
    expect(settings.variables.has('screen')).toBe(false);
  });

  test('unset takes away, also what was never set', () => {
    const { settings } = set('hold keep');
    expect(unsetVariables(settings, 'hold nosuch').variables.has('hold')).toBe(false);
    expect(unsetVariables(settings, 'hold nosuch').variables.has('keep')).toBe(true);
  });

  test('the list can be read back', () => {
    const value = fc.string({ unit: fc.constantFrom('a', ' ', '"', "'", '\\', '$', '会', 't', 'n') });
    fc.assert(
      fc.property(
        value.filter((text) => text !== ''),
        (text) => {
          const variables = new Map([['sign', text]]);
          const listed = listVariables({ ...initialSettings(), variables }).join(' ');
          expect(setVariables({ ...initialSettings(), variables: new Map() }, listed).settings.variables).toEqual(
            variables,
          );
        },
      ),
    );
  });

  test('the environment stands in for some variables only', () => {
    const { settings } = set('EDITOR=/bin/ed');
    const env = { EDITOR: 'vi', MBOX: '/tmp/m', hold: '1', PAGER: '' };
    expect(variable(settings, env, 'EDITOR')).toBe('/bin/ed');
    expect(variable(settings, env, 'MBOX')).toBe('/tmp/m');
    expect(variable(settings, env, 'hold')).toBeUndefined();
    expect(variable(settings, env, 'PAGER')).toBeUndefined();
  });
});

describe('aliases', () => {
  const aliases = (lists: Record<string, string>) =>
    Object.entries(lists).reduce(
      (settings, [name, members]) => addAlias(settings, name, members.split(' ')),
      initialSettings(),
    );

  test('nested ones are spelled out, each address once', () => {
    const settings = aliases({ team: 'bob friends ann', friends: 'carol ann bob' });
    expect(expandAliases(settings, ['team', 'carol']).addresses).toEqual(['bob', 'carol', 'ann']);
  });

  test('loops end, and stand for nobody', () => {
    const settings = aliases({ one: 'two bob', two: 'three one', three: 'one carol' });
    expect(expandAliases(settings, ['one']).addresses).toEqual(['carol', 'bob']);
  });

  test('a name within its own alias means itself', () => {
    const settings = aliases({ lee: 'lee lee@home.example' });
    expect(expandAliases(settings, ['lee']).addresses).toEqual(['lee', 'lee@home.example']);
  });

  test('who came out of an alias is known', () => {
    const { fromAlias } = expandAliases(aliases({ team: 'lee bob' }), ['team', 'dan']);
    expect([...fromAlias]).toEqual(['lee', 'bob']);
  });
});

test('lines of a file are joined at a final backslash, and keep the number of the first', () => {
  const text = 'set hold\nalias team \\\n  bob \\\n  carol\r\n\nset x=a\\\\\nlast \\';
  expect([...logicalLines(text)].filter(({ line }) => line !== '')).toEqual([
    { line: 'set hold', number: 1 },
    { line: 'alias team  bob  carol', number: 2 },
    { line: 'set x=a\\\\', number: 6 },
    { line: 'last ', number: 7 },
  ]);
});

test.each([
  ['7d', 7],
  ['3', 3],
  ['12h', 0.5],
  ['2w', 14],
  ['0', 0],
])('undo_keep=%s is %d days', (text, days) => {
  const { settings, errors } = setVariables(initialSettings(), `undo_keep=${text}`);
  expect(errors).toEqual([]);
  expect(undoDays(settings)).toBe(days);
});
