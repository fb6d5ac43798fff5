/**
 * Builds the made-up messages of `tmail demo`, on purpose by hand and in every odd shape that arrives in real mailboxes:
 * raw 8-bit headers, old charsets, no MIME at all. Not for mail that is sent (message/compose.ts).
 */
import iconv from 'iconv-lite';

/** Text in a charset, as the octets that stand in the message. */
export interface Encoded {
  readonly bytes: Buffer;
}

/** One made-up message; times count back from now. */
export interface DemoMessage {
  /** `Name <address>` or an address. */
  readonly from: string;
  readonly to?: string;
  readonly cc?: string;
  readonly subject: string | Encoded;
  /** How long ago it came, in hours. */
  readonly hours: number;
  /** Local part of the Message-ID; needed when another message answers this one. */
  readonly id?: string;
  readonly inReplyTo?: string;
  /** `Status` letters: '' new, 'O' unread, 'RO' read. */
  readonly status?: '' | 'O' | 'RO';
  /** `X-Status` letters: A answered, F flagged. */
  readonly marks?: string;
  /** Further header fields, without line ends. */
  readonly headers?: readonly (string | Encoded)[];
  /** `Content-Type` and what belongs to it; absent: a message without MIME fields. */
  readonly mime?: readonly string[];
  readonly body: string | Encoded | readonly (string | Encoded)[];
}

/** `text` in `charset`; ISO-2022-JP is made of EUC-JP, which iconv-lite has. */
export function encoded(charset: string, text: string): Encoded {
  if (charset.toLowerCase() !== 'iso-2022-jp') return { bytes: iconv.encode(text, charset) };
  const out: number[] = [];
  let wide = false;
  for (const character of text) {
    const euc = iconv.encode(character, 'euc-jp');
    if ((euc.length === 2) !== wide) out.push(...(wide ? [0x1b, 0x28, 0x42] : [0x1b, 0x24, 0x42]));
    wide = euc.length === 2;
    out.push(...euc.map((octet) => octet & 0x7f));
  }
  if (wide) out.push(0x1b, 0x28, 0x42);
  return { bytes: Buffer.from(out) };
}

/** An RFC 2047 encoded word in base64. */
export function word(charset: string, text: string): string {
  return `=?${charset}?B?${encoded(charset, text).bytes.toString('base64')}?=`;
}

/** Base64 in lines of 76. */
export function base64(content: Uint8Array | string): string {
  return Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\n');
}

/** The parts of a multipart body, each with its header, between boundaries. */
export function multipart(boundary: string, parts: readonly { head: readonly string[]; body: string }[]): string {
  const inner = parts.map(({ head, body }) => `--${boundary}\n${head.join('\n')}\n\n${body}\n`).join('');
  return `${inner}--${boundary}--\n`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** RFC 5322 3.3, in UTC. */
function dateField(seconds: number): string {
  const d = new Date(seconds * 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${DAYS[d.getUTCDay()]}, ${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
  return `${day} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} +0000`;
}

/** The address of `Name <address>`. */
export function bareAddress(text: string): string {
  return /<([^>]*)>/.exec(text)?.[1] ?? text;
}

function bytesOf(part: string | Encoded): Buffer {
  return typeof part === 'string' ? Buffer.from(part) : part.bytes;
}

/** Header, empty line and body as octets. */
export function compose(message: DemoMessage, to: string, received: number): Buffer {
  const lines: Buffer[] = [];
  const field = (name: string, value: string | Encoded | undefined) => {
    if (value !== undefined) lines.push(Buffer.concat([Buffer.from(`${name}: `), bytesOf(value), Buffer.from('\n')]));
  };
  field('From', message.from);
  field('To', message.to ?? to);
  field('Cc', message.cc);
  field('Subject', message.subject);
  field('Date', dateField(received - 40));
  field('Message-ID', `<${message.id ?? `demo.${Math.round(message.hours * 100)}`}@linux102.example.com>`);
  if (message.inReplyTo !== undefined) {
    field('In-Reply-To', `<${message.inReplyTo}@linux102.example.com>`);
    field('References', `<${message.inReplyTo}@linux102.example.com>`);
  }
  for (const extra of message.headers ?? []) lines.push(bytesOf(extra), Buffer.from('\n'));
  if (message.mime !== undefined) lines.push(Buffer.from(['MIME-Version: 1.0', ...message.mime, ''].join('\n')));
  if (message.status) field('Status', message.status);
  if (message.marks) field('X-Status', message.marks);
  const parts = typeof message.body === 'string' || 'bytes' in message.body ? [message.body] : message.body;
  return Buffer.concat([...lines, Buffer.from('\n'), ...parts.map(bytesOf)]);
}
