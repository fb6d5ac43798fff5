/**
 * What can be wrong with an mbox, and what must be put in where to set it right. Reads the file; changes nothing.
 */
import {
  FROM_LINE_LIMIT,
  FromKind,
  fieldNameAt,
  followedByHeader,
  fromKind,
  isWellKnownField,
  makeFromLine,
} from './from-line.ts';
import { kernelFor } from './kernel.ts';
import { RowBit, Rows } from './rows.ts';
import { type Source, scanInto } from './scan.ts';
import { fieldLines } from './status.ts';

export interface Finding {
  /** Octets from the start of the file, and the line there (from 1). */
  readonly offset: number;
  readonly line: number;
  readonly kind:
    | 'journal'
    | 'empty-start'
    | 'no-mailbox'
    | 'text-before'
    | 'separator-damaged'
    | 'separator-glued'
    | 'separator-undated'
    | 'header-line'
    | 'header-end'
    | 'length'
    | 'nul'
    | 'no-line-end'
    | 'mixed-line-ends';
  /** One line for the user, without line end. */
  readonly text: string;
}

/** Octets to be put in front of the one at `offset`. */
export interface Insertion {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface Found {
  readonly messages: number;
  readonly dialect: string;
  readonly findings: readonly Finding[];
  readonly insertions: readonly Insertion[];
  readonly recovered: number;
  readonly leading: number;
}

type Unnumbered = Omit<Finding, 'line'>;

const LF = 10;
const CR = 13;
const CHUNK = 1 << 20;
/** Lines are looked at up to here. */
const LINE = FROM_LINE_LIMIT;
const HEADER_LIMIT = 256 * 1024;
/** What may be left of `From ` when its start was lost. */
const STUMPS = ['rom ', 'om ', 'm '];

class Examination {
  readonly #source: Source;
  readonly #size: number;
  readonly findings: Unnumbered[] = [];
  readonly insertions: Insertion[] = [];
  rows = new Rows();
  recovered = 0;
  leading = 0;
  #eol = '\n';

  constructor(source: Source, size: number) {
    this.#source = source;
    this.#size = size;
  }

  note(kind: Finding['kind'], offset: number, text: string, ...insert: string[]): void {
    this.findings.push({ kind, offset, text });
    const bytes = Buffer.from(insert.join(''), 'latin1');
    if (bytes.length > 0) this.insertions.push({ offset, bytes });
  }

  #bytes(from: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.#size - from)));
    return bytes.subarray(0, this.#source.read(bytes, from));
  }

  /** A From_ line and a header for something that belongs to no message. */
  #wrapper(subject: string): string {
    const lines = [makeFromLine('MAILER-DAEMON', 0), `Subject: [fsck] ${subject}`, '', ''];
    return lines.join(this.#eol);
  }

  /** Ends a message that holds NULs: at its very end they would again be nobody's. */
  #closing(): string {
    return ['', '[fsck] end', '', ''].join(this.#eol);
  }

