/**
 * CRC-32 as zlib has it (ITU-T V.42). Short input is reckoned here: loading zlib takes longer than all of it.
 */
import { endianness } from 'node:os';
import { crc32 as ofZlib } from 'node:zlib';

/** From this many octets on zlib is faster, its loading included. */
const LONG = 256 << 10;

const littleEndian = endianness() === 'LE';

/** Four tables of 256: what an octet does to the sum, and what it does one, two and three octets later. */
let tables: Int32Array | undefined;

function makeTables(): Int32Array {
  const made = new Int32Array(1024);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    made[i] = c;
  }
  for (let i = 256; i < 1024; i++) {
    const c = made[i - 256] ?? 0;
    made[i] = (made[c & 0xff] ?? 0) ^ (c >>> 8);
  }
  return made;
}

/** The checksum of octets, or of text as UTF-8; `before` is that of what came before, for input in pieces. */
export function crc32(input: Uint8Array | string, before = 0): number {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  if (bytes.length >= LONG) return ofZlib(bytes, before);
  tables ??= makeTables();
  const table = tables;
  let c = ~before;
  let at = 0;
  // Four octets a step: this runs once in a start, before it is ever compiled to machine code.
  if (bytes.byteOffset % 4 === 0 && littleEndian) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    for (let i = 0; i < words.length; i++) {
      c ^= words[i] ?? 0;
      c =
        (table[768 + (c & 0xff)] ?? 0) ^
        (table[512 + ((c >>> 8) & 0xff)] ?? 0) ^
        (table[256 + ((c >>> 16) & 0xff)] ?? 0) ^
        (table[c >>> 24] ?? 0);
    }
    at = words.length * 4;
  }
  for (; at < bytes.length; at++) c = (table[(c ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (c >>> 8);
  return ~c >>> 0;
}
