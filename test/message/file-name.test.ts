import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { safeFileName } from '../../src/message/file-name.ts';

describe('safeFileName', () => {
  test.each([
    ['report.pdf', 'report.pdf'],
    ['a b (1).pdf', 'a b (1).pdf'],
    ['测试.pdf', '测试.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['/tmp/whoa', 'whoa'],
    ['1234/../../1234.txt', '1234.txt'],
    ['C:\\temp\\a.exe', 'a.exe'],
    ['..', 'attachment'],
    ['.', 'attachment'],
    ['', 'attachment'],
    ['/', 'attachment'],
    ['dir/', 'dir'],
    ['.bashrc', 'bashrc'],
    ['-rf', 'rf'],
    ['~root', 'root'],
    ['a\0b\n\x1b[2J.txt', 'a_b__[2J.txt'],
    ['invoice\u202efdp.exe', 'invoice_fdp.exe'],
    ['a:b*c?.txt', 'a_b_c_.txt'],
    ['trailing. . ', 'trailing'],
    ['👨\u200d👩\u200d👧.png', '👨_👩_👧.png'],
  ])('%j', (name, want) => {
    expect(safeFileName(name)).toBe(want);
  });

  test('a long name keeps its ending and whole characters', () => {
    const name = safeFileName(`${'测'.repeat(200)}.pdf`);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(name).toMatch(/^测+\.pdf$/);
  });

  test('never leaves its folder', () => {
    const piece = fc.oneof(
      fc.constantFrom('.', '..', '/', '\\', '\0', ' ', '~', '-', 'a'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const name = safeFileName(pieces.join(''));
        expect(basename(join('/folder', name))).toBe(name);
        expect(name).not.toMatch(/^[.\-~]|[/\\\x00-\x1f\x7f]/);
        expect(name).not.toBe('');
      }),
      { numRuns: 2000 },
    );
  });
});
