/**
 * Finds the messages of an mbox in one pass: where each starts, its header ends, its content ends, its flags.
 *
 * The pass reads the file through one buffer of bounded size, whatever the file holds; no input makes it throw but a
 * file that does not begin as an mbox does. What has to be fast is done by a kernel (scan-kernel.ts in WebAssembly, or
 * scan-plain.ts); what has to be right, the rules of what begins a message, is here and in from-line.ts.
 *
 * A message begins at a `From ` line of the right shape at the start of the file, behind an empty line, or behind a
 * block of NULs (a file system that lost a block leaves those). `Content-Length` is not believed: the sender wrote it.
 *
 * The identity of a message is a hash of its From_ line, its header without the fields that mail programs change in
 * place (Status and its like), the length of its body and both ends of it. It finds a message again after another
 * program has written the file anew.
 */
import { FROM_LINE_LIMIT, FromKind, followedByHeader, fromKind, HEADER_LOOK } from './from-line.ts';
import { RowBit, type Rows } from './rows.ts';
import { At, type Kernel } from './scan-plain.ts';

/** Where the scan reads from: fills `into` from `position`, returns less only at the end. */
export interface Source {
  read(into: Uint8Array, position: number): number;
}

/** The file does not begin as an mbox does. */
export class NotMbox extends Error {
  /** Its first line that is not empty, as bytes. */
  readonly line: Uint8Array;
  constructor(line: Uint8Array) {
    super('not an mbox');
    this.line = line;
  }
}

const LF = 10;
const CR = 13;
/** Octets kept before the place where the scan stands: separators and the end of a body. */
const CONTEXT = 512;
/** Octets needed behind the start of a line to know whether it begins a message. */
const LOOKAHEAD = FROM_LINE_LIMIT + HEADER_LOOK + 16;
const SAMPLE = 64;
/** So many NULs in a row part messages wherever they stand. */
const NUL_BLOCK = 8;

/** A scan under way. */
class Scan {
  readonly #kernel: Kernel;
  readonly #source: Source;
  readonly #rows: Rows;
  readonly #size: number;
  readonly #buffer: Uint8Array;
  readonly #state: Int32Array;
  /** File offset of the buffer's first octet, and octets in it. */
  #base = 0;
  #end = 0;
  /** The buffer reaches the end of the file. */
  #eof = false;
  /** The message whose end is not known yet. */
  #open = false;
  #offset = 0;
  #fromSize = 0;
  #headerEnd = 0;
  #rowBits = 0;
  /** Hash after header and first octets of the body, when there are SAMPLE of them. */
  #sample1 = 0;
  #sample2 = 0;
  #patches: boolean;

  constructor(kernel: Kernel, source: Source, size: number, rows: Rows) {
    this.#kernel = kernel;
    this.#source = source;
    this.#size = size;
    this.#rows = rows;
    this.#buffer = kernel.buffer;
    this.#state = kernel.state;
    this.#patches = rows.length === 0 || (rows.bits(rows.length - 1) & RowBit.patch) !== 0;
  }

  /** Scans from `from`, which is 0 or a place where a message is known to begin. */
  run(from: number): void {
    this.#base = from;
    this.#fill(0);
    let p = from === 0 ? this.#preamble() : 0;
    if (p < 0) return;
    p = this.#begin(p, this.#fromKindAt(p));
    for (;;) {
      p = this.#header(p);
      p = this.#body(p);
      if (p < 0) return;
    }
  }

  /** Keeps what lies behind `keep`, fills the rest of the buffer; returns how far everything moved. */
  #fill(keep: number): number {
    const b = this.#buffer;
    if (keep > 0) {
      b.copyWithin(0, keep, this.#end);
      this.#base += keep;
      this.#end -= keep;
    }
    const want = Math.min(b.length - this.#end, this.#size - this.#base - this.#end);
    const got = want > 0 ? this.#source.read(b.subarray(this.#end, this.#end + want), this.#base + this.#end) : 0;
    this.#end += got;
    this.#eof = got < want || this.#base + this.#end >= this.#size;
    return keep;
  }

  /** Makes room behind `p`, keeping the context before it; returns where `p` is now. */
  #more(p: number): number {
    return p - this.#fill(Math.max(0, p - CONTEXT));
  }

  /** The octet at a buffer place, which may lie before the buffer. */
  #at(p: number): number {
    if (p >= 0) return this.#buffer[p] ?? 0;
    if (this.#base + p < 0) return LF;
    const one = new Uint8Array(1);
    this.#source.read(one, this.#base + p);
    return one[0] ?? 0;
  }

