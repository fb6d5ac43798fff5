import { crc32 as ofZlib } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32 } from '../../src/core/crc32.ts';

test('gives what zlib gives, in one piece and in two', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(2000), (bytes, at) => {
      expect(crc32(bytes)).toBe(ofZlib(bytes));
      // Beginnings at every alignment.
      expect(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at)))).toBe(ofZlib(bytes));
    }),
  );
});

test.each([(256 << 10) - 1, 256 << 10, (256 << 10) + 1])('of %i octets', (size) => {
  const bytes = new Uint8Array(size).map((_, i) => i * 7);
  expect(crc32(bytes, 17)).toBe(ofZlib(bytes, 17));
});

test('of text, as UTF-8', () => {
  expect(crc32('Grüße, 你好')).toBe(ofZlib('Grüße, 你好'));
  expect(crc32('')).toBe(0);
});
