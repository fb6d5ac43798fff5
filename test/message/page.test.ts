import { expect, test } from 'vitest';
import { messagePage } from '../../src/message/page.ts';

const PICTURE = Buffer.from('picture').toString('base64');
const RICH = Buffer.from(
  [
    'From: Lee <lee@x.test>',
    'Subject: =?utf-8?Q?<b>=1B_Gr=C3=BC=C3=9Fe?=',
    'X-Other: hidden',
    'Content-Type: multipart/related; boundary=b',
    '',
    '--b',
    'Content-Type: text/html; charset=gb2312',
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ].join('\n'),
);
const HTML = Buffer.concat([
  RICH,
  Buffer.from('<p title="a\'b">\xb2\xe2\xca\xd4<img src="cid:a@x"><script>alert(1)</script></p>', 'latin1'),
  Buffer.from(
    `\n--b\nContent-Type: image/png\nContent-ID: <a@x>\nContent-Transfer-Encoding: base64\n\n${PICTURE}\n--b--\n`,
  ),
]);

test('HTML is put into a frame that can do nothing, with its pictures', async () => {
  const page = await messagePage(HTML);
  expect(page).toContain('<title>&lt;b&gt;\\x1b Grüße</title>');
  expect(page).toContain('From: Lee &lt;lee@x.test&gt;');
  expect(page).not.toContain('hidden');
  expect(page).toContain("default-src 'none'; img-src data:");
  expect(page).toContain('<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="');
  expect(page).toContain(`测试&lt;img src=&quot;data:image/png;base64,${PICTURE}&quot;`);
  expect(page).toContain('&lt;script&gt;');
  expect(page).not.toContain('<script');
});

test('text is text', async () => {
  const page = await messagePage(Buffer.from('Subject: x\n\n<b>not bold</b> & \x1b[2J\n'));
  expect(page).toContain('<pre>&lt;b&gt;not bold&lt;/b&gt; &amp; \\x1b[2J</pre>');
  expect(page).not.toContain('<iframe');
});

test('what mailparser refuses is shown as text', async () => {
  const deep = Array.from(
    { length: 5000 },
    (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\n\n--b${at}\n`,
  ).join('');
  const page = await messagePage(Buffer.from(`${deep}Content-Type: text/html\n\n<p>deep\n`));
  expect(page).toContain('</html>');
  const fields = await messagePage(Buffer.from(`${'X-A: b\n'.repeat(200_000)}Content-Type: text/html\n\n<p>many\n`));
  expect(fields).toContain('<pre>many</pre>');
});