  run(oneMessage: boolean): void {
    const start = this.#start();
    if (this.#size === 0 || start.at >= this.#size) return;
    const first = this.#firstSeparator(start.at);
    const line = this.#bytes(first, LINE);
    if (line[line.indexOf(LF) - 1] === CR) this.#eol = '\r\n';
    if (first > start.at) this.#textBefore(start.at, first, oneMessage);
    if (first < this.#size) {
      scanInto(this.rows, kernelFor(this.#size), this.#source, this.#size, first === start.at ? 0 : first);
    }
    for (let row = 0; row < this.rows.length; row++) this.#row(row);
    this.#bodies();
    this.#end();
  }

  /** Empty lines, NULs and a byte order mark in front of everything. */
  #start(): { at: number } {
    let at = 0;
    let empty = true;
    const mark = this.#bytes(0, 3);
    if (mark[0] === 0xef && mark[1] === 0xbb && mark[2] === 0xbf) {
      at = 3;
      empty = false;
    }
    for (;;) {
      const block = this.#bytes(at, CHUNK);
      let i = 0;
      while (i < block.length && (block[i] === LF || block[i] === CR || block[i] === 0)) {
        if (block[i] === 0) empty = false;
        i++;
      }
      at += i;
      if (i < block.length || block.length === 0) break;
    }
    if (at === 0 || at >= this.#size) return { at };
    if (empty) {
      this.leading = at;
      this.findings.push({
        kind: 'empty-start',
        offset: 0,
        text: `${at} octets of empty lines before the first message`,
      });
    } else {
      this.recovered++;
      const text = `${at} octets before the first message (NULs or a byte order mark)`;
      this.note('empty-start', 0, text, this.#wrapper('found before the first message'));
      this.insertions.push({ offset: at, bytes: Buffer.from(this.#closing()) });
    }
    return { at };
  }

  /** The first place from `from` on where a message begins, empty line or not; the end when there is none. */
  #firstSeparator(from: number): number {
    for (const { offset, bytes } of this.#lines(from)) {
      if (this.#isSeparator(bytes, 0)) return offset;
    }
    return this.#size;
  }

  #isSeparator(bytes: Buffer, at: number): boolean {
    if (bytes.toString('latin1', at, at + 5) !== 'From ') return false;
    const lf = bytes.indexOf(LF, at);
    const end = lf < 0 ? bytes.length : lf;
    const kind = fromKind(bytes, at, end > at && bytes[end - 1] === CR ? end - 1 : end);
    if (kind === FromKind.dated) return true;
    return kind !== FromKind.text && followedByHeader(bytes, end + 1, bytes.length, kind === FromKind.word);
  }

  /** Lines of the file from `from` (the start of one), as their beginning with some of what follows. */
  *#lines(from: number): Generator<{ offset: number; bytes: Buffer }> {
    let base = from;
    while (base < this.#size) {
      const block = this.#bytes(base, CHUNK + 2 * LINE);
      const last = base + block.length >= this.#size;
      let p = 0;
      while (p < block.length && (last || p < CHUNK)) {
        yield { offset: base + p, bytes: block.subarray(p, p + 2 * LINE) };
        const lf = block.indexOf(LF, p);
        p = lf < 0 ? block.length : lf + 1;
      }
      if (p === 0 || block.length === 0) return;
      base += p;
    }
  }

  #textBefore(from: number, to: number, oneMessage: boolean): void {
    const what = to === this.#size ? 'no message begins anywhere in the file' : 'text before the first message';
    if (oneMessage) {
      const line = `${makeFromLine('MAILER-DAEMON', 0)}${this.#eol}`;
      this.note('no-mailbox', from, 'a message without a From_ line', line);
    } else {
      this.recovered++;
      this.note(to === this.#size ? 'no-mailbox' : 'text-before', from, what, this.#wrapper('text without a message'));
    }
    if (to < this.#size) this.#ensureEmptyLine(to);
  }

  /** Puts in what is missing so that an empty line is before `offset`. */
  #ensureEmptyLine(offset: number): void {
    const before = this.#bytes(Math.max(0, offset - 4), Math.min(4, offset)).toString('latin1');
    const missing = /\n\r?\n$/.test(before) ? '' : before.endsWith('\n') ? this.#eol : this.#eol + this.#eol;
    if (missing !== '') this.insertions.push({ offset, bytes: Buffer.from(missing) });
  }

  #row(row: number): void {
    const { rows } = this;
    const offset = rows.offset(row);
    const bits = rows.bits(row);
    if ((bits & (RowBit.undated | RowBit.patch)) !== 0) {
      const fresh = `${makeFromLine('MAILER-DAEMON', 0)}${this.#eol}X-Original-Separator: `;
      const what = (bits & RowBit.patch) !== 0 ? 'of a git patch' : 'without a date';
      this.note('separator-undated', offset, `a From_ line ${what}: other programs may not see it`, fresh);
    }
    if ((bits & RowBit.crlf) !== (rows.bits(0) & RowBit.crlf)) {
      this.findings.push({ kind: 'mixed-line-ends', offset, text: 'line ends differ from those of the first message' });
    }
    this.#header(row);
    const end = rows.start(row) + rows.size(row);
    const next = row + 1 < rows.length ? rows.offset(row + 1) : this.#size;
    this.#gap(end, next, row + 1 < rows.length);
  }

  #header(row: number): void {
    const start = this.rows.start(row);
    const header = this.#bytes(start, Math.min(this.rows.headerSize(row), HEADER_LIMIT));
    this.#lengths(row, start, header);
    for (let p = 0; p < header.length; ) {
      const lf = header.indexOf(LF, p);
      const end = lf < 0 ? header.length : lf;
      const folded = p > 0 && (header[p] === 32 || header[p] === 9);
      const empty = end === p || (end === p + 1 && header[p] === CR);
      if (empty) return;
      if (!folded && fieldNameAt(header, p, header.length) === '' && header[p] !== 62) {
        if (this.#oddLine(start, header, p, end)) return;
      }
      p = end + 1;
    }
  }

  /** A line in a header that is no field; true when the header must end there. */
  #oddLine(start: number, header: Buffer, p: number, end: number): boolean {
    const stump = this.#stump(header, p, end);
    if (stump || hasKnownField(header, end + 1)) {
      const text = stump ? 'a damaged From_ line inside a header' : 'a line in a header that is no header field';
      this.note(stump ? 'separator-damaged' : 'header-line', start + p, text, 'X-Damaged-Line: ');
      return false;
    }
    this.note('header-end', start + p, 'no empty line between header and text', this.#eol);
    return true;
  }

  /** Whether the line is what is left of a dated From_ line. */
  #stump(bytes: Buffer, p: number, end: number): boolean {
    const text = bytes.toString('latin1', p, Math.min(end, p + LINE)).replace(/\r$/, '');
    const stump = STUMPS.find((one) => text.startsWith(one));
    if (stump === undefined) return false;
    const whole = Buffer.from(`From ${text.slice(stump.length)}`, 'latin1');
    return fromKind(whole, 0, whole.length) === FromKind.dated;
  }

  #lengths(row: number, start: number, header: Buffer): void {
    const body = this.rows.size(row) - this.rows.headerSize(row);
    for (const { from, value, end } of fieldLines(header, 'content-length')) {
      const says = header.toString('latin1', value, end).trim();
      if (says === String(body) || says === String(body + 1)) continue;
      const text = `Content-Length is ${JSON.stringify(says.slice(0, 20))} where the text has ${body} octets`;
      this.note('length', start + from, text, 'X-Original-');
    }
  }

  /** Between the content of a message and the next one. */
  #gap(from: number, to: number, followed: boolean): void {
    const gap = this.#bytes(from, Math.min(to - from, CHUNK));
    const nul = gap.indexOf(0);
    if (nul < 0) return;
    let n = nul;
    while (n < gap.length && gap[n] === 0) n++;
    const offset = from + nul;
    this.recovered++;
    this.#ensureEmptyLine(offset);
    this.note('nul', offset, `a block of NULs: something was lost here`, this.#wrapper(`${n - nul} NULs were here`));
    this.insertions.push({ offset: offset + n - nul, bytes: Buffer.from(this.#closing()) });
    if (followed) this.#ensureEmptyLine(to);
  }

  /** From_ lines in bodies that other readers, or the writer, took for the start of a message. */
  #bodies(): void {
    let row = 0;
    for (const { offset, bytes } of this.#suspects(this.rows.length > 0 ? this.rows.offset(0) : this.#size)) {
      while (row + 1 < this.rows.length && this.rows.offset(row + 1) <= offset) row++;
      if (offset < this.rows.start(row) + this.rows.headerSize(row)) continue;
      const before = this.#bytes(Math.max(0, offset - 3), Math.min(3, offset)).toString('latin1');
      this.#bodyLine(offset, bytes, /\n\r?\n$/.test(before));
    }
  }

  /** Lines that start like a From_ line or what may be left of one, with some of what follows. */
  *#suspects(from: number): Generator<{ offset: number; bytes: Buffer }> {
    const needles = ['From ', ...STUMPS].map((text) => Buffer.from(`\n${text}`));
    for (let base = from; base < this.#size; base += CHUNK) {
      const block = this.#bytes(base, CHUNK + 2 * LINE);
      const found: number[] = [];
      for (const needle of needles) {
        for (let p = block.indexOf(needle); p >= 0 && p < CHUNK; p = block.indexOf(needle, p + 1)) found.push(p + 1);
      }
      for (const p of found.sort((a, b) => a - b)) yield { offset: base + p, bytes: block.subarray(p, p + 2 * LINE) };
    }
  }

  #bodyLine(offset: number, bytes: Buffer, afterEmpty: boolean): void {
    const lf = bytes.indexOf(LF);
    const end = lf < 0 ? bytes.length : lf;
    if (!followedByHeader(bytes, end + 1, bytes.length, true)) return;
    if (bytes.toString('latin1', 0, 5) === 'From ') {
      const kind = fromKind(bytes, 0, bytes[end - 1] === CR ? end - 1 : end);
      if (kind !== FromKind.dated || afterEmpty) return;
      this.note('separator-glued', offset, 'a From_ line without an empty line before it', this.#eol);
    } else if (this.#stump(bytes, 0, end)) {
      const stump = STUMPS.find((one) => bytes.toString('latin1', 0, 4).startsWith(one)) ?? '';
      const lost = 'From '.slice(0, 5 - stump.length);
      const before = afterEmpty ? '' : this.#eol;
      this.note('separator-damaged', offset, `a From_ line that lost its beginning "${lost}"`, before, lost);
    }
  }

  #end(): void {
    const last = this.#bytes(this.#size - 1, 1)[0];
    if (last !== LF && last !== 0) {
      this.note('no-line-end', this.#size, 'the last line has no line end', this.#eol, this.#eol);
    }
  }

  dialect(): string {
    const words = ['mbox'];
    const any = (bit: number): boolean => {
      for (let row = 0; row < this.rows.length; row++) if ((this.rows.bits(row) & bit) !== 0) return true;
      return false;
    };
    if (any(RowBit.crlf)) words.push('CR LF');
    if (any(RowBit.undated)) words.push('separators without dates');
    if (any(RowBit.patch)) words.push('git patches');
    if (any(RowBit.quoted)) words.push('some messages quoted as mboxrd');
    return words.join(', ');
  }
}

/** Whether a well-known field comes in the header from `p` on. */
function hasKnownField(header: Buffer, p: number): boolean {
  for (let at = p; at < header.length; ) {
    if (isWellKnownField(fieldNameAt(header, at, header.length))) return true;
    const lf = header.indexOf(LF, at);
    if (lf < 0) return false;
    at = lf + 1;
  }
  return false;
}

/** Examines the first `size` octets; `oneMessage`: the file looks like one message without From_ line. */
export function findFaults(source: Source, size: number, oneMessage: boolean): Found {
  const examination = new Examination(source, size);
  examination.run(oneMessage);
  const { rows, recovered, leading } = examination;
  const byOffset = <T extends { offset: number }>(list: T[]): T[] => list.sort((a, b) => a.offset - b.offset);
  return {
    messages: rows.length,
    dialect: examination.dialect(),
    findings: numbered(source, byOffset(examination.findings)),
    insertions: byOffset(examination.insertions),
    recovered,
    leading,
  };
}

/** Adds line numbers, in one pass over as much of the file as is needed. */
function numbered(source: Source, findings: readonly Unnumbered[]): Finding[] {
  const block = Buffer.alloc(CHUNK);
  let at = 0;
  let line = 1;
  return findings.map((finding) => {
    while (at < finding.offset) {
      const n = source.read(block.subarray(0, Math.min(CHUNK, finding.offset - at)), at);
      if (n === 0) break;
      for (let p = block.indexOf(LF); p >= 0 && p < n; p = block.indexOf(LF, p + 1)) line++;
      at += n;
    }
    return { ...finding, line };
  });
}
