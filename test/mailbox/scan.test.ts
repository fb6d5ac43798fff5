import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wasmKernel } from '../../src/mailbox/kernel.ts';
import { Rows } from '../../src/mailbox/rows.ts';
import { NotMbox, type Source, scanInto } from '../../src/mailbox/scan.ts';
import { type Kernel, plainKernel } from '../../src/mailbox/scan-plain.ts';
import { latin1 } from './boxes.ts';

/** Small, so that everything is cut by its ends somewhere. */
const SMALL = 4096;

function sourceOf(bytes: Uint8Array): Source {
  return {
    read(into, position) {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
}

function scan(bytes: Uint8Array, kernel: Kernel): Rows {
  const rows = new Rows();
  scanInto(rows, kernel, sourceOf(bytes), bytes.length);
  return rows;
}

/** Every field of every row, as text. */
function dump(rows: Rows): string[] {
  const list: string[] = [];
  for (let r = 0; r < rows.length; r++) {
    const numbers = [rows.offset(r), rows.fromSize(r), rows.headerSize(r), rows.size(r), rows.lines(r)];
    list.push([...numbers, rows.flags(r), rows.bits(r), rows.keywords(r), rows.identity(r)].join(' '));
  }
  return list;
}

function contents(text: string): string[] {
  const bytes = Buffer.from(text, 'latin1');
  const rows = scan(bytes, plainKernel(SMALL));
  return Array.from({ length: rows.length }, (_, r) =>
    latin1(bytes.subarray(rows.start(r), rows.start(r) + rows.size(r))),
  );
}

const DATED = 'From ann@a.test Mon Mar  3 10:00:00 2025';

const lineKinds = fc.constantFrom(
  DATED,
  'From ann@a.test Tue Mar 09 17:00:00 +0500 2019',
  'From "ann lee"@a.test Mon Mar  3 10:00 2025 remote from hosta',
  'From ',
  'From -',
  'From ann@a.test',
  'From Russia with love',
  `From ${'0123456789abcdef'.repeat(3).slice(0, 40)} Mon Sep 17 00:00:00 2001`,
  '>From ann@a.test Mon Mar  3 10:00:00 2025',
  'From: ann@a.test',
  'Subject: one',
  'Status: RO',
  'X-Status: AF',
  'X-Keywords: one two',
  'status:O',
  'X-UID: 17',
  'x-imapbase: 1 2',
  'Content-Length: 3',
  'Lines: 7',
  'X-Mbox-Quoting: mboxrd',
  ' folded',
  '',
  '',
  '',
  '\0',
  '\0'.repeat(8),
  '\0'.repeat(700),
  'text',
  '\n'.repeat(9),
  'x'.repeat(1003),
  `X-Long: ${'y'.repeat(5000)}`,
);
const hostile = fc
  .array(fc.tuple(lineKinds, fc.constantFrom('\n', '\n', '\n', '\r\n', '', '\0')), { maxLength: 60 })
  .map((parts) => parts.map(([line, end]) => line + end).join(''));
/** A message as most are, so that the kernel's short way is taken, with something odd in it now and then. */
const usual = fc
  .tuple(
    fc.constantFrom(DATED, DATED, 'From bob Tue Apr 11 09:08:07 2023'),
    fc.array(lineKinds, { maxLength: 4 }),
    hostile,
  )
  .map(
    ([from, header, body]) => `${from}\nSubject: x\n${header.filter((line) => line !== '').join('\n')}\n\n${body}\n\n`,
  );
/** What is behind the last message, so that it is not the end of the file. */
const REST = `\n\n${DATED}\n\n${'end\n'.repeat(400)}`;
const usualBox = fc.array(usual, { maxLength: 8 }).map((list) => Buffer.from(list.join('') + REST, 'latin1'));
const box = fc.tuple(fc.constantFrom('', '\n', '\0\0\0\n', '\xef\xbb\xbf'), hostile).map(([start, rest]) => {
  return Buffer.from(`${start}${DATED}\n${rest}`, 'latin1');
});

describe('scan', () => {
  it('gives the same rows by every kernel and however the file is cut', () => {
    const wasm = wasmKernel(SMALL);
    const large = wasmKernel(1 << 18);
    expect(wasm, 'dist/scan-kernel.wasm: npm run build').toBeDefined();
    if (wasm === undefined || large === undefined) return;
    const plain = plainKernel(SMALL);
    const whole = plainKernel(1 << 18);
    fc.assert(
      fc.property(fc.oneof(box, usualBox), (bytes) => {
        const expected = dump(scan(bytes, whole));
        expect(dump(scan(bytes, plain))).toEqual(expected);
        expect(dump(scan(bytes, wasm))).toEqual(expected);
        expect(dump(scan(bytes, large))).toEqual(expected);
      }),
      { numRuns: 600 },
    );
  });

  it('finds with either kernel what the other finds, from any place to any other', () => {
    const wasm = wasmKernel(SMALL);
    if (wasm === undefined) return;
    const plain = plainKernel(SMALL);
    const text = fc.array(fc.constantFrom('From ', '\n', 'F', '\0', 'xyz', '\nFrom ', '.'.repeat(70)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(text, fc.nat(), fc.nat(), (parts, a, b) => {
        const bytes = Buffer.from(`\n${parts.join('')}`);
        const from = 1 + (a % bytes.length);
        const to = Math.min(bytes.length, from + (b % (bytes.length + 1)));
        for (const kernel of [plain, wasm]) {
          kernel.buffer.fill(0);
          kernel.buffer.set(bytes);
          kernel.state.fill(0);
        }
        expect(wasm.find(from, to)).toBe(plain.find(from, to));
        expect(wasm.state[0]).toBe(plain.state[0]);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives rows that part the file, whatever the bytes are', () => {
    const plain = plainKernel(SMALL);
    const any = fc.oneof(
      box,
      fc.uint8Array({ maxLength: 3000 }),
      hostile.map((text) => Buffer.from(text, 'latin1')),
    );
    fc.assert(
      fc.property(any, (bytes) => {
        let rows: Rows;
        try {
          rows = scan(bytes, plain);
        } catch (error) {
          expect(error).toBeInstanceOf(NotMbox);
          return;
        }
        let end = 0;
        for (let r = 0; r < rows.length; r++) {
          expect(rows.offset(r)).toBeGreaterThanOrEqual(end);
          expect(rows.headerSize(r)).toBeLessThanOrEqual(rows.size(r));
          end = rows.start(r) + rows.size(r);
          // What is between two rows is no text.
          const next = r + 1 < rows.length ? rows.offset(r + 1) : bytes.length;
          expect(latin1(bytes.subarray(end, next))).toMatch(/^[\r\n\0]*$/);
        }
        expect(end).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 600 },
    );
  });

  it('goes on from any message as if it had begun at the start', () => {
    const plain = plainKernel(SMALL);
    fc.assert(
      fc.property(box, fc.nat(), (bytes, pick) => {
        const rows = scan(bytes, plain);
        const row = pick % rows.length;
        const again = rows.head(row);
        scanInto(again, plain, sourceOf(bytes), bytes.length, row === 0 ? 0 : rows.offset(row));
        expect(dump(again)).toEqual(dump(rows));
      }),
      { numRuns: 300 },
    );
  });

  it('knows identities by what a mail program does not change', () => {
    const identity = (text: string): number => scan(Buffer.from(text, 'latin1'), plainKernel(SMALL)).identity(0);
    const header = 'Subject: one\nTo: lee\n';
    const one = identity(`${DATED}\n${header}\nbody\n`);
    expect(identity(`${DATED}\nStatus: RO\n${header}X-UID: 4\nX-Keywords: a\n b\n\nbody\n\n`)).toBe(one);
    expect(identity(`${DATED}\n${header}Content-Length: 5\nLines: 1\n\nbody`)).toBe(one);
    expect(identity(`${DATED}\n${header}\nbodz\n`)).not.toBe(one);
    expect(identity(`${DATED}\nSubject: two\nTo: lee\n\nbody\n`)).not.toBe(one);
    expect(identity(`From bob@a.test Mon Mar  3 10:00:00 2025\n${header}\nbody\n`)).not.toBe(one);
  });

  it('reads flags, and counts lines as they are stored', () => {
    const rows = scan(Buffer.from(`${DATED}\nStatus: RO\nX-Status: AFTD\n\na\nb`), plainKernel(SMALL));
    expect([rows.flags(0), rows.lines(0), rows.headerSize(0), rows.size(0)]).toEqual([63, 5, 27, 30]);
  });

  it('takes the empty line before a From_ line, and blocks of NULs, for no text', () => {
    expect(contents(`${DATED}\nA: 1\n\nx\n\n${DATED}\nA: 2\n\n${DATED}\nA: 3\n\n\n\n${DATED}\nA: 4\n\ny`)).toEqual([
      'A: 1\n\nx\n',
      'A: 2\n\n',
      'A: 3\n\n\n',
      'A: 4\n\ny',
    ]);
    const nuls = '\0'.repeat(5000);
    expect(contents(`${DATED}\nA: 1\n\nx\n\n${nuls}\n\n${DATED}\nA: 2\n\ncut off${nuls}${DATED}\nA: 3\n\ny\n`)).toEqual(
      ['A: 1\n\nx\n', 'A: 2\n\ncut off', 'A: 3\n\ny\n'],
    );
  });

  it('refuses what does not begin as an mbox does, with its first line', () => {
    for (const text of ['hello\n', 'From Russia with love\n', '\n\nx: y\n', 'From\n', `x${DATED}\n`]) {
      expect(() => scan(Buffer.from(text), plainKernel(SMALL))).toThrow(NotMbox);
    }
    expect(scan(Buffer.from('\n\n\0\0\r\n'), plainKernel(SMALL)).length).toBe(0);
  });
});
