import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FromKind,
  fieldNameAt,
  followedByHeader,
  fromKind,
  makeFromLine,
  parseFromLine,
} from '../../src/mailbox/from-line.ts';

const kindOf = (line: string): string => {
  const bytes = Buffer.from(line, 'latin1');
  const kind = fromKind(bytes, 0, bytes.length);
  return Object.entries(FromKind).find(([, value]) => value === kind)?.[0] ?? '?';
};
const hash = '0123456789abcdef0123456789abcdef01234567';

describe('fromKind', () => {
  const cases: [string, string][] = [
    ['dated', 'From ann@a.test Mon Mar  3 10:00:00 2025'],
    ['dated', 'From ann@a.test  Mon Mar 03 10:00 2025'],
    ['dated', 'From ann@a.test Mon Mar  3 10:00:00 CET 2025'],
    ['dated', 'From ann@a.test Mon Mar  3 10:00:00 +0100 2025'],
    ['dated', 'From ann@a.test Mon Mar  3 10:00:00 2025 +0100'],
    ['dated', 'From ann@a.test Mon Mar  3 10:00:00 2025 +0100 (CET)'],
    ['dated', 'From ann@a.test Mon Mar  3 10:00:00 PST8PDT 2025'],
    ['dated', 'From 123@xxx Tue Mar 09 17:00:00 +0500 2019'],
    ['dated', 'From "ann lee"@a.test Mon Mar  3 10:00:00 2025'],
    ['dated', 'From hosta!ann Mon Mar  3 10:00:00 2025 remote from hosta'],
    ['dated', 'From - Mon Mar  3 10:00:00 2025'],
    ['dated', 'From ann@a.test Mon, 3 Mar 2025 10:00:00 +0100'],
    ['dated', 'From ann@a.test Sun Feb 31 25:61:61 0000'],
    ['dated', 'From  Mon Mar  3 10:00:00 2025'],
    ['dated', 'From ann@a.test MON MAR  3 10:00:00 2025'],
    ['loose', 'From ann lee Mon Mar  3 10:00:00 2025'],
    ['loose', 'From ann Mon Mar  3 10:00:00 2025 I did nothing'],
    ['patch', `From ${hash} Mon Sep 17 00:00:00 2001`],
    ['dated', `From ${hash} Mon Sep 17 00:00:00 2002`],
    ['bare', 'From '],
    ['bare', 'From - '],
    ['bare', 'From ann@a.test'],
    ['word', 'From 1844347792'],
    ['text', 'From Russia with love'],
    ['text', 'From me to you'],
    ['text', 'From Mon Mar to Tue Apr 2025'],
    ['text', 'From ann Mon Mar  3 10:00:00'],
    ['text', 'From 10:00 to 12:00 on Monday, March 3 2025'],
    ['text', `From ${'x '.repeat(600)} Mon Mar  3 10:00:00 2025`],
  ];
  it.each(cases)('%s: %s', (kind, line) => expect(kindOf(line)).toBe(kind));

  it('never throws', () => {
    const part = fc.constantFrom(
      'Mon',
      'Mar',
      '3',
      '10:00:00',
      '2025',
      '+0100',
      '"',
      '(',
      ',',
      ' ',
      '  ',
      'x@y',
      'a\xff',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 12 }), (parts) => {
        const line = Buffer.from(`From ${parts.join(' ')}`, 'latin1');
        fromKind(line, 0, line.length);
        parseFromLine(line);
      }),
    );
  });
});

describe('followedByHeader', () => {
  const header = (text: string, wellKnown = false): boolean =>
    followedByHeader(Buffer.from(text), 0, Buffer.byteLength(text), wellKnown);

  it('sees a field, or one that everybody knows', () => {
    expect(header('X-Any: 1\n')).toBe(true);
    expect(header('X-Any: 1\n', true)).toBe(false);
    expect(header('Subject : 1\n', true)).toBe(true);
    expect(header('>From uucp date\nReceived: x\n', true)).toBe(true);
    expect(header('see http://a.test\n')).toBe(false);
    expect(header('http://a.test\n')).toBe(false);
    expect(header('Dear all:\n')).toBe(false);
    expect(header('')).toBe(false);
  });

  it('names the field in small letters', () => {
    expect(fieldNameAt(Buffer.from('Message-ID: x'), 0, 13)).toBe('message-id');
  });
});

describe('parseFromLine', () => {
  const parse = (line: string) => parseFromLine(Buffer.from(line));

  it('knows sender and date', () => {
    const seconds = Date.UTC(2025, 2, 3, 9, 0, 0) / 1000;
    expect(parse('From ann@a.test Mon Mar  3 10:00:00 +0100 2025')).toEqual({
      sender: 'ann@a.test',
      received: seconds,
    });
    expect(parse('From ann@a.test Mon Mar  3 09:00:00 2025 GMT\r\n')).toEqual({
      sender: 'ann@a.test',
      received: seconds,
    });
    expect(parse('From - Mon Mar  3 10:00 CET 2025')).toEqual({ sender: '', received: seconds });
    expect(parse('From 123@xxx')).toEqual({ sender: '123@xxx', received: undefined });
    expect(parse('From x Mon Jan 00 00:00:00 0000').received).toBeUndefined();
  });

  it('reads what makeFromLine writes', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 4_000_000_000 }), (sender, seconds) => {
        const line = makeFromLine(sender, seconds);
        expect(line).not.toMatch(/[\n\r]/);
        expect(kindOf(line)).toBe('dated');
        // The hour that comes twice in autumn cannot be told apart without a zone.
        const received = parse(line).received ?? 0;
        expect([0, 3600]).toContain(Math.abs(received - seconds));
      }),
    );
  });
});
