import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellWidth } from '../../src/core/text.ts';
import { htmlLines } from '../../src/message/html.ts';

const read = (html: string, cells = 40): string => htmlLines(html, cells).join('\n');

describe('htmlLines', () => {
  test.each([
    ['text', 'Hello  <b>world</b>\n again', 'Hello world again'],
    ['entities', '&lt;3 &amp; &#228;&nbsp;&euro; &bogus; &', '<3 & ä € &bogus; &'],
    ['paragraphs', '<p>one<p>two</p>three<div>four</div>', 'one\n\ntwo\n\nthree\nfour'],
    ['br', 'a<br>b<br/><br>c', 'a\nb\n\nc'],
    ['headings', '<h1>Title</h1>text', 'Title\n\ntext'],
    [
      'script, style, head',
      '<head><title>t</title><style>p{}</style></head><script>alert("<p>x")</script>text<!-- c -->',
      'text',
    ],
    ['style in capitals and never closed', 'a<STYLE>b', 'a'],
    ['list', '<ul><li>one<li>two</ul>', '* one\n* two'],
    ['numbered list', '<ol start=3><li>c</li><li>d</li></ol>', '3. c\n4. d'],
    ['list in a list', '<ul><li>one<ul><li>inner</ul><li>two</ul>', '* one\n\n  * inner\n\n* two'],
    ['quote', '<blockquote>one<p>two</p></blockquote>three', '> one\n>\n> two\n\nthree'],
    ['quote in a quote', '<blockquote>a<blockquote>b</blockquote></blockquote>', '> a\n>\n> > b'],
    ['pre', '<pre>a  b\n\tc\n\nd</pre>', 'a  b\n    c\n\nd'],
    [
      'links',
      '<a href="https://x.test/">see</a> and <a href="https://x.test/">again</a>',
      'see[1] and again[1]\n\n[1] https://x.test/',
    ],
    [
      'link that shows its address',
      '<a href="https://x.test/">https://x.test/</a> <a href="mailto:lee@x.test">lee@x.test</a>',
      'https://x.test/ lee@x.test',
    ],
    [
      'link that shows another address',
      '<a href="https://evil.test/">https://bank.test/</a>',
      'https://bank.test/[1]\n\n[1] https://evil.test/',
    ],
    [
      'links that do something',
      '<a href="javascript:alert(1)">a</a> <a href="#b">b</a> <a>c</a> <a href=" java\nscript:x">d</a>',
      'a b c d',
    ],
    ['images', '<img src="http://t.test/p.gif"><img alt="Logo" src=x> <img alt=pixel width=1>', '[Logo]'],
    ['linked image', '<a href="https://x.test/"><img alt="Shop" src=x></a>', '[Shop][1]\n\n[1] https://x.test/'],
    ['hidden', '<div style="display:none">preview</div><p hidden>x</p><span style="font-size:0">y</span>text', 'text'],
    ['fillers', '<span>&zwnj;&nbsp;&zwnj;&nbsp;&#847;&shy;&#8203;</span>text', 'text'],
    ['soft hyphen', 'Donau&shy;dampf', 'Donaudampf'],
    ['Persian keeps its joiner', 'می&zwnj;خواهم', 'می\u200cخواهم'],
    [
      'columns',
      '<table><tr><th>Name<th>Number<tr><td>Lee<td>1<tr><td>中文<td>22</table>',
      'Name  Number\nLee   1\n中文  22',
    ],
    [
      'layout table',
      '<table><tr><td><table><tr><td>in</td></tr></table></td><td><p>a</p><p>b</p></td></tr></table>',
      'in\n\na\n\nb',
    ],
    [
      'row too wide for columns',
      `<table><tr><td>${'a '.repeat(15)}<td>${'b '.repeat(15)}</table>`,
      `${'a '.repeat(15).trim()}\n${'b '.repeat(15).trim()}`,
    ],
    ['rows without a table', '<tr><td>a</td><td>b</td></tr>', 'a\nb'],
    ['end tags without a start', '</p></div></table>a</b>', 'a'],
    ['crossed tags', '<b><i>a</b>b</i>c', 'abc'],
    ['definition list', '<dl><dt>a<dd>b<dt>c</dl>', 'a\n  b\nc'],
    ['rule', 'a<hr>b', `a\n\n${'-'.repeat(40)}\n\nb`],
    ['long words', `<p>${'x'.repeat(50)}</p>`, `${'x'.repeat(40)}\n${'x'.repeat(10)}`],
    ['control characters', 'a\x1b[2Jb&#27;&#x9b;&#8238;c', 'a\\x1b[2Jb\\x1b›\\u202ec'],
    ['nothing', '', ''],
    ['no HTML at all', 'a < b > c', 'a < b > c'],
  ])('%s', (_, html, want) => {
    expect(read(html)).toBe(want);
  });

  test('wraps text, quotes and lists at the width', () => {
    const text = 'several words that need more than a line '.repeat(3);
    expect(read(`<p>${text}</p><blockquote>${text}</blockquote><ul><li>${text}</ul>`)).toMatchInlineSnapshot(`
      "several words that need more than a line
      several words that need more than a line
      several words that need more than a line

      > several words that need more than a
      > line several words that need more than
      > a line several words that need more
      > than a line

      * several words that need more than a
        line several words that need more than
        a line several words that need more
        than a line"
    `);
  });

  test.each([
    ['<div>', ''],
    ['<div>', '</div>'],
    ['<b><i>', '</b></i>'],
    ['<div>', '</span>'],
    ['<table><tr><td>', ''],
    ['<table><tr><td>', '</td></tr></table>'],
    ['<ul><li>', ''],
    ['<blockquote>', 'x'],
    ['<a href=http://x.test/>x', ''],
    ['<td>', '<tr>'],
    ['<p>', 'x'],
    ['<pre>\n', ''],
    ['<', '&'],
    ['<!--', '--'],
    ['<svg>', '<style>'],
    ['<li>x', '<ol>'],
    ['x ', '<br>'],
    ['x<i>', ''],
    [' <i>', 'x'],
    ['<pre>x<i>', '</i>'],
    ['&nbsp;', '&#34;'],
    ['<constructor>', '</__proto__>'],
  ])('100,000 of %j and %j', (open, close) => {
    expect(Array.isArray(htmlLines(open.repeat(100_000) + close.repeat(100_000), 80))).toBe(true);
  });

  test('any HTML gives lines that are harmless and fit', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '<table>',
        '<tr>',
        '<td>',
        '</td>',
        '</table>',
        '<ul>',
        '<li>',
        '</ul>',
        '<blockquote>',
        '</blockquote>',
        '<a href=http://x.test>',
        '</a>',
        '<pre>',
        '</pre>',
        '<p>',
        '<br>',
        '\n',
        '<div style="display:none">',
        '</div>',
        '<img alt="\x1b[2J">',
        '中文',
        '\u202e',
        '&#27;',
        ' word ',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        for (const line of htmlLines(pieces.join(''), 60)) {
          expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
          if (!pieces.includes('<pre>') && !line.startsWith('[')) expect(cellWidth(line)).toBeLessThanOrEqual(64);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
