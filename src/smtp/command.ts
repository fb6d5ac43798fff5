/**
 * Command lines: from what a client (or a human with telnet) sent to verb and parameters.
 *
 * Promises: never throws; every fault is a Reply. Typed-by-hand forms are read as sendmail reads them: any case, blanks
 * around the colon, no angle brackets, bare local parts; BACKSPACE and DEL take back the character before them.
 * RFC 5321 4.1.1, 4.1.2; parameters: RFC 1870 (SIZE), 6152 (BODY), 6531 (SMTPUTF8), 3461 (DSN), 4954 (AUTH),
 * 2852 (BY), 8689 (REQUIRETLS).
 */
import {
  isFault,
  isInternational,
  isNull,
  type Path,
  parseDomain,
  parseIp,
  parsePath,
  splitPath,
} from '../message/path.ts';
import { REPLIES, type Reply } from './reply.ts';

export interface CommandLine {
  /** In upper case; '' for an empty line. */
  readonly verb: string;
  /** What follows, trimmed. */
  readonly rest: string;
  /** The line as text, for replies and the log. */
  readonly line: string;
}

const BS = 8;
const DEL = 127;
const IAC = 255;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Splits a line (without its end) into verb and rest. */
export function parseLine(bytes: Buffer): CommandLine {
  const line = decode(edit(bytes));
  const start = line.trimStart();
  const verb = /^[^\s:]*/.exec(start)?.[0] ?? '';
  return { verb: verb.toUpperCase(), rest: start.slice(verb.length).trim(), line };
}

/** Applies what a line-editing human typed, and drops telnet's own negotiation (RFC 854). */
function edit(bytes: Buffer): Buffer {
  if (!bytes.includes(BS) && !bytes.includes(DEL) && !bytes.includes(IAC)) return bytes;
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i] ?? 0;
    if (c === IAC) {
      const option = bytes[i + 1] ?? 0;
      i += option >= 251 && option <= 254 ? 2 : 1;
    } else if (c === BS || c === DEL) {
      // A UTF-8 character goes as a whole.
      let last = out.pop();
      while (last !== undefined && (last & 0xc0) === 0x80) last = out.pop();
    } else out.push(c);
  }
  return Buffer.from(out);
}

/** UTF-8 where it is valid, else byte by byte: a wrong byte must stay visible in the reply and make no other character. */
function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/** MAIL's parameters. */
export interface MailParameters {
  /** Declared size in bytes. */
  readonly size?: number;
  readonly body?: '7BIT' | '8BITMIME';
  readonly smtpUtf8?: true;
  readonly ret?: 'FULL' | 'HDRS';
  /** xtext, as it came (RFC 3461 4.4): it is only ever passed on. */
  readonly envid?: string;
  /** AUTH=: who submitted it, decoded; '' for `<>`. */
  readonly auth?: string;
  readonly deliverBy?: { readonly seconds: number; readonly mode: 'R' | 'N'; readonly trace: boolean };
  readonly requireTls?: true;
}

/** RCPT's parameters (RFC 3461 4.1, 4.2). */
export interface RcptParameters {
  /** Empty means NEVER; undefined: not given. */
  readonly notify?: readonly ('SUCCESS' | 'FAILURE' | 'DELAY')[];
  /** `rfc822;lee@host`, address type and xtext as they came. */
  readonly orcpt?: string;
}

export type Parsed<T> = { readonly ok: T } | { readonly refused: Reply };

const refused = (reply: Reply): { refused: Reply } => ({ refused: reply });

/** What the MAIL line may ask for in this session. */
export interface Offered {
  readonly sizeLimit: number;
  readonly tls: boolean;
  readonly deliverBy: number | undefined;
}

/** `FROM:<lee@host> SIZE=10`, and what humans type. */
export function parseMail(rest: string, offered: Offered): Parsed<{ sender: Path; parameters: MailParameters }> {
  const words = split(rest, 'from');
  if ('refused' in words) return words;
  const sender = parsePath(words.ok.path);
  if (isFault(sender)) return refused(REPLIES.badAddress(words.ok.path, sender.code, sender.status, sender.fault));
  const parameters = readParameters(words.ok.parameters, MAIL_PARAMETERS, offered);
  if ('refused' in parameters) return parameters;
  if (isInternational(sender) && parameters.ok.smtpUtf8 === undefined)
    return refused(REPLIES.needSmtpUtf8(sender.text));
  return { ok: { sender, parameters: parameters.ok } };
}

