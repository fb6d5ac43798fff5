/**
 * The scan kernel in plain TypeScript: the same results as scan-kernel.ts gives, a few times slower on large files and
 * sooner at work on small ones. What a kernel is, is said here too: it works on one buffer, with places counted from its
 * start, and leaves results in `state`.
 */
import { Flag } from './mailbox.ts';
import { RowBit } from './rows.ts';

/** Places in a kernel's `state`. The kernel adds to them; the scan sets them back for each message. */
export const At = {
  newlines: 0,
  hash1: 1,
  hash2: 2,
  flags: 3,
  bits: 4,
  /** The walk is behind the first LINE_HASHED octets of a line. */
  long: 5,
  /** Kind of the field the walk is in, for its folded lines. */
  field: 6,
  /** 1: the walk passed the empty line behind the header; 2: it stopped at a NUL. */
  done: 7,
  /** Status and X-Status lines seen. */
  status: 8,
  xstatus: 9,
  /** Hash of X-Keywords. */
  keywords: 10,
  /** Where `messages` stopped. */
  next: 11,
} as const;

/** Only so much of a header line counts for the identity, so that it does not depend on how the file was cut. */
export const LINE_HASHED = 1000;

export interface Kernel {
  readonly buffer: Uint8Array;
  readonly state: Int32Array;
  /** First `From ` behind LF or NUL in [from, to); if there is none, where to go on once there is more. */
  find(from: number, to: number): number;
  /** Goes over header lines; returns where it stopped: at the end of the header (`done`) or where it needs more. */
  walk(from: number, to: number, eof: number): number;
  /** Adds octets to the hash. */
  hash(from: number, to: number): void;
  /** Goes from the message at `from` to the next ones, as long as all is as usual, and returns their rows, offsets
   *  counted from `base`; where the next message begins is left in `state`. A kernel may do without. */
  messages?(from: number, to: number, base: number): Uint8Array;
}

const LF = 10;
const C1 = 0x9e37_79b1;
const C2 = 0x85eb_ca6b;
const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** Fields whose value changes without the message changing: they are no part of its identity. */
const FIELDS = new Map<string, number>([
  ['status:', 2],
  ['x-status:', 3],
  ['x-keywords:', 4],
  ['x-mbox-quoting:', 5],
  ['x-uid:', 1],
  ['x-imapbase:', 1],
  ['x-imap:', 1],
  ['content-length:', 1],
  ['lines:', 1],
]);
const LETTERS: Record<number, Record<number, number>> = {
  2: { 82: Flag.read, 79: Flag.old },
  3: { 65: Flag.answered, 70: Flag.flagged, 84: Flag.draft, 68: Flag.deleted },
};

/** The kernel for a buffer of `size` octets. */
export function plainKernel(size: number): Kernel {
  const buffer = Buffer.alloc(size);
  const state = new Int32Array(16);
  const get = (i: number): number => state[i] ?? 0;

  function countNewlines(from: number, to: number): void {
    let n = 0;
    for (let p = buffer.indexOf(LF, from); p >= 0 && p < to; p = buffer.indexOf(LF, p + 1)) n++;
    state[At.newlines] = get(At.newlines) + n;
  }

  function find(from: number, to: number): number {
    for (
      let q = buffer.indexOf('From ', from, 'latin1');
      q >= 0 && q + 5 <= to;
      q = buffer.indexOf('From ', q + 5, 'latin1')
    ) {
      const before = buffer[q - 1];
      if (q > 0 && (before === LF || before === 0)) {
        countNewlines(from, q);
        return q;
      }
    }
    const limit = Math.max(from, to - 4);
    countNewlines(from, limit);
    return limit;
  }

  function hash(from: number, to: number): void {
    let h1 = get(At.hash1);
    let h2 = get(At.hash2);
    let p = from;
    for (; p + 8 <= to; p += 8) {
      h1 = Math.imul(rotate(h1 ^ buffer.readInt32LE(p), 13), C1);
      h2 = Math.imul(rotate((h2 + buffer.readInt32LE(p + 4)) | 0, 17), C2);
    }
    for (; p < to; p++) {
      h1 = Math.imul(rotate(h1 ^ (buffer[p] ?? 0), 13), C1);
      h2 = Math.imul(rotate((h2 + (buffer[p] ?? 0)) | 0, 17), C2);
    }
    h1 = (h1 + rotate(h2, 5)) | 0;
    h2 ^= rotate(h1, 11);
    state[At.hash1] = h1;
    state[At.hash2] = h2;
  }

  function fieldKind(from: number, length: number): number {
    let name = '';
    for (let k = 0; k < 16 && k < length; k++) {
      const c = (buffer[from + k] ?? 0) | 32;
      name += String.fromCharCode(c);
      if (c === 58) return FIELDS.get(name) ?? 0;
    }
    return 0;
  }

  /** A line of the header that begins a field or goes on with one. */
  function line(from: number, length: number): void {
    const first = buffer[from];
    const folded = first === 32 || first === 9;
    let kind = get(At.field);
    if (!folded) {
      kind = fieldKind(from, length);
      state[At.field] = kind;
    }
    let bits = get(At.bits);
    if (kind === 2 || kind === 3) {
      const seen = kind === 2 ? At.status : At.xstatus;
      if (folded || get(seen) > 0) bits |= RowBit.status;
      state[seen] = get(seen) + 1;
      const letters = LETTERS[kind] ?? {};
      for (let k = folded ? 0 : kind === 2 ? 7 : 9; k < length; k++) {
        state[At.flags] = get(At.flags) | (letters[buffer[from + k] ?? 0] ?? 0);
      }
    } else if (kind === 4) {
      bits |= RowBit.keywords;
      let h = get(At.keywords);
      for (let k = 0; k < length; k++) h = Math.imul(h ^ (buffer[from + k] ?? 0), 0x0100_0193);
      state[At.keywords] = h;
    }
    if (kind === 5) bits |= RowBit.quoted;
    state[At.bits] = bits;
    if (kind === 0 || kind === 5) hash(from, from + length);
  }

  function walk(from: number, end: number, eof: number): number {
    let p = from;
    for (;;) {
      if (get(At.long) === 1) {
        const lf = buffer.indexOf(LF, p);
        if (lf < 0 || lf >= end) return end;
        state[At.newlines] = get(At.newlines) + 1;
        state[At.long] = 0;
        p = lf + 1;
      }
      if (p >= end) return p;
      const c = buffer[p];
      if (c === LF) {
        state[At.newlines] = get(At.newlines) + 1;
        state[At.done] = 1;
        return p + 1;
      }
      if (c === 13) {
        if (p + 1 >= end && eof === 0) return p;
        if (p + 1 < end && buffer[p + 1] === LF) {
          state[At.newlines] = get(At.newlines) + 1;
          state[At.done] = 1;
          return p + 2;
        }
      }
      if (c === 0) {
        state[At.done] = 2;
        return p;
      }
      let lf = buffer.indexOf(LF, p);
      if (lf >= end) lf = -1;
      if (lf < 0 && eof === 0 && end - p < LINE_HASHED) return p;
      line(p, Math.min((lf < 0 ? end : lf) - p, LINE_HASHED));
      if (lf < 0) {
        state[At.long] = 1;
        return end;
      }
      state[At.newlines] = get(At.newlines) + 1;
      p = lf + 1;
    }
  }

  return { buffer, state, find, walk, hash };
}