  /** Passes a byte order mark, empty lines and NULs; where the first message begins, or -1 when there is none. */
  #preamble(): number {
    const b = this.#buffer;
    let p = b[0] === 0xef && b[1] === 0xbb && b[2] === 0xbf && this.#end >= 3 ? 3 : 0;
    for (;;) {
      while (p < this.#end && (b[p] === LF || b[p] === CR || b[p] === 0)) p++;
      if (this.#eof) break;
      if (p + LOOKAHEAD <= this.#end) break;
      p = this.#more(p);
    }
    if (p >= this.#end) return -1;
    if (this.#fromKindAt(p) === FromKind.text) {
      const lf = b.indexOf(LF, p);
      throw new NotMbox(b.slice(p, Math.min(lf < 0 ? this.#end : lf, this.#end, p + 200)));
    }
    return p;
  }

  /** What begins at `p`; FromKind.text unless it begins a message. There are LOOKAHEAD octets, or the file ends. */
  #fromKindAt(p: number): number {
    const b = this.#buffer;
    if (
      p + 5 > this.#end ||
      b[p] !== 70 ||
      b[p + 1] !== 114 ||
      b[p + 2] !== 111 ||
      b[p + 3] !== 109 ||
      b[p + 4] !== 32
    ) {
      return FromKind.text;
    }
    let lf = b.indexOf(LF, p);
    if (lf < 0 || lf >= this.#end) lf = this.#end;
    const end = lf > p && b[lf - 1] === CR ? lf - 1 : lf;
    const kind = fromKind(b, p, end);
    if (kind === FromKind.text || kind === FromKind.dated) return kind;
    if (kind === FromKind.patch) return this.#patches ? kind : FromKind.text;
    return followedByHeader(b, lf + 1, this.#end, kind === FromKind.word) ? kind : FromKind.text;
  }

  /** Whether an empty line or a block of NULs is before `p`. */
  #blankBefore(p: number): boolean {
    if (this.#buffer[p - 1] === LF && this.#buffer[p - 2] === LF) return true;
    let k = p;
    for (let n = 0; this.#at(k - 1) === 0; k--) if (++n === NUL_BLOCK) return true;
    if (this.#at(k - 1) !== LF) return false;
    k--;
    if (this.#at(k - 1) === CR) k--;
    for (let n = 0; this.#at(k - 1) === 0; k--) if (++n === NUL_BLOCK) return true;
    return this.#at(k - 1) === LF;
  }

  /** A message begins at `from`, and usual ones behind it; returns where the header of the last one does. */
  #begin(from: number, kind: number): number {
    const b = this.#buffer;
    const s = this.#state;
    let p = from;
    if (kind === FromKind.dated && this.#kernel.messages !== undefined) {
      const rows = this.#kernel.messages(p, this.#end, this.#base);
      this.#rows.append(rows);
      p = s[At.next] ?? p;
    }
    s.fill(0);
    let lf = b.indexOf(LF, p);
    if (lf < 0 || lf >= this.#end) lf = this.#end;
    this.#kernel.hash(p, b[lf - 1] === CR ? lf - 1 : lf);
    this.#offset = this.#base + p;
    this.#fromSize = Math.min(lf + 1, this.#end) - p;
    this.#rowBits = b[lf - 1] === CR ? RowBit.crlf : 0;
    if (kind === FromKind.patch) this.#rowBits |= RowBit.patch;
    if (kind === FromKind.bare || kind === FromKind.word) this.#rowBits |= RowBit.undated;
    if (lf === this.#end) this.#rowBits |= RowBit.cut;
    this.#patches = kind === FromKind.patch;
    this.#open = true;
    return p + this.#fromSize;
  }

  /** Goes over the header from `p`; returns where the body begins. */
  #header(from: number): number {
    const s = this.#state;
    let p = from;
    for (;;) {
      p = this.#kernel.walk(p, this.#end, this.#eof ? 1 : 0);
      if (s[At.done] !== 0 || (this.#eof && p >= this.#end)) break;
      p = this.#more(p);
    }
    this.#headerEnd = this.#base + p;
    if (p + SAMPLE > this.#end && !this.#eof) p = this.#more(p);
    if (p + SAMPLE <= this.#end) {
      const h1 = s[At.hash1] ?? 0;
      const h2 = s[At.hash2] ?? 0;
      this.#kernel.hash(p, p + SAMPLE);
      this.#sample1 = s[At.hash1] ?? 0;
      this.#sample2 = s[At.hash2] ?? 0;
      s[At.hash1] = h1;
      s[At.hash2] = h2;
    }
    return p;
  }

  /** Looks for the next message from `p`, ends the open one there; returns where the next header is, or -1. */
  #body(from: number): number {
    let p = from;
    for (;;) {
      const q = this.#kernel.find(p, this.#end);
      if (q + 5 > this.#end) {
        if (!this.#eof) {
          p = this.#more(q);
          continue;
        }
        this.#countRest(q);
        this.#finish(this.#end);
        return -1;
      }
      if (q + LOOKAHEAD > this.#end && !this.#eof) {
        p = this.#more(q);
        continue;
      }
      const kind = this.#blankBefore(q) ? this.#fromKindAt(q) : FromKind.text;
      if (kind === FromKind.text) {
        p = q + 5;
        continue;
      }
      this.#finish(q);
      return this.#begin(q, kind);
    }
  }

  #countRest(from: number): void {
    let n = 0;
    for (let p = from; p < this.#end; p++) if (this.#buffer[p] === LF) n++;
    this.#state[At.newlines] = (this.#state[At.newlines] ?? 0) + n;
  }

  /** Octets that are NUL before buffer place `end`, not below `least`. */
  #nulsBefore(end: number, least: number): number {
    let k = end;
    while (k > Math.max(0, least) && this.#buffer[k - 1] === 0) k--;
    if (k > 0 || k <= least) return end - k;
    const block = new Uint8Array(65536);
    for (let at = this.#base + k; at > this.#base + least; ) {
      const n = Math.min(block.length, at - this.#base - least);
      this.#source.read(block.subarray(0, n), at - n);
      let i = n;
      while (i > 0 && block[i - 1] === 0) i--;
      at -= n - i;
      k -= n - i;
      if (i > 0) break;
    }
    return end - k;
  }

  /** Where the content ends that is followed by a message, or the end of the file, at buffer place `end`. */
  #contentEnd(end: number, least: number): number {
    const e = this.#dropEmptyLine(this.#dropNuls(end, least), least);
    const again = this.#dropNuls(e, least);
    return again < e ? this.#dropEmptyLine(again, least) : e;
  }

  /** Passes, backwards, NULs that a file system left where something was lost, and the end of their line. */
  #dropNuls(end: number, least: number): number {
    const eol = end > least && this.#at(end - 1) === LF ? 1 : 0;
    const nuls = this.#nulsBefore(end - eol, least);
    if (nuls < NUL_BLOCK && (nuls === 0 || this.#at(end - eol - nuls - 1) !== LF)) return end;
    this.#state[At.newlines] = (this.#state[At.newlines] ?? 0) - eol;
    return end - eol - nuls;
  }

  /** Passes, backwards, the empty line that parts messages; the one that ends a header is none. */
  #dropEmptyLine(end: number, least: number): number {
    if (end <= least || this.#at(end - 1) !== LF) return end;
    let e = end - 1;
    if (e > least && this.#at(e - 1) === CR) e--;
    if (e !== least && this.#at(e - 1) !== LF) return end;
    this.#state[At.newlines] = (this.#state[At.newlines] ?? 0) - 1;
    return e;
  }

  /** The open message ends before buffer place `end`: its row is complete. */
  #finish(end: number): void {
    if (!this.#open) return;
    const s = this.#state;
    const header = this.#headerEnd - this.#base;
    const e = this.#contentEnd(end, header);
    let last = e;
    while (last > header && e - last < 8 && (this.#at(last - 1) === LF || this.#at(last - 1) === CR)) last--;
    const body = last - header;
    if (body >= SAMPLE) {
      s[At.hash1] = this.#sample1;
      s[At.hash2] = this.#sample2;
    }
    this.#hashEnd(Math.max(header, last - SAMPLE), last);
    const start = this.#offset + this.#fromSize;
    const size = this.#base + e - start;
    const open = size > 0 && this.#at(e - 1) !== LF ? 1 : 0;
    const row = this.#rows.add();
    const headerSize = Math.min(this.#headerEnd - start, size);
    this.#rows.setExtent(row, this.#offset, this.#fromSize, headerSize, size, (s[At.newlines] ?? 0) + open);
    this.#rows.setFlags(row, s[At.flags] ?? 0);
    this.#rows.setBits(row, (s[At.bits] ?? 0) | this.#rowBits);
    this.#rows.setIdentity(
      row,
      ((s[At.hash1] ?? 0) ^ body) >>> 0,
      ((s[At.hash2] ?? 0) ^ Math.floor(body / 2 ** 32)) >>> 0,
    );
    this.#rows.setKeywords(row, (s[At.keywords] ?? 0) >>> 0);
    this.#open = false;
  }

  /** Hashes the end of a body; what is not in the buffer any more (behind a block of NULs) is read again. */
  #hashEnd(from: number, to: number): void {
    if (from >= 0) {
      this.#kernel.hash(from, to);
      return;
    }
    const b = this.#buffer;
    const saved = b.slice(0, to - from);
    this.#source.read(b.subarray(0, to - from), this.#base + from);
    this.#kernel.hash(0, to - from);
    b.set(saved, 0);
  }
}

/**
 * Adds a row for each message of the file to `rows`, from offset `from` on: 0, or the start of a message, behind the
 * rows that are there. Octets from `size` on are not looked at. Throws NotMbox, and what reading throws.
 */
export function scanInto(rows: Rows, kernel: Kernel, source: Source, size: number, from = 0): void {
  if (size > from) new Scan(kernel, source, size, rows).run(from);
}
