// A message with a PDF is known to have an attachment, which is listed and not read as text.
import { expect, test } from 'vitest';
import { messageObject } from '../../src/message/json.ts';
import { renderMessage } from '../../src/message/render.ts';
import { isAttachment, leaves, parseStructure } from '../../src/message/structure.ts';

const MESSAGE = Buffer.from(
  [
    'Subject: report',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'see below',
    '--b',
    'Content-Type: application/pdf; name="report.pdf"',
    'Content-Disposition: attachment; filename="report.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('%PDF-1.4 not for reading').toString('base64'),
    '--b--',
    '',
  ].join('\n'),
);

test('P29', async () => {
  expect(leaves(parseStructure(MESSAGE)).map(isAttachment)).toEqual([false, true]);
  const facts = { number: 1, uid: 1, status: 'new', flags: [], content: MESSAGE, size: 1, lines: 1, withBody: true };
  expect(messageObject(facts)).toMatchObject({ parts: 2, attachments: ['report.pdf'], text: 'see below' });
  expect(await renderMessage(MESSAGE, { retained: new Set(['subject']) })).toEqual([
    'Subject: report',
    '',
    'see below',
    '',
    '[1: report.pdf, application/pdf, 24 bytes]',
  ]);
});
