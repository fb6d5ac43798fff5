/**
 * Changes the addresses of a header and nothing else: every field in which no address changes stays byte for byte.
 */
import { type Address, parseAddresses } from './address.ts';
import { addressField } from './fields.ts';
import { fieldText, parseHeader } from './header.ts';

/** Fields whose addresses are the sender's (as sendmail's mailers take them), lower case. */
const SENDER_FIELDS = new Set([
  'from',
  'sender',
  'reply-to',
  'errors-to',
  'resent-from',
  'resent-sender',
  'resent-reply-to',
]);
const RECIPIENT_FIELDS = new Set(['to', 'cc', 'bcc', 'resent-to', 'resent-cc', 'resent-bcc']);

/** What an address becomes; the same string when nothing changes. */
export type AddressChange = (address: string, role: 'sender' | 'recipient') => string;

/** The header with CRLF line ends as it came, its addresses changed. `header` includes the empty line. */
export function rewriteHeader(header: Uint8Array, change: AddressChange): Uint8Array {
  const { fields } = parseHeader(header);
  const parts: Uint8Array[] = [];
  let length = 0;
  let changed = false;
  for (const field of fields) {
    length += field.raw.length;
    const name = field.name.toLowerCase();
    const role = SENDER_FIELDS.has(name) ? 'sender' : RECIPIENT_FIELDS.has(name) ? 'recipient' : undefined;
    const rewritten = role === undefined ? undefined : rewriteField(field.name, field.raw, role, change);
    if (rewritten !== undefined) changed = true;
    parts.push(rewritten ?? field.raw);
  }
  return changed ? Buffer.concat([...parts, header.subarray(length)]) : header;
}

function rewriteField(
  name: string,
  raw: Uint8Array,
  role: 'sender' | 'recipient',
  change: AddressChange,
): Uint8Array | undefined {
  const before = parseAddresses(fieldText(parseHeader(raw), name) ?? '');
  const after: Address[] = before.map((one) => ({ ...one, address: change(one.address, role) }));
  if (after.every(({ address }, index) => address === before[index]?.address)) return undefined;
  const field = addressField(name, after);
  return field === undefined ? undefined : Buffer.from(`${field.replaceAll('\n', '\r\n')}\r\n`, 'utf8');
}
