// P38: text of an unknown charset becomes a nameless binary attachment.
import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { expect, test } from 'vitest';
import { desk, send } from '../session/letters.ts';

async function piped(bytes: Uint8Array, env: Record<string, string> = { LANG: 'C' }) {
  const lines = Buffer.from(bytes)
    .toString('latin1')
    .split('\n')
    .map((line) => Buffer.from(line, 'latin1'));
  if (lines.at(-1)?.length === 0) lines.pop();
  const at = desk({ lines, env });
  expect(await send(at)).toBe(0);
  return at.sent[0]?.text ?? '';
}

test.each([
  ['Latin-1', Buffer.from('caf\xe9\n', 'latin1'), { LANG: 'C' }, 'café\n'],
  [
    'Latin-1 under a UTF-8 locale',
    Buffer.from('na\xefve d\xe9j\xe0\n', 'latin1'),
    { LANG: 'en_US.UTF-8' },
    'naïve déjà\n',
  ],
  ['GB18030 by its locale', Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 10]), { LANG: 'zh_CN.GB18030' }, '你好\n'],
  ['UTF-8 under LANG=C', Buffer.from('你好\n'), { LANG: 'C' }, '你好\n'],
])('%s', async (_, bytes, env, text) => {
  const message = await piped(bytes, env);
  expect(message).toMatch(/^Content-Type: text\/plain; charset=utf-8$/m);
  expect((await simpleParser(message)).text?.trimEnd()).toBe(text.trimEnd());
});

test('whatever standard input holds, it is sent as text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const message = await piped(bytes);
      expect(message).not.toMatch(/octet-stream|multipart|^content-disposition/im);
      const type = /^Content-Type: (.*)$/m.exec(message)?.[1] ?? 'text/plain';
      expect(type).toMatch(/^text\/plain/);
    }),
    { numRuns: 200 },
  );
});
