import fc from 'fast-check';
import { eastAsianWidth } from 'get-east-asian-width';
import { describe, expect, test } from 'vitest';
import { cellWidth, column, cut, pad, visible, visibleLines } from '../../src/core/text.ts';
import { clusterAt } from '../../src/core/width.ts';

const HOSTILE = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom(
        '\x1b[2J',
        '\x9b',
        '\u202e',
        '\u200d',
        '\ufe0f',
        '👍',
        '🏽',
        '\u0301',
        '中',
        '한',
        '\u1112\u1161',
        '🇨🇳',
        '\u{e0041}',
        '\r\n',
      ),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''));
const FORBIDDEN = /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\u{e0001}]/u;

describe('visible', () => {
  test.each([
    ['plain', 'Hello, world', 'Hello, world'],
    ['backslash stays', 'C:\\new', 'C:\\new'],
    ['escape sequence', 'a\x1b[2Jb', 'a\\x1b[2Jb'],
    ['title and bell', '\x1b]0;x\x07', '\\x1b]0;x\\x07'],
    ['C1', 'a\x9b31mb', 'a\\x9b31mb'],
    ['DEL and NUL', 'a\x7fb\0', 'a\\x7fb\\x00'],
    ['newline, tab, return', 'a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['bidi override', 'invoice \u202etxt.exe', 'invoice \\u202etxt.exe'],
    ['isolates and marks', '\u2066\u2069\u200e\u061c', '\\u2066\\u2069\\u200e\\u061c'],
    ['zero width', 'pay\u200bpal\ufeff\u2060', 'pay\\u200bpal\\ufeff\\u2060'],
    ['soft hyphen', 'pay\u00adpal', 'pay\\xadpal'],
    ['separators', 'a\u2028b\u2029', 'a\\u2028b\\u2029'],
    ['lone surrogates', 'a\ud800b\udc00', 'a\\ud800b\\udc00'],
    ['noncharacter', '\ufffe\u{1ffff}', '\\ufffe\\u{1ffff}'],
    ['tags hide text', 'a\u{e0041}\u{e0042}', 'a\\u{e0041}\\u{e0042}'],
    ['interlinear', '\ufff9a\ufffa', '\\ufff9a\\ufffa'],
    ['variation selector on a letter', 'a\ufe0f\u{e0100}', 'a\\ufe0f\\u{e0100}'],
    ['joiner in Latin', 'pay\u200dpal', 'pay\\u200dpal'],
    ['joiner twice', '👨\u200d\u200d👩', '👨\\u200d\\u200d👩'],
    ['family', '👨\u200d👩\u200d👧', '👨\u200d👩\u200d👧'],
    ['skin tone and joiner', '👩🏽\u200d🚀', '👩🏽\u200d🚀'],
    ['heart on fire', '❤\ufe0f\u200d🔥', '❤\ufe0f\u200d🔥'],
    ['Persian with ZWNJ', 'می\u200cخواهم', 'می\u200cخواهم'],
    ['Sinhala with ZWJ', 'ශ්\u200dරී', 'ශ්\u200dරී'],
    [
      'flag of Wales',
      '🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}',
      '🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}',
    ],
    ['tags behind a flag', '🏴\u{e0041}', '🏴\\u{e0041}'],
    ['accent', 'e\u0301', 'e\u0301'],
    ['ideograph variant', '葛\u{e0100}', '葛\u{e0100}'],
    ['Hangul filler', 'a\u3164b', 'a\\u3164b'],
  ])('%s', (_, text, want) => {
    expect(visible(text)).toBe(want);
    expect(visible(want)).toBe(want);
  });

  test('keeps at most eight marks on one letter', () => {
    expect(visible(`a${'\u0301'.repeat(10)}`)).toBe(`a${'\u0301'.repeat(8)}\\u0301\\u0301`);
  });

  test('of any text holds nothing that acts or hides, and stays the same', () => {
    fc.assert(
      fc.property(HOSTILE, (text) => {
        const shown = visible(text);
        expect(shown).not.toMatch(FORBIDDEN);
        expect(visible(shown)).toBe(shown);
        const lines = visibleLines(text);
        expect(lines.replace(/[\t\n]/g, '')).not.toMatch(FORBIDDEN);
        expect(visibleLines(lines)).toBe(lines);
      }),
      { numRuns: 2000 },
    );
  });
});

test('visibleLines keeps lines and tabs', () => {
  expect(visibleLines('a\tb\r\nc\rd\n\x1be')).toBe('a\tb\nc\\rd\n\\x1be');
});

describe('cellWidth', () => {
  test.each([
    ['', 0],
    ['abc', 3],
    ['测试', 4],
    ['ｆｕｌｌ', 8],
    ['ｱｲｳ', 3],
    ['한글', 4],
    ['\u1112\u1161\u11ab\u1100\u1173\u11af', 4],
    ['e\u0301', 1],
    ['が', 2],
    ['👍🏽', 2],
    ['👨\u200d👩\u200d👧\u200d👦', 2],
    ['🇨🇳', 2],
    ['🇨🇳🇩🇪', 4],
    ['❤', 1],
    ['❤\ufe0f', 2],
    ['⌚\ufe0e', 2],
    ['1\ufe0f\u20e3', 2],
    ['🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}', 2],
    ['\u{20000}', 2],
    ['…', 1],
    ['é', 1],
    ['नमस्ते', 4],
    ['ไทยกำลัง', 7],
  ])('%s takes %i', (text, cells) => {
    expect(cellWidth(text)).toBe(cells);
  });

  test('of single characters is that of the Unicode tables', () => {
    const wrong: string[] = [];
    for (let code = 0x20; code < 0x30000; code++) {
      const character = String.fromCodePoint(code);
      if (/[\p{M}\p{C}\p{Zl}\p{Zp}\p{DI}]/u.test(character) || /\p{Script=Hangul}/u.test(character)) continue;
      if (clusterAt(character, 0).cells !== eastAsianWidth(code)) wrong.push(code.toString(16));
    }
    expect(wrong).toEqual([]);
  });
});

describe('cut, pad, column', () => {
  test.each([
    ['abcdef', 4, 'abc…'],
    ['abcd', 4, 'abcd'],
    ['测试邮件', 8, '测试邮件'],
    ['测试邮件', 7, '测试邮…'],
    ['测试邮件', 6, '测试…'],
    ['测试', 1, '…'],
    ['abc', 0, ''],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['a👨\u200d👩\u200d👧\u200d👦b', 3, 'a…'],
    ['a👨\u200d👩\u200d👧\u200d👦bc', 4, 'a👨\u200d👩\u200d👧\u200d👦…'],
  ])('cut %s to %i', (text, cells, want) => {
    expect(cut(text, cells)).toBe(want);
  });

  test('pad fills up, on either side', () => {
    expect(pad('中', 4)).toBe('中  ');
    expect(pad('中', 4, 'right')).toBe('  中');
    expect(pad('abcdef', 4)).toBe('abcdef');
  });

  test('column makes any text exactly as wide as asked', () => {
    fc.assert(
      fc.property(HOSTILE, fc.integer({ min: 0, max: 40 }), (text, cells) => {
        expect(cellWidth(column(visible(text), cells))).toBe(cells);
      }),
      { numRuns: 1000 },
    );
  });
});
