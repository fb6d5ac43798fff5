// P40: an attachment that is not there: nothing is sent, and nothing said.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { choicesOf, sendRequest } from '../../src/cli/mailx-options.ts';
import { UserError } from '../../src/core/errors.ts';
import { sendMode } from '../../src/session/send.ts';
import { desk, settings } from '../session/letters.ts';

test.each([
  ['a', 'nofile', 'No such file or directory'],
  ['A', '/no/such/file', 'No such file or directory'],
  ['A', 'FOLDER', 'Is a directory'],
  ['A', '/dev/null', 'not a regular file'],
])('-%s %s: status 66, one line, no mail', async (option, name, reason) => {
  const at = desk({ lines: ['text'] });
  mkdirSync(join(at.home, 'folder'));
  const path = name.replace('FOLDER', join(at.home, 'folder'));
  const values = { subject: 'x', [option]: [path] };
  const sending = sendMode(at.services, settings(), sendRequest(values, ['ann@a.test'], choicesOf(values)));
  await expect(sending).rejects.toBeInstanceOf(UserError);
  await expect(sending).rejects.toMatchObject({ status: 66, message: `attachment ${path}: ${reason}. Nothing sent.` });
  expect([at.sent, at.err]).toEqual([[], []]);
});
