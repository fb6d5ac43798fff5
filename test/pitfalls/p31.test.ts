// A message whose only part is a zip shows what it is and how large, never its octets.
import { expect, test } from 'vitest';
import { messageObject } from '../../src/message/json.ts';
import { renderMessage } from '../../src/message/render.ts';

const zip = Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(2000, 0xe9)]);
const message = (...fields: string[]): Buffer =>
  Buffer.from(
    ['Subject: zip', ...fields, 'Content-Transfer-Encoding: base64', '', zip.toString('base64'), ''].join('\n'),
  );

test.each([
  ['named', ['Content-Type: application/zip; name=a.zip'], '[1: a.zip, application/zip, 2 kB]'],
  ['without a name', ['Content-Type: application/zip'], '[1: application/zip, 2 kB]'],
  [
    'marked as attachment',
    ['Content-Type: application/octet-stream', 'Content-Disposition: attachment; filename=a.zip'],
    '[1: a.zip, application/octet-stream, 2 kB]',
  ],
])('P31 %s', async (_, fields, want) => {
  const content = message(...fields);
  const lines = await renderMessage(content, { retained: new Set(['subject']) });
  expect(lines).toEqual(['Subject: zip', '', want]);
  const facts = { number: 1, uid: 1, status: 'new', flags: [], content, size: 1, lines: 1, withBody: true };
  expect(messageObject(facts)).toMatchObject({ parts: 1, text: null, charset: null });
});
