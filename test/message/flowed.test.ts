import { describe, expect, test } from 'vitest';
import { reflow } from '../../src/message/flowed.ts';

const flow = (text: string, delSp = false, cells = 30): string => reflow(text, { delSp, cells }).join('\n');

describe('reflow', () => {
  test.each([
    ['paragraph', 'This is a \nparagraph in \nlines.\nNext.', 'This is a paragraph in lines.\nNext.'],
    [
      'wrapped anew',
      'This paragraph is longer than \none line of thirty cells.',
      'This paragraph is longer than\none line of thirty cells.',
    ],
    [
      'quotes',
      '> quoted text that \n> flows.\n>> deeper \n>> too\nfixed',
      '> quoted text that flows.\n>> deeper too\nfixed',
    ],
    ['quote ends a paragraph', 'open \n> quote', 'open\n> quote'],
    ['stuffing', ' From here\n >not a quote\n  two blanks', 'From here\n>not a quote\n two blanks'],
    ['signature', 'text \n-- \nLee', 'text\n-- \nLee'],
    ['quoted signature', '> -- \n> Lee', '> --\n> Lee'],
    ['empty lines', 'a\n\n\nb', 'a\n\n\nb'],
    ['open at the end', 'a \nb ', 'a b'],
    ['fixed lines stay long', 'x'.repeat(50), 'x'.repeat(50)],
    ['quote without a blank', '>a \n>b', '> a b'],
  ])('%s', (_, text, want) => {
    expect(flow(text)).toBe(want);
  });

  test('DelSp', () => {
    expect(flow('今天 \n天气', true)).toBe('今天天气');
    expect(flow('two  \nwords', true)).toBe('two words');
  });

  test('200,000 lines of one paragraph', () => {
    expect(reflow('word \n'.repeat(200_000), { delSp: false, cells: 76 }).length).toBeGreaterThan(1000);
  });
});
