/**
 * What the queue knows of a message: its envelope, what became of each recipient so far, and where it may go next.
 *
 * An entry is a plain value; a change is a new value. The route of a recipient is not kept: it is found anew at each
 * attempt, so that a mended configuration also serves the mail that waits for it.
 */

/** Name of an entry: ascending in time, never used twice by one spool. */
export type QueueId = string & { readonly unit: 'queue' };

/** When a recipient's sender wants a report (RFC 3461 4.1). */
export type Notify = 'success' | 'failure' | 'delay';

export type RecipientStatus =
  /** Waits for its (next) attempt. */
  | 'queued'
  /** In a mailbox, file or program of this host. */
  | 'delivered'
  /** Taken by another host. */
  | 'relayed'
  /** Given up; the sender has been told, or must not be. */
  | 'failed'
  /** Dropped by a rule that says so. */
  | 'discarded';

export interface RecipientState {
  /** Where it goes, after aliases: `lee` (a user here), `/file`, `|command`, or `local@domain`. */
  readonly address: string;
  /** Whose ~/.forward named the file or command; undefined: the administrator's tables. */
  readonly asUser?: string;
  /** It was accepted but leads nowhere: the reason was found when it was expanded. */
  readonly refusal?: Reason;
  /** As it came in RCPT, for reports. */
  readonly original: string;
  /** The ORCPT parameter as it came (`rfc822;lee@example.com`), for reports and to be passed on. */
  readonly orcpt?: string;
  /** Empty: never. Undefined: nothing was said, which means failures and delays. */
  readonly notify?: readonly Notify[];
  readonly status: RecipientStatus;
  /** Attempts made. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly nextTry: number;
  /** What the last attempt met: the other side's words, or ours. */
  readonly reason?: Reason;
  /** Delay warnings sent. */
  readonly warnings: number;
}

/** Why a recipient waits or failed. */
export interface Reason {
  /** `4.4.1`, `5.1.1` (RFC 3463). */
  readonly status: string;
  readonly text: string;
  /** The host that said it, when one did. */
  readonly host?: string;
}

export interface QueueEntry {
  readonly id: QueueId;
  /** Envelope sender; '' is the null sender `<>`. */
  readonly sender: string;
  readonly recipients: readonly RecipientState[];
  /** Octets of the content. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly received: number;
  /** How it came: for the log, `Received:` and mailq. */
  readonly from: Origin;
  readonly body: '7bit' | '8bitmime';
  readonly smtputf8: boolean;
  readonly requireTls: boolean;
  /** DSN parameters of MAIL (RFC 3461 4.3, 4.4). */
  readonly ret?: 'full' | 'hdrs';
  readonly envid?: string;
  /** Not tried until released; the reason is shown. */
  readonly held?: string;
}

export interface Origin {
  /** `smtp`, `esmtps`, `lmtp` ... (RFC 3848); `submit`: by command; `internal`: made here. */
  readonly protocol: string;
  /** Client name and address as known, '' for local submissions. */
  readonly client: string;
  /** Login name when the client authenticated or the operating system knows who submitted. */
  readonly user?: string;
}

/** Every recipient has its outcome: nothing is left to do. */
export function isDone(entry: QueueEntry): boolean {
  return entry.recipients.every(({ status }) => status !== 'queued');
}

/** When the entry wants to be looked at next, in milliseconds since 1970; undefined: not by itself. */
export function nextTry(entry: QueueEntry): number | undefined {
  if (entry.held !== undefined) return undefined;
  const waiting = entry.recipients.filter(({ status }) => status === 'queued');
  return waiting.length === 0 ? undefined : Math.min(...waiting.map((one) => one.nextTry));
}
