/**
 * A message as one object for programs (`--json`): decoded, but not made visible; JSON escapes keep a terminal safe.
 */
import type { Address } from './address.ts';
import { readEnvelope } from './envelope.ts';
import { withLineFeeds } from './header.ts';
import { partText } from './part-text.ts';
import { declaredCharsets, fileName, leaves, type Part, parseStructure } from './structure.ts';

export interface MessageFacts {
  /** As the session counts, from 1. */
  readonly number: number;
  readonly uid: number;
  /** `new`, `unread`, `read`. */
  readonly status: string;
  readonly flags: readonly string[];
  /** Header, empty line and body; the header alone will do without `withBody`. */
  readonly content: Uint8Array;
  readonly size: number;
  readonly lines: number;
  /** Adds parts, attachments, charset and text. */
  readonly withBody: boolean;
  /** Charsets to try for undeclared 8-bit text, best first (the user's locale). */
  readonly hints?: readonly string[];
}

/** The object, its keys in the order in which they are printed. */
export interface MessageObject {
  readonly number: number;
  readonly uid: number;
  readonly status: string;
  readonly flags: readonly string[];
  readonly from: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly sender: readonly Address[];
  readonly replyTo: readonly Address[];
  /** null: no such field. */
  readonly subject: string | null;
  /** Seconds since 1970; null when there is no Date that can be read. */
  readonly date: number | null;
  readonly messageId: string | null;
  readonly size: number;
  readonly lines: number;
  /** Leaves of the MIME tree; a message/rfc822 part is one. */
  readonly parts?: number;
  /** File names of the leaves, decoded, as the sender wrote them: never use one as a path. */
  readonly attachments?: readonly string[];
  /** Of the first text leaf, as declared, lower case; null when it declares none or there is no text. */
  readonly charset?: string | null;
  /** The first text leaf, decoded, HTML as it is, lines ended by LF, NUL as a blank; null when there is no text. */
  readonly text?: string | null;
}

/** What is known of a message, as an object for `safeJson`. */
export function messageObject(facts: MessageFacts): MessageObject {
  const { number, uid, status, flags, size, lines } = facts;
  const content = withLineFeeds(facts.content);
  const parts = facts.withBody ? leaves(parseStructure(content, facts.hints)) : [];
  const hints = [...declaredCharsets(parts), ...(facts.hints ?? [])];
  const envelope = readEnvelope(content, hints);
  return {
    number,
    uid,
    status,
    flags,
    from: envelope.from,
    to: envelope.to,
    cc: envelope.cc,
    sender: envelope.sender,
    replyTo: envelope.replyTo,
    subject: envelope.hasSubject ? envelope.subject : null,
    date: envelope.date?.seconds ?? null,
    messageId: envelope.messageId ?? null,
    size,
    lines,
    ...(facts.withBody ? bodyFacts(content, parts, hints) : {}),
  };
}

function bodyFacts(
  content: Uint8Array,
  all: readonly Part[],
  hints: readonly string[],
): Pick<MessageObject, 'parts' | 'attachments' | 'charset' | 'text'> {
  const text = all.find(({ type }) => type.startsWith('text/'));
  return {
    parts: all.length,
    attachments: all.map(fileName).filter((name) => name !== undefined),
    charset: text?.parameters.get('charset')?.trim().toLowerCase() || null,
    text: text === undefined ? null : plainLines(partText(content, text, hints)),
  };
}

/** Line ends as LF. NUL is no character of text (RFC 5322 4.1 wants it gone): a blank, so that no word joins the next. */
const plainLines = (text: string): string => text.replaceAll('\r\n', '\n').replaceAll('\0', ' ');

/** JSON on one line whose every character is harmless on a terminal: controls, bidi and invisible ones are escaped. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(HIDDEN, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** What JSON.stringify leaves as it is although a terminal may act on it or hide it. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}\p{NChar}]/gu;
