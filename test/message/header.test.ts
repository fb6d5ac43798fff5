import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeWords, fieldAddresses, fieldText, fieldTexts, parseHeader } from '../../src/message/header.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const text = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');

describe('parseHeader', () => {
  test('keeps fields byte for byte and ends at the empty line', () => {
    const source =
      'From lee Mon Mar  3 10:00:00 2025\nSubject: a\r\n  b\n \n c\nX-Empty:\nX-Odd  :  y \nnot a field\n more\n\nbody: text\n';
    const header = parseHeader(bytes(source));
    expect(header.fields.map(({ name, value }) => [name, text(value)])).toEqual([
      ['', 'From lee Mon Mar  3 10:00:00 2025'],
      ['Subject', ' a\r\n  b\n \n c'],
      ['X-Empty', ''],
      ['X-Odd', '  y '],
      ['', 'not a field\n more'],
    ]);
    expect(header.fields.map(({ raw }) => text(raw)).join('')).toBe(source.slice(0, source.indexOf('\n\n') + 1));
    expect(text(bytes(source).subarray(header.size))).toBe('body: text\n');
  });

  test.each([
    ['no body', 'A: b', 4, ['A']],
    ['CRLF', 'A: b\r\n\r\nx', 8, ['A']],
    ['empty first line', '\nA: b\n', 1, []],
    ['first line continues nothing', '   \nA: b\n\n', 10, ['', 'A']],
    ['nothing', '', 0, []],
    ['colon first', ': x\n\n', 5, ['']],
    ['NUL in a value', 'A: b\0c\n\n', 8, ['A']],
    ['8-bit name', 'Inv\xe9lid: x\n\n', 12, ['Inv\xe9lid']],
    ['blank in a name', 'A b: c\n\n', 8, ['']],
    ['bare CR is no line end', 'A: b\rB: c\n\n', 11, ['A']],
  ])('%s', (_, source, size, names) => {
    const header = parseHeader(bytes(source));
    expect(header.size).toBe(size);
    expect(header.fields.map(({ name }) => name)).toEqual(names);
  });

  test('any octets: fields in a row make up the header', () => {
    const piece = fc.constantFrom('A', ':', ' ', '\n', '\r\n', '\r', '\t', 'Subject: x', '\0', '\xff', 'From ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const source = pieces.join('');
        const { fields, size } = parseHeader(bytes(source));
        const joined = fields.map(({ raw }) => text(raw)).join('');
        expect(source.startsWith(joined)).toBe(true);
        expect(source.slice(joined.length, size)).toMatch(/^\r?\n?$/);
        expect(text(bytes(source).subarray(size)) + source.slice(0, size)).toHaveLength(source.length);
      }),
      { numRuns: 3000 },
    );
  });

  test('200,000 fields', () => {
    const header = parseHeader(bytes(`${'X-Field: value\n'.repeat(200_000)}Subject: last\n\n`));
    expect(header.fields).toHaveLength(200_001);
    expect(fieldText(header, 'SUBJECT')).toBe('last');
  });
});

