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
const NEXT: usize = 44;

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

/** Room for the rows that `messages` writes, behind the buffer; scan.ts reads them there. */
const ROWS: i32 = 4096;
const ROW: usize = 48;
const SAMPLE: i32 = 64;
const LOOKAHEAD: i32 = 1216;

// @ts-ignore: decorator
@inline
function digit(p: usize): bool {
  return <u32>(load<u8>(p) - 48) < 10;
}
// @ts-ignore: decorator
@inline
function pair(p: usize): bool {
  return digit(p) && digit(p + 1);
}
// @ts-ignore: decorator
@inline
function three(p: usize): u32 {
  return (<u32>load<u16>(p) | (<u32>load<u8>(p, 2) << 16)) | 0x202020;
}
// @ts-ignore: decorator
@inline
function isDay(x: u32): bool {
  return x == 0x6e6f6d || x == 0x657574 || x == 0x646577 || x == 0x756874 || x == 0x697266 || x == 0x746173 || x == 0x6e7573;
}
// @ts-ignore: decorator
@inline
function isMonth(x: u32): bool {
  return (
    x == 0x6e616a || x == 0x626566 || x == 0x72616d || x == 0x727061 || x == 0x79616d || x == 0x6e756a ||
    x == 0x6c756a || x == 0x677561 || x == 0x706573 || x == 0x74636f || x == 0x766f6e || x == 0x636564
  );
}

/** Whether the From_ line from `p` to `end` is one word and `Mon Mar  3 10:00:00 2025` (isCommon in from-line.ts). */
function isCommon(p: usize, end: usize): bool {
  const d = end - 24;
  const sender = <i32>(d - 1) - <i32>(p + 5);
  if (sender < 1 || sender == 40 || sender == 64 || end - p > 1000) return false;
  let blank = p + 5;
  while (load<u8>(blank) != 32) blank++;
  if (blank != d - 1) return false;
  if (load<u8>(d, 3) != 32 || load<u8>(d, 7) != 32 || load<u8>(d, 10) != 32 || load<u8>(d, 13) != 58) return false;
  if (load<u8>(d, 16) != 58 || load<u8>(d, 19) != 32 || !digit(d + 9)) return false;
  if (!digit(d + 8) && load<u8>(d, 8) != 32) return false;
  if (!isDay(three(d)) || !isMonth(three(d + 4))) return false;
  return pair(d + 11) && pair(d + 14) && pair(d + 17) && pair(d + 20) && pair(d + 22);
}

/**
 * Goes from message to message, from the one that begins at `from`, as long as all is as usual, and writes their rows
 * to `out`, places counted from `base`. Returns how many; where the next message begins is left in the state.
 */
export function messages(from: i32, to: i32, base: f64, out: i32): i32 {
  let count = 0;
  let start = from;
  const end: usize = BUFFER + to;
  while (count < ROWS) {
    const s: usize = BUFFER + start;
    const lf = lineEnd(s, min(end, s + 1001));
    if (lf >= end || load<u8>(lf) != 10 || !isCommon(s, lf)) break;
    memory.fill(STATE, 0, 64);
    hashAt(s, lf);
    const content = <i32>(lf + 1 - BUFFER);
    const header = walk(content, to, 0);
    if (get(DONE) != 1 || header + SAMPLE > to) break;
    const h1 = get(HASH1);
    const h2 = get(HASH2);
    hashAt(BUFFER + header, BUFFER + header + SAMPLE);
    const s1 = get(HASH1);
    const s2 = get(HASH2);
    const next = find(header, to);
    if (next + LOOKAHEAD > to) break;
    const q: usize = BUFFER + next;
    if (load<u16>(q - 2) != 0x0a0a) break;
    const nextLf = lineEnd(q, q + 1001);
    if (!isCommon(q, nextLf)) break;
    // The empty line before the next message is no content, unless it is the one that ends the header.
    let e = next;
    if (next > header) {
      e--;
      put(NEWLINES, get(NEWLINES) - 1);
      if (e > header && load<u8>(BUFFER + e - 2) == 0) break;
    }
    let last = e;
    while (last > header && e - last < 8) {
      const c = load<u8>(BUFFER + last - 1);
      if (c != 10 && c != 13) break;
      last--;
    }
    const body = last - header;
    put(HASH1, body >= SAMPLE ? s1 : h1);
    put(HASH2, body >= SAMPLE ? s2 : h2);
    hashAt(BUFFER + max(header, last - SAMPLE), BUFFER + last);
    const row = BUFFER + <usize>out + <usize>count * ROW;
    store<f64>(row, base + <f64>start);
    store<f64>(row, <f64>(e - content), 8);
    store<i32>(row, content - start, 16);
    store<i32>(row, header - content, 20);
    store<i32>(row, get(NEWLINES), 24);
    store<i32>(row, 0, 28);
    store<u16>(row, <u16>get(FLAGS), 32);
    store<u16>(row, <u16>get(BITS), 34);
    store<i32>(row, get(HASH1) ^ body, 36);
    store<i32>(row, get(HASH2), 40);
    store<i32>(row, get(KEYWORDS), 44);
    count++;
    start = next;
  }
  put(NEXT, start);
  return count;
}
