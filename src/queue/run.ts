/**
 * Brings due recipients to their transports and what became of them back into the queue.
 *
 * Work is kept by destination (a next hop, a mailbox): each has its own line of waiting jobs and its own limit of transports
 * at work, so that a slow host holds up nobody else. A transport gets many jobs at once: one connection or one lock
 * serves them all. A success frees whatever else waits for that destination.
 *
 * A destination that cannot be reached is asked once, not once for each batch.
 *
 * Order that keeps every promise: the transport says that a message is durably elsewhere; a report is committed to the queue;
 * only then the entry's new state is written, and only then the report sets out. A crash in between repeats a delivery or a
 * report once, and loses neither.
 */
import { MailError, reasonOf } from '../core/errors.ts';
import { isDone, type QueueEntry, type QueueId, type RecipientState } from './entry.ts';
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

/** Ways out by the names that sendmail's statistics have for them; `relay`: a host that tables or options name. */
export type Mailer = 'local' | 'esmtp' | 'relay' | 'prog' | 'file';

export interface Routing {
  /** Jobs with the same key share transports: `smtp:mx.example.com`, `local:lee`. */
  readonly destination: string;
  readonly transport: Transport;
  /** How many transports may work for this destination at once. */
  readonly concurrency: number;
  /** Milliseconds that a first job waits for others to go with it, and as long again while some come; 0 when not given. */
  readonly linger?: number;
  /** For the log and the statistics. */
  readonly mailer?: Mailer;
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
  /** Puts the reports that are due into the queue (RFC 3464); resolves with them when they are on stable storage. */
  readonly report: (entry: QueueEntry, reports: Reports) => Promise<readonly QueueEntry[]>;
  /**
   * Something happened to a recipient, which is as it is after that; for the log and the statistics. It is recorded there by
   * the end of this turn of the event loop.
   */
  readonly event: (entry: QueueEntry, recipient: RecipientState, outcome: Outcome, mailer: Mailer | undefined) => void;
  /** What only a fault of ours or of the disk explains. */
  readonly problem: (error: unknown) => void;
}

/** Jobs that a transport is given at once. */
const BATCH = 100;
/** How often a line waits for more of them. */
const LINGERS = 10;
const LONGEST_SLEEP = 60 * 60 * 1000;
/** Wakes come no closer than this: each looks at the whole queue. */
const WAKE_STEP = 1000;
/** RFC 3463 3.5: the host does not answer, its name cannot be looked up. Who else waits for it would fare no better. */
const UNREACHABLE: ReadonlySet<string> = new Set(['4.4.1', '4.4.3']);
const NO_ANSWER: Outcome = { kind: 'deferred', reason: { status: '4.3.0', text: 'the transport gave no answer' } };

interface Line {
  readonly routing: Routing;
  readonly waiting: Job[];
  working: number;
  /** More jobs may come soon. */
  lingering: boolean;
}

/** A recipient that waits. */
interface Parked {
  /** Number of the batch that it was in. */
  readonly batch: number;
  /** A host answered, and has something against this recipient: not to be asked before that time (milliseconds since 1970). */
  readonly notBefore: number;
}

