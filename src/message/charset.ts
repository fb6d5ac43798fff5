/**
 * Octets of a message to text, by charset label or by guess. Never throws; nothing is lost but octets that mean nothing
 * in the charset, which become U+FFFD.
 *
 * A label is a claim. Text labelled US-ASCII or UTF-8, or not at all, that cannot be that is guessed: by valid UTF-8
 * first, then the hints (the charset the rest of the message declares, the order of the user's locale), then by what it
 * looks like (guess.ts).
 */
import { TextDecoder } from 'node:util';
import { decoderFor } from './decoders.ts';
import { guessText } from './guess.ts';

/** An escape sequence that designates a Japanese set (ISO-2022-JP): the only sure sign of a 7-bit charset. */
const JAPANESE = /\x1b\$[@B]/;

let strictUtf8: TextDecoder | undefined;

/** Text of `bytes`, which are in `label` if it says so; `hints` are charset names, likeliest first. */
export function decodeText(bytes: Uint8Array, label: string | undefined, hints: readonly string[] = []): string {
  const decoder = label === undefined ? undefined : decoderFor(label);
  if (decoder === undefined || decoder === 'ascii') return undeclared(bytes, hints);
  const text = decoder(bytes);
  return /^utf-?8$/i.test(label ?? '') && text.includes('\ufffd') && validUtf8(bytes) === undefined
    ? guessText(bytes, hints)
    : text;
}

/** Text of octets that bear no label. */
function undeclared(bytes: Uint8Array, hints: readonly string[]): string {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (!/[\x80-\xff]/.test(raw)) return JAPANESE.test(raw) ? new TextDecoder('iso-2022-jp').decode(bytes) : raw;
  return validUtf8(bytes) ?? guessText(bytes, hints);
}

/** The text when the octets are valid UTF-8, else undefined. */
export function validUtf8(bytes: Uint8Array): string | undefined {
  strictUtf8 ??= new TextDecoder('utf-8', { fatal: true });
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
