/**
 * The scan kernel: AssemblyScript, compiled to dist/scan-kernel.wasm. What each function does is said in scan.ts
 * (Kernel); scan-plain.ts gives the same results and a test compares them.
 *
 * Memory is imported. It starts with the state (16 words), and the buffer begins at octet 1024; places are octets from
 * there. 64 octets are looked at in one step: each is compared with LF, which is counted, and with 'F' behind an octet of
 * at most 10, which is looked at closely.
 */
const STATE: usize = 0;
const BUFFER: usize = 1024;

const NEWLINES: usize = 0;
const HASH1: usize = 4;
const HASH2: usize = 8;
const FLAGS: usize = 12;
const BITS: usize = 16;
const LONG: usize = 20;
const FIELD: usize = 24;
const DONE: usize = 28;
const STATUS: usize = 32;
const XSTATUS: usize = 36;
const KEYWORDS: usize = 40;

const LINE_HASHED: i32 = 1000;
const C1: i32 = 0x9e3779b1;
const C2: i32 = 0x85ebca6b;

// @ts-ignore: decorator
@inline
function get(at: usize): i32 {
  return load<i32>(STATE + at);
}
// @ts-ignore: decorator
@inline
function put(at: usize, value: i32): void {
  store<i32>(STATE + at, value);
}

// @ts-ignore: decorator
@inline
function isFrom(p: usize): bool {
  return load<u32>(p) == 0x6d6f7246 && load<u8>(p + 4) == 32 && (load<u8>(p - 1) == 10 || load<u8>(p - 1) == 0);
}

// @ts-ignore: decorator
@inline
function sum(v: v128): i32 {
  const pairs = i16x8.extadd_pairwise_i8x16_u(v);
  const quads = i32x4.extadd_pairwise_i16x8_u(pairs);
  return (
    i32x4.extract_lane(quads, 0) +
    i32x4.extract_lane(quads, 1) +
    i32x4.extract_lane(quads, 2) +
    i32x4.extract_lane(quads, 3)
  );
}

export function find(from: i32, to: i32): i32 {
  const limit = BUFFER + max(from, to - 4);
  let p: usize = BUFFER + from;
  let lines: i32 = 0;
  const lf = i8x16.splat(10);
  const f = i8x16.splat(70);
  while (p + 64 <= limit) {
    let counts = i8x16.splat(0);
    const stop = min(p + 64 * 60, limit - 63);
    while (p < stop) {
      const a0 = v128.load(p);
      const a1 = v128.load(p, 16);
      const a2 = v128.load(p, 32);
      const a3 = v128.load(p, 48);
      const f0 = v128.and(i8x16.eq(a0, f), i8x16.le_u(v128.load(p - 1), lf));
      const f1 = v128.and(i8x16.eq(a1, f), i8x16.le_u(v128.load(p - 1, 16), lf));
      const f2 = v128.and(i8x16.eq(a2, f), i8x16.le_u(v128.load(p - 1, 32), lf));
      const f3 = v128.and(i8x16.eq(a3, f), i8x16.le_u(v128.load(p - 1, 48), lf));
      if (v128.any_true(v128.or(v128.or(f0, f1), v128.or(f2, f3)))) {
        let mask =
          <u64>i8x16.bitmask(f0) |
          (<u64>i8x16.bitmask(f1) << 16) |
          (<u64>i8x16.bitmask(f2) << 32) |
          (<u64>i8x16.bitmask(f3) << 48);
        while (mask != 0) {
          const q = p + <usize>ctz(mask);
          if (q > BUFFER && q < limit && isFrom(q)) {
            lines += sum(counts);
            for (let k = p; k < q; k++) if (load<u8>(k) == 10) lines++;
            put(NEWLINES, get(NEWLINES) + lines);
            return <i32>(q - BUFFER);
          }
          mask &= mask - 1;
        }
      }
      counts = i8x16.sub(counts, i8x16.eq(a0, lf));
      counts = i8x16.sub(counts, i8x16.eq(a1, lf));
      counts = i8x16.sub(counts, i8x16.eq(a2, lf));
      counts = i8x16.sub(counts, i8x16.eq(a3, lf));
      p += 64;
    }
    lines += sum(counts);
  }
  for (; p < limit; p++) {
    const c = load<u8>(p);
    if (c == 10) lines++;
    else if (c == 70 && p > BUFFER && isFrom(p)) break;
  }
  put(NEWLINES, get(NEWLINES) + lines);
  return <i32>(p - BUFFER);
}

// @ts-ignore: decorator
@inline
function hashAt(from: usize, to: usize): void {
  let h1 = get(HASH1);
  let h2 = get(HASH2);
  let p = from;
  for (; p + 8 <= to; p += 8) {
    h1 = rotl(h1 ^ load<i32>(p), 13) * C1;
    h2 = rotl(h2 + load<i32>(p, 4), 17) * C2;
  }
  for (; p < to; p++) {
    h1 = rotl(h1 ^ <i32>load<u8>(p), 13) * C1;
    h2 = rotl(h2 + <i32>load<u8>(p), 17) * C2;
  }
  h1 = h1 + rotl(h2, 5);
  h2 ^= rotl(h1, 11);
  put(HASH1, h1);
  put(HASH2, h2);
}

