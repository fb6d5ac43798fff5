/**
 * When to try, when to warn, when to give up: decisions without a clock or a disk.
 *
 * The first attempt is made at once. After a temporary failure the wait doubles from one minute up to `interval` (the queue
 * interval of sendmail's `-q30m`). Warnings and the return are counted from the arrival of the message, as sendmail's
 * Timeout.queuewarn and Timeout.queuereturn are.
 */
import type { Notify, QueueEntry, Reason, RecipientState } from './entry.ts';

export interface ScheduleSettings {
  /** Longest wait between two attempts, in milliseconds. */
  readonly interval: number;
  /** Ages at which the sender is warned of a delay, ascending, in milliseconds. */
  readonly warnAfter: readonly number[];
  /** Age at which a recipient is given up, in milliseconds. */
  readonly returnAfter: number;
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const DEFAULT_SCHEDULE: ScheduleSettings = { interval: HOUR, warnAfter: [4 * HOUR], returnAfter: 5 * DAY };

/** What one attempt meant for one recipient. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly reason: Reason }
  /** `reports`: the other host took the wish for reports along, and will send them (RFC 3461 5.2.2). */
  | { readonly kind: 'relayed'; readonly reason: Reason; readonly reports: boolean }
  | { readonly kind: 'discarded'; readonly reason: Reason }
  /** Try again later. */
  | { readonly kind: 'deferred'; readonly reason: Reason }
  /** Never try again. */
  | { readonly kind: 'failed'; readonly reason: Reason };

/** Milliseconds to wait after `attempts` failed attempts (1 or more). */
export function backOff(attempts: number, interval: number): number {
  return Math.min(interval, MINUTE * 2 ** Math.min(attempts - 1, 30));
}

/** What is to be told to the sender after an attempt. */
export interface Reports {
  readonly delayed: readonly RecipientState[];
  readonly failed: readonly RecipientState[];
  readonly succeeded: readonly RecipientState[];
}

/**
 * The entry after an attempt, and the reports that are due (RFC 3461 5.2: NOTIFY decides; without it failures and delays are
 * reported). `outcomes` is by index of recipient; those not named were not tried.
 */
export function afterAttempt(
  entry: QueueEntry,
  outcomes: ReadonlyMap<number, Outcome>,
  now: number,
  settings: ScheduleSettings,
): { readonly entry: QueueEntry; readonly reports: Reports } {
  const reports = {
    delayed: [] as RecipientState[],
    failed: [] as RecipientState[],
    succeeded: [] as RecipientState[],
  };
  const age = now - entry.received;
  const recipients = entry.recipients.map((recipient, index) => {
    const outcome = outcomes.get(index);
    if (outcome === undefined || recipient.status !== 'queued') return recipient;
    const tried = { ...recipient, attempts: recipient.attempts + 1, reason: outcome.reason };
    if (outcome.kind === 'deferred' && age < settings.returnAfter) {
      const due = settings.warnAfter.filter((after) => age >= after).length;
      const waiting = {
        ...tried,
        nextTry: now + backOff(tried.attempts, settings.interval),
        warnings: Math.max(due, recipient.warnings),
      };
      if (due > recipient.warnings && wants(recipient, 'delay')) reports.delayed.push(waiting);
      return waiting;
    }
    if (outcome.kind === 'deferred' || outcome.kind === 'failed') {
      const failed: RecipientState = { ...tried, status: 'failed', reason: finalReason(outcome) };
      if (wants(recipient, 'failure')) reports.failed.push(failed);
      return failed;
    }
    const done: RecipientState = { ...tried, status: outcome.kind };
    const ours = outcome.kind === 'delivered' || (outcome.kind === 'relayed' && !outcome.reports);
    if (ours && recipient.notify?.includes('success') === true) reports.succeeded.push(done);
    return done;
  });
  return { entry: { ...entry, recipients }, reports };
}

function wants(recipient: RecipientState, what: Notify): boolean {
  return recipient.notify === undefined || recipient.notify.includes(what);
}

/** A recipient that waited too long fails with 4.4.7 "delivery time expired" (RFC 3463 3.5) and the last reason it met. */
function finalReason(outcome: Outcome): Reason {
  if (outcome.kind !== 'deferred') return outcome.reason;
  return { ...outcome.reason, status: '4.4.7', text: `Delivery time expired; last: ${outcome.reason.text}` };
}
