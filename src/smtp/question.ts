/**
 * What passes between the SMTP machine and whoever drives it: bytes and answers in, actions out.
 *
 * One question is open at a time; while it is, input is held. A driver is a short loop: carry out the actions in order,
 * answer the question (at once or later), carry out what comes of it.
 */
import type { Path } from '../message/path.ts';
import type { MailParameters, RcptParameters } from './command.ts';
import type { BareNewline, ContentFacts, ContentLimits } from './data.ts';
import type { Reply } from './reply.ts';

/** The other side, as far as it is known when it connects. */
export interface Client {
  /** IP address in the form of `parseIp`; '' for a local socket or pipe. */
  readonly address: string;
  /** Its name, if the address resolves to one that resolves back; undefined otherwise. */
  readonly name?: string | undefined;
}

/** What STARTTLS or the first byte brought. */
export interface TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly clientSubject?: string;
}

export interface SmtpLimits extends ContentLimits {
  /** Bytes of a command line; AUTH lines get 12288 (RFC 4954 4). */
  readonly command: number;
  /** Accepted recipients of a message. */
  readonly recipients: number;
  /** Refused recipients in a connection. */
  readonly badRecipients: number;
  /** Unknown or wrong commands in a connection. */
  readonly badCommands: number;
  /** Commands since the last message or the start, that brought none nearer: NOOP, RSET, HELO, VRFY ... */
  readonly idleCommands: number;
  readonly authFailures: number;
}

export const DEFAULT_LIMITS: SmtpLimits = {
  size: 50 * 1024 * 1024,
  header: 64 * 1024,
  line: 64 * 1024,
  hops: 30,
  command: 2048,
  recipients: 1000,
  badRecipients: 100,
  badCommands: 25,
  idleCommands: 200,
  authFailures: 5,
};

export interface SmtpConfig {
  readonly hostname: string;
  readonly version: string;
  /** The date of the greeting, RFC 5322. */
  readonly date: () => string;
  /** LHLO, and a reply per recipient (RFC 2033). */
  readonly lmtp: boolean;
  /** STARTTLS can be offered. */
  readonly startTls: boolean;
  /** MAIL only under TLS, and only once authenticated (submission, RFC 6409). */
  readonly requireTls: boolean;
  readonly requireAuth: boolean;
  readonly requireHelo: boolean;
  /** SASL mechanisms offered in clear and under TLS. */
  readonly mechanisms: { readonly clear: readonly string[]; readonly tls: readonly string[] };
  readonly vrfy: boolean;
  readonly expn: boolean;
  readonly etrn: boolean;
  /** Shortest DELIVERBY that can be promised, in seconds; 0 for any; undefined: not offered. */
  readonly deliverBy: number | undefined;
  /** A client that speaks before the greeting is refused. */
  readonly refuseEarlyTalkers: boolean;
  readonly bareNewline: BareNewline;
  readonly limits: SmtpLimits;
}

export const DEFAULT_CONFIG: SmtpConfig = {
  hostname: 'localhost',
  version: '0',
  date: () => '',
  lmtp: false,
  startTls: false,
  requireTls: false,
  requireAuth: false,
  requireHelo: false,
  mechanisms: { clear: [], tls: [] },
  vrfy: false,
  expn: false,
  etrn: true,
  deliverBy: 0,
  refuseEarlyTalkers: false,
  bareNewline: 'refuse',
  limits: DEFAULT_LIMITS,
};

/** What the session is by now. */
export interface SessionFacts {
  readonly client: Client;
  /** What HELO, EHLO or LHLO named; undefined before. */
  readonly helo: string | undefined;
  /** As in `with ESMTPSA` of Received (RFC 3848, RFC 6531 4.3 without the UTF8 forms). */
  readonly protocol: string;
  readonly tls: TlsInfo | undefined;
  /** Who authenticated. */
  readonly user: string | undefined;
}

export interface Recipient {
  readonly path: Path;
  readonly parameters: RcptParameters;
}

/** The transaction so far. */
export interface Envelope {
  readonly sender: Path;
  readonly parameters: MailParameters;
  /** Accepted ones, in order. */
  readonly recipients: readonly Recipient[];
  /** Texts of X-Authentication-Warning fields to add. */
  readonly warnings: readonly string[];
}

export type Question =
  | { readonly kind: 'connect' }
  | { readonly kind: 'helo'; readonly verb: 'HELO' | 'EHLO' | 'LHLO'; readonly name: string }
  /** `envelope` has no recipients yet. */
  | { readonly kind: 'mail'; readonly envelope: Envelope }
  | { readonly kind: 'rcpt'; readonly envelope: Envelope; readonly recipient: Recipient }
  /** May content come? An `ok` is followed by `content` actions, then by the question `end` or the action `abandon`. */
  | { readonly kind: 'data'; readonly envelope: Envelope }
  /** All content was given out. An `ok` means: on stable storage. */
  | { readonly kind: 'end'; readonly envelope: Envelope; readonly facts: ContentFacts }
  | { readonly kind: 'auth'; readonly mechanism: string; readonly initial: Uint8Array | undefined }
  | { readonly kind: 'authResponse'; readonly response: Uint8Array }
  | { readonly kind: 'vrfy'; readonly text: string }
  | { readonly kind: 'expn'; readonly text: string }
  /** `name` as typed: `host`, `@domain` or `#queue` (RFC 1985). */
  | { readonly kind: 'etrn'; readonly name: string };

/** How a question was decided. */
export type Answer =
  /** Go on, with the usual wording. `id` goes into the reply after `end`. */
  | { readonly kind: 'ok'; readonly id?: string }
  /** This reply; its code says whether it goes on (2xx, 3xx) or was refused. After `connect`, 554 leaves only QUIT. */
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** LMTP after `end`: one for each accepted recipient, in their order. */
  | { readonly kind: 'each'; readonly replies: readonly Reply[] }
  /** After `auth` and `authResponse`. */
  | { readonly kind: 'challenge'; readonly challenge: Uint8Array }
  | { readonly kind: 'authenticated'; readonly user: string };

export type Action =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'ask'; readonly question: Question }
  /** The next piece of the message, canonical; may be a view of what was received. */
  | { readonly kind: 'content'; readonly bytes: Uint8Array }
  /** The transaction is over and no message came of it: throw away its content, forget its recipients. */
  | { readonly kind: 'abandon' }
  /** After what was sent: start TLS as a server, then call `tlsStarted`. */
  | { readonly kind: 'startTls' }
  /** A refusal (4xx or 5xx), for the log. */
  | { readonly kind: 'refused'; readonly command: string; readonly reply: Reply }
  /** After what was sent: end the connection. */
  | { readonly kind: 'close' };
