/**
 * What is known of each message of an mbox, as fixed records in one buffer: 100,000 messages are 5 MB, and the same
 * bytes are the index on disk (index-file.ts). In file order; the bytes between two rows belong to the first of them.
 *
 * | octets | what |
 * | --- | --- |
 * | 0 | offset of the From_ line (float64) |
 * | 8 | octets of the content: header, empty line, body; no separator (float64) |
 * | 16 | octets of the From_ line with its line end |
 * | 20 | octets of the header, the empty line included |
 * | 24 | lines of the content |
 * | 28 | UID |
 * | 32 | flags (16 bits) |
 * | 34 | RowBit (16 bits) |
 * | 36 | identity, two words: see scan.ts |
 * | 44 | hash of X-Keywords, 0 when there is none |
 */
export const ROW_SIZE = 48;

/** Things about a message that are no flags. */
export const RowBit = {
  /** The c-client pseudo-message: kept in the file, not shown. */
  pseudo: 1,
  /** Quoted by this program, mboxrd style (quoting.ts). */
  quoted: 2,
  /** Has X-Keywords. */
  keywords: 4,
  /** Its From_ line is that of a git patch. */
  patch: 8,
  /** Its From_ line holds no date. */
  undated: 16,
  /** The From_ line ends in CR LF. */
  crlf: 32,
  /** Has more than one Status or X-Status line, or one that is folded: written anew when it changes. */
  status: 64,
  /** The From_ line has no line end: the file ends there. */
  cut: 128,
} as const;

const U32 = ROW_SIZE / 4;
const F64 = ROW_SIZE / 8;
const U16 = ROW_SIZE / 2;
const CAP = 0xffff_ffff;

/** A growing table of rows. Numbers of rows are not checked: a row past the end reads as zeros. */
export class Rows {
  length = 0;
  #f64: Float64Array;
  #u32: Uint32Array;
  #u16: Uint16Array;
  #bytes: Uint8Array;
  /** The flags of all rows, when they were stored beside them and are still true. */
  #column: Uint8Array | undefined;

  constructor(capacity = 64, memory: Uint8Array = new Uint8Array(Math.max(1, capacity) * ROW_SIZE)) {
    const { buffer, byteOffset, length } = memory;
    this.#f64 = new Float64Array(buffer, byteOffset, length / 8);
    this.#u32 = new Uint32Array(buffer, byteOffset, length / 4);
    this.#u16 = new Uint16Array(buffer, byteOffset, length / 2);
    this.#bytes = memory;
  }

  /** Rows that were stored as bytes, in place; their number must be whole and their place a multiple of 8. `flags`: what
   *  `allFlags(0)` gave when they were stored. */
  static over(bytes: Uint8Array, flags?: Uint8Array): Rows {
    const rows = new Rows(0, bytes);
    rows.length = bytes.length / ROW_SIZE;
    rows.#column = flags;
    return rows;
  }

  /** The rows in use, as they are stored. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length * ROW_SIZE);
  }

  add(): number {
    this.#column = undefined;
    if ((this.length + 1) * ROW_SIZE > this.#bytes.length) this.#grow(this.length * 2 + 64);
    this.#bytes.fill(0, this.length * ROW_SIZE, (this.length + 1) * ROW_SIZE);
    return this.length++;
  }

  /** Adds whole rows. */
  append(bytes: Uint8Array): void {
    this.#column = undefined;
    const at = this.length * ROW_SIZE;
    if (at + bytes.length > this.#bytes.length) this.#grow((this.length + bytes.length / ROW_SIZE) * 2);
    this.#bytes.set(bytes, at);
    this.length += bytes.length / ROW_SIZE;
  }

  #grow(capacity: number): void {
    const larger = new Rows(capacity);
    larger.#bytes.set(this.bytes());
    this.#f64 = larger.#f64;
    this.#u32 = larger.#u32;
    this.#u16 = larger.#u16;
    this.#bytes = larger.#bytes;
  }

  /** A copy of the first `length` rows. */
  head(length: number): Rows {
    return Rows.over(this.#bytes.slice(0, Math.min(length, this.length) * ROW_SIZE));
  }

  offset(row: number): number {
    return this.#f64[row * F64] ?? 0;
  }
  size(row: number): number {
    return this.#f64[row * F64 + 1] ?? 0;
  }
  fromSize(row: number): number {
    return this.#u32[row * U32 + 4] ?? 0;
  }
  headerSize(row: number): number {
    return this.#u32[row * U32 + 5] ?? 0;
  }
  lines(row: number): number {
    return this.#u32[row * U32 + 6] ?? 0;
  }
  uid(row: number): number {
    return this.#u32[row * U32 + 7] ?? 0;
  }
  flags(row: number): number {
    return this.#u16[row * U16 + 16] ?? 0;
  }
  /** The flags of all rows from `first` on. */
  allFlags(first: number): Uint8Array {
    if (this.#column?.length === this.length) return this.#column.subarray(first);
    const out = new Uint8Array(this.length - first);
    const u16 = this.#u16;
    for (let i = 0, at = first * U16 + 16; i < out.length; i++, at += U16) out[i] = u16[at] ?? 0;
    return out;
  }
  bits(row: number): number {
    return this.#u16[row * U16 + 17] ?? 0;
  }
  /** Where the content starts. */
  start(row: number): number {
    return this.offset(row) + this.fromSize(row);
  }
  /** Both words of the identity as one number below 2^53: the second word is cut. */
  identity(row: number): number {
    return (this.#u32[row * U32 + 9] ?? 0) * 0x20_0000 + ((this.#u32[row * U32 + 10] ?? 0) >>> 11);
  }

  setExtent(row: number, offset: number, fromSize: number, headerSize: number, size: number, lines: number): void {
    this.#f64[row * F64] = offset;
    this.#f64[row * F64 + 1] = size;
    this.#u32[row * U32 + 4] = fromSize;
    this.#u32[row * U32 + 5] = Math.min(headerSize, CAP);
    this.#u32[row * U32 + 6] = Math.min(lines, CAP);
  }
  setIdentity(row: number, first: number, second: number): void {
    this.#u32[row * U32 + 9] = first;
    this.#u32[row * U32 + 10] = second;
  }
  keywords(row: number): number {
    return this.#u32[row * U32 + 11] ?? 0;
  }
  setKeywords(row: number, hash: number): void {
    this.#u32[row * U32 + 11] = hash;
  }
  setUid(row: number, uid: number): void {
    this.#u32[row * U32 + 7] = uid;
  }
  setFlags(row: number, flags: number): void {
    this.#column = undefined;
    this.#u16[row * U16 + 16] = flags;
  }
  setBits(row: number, bits: number): void {
    this.#u16[row * U16 + 17] = bits;
  }
}
