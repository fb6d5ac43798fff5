// P35: `mail -a` means a header in one program and an attachment in another.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { choicesOf, sendRequest } from '../../src/cli/mailx-options.ts';
import { sendMode } from '../../src/session/send.ts';
import { desk, settings } from '../session/letters.ts';

function dashA(at: ReturnType<typeof desk>, added: string[], compat?: string): Promise<number> {
  const values = { subject: 'x', a: added, ...(compat === undefined ? {} : { compat }) };
  return sendMode(at.services, settings(), sendRequest(values, ['ann@a.test'], choicesOf(values)));
}

test('what looks like a header is one', async () => {
  const at = desk({ lines: ['<p>hi</p>'] });
  expect(await dashA(at, ['Content-Type: text/html', 'X-Loop:yes'])).toBe(0);
  expect(at.sent[0]?.header).toMatch(/^Content-Type: text\/html; charset=us-ascii$/m);
  expect(at.sent[0]?.header).toMatch(/^X-Loop: yes$/m);
  expect(at.sent[0]?.body).toBe('<p>hi</p>\n');
});

test('what does not is a file, and that is said', async () => {
  const at = desk({ lines: ['see there'] });
  const path = join(at.home, 'f.pdf');
  writeFileSync(path, '%PDF');
  expect(await dashA(at, [path])).toBe(0);
  expect(at.sent[0]?.header).toMatch(/^Content-Type: multipart\/mixed/m);
  expect(at.sent[0]?.body).toContain('filename=f.pdf');
  expect(at.err).toEqual([`-a ${path}: attached as a file; a header would be 'Name: value'`]);
});

test('neither: status 66, nothing sent', async () => {
  const at = desk({ lines: ['text'] });
  await expect(dashA(at, ['nofile'])).rejects.toMatchObject({ status: 66 });
  expect(at.sent).toEqual([]);
});

test.each([
  ['bsd', 'header'],
  ['gnu', 'header'],
  ['s-nail', 'file'],
  [undefined, 'file'],
])('--compat=%s: a file whose name looks like a header is a %s', async (compat, kind) => {
  const at = desk({ lines: ['see there'] });
  const name = `X-P35-${process.pid}: plan`;
  // Only a name without a folder looks like a header.
  const disk = { ...at.services.disk };
  const real = join(at.home, 'plan');
  writeFileSync(real, 'text\n');
  const there = (path: string) => (path === name ? real : path);
  disk.stat = (path) => at.services.disk.stat(there(path));
  disk.open = (path, how, mode) => at.services.disk.open(there(path), how, mode);
  expect(await dashA({ ...at, services: { ...at.services, disk } }, [name], compat)).toBe(0);
  expect(/^X-P35-\d+: plan$/m.test(at.sent[0]?.header ?? '')).toBe(kind === 'header');
  expect(/multipart/.test(at.sent[0]?.header ?? '')).toBe(kind === 'file');
});

test('an unknown --compat is refused', () => {
  expect(() => dashA(desk(), ['x'], 'mutt')).toThrow('--compat is bsd, gnu or s-nail');
});
