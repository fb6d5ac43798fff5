/**
 * From the name of a charset to a function that reads it.
 *
 * TextDecoder reads what the web reads, the rest is in escaped.ts or comes from iconv-lite, which is loaded when a
 * message names such a charset (cp437, viscii, iso-8859-16). Names are taken as mailers write them. As on the web,
 * gb2312 is read as GB18030, ks_c_5601-1987 as the whole of cp949, iso-8859-1 as windows-1252: supersets that are
 * what was meant.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { TextDecoder } from 'node:util';
import { decodeHz, decodeIso2022Cn, decodeIso2022Kr, decodeUtf7 } from './escaped.ts';

export type Decoder = (bytes: Uint8Array) => string;

/** Names that TextDecoder does not know, by the name that it or the table below does. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/^utf[-_ ]?8/, 'utf-8'],
  [/^(?:x-)?(?:euc[-_]?cn|gb[-_]?2312|gbk|gb[-_]?18030)/, 'gb18030'],
  [/^(?:cp|ms|ibm|windows|x-windows|win)[-_]?936$/, 'gb18030'],
  [/^(?:cp|ms|ibm|windows|x-windows|win)[-_]?949$|^uhc$|^ks_?c_?5601|^ksc5601/, 'euc-kr'],
  [/^(?:cp|ms|ibm|windows|x-windows|win)[-_]?(?:932|943c?|31j)$|^(?:x-)?s(?:hift)?[-_]?jis/, 'shift_jis'],
  [/^(?:cp|ms|ibm|windows|x-windows|win)[-_]?950$|^(?:x-)?big-?5/, 'big5'],
  [/^(?:x-)?(?:euc[-_]?jp|ujis)/, 'euc-jp'],
  [/^(?:x-)?euc[-_]?kr$/, 'euc-kr'],
  [/^(?:iso-2022-jp|cp5022\d|csiso2022jp)/, 'iso-2022-jp'],
  [/^(?:x-)?(?:iso[-_ ]?)?8859[-_ ](\d{1,2})(?![\d])(?!-i$)/, 'iso-8859-$1'],
  [/^(?:x-)?(?:cp|win|windows|ms|ansi|windows-cp)[-_]?(125\d|874)$/, 'windows-$1'],
  [/^koi8$/, 'koi8-r'],
  [/^(?:utf|ucs)[-_]?(?:16|2)be$/, 'utf-16be'],
  [/^(?:utf|ucs)[-_]?(?:16|2)le$/, 'utf-16le'],
  [/^(?:iso-10646-ucs-2|ucs-?2|utf-?16)$/, 'utf-16'],
  [/^(?:unicode-1-1-|x-unicode-2-0-)?utf[-_]?7(?:-imap)?$/, 'utf-7'],
  [/^(?:x-)?hz(?:-gb-?2312)?$/, 'hz'],
  [/^(?:iso-2022-cn)/, 'iso-2022-cn'],
];

const OWN: ReadonlyMap<string, Decoder> = new Map([
  ['utf-7', decodeUtf7],
  ['hz', decodeHz],
  ['iso-2022-kr', decodeIso2022Kr],
  ['csiso2022kr', decodeIso2022Kr],
  ['iso-2022-cn', decodeIso2022Cn],
  ['utf-16', decodeUtf16],
]);

/** Names that say nothing: the text has to be guessed, as if none had been given. */
const NAMELESS = new Set(
  ' unknown unknown-8bit x-unknown default 8bit 7bit binary none _autodetect _autodetect_all'.split(' '),
);
const ASCII = new Set(
  'us-ascii ascii ansi_x3.4-1968 ansi_x3.4-1986 iso646-us iso_646.irv:1991 us 646 cp367 ibm367 csascii x-ascii iso-ir-6'.split(
    ' ',
  ),
);
/** Longer than any charset name. */
const LONGEST_NAME = 60;

interface Iconv {
  decode(bytes: Uint8Array, charset: string): string;
  encodingExists(charset: string): boolean;
}

let iconv: Iconv | undefined;
const known = new Map<string, Decoder | 'ascii' | undefined>();

/**
 * The decoder for a charset name, `'ascii'` for names of plain ASCII, undefined for names that mean nothing. Decoders
 * never throw: octets without meaning become U+FFFD. UTF-8, and UTF-16 with a mark, lose their byte order mark.
 */
