import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, stuffed } from '../../src/transport/outgoing.ts';

const text = (blocks: Iterable<Uint8Array>) => Buffer.concat([...blocks]).toString('latin1');
const blocks = (content: string) => [Buffer.from(content, 'latin1')];

/** Cuts a text into pieces at the given places. */
function cut(content: string, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (content.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => Buffer.from(content.slice(from, at[i] ?? content.length), 'latin1'));
}

const hostile = fc.array(fc.constantFrom('\r', '\n', '\r\n', '.', 'a', '..', '\n.\n', '\r.\r', '\r\n.\r\n', '\0'), {
  maxLength: 30,
});

describe('content on its way out', () => {
  it.each([
    ['plain', 'a\r\nb\r\n', 'a\r\nb\r\n.\r\n'],
    ['dots', '.\r\n..\r\na.b\r\n', '..\r\n...\r\na.b\r\n.\r\n'],
    ['no last line end', 'a', 'a\r\n.\r\n'],
    ['empty', '', '.\r\n'],
    ['bare LF before a dot', 'a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
    ['bare CR before a dot', 'a\r.\rb', 'a\r\n..\r\nb\r\n.\r\n'],
    ['LF.CRLF', 'a\n.\r\nMAIL FROM:<eve@e.test>\r\n', 'a\r\n..\r\nMAIL FROM:<eve@e.test>\r\n.\r\n'],
    ['CRLF.LF', 'a\r\n.\nRSET\r\n', 'a\r\n..\r\nRSET\r\n.\r\n'],
    ['CR.CR', 'a\r.\rRSET', 'a\r\n..\r\nRSET\r\n.\r\n'],
  ])('%s', (_, content, wanted) => {
    expect(text(stuffed(blocks(content)))).toBe(wanted);
  });

  it('ends once, and never emits a bare CR or LF, however the blocks are cut', () => {
    fc.assert(
      fc.property(hostile, fc.array(fc.nat(), { maxLength: 6 }), (parts, places) => {
        const content = parts.join('');
        const whole = text(stuffed(blocks(content)));
        expect(text(stuffed(cut(content, places)))).toBe(whole);
        expect(whole.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
        expect(whole.indexOf('\r\n.\r\n')).toBe(whole.length - 5 < 0 || whole === '.\r\n' ? -1 : whole.length - 5);
        expect(whole.startsWith('.\r\n')).toBe(content === '');
      }),
    );
  });

  it('gives the lines back when the other side takes the dots off', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const lines = text(stuffed(blocks(parts.join(''))))
          .split('\r\n')
          .slice(0, -2);
        const unstuffed = lines
          .map((line) => line.replace(/^\./, ''))
          .map((line) => `${line}\r\n`)
          .join('');
        expect(unstuffed).toBe(text(canonical(blocks(parts.join('')))));
      }),
    );
  });
});
