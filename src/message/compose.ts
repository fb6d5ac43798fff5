/**
 * A Draft as the bytes of a message (RFC 5322, MIME only where it is needed), with LF line ends.
 *
 * Header fields are written here (fields.ts), since no value in them may ever become a field or a line over 998 octets;
 * multipart bodies with attachments come from nodemailer's composer, which is loaded only then: plain text, the usual
 * `mail -s`, would pay for loading it with half of its run time.
 *
 * Text stays as it is (7bit, 8bit) where its lines fit and encodes what would not survive: long lines, NULs, lone CRs.
 * Text that is not UTF-8 is read in the charset it is most likely in and sent as UTF-8; what cannot be read in any is
 * sent byte for byte as text of unknown charset (RFC 1428), never as a nameless attachment.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { UserError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import type { Address } from './address.ts';
import { formatDate } from './date.ts';
import { addressField, type Field, idsField, isFieldName, structuredField, textField } from './fields.ts';

export interface Attachment {
  /** File name without folders. */
  readonly name: string;
  readonly content: Uint8Array;
  /** MIME type; undefined: from the name. */
  readonly type?: string;
}

/** A message being written. Addresses are those of the header; who gets it is the envelope's business. */
export interface Draft {
  readonly from: Address;
  readonly replyTo: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string;
  readonly headers: readonly Field[];
  /** Lines with LF or CRLF ends, in any charset. */
  readonly body: Uint8Array;
  readonly attachments: readonly Attachment[];
  /** Message ids with angle brackets. */
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
}

export interface ComposeOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** For the Message-ID. */
  readonly hostname: string;
  /** Minutes east of UTC. */
  readonly zone: number;
  /** False: encode what is not 7bit, for ways that may not be 8-bit clean (SMTP without 8BITMIME). */
  readonly eightBit: boolean;
  /** Bytes that are not UTF-8 as text; undefined when they cannot be read. */
  readonly decode: (bytes: Uint8Array) => string | undefined;
}

/** Fields that the Draft has members for, and those that are made here: not taken from `headers`. */
const MADE_HERE = new Set([
  'from',
  'to',
  'cc',
  'bcc',
  'reply-to',
  'subject',
  'mime-version',
  'in-reply-to',
  'references',
]);

/** Fields whose value is written as given; all others are text and get encoded when they must. */
const STRUCTURED = /^(date|message-id|content-.*|list-.*|sender|return-path|auto-submitted|precedence|errors-to)$/i;

interface TextPart {
  readonly charset: string;
  readonly encoding: '7bit' | '8bit' | 'quoted-printable' | 'base64';
  readonly bytes: Uint8Array;
}

/** Writes the message. Throws a UserError for line ends in a field, a bad field name or an impossible address. */
export async function compose(draft: Draft, options: ComposeOptions): Promise<Uint8Array> {
  const own = new Map(draft.headers.map(({ name, value }) => [name.toLowerCase(), value]));
  const type = own.get('content-type');
  const head = headerFields(draft, own, options);
  const given = own.get('content-transfer-encoding');
  const text: TextPart =
    given === undefined || draft.attachments.length > 0
      ? encodeText(draft.body, options)
      : { charset: '', encoding: '8bit', bytes: draft.body };
  if (draft.attachments.length === 0) {
    const mime =
      text.encoding === '7bit' && type === undefined ? [] : ['MIME-Version: 1.0', ...partFields(text, type, given)];
    return assemble([...head, ...mime], text.bytes);
  }
  const multipart = await multipartBody(assemble(partFields(text, type, undefined), text.bytes), draft.attachments);
  return assemble([...head, 'MIME-Version: 1.0', ...multipart.fields], multipart.body);
}

