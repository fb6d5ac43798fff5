import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDate, parseDate } from '../../src/message/date.ts';

const TEN = 1740996000; // 2025-03-03T10:00:00Z

describe('parseDate', () => {
  test.each([
    ['Mon, 3 Mar 2025 10:00:00 +0000', TEN, 0],
    ['Mon, 03 Mar 2025 10:00:00 +0000 (UTC)', TEN, 0],
    ['Mon,03 Mar 2025 18:00:00 +0800', TEN, 480],
    ['03 Mar 2025 10:00 +0000', TEN, 0],
    ['3 Mar 25 10:00 GMT', TEN, 0],
    ['Monday, 03-Mar-25 10:00:00 GMT', TEN, 0],
    ['Mon Mar  3 10:00:00 2025', TEN, 0],
    ['Mon Mar  3 10:00:00 GMT 2025', TEN, 0],
    ['Mon Mar  3 10:00:00 2025 +0100', TEN - 3600, 60],
    ['2025-03-03T10:00:00Z', TEN, 0],
    ['2025-03-03 18:00:00.5 +08:00', TEN, 480],
    ['2025/03/03 10:00', TEN, 0],
    ['Mon, 03 Mar 2025 18:00:00 +0800 (CST)', TEN, 480],
    ['Fri, 03 Mar 2025 05:00:00 EST', TEN, -300],
    ['Mon, 03 Mar 2025 10:00:60 +0000', TEN + 59, 0],
    ['Sun, 02 Mar 2025 24:00:00 +0000', TEN - 36000, 0],
    ['Mon, 03 Mar 125 10:00:00 +0000', TEN, 0],
    ['Mon, 03 Mar 2025 10:00:00', TEN, 0],
    ['Mon, 03 Mar 2025 10:00:00 XYZ', TEN, 0],
    ['Mon, 03 Mar 2025 10:00:00 H0500', TEN, 0],
    ['Mon, 03 Mar 2025 10:00:00 JST', TEN, 0],
    ['Mon, 003 Mar 2025 10:00:00 +0000', TEN, 0],
    ['Mon, 03 Mar 2025 10:00:00 +0000 From: Lee <lee@x.test>', TEN, 0],
    ['Mon, 03 Mar 2025 6:00:00 (EDT) -0400', TEN, -240],
    ['Mon, 03 Mar 2025 11:00:00 GMT+1', TEN, 60],
    ['Mon, 03 Mar 2025 11:00:00 GMT +0100', TEN, 60],
    ['Mon, 03 Mar 2025 11:00:00 +01:00', TEN, 60],
    ['Mon, 03 Mar 2025 10:00:00 -0000', TEN, 0],
    ['Mon, 3 March 2025 10:00:00 +0000', TEN, 0],
    ['March 3, 2025 10:00 AM UTC', TEN, 0],
    ['Mar 3 2025 12:00:00 AM', TEN - 36000, 0],
    ['Mon, 3 Mar 2025 10:00:00PM', TEN + 43200, 0],
    ['Mon, 3rd Mar 2025 10:00:00 +0000', TEN, 0],
    ['3-Mar-2025 10:00:00 +0000', TEN, 0],
    ['Mon, 3 Mar 2025 10: 0: 0 +0000', TEN, 0],
    ['lun., 3 mars 2025 11:00:00 +0100', TEN, 60],
    ['MON, 3 MAR 2025 10:00:00 +0000', TEN, 0],
    ['Thu, 13 Feb 1969 23:32 -0330 (Newfoundland Time)', -27723480, -210],
    ['Thu (day), 13 (of (the) month) Feb 1969 23:32 -0330', -27723480, -210],
    ['Thu, 01 Jan 1970 00:00:00 +0000', 0, 0],
    ['Tue, 19 Jan 2038 03:14:08 +0000', 2147483648, 0],
    ['Fri, 31 Dec 9999 23:59:59 +0000', 253402300799, 0],
    ['Sat, 29 Feb 2020 00:00:00 +0000', 1582934400, 0],
    ['5 Nov 94 10:00 +0000', 784029600, 0],
  ])('%s', (text, seconds, zone) => {
    expect(parseDate(text)).toEqual({ seconds, zone });
  });

  test.each([
    '',
    'yesterday',
    'Malformed Date.',
    'Mon, 03 Mar 2025 25:61:00 +0000',
    'Mon, 31 Feb 2025 10:00:00 +0000',
    'Sun, 29 Feb 2025 10:00:00 +0000',
    'Mon, 03 Mar 2025 10:00:00 +9999',
    'Mon, 03 Xyz 2025 10:00:00 +0000',
    '03/03/2025 10:00',
    'Mon, 03 Mar 2025',
    '10:00:00',
    'Fri, 21 Nov 1997 09(comment):   55  :  06 -0600',
    'Fri, 21 Nov 1997 09(comment): 12:06 -0600',
    '(Mon, 03 Mar 2025 10:00:00 +0000',
  ])('cannot read %s', (text) => {
    expect(parseDate(text)).toBeUndefined();
  });

  test('reads what formatDate writes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -2_000_000_000, max: 250_000_000_000 }),
        fc.integer({ min: -720, max: 840 }),
        (seconds, zone) => {
          expect(parseDate(formatDate(seconds, zone))).toEqual({ seconds, zone: zone || 0 });
        },
      ),
    );
  });

  test('never throws', () => {
    const token = fc.constantFrom(
      'Mon',
      ',',
      '3',
      'Mar',
      '2025',
      '10:00',
      ':',
      '(',
      ')',
      '+0800',
      '99',
      'pm',
      'GMT',
      '-',
      '\\',
      ' ',
      'é',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(token, { maxLength: 12 }).map((list) => list.join(' ')),
        ),
        (text) => {
          const date = parseDate(text);
          if (date !== undefined) expect(Number.isSafeInteger(date.seconds)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test('formatDate writes RFC 5322', () => {
  expect(formatDate(TEN, 480)).toBe('Mon, 03 Mar 2025 18:00:00 +0800');
  expect(formatDate(TEN, -210)).toBe('Mon, 03 Mar 2025 06:30:00 -0330');
});
