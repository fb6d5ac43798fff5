/**
 * Final delivery to a mailbox of this host: system mailboxes, Maildir folders, files that an alias names.
 *
 * All messages that wait for one mailbox go in under one lock and one sync (mailbox/append.ts): all or nothing, and durable
 * when this answers. What a message says of its own status is not believed: Status, X-Status, X-Keywords, X-UID and
 * X-IMAPbase are the mailbox's words, not a sender's.
 */
import { MailError } from '../core/errors.ts';
import { type AppendOptions, appendMessages } from '../mailbox/append.ts';
import type { MailboxContext, NewMessage } from '../mailbox/mailbox.ts';
import { parseHeader } from '../message/header.ts';
import type { QueueEntry, RecipientState } from '../queue/entry.ts';
import type { Job, Transport } from '../queue/run.ts';
import type { Outcome } from '../queue/schedule.ts';

export interface LocalTarget {
  readonly path: string;
  /** For Delivered-To and the log: `lee@linux102.example.com`; undefined for files, which get none. */
  readonly deliveredTo: string | undefined;
  readonly append: AppendOptions;
}

/** Names of fields that only a mailbox may write, lower case. */
const MAILBOX_FIELDS = new Set(['status', 'x-status', 'x-keywords', 'x-uid', 'x-imapbase', 'x-imap', 'return-path']);

/** Puts messages into a mailbox, all or none, durably; throws a MailError when it could not be done. */
export type Append = (messages: Iterable<NewMessage>) => Promise<unknown>;

export function localTransport(context: MailboxContext, target: LocalTarget): Transport {
  return mailboxTransport(
    (messages) => appendMessages(context, target.path, messages, target.append),
    target,
    context.now,
  );
}

/** Delivery by whoever is allowed to write there. `most`: octets that may be appended at once, unless one message has more. */
export function mailboxTransport(
  append: Append,
  target: Pick<LocalTarget, 'deliveredTo'>,
  now: () => number,
  most = Number.POSITIVE_INFINITY,
): Transport {
  const put = (jobs: readonly Job[]) => append(messagesOf(jobs, target, now));
  return {
    async deliver(jobs, answer) {
      for (const some of portions(jobs, most)) {
        try {
          await put(some);
        } catch (error) {
          if (some.length === 1 || !(error instanceof MailError)) throw error;
          // One that does not fit must not keep the others out.
          await deliverEach(put, some, error, answer);
          continue;
        }
        for (const job of some) answer(job, delivered(job));
      }
    },
  };
}

/** Jobs in their order, as many at a time as have no more than `most` octets together. */
function portions(jobs: readonly Job[], most: number): Job[][] {
  const all: Job[][] = [];
  let room = 0;
  for (const job of jobs) {
    const last = all.at(-1);
    if (last === undefined || job.entry.size > room) {
      all.push([job]);
      room = most - job.entry.size;
    } else {
      last.push(job);
      room -= job.entry.size;
    }
  }
  return all;
}

async function deliverEach(
  put: (jobs: readonly Job[]) => Promise<unknown>,
  jobs: readonly Job[],
  together: MailError,
  answer: (job: Job, outcomes: readonly Outcome[]) => void,
): Promise<void> {
  for (const job of jobs) {
    const error = await deliverAlone(put, job, answer);
    // Nothing about this message: a lock that is held would be waited for once for each.
    if (error?.temporary === true && error.message === together.message) throw error;
  }
}

/** Why it could not be delivered; undefined when it was. */
async function deliverAlone(
  put: (jobs: readonly Job[]) => Promise<unknown>,
  job: Job,
  answer: (job: Job, outcomes: readonly Outcome[]) => void,
): Promise<MailError | undefined> {
  try {
    await put([job]);
    answer(job, delivered(job));
    return undefined;
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    const reason = { status: error.temporary ? '4.2.0' : '5.2.0', text: error.message };
    answer(
      job,
      job.recipients.map(() => ({ kind: error.temporary ? 'deferred' : 'failed', reason })),
    );
    return error;
  }
}

function delivered(job: Job): Outcome[] {
  return job.recipients.map(() => ({ kind: 'delivered', reason: { status: '2.1.5', text: 'delivered to mailbox' } }));
}

function* messagesOf(
  jobs: readonly Job[],
  target: Pick<LocalTarget, 'deliveredTo'>,
  now: () => number,
): Generator<NewMessage> {
  for (const job of jobs) {
    const [index = 0] = job.recipients;
    yield finalMessage(job.entry, job.entry.recipients[index], Buffer.concat([...job.content()]), target, now());
  }
}

/** The message as it lies in a mailbox: LF line ends, trace fields in front (RFC 5321 4.4). */
export function finalMessage(
  entry: QueueEntry,
  recipient: RecipientState | undefined,
  content: Uint8Array,
  target: Pick<LocalTarget, 'deliveredTo'>,
  now: number,
): NewMessage {
  const header = parseHeader(content);
  const fields = header.fields.filter(({ name }) => !MAILBOX_FIELDS.has(name.toLowerCase()));
  const front = [`Return-Path: <${entry.sender}>\r\n`];
  if (target.deliveredTo !== undefined) {
    if (recipient !== undefined && recipient.original !== target.deliveredTo)
      front.push(`X-Original-To: ${recipient.original}\r\n`);
    front.push(`Delivered-To: ${target.deliveredTo}\r\n`);
  }
  const headerLength = header.fields.reduce((sum, { raw }) => sum + raw.length, 0);
  // Behind the fields: the empty line, if there is one, and the body.
  const parts = [...fields.map(({ raw }) => raw), content.subarray(headerLength)];
  return {
    content: withLf(Buffer.concat([Buffer.from(front.join(''), 'utf8'), ...parts])),
    sender: entry.sender === '' ? 'MAILER-DAEMON' : entry.sender,
    received: Math.floor(now / 1000),
    quote: true,
  };
}

const CR = 0x0d;
const LF = 0x0a;

/** CRLF as LF: the form of a mailbox on a Unix host. */
function withLf(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let from = 0;
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) continue;
    out.set(bytes.subarray(from, at), length);
    length += at - from;
    from = at + 1;
  }
  out.set(bytes.subarray(from), length);
  return out.subarray(0, length + bytes.length - from);
}
