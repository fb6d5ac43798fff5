/**
 * Messages that go on as they are: resent (RFC 5322 3.6.6), or attached to a letter.
 */

/** Fields of the mailbox a message lay in, and blind copies: nobody else's business. */
const LOCAL = /^(status|x-status|x-keywords|x-uid|x-imap|x-imapbase|content-length|lines|bcc|return-path)$/i;

/** Where the empty line behind the header begins; the end when there is none. */
function headerEnd(bytes: Buffer): number {
  for (let start = 0; start < bytes.length; ) {
    if (bytes[start] === 0x0a || (bytes[start] === 0x0d && bytes[start + 1] === 0x0a)) return start;
    const next = bytes.indexOf(0x0a, start);
    if (next < 0) break;
    start = next + 1;
  }
  return bytes.length;
}

/** The message without the fields that tell of one mailbox (`Status`) or of blind copies. */
export function withoutLocalFields(content: Uint8Array): Uint8Array {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const end = headerEnd(bytes);
  const fields = bytes.toString('latin1', 0, end).split(/(?<=\n)(?![ \t])/);
  const kept = fields.filter((field) => !LOCAL.test(field.slice(0, field.indexOf(':')).trimEnd()));
  return Buffer.concat([Buffer.from(kept.join(''), 'latin1'), bytes.subarray(end)]);
}

/** The message with finished `Resent-` fields in front. */
export function withResentFields(content: Uint8Array, resent: readonly string[]): Uint8Array {
  return Buffer.concat([Buffer.from(`${resent.join('\n')}\n`), withoutLocalFields(content)]);
}
