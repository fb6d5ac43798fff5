/**
 * Counts messages by mailer, as sendmail's mailstats does, from the events of the log; the counts outlive restarts.
 *
 * They are saved once a minute when they changed, and at the end: a crash loses at most what was counted since.
 */
import { type Disk, readWhole, replaceFile } from '../core/files.ts';
import type { LogEvent } from '../core/log.ts';
import type { Mailer } from '../queue/run.ts';

export interface Counts {
  /** Messages that came in this way, and their octets. */
  messagesFrom: number;
  bytesFrom: number;
  /** Recipients that were served this way, and the octets of their messages. */
  messagesTo: number;
  bytesTo: number;
  /** Commands and messages that were refused for good. */
  rejected: number;
  /** Recipients dropped by a rule. */
  discarded: number;
}

export interface Statistics {
  /** When counting began, in milliseconds since 1970. */
  since: number;
  mailers: Record<Mailer, Counts>;
}

/** In the order, and by the numbers, of sendmail's own table. */
export const MAILERS: readonly Mailer[] = ['prog', 'file', 'local', 'esmtp', 'relay'];

export function emptyStatistics(since: number): Statistics {
  return { since, mailers: { prog: none(), file: none(), local: none(), esmtp: none(), relay: none() } };
}

function none(): Counts {
  return { messagesFrom: 0, bytesFrom: 0, messagesTo: 0, bytesTo: 0, rejected: 0, discarded: 0 };
}

/** Counts an event; false when there is nothing to count. */
export function countEvent({ mailers }: Statistics, what: LogEvent): boolean {
  switch (what.event) {
    case 'accepted':
    case 'report': {
      const counts = mailers[isOurs(what) ? 'local' : 'esmtp'];
      counts.messagesFrom += 1;
      counts.bytesFrom += numberOf(what.size);
      return true;
    }
    case 'delivered':
    case 'relayed': {
      const counts = mailers[isMailer(what.mailer) ? what.mailer : 'local'];
      counts.messagesTo += 1;
      counts.bytesTo += numberOf(what.size);
      return true;
    }
    case 'discarded':
      mailers[isMailer(what.mailer) ? what.mailer : 'esmtp'].discarded += 1;
      return true;
    case 'refused':
      // What is refused for now comes again; a command that is mistyped, or out of place, is no message.
      if (numberOf(what.code) < 500 || what.code === 503 || !REJECTABLE.test(String(what.command))) return false;
      mailers.esmtp.rejected += 1;
      return true;
    default:
      return false;
  }
}

const REJECTABLE = /^(?:connect|mail|rcpt|data|bdat|end of message)\b/i;

function isOurs({ event, protocol }: LogEvent): boolean {
  return event === 'report' || protocol === 'submit';
}

function isMailer(value: unknown): value is Mailer {
  return MAILERS.some((name) => name === value);
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

export interface StatisticsKeeper {
  readonly statistics: Statistics;
  count(what: LogEvent): void;
  /** Saves what was not saved yet. */
  close(): void;
}

export interface StatisticsOptions {
  readonly disk: Disk;
  /** The file, in a folder that exists. */
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `run` after so many milliseconds; returns what cancels it. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
  readonly problem: (error: unknown) => void;
}

const SAVE_AFTER = 60_000;

/** Goes on with the counts of the file; begins anew when there are none, or none that can be read. */
export function keepStatistics({ disk, path, now, after, problem }: StatisticsOptions): StatisticsKeeper {
  const statistics = readStatistics(disk, path) ?? emptyStatistics(now());
  let cancel: (() => void) | undefined;
  const save = () => {
    cancel = undefined;
    try {
      replaceFile(disk, path, Buffer.from(`${JSON.stringify(statistics)}\n`), 0o644);
    } catch (error) {
      problem(error);
    }
  };
  return {
    statistics,
    count(what) {
      if (countEvent(statistics, what)) cancel ??= after(SAVE_AFTER, save);
    },
    close() {
      if (cancel === undefined) return;
      cancel();
      save();
    },
  };
}

/** The counts in a file; undefined when it is missing or makes no sense. */
export function readStatistics(disk: Disk, path: string): Statistics | undefined {
  const bytes = readWhole(disk, path);
  if (bytes === undefined) return undefined;
  try {
    const read = JSON.parse(Buffer.from(bytes).toString()) as Partial<Statistics>;
    const statistics = emptyStatistics(numberOf(read.since));
    for (const mailer of MAILERS) {
      const from: Partial<Counts> = read.mailers?.[mailer] ?? {};
      const counts = statistics.mailers[mailer];
      for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] = numberOf(from[name]);
    }
    return statistics;
  } catch {
    return undefined;
  }
}