/** What became of some recipients of an entry, by index. */
interface Settlement {
  readonly id: QueueId;
  readonly outcomes: ReadonlyMap<number, Outcome>;
  /** How they went; undefined when there was no transport. */
  readonly routing?: Routing;
  /** Number of the batch that they were in. */
  readonly batch?: number;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #lines = new Map<string, Line>();
  /** Recipients that are on their way (routed, in a line, at a transport, being recorded), as `ID/index`. */
  readonly #busy = new Set<string>();
  /** Those of them that a transport has. */
  readonly #atWork = new Set<string>();
  /** Those whose outcome an administrator decides at this moment. */
  readonly #concluding = new Set<string>();
  /** Deferred recipients by the destination that did not take them, as `ID/index`. */
  readonly #parked = new Map<string, Map<string, Parked>>();
  readonly #parkedAt = new Map<string, string>();
  /** Outcomes whose report could not be written yet: what cancels the next attempt. */
  readonly #unreported = new Map<Settlement, () => void>();
  #cancelTimer: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #draining = false;
  #batches = 0;
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
      if (recipient.status !== 'queued') return;
      if (recipient.nextTry > now) this.#wakeBy(recipient.nextTry);
      else if (!this.#busy.has(key(entry.id, index))) due.push(index);
    });
    if (due.length > 0) void this.#dispatch(entry, due);
  }

  /** Nobody is on their way: what is in the queue waits for its time. */
  get idle(): boolean {
    return this.#busy.size === 0;
  }

  /** Indices of the recipients that a transport has at this moment. */
  atWork(entry: QueueEntry): number[] {
    return [...entry.recipients.keys()].filter((index) => this.#atWork.has(key(entry.id, index)));
  }

  /**
   * Gives every recipient that waits the same outcome: an administrator returns or deletes a message. Those that a transport
   * has at this moment are left to it; `atWork` counts them. Resolves when reports and outcomes are on stable storage.
   * @throws MailError (temporary) when the disk does not let us; then nothing has changed.
   */
  async conclude(id: QueueId, outcome: Outcome): Promise<{ readonly concluded: number; readonly atWork: number }> {
    const entry = this.#options.spool.get(id);
    if (entry === undefined) return { concluded: 0, atWork: 0 };
    const waiting = [...entry.recipients.keys()].filter((index) => entry.recipients[index]?.status === 'queued');
    const chosen = waiting.filter((index) => !this.#atWork.has(key(id, index)));
    const names = chosen.map((index) => key(id, index));
    // Those in a line stay there, and are left out when their turn comes.
    const added = names.filter((name) => !this.#busy.has(name));
    for (const name of added) this.#busy.add(name);
    for (const name of names) this.#concluding.add(name);
    try {
      if (chosen.length > 0) await this.#record({ id, outcomes: new Map(chosen.map((index) => [index, outcome])) });
    } finally {
      for (const name of names) this.#concluding.delete(name);
      for (const name of added) this.#busy.delete(name);
      for (const name of names) this.#unpark(name);
      this.#tellIdle();
    }
    return { concluded: chosen.length, atWork: waiting.length - chosen.length };
  }

  /** Takes no new work; resolves when what is under way has ended. */
  drain(): Promise<void> {
    this.#draining = true;
    this.#cancelTimer?.();
    for (const line of this.#lines.values()) {
      for (const job of line.waiting.splice(0)) this.#release(job);
    }
    // A later process finds these recipients as they were, and tries them again: twice rather than never.
    for (const [{ id, outcomes }, cancel] of this.#unreported) {
      cancel();
      for (const index of outcomes.keys()) this.#busy.delete(key(id, index));
    }
    this.#unreported.clear();
    if (this.#busy.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #dispatch(entry: QueueEntry, due: readonly number[]): Promise<void> {
    for (const index of due) {
      this.#busy.add(key(entry.id, index));
      this.#unpark(key(entry.id, index));
    }
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
      const group = byDestination.get(routing.destination);
      if (group === undefined) byDestination.set(routing.destination, { routing, recipients: [index] });
      else group.recipients.push(index);
    }
    if (settled.size > 0) await this.#settle({ id: entry.id, outcomes: settled });
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
    if (this.#draining) {
      this.#release(job);
      return;
    }
    let line = this.#lines.get(routing.destination);
    if (line === undefined) {
      line = { routing, waiting: [], working: 0, lingering: false };
      this.#lines.set(routing.destination, line);
    }
    line.waiting.push(job);
    if (line.waiting.length > 1) return;
    // Not at once, so that jobs which come together are delivered together.
    if (routing.linger === undefined) setImmediate(() => this.#start(routing.destination));
    else this.#linger(line, routing.linger, LINGERS);
  }

  /** Starts the line when no more jobs come, when it has enough of them, or when it has waited long enough. */
  #linger(line: Line, milliseconds: number, times: number): void {
    const before = line.waiting.length;
    line.lingering = true;
    setTimeout(() => {
      line.lingering = false;
      const more = line.waiting.length - before;
      if (more > 0 && line.waiting.length < BATCH && times > 1) this.#linger(line, milliseconds, times - 1);
      else this.#start(line.routing.destination);
    }, milliseconds);
  }

  #start(destination: string): void {
    const line = this.#lines.get(destination);
    if (line === undefined) return;
    while (line.waiting.length > 0 && line.working < line.routing.concurrency) {
      const jobs = line.waiting.splice(0, BATCH).flatMap((job) => this.#stillWanted(job));
      if (jobs.length === 0) continue;
      line.working += 1;
      void this.#work(destination, line, jobs);
    }
    if (line.waiting.length === 0 && line.working === 0) this.#lines.delete(destination);
  }

  /** The job without what was held, returned or deleted while it stood in line. */
  #stillWanted(job: Job): Job[] {
    const { id } = job.entry;
    const entry = this.#options.spool.get(id);
    const wanted =
      entry === undefined || entry.held !== undefined
        ? []
        : job.recipients.filter(
            (index) => entry.recipients[index]?.status === 'queued' && !this.#concluding.has(key(id, index)),
          );
    if (wanted.length === job.recipients.length) return [job];
    this.#release({ ...job, recipients: job.recipients.filter((index) => !wanted.includes(index)) });
    return wanted.length === 0 ? [] : [{ ...job, recipients: wanted }];
  }

  async #work(destination: string, line: Line, jobs: readonly Job[]): Promise<void> {
    const open = new Set(jobs);
    const settling: Promise<void>[] = [];
    const { routing } = line;
    const batch = ++this.#batches;
    let succeeded = false;
    let reachable = false;
    let unreachable: Outcome | undefined;
    for (const { entry, recipients } of jobs) for (const index of recipients) this.#atWork.add(key(entry.id, index));
    const answer = (job: Job, outcomes: readonly Outcome[]) => {
      if (!open.delete(job)) return;
      for (const outcome of outcomes) {
        if (outcome.kind === 'delivered' || outcome.kind === 'relayed') succeeded = true;
        if (outcome.kind === 'deferred' && UNREACHABLE.has(outcome.reason.status)) unreachable = outcome;
        else reachable = true;
      }
      settling.push(this.#settle({ id: job.entry.id, outcomes: byIndex(job, outcomes), routing, batch }));
    };
    const answerAll = (rest: Iterable<Job>, outcome: Outcome) => {
      for (const job of [...rest])
        answer(
          job,
          job.recipients.map(() => outcome),
        );
    };
    try {
      await routing.transport.deliver(jobs, answer);
      answerAll(open, NO_ANSWER);
    } catch (error) {
      answerAll(open, failureOutcome(error));
    }
    if (unreachable !== undefined && !reachable) {
      const rest = line.waiting.splice(0);
      for (const job of rest) open.add(job);
      answerAll(rest, unreachable);
    }
    await Promise.all(settling);
    line.working -= 1;
    if (succeeded) await this.#free(destination, batch);
    if (!line.lingering) this.#start(destination);
    this.#tellIdle();
  }

  /** Writes outcomes into the entry. While a report cannot be written they are kept, and nobody is tried again for it. */
  async #settle(settlement: Settlement): Promise<void> {
    const { spool, now, after, problem } = this.#options;
    const { id, outcomes, routing, batch = 0 } = settlement;
    const names = [...outcomes.keys()].map((index) => key(id, index));
    try {
      await this.#record(settlement);
    } catch (error) {
      problem(error);
      if (!this.#draining) {
        for (const name of names) this.#atWork.add(name);
        const again = () => {
          this.#unreported.delete(settlement);
          void this.#settle(settlement);
        };
        this.#unreported.set(settlement, after(MINUTE, again));
        return;
      }
    }
    const left = spool.get(id);
    for (const [index, { reason }] of outcomes) {
      const name = key(id, index);
      this.#busy.delete(name);
      this.#atWork.delete(name);
      if (routing === undefined || left?.recipients[index]?.status !== 'queued') continue;
      const notBefore = reason.host === undefined ? 0 : now() + MINUTE;
      this.#park(name, routing.destination, { batch, notBefore });
    }
    if (left !== undefined && !isDone(left)) this.consider(left);
    this.#tellIdle();
  }

  /**
   * Has outcomes reported, logs them, and writes them down. Throws when the report cannot be written, and nothing has changed;
   * should the entry's new state not be writable, it is known until a crash.
   */
  async #record({ id, outcomes, routing }: Settlement): Promise<void> {
    const { spool, now, schedule, report, event, problem } = this.#options;
    const before = spool.get(id);
    if (before === undefined) return;
    const { entry, reports } = afterAttempt(before, outcomes, now(), schedule());
    const due = reports.delayed.length + reports.failed.length + reports.succeeded.length > 0;
    const reported = due ? await report(entry, reports) : [];
    for (const [index, outcome] of outcomes) {
      const recipient = entry.recipients[index];
      if (recipient !== undefined && before.recipients[index]?.status === 'queued')
        event(entry, recipient, outcome, routing?.mailer);
    }
    // The log is written at the end of a turn: it has the outcome before the queue forgets the message.
    await new Promise((resolve) => setImmediate(resolve));
    // While the report was written, other recipients of the message may have got their outcomes.
    const current = spool.get(id);
    if (current !== undefined) {
      const recipients = current.recipients.map((one, index) =>
        outcomes.has(index) ? (entry.recipients[index] ?? one) : one,
      );
      const merged = { ...current, recipients };
      await (isDone(merged) ? this.#finish(merged) : spool.update(merged).catch(problem));
    }
    for (const one of reported) this.consider(one);
  }

  /** A destination took something in that batch: who waited for it since an earlier one need not wait longer. */
  async #free(destination: string, batch: number): Promise<void> {
    const { spool, now, problem } = this.#options;
    const freed = new Map<QueueId, Set<number>>();
    for (const [name, parked] of this.#parked.get(destination) ?? []) {
      if (parked.batch >= batch || parked.notBefore > now()) continue;
      const [id, index] = name.split('/') as [QueueId, string];
      const indices = freed.get(id);
      if (indices === undefined) freed.set(id, new Set([Number(index)]));
      else indices.add(Number(index));
    }
    if (freed.size === 0) return;
    const entries = [...freed].flatMap(([id, indices]) => {
      const entry = spool.get(id);
      if (entry === undefined || entry.held !== undefined) return [];
      const soon = entry.recipients.map((one, index) => (indices.has(index) ? { ...one, nextTry: now() } : one));
      return [{ ...entry, recipients: soon }];
    });
    await Promise.all(entries.map((entry) => spool.update(entry).catch(problem)));
    for (const { id } of entries) {
      const entry = spool.get(id);
      if (entry !== undefined) this.consider(entry);
    }
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

  #park(name: string, destination: string, how: Parked): void {
    const names = this.#parked.get(destination);
    if (names === undefined) this.#parked.set(destination, new Map([[name, how]]));
    else names.set(name, how);
    this.#parkedAt.set(name, destination);
  }

  #unpark(name: string): void {
    const destination = this.#parkedAt.get(name);
    if (destination === undefined) return;
    this.#parkedAt.delete(name);
    const names = this.#parked.get(destination);
    names?.delete(name);
    if (names?.size === 0) this.#parked.delete(destination);
  }

  #wakeBy(time: number): void {
    const step = Math.ceil(time / WAKE_STEP) * WAKE_STEP;
    if (step >= this.#wakeAt || this.#draining) return;
    this.#cancelTimer?.();
    this.#wakeAt = step;
    const { now, after } = this.#options;
    this.#cancelTimer = after(Math.min(Math.max(0, step - now()), LONGEST_SLEEP), () => this.wake());
  }

  #release(job: Job): void {
    for (const index of job.recipients) this.#busy.delete(key(job.entry.id, index));
    this.#tellIdle();
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
  return new Map(job.recipients.map((index, at) => [index, outcomes[at] ?? NO_ANSWER]));
}

/** What a thrown error means for a recipient: when in doubt, temporary. */
export function failureOutcome(error: unknown): Outcome {
  const permanent = error instanceof MailError && !error.temporary;
  const reason = { status: permanent ? '5.3.0' : '4.3.0', text: reasonOf(error) };
  return { kind: permanent ? 'failed' : 'deferred', reason };
}
