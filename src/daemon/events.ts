/**
 * What the daemon logs, by name: THE table of events and their fields, which the statistics, `tmail trace` and `tmail audit` read.
 *
 * The life of a message in the log: one event that opens each entry of the queue (`accepted`, `split`, `report`) and names its
 * targets, any number of `deferred`, and one last event for each target (`delivered`, `relayed`, `failed`, `discarded`). A crash
 * between a delivery and its record repeats the last event after the next `started`.
 */
import type { Log, LogEvent } from '../core/log.ts';
import type { QueueEntry, RecipientState } from '../queue/entry.ts';
import type { Mailer } from '../queue/run.ts';
import type { Outcome } from '../queue/schedule.ts';

/** The targets of an entry, and beside each the recipient that it came from. */
interface Targets {
  /** As in RecipientState.address: `lee`, `/file`, `|command`, `local@domain`. */
  readonly targets: readonly string[];
  readonly for: readonly string[];
}

/** What became of one target. */
interface RecipientFields {
  readonly id: string;
  readonly to: string;
  /** The recipient as it was accepted, where that is another. */
  readonly for: string | undefined;
  readonly mailer: Mailer;
  /** The host that said so. */
  readonly host: string | undefined;
  /** RFC 3463. */
  readonly status: string;
  readonly reason: string;
  /** Octets. */
  readonly size: number;
  /** Seconds since the message came in. */
  readonly delay: number;
  readonly attempts: number;
}

export interface Events {
  /** A message is on stable storage and its sender was told so. */
  readonly accepted: Targets & {
    readonly id: string;
    readonly from: string;
    readonly size: number;
    readonly client?: string;
    readonly helo?: string | undefined;
    readonly protocol: string;
    readonly user?: string | undefined;
    /** All that were accepted. */
    readonly recipients: readonly string[];
    /** For each of them the rule that let it in. */
    readonly rules?: readonly string[];
    /** Those whose targets get the message already for another's sake. */
    readonly merged?: readonly string[] | undefined;
  };
  /** Part of an accepted message that goes on under another sender (owner-LIST): an entry of its own. */
  readonly split: Targets & { readonly id: string; readonly of: string; readonly from: string };
  /** A report to a sender, or to postmaster: an entry of its own. */
  readonly report: Targets & {
    readonly id: string;
    readonly about: string;
    readonly kind: 'failed' | 'delayed' | 'delivered' | 'relayed';
    readonly to: string;
    readonly size: number;
  };
  /** Nobody is left who could be told that the message failed. */
  readonly 'lost-report': { readonly id: string; readonly reason: string };
  /** A client was told 4yz or 5yz. `from` as far as it had named one. */
  readonly refused: {
    readonly client: string;
    readonly from?: string | undefined;
    /** Those it had named before, and that were accepted. */
    readonly recipients?: readonly string[] | undefined;
    /** The line it sent, or what it was about. */
    readonly command: string;
    readonly code: number;
    readonly text: string;
    /** The rule that said so, with file and line. */
    readonly rule?: string | undefined;
  };
  readonly delivered: RecipientFields;
  readonly relayed: RecipientFields;
  /** Will be tried again. */
  readonly deferred: RecipientFields;
  /** Given up. `quiet`: the sender asked not to be told. */
  readonly failed: RecipientFields & { readonly quiet: true | undefined };
  /** Dropped by a rule, or by the administrator (`by`). */
  readonly discarded: Pick<RecipientFields, 'id' | 'to'> & Partial<RecipientFields> & { readonly rule: string };
  readonly held: { readonly id: string; readonly reason: string };
  readonly released: { readonly id: string };
  readonly started: { readonly version: string; readonly listening: readonly string[] };
  readonly stopped: object;
}

/** An event with the fields that its name asks for. */
export function event<Name extends keyof Events>(name: Name, fields: Events[Name]): LogEvent {
  return { event: name, ...fields };
}

/** The targets of an entry, for the event that opens it. */
export function targetsOf({ recipients }: Pick<QueueEntry, 'recipients'>): Targets {
  return { targets: recipients.map(({ address }) => address), for: recipients.map(({ original }) => original) };
}

/** What an attempt meant for a recipient; `recipient` as it is after it. `now` in milliseconds since 1970. */
export function recipientEvent(
  entry: QueueEntry,
  recipient: RecipientState,
  outcome: Outcome,
  mailer: Mailer | undefined,
  now: number,
): LogEvent {
  const { address, original, status, attempts, notify } = recipient;
  // A deferral too many is a failure, and its reason says so.
  const reason = recipient.reason ?? outcome.reason;
  const fields: RecipientFields = {
    id: entry.id,
    to: address,
    for: original === address ? undefined : original,
    mailer: mailer ?? mailerOf(address),
    host: reason.host,
    status: reason.status,
    reason: reason.text,
    size: entry.size,
    delay: Math.max(0, Math.round((now - entry.received) / 1000)),
    attempts,
  };
  switch (status) {
    case 'queued':
      return event('deferred', fields);
    case 'failed':
      return event('failed', {
        ...fields,
        quiet: notify !== undefined && !notify.includes('failure') ? true : undefined,
      });
    case 'discarded':
      return event('discarded', { ...fields, rule: reason.text });
    default:
      return event(status, fields);
  }
}

/** The mailer that a target asks for by its form; whether a host is a relay only the route knows. */
export function mailerOf(address: string): Mailer {
  if (address.startsWith('/')) return 'file';
  if (address.startsWith('|')) return 'prog';
  return address.includes('@') ? 'esmtp' : 'local';
}

export type Listener = (event: LogEvent) => void;

/** Lets others see what is logged. */
export function observedLog(log: Log, observe: Listener): Log {
  return {
    write(what) {
      log.write(what);
      observe(what);
    },
    reopen: () => log.reopen(),
    close: () => log.close(),
  };
}

export interface EventFeed {
  readonly publish: Listener;
  /** Returns what ends it. */
  subscribe(listener: Listener): () => void;
}

/** Hands each event to whoever listens at that time. */
export function createFeed(): EventFeed {
  const listeners = new Set<Listener>();
  return {
    publish(what) {
      for (const listener of listeners) listener(what);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A line of the log, read back. */
export interface LoggedEvent {
  /** As it stands in the log: RFC 3339, UTC. */
  readonly time: string;
  readonly event: string;
  readonly id?: string;
  readonly [field: string]: unknown;
}

/** Undefined when the line is no event: torn by a crash, or in the maillog form. */
export function readEvent(line: string): LoggedEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as LoggedEvent;
    return typeof value.time === 'string' && typeof value.event === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The texts of a list field; empty when there is none. */
export function listField(logged: LoggedEvent, name: string): readonly string[] {
  const value = logged[name];
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

/** A text field; undefined when there is none. */
export function textField(logged: LoggedEvent, name: string): string | undefined {
  const value = logged[name];
  return typeof value === 'string' ? value : undefined;
}
