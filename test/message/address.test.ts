import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, localPart, parseAddresses } from '../../src/message/address.ts';

const a = (name: string, address: string) => ({ name, address });

describe('parseAddresses', () => {
  test.each([
    ['lee@example.org', [a('', 'lee@example.org')]],
    ['Lee <lee@example.org>', [a('Lee', 'lee@example.org')]],
    ['"Lee, A." <lee@example.org>', [a('Lee, A.', 'lee@example.org')]],
    ['"Lee \\"the\\" man" <lee@example.org>', [a('Lee "the" man', 'lee@example.org')]],
    ['lee@example.org (Lee)', [a('Lee', 'lee@example.org')]],
    ['lee(at home)@example.org (Lee (A.))', [a('Lee (A.)', 'lee@example.org')]],
    ['(Lee) <lee@example.org> (at home)', [a('Lee', 'lee@example.org')]],
    ['<lee@example.org> (Mail System)', [a('', 'lee@example.org')]],
    ['(Lee) lee@example.org', [a('Lee', 'lee@example.org')]],
    ['Dr. A. Lee <lee@example.org>', [a('Dr. A. Lee', 'lee@example.org')]],
    ['a@x.test, b@y.test', [a('', 'a@x.test'), a('', 'b@y.test')]],
    ['a@x.test b@y.test', [a('', 'a@x.test'), a('', 'b@y.test')]],
    ['<a@x.test> <b@y.test>', [a('', 'a@x.test'), a('', 'b@y.test')]],
    ['<lee@example.org> Lee', [a('Lee', 'lee@example.org')]],
    [', ,a@x.test,,', [a('', 'a@x.test')]],
    ['Big Bug lee@example.org', [a('Big Bug', 'lee@example.org')]],
    ['root', [a('', 'root')]],
    ['lee, dl', [a('', 'lee'), a('', 'dl')]],
    ['uunet!host!lee', [a('', 'uunet!host!lee')]],
    ['<>', [a('', '')]],
    ['', []],
    ['undisclosed-recipients:;', []],
    ['unlisted-recipients:; (no To-header on input)', []],
    ['Team: Lee <lee@x.test>, dl@y.test;, z@z.test', [a('Lee', 'lee@x.test'), a('', 'dl@y.test'), a('', 'z@z.test')]],
    [
      'A Group(Some people)\n :Chris <c@(his host.)public.test>, joe@x.test; (the end)',
      [a('Chris', 'c@public.test'), a('', 'joe@x.test')],
    ],
    ['Pete(A \\) chap) <pete(his account)@silly.test(his host)>', [a('Pete', 'pete@silly.test')]],
    ['lee @ example . org', [a('', 'lee@example.org')]],
    ['John Doe <jdoe@machine(comment).  example>', [a('John Doe', 'jdoe@machine.example')]],
    ['<@a.test,@b.test:lee@example.org>', [a('', 'lee@example.org')]],
    ['"Lee" <lee@example.org', [a('Lee', 'lee@example.org')]],
    ['Lee <lee@example.org, dl@y.test', [a('Lee', 'lee@example.org'), a('', 'dl@y.test')]],
    ['"Lee <lee@example.org>, dl@y.test', [a('Lee', 'lee@example.org'), a('', 'dl@y.test')]],
    ['Lee (home <lee@example.org>, dl@y.test', [a('Lee home', 'lee@example.org'), a('', 'dl@y.test')]],
    ['=?utf-8?Q?Foo,_Bar?= <f@x.test>', [a('Foo, Bar', 'f@x.test')]],
    ['=?utf-8?Q?Foo, Bar?= <f@x.test>', [a('Foo, Bar', 'f@x.test')]],
    ['"=?utf-8?B?w6k=?=" <e@x.test>', [a('é', 'e@x.test')]],
    ['=?utf-8?Q?=22Lee=22?= <lee@x.test>', [a('Lee', 'lee@x.test')]],
    ['=?utf-8?Q?AO_=22Lee=22?= <lee@x.test>', [a('AO "Lee"', 'lee@x.test')]],
    ['=?utf-8?Q?Lee_?= =?utf-8?Q?Two?= <lee@x.test>', [a('Lee Two', 'lee@x.test')]],
    ['Jöhn <jdöe@mächine.test>', [a('Jöhn', 'jdöe@mächine.test')]],
    ['"a b"@x.test', [a('', '"a b"@x.test')]],
    ['<"a.b"@x.test>', [a('', 'a.b@x.test')]],
    ['"a b" <"a@b"@x.test>', [a('a b', '"a@b"@x.test')]],
    ['lee@[192.0.2.1]', [a('', 'lee@[192.0.2.1]')]],
    ['<lee@[IPv6:2001:db8::1]>', [a('', 'lee@[IPv6:2001:db8::1]')]],
    ['lee@[IPv6:2001:db8::1]', [a('', 'lee@[IPv6:2001:db8::1]')]],
    ['<mailto:lee@x.test>', [a('', 'lee@x.test')]],
    ['<<lee@x.test>>', [a('', ''), a('', 'lee@x.test')].slice(1)],
    ['John Doe', [a('John Doe', '')]],
    ["'Lee' <lee@x.test>", [a("'Lee'", 'lee@x.test')]],
    ['Lee\n <lee@x.test>,\r\n\tdl@y.test', [a('Lee', 'lee@x.test'), a('', 'dl@y.test')]],
  ])('%s', (text, want) => {
    expect(parseAddresses(text)).toEqual(want);
  });

  test('reads what formatAddress writes', () => {
    const name = fc
      .string({ unit: 'grapheme' })
      .map((text) => text.replace(/[\p{C}\s"]+/gu, ' ').trim())
      .filter((text) => !text.includes('=?'));
    fc.assert(
      fc.property(name, (text) => {
        expect(parseAddresses(formatAddress(a(text, 'lee@x.test')))).toEqual([a(text, 'lee@x.test')]);
      }),
      { numRuns: 1000 },
    );
  });

  test('never throws and ends', () => {
    const piece = fc.constantFrom(
      '"',
      '\\',
      '(',
      ')',
      '<',
      '>',
      ',',
      ';',
      ':',
      '@',
      'a',
      ' ',
      '=?utf-8?q?x?=',
      '[',
      ']',
      '\n',
      '=?',
      '.',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        for (const { name, address } of parseAddresses(pieces.join(''))) expect(typeof (name + address)).toBe('string');
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    '"',
    '(',
    '<',
    '<"',
    ',\\"',
    '<a;',
    'a@:',
    '[',
    '=?a?q?',
    'a ',
    '<a@b>',
    '":',
    'a,',
    ' ',
    '\\',
    '\\"',
    '()',
    '=?a?q?"?=',
  ])('300,000 of %s', (piece) => {
    expect(Array.isArray(parseAddresses(piece.repeat(300_000)))).toBe(true);
    expect(Array.isArray(parseAddresses(`"${piece.repeat(300_000)}`))).toBe(true);
    expect(Array.isArray(parseAddresses(`"${piece.repeat(300_000)}x" <a@b>`))).toBe(true);
  });
});

test('localPart', () => {
  expect(localPart('lee@example.org')).toBe('lee');
  expect(localPart('lee')).toBe('lee');
  expect(localPart('uunet!host!lee')).toBe('lee');
  expect(localPart('"a@b"@example.org')).toBe('"a@b"');
});
