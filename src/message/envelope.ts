/**
 * What a list of messages shows and threads by, read from a header: addresses, subject, date, ids (RFC 5322 3.6).
 *
 * Made for 100,000 headers a moment: one pass finds where the fields are, and each is decoded when it is asked for.
 */
import { type Address, parseAddresses } from './address.ts';
import { type MailDate, parseDate } from './date.ts';
import { charsetHints, headerSize } from './header.ts';
import { decodeField, rawText } from './words.ts';

/** The first field of each name counts; lists of all To and Cc fields are joined. */
export interface EnvelopeFields {
  readonly from: Address[];
  readonly sender: Address[];
  readonly replyTo: Address[];
  readonly to: Address[];
  readonly cc: Address[];
  readonly bcc: Address[];
  readonly subject: string;
  readonly date: MailDate | undefined;
  /** With its angle brackets, blanks and comments taken out; undefined when there is none. */
  readonly messageId: string | undefined;
  readonly inReplyTo: string[];
  readonly references: string[];
  /** Whether there is a Subject field at all. */
  readonly hasSubject: boolean;
}

type FieldName =
  | 'from'
  | 'sender'
  | 'reply-to'
  | 'to'
  | 'cc'
  | 'bcc'
  | 'subject'
  | 'date'
  | 'message-id'
  | 'in-reply-to'
  | 'references'
  | 'content-type';

/** Names by length, so that most lines are passed over after looking for their colon. */
const BY_LENGTH: readonly (readonly FieldName[])[] = [
  [],
  [],
  ['to', 'cc'],
  ['bcc'],
  ['from', 'date'],
  [],
  ['sender'],
  ['subject'],
  ['reply-to'],
  [],
  ['message-id', 'references'],
  ['in-reply-to'],
  ['content-type'],
];

/** More of one address field than this is not looked at: nobody reads it, and the header may be 100 MB. */
const LONGEST = 4_000_000;

class Envelope implements EnvelopeFields {
  readonly #values: ReadonlyMap<FieldName, string>;
  readonly #usual: readonly string[];
  #hints: readonly string[] | undefined;
  readonly #known = new Map<FieldName, unknown>();

  constructor(values: ReadonlyMap<FieldName, string>, usual: readonly string[]) {
    this.#values = values;
    this.#usual = usual;
  }

  get from(): Address[] {
    return this.#addresses('from');
  }
  get sender(): Address[] {
    return this.#addresses('sender');
  }
  get replyTo(): Address[] {
    return this.#addresses('reply-to');
  }
  get to(): Address[] {
    return this.#addresses('to');
  }
  get cc(): Address[] {
    return this.#addresses('cc');
  }
  get bcc(): Address[] {
    return this.#addresses('bcc');
  }
  get hasSubject(): boolean {
    return this.#values.has('subject');
  }
  get subject(): string {
    return this.#once('subject', (value) => decodeField(value, this.#charsets(value)), '');
  }
  get date(): MailDate | undefined {
    return this.#once('date', (value) => parseDate(rawText(value).trim()), undefined);
  }
  get messageId(): string | undefined {
    return this.#once('message-id', (value) => messageIds(value)[0] ?? (rawText(value).trim() || undefined), undefined);
  }
  get inReplyTo(): string[] {
    return this.#once('in-reply-to', messageIds, []);
  }
  get references(): string[] {
    return this.#once('references', messageIds, []);
  }

  #addresses(name: FieldName): Address[] {
    return this.#once(
      name,
      (value) => {
        const hints = this.#charsets(value);
        return parseAddresses(rawText(value, hints), hints);
      },
      [],
    );
  }

  #once<T>(name: FieldName, read: (value: string) => T, none: T): T {
    const value = this.#values.get(name);
    if (value === undefined) return none;
    if (!this.#known.has(name)) this.#known.set(name, read(value));
    return this.#known.get(name) as T;
  }

  /** Hints are needed for raw 8-bit text only. */
  #charsets(value: string): readonly string[] {
    if (!/[\x80-\xff?]/.test(value)) return [];
    this.#hints ??= [...charsetHints(this.#values.get('content-type')), ...this.#usual];
    return this.#hints;
  }
}

/**
 * The envelope of a header as stored; what follows its empty line is not looked at. `hints` are the charsets in which
 * this user's undeclared 8-bit text probably is (charsetsOfLocale), behind the one that the message declares.
 */
export function readEnvelope(header: Uint8Array, hints: readonly string[] = []): EnvelopeFields {
  const size = header.length > 4096 ? headerSize(header) : header.length;
  const text = Buffer.from(header.buffer, header.byteOffset, size).toString('latin1');
  return new Envelope(findValues(text.includes('\n') ? text : text.replaceAll('\r', '\n')), hints);
}

function findValues(text: string): Map<FieldName, string> {
  const values = new Map<FieldName, string>();
  for (let start = 0; start < text.length; ) {
    const first = text.charCodeAt(start);
    if (first === 0x0a || (first === 0x0d && (text.charCodeAt(start + 1) === 0x0a || start + 1 === text.length))) break;
    let end = lineEnd(text, start);
    const name = first === 0x20 || first === 0x09 ? undefined : nameAt(text, start);
    if (name === undefined) {
      start = end;
      continue;
    }
    for (let next = text.charCodeAt(end); next === 0x20 || next === 0x09; next = text.charCodeAt(end))
      end = lineEnd(text, end);
    const value = text.slice(text.indexOf(':', start) + 1, Math.min(end, start + LONGEST));
    const before = values.get(name);
    if (before === undefined) values.set(name, value);
    else if ((name === 'to' || name === 'cc' || name === 'bcc') && before.length < LONGEST)
      values.set(name, `${before},${value}`);
    start = end;
  }
  return values;
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf('\n', start);
  return end < 0 ? text.length : end + 1;
}

/** The name of the field that begins at `start`, if it is one of those wanted. */
function nameAt(text: string, start: number): FieldName | undefined {
  let end = start;
  while (end - start <= 12) {
    const code = text.charCodeAt(end);
    if (code === 0x3a || code === 0x20 || code === 0x09) break;
    if (code <= 0x20 || Number.isNaN(code)) return undefined;
    end++;
  }
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined || candidates.length === 0) return undefined;
  let colon = end;
  while (text.charCodeAt(colon) === 0x20 || text.charCodeAt(colon) === 0x09) colon++;
  if (text.charCodeAt(colon) !== 0x3a) return undefined;
  const written = text.slice(start, end).toLowerCase();
  return candidates.find((name) => name === written);
}

/** Ids in angle brackets, blanks and comments inside taken out (RFC 5322 4.5.4). */
function messageIds(value: string): string[] {
  const ids = /<[^<>]+>/g;
  const plain = value.match(ids) ?? [];
  return plain.map((id) => (/[\s("]/.test(id) ? id.replace(/\([^()]*\)/g, '').replace(/\s+/g, '') : id));
}