export function decoderFor(label: string): Decoder | 'ascii' | undefined {
  if (known.has(label)) return known.get(label);
  if (label.length > LONGEST_NAME) return undefined;
  const found = find(
    label
      .trim()
      .toLowerCase()
      .replace(/^["']+|["']+$/g, ''),
  );
  if (known.size < 500) known.set(label, found);
  return found;
}

function find(name: string): Decoder | 'ascii' | undefined {
  if (NAMELESS.has(name)) return undefined;
  if (ASCII.has(name)) return 'ascii';
  for (const candidate of [name, alias(name)]) {
    const decoder = OWN.get(candidate) ?? webDecoder(candidate) ?? undefined;
    if (decoder !== undefined) return decoder;
  }
  return iconvDecoder(name);
}

function alias(name: string): string {
  for (const [pattern, target] of ALIASES) {
    const match = pattern.exec(name);
    if (match) return target.replace('$1', String(Number(match[1])));
  }
  return name;
}

function webDecoder(name: string): Decoder | undefined {
  try {
    const decoder = new TextDecoder(name);
    const decode: Decoder = (bytes) => decoder.decode(bytes);
    // "replacement" and "x-user-defined" are the web's own, not charsets of mail: TextDecoder of Node has neither.
    if (decoder.encoding === 'windows-1252') return decodeWestern;
    if (decoder.encoding === 'iso-2022-jp') return (bytes) => decode(withoutIdleEscapes(bytes));
    if (decoder.encoding === 'gbk') return webDecoder('gb18030');
    if (decoder.encoding === 'euc-kr') return withIconv(decode, /\ufffd/, 'cp949');
    if (decoder.encoding === 'big5') return withIconv(decode, /[\ufffd\ue000-\uf8ff]/, 'big5-hkscs');
    return decode;
  } catch {
    return undefined;
  }
}

/**
 * ISO-2022-JP without switches that switch nothing: where words were joined, one to ASCII is followed by one back, and the
 * decoder of the web takes that for an attack.
 */
function withoutIdleEscapes(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const idle = /\x1b(?:\([BJI]|\$[@B])(?=\x1b[($])/g;
  return idle.test(text) ? Buffer.from(text.replace(idle, ''), 'latin1') : bytes;
}

/** What windows-1252 has where Latin-1 has C1 controls; Node 20 to 22 leave those as they are. */
const WESTERN = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** Latin-1, and windows-1252 where that has more: what is labelled as the one is often the other. */
export function decodeWestern(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return text.replace(/[\x80-\x9f]/g, (control) => WESTERN[control.charCodeAt(0) - 0x80] ?? control);
}

/** ICU knows the smaller set of the name only; what it cannot read is read again by iconv-lite with the larger one. */
function withIconv(decode: Decoder, unread: RegExp, larger: string): Decoder {
  return (bytes) => {
    const text = decode(bytes);
    if (!unread.test(text)) return text;
    const again = iconvDecoder(larger)?.(bytes);
    return again === undefined || again.includes('\ufffd') ? text : again;
  };
}

/** UTF-16 without a mark is little-endian in practice, whatever RFC 2781 4.3 says; most of it comes from Windows. */
function decodeUtf16(bytes: Uint8Array): string {
  return new TextDecoder(bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-16le').decode(bytes);
}

function iconvDecoder(name: string): Decoder | undefined {
  const lib = loadIconv();
  if (lib === undefined || !/^[\w.:-]+$/.test(name) || !lib.encodingExists(name)) return undefined;
  // Its base64, hex and "binary" are codings of Node, not charsets.
  if (/^(?:base64|hex|binary|internal)/.test(name)) return undefined;
  return (bytes) => {
    try {
      return lib.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name);
    } catch {
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    }
  };
}

/** Loaded on first need and not bundled, since rows of a header list are decoded without waiting. */
function loadIconv(): Iconv | undefined {
  if (iconv !== undefined) return iconv;
  try {
    iconv = createRequire(join(import.meta.dirname, 'decoders.cjs'))('iconv-lite') as Iconv;
  } catch {
    return undefined;
  }
  return iconv;
}
