// A subject with an encoded newline or escape sequence is one row with visible marks.
import { expect, test } from 'vitest';
import { visible } from '../../src/core/text.ts';
import { readEnvelope } from '../../src/message/envelope.ts';
import { renderMessage } from '../../src/message/render.ts';

const MESSAGE = Buffer.from('From: lee@x.test\nSubject: =?UTF-8?Q?Pay=0Aout=0D=1B[2J=C2=9B?=\n\ntext\n');

test('P25', async () => {
  expect(visible(readEnvelope(MESSAGE).subject)).toBe('Pay\\nout\\r\\x1b[2J\\x9b');
  expect((await renderMessage(MESSAGE)).slice(0, 3)).toEqual([
    'From: lee@x.test',
    'Subject: Pay\\nout\\r\\x1b[2J\\x9b',
    '',
  ]);
});
