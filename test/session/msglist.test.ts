import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Among, parseList, resolveList } from '../../src/session/msglist.ts';
import { apply, Mark, type Session } from '../../src/session/session.ts';
import { type FakeMessage, fakeSession } from './fake-box.ts';

const SIX: readonly FakeMessage[] = [
  { from: 'Lee <lee@x.example>', subject: 'spam offer', status: 'RO' },
  { from: 'bob@x.example', subject: 'news', status: 'O' },
  { from: '"Lee" <LEE@y.example>', subject: '=?UTF-8?B?5Lya6K6u57qq6KaB?=' },
  { from: 'carol@x.example', subject: 'More SPAM', header: 'To: dongliang@x.example\n' },
  { from: '123@qq.example', subject: 'numbers' },
  { from: 'dan@x.example', subject: 'last' },
];

function withDeleted(session: Session, ...numbers: number[]): Session {
  return apply(session, [{ slots: numbers.map((number) => number - 1), set: Mark.deleted }]);
}

/** Numbers, or the error. */
function select(session: Session, text: string, among: Among = 'present'): readonly number[] | string {
  const parsed = parseList(text);
  const found = 'error' in parsed ? parsed : resolveList(session, parsed.terms, among);
  return 'error' in found ? `${found.error.column}: ${found.error.message}` : found.numbers;
}

const six = fakeSession(SIX, { dot: 3 });
const four = withDeleted(six, 1, 4);

describe('lists that select', () => {
  const cases: readonly [string, Session, string, readonly number[]][] = [
    ['a number', six, '2', [2]],
    ['numbers add up, in mailbox order, each once', six, '5 2 2', [2, 5]],
    ['a range', six, '2-4', [2, 3, 4]],
    ['a range of one', six, '4-4', [4]],
    ['ranges and numbers', six, '1-2 5', [1, 2, 5]],
    ['commas between numbers', six, '1,3', [1, 3]],
    ['commas and ranges', six, '1,3-4, 6', [1, 3, 4, 6]],
    ['the current message', six, '.', [3]],
    ['the first', six, '^', [1]],
    ['the first that is not deleted', four, '^', [2]],
    ['the last', six, '$', [6]],
    ['to the end', six, '4-$', [4, 5, 6]],
    ['from the current to the end', six, '.-$', [3, 4, 5, 6]],
    ['from the first to the current', six, '^-.', [1, 2, 3]],
    ['the next', six, '+', [4]],
    ['the next that is not deleted', four, '+', [5]],
    ['the previous', six, '-', [2]],
    ['a range of signs', six, '--+', [2, 3, 4]],
    ['all', six, '*', [1, 2, 3, 4, 5, 6]],
    ['all that are not deleted', four, '*', [2, 3, 5, 6]],
    ['a range leaves deleted ones out', four, '1-4', [2, 3]],
    ['nothing is the current message', six, '', [3]],
    ['the subject, in any letter case', six, '/SPAM', [1, 4]],
    ['the subject decoded', six, '/会议', [3]],
    ['a part of the address, in any letter case', six, 'lee', [1, 3]],
    ['an address that begins with digits', six, '123@qq', [5]],
    ['the domain', six, '@x.example', [1, 2, 4, 6]],
    ['new', six, ':n', [3, 4, 5, 6]],
    ['old', six, ':o', [1, 2]],
    ['read', six, ':r', [1]],
    ['unread', six, ':u', [2, 3, 4, 5, 6]],
    ['types add up', six, ':ro', [1, 2]],
    ['a range narrowed by a name', six, '1-2 lee', [1]],
    ['a name narrowed by numbers, whatever comes first', six, 'lee 1-2', [1]],
    ['names add up', six, 'bob carol', [2, 4]],
    ['a name narrowed by a type', six, 'lee :n', [3]],
    ['a quoted term with a blank', six, '"/spam offer"', [1]],
    ['quotes inside a term', six, '/"spam offer"', [1]],
  ];
  test.each(cases)('%s', (_, session, text, numbers) => {
    expect(select(session, text)).toEqual(numbers);
  });

  test('field searches when searchheaders is set', () => {
    const session = fakeSession(SIX, { set: 'searchheaders' });
    expect(select(session, '/to:dongliang')).toEqual([4]);
    expect(select(session, '/spam')).toEqual([1, 4]);
    expect(select(fakeSession(SIX), '/to:dongliang')).toMatch(/No applicable/);
  });

  test('an empty list after the current message was deleted is the next, else the previous', () => {
    expect(select(withDeleted(six, 3), '')).toEqual([4]);
    expect(select(withDeleted(six, 3, 4, 5, 6), '')).toEqual([2]);
    expect(select(withDeleted(six, 1, 2, 3, 4, 5, 6), '')).toBe('1: No applicable messages');
  });

  test('reading moves a message from new to read, and it is no old one', () => {
    const session = apply(six, [{ slots: [3], set: Mark.read }]);
    expect(select(session, ':n')).toEqual([3, 5, 6]);
    expect(select(session, ':r')).toEqual([1, 4]);
    expect(select(session, ':o')).toEqual([1, 2]);
  });

  test('what another program removed is not there', () => {
    const session = apply(six, [{ slots: [1], set: Mark.gone }]);
    expect(select(session, '*')).toEqual([1, 3, 4, 5, 6]);
    expect(select(session, '2')).toMatch(/^1: No applicable messages: another program removed 2/);
  });
});

