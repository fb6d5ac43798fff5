/**
 * Writes header fields: encoded (RFC 2047), folded at 78 and never over 998 octets a line (RFC 5322 2.1.1).
 *
 * A field is a string with LF between its lines and none at the end. What could end a field early (CR, LF, NUL) is
 * refused in addresses and field names and never gets through in text: no value can become a field of its own.
 */
import { domainToASCII } from 'node:url';
import { UserError } from '../core/errors.ts';
import type { Address } from './address.ts';

/** A header field of the user's own: its text, not yet encoded. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** Octets a line should have at most, RFC 5322 2.1.1. */
const LINE = 78;
/** A word up to this length stays as it is although it makes a line longer than LINE. */
const LONGEST_WORD = 900;
/** Octets of a whole References value: servers refuse longer ones. */
const LONGEST_IDS = 990;

const ATOMS = /^[\w!#$%&'*+\-/=?^`{|}~]+( [\w!#$%&'*+\-/=?^`{|}~]+)*$/;
const DOT_ATOM = /^[\w!#$%&'*+\-/=?^`{|}~\u0080-\u{10ffff}]+(\.[\w!#$%&'*+\-/=?^`{|}~\u0080-\u{10ffff}]+)*$/u;
const QUOTED = /^"([^"\\\r\n\0]|\\[^\r\n\0])*"$/;

/** Puts tokens behind `Name:`, one blank before each, on a new line where the line would get too long. */
function fold(name: string, tokens: readonly string[]): string {
  let out = `${name}:`;
  let width = out.length;
  for (const token of tokens) {
    const length = Buffer.byteLength(token);
    if (width + 1 + length > LINE && width > name.length + 1) {
      out += '\n';
      width = 0;
    }
    out += ` ${token}`;
    width += 1 + length;
  }
  return out;
}

function encodedWord(text: string, base64: boolean): string {
  const bytes = Buffer.from(text);
  if (base64) return `=?UTF-8?B?${bytes.toString('base64')}?=`;
  let out = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    if (/[A-Za-z0-9!*+\-/]/.test(char)) out += char;
    else out += byte === 0x20 ? '_' : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return `=?UTF-8?Q?${out}?=`;
}

/** The text as encoded-words (RFC 2047), the first at most `first` characters long; no character is split. */
export function encodedWords(text: string, first = 60): string[] {
  const bytes = Buffer.from(text);
  let plain = 0;
  for (const byte of bytes) if ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) plain++;
  const base64 = plain * 2 < bytes.length;
  const cost = (part: string) => encodedWord(part, base64).length;
  const words: string[] = [];
  let part = '';
  for (const char of bytes.toString()) {
    if (part !== '' && cost(part + char) > (words.length === 0 ? first : 74)) {
      words.push(encodedWord(part, base64));
      part = '';
    }
    part += char;
  }
  if (part !== '') words.push(encodedWord(part, base64));
  return words;
}

function mustBeEncoded(text: string): boolean {
  return /[^\x20-\x7e]|=\?| {20}/.test(text) || text.split(' ').some((word) => word.length > LONGEST_WORD);
}

/** An unstructured field (`Subject`, `X-...`): any text; line ends in it have become blanks before, or are refused. */
export function textField(name: string, text: string): string {
  refuseLineEnds(name, text);
  const trimmed = text.trim();
  if (mustBeEncoded(trimmed)) return fold(name, encodedWords(trimmed, Math.max(24, LINE - 4 - name.length)));
  // One blank is the fold's own; further blanks of a run stay at the end of the word before them.
  return fold(name, trimmed === '' ? [] : trimmed.split(/ (?=[^ ])/));
}

/** A structured field that is written as given, folded at its blanks (`Content-Type`, `List-Id`). */
export function structuredField(name: string, value: string): string {
  refuseLineEnds(name, value);
  return fold(name, value.trim().split(/ +/));
}

/** Refuses what would end a field early and so add fields of somebody's choosing. */
export function refuseLineEnds(name: string, text: string): void {
  if (/[\r\n\0]/.test(text)) throw new UserError(`${name}: the line end in it would add header fields. Nothing sent.`);
}

/** True when this can be a field name (RFC 5322 3.6.8: printable, no colon). */
export function isFieldName(name: string): boolean {
  return /^[!-9;-~]{1,76}$/.test(name);
}

/**
 * The address as it stands in a header and in an envelope: the local part quoted where it must be, the domain as A-label
 * when the local part is ASCII (RFC 6531: otherwise both stay UTF-8). Throws a UserError for what is no address.
 */
export function normalAddress(address: string): string {
  if (/[\x00-\x1f\x7f]/.test(address))
    throw new UserError(`address with control characters: ${JSON.stringify(address)}`);
  if (address.length > 320) throw new UserError(`address too long: ${address.slice(0, 40)}...`);
  const at = address.endsWith(']') ? address.lastIndexOf('@[') : address.lastIndexOf('@');
  const local = at < 0 ? address : address.slice(0, at);
  const domain = at < 0 ? '' : address.slice(at + 1);
  if (local === '' || (at >= 0 && !/^(\[[^\s[\]]+\]|[^\s"(),:;<>@[\\\]]+)$/.test(domain))) {
    throw new UserError(`not an address: ${address}`);
  }
  const quoted = DOT_ATOM.test(local) || QUOTED.test(local) ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
  if (at < 0) return quoted;
  const ascii = /[^\x00-\x7f]/.test(domain) && !/[^\x00-\x7f]/.test(local) ? domainToASCII(domain) : domain;
  return `${quoted}@${ascii === '' ? domain : ascii}`;
}

/** True when mail can be sent to this at all. */
export function isSendable(address: string): boolean {
  try {
    normalAddress(address);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

function nameTokens(name: string): string[] {
  const text = name.replace(/[\x00-\x1f\x7f]+/g, ' ').trim();
  if (text === '') return [];
  if (/[^\x20-\x7e]|=\?/.test(text) || text.length > 70) return encodedWords(text);
  if (ATOMS.test(text)) return text.split(' ');
  return [`"${text.replace(/["\\]/g, '\\$&')}"`];
}

/** An address list field; undefined when there is nobody in it. */
export function addressField(name: string, addresses: readonly Address[]): string | undefined {
  const tokens = addresses.flatMap((one, index) => {
    const comma = index === addresses.length - 1 ? '' : ',';
    const words = nameTokens(one.name);
    const address = normalAddress(one.address);
    return words.length === 0 ? [`${address}${comma}`] : [...words, `<${address}>${comma}`];
  });
  return tokens.length === 0 ? undefined : fold(name, tokens);
}

/** Message ids that are worth keeping: `<...>`, printable, of a sane length. */
export function isMessageId(id: string): boolean {
  return /^<[!-;=?-~]{1,250}>$/.test(id);
}

/** A field of message ids. The thread's first id and the newest ones stay, the middle goes where all would be too long. */
export function idsField(name: string, ids: readonly string[]): string | undefined {
  const [first, ...rest] = ids.filter(isMessageId);
  if (first === undefined) return undefined;
  let room = LONGEST_IDS - name.length - first.length;
  let from = rest.length;
  for (; from > 0; from--) {
    room -= (rest[from - 1]?.length ?? 0) + 1;
    if (room < 0) break;
  }
  return fold(name, [first, ...rest.slice(from)]);
}
