import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COMMANDS, findCommand, namesOf, parseCommand } from '../../src/session/commands.ts';

function found(word: string): string {
  const result = findCommand(word);
  return 'error' in result ? result.error : result.command.name;
}

describe('abbreviations', () => {
  const cases: readonly [string, string][] = [
    ['n', 'next'],
    ['ne', 'next'],
    ['new', 'unread'],
    ['p', 'print'],
    ['pr', 'print'],
    ['pri', 'print'],
    ['pre', 'hold'],
    ['preserve', 'hold'],
    ['P', 'Print'],
    ['t', 'print'],
    ['ty', 'print'],
    ['T', 'Print'],
    ['to', 'top'],
    ['tou', 'touch'],
    ['top', 'top'],
    ['d', 'delete'],
    ['del', 'delete'],
    ['dp', 'dp'],
    ['dt', 'dp'],
    ['di', 'ignore'],
    ['u', 'undelete'],
    ['und', 'undelete'],
    ['undel', 'undelete'],
    ['undo', 'undo'],
    ['una', 'unalias'],
    ['uns', 'unset'],
    ['unread', 'unread'],
    ['U', 'unread'],
    ['s', 'save'],
    ['sa', 'save'],
    ['se', 'set'],
    ['sh', 'shell'],
    ['si', 'size'],
    ['so', 'source'],
    ['S', 'Save'],
    ['c', 'copy'],
    ['ch', 'cd'],
    ['cd', 'cd'],
    ['C', 'Copy'],
    ['w', 'write'],
    ['h', 'headers'],
    ['he', 'headers'],
    ['hea', 'headers'],
    ['hel', 'help'],
    ['ho', 'hold'],
    ['hold', 'hold'],
    ['f', 'from'],
    ['fi', 'file'],
    ['fo', 'followup'],
    ['fold', 'file'],
    ['folder', 'file'],
    ['folders', 'folders'],
    ['F', 'Followup'],
    ['r', 'reply'],
    ['re', 'reply'],
    ['rep', 'reply'],
    ['respond', 'reply'],
    ['ret', 'retain'],
    ['R', 'Reply'],
    ['Respond', 'Reply'],
    ['m', 'mail'],
    ['mb', 'mbox'],
    ['mo', 'more'],
    ['pa', 'more'],
    ['pi', 'pipe'],
    ['|', 'pipe'],
    ['a', 'alias'],
    ['g', 'alias'],
    ['alt', 'alternates'],
    ['ig', 'ignore'],
    ['in', 'inc'],
    ['i', 'if'],
    ['el', 'else'],
    ['en', 'endif'],
    ['e', 'edit'],
    ['ec', 'echo'],
    ['ex', 'exit'],
    ['x', 'exit'],
    ['xit', 'exit'],
    ['q', 'quit'],
    ['v', 'visual'],
    ['ver', 'version'],
    ['l', 'list'],
    ['?', 'help'],
    ['=', '='],
    ['!', '!'],
    ['z-', 'z-'],
    ['z+', 'z'],
  ];
  test.each(cases)('%s is %s', (word, name) => {
    expect(found(word)).toBe(name);
  });

  test('letter case counts, and what is no beginning is unknown', () => {
    expect(found('DELETE')).toMatch(/Unknown command/);
    expect(found('frobnicate')).toMatch(/Unknown command: "frobnicate"/);
    expect(found('\x01')).toMatch(/Unknown command/);
  });

  test('what could be several is refused, and all are named', () => {
    expect(found('unr')).toMatch(/"unr" could be unread or unretain/);
  });
});

describe('lines', () => {
  const cases: readonly [string, string, string, number][] = [
    ['d2', 'delete', '2', 2],
    ['d10-50', 'delete', '10-50', 2],
    ['d2-$', 'delete', '2-$', 2],
    ['  d  2 ', 'delete', '2', 6],
    ['d*', 'delete', '*', 2],
    ['d:r', 'delete', ':r', 2],
    ['p/word', 'print', '/word', 2],
    ['', 'next', '', 1],
    ['3', 'print', '3', 1],
    ['2-4', 'print', '2-4', 1],
    ['$', 'print', '$', 1],
    ['/word', 'next', '/word', 1],
    [':u', 'next', ':u', 1],
    ['-', '-', '', 2],
    ['- 2', '-', '2', 3],
    ['+', 'next', '', 2],
    ['z+', 'z', '', 3],
    ['z-2', 'z-', '2', 3],
    ['!date +%s', '!', 'date +%s', 2],
    ['|wc -l', 'pipe', 'wc -l', 2],
    ['# a remark', '#', 'a remark', 3],
    ['=', '=', '', 2],
    ['s 1 "my mail"', 'save', '1 "my mail"', 3],
  ];
  test.each(cases)('%j', (line, name, argument, column) => {
    const parsed = parseCommand(line);
    expect(parsed).toMatchObject({ argument, column });
    expect('command' in parsed && parsed.command.name).toBe(name);
  });

  test('every line has a reading', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (line) => {
        const parsed = parseCommand(line);
        expect('error' in parsed ? parsed.error !== '' : line.includes(parsed.argument)).toBe(true);
      }),
    );
  });
});

test('no two commands share a name or a short form', () => {
  const names = COMMANDS.flatMap((command) => [...namesOf(command), ...command.short]);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test('every command says what it does in a line that begins small and has no full stop', () => {
  for (const { name, help } of COMMANDS) {
    expect(help, name).toMatch(/^[a-z].*[^.]$/s);
    expect(help, name).not.toContain('\n');
  }
});
