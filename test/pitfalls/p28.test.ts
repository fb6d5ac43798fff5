// An attachment of all 256 octets comes back octet for octet, whatever the transfer encoding.
import { expect, test } from 'vitest';
import { decodedBody, leaves, parseStructure } from '../../src/message/structure.ts';

const ALL = Buffer.from(Array.from({ length: 256 * 4 }, (_, at) => (at * 7 + (at >> 8)) & 0xff));

const quotedPrintable = (): string =>
  Array.from(ALL, (octet) => `=${octet.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')
    .replace(/.{72}/g, '$&=\n');

function uuencoded(): string {
  const lines: string[] = [];
  for (let at = 0; at < ALL.length; at += 45) {
    const piece = ALL.subarray(at, at + 45);
    let line = String.fromCharCode(32 + piece.length);
    for (let three = 0; three < piece.length; three += 3) {
      const bits = ((piece[three] ?? 0) << 16) | ((piece[three + 1] ?? 0) << 8) | (piece[three + 2] ?? 0);
      for (const shift of [18, 12, 6, 0]) line += String.fromCharCode(32 + ((bits >> shift) & 63));
    }
    lines.push(line);
  }
  return `begin 644 all.bin\n${lines.join('\n')}\n\`\nend`;
}

const CODED: readonly (readonly [string, Buffer])[] = [
  ['base64', Buffer.from(ALL.toString('base64').replace(/.{76}/g, '$&\r\n'))],
  ['quoted-printable', Buffer.from(quotedPrintable())],
  ['x-uuencode', Buffer.from(uuencoded())],
  ['binary', ALL],
  ['8bit', ALL],
];

test.each(CODED)('P28 %s', (encoding, coded) => {
  const message = Buffer.concat([
    Buffer.from(
      'Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n' +
        'Content-Type: application/octet-stream; name=all.bin; charset=utf-8\n' +
        `Content-Transfer-Encoding: ${encoding}\n\n`,
    ),
    coded,
    Buffer.from('\n--b--\n'),
  ]);
  const [, part] = leaves(parseStructure(message));
  expect(part).toBeDefined();
  if (part !== undefined) expect(Buffer.from(decodedBody(message, part)).equals(ALL)).toBe(true);
});
