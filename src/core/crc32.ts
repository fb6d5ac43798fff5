/**
 * CRC-32 as zlib has it (ITU-T V.42). Short input is reckoned here: loading zlib takes longer than all of it.
 */
import { crc32 as ofZlib } from 'node:zlib';

/** From this many octets on zlib is faster, its loading included. */
const LONG = 256 << 10;

let table: Uint32Array | undefined;

function makeTable(): Uint32Array {
  const made = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    made[i] = c;
  }
  return made;
}

/** The checksum of octets, or of text as UTF-8; `before` is that of what came before, for input in pieces. */
export function crc32(input: Uint8Array | string, before = 0): number {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  if (bytes.length >= LONG) return ofZlib(bytes, before);
  table ??= makeTable();
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = (table[(c ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (c >>> 8);
  return ~c >>> 0;
}