describe('fieldText', () => {
  test.each([
    ['unfolds', 'one\n two\r\n\tthree', 'one two three'],
    ['folding with blank lines', 'one\n      \n two', 'one two'],
    ['encoded word', '=?UTF-8?B?5rWL6K+V?=', '测试'],
    ['two charsets', '=?utf-8?Q?=C3=A9?= =?iso-8859-1?Q?=E8?=', 'éè'],
    ['character cut in two', '=?utf-8?B?5rWL6K+V6YKu5A==?=\n =?utf-8?B?u7bvvJo=?=', '测试邮件：'],
    ['cut between B and Q', '=?utf-8?B?5g==?= =?utf-8?Q?=B5=8B?=', '测'],
    ['text between words', '=?utf-8?Q?a?= b =?utf-8?Q?c?=', 'a b c'],
    ['touching text', 'Re:=?utf-8?Q?=C3=A9?=!', 'Re:é!'],
    ['lower case', '=?utf-8?q?a=c3=a9?=', 'aé'],
    ['language', '=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=', 'Grüße'],
    ['blanks inside', '=?utf-8?Q?a b c?=', 'a b c'],
    ['question mark inside', '=?utf-8?Q?who?_me?=', 'who? me'],
    ['broken base64', '=?utf-8?B?5rW*L6 K-+V?=', '测试'],
    ['no padding', '=?utf-8?B?w6k?=', 'é'],
    ['padding in the middle', '=?utf-8?B?YQ==Yg==?=', 'ab'],
    ['broken Q', '=?utf-8?Q?100=_=zz?=', '100= =zz'],
    ['unknown charset', '=?NONE?B?VEVTVA=?=', 'TEST'],
    ['UTF-7', '=?utf-7?Q?+AOk-?= =?utf-7?Q?+AOk?=', 'éé'],
    ['not a word', '=?utf-8?X?abc?= =?utf-8?Q?abc =? ?=', '=?utf-8?X?abc?= =?utf-8?Q?abc =? ?='],
    ['never ends', '=?utf-8?Q?abc', '=?utf-8?Q?abc'],
    ['control characters are kept', '=?UTF-8?Q?Pay=0Aout=1B[2J?=', 'Pay\nout\x1b[2J'],
    ['NUL', 'nul \0 in subject', 'nul \0 in subject'],
    ['raw Latin-1', 'Forma\xe7\xe3o', 'Formação'],
    ['raw UTF-8', 'S\xc3\xa4ying', 'Säying'],
    ['raw octets in a word', '=?gb2312?Q?\xb2\xe2=CA\xd4?=', '测试'],
    ['raw UTF-8 that ends a folded line in A0', 'voil\xc3\xa0\n \xc3\xa0', 'voilà à'],
    ['a charset that is a property of objects', '=?constructor?Q?a?= =?__proto__?Q?b?=', 'ab'],
    ['raw ISO-2022-JP', '\x1b$B$3$s\x1b(B "a', 'こん "a'],
    ['empty', '', ''],
  ])('%s', (_, value, want) => {
    expect(fieldText(parseHeader(bytes(`Subject: ${value}\n\n`)), 'subject')).toBe(want);
  });

  test('raw 8-bit text is read in the charset that the body declares', () => {
    const header = parseHeader(bytes('Subject: \xb0\xa1\nContent-Type: text/plain; charset=euc-kr\n\n'));
    expect(fieldText(header, 'subject')).toBe('가');
  });

  test('first of several, all of them, none', () => {
    const header = parseHeader(bytes('To: a\nto : b\nCc: c\n\n'));
    expect(fieldText(header, 'To')).toBe('a');
    expect(fieldTexts(header, 'TO')).toEqual(['a', 'b']);
    expect(fieldText(header, 'Bcc')).toBeUndefined();
  });

  test('of any octets is a string', () => {
    const piece = fc.constantFrom(
      '=?',
      '?=',
      'utf-8',
      '?',
      'q',
      'b',
      '=',
      '_',
      ' ',
      '\n ',
      '\xe4',
      'gb2312',
      '*',
      'QQ==',
      '\x1b$B',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        expect(typeof fieldText(parseHeader(bytes(`S: ${pieces.join('')}\n`)), 's')).toBe('string');
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    '=?',
    '=?a?q?',
    '=?a?q?x',
    '?=',
    '\n ',
    '=?a?q?x?= ',
    '\t',
    '=?utf-8?q?=c3?=',
    ' \n',
    '\r',
    '\r\n ',
    '\xe4',
    '=?utf-8?q?\xe4',
    '\x1b$B',
    '~{',
    '\xa0',
  ])('300,000 of %j', (piece) => {
    for (const text of [piece.repeat(300_000), `${piece.repeat(300_000)}?=`, `${piece.repeat(300_000)}\n x`]) {
      expect(typeof fieldText(parseHeader(bytes(`S: ${text}\n`)), 's')).toBe('string');
    }
  });
});

test('fieldAddresses: what an encoded name holds is no syntax', () => {
  const header = parseHeader(
    bytes('To: =?utf-8?Q?Foo,_root_=3Cevil@x.test=3E?= <foo@x.test>\nCc: a@x.test\nTo: =?utf-8?Q?dl=40y.test?=\n\n'),
  );
  expect(fieldAddresses(header, 'to')).toEqual([
    { name: 'Foo, root <evil@x.test>', address: 'foo@x.test' },
    { name: 'dl@y.test', address: '' },
  ]);
});

test('decodeWords takes text or octets', () => {
  expect(decodeWords('é =?utf-8?Q?=C3=A9?=')).toBe('é é');
  expect(decodeWords(bytes('\xb0\xa1'), 'euc-kr')).toBe('가');
});