/** Header fields, an empty line and the body as one. */
export function assemble(fields: readonly string[], body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${fields.join('\n')}\n\n`), body]);
}

/** A new Message-ID, unique in time, process and chance. */
export function newMessageId(now: number, hostname: string): string {
  const domain = hostname.replace(/[^A-Za-z0-9.-]/g, '') || 'localhost';
  return `<${now.toString(36)}.${randomBytes(9).toString('hex')}@${domain}>`;
}

function headerFields(draft: Draft, own: ReadonlyMap<string, string>, options: ComposeOptions): string[] {
  const fields: (string | undefined)[] = [];
  if (!own.has('date')) fields.push(`Date: ${formatDate(Math.floor(options.now / 1000), options.zone)}`);
  fields.push(
    addressField('From', [draft.from]),
    addressField('Reply-To', draft.replyTo),
    addressField('To', draft.to),
    addressField('Cc', draft.cc),
    draft.subject === '' ? undefined : textField('Subject', draft.subject),
  );
  if (!own.has('message-id')) fields.push(`Message-ID: ${newMessageId(options.now, options.hostname)}`);
  fields.push(idsField('In-Reply-To', draft.inReplyTo), idsField('References', draft.references));
  if (!own.has('user-agent')) fields.push(`User-Agent: tmail/${VERSION}`);
  for (const { name, value } of draft.headers) {
    if (!isFieldName(name)) throw new UserError(`not a header field name: ${JSON.stringify(name)}`);
    if (MADE_HERE.has(name.toLowerCase()) || /^content-/i.test(name)) continue;
    fields.push(STRUCTURED.test(name) ? structuredField(name, value) : textField(name, value));
  }
  return fields.filter((field) => field !== undefined);
}

function partFields(text: TextPart, type: string | undefined, encoding: string | undefined): string[] {
  const given = type ?? 'text/plain';
  const labelled =
    text.charset !== '' && /^text\//i.test(given) && !/;\s*charset\s*=/i.test(given)
      ? `${given}; charset=${text.charset}`
      : given;
  return [
    structuredField('Content-Type', labelled),
    structuredField('Content-Transfer-Encoding', encoding ?? text.encoding),
  ];
}

/** Charset and transfer encoding for text, and the text in them. */
export function encodeText(body: Uint8Array, options: Pick<ComposeOptions, 'eightBit' | 'decode'>): TextPart {
  if (body.includes(0) && !isUtf8(body)) {
    return { charset: 'unknown-8bit', encoding: 'base64', bytes: base64Lines(body) };
  }
  const { charset, bytes } = toUtf8(body, options.decode);
  const text = unixLines(bytes);
  const shape = shapeOf(text);
  const plain = !shape.strange && shape.longest <= 998;
  if (plain && charset === 'us-ascii') return { charset, encoding: '7bit', bytes: text };
  if (plain && options.eightBit) return { charset, encoding: '8bit', bytes: text };
  // Base64 where most of the text would be =XX anyway.
  return shape.high * 3 > text.length && !shape.strange
    ? { charset, encoding: 'base64', bytes: base64Lines(crlfLines(text)) }
    : { charset, encoding: 'quoted-printable', bytes: quotedPrintable(text) };
}

function toUtf8(body: Uint8Array, decode: ComposeOptions['decode']): { charset: string; bytes: Uint8Array } {
  // ISO-2022-JP and its kin are 7-bit bytes but no ASCII: their escape sequences say so.
  const escaped = body.includes(0x1b) && /\x1b(\$[@AB]|\$\([CD]|\([JI])/.test(Buffer.from(body).toString('latin1'));
  if (!escaped && isAscii(body)) return { charset: 'us-ascii', bytes: body };
  if (!escaped && isUtf8(body)) return { charset: 'utf-8', bytes: body };
  const text = decode(body);
  if (text === undefined || text.includes('\ufffd')) {
    return { charset: isAscii(body) ? 'us-ascii' : 'unknown-8bit', bytes: body };
  }
  return { charset: 'utf-8', bytes: Buffer.from(text) };
}

/** CRLF as LF, and a line end behind the last line. */
function unixLines(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(bytes.length + 1);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte !== 0x0d || bytes[i + 1] !== 0x0a) out[length++] = byte;
  }
  if (length > 0 && out[length - 1] !== 0x0a) out[length++] = 0x0a;
  return out.subarray(0, length);
}

function crlfLines(text: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(text).toString('latin1').replace(/\n/g, '\r\n'), 'latin1');
}

/** The longest line, the number of octets over 127, and whether there is a NUL or a lone CR. */
function shapeOf(text: Uint8Array): { longest: number; high: number; strange: boolean } {
  let longest = 0;
  let start = 0;
  let high = 0;
  let strange = false;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] ?? 0;
    if (byte === 0x0a) {
      longest = Math.max(longest, i - start);
      start = i + 1;
    } else if (byte > 0x7f) high++;
    else if (byte === 0 || byte === 0x0d) strange = true;
  }
  return { longest: Math.max(longest, text.length - start), high, strange };
}

function base64Lines(bytes: Uint8Array): Uint8Array {
  return Buffer.from(
    `${Buffer.from(bytes)
      .toString('base64')
      .replace(/.{76}(?=.)/g, '$&\n')}\n`,
  );
}

/** RFC 2045 6.7. Also hides what other programs change on the way: `From ` at a line's start, a lone dot. */
export function quotedPrintable(text: Uint8Array): Uint8Array {
  const hex = (byte: number) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  const out: string[] = [];
  for (const line of Buffer.from(text).toString('latin1').split('\n')) {
    let current = '';
    for (let i = 0; i < line.length; i++) {
      const byte = line.charCodeAt(i);
      const last = i === line.length - 1;
      const blank = byte === 0x20 || byte === 0x09;
      const keep = (byte > 0x20 && byte < 0x7f && byte !== 0x3d) || (blank && !last);
      const hidden = i === 0 && (line.startsWith('From ') || line === '.');
      const token = keep && !hidden ? String.fromCharCode(byte) : hex(byte);
      if (current.length + token.length > 75) {
        out.push(`${current}=`);
        current = '';
      }
      current += token;
    }
    out.push(current);
  }
  return Buffer.from(out.join('\n'));
}

/** A multipart/mixed of a finished text part and the attachments, from nodemailer's composer. */
async function multipartBody(
  text: Uint8Array,
  attachments: readonly Attachment[],
): Promise<{ fields: string[]; body: Uint8Array }> {
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const { detectMimeType } = await import('nodemailer/lib/mime-funcs');
  const composer = new MailComposer({
    alternatives: [{ raw: Buffer.from(text) }],
    attachments: attachments.map((one) => attachmentPart(one, one.type ?? detectMimeType(one.name))),
    // Neither quoted-printable nor base64 can hold "=_": no text can be taken for a boundary.
    boundaryPrefix: '=_tmail',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const built = Buffer.from((await composer.compile().build()).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
  const end = built.indexOf('\n\n');
  const fields = built
    .subarray(0, end)
    .toString()
    .split(/\n(?![ \t])/);
  return { fields: fields.filter((field) => /^content-/i.test(field)), body: built.subarray(end + 2) };
}

function attachmentPart(attachment: Attachment, type: string) {
  const content = Buffer.from(attachment.content);
  const name = attachment.name.replace(/[\x00-\x1f\x7f]/g, '_');
  if (/^message\//i.test(type)) {
    // RFC 2046 5.2.1: a message/* part cannot be encoded. One that does not fit goes as a file, whole.
    const shape = shapeOf(unixLines(content));
    if (!shape.strange && shape.longest <= 998)
      return { filename: name, content, contentType: type, contentDisposition: 'attachment' };
    return { filename: name, content, contentType: 'application/octet-stream' };
  }
  const text = /^text\//i.test(type) && !/charset=/i.test(type) && isUtf8(content);
  const contentType = text ? `${type}; charset=${isAscii(content) ? 'us-ascii' : 'utf-8'}` : type;
  return { filename: name, content, contentType };
}