describe('deleted messages', () => {
  const cases: readonly [string, Among, string, readonly number[]][] = [
    ['undelete *', 'deleted', '*', [1, 4]],
    ['undelete ^', 'deleted', '^', [1]],
    ['undelete $', 'deleted', '$', [4]],
    ['undelete +', 'deleted', '+', [4]],
    ['undelete -', 'deleted', '-', [1]],
    ['undelete range', 'deleted', '1-6', [1, 4]],
    ['undelete :d', 'deleted', ':d', [1, 4]],
    ['undelete lee', 'deleted', 'lee', [1]],
    ['undelete alone takes the next deleted one', 'deleted', '', [4]],
    ['from with a number', 'any', '4', [4]],
    ['from :d', 'any', ':d', [1, 4]],
    ['from *', 'any', '*', [2, 3, 5, 6]],
  ];
  test.each(cases)('%s', (_, among, text, numbers) => {
    expect(select(four, text, among)).toEqual(numbers);
  });

  test('no other command can name them', () => {
    expect(select(four, '4')).toMatch(/^1: No applicable messages: 4 is deleted/);
    expect(select(four, '2 4')).toMatch(/^3: No applicable messages: 4 is deleted/);
    expect(select(four, ':d')).toMatch(/No applicable/);
    expect(select(four, '2', 'deleted')).toMatch(/No applicable/);
  });
});

describe('lists that are refused name the term and its column', () => {
  const cases: readonly [string, string, RegExp][] = [
    ['zero', '0', /^1: 0: no such message, there are 1 to 6/],
    ['past the end', '7', /^1: 7: no such message/],
    ['a range past the end', '2-99', /^1: 99: no such message/],
    ['a range from zero', '0-2', /^1: 0: no such/],
    ['a reversed range', '1 4-2', /^3: "4-2": the range runs backwards/],
    ['one bad term spoils the list', '1 2 77', /^5: 77/],
    ['half a range', '3-', /^1: "3-" is no message list/],
    ['two dashes', '1--3', /^1: .*backwards|no message list/],
    ['a sign with a tail', '*x', /^1: "\*x" is no message list/],
    ['dots', '1..3', /^1: "1\.\.3" is no message list/],
    ['an unknown type', '1 :x', /^3: ":x"/],
    ['no type', ':', /^1: ":"/],
    ['an empty search', '/', /^1: \/ needs/],
    ['a name nobody has', 'zebedee', /^1: No applicable messages: zebedee/],
    ['a huge number', '99999999999999999999', /^1: .*no such message/],
    ['after a comma', '1,9', /^3: 9: no such/],
  ];
  test.each(cases)('%s', (_, text, error) => {
    expect(select(six, text)).toMatch(error);
  });

  test('there is no next at the end', () => {
    expect(select({ ...six, dot: 6 }, '+')).toMatch(/"\+"/);
    expect(select(fakeSession([]), '1')).toMatch(/there are no messages/);
  });
});

test('no text makes a list throw, select what is not there, or select twice', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '*',
      '^',
      '$',
      '.',
      '+',
      '-',
      '1-3',
      '2,4',
      ':nu',
      '/spam',
      'lee',
      '0',
      '3-1',
      '"a b"',
      "'",
      ',',
      '\\',
    ),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 5 }),
      fc.constantFrom<Among>('present', 'deleted', 'any'),
      (pieces, among) => {
        const found = select(four, pieces.join(' '), among);
        if (typeof found === 'string') return;
        expect(found.length).toBeGreaterThan(0);
        expect([...new Set(found)].sort((a, b) => a - b)).toEqual(found);
        for (const number of found) {
          const deleted = number === 1 || number === 4;
          expect(among === 'any' || deleted === (among === 'deleted')).toBe(true);
        }
      },
    ),
  );
});