/** `TO:<lee@host> NOTIFY=NEVER`; `smtpUtf8` as MAIL asked for it. */
export function parseRcpt(rest: string, smtpUtf8: boolean): Parsed<{ recipient: Path; parameters: RcptParameters }> {
  const words = split(rest, 'to');
  if ('refused' in words) return words;
  const recipient = parsePath(words.ok.path);
  if (isFault(recipient)) {
    return refused(REPLIES.badAddress(words.ok.path, recipient.code, recipient.status, recipient.fault));
  }
  if (isNull(recipient)) return refused(REPLIES.userRequired(recipient.text));
  const parameters = readParameters(words.ok.parameters, RCPT_PARAMETERS, undefined);
  if ('refused' in parameters) return parameters;
  if (isInternational(recipient) && !smtpUtf8) return refused(REPLIES.needSmtpUtf8(recipient.text));
  return { ok: { recipient, parameters: parameters.ok } };
}

/** The path and the parameters behind `from:` or `to:`; blanks on either side of the colon are a human's. */
function split(rest: string, keyword: string): Parsed<{ path: string; parameters: string }> {
  const colon = rest.indexOf(':');
  const word = (colon < 0 ? rest : rest.slice(0, colon)).trimEnd();
  if (colon < 0 || word.toLowerCase() !== keyword) return refused(REPLIES.scanning(word.split(/\s/)[0] ?? ''));
  const { path, rest: parameters } = splitPath(rest.slice(colon + 1).trim());
  if (path === '') return refused(REPLIES.scanning(word));
  return { ok: { path, parameters } };
}

/** One ESMTP parameter: how its value is read; undefined when the value is wrong. */
type Reader<T, C> = (value: string | undefined, context: C) => Partial<T> | Reply;

const MAIL_PARAMETERS: Readonly<Record<string, Reader<MailParameters, Offered>>> = {
  SIZE: (value, offered) => {
    if (value === undefined || !/^\d{1,20}$/.test(value)) return REPLIES.badArgument('SIZE', value ?? '');
    const size = Number(value);
    return size > offered.sizeLimit ? REPLIES.tooLarge(offered.sizeLimit) : { size };
  },
  BODY: (value = '') => {
    const body = value.toUpperCase();
    return body === '7BIT' || body === '8BITMIME' ? { body } : REPLIES.unknownBody(value);
  },
  SMTPUTF8: (value) => (value === undefined ? { smtpUtf8: true } : REPLIES.badArgument('SMTPUTF8', value)),
  RET: (value = '') => {
    const ret = value.toUpperCase();
    return ret === 'FULL' || ret === 'HDRS' ? { ret } : REPLIES.badArgument('RET', value);
  },
  ENVID: (value = '') =>
    isXtext(value) && value.length <= 100 ? { envid: value } : REPLIES.badArgument('ENVID', value),
  AUTH: (value = '') => {
    const auth = isXtext(value) ? decodeXtext(value) : undefined;
    return auth === undefined ? REPLIES.badArgument('AUTH', value) : { auth: auth === '<>' ? '' : auth };
  },
  BY: (value = '', offered) => {
    if (offered.deliverBy === undefined) return REPLIES.unknownParameter('BY');
    const found = /^([+-]?\d{1,9});([RN])(T?)$/i.exec(value);
    if (found === null) return REPLIES.badArgument('BY', value);
    const seconds = Number(found[1]);
    const mode = found[2]?.toUpperCase() === 'R' ? 'R' : 'N';
    // RFC 2852 4: a return asked for in the past, or sooner than we can promise, is refused at once.
    if (mode === 'R' && (seconds <= 0 || seconds < offered.deliverBy)) return REPLIES.badArgument('BY', value);
    return { deliverBy: { seconds, mode, trace: found[3] !== '' } };
  },
  REQUIRETLS: (value, offered) => {
    if (value !== undefined) return REPLIES.badArgument('REQUIRETLS', value);
    return offered.tls ? { requireTls: true } : REPLIES.tlsFirst;
  },
};

