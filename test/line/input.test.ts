import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pipeReader } from '../../src/line/input.ts';

/** Lines of a file with these bytes. */
async function linesOf(bytes: Uint8Array): Promise<Buffer[]> {
  const folder = mkdtempSync(join(tmpdir(), 'input-'));
  const path = join(folder, 'typed');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    const reader = pipeReader(fd);
    const lines: Buffer[] = [];
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) lines.push(Buffer.from(line));
    expect(await reader.next()).toBeUndefined();
    return lines;
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

const texts = (lines: readonly Buffer[]): string[] => lines.map((line) => line.toString('latin1'));

test('lines come without their ends, empty ones too, a last one without end as well', async () => {
  expect(texts(await linesOf(Buffer.from('d 1\n\nq')))).toEqual(['d 1', '', 'q']);
  expect(texts(await linesOf(Buffer.from('q\n')))).toEqual(['q']);
  expect(await linesOf(Buffer.from(''))).toEqual([]);
});

test('any byte goes through, and lines longer than a block', async () => {
  const long = Buffer.alloc(200_000, 0xe4);
  const bytes = Buffer.concat([Buffer.from('a\0b\xff\r\n', 'latin1'), long, Buffer.from('\nend\n')]);
  const lines = await linesOf(bytes);
  expect(lines[0]?.toString('latin1')).toBe('a\0b\xff\r');
  expect(lines[1]?.equals(long)).toBe(true);
  expect(lines[2]?.toString()).toBe('end');
});

test('what is read is what was written, wherever blocks end', async () => {
  const line = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10)));
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.nat(70_000), async (lines, filler) => {
      const all = [Buffer.alloc(filler, 0x61), ...lines];
      const bytes = Buffer.concat(all.flatMap((one) => [one, Buffer.from('\n')]));
      expect((await linesOf(bytes)).map((one) => one.toString('hex'))).toEqual(all.map((one) => one.toString('hex')));
    }),
    { numRuns: 30 },
  );
});
