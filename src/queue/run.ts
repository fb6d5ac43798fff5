/**
 * Brings due recipients to their transports and what became of them back into the queue.
 *
 * Work is kept by destination (a next hop, a mailbox): each has its own line of waiting jobs and its own limit of transports
 * at work, so that a slow host holds up nobody else. A transport gets many jobs at once: one connection or one lock
 * serves them all. A success frees whatever else waits for that destination.
 *
 * Order that keeps every promise: the transport says that a message is durably elsewhere; a report is committed to the queue;
 * only then the entry's new state is written. A crash in between repeats a delivery or a report, and loses neither.
 */
import { MailError, reasonOf } from '../core/errors.ts';
import { isDone, type QueueEntry, type QueueId, type Reason, type RecipientState } from './entry.ts';
import { afterAttempt, MINUTE, type Outcome, type Reports, type ScheduleSettings } from './schedule.ts';
import type { Spool } from './spool.ts';

/** One message and those of its recipients that go the same way. */
export interface Job {
  readonly entry: QueueEntry;
  /** Indices into entry.recipients, ascending. */
  readonly recipients: readonly number[];
  /** The content in blocks; can be asked for more than once. */
  readonly content: () => Iterable<Uint8Array>;
}

/** A way to deliver. */
export interface Transport {
  /** Delivers each job; one outcome for each of its recipients, in order. What it throws defers all jobs not yet answered. */
  deliver(jobs: readonly Job[], answer: (job: Job, outcomes: readonly Outcome[]) => void): Promise<void>;
}

export interface Routing {
  /** Jobs with the same key share transports: `smtp:mx.example.com`, `local:lee`. */
  readonly destination: string;
  readonly transport: Transport;
  /** How many transports may work for this destination at once. */
  readonly concurrency: number;
  /** Milliseconds that a first job waits for others to go with it; 0 when not given. */
  readonly linger?: number;
}

/** Where a recipient goes now; an Outcome when that is settled without a transport (no such host). */
export type Router = (entry: QueueEntry, recipient: RecipientState) => Promise<Routing | Outcome>;

export interface RunnerOptions {
  readonly spool: Spool;
  readonly route: Router;
  readonly schedule: () => ScheduleSettings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `run` after so many milliseconds; returns what cancels it. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
  /** Puts the reports that are due into the queue (RFC 3464); resolves when they are on stable storage. */
  readonly report: (entry: QueueEntry, reports: Reports) => Promise<void>;
  /** Something happened to a recipient; for the log and the statistics. */
  readonly event: (entry: QueueEntry, recipient: RecipientState, outcome: Outcome) => void;
  /** What only a fault of ours or of the disk explains. */
  readonly problem: (error: unknown) => void;
}

/** Jobs that a transport is given at once. */
const BATCH = 100;
const LONGEST_SLEEP = 60 * 60 * 1000;

interface Line {
  readonly routing: Routing;
  readonly waiting: Job[];
  working: number;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #lines = new Map<string, Line>();
  /** Recipients that a line or transport has, as `ID/index`. */
  readonly #busy = new Set<string>();
  /** Where a waiting recipient was last on its way to, as `ID/index`. */
  readonly #destinations = new Map<string, string>();
  #cancelTimer: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #draining = false;
  #idle: (() => void)[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Looks at every entry. For the start, the timer, and after many were changed; a new entry is `consider`ed. */
  wake(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#options.spool.entries()]) this.consider(entry);
  }

