/**
 * Proves from the log that nothing is missing: each accepted recipient has exactly one outcome, or waits in the queue.
 *
 * Pure: it is fed the events in their order, then told what the queue holds. What waits is kept in memory, and of what is done
 * only the ids, and of these the latest million, so that a log may be as long as it likes.
 *
 * A crash between a delivery and its record repeats an outcome after the next start: that is told, but is no fault. Outcomes of
 * messages that came in before the log begins are counted by themselves.
 */
import { type LoggedEvent, listField, textField } from './events.ts';

export interface AuditFault {
  /**
   * `lost`: no outcome, and not in the queue. `twice`: a second outcome without a crash between. `unreported`: given up, and the
   * sender was not told. `untold`: accepted, but nothing was done for it. `unnamed`: discarded by no rule.
   */
  readonly fault: 'lost' | 'twice' | 'unreported' | 'untold' | 'unnamed';
  readonly id: string;
  readonly to: string;
  /** When the message came in, as in the log. */
  readonly accepted: string;
}

export interface AuditResult {
  readonly faults: readonly AuditFault[];
  /** When the log begins; undefined when it is empty. */
  readonly since: string | undefined;
  /** Entries of the queue that were opened: messages, parts of them, reports. */
  readonly messages: number;
  readonly targets: number;
  readonly delivered: number;
  readonly relayed: number;
  readonly failed: number;
  readonly discarded: number;
  readonly queued: number;
  /** Outcomes that a crash repeated. */
  readonly repeated: number;
  /** Outcomes of messages whose acceptance is not in the log. */
  readonly unknown: number;
  /** Entries of the queue whose acceptance is not in the log. */
  readonly unlogged: number;
}

/** An entry whose end was not seen yet. */
interface Open {
  readonly time: string;
  /** Opened after the queue was looked at. */
  readonly late: boolean;
  /** How often each target still needs an outcome; below 0: it had more than one. */
  readonly left: Map<string, number>;
  /** Accepted recipients for whom nothing was seen to be done. */
  readonly uncovered: Set<string>;
  failed: string | undefined;
  reported: boolean;
  /** Starts of the daemon before the last outcome. */
  starts: number;
}

const KEPT = 1_000_000;
/** Outcomes that are kept for an entry that may be opened yet: a message can be on its way before the log says so. */
const EARLY = 1000;

export class Audit {
  readonly #open = new Map<string, Open>();
  /** Starts of the daemon before an entry was done. */
  readonly #done = new Map<string, number>();
  readonly #faults: AuditFault[] = [];
  readonly #counts = { delivered: 0, relayed: 0, failed: 0, discarded: 0 };
  readonly #early = new Map<string, LoggedEvent[]>();
  #since: string | undefined;
  #messages = 0;
  #targets = 0;
  #starts = 0;
  #repeated = 0;
  #unknown = 0;
  #late = false;

  add(logged: LoggedEvent): void {
    this.#since ??= logged.time;
    const { event, id } = logged;
    if (event === 'started') {
      this.#starts += 1;
      return;
    }
    if (id === undefined) return;
    switch (event) {
      case 'accepted':
        this.#accepted(logged, id);
        this.#overdue(id);
        return;
      case 'split':
        this.#opened(logged, id);
        this.#overdue(id);
        this.#covered(textField(logged, 'of'), listField(logged, 'for'));
        return;
      case 'report':
        this.#opened(logged, id);
        this.#overdue(id);
        if (textField(logged, 'kind') === 'failed') this.#reported(textField(logged, 'about'));
        return;
      case 'lost-report':
        this.#reported(id);
        return;
      case 'delivered':
      case 'relayed':
      case 'failed':
      case 'discarded':
        this.#ended(logged, id, event);
        return;
    }
  }

  /** From here on the queue is younger than what is added: entries that are opened now need not be in it. */
  queueSeen(): void {
    this.#late = true;
  }

