// P35: `mail -a` means a header in one program and an attachment in another.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { choicesOf, sendRequest } from '../../src/cli/mailx-options.ts';
import { sendMode } from '../../src/session/send.ts';
import { desk, settings } from '../session/letters.ts';

function dashA(at: ReturnType<typeof desk>, ...added: string[]): Promise<number> {
  const values = { subject: 'x', a: added };
  return sendMode(at.services, settings(), sendRequest(values, ['ann@a.test'], choicesOf(values)));
}

test('what looks like a header is one', async () => {
  const at = desk({ lines: ['<p>hi</p>'] });
  expect(await dashA(at, 'Content-Type: text/html', 'X-Loop:yes')).toBe(0);
  expect(at.sent[0]?.header).toMatch(/^Content-Type: text\/html; charset=us-ascii$/m);
  expect(at.sent[0]?.header).toMatch(/^X-Loop: yes$/m);
  expect(at.sent[0]?.body).toBe('<p>hi</p>\n');
});

test('what does not is a file', async () => {
  const at = desk({ lines: ['see there'] });
  const path = join(at.home, 'f.pdf');
  writeFileSync(path, '%PDF');
  expect(await dashA(at, path)).toBe(0);
  expect(at.sent[0]?.header).toMatch(/^Content-Type: multipart\/mixed/m);
  expect(at.sent[0]?.body).toContain('filename=f.pdf');
});

test('a file whose name looks like a header is attached, and that is said', async () => {
  const at = desk({ lines: ['see there'] });
  const path = join(at.home, 'Re: plan');
  writeFileSync(path, 'text\n');
  expect(await dashA(at, path)).toBe(0);
  expect(at.sent[0]?.body).toContain('Re: plan');
});