  /** Sets out what is due of an entry, and remembers when the rest is. Call it after a commit, a release, a retry. */
  consider(entry: QueueEntry): void {
    if (this.#draining || entry.held !== undefined) return;
    if (isDone(entry)) {
      void this.#finish(entry);
      return;
    }
    const now = this.#options.now();
    const due: number[] = [];
    entry.recipients.forEach((recipient, index) => {
      if (recipient.status !== 'queued' || this.#busy.has(key(entry.id, index))) return;
      if (recipient.nextTry <= now) due.push(index);
      else this.#wakeBy(recipient.nextTry);
    });
    if (due.length > 0) void this.#dispatch(entry, due);
  }

  /** Takes no new work; resolves when what is under way has ended. */
  drain(): Promise<void> {
    this.#draining = true;
    this.#cancelTimer?.();
    for (const line of this.#lines.values()) {
      for (const job of line.waiting.splice(0)) this.#release(job);
    }
    if (this.#busy.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #dispatch(entry: QueueEntry, due: readonly number[]): Promise<void> {
    for (const index of due) this.#busy.add(key(entry.id, index));
    const byDestination = new Map<string, { routing: Routing; recipients: number[] }>();
    const settled = new Map<number, Outcome>();
    for (const index of due) {
      const recipient = entry.recipients[index];
      if (recipient === undefined) continue;
      const routing = await this.#route(entry, recipient);
      if ('kind' in routing) {
        settled.set(index, routing);
        continue;
      }
      this.#destinations.set(key(entry.id, index), routing.destination);
      const group = byDestination.get(routing.destination);
      if (group === undefined) byDestination.set(routing.destination, { routing, recipients: [index] });
      else group.recipients.push(index);
    }
    if (settled.size > 0) await this.#settle(entry.id, settled);
    for (const { routing, recipients } of byDestination.values()) {
      this.#enqueue(routing, { entry, recipients, content: () => this.#options.spool.read(entry.id) });
    }
  }

  async #route(entry: QueueEntry, recipient: RecipientState): Promise<Routing | Outcome> {
    try {
      return await this.#options.route(entry, recipient);
    } catch (error) {
      return failureOutcome(error);
    }
  }

  #enqueue(routing: Routing, job: Job): void {
    let line = this.#lines.get(routing.destination);
    if (line === undefined) {
      line = { routing, waiting: [], working: 0 };
      this.#lines.set(routing.destination, line);
    }
    if (this.#draining) {
      this.#release(job);
      return;
    }
    line.waiting.push(job);
    if (line.waiting.length > 1) return;
    // Not at once, so that jobs which come together are delivered together.
    if (routing.linger === undefined) setImmediate(() => this.#start(routing.destination));
    else setTimeout(() => this.#start(routing.destination), routing.linger);
  }

  #start(destination: string): void {
    const line = this.#lines.get(destination);
    if (line === undefined) return;
    while (line.waiting.length > 0 && line.working < line.routing.concurrency) {
      line.working += 1;
      void this.#work(destination, line, line.waiting.splice(0, BATCH));
    }
  }

  async #work(destination: string, line: Line, jobs: readonly Job[]): Promise<void> {
    const open = new Set(jobs);
    const settling: Promise<void>[] = [];
    let succeeded = false;
    const answer = (job: Job, outcomes: readonly Outcome[]) => {
      if (!open.delete(job)) return;
      if (outcomes.some(({ kind }) => kind === 'delivered' || kind === 'relayed')) succeeded = true;
      settling.push(this.#settle(job.entry.id, byIndex(job, outcomes)));
    };
    try {
      await line.routing.transport.deliver(jobs, answer);
      for (const job of open) this.#defer(job, { status: '4.3.0', text: 'the transport gave no answer' }, settling);
    } catch (error) {
      const outcome = failureOutcome(error);
      for (const job of [...open])
        answer(
          job,
          job.recipients.map(() => outcome),
        );
    }
    await Promise.all(settling);
    line.working -= 1;
    if (line.waiting.length === 0 && line.working === 0) this.#lines.delete(destination);
    if (succeeded) await this.#free(destination);
    this.#start(destination);
    this.#tellIdle();
  }

  #defer(job: Job, reason: Reason, settling: Promise<void>[]): void {
    const outcome: Outcome = { kind: 'deferred', reason };
    settling.push(
      this.#settle(
        job.entry.id,
        byIndex(
          job,
          job.recipients.map(() => outcome),
        ),
      ),
    );
  }

