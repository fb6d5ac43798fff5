import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellWidth } from '../../src/core/text.ts';
import { wrap } from '../../src/core/wrap.ts';

describe('wrap', () => {
  test.each([
    ['short', 'abc', 5, ['abc']],
    ['empty', '', 5, ['']],
    ['at blanks', 'one two three', 7, ['one two', 'three']],
    ['exact', 'abc def', 3, ['abc', 'def']],
    ['long word', 'a abcdefgh b', 4, ['a', 'abcd', 'efgh', 'b']],
    ['wide characters', '这是一个测试 abc', 8, ['这是一个', '测试 abc']],
    ['wide behind narrow', 'ab 这是一个', 8, ['ab 这是', '一个']],
    ['clusters stay whole', '👨\u200d👩\u200d👧👨\u200d👩\u200d👧', 3, ['👨\u200d👩\u200d👧', '👨\u200d👩\u200d👧']],
    ['wider than the line', '中中', 1, ['中', '中']],
    ['many blanks', 'a    b', 3, ['a', 'b']],
  ])('%s', (_, text, cells, want) => {
    expect(wrap(text, cells)).toEqual(want);
  });

  test('loses nothing but blanks, and no line is too long', () => {
    const word = fc.constantFrom('a', 'word', '中文', '这是一个测试', 'averyverylongword', ' ', '  ', 'é', '👍🏽');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), fc.integer({ min: 2, max: 20 }), (words, cells) => {
        const text = words.join('');
        const lines = wrap(text, cells);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        for (const line of lines) expect(cellWidth(line)).toBeLessThanOrEqual(cells);
      }),
      { numRuns: 2000 },
    );
  });
});
