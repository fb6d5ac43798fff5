/**
 * The 7-bit and mixed encodings that neither TextDecoder nor iconv-lite reads: UTF-7 (RFC 2152), HZ (RFC 1843),
 * ISO-2022-KR (RFC 1557) and ISO-2022-CN (RFC 1922, its GB 2312 part). None of them throws; what cannot be read
 * becomes U+FFFD or stays as it is.
 */

/** UTF-7: `+` begins base64 of UTF-16BE, `-` or any other character ends it. Octets over 127 are taken as Latin-1. */
export function decodeUtf7(bytes: Uint8Array): string {
  const text = latin1(bytes);
  return text.replace(/\+([A-Za-z0-9+/]*)(-?)/g, (whole, coded: string, end: string) => {
    if (coded === '') return end === '-' ? '+' : whole;
    const octets = Buffer.from(coded, 'base64');
    if (octets.length < 2) return whole;
    return octets
      .subarray(0, octets.length & ~1)
      .swap16()
      .toString('utf16le');
  });
}

/** HZ: `~{` to `~}` is GB 2312 without the high bits; it ends with the line at the latest. */
export function decodeHz(bytes: Uint8Array): string {
  const out = new Uint8Array(bytes.length);
  let length = 0;
  let chinese = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const next = bytes[at + 1] ?? 0;
    if (byte === 0x0a) chinese = false;
    if (byte === 0x7e && next === 0x7b) chinese = true;
    else if (byte === 0x7e && next === 0x7d) chinese = false;
    else if (byte === 0x7e && next === 0x7e) out[length++] = 0x7e;
    else if (byte === 0x7e && next === 0x0a) chinese = false;
    else if (chinese && byte > 0x20 && next > 0x20) {
      out[length++] = byte | 0x80;
      out[length++] = next | 0x80;
    } else {
      out[length++] = byte;
      continue;
    }
    at++;
  }
  return new TextDecoder('gb18030').decode(out.subarray(0, length));
}

/** ISO-2022-KR: SO and SI switch between ASCII and KS X 1001 without the high bits. */
export const decodeIso2022Kr = (bytes: Uint8Array): string => shifted(bytes, 'euc-kr', /^\$\)C/);

/** ISO-2022-CN: the same with GB 2312; characters of CNS 11643 cannot be read. */
export const decodeIso2022Cn = (bytes: Uint8Array): string => shifted(bytes, 'gb18030', /^\$(?:[)*+][A-Z])/);

function shifted(bytes: Uint8Array, charset: string, designation: RegExp): string {
  const out = new Uint8Array(bytes.length);
  let length = 0;
  let shift = false;
  let readable = true;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x0e) shift = true;
    else if (byte === 0x0f) shift = false;
    else if (byte === 0x1b && designation.test(latin1(bytes.subarray(at + 1, at + 4)))) {
      readable = bytes[at + 3] === 0x41 || charset === 'euc-kr';
      at += 3;
    } else if (byte === 0x0a) {
      shift = false;
      out[length++] = byte;
    } else if (shift && byte > 0x20) {
      out[length++] = readable ? byte | 0x80 : 0xff;
    } else out[length++] = byte;
  }
  return new TextDecoder(charset).decode(out.subarray(0, length));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
