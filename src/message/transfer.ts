/**
 * Content-Transfer-Encoding undone (RFC 2045 6), with the damage that mail suffers: junk in base64, lines cut or joined,
 * soft line breaks with blanks behind them, uuencode without its end. Octets in, octets out; nothing throws.
 */

/**
 * Octets of base64 text. Characters outside the alphabet are skipped (RFC 2045 6.8); padding in the middle ends a group,
 * and decoding goes on behind it, as it must for parts that were joined.
 */
export function fromBase64(text: string): Buffer {
  const end = text.indexOf('=');
  if (end < 0 || !/[A-Za-z0-9+/]/.test(text.slice(end))) return Buffer.from(clean(text), 'base64');
  const groups = text.split(/=[=\s]*/).map((group) => Buffer.from(clean(group), 'base64'));
  return Buffer.concat(groups);
}

/** Node takes `-` and `_` as base64url; in mail they are junk. */
function clean(text: string): string {
  return /[^A-Za-z0-9+/=\s]/.test(text) ? text.replace(/[^A-Za-z0-9+/=]/g, '') : text;
}

/** Octets of a quoted-printable body (RFC 2045 6.7). What is malformed stays as it is. */
export function fromQuotedPrintable(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(0x3d)) return bytes;
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let at = 0;
  while (at < bytes.length) {
    let equals = bytes.indexOf(0x3d, at);
    if (equals < 0) equals = bytes.length;
    out.set(bytes.subarray(at, equals), length);
    length += equals - at;
    if (equals === bytes.length) break;
    const high = hexValue(bytes[equals + 1]);
    const low = hexValue(bytes[equals + 2]);
    if (high >= 0 && low >= 0) {
      out[length++] = (high << 4) | low;
      at = equals + 3;
      continue;
    }
    const next = softBreakEnd(bytes, equals + 1);
    if (next < 0) out[length++] = 0x3d;
    at = next < 0 ? equals + 1 : next;
  }
  return out.subarray(0, length);
}

/** Index behind a soft line break whose `=` ends before `at`: blanks, then a line end or the end; -1 when it is none. */
function softBreakEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end] === 0x20 || bytes[end] === 0x09) end++;
  if (end >= bytes.length) return end;
  if (bytes[end] === 0x0d) end++;
  else if (bytes[end] !== 0x0a) return -1;
  return bytes[end] === 0x0a ? end + 1 : end;
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Octets of a uuencoded body: the first `begin` to its `end`, or as far as it goes; all of it when nothing begins. */
export function fromUuencode(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const begin = /^begin(?:-base64)? [0-7]{3,4}[^\r\n]*\r?\n/m.exec(text);
  if (!begin) return bytes;
  const body = text.slice(begin.index + begin[0].length);
  if (begin[0].startsWith('begin-base64')) return fromBase64(body.split(/^====\s*$/m)[0] ?? '');
  const out: Buffer[] = [];
  for (const line of body.split(/\r?\n/)) {
    const count = line === '' ? 0 : (line.charCodeAt(0) - 32) & 63;
    if (count === 0 || line === 'end') break;
    out.push(uuLine(line, count));
  }
  return Buffer.concat(out);
}

function uuLine(line: string, count: number): Buffer {
  const out = Buffer.alloc(Math.ceil(count / 3) * 3);
  const six = (at: number): number => (at < line.length ? (line.charCodeAt(at) - 32) & 63 : 0);
  for (let at = 1, length = 0; length < count; at += 4, length += 3) {
    const bits = (six(at) << 18) | (six(at + 1) << 12) | (six(at + 2) << 6) | six(at + 3);
    out.writeUIntBE(bits, length, 3);
  }
  return out.subarray(0, count);
}