const RCPT_PARAMETERS: Readonly<Record<string, Reader<RcptParameters, undefined>>> = {
  NOTIFY: (value = '') => {
    const words = value.toUpperCase().split(',');
    if (words.length === 1 && words[0] === 'NEVER') return { notify: [] };
    const notify: ('SUCCESS' | 'FAILURE' | 'DELAY')[] = [];
    for (const word of words) {
      if (word !== 'SUCCESS' && word !== 'FAILURE' && word !== 'DELAY') return REPLIES.badArgument('NOTIFY', value);
      if (!notify.includes(word)) notify.push(word);
    }
    return { notify };
  },
  ORCPT: (value = '') => {
    const [type = '', ...address] = value.split(';');
    const text = address.join(';');
    const known = /^[A-Za-z0-9-]+$/.test(type) && value.length <= 500;
    // RFC 6533: utf-8 addresses come in their own encoding, or raw under SMTPUTF8.
    return known && text !== '' && (isXtext(text) || type.toLowerCase() === 'utf-8')
      ? { orcpt: value }
      : REPLIES.badArgument('ORCPT', value);
  },
};

function isReply(value: object): value is Reply {
  return 'code' in value;
}

function readParameters<T, C>(
  text: string,
  table: Readonly<Record<string, Reader<T, C>>>,
  context: C,
): Parsed<Partial<T>> {
  let out: Partial<T> = {};
  if (text === '') return { ok: out };
  const seen = new Set<string>();
  for (const word of text.split(/[ \t]+/)) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const key = name.toUpperCase();
    const reader = Object.hasOwn(table, key) ? table[key] : undefined;
    if (reader === undefined) return refused(REPLIES.unknownParameter(name));
    if (seen.has(key)) return refused(REPLIES.duplicateParameter(key));
    seen.add(key);
    const read = reader(equals < 0 ? undefined : word.slice(equals + 1), context);
    if (isReply(read)) return refused(read);
    out = { ...out, ...read };
  }
  return { ok: out };
}

/** RFC 3461 4: printable ASCII, `+` and `=` only as `+HH`. */
export function isXtext(text: string): boolean {
  return /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/.test(text);
}

export function decodeXtext(text: string): string {
  const bytes = text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decode(Buffer.from(bytes, 'latin1'));
}

export function encodeXtext(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte > 32 && byte < 127 && byte !== 0x2b && byte !== 0x3d;
    out += plain ? String.fromCharCode(byte) : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** What HELO, EHLO and LHLO name (RFC 5321 4.1.1.1): a domain or literal; more is typed and taken than the RFC allows. */
export function parseHelo(rest: string): string | undefined {
  if (rest.startsWith('[')) return rest.endsWith(']') && !/\s/.test(rest) && rest.length <= 255 ? rest : undefined;
  return parseDomain(rest) ?? parseIp(rest);
}

/** `BDAT 1000 LAST` (RFC 3030 2). `lost`: it was meant as a chunk, but where the chunk ends cannot be known. */
export function parseBdat(rest: string): { bytes: number; last: boolean } | 'syntax' | 'lost' {
  const found = /^(\d+)(\s+LAST)?$/i.exec(rest);
  if (found === null) return /^\d/.test(rest) ? 'lost' : 'syntax';
  const bytes = Number(found[1]);
  return Number.isSafeInteger(bytes) ? { bytes, last: found[2] !== undefined } : 'lost';
}

/** `PLAIN`, `PLAIN AGxlZQ...`, `PLAIN =` (RFC 4954 4). */
export function parseAuth(rest: string): Parsed<{ mechanism: string; initial: Uint8Array | undefined }> {
  const [name = '', text, ...more] = rest.split(/\s+/);
  if (name === '') return refused(REPLIES.authMechanism);
  if (more.length > 0) return refused(REPLIES.authDecode);
  if (text === undefined) return { ok: { mechanism: name.toUpperCase(), initial: undefined } };
  const initial = text === '=' ? new Uint8Array(0) : decodeBase64(text);
  return initial === undefined ? refused(REPLIES.authDecode) : { ok: { mechanism: name.toUpperCase(), initial } };
}

/** Strict base64 (RFC 4648 4); undefined when it is not. Padding may be missing: humans type it. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'base64'));
}