export function hash(from: i32, to: i32): void {
  hashAt(BUFFER + from, BUFFER + to);
}

const SMALL: u64 = 0x2020202020202020;

/** Kind of the field at `p`: 0 counts for the identity, 1 does not, 2 Status, 3 X-Status, 4 X-Keywords, 5 quoting. */
function fieldKind(p: usize, length: i32): i32 {
  const first = load<u8>(p) | 32;
  if (first == 120) {
    if (length < 6 || (load<u8>(p, 1) | 32) != 45) return 0;
    const a = load<u64>(p) | SMALL;
    if ((a & 0xffffffffffff) == 0x3a6469752d78) return 1; // x-uid:
    if (length < 7) return 0;
    if ((a & 0xffffffffffffff) == 0x3a70616d692d78) return 1; // x-imap:
    if (length < 9) return 0;
    const b = load<u64>(p, 8) | SMALL;
    if (a == 0x737574617473_2d78 && (b & 0xff) == 0x3a) return 3; // x-status:
    if (a == 0x726f7779656b_2d78 && length >= 11 && (b & 0xffffff) == 0x3a7364) return 4; // x-keywords:
    if (a == 0x616270616d69_2d78 && length >= 11 && (b & 0xffffff) == 0x3a6573) return 1; // x-imapbase:
    if (a == 0x712d786f626d_2d78 && length >= 15 && (b & 0xffffffffffffff) == 0x3a676e69746f75) return 5; // x-mbox-quoting:
    return 0;
  }
  if (first == 115) {
    return length >= 7 && ((load<u64>(p) | SMALL) & 0xffffffffffffff) == 0x3a737574617473 ? 2 : 0;
  }
  if (first == 108) return length >= 6 && ((load<u64>(p) | SMALL) & 0xffffffffffff) == 0x3a73656e696c ? 1 : 0;
  if (first == 99) {
    if (length < 15 || (load<u64>(p) | SMALL) != 0x2d746e65746e6f63) return 0;
    return ((load<u64>(p, 8) | SMALL) & 0xffffffffffffff) == 0x3a6874676e656c ? 1 : 0;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function letter(kind: i32, c: u8): i32 {
  if (kind == 2) return c == 82 ? 1 : c == 79 ? 2 : 0;
  return c == 65 ? 4 : c == 70 ? 8 : c == 84 ? 16 : c == 68 ? 32 : 0;
}

// @ts-ignore: decorator
@inline
function line(p: usize, length: i32): void {
  const first = load<u8>(p);
  const folded = first == 32 || first == 9;
  let kind: i32;
  if (folded) kind = get(FIELD);
  else {
    kind = fieldKind(p, length);
    put(FIELD, kind);
  }
  if (kind == 0) {
    hashAt(p, p + length);
    return;
  }
  let bits = get(BITS);
  if (kind == 2 || kind == 3) {
    const seen = kind == 2 ? STATUS : XSTATUS;
    if (folded || get(seen) > 0) bits |= 64;
    put(seen, get(seen) + 1);
    let flags = get(FLAGS);
    for (let k: i32 = folded ? 0 : kind == 2 ? 7 : 9; k < length; k++) flags |= letter(kind, load<u8>(p + k));
    put(FLAGS, flags);
  } else if (kind == 4) {
    bits |= 4;
    let h = get(KEYWORDS);
    for (let k: i32 = 0; k < length; k++) h = (h ^ <i32>load<u8>(p + k)) * 0x01000193;
    put(KEYWORDS, h);
  } else if (kind == 5) {
    bits |= 2;
    hashAt(p, p + length);
  }
  put(BITS, bits);
}

/** First LF in [p, to), or `to`. */
// @ts-ignore: decorator
@inline
function lineEnd(from: usize, to: usize): usize {
  let p = from;
  const lf = i8x16.splat(10);
  while (p + 16 <= to) {
    const mask = i8x16.bitmask(i8x16.eq(v128.load(p), lf));
    if (mask != 0) return p + <usize>ctz(mask);
    p += 16;
  }
  while (p < to && load<u8>(p) != 10) p++;
  return p;
}

export function walk(from: i32, to: i32, eof: i32): i32 {
  let p: usize = BUFFER + from;
  const end: usize = BUFFER + to;
  let lines = get(NEWLINES);
  if (get(LONG)) {
    const lf = lineEnd(p, end);
    if (lf == end) return to;
    lines++;
    put(LONG, 0);
    p = lf + 1;
  }
  for (;;) {
    if (p >= end) break;
    const c = load<u8>(p);
    if (c == 10) {
      lines++;
      p++;
      put(DONE, 1);
      break;
    }
    if (c == 13) {
      if (p + 1 >= end && !eof) break;
      if (p + 1 < end && load<u8>(p, 1) == 10) {
        lines++;
        p += 2;
        put(DONE, 1);
        break;
      }
    }
    if (c == 0) {
      put(DONE, 2);
      break;
    }
    const lf = lineEnd(p, end);
    if (lf == end && !eof && <i32>(end - p) < LINE_HASHED) break;
    line(p, min(<i32>(lf - p), LINE_HASHED));
    if (lf == end) {
      put(LONG, 1);
      p = end;
      break;
    }
    lines++;
    p = lf + 1;
  }
  put(NEWLINES, lines);
  return <i32>(p - BUFFER);
}
