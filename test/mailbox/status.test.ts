import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Flag } from '../../src/mailbox/mailbox.ts';
import { headerSizeOf, quoteFrom, unquoteFrom } from '../../src/mailbox/quoting.ts';
import { applyEdits, keywordsOf, lengthEdits, statusEdits } from '../../src/mailbox/status.ts';
import { latin1 } from './boxes.ts';

const edited = (header: string, flags: number, keywords?: string[]): string => {
  const bytes = Buffer.from(header, 'latin1');
  return latin1(
    applyEdits(bytes, statusEdits(bytes, { flags, ...(keywords === undefined ? {} : { keywords }) }, false)),
  );
};

describe('statusEdits', () => {
  it.each([
    ['A: 1\n\n', Flag.old, 'A: 1\nStatus: O \n\n'],
    ['A: 1\n\n', 0, 'A: 1\n\n'],
    ['\n', Flag.read, 'Status: R \n\n'],
    ['', Flag.read, 'Status: R \n'],
    ['A: 1', Flag.read | Flag.flagged, 'A: 1\nStatus: R \nX-Status: F   \n'],
    ['Status: O\nA: 1\n\n', Flag.old | Flag.read, 'Status: RO\nA: 1\n\n'],
    ['Status: O \nA: 1\n\n', Flag.old | Flag.read, 'Status: RO\nA: 1\n\n'],
    ['Status: OR\n\n', Flag.old | Flag.read, 'Status: OR\n\n'],
    ['status:RO\n\n', Flag.old, 'status:O \n\n'],
    ['Status: RO\n\n', 0, 'Status:   \n\n'],
    ['Status: N\n\n', Flag.old, 'Status: O\n\n'],
    ['Status:\n R\nA: 1\n\n', Flag.old, 'Status: O \nA: 1\n\n'],
    ['Status: R\nStatus: O\n\n', Flag.old, 'Status: O\nStatus:  \n\n'],
    ['X-Status: FX\n\n', Flag.answered, 'X-Status: AX\n\n'],
    ['A: 1\r\n\r\n', Flag.old, 'A: 1\r\nStatus: O \r\n\r\n'],
  ])('%j with %i', (header, flags, expected) => expect(edited(header, flags)).toBe(expected));

  it('writes keywords', () => {
    expect(edited('A: 1\n\n', 0, ['x', 'y'])).toBe('A: 1\nX-Keywords: x y\n\n');
    expect(edited('X-Keywords: x   y    \n\n', 0, ['z'])).toBe('X-Keywords: z        \n\n');
    expect(keywordsOf(Buffer.from('X-Keywords: x y\n\tz\nA: 1\nX-KEYWORDS: x\n\n'))).toEqual(['x', 'y', 'z']);
  });

  it('makes a header say what is wanted, once and for all', () => {
    const line = fc.constantFrom(
      'Status: RO',
      'Status:',
      'X-Status: AF ',
      'status:O',
      'Status: R\n O',
      'A: 1',
      ' x',
      'X-Keywords: a',
    );
    const flag = fc.nat(63);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('', '\n', '\n\n'), flag, (lines, end, flags) => {
        const header = Buffer.from(lines.join('\n') + end);
        const once = applyEdits(header, statusEdits(header, { flags }, false));
        expect(statusEdits(once, { flags }, false)).toEqual([]);
        const letters = [...latin1(once).matchAll(/^(?:x-)?status:(.*(?:\n[ \t].*)*)/gim)].map((m) => m[1]).join('');
        const wanted = [...'ROAFTD'].filter((_, i) => (flags & (1 << i)) !== 0).join('');
        expect([...letters.replace(/[^ROAFTD]/g, '')].sort().join('')).toBe([...wanted].sort().join(''));
        // Nothing else is touched.
        const others = (text: string): string[] => text.split('\n').filter((one) => one.startsWith('A: '));
        expect(others(latin1(once))).toEqual(others(latin1(header)));
      }),
    );
  });
});

describe('lengthEdits', () => {
  it('takes lengths away that are not true', () => {
    const header = Buffer.from('Content-Length: 5\nLines: 9\nA: 1\n\n');
    expect(
      latin1(
        applyEdits(
          header,
          lengthEdits(header, 5, () => 1),
        ),
      ),
    ).toBe('Content-Length: 5\nA: 1\n\n');
    expect(
      latin1(
        applyEdits(
          header,
          lengthEdits(header, 6, () => 9),
        ),
      ),
    ).toBe('Lines: 9\nA: 1\n\n');
  });
});

describe('quoting', () => {
  it('marks what it changes, and undoes it', () => {
    const content = Buffer.from('A: 1\n\nFrom x\n>From y\n From z\nx\nFrom w');
    const quoted = latin1(quoteFrom(content));
    expect(quoted).toBe('A: 1\nX-Mbox-Quoting: mboxrd\n\n>From x\n>>From y\n From z\nx\n>From w');
    expect(latin1(unquoteFrom(Buffer.from(quoted)))).toBe(latin1(content));
    const plain = Buffer.from('A: 1\n\nfrom x\n');
    expect(quoteFrom(plain)).toBe(plain);
    const foreign = Buffer.from('A: 1\n\n>From x\n');
    expect(unquoteFrom(foreign)).toBe(foreign);
  });

  it('gives back every content, and leaves no line that begins a message', () => {
    const part = fc.constantFrom('From ', '>', '\n', '\r\n', 'A: 1\n', '\n\n', 'x', '\0', 'X-Mbox-Quoting: mboxrd\n');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const content = Buffer.from(parts.join(''));
        const quoted = quoteFrom(content);
        expect(latin1(quoted.subarray(headerSizeOf(quoted)))).not.toMatch(/(?:^|[\n\0])From /);
        // The sender may have put the mark there: it counts for nothing but itself.
        const header = latin1(content.subarray(0, headerSizeOf(content))).replace(/^X-Mbox-Quoting: mboxrd\n/m, '');
        const marked = header.length < headerSizeOf(content);
        const expected = marked ? header + latin1(content.subarray(headerSizeOf(content))) : latin1(content);
        expect(latin1(unquoteFrom(quoted))).toBe(expected);
      }),
    );
  });
});
