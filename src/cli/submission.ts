/**
 * A message that a program hands over (cron, git, a script) made fit to be sent, as sendmail does: RFC 6409 section 8.
 *
 * Missing Date, From and Message-ID are added, Bcc and Return-Path taken out, addresses without a domain get this host's
 * (once; an address that has one stays as it is). Every other octet stays. Pure.
 */
import type { Address } from '../message/address.ts';
import { newMessageId } from '../message/compose.ts';
import { formatDate } from '../message/date.ts';
import { addressField } from '../message/fields.ts';
import { type Field, fieldAddresses, findField, parseHeader } from '../message/header.ts';

export interface SubmissionOptions {
  /** Take recipients from To, Cc and Bcc (-t). */
  readonly recipientsFromHeader: boolean;
  /** For a From field that is missing. */
  readonly sender: Address;
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Minutes east of UTC. */
  readonly zone: number;
}

export interface Submission {
  readonly message: Uint8Array;
  /** From the header, when asked for; each once. */
  readonly recipients: readonly string[];
}

const ADDRESS_FIELDS = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'resent-from', 'resent-to', 'resent-cc']);
const DROPPED = new Set(['bcc', 'resent-bcc', 'return-path']);

/** `text` is the message as read: LF or CRLF line ends, perhaps without a header. */
export function prepareSubmission(text: Uint8Array, options: SubmissionOptions): Submission {
  const bytes = withoutCarriageReturns(text);
  const header = parseHeader(bytes);
  const firstText = header.fields.findIndex(({ name }) => name === '');
  // A line that is no field ends the header as an empty line would: what follows is the text.
  const fields = firstText < 0 ? header.fields : header.fields.slice(0, firstText);
  const headerSize = fields.reduce((sum, { raw }) => sum + raw.length, 0);
  const body = bytes.subarray(firstText < 0 ? Math.max(header.size, headerSize) : headerSize);
  const has = (name: string) => fields.some((field) => field.name.toLowerCase() === name);
  const resent = has('resent-to') || has('resent-cc') || has('resent-bcc');
  const wanted = resent ? ['resent-to', 'resent-cc', 'resent-bcc'] : ['to', 'cc', 'bcc'];
  const recipients = options.recipientsFromHeader ? wanted.flatMap((name) => fieldAddresses(header, name)) : [];
  const out: Uint8Array[] = [];
  if (!has('date')) out.push(line(`Date: ${formatDate(Math.floor(options.now / 1000), options.zone)}`));
  if (!has('from')) out.push(line(addressField('From', [options.sender]) ?? ''));
  if (!has('message-id')) out.push(line(`Message-ID: ${newMessageId(options.now, options.hostname)}`));
  for (const field of fields) {
    if (!DROPPED.has(field.name.toLowerCase())) out.push(qualified(field, options.hostname, header.hints));
  }
  return {
    message: Buffer.concat([...out, Buffer.from('\n'), body]),
    recipients: [...new Set(recipients.map(({ address }) => address).filter((address) => address !== ''))],
  };
}

function line(text: string): Uint8Array {
  return Buffer.from(`${text}\n`);
}

/** CRLF to LF, when the first line ends in CRLF; a lone CR in a message stays. */
function withoutCarriageReturns(text: Uint8Array): Uint8Array {
  const buffer = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const end = buffer.indexOf(0x0a);
  if (end < 1 || buffer[end - 1] !== 0x0d) return text;
  return Buffer.from(buffer.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}

/** The field with this host's name behind addresses that have no domain; unchanged when all have one, or in a group. */
function qualified(field: Field, hostname: string, hints: readonly string[]): Uint8Array {
  if (!ADDRESS_FIELDS.has(field.name.toLowerCase())) return endedByNewline(field.raw);
  const header = { fields: [field], size: field.raw.length, hints };
  const addresses = fieldAddresses(header, field.name);
  const source = Buffer.from(findField(header, field.name)?.value ?? []).toString('latin1');
  const bare = addresses.some(({ address }) => !address.includes('@'));
  const unclear = addresses.some(({ address }) => address === '');
  if (!bare || unclear || /:.*;/s.test(source.replace(/"(?:[^"\\]|\\.)*"/g, ''))) return endedByNewline(field.raw);
  const full = addresses.map(({ name, address }) => ({
    name,
    address: address.includes('@') ? address : `${address}@${hostname}`,
  }));
  return line(addressField(field.name, full) ?? '');
}

function endedByNewline(raw: Uint8Array): Uint8Array {
  return raw.at(-1) === 0x0a ? raw : Buffer.concat([raw, Buffer.from('\n')]);
}