  /** Writes outcomes into the entry. Should that fail they are known until a crash: then twice, rather than never. */
  async #settle(id: QueueId, outcomes: ReadonlyMap<number, Outcome>): Promise<void> {
    const { spool, now, schedule, report, event, problem } = this.#options;
    try {
      const before = spool.get(id);
      if (before === undefined) return;
      const { entry, reports } = afterAttempt(before, outcomes, now(), schedule());
      for (const [index, outcome] of outcomes) {
        const recipient = entry.recipients[index];
        if (recipient !== undefined) event(entry, recipient, outcome);
      }
      if (reports.delayed.length + reports.failed.length + reports.succeeded.length > 0) await report(entry, reports);
      // While the report was written, other recipients of the message may have got their outcomes.
      const current = spool.get(id) ?? before;
      const recipients = current.recipients.map((one, index) =>
        outcomes.has(index) ? (entry.recipients[index] ?? one) : one,
      );
      const merged = { ...current, recipients };
      await (isDone(merged) ? this.#finish(merged) : spool.update(merged));
    } catch (error) {
      problem(error);
    } finally {
      for (const index of outcomes.keys()) {
        const name = key(id, index);
        this.#busy.delete(name);
        if (spool.get(id)?.recipients[index]?.status !== 'queued') this.#destinations.delete(name);
      }
      const left = spool.get(id);
      if (left !== undefined && !isDone(left)) this.consider(left);
      this.#tellIdle();
    }
  }

  /** A destination works again: who else waits for it need not wait longer. */
  async #free(destination: string): Promise<void> {
    const { spool, now } = this.#options;
    const freed = new Map<QueueId, Set<number>>();
    for (const [name, where] of this.#destinations) {
      if (where !== destination || this.#busy.has(name)) continue;
      const [id, index] = name.split('/') as [QueueId, string];
      freed.set(id, (freed.get(id) ?? new Set()).add(Number(index)));
    }
    for (const [id, indices] of freed) {
      const entry = spool.get(id);
      if (entry === undefined) continue;
      const recipients = entry.recipients.map((one, index) => (indices.has(index) ? { ...one, nextTry: now() } : one));
      await spool.update({ ...entry, recipients }).catch(this.#options.problem);
    }
    if (freed.size > 0) this.wake();
  }

  /** Takes an entry that is done out of the queue; when the disk does not let us, a later look tries again. */
  async #finish(entry: QueueEntry): Promise<void> {
    const { spool, now, problem } = this.#options;
    try {
      await spool.remove(entry.id);
    } catch (error) {
      problem(error);
      await spool.update(entry).catch(problem);
      this.#wakeBy(now() + MINUTE);
    }
  }

  #wakeBy(time: number): void {
    if (time >= this.#wakeAt) return;
    this.#cancelTimer?.();
    this.#wakeAt = time;
    const { now, after } = this.#options;
    this.#cancelTimer = after(Math.min(Math.max(0, time - now()), LONGEST_SLEEP), () => this.wake());
  }

  #release(job: Job): void {
    for (const index of job.recipients) this.#busy.delete(key(job.entry.id, index));
  }

  #tellIdle(): void {
    if (!this.#draining || this.#busy.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function key(id: QueueId, index: number): string {
  return `${id}/${index}`;
}

function byIndex(job: Job, outcomes: readonly Outcome[]): Map<number, Outcome> {
  const nothing: Outcome = { kind: 'deferred', reason: { status: '4.3.0', text: 'the transport gave no answer' } };
  return new Map(job.recipients.map((index, at) => [index, outcomes[at] ?? nothing]));
}

/** What a thrown error means for a recipient: when in doubt, temporary. */
export function failureOutcome(error: unknown): Outcome {
  const permanent = error instanceof MailError && !error.temporary;
  const reason = { status: permanent ? '5.3.0' : '4.3.0', text: reasonOf(error) };
  return { kind: permanent ? 'failed' : 'deferred', reason };
}
