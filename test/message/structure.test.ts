import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodedBody,
  fileName,
  isAttachment,
  leaves,
  MAX_DEPTH,
  MAX_PARTS,
  type Part,
  parseStructure,
} from '../../src/message/structure.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const parse = (text: string): Part => parseStructure(bytes(text));
const body = (source: string, part: Part): string =>
  Buffer.from(bytes(source).subarray(part.bodyStart, part.end)).toString('latin1');

/** `type(part,part)` with bodies of leaves: the shape of a tree in one line. */
function shape(source: string, part: Part = parse(source)): string {
  if (part.parts.length > 0) return `${part.type}(${part.parts.map((one) => shape(source, one)).join(', ')})`;
  const inner = part.message === undefined ? JSON.stringify(body(source, part)) : shape(source, part.message);
  return `${part.type} ${inner}`;
}

const head = (boundary: string, type = 'mixed'): string =>
  `Content-Type: multipart/${type}; boundary="${boundary}"\n\n`;

describe('parseStructure', () => {
  test.each([
    ['plain', 'Subject: x\n\nhello\n', 'text/plain "hello\\n"'],
    ['no body', 'Subject: x\n', 'text/plain ""'],
    ['no header', '\nhello\n', 'text/plain "hello\\n"'],
    ['neither header nor empty line', 'hello\nworld\n\nmore\n', 'text/plain "hello\\nworld\\n\\nmore\\n"'],
    ['From_ line and no header', 'From lee Mon Mar  3 10:00:00 2025\n\nhello\n', 'text/plain "hello\\n"'],
    ['nothing', '', 'text/plain ""'],
    [
      'two parts',
      `${head('b')}pre\n--b\n\none\n--b\nContent-Type: text/html\n\n<p>\n--b--\nepilogue\n`,
      'multipart/mixed(text/plain "one", text/html "<p>")',
    ],
    ['CRLF', `${head('b')}--b\n\none\n--b--\n`.replaceAll('\n', '\r\n'), 'multipart/mixed(text/plain "one")'],
    [
      'boundary at once',
      'Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--',
      'multipart/mixed(text/plain "one")',
    ],
    [
      'boundary in place of the empty line',
      'Content-Type: multipart/mixed; boundary=b\n--b\n\none\n--b--\n',
      'multipart/mixed "--b\\n\\none\\n--b--\\n"'.replace(/ ".*/, ' "one\\n--b--\\n"'),
    ],
    ['never closed', `${head('b')}--b\n\none\n--b\n\ntwo\n`, 'multipart/mixed(text/plain "one", text/plain "two\\n")'],
    ['open boundary at the end', `${head('b')}--b\n\none\n--b\n`, 'multipart/mixed(text/plain "one")'],
    [
      'part that is a header only',
      `${head('b')}--b\nContent-Type: text/html\n--b\n\ntwo\n--b--\n`,
      'multipart/mixed(text/html "", text/plain "two")',
    ],
    [
      'part without header',
      `${head('b')}--b\nno header\n\nmore\n--b--\n`,
      'multipart/mixed(text/plain "no header\\n\\nmore")',
    ],
    [
      'boundary twice',
      `${head('b')}--b\n--b\nContent-Type: text/html\n\none\n--b\n--b\n--b--\n`,
      'multipart/mixed(text/html "one")',
    ],
    [
      'long boundary',
      `${head('b'.repeat(5000))}--${'b'.repeat(5000)}\n\none\n--${'b'.repeat(5000)}--\n`,
      'multipart/mixed(text/plain "one")',
    ],
    ['empty parts', `${head('b')}--b\n\n--b\n--b--\n`, 'multipart/mixed(text/plain "")'],
    ['no boundary line', `${head('b')}text\n`, 'multipart/mixed "text\\n"'],
    ['no boundary parameter', 'Content-Type: multipart/mixed\n\n--b\n\none\n', 'multipart/mixed "--b\\n\\none\\n"'],
    ['blanks behind the boundary', `${head('b')}--b \t\n\none\n--b-- \n`, 'multipart/mixed(text/plain "one")'],
    ['blank at its end', `${head('b ')}--b\n\none\n--b--\n`, 'multipart/mixed(text/plain "one")'],
    [
      'boundary in pieces',
      'Content-Type: multipart/mixed; boundary*1=c; boundary*0="a b"\n\n--a bc\n\none\n--a bc--\n',
      'multipart/mixed(text/plain "one")',
    ],
    [
      'boundary encoded',
      "Content-Type: multipart/mixed; boundary*=us-ascii''a%20b\n\n--a b\n\none\n--a b--\n",
      'multipart/mixed(text/plain "one")',
    ],
    ['dashes', `${head('--b--')}----b--\n\none\n----b----\n`, 'multipart/mixed(text/plain "one")'],
    [
      'longer line is none',
      `${head('b')}--b\n\none\n--bc\n --b\n--b--\n`,
      'multipart/mixed(text/plain "one\\n--bc\\n --b")',
    ],
    [
      'one boundary begins with the other',
      `${head('b')}--b\n${head('b_alt', 'alternative')}--b_alt\n\none\n--b_alt\n\ntwo\n--b_alt--\n\n--b\n\nthree\n--b--\n`,
      'multipart/mixed(multipart/alternative(text/plain "one", text/plain "two"), text/plain "three")',
    ],
    [
      'inner one never closed',
      `${head('b')}--b\n${head('c')}--c\n\none\n--b\n\ntwo\n--b--\n--c\n\nlost\n`,
      'multipart/mixed(multipart/mixed(text/plain "one"), text/plain "two")',
    ],
    [
      'same boundary inside',
      `${head('b')}--b\n${head('b')}--b\n\none\n--b--\n--b\n\ntwo\n--b--\n`,
      'multipart/mixed(multipart/mixed(text/plain "one"), text/plain "two")',
    ],
    ['message', 'Content-Type: message/rfc822\n\nSubject: in\n\ntext\n', 'message/rfc822 text/plain "text\\n"'],
    [
      'message in a multipart',
      `${head('b')}--b\nContent-Type: message/rfc822\n\n${head('c')}--c\n\nin\n--c--\n--b--\n`,
      'multipart/mixed(message/rfc822 multipart/mixed(text/plain "in"))',
    ],
    [
      'encoded message is opaque',
      'Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdA==\n',
      'message/rfc822 "U3ViamVjdA==\\n"',
    ],
    [
      'digest',
      `${head('b', 'digest')}--b\n\nSubject: in\n\nx\n--b--\n`,
      'multipart/digest(message/rfc822 text/plain "x")',
    ],
    ['mixed case', 'content-TYPE: TEXT/Html ; Charset=UTF-8\n\nx', 'text/html "x"'],
    ['type twice', `Content-Type: text/html\n${head('b')}--b\n\nx\n--b--`, 'text/html "--b\\n\\nx\\n--b--"'],
    ['no subtype', 'Content-Type: text; charset=utf-8\n\nx', 'text/plain "x"'],
    ['no subtype, but a name', 'Content-Type: application-x-gzip; name=a.gz\n\nx', 'application/octet-stream "x"'],
    ['comment in the type', 'Content-Type: text/(really)html (yes)\n\nx', 'text/html "x"'],
    ['semicolon forgotten', 'Content-Type: text/html charset=utf-8\n\nx', 'text/html "x"'],
  ])('%s', (_, source, want) => {
    expect(shape(source)).toBe(want);
  });

  test('nested 5,000 deep', () => {
    let source = '';
    for (let level = 0; level < 5000; level++) source += `${head(`b${level}`)}--b${level}\n`;
    let depth = 0;
    for (let part: Part | undefined = parse(source); part !== undefined; part = part.parts[0]) depth++;
    expect(depth).toBe(MAX_DEPTH + 1);
    source = 'Content-Type: message/rfc822\n\n'.repeat(5000);
    expect(leaves(parse(source))).toHaveLength(1);
  });

  test('200,000 parts', () => {
    const source = `${head('b')}${'--b\n\nx\n'.repeat(200_000)}--b--\n`;
    const all = leaves(parse(source));
    expect(all.length).toBeLessThanOrEqual(MAX_PARTS);
    expect(body(source, all[all.length - 1] as Part)).toMatch(/x\n--b--\n$/);
  });

  test.each(['\n--', '\n--c', '--b\n', '--b--\n', `--b\n${head('c')}`, '--b\nContent-Type: message/rfc822\n\n'])(
    '200,000 of %j below a multipart',
    (piece) => {
      expect(parse(`${head('b')}--b\n\n${piece.repeat(200_000)}`).type).toBe('multipart/mixed');
    },
  );

  test('of any octets has ranges that lie in one another', () => {
    const piece = fc.constantFrom(
      '--b\n',
      '--b--\n',
      '--c\n',
      '--c--\n',
      head('b'),
      head('c'),
      '\n',
      '\r\n',
      'Content-Type: message/rfc822\n\n',
      'x',
      '--',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const source = pieces.join('');
        const check = (part: Part, from: number, to: number): void => {
          expect(part.start).toBeGreaterThanOrEqual(from);
          expect(part.bodyStart).toBeGreaterThanOrEqual(part.start);
          expect(part.end).toBeGreaterThanOrEqual(part.bodyStart);
          expect(part.end).toBeLessThanOrEqual(Math.max(to, part.bodyStart));
          let last = part.bodyStart;
          for (const one of part.parts) {
            check(one, last, part.end);
            last = one.end;
          }
          if (part.message !== undefined) check(part.message, part.bodyStart, part.end);
        };
        check(parse(source), 0, source.length);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('fileName', () => {
  const named = (fields: string): string | undefined => fileName(parse(`${fields}\n\nx`));
  test.each([
    ['Content-Disposition: attachment; filename="a b.pdf"', 'a b.pdf'],
    ['Content-Type: text/plain; name=a.txt', 'a.txt'],
    ['Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment; filename=b.txt', 'b.txt'],
    ['Content-Disposition: attachment; filename=This is a test.txt', 'This is a test.txt'],
    ["Content-Disposition: attachment; filename*=UTF-8''%E6%B5%8B%E8%AF%95.pdf", '测试.pdf'],
    ["Content-Disposition: attachment; filename*=iso-8859-1'de'%E4.txt; filename=a.txt", 'ä.txt'],
    [
      'Content-Disposition: attachment; filename*1*=%AF%95;\n filename*0*=utf-8\'zh\'%E6%B5%8B%E8; filename*2=" 1.pdf"',
      '测试 1.pdf',
    ],
    ['Content-Disposition: attachment; filename*0="a"; filename*1=b; filename*3=d', 'abd'],
    ['Content-Disposition: attachment; filename*1=b; filename*1=c', 'b'],
    ['Content-Disposition: attachment; filename*0="=?utf-8?Q?=C3=A9?="; filename*1=.txt', 'é.txt'],
    ['Content-Disposition: attachment; filename="=?utf-8?B?5rWL?=\n =?utf-8?B?6K+V?="', '测试'],
    ['Content-Disposition: attachment; filename==?koi8-r?B?89DJ08/LLmRvYw==?=', 'Список.doc'],
    ['Content-Disposition: attachment; filename="M\xc3\xbcller.pdf"', 'Müller.pdf'],
    ['Content-Disposition: attachment; filename="M\xfcller.pdf"', 'Müller.pdf'],
    ['Content-Disposition: attachment; filename="C:\\temp\\a \\"b\\".txt"', 'C:\\temp\\a "b".txt'],
    ['Content-Disposition: attachment; filename="never closed', 'never closed'],
    ['Content-Disposition: attachment;; ; FileName = "a.txt" (comment)', 'a.txt'],
    ["Content-Disposition: attachment; filename*=''a%20b", 'a b'],
    ['Content-Disposition: attachment; filename*=a%20b', 'a b'],
    ["Content-Disposition: attachment; filename*=utf-8''%zz%4", '%zz%4'],
    ['Content-Disposition: attachment; filename=""', undefined],
    ['Content-Disposition: attachment', undefined],
  ])('%s', (fields, want) => {
    expect(named(fields)).toBe(want);
  });

  test('of any field value is a string or nothing', () => {
    const piece = fc.constantFrom(
      'filename',
      '*',
      '0',
      '=',
      '"',
      "'",
      '%',
      ';',
      ' ',
      '\\',
      '(',
      ')',
      'utf-8',
      '\n ',
      '\xe4',
      '=?',
      '?q?',
      '?=',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const name = named(`Content-Disposition: attachment; ${pieces.join('')}`);
        expect(name === undefined || typeof name === 'string').toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([';', '=', 'a=', '(', '"', 'filename*', 'a=";', '\\', 'a*0=b;', ' '])('300,000 of %j', (piece) => {
    expect(parse(`Content-Type: text/plain; ${piece.repeat(300_000)}\n\nx`).type).toMatch(
      /^(?:text\/plain|application\/octet-stream)$/,
    );
  });
});

describe('decodedBody', () => {
  const decoded = (encoding: string, text: string): string => {
    const source = bytes(`Content-Transfer-Encoding: ${encoding}\n\n${text}`);
    return Buffer.from(decodedBody(source, parseStructure(source))).toString('latin1');
  };
  test.each([
    ['base64', 'YWJj\nZGVm\n', 'abcdef'],
    ['BASE64 (comment)', 'YW!Jj~\r\n', 'abc'],
    ['base64', 'YQ==\nYg==\nYw', 'abc'],
    ['base64', 'YWJj====\n', 'abc'],
    ['base64', 'YW-_Jj', 'abc'],
    ['base64', '', ''],
    ['quoted-printable', 'a=C3=bc=\nb= \t\r\nc=', 'a\xc3\xbcbc'],
    ['quoted-printable', '100=, =zz, =4', '100=, =zz, =4'],
    ['Quoted-Printable;', '=41', 'A'],
    ['x-uuencode', 'hello\nbegin 644 a.txt\n#86)C\n`\nend\nrest\n', 'abc'],
    ['uuencode', 'nothing begins', 'nothing begins'],
    ['uuencode', 'begin 644 a\n&86)C9&5F', 'abcdef'],
    ['7bit', 'a=41', 'a=41'],
    ['nonsense', 'a=41', 'a=41'],
  ])('%s %j', (encoding, text, want) => {
    expect(decoded(encoding, text)).toBe(want);
  });
});

test('isAttachment', () => {
  const is = (fields: string): boolean => isAttachment(parse(`${fields}\n\nx`));
  expect(is('Content-Type: text/plain')).toBe(false);
  expect(is('Content-Type: text/plain; name=a.txt')).toBe(true);
  expect(is('Content-Type: text/plain\nContent-Disposition: attachment')).toBe(true);
  expect(is('Content-Type: application/pdf')).toBe(true);
  expect(is('Content-Type: image/png\nContent-Disposition: inline')).toBe(true);
  expect(is('Content-Type: message/delivery-status')).toBe(false);
});