  /** `queue`: the targets that wait, by entry, as they were at `queueSeen`. */
  finish(queue: ReadonlyMap<string, readonly string[]>): AuditResult {
    let queued = 0;
    let unlogged = 0;
    for (const [id, targets] of queue) {
      queued += targets.length;
      if (!this.#open.has(id) && !this.#done.has(id)) unlogged += 1;
    }
    for (const [id, open] of this.#open) {
      if (open.late) continue;
      const { time } = open;
      const waiting = [...(queue.get(id) ?? [])];
      for (const [to, count] of open.left) {
        for (let i = 0; i < count; i++) {
          const at = waiting.indexOf(to);
          if (at < 0) this.#fault('lost', id, to, time);
          else waiting.splice(at, 1);
        }
      }
      for (const to of open.uncovered) this.#fault('untold', id, to, time);
      if (open.failed !== undefined && !open.reported) this.#fault('unreported', id, open.failed, time);
    }
    return {
      faults: this.#faults,
      since: this.#since,
      messages: this.#messages,
      targets: this.#targets,
      ...this.#counts,
      queued,
      repeated: this.#repeated,
      unknown: this.#unknown,
      unlogged,
    };
  }

  #accepted(logged: LoggedEvent, id: string): void {
    const open = this.#opened(logged, id);
    for (const recipient of listField(logged, 'recipients')) open.uncovered.add(recipient);
    this.#covered(id, [...listField(logged, 'for'), ...listField(logged, 'merged')]);
  }

  #opened(logged: LoggedEvent, id: string): Open {
    const left = new Map<string, number>();
    for (const to of listField(logged, 'targets')) left.set(to, (left.get(to) ?? 0) + 1);
    const open: Open = {
      time: logged.time,
      late: this.#late,
      left,
      uncovered: new Set(),
      failed: undefined,
      reported: false,
      starts: this.#starts,
    };
    this.#messages += 1;
    this.#targets += listField(logged, 'targets').length;
    this.#open.set(id, open);
    return open;
  }

  /** Takes up outcomes that stand before the event that opens their entry; without any it may be done already. */
  #overdue(id: string): void {
    const early = this.#early.get(id) ?? [];
    this.#early.delete(id);
    this.#unknown -= early.length;
    for (const logged of early) this.add(logged);
    const open = this.#open.get(id);
    if (open !== undefined) this.#close(id, open);
  }

  #covered(id: string | undefined, recipients: readonly string[]): void {
    const open = id === undefined ? undefined : this.#open.get(id);
    if (id === undefined || open === undefined) return;
    for (const recipient of recipients) open.uncovered.delete(recipient);
    this.#close(id, open);
  }

  #reported(id: string | undefined): void {
    const open = id === undefined ? undefined : this.#open.get(id);
    if (id === undefined || open === undefined) return;
    open.reported = true;
    this.#close(id, open);
  }

  #ended(logged: LoggedEvent, id: string, event: 'delivered' | 'relayed' | 'failed' | 'discarded'): void {
    const to = textField(logged, 'to') ?? '';
    const open = this.#open.get(id);
    if (event === 'discarded' && !textField(logged, 'rule')) this.#fault('unnamed', id, to, open?.time ?? logged.time);
    // Without a mailer it was dropped as it came in: no target, but what became of a recipient.
    if (event === 'discarded' && textField(logged, 'mailer') === undefined) {
      this.#counts.discarded += 1;
      this.#covered(id, [to]);
      return;
    }
    if (open === undefined) {
      this.#endedAgain(logged, id, to);
      return;
    }
    const left = open.left.get(to);
    if (left === undefined || left <= 0) {
      this.#again(open.starts, id, to, open.time);
    } else {
      this.#counts[event] += 1;
      open.left.set(to, left - 1);
    }
    open.starts = this.#starts;
    if (event === 'failed' && logged.quiet !== true) open.failed = to;
    this.#close(id, open);
  }

  #endedAgain(logged: LoggedEvent, id: string, to: string): void {
    const starts = this.#done.get(id);
    if (starts !== undefined) {
      this.#again(starts, id, to, logged.time);
      this.#done.set(id, this.#starts);
      return;
    }
    this.#unknown += 1;
    const early = this.#early.get(id);
    if (early !== undefined) early.push(logged);
    else this.#early.set(id, [logged]);
    for (const oldest of this.#early.keys()) {
      if (this.#early.size <= EARLY) break;
      this.#early.delete(oldest);
    }
  }

  /** A second outcome: a crash explains it when the daemon was started since the first. */
  #again(starts: number, id: string, to: string, time: string): void {
    if (this.#starts > starts) this.#repeated += 1;
    else this.#fault('twice', id, to, time);
  }

  #close(id: string, open: Open): void {
    const { left, uncovered, failed, reported } = open;
    if (uncovered.size > 0 || (failed !== undefined && !reported)) return;
    for (const count of left.values()) if (count > 0) return;
    this.#open.delete(id);
    this.#done.set(id, this.#starts);
    for (const oldest of this.#done.keys()) {
      if (this.#done.size <= KEPT) break;
      this.#done.delete(oldest);
    }
  }

  #fault(fault: AuditFault['fault'], id: string, to: string, accepted: string): void {
    this.#faults.push({ fault, id, to, accepted });
  }
}
