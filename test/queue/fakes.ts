/**
 * A queue in memory, a clock that is moved by hand, and transports that do as they are told: for tests of what runs the queue.
 */
import { MailError } from '../../src/core/errors.ts';
import type { QueueEntry, QueueId, RecipientState } from '../../src/queue/entry.ts';
import { type Job, type Mailer, type Router, type Routing, Runner, type RunnerOptions } from '../../src/queue/run.ts';
import { HOUR, MINUTE, type Outcome, type Reports } from '../../src/queue/schedule.ts';
import type { Spool } from '../../src/queue/spool.ts';

export const delivered: Outcome = {
  kind: 'relayed',
  reason: { status: '2.0.0', text: '250 ok', host: 'mx' },
  reports: false,
};
export const deferred: Outcome = { kind: 'deferred', reason: { status: '4.3.0', text: '451 later', host: 'mx' } };
export const unreachable: Outcome = { kind: 'deferred', reason: { status: '4.4.1', text: 'refused' } };
export const failed: Outcome = { kind: 'failed', reason: { status: '5.1.1', text: '550 no', host: 'mx' } };

export function recipient(address: string, more: Partial<RecipientState> = {}): RecipientState {
  return { address, original: address, status: 'queued', attempts: 0, nextTry: 0, warnings: 0, ...more };
}

/** `full`: the disk takes nothing more. */
export class MemorySpool implements Spool {
  readonly notes = [];
  readonly kept = new Map<QueueId, QueueEntry>();
  full = false;
  #last = 0;

  put(recipients: readonly (string | RecipientState)[], more: Partial<QueueEntry> = {}): QueueEntry {
    const id = `ID${++this.#last}` as QueueId;
    const entry: QueueEntry = {
      id,
      sender: 'lee@example.com',
      recipients: recipients.map((one) => (typeof one === 'string' ? recipient(one) : one)),
      size: 100,
      received: 0,
      from: { protocol: 'esmtp', client: '' },
      body: '7bit',
      smtputf8: false,
      requireTls: false,
      ...more,
    };
    this.kept.set(id, entry);
    return entry;
  }

  entries(): IterableIterator<QueueEntry> {
    return this.kept.values();
  }

  get(id: QueueId): QueueEntry | undefined {
    return this.kept.get(id);
  }

  async update(entry: QueueEntry): Promise<void> {
    if (!this.kept.has(entry.id)) throw new Error(`no entry ${entry.id}`);
    this.kept.set(entry.id, entry);
    if (this.full) throw new MailError('queue: No space left on device', { temporary: true });
  }

  async remove(id: QueueId): Promise<void> {
    if (this.full) throw new MailError('queue: No space left on device', { temporary: true });
    this.kept.delete(id);
  }

  *read(): Generator<Uint8Array> {
    yield Buffer.from('Subject: x\r\n\r\n');
  }

  begin(): never {
    throw new Error('nothing comes in here');
  }

  commit(): never {
    throw new Error('nothing comes in here');
  }

  async close(): Promise<void> {}
}

/** What happens, in words: `ID1 lee@x relayed`. */
export interface Bench {
  readonly spool: MemorySpool;
  readonly runner: Runner;
  readonly log: string[];
  readonly problems: unknown[];
  readonly reports: Reports[];
  /** Set: reports cannot be written. */
  reportFault: Error | undefined;
  readonly mailers: (Mailer | undefined)[];
  now(): number;
  /** Moves the clock, rings what became due, and lets all come to rest. */
  later(milliseconds: number): Promise<void>;
}

/** Lets everything that waits for nothing but its turn go on. */
export async function rest(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function newBench(
  route: Router,
  schedule = { interval: HOUR, warnAfter: [4 * HOUR], returnAfter: 120 * HOUR },
): Bench {
  const spool = new MemorySpool();
  const timers = new Map<() => void, number>();
  let now = 0;
  const log: string[] = [];
  const problems: unknown[] = [];
  const reports: Reports[] = [];
  const mailers: (Mailer | undefined)[] = [];
  const options: RunnerOptions = {
    spool,
    route,
    schedule: () => schedule,
    now: () => now,
    after: (milliseconds, run) => {
      timers.set(run, now + milliseconds);
      return () => timers.delete(run);
    },
    report: async (_entry, due) => {
      if (bench.reportFault !== undefined) throw bench.reportFault;
      reports.push(due);
      return [];
    },
    event: (entry, { address, status }, _outcome, mailer) => {
      log.push(`${entry.id} ${address} ${status}`);
      mailers.push(mailer);
    },
    problem: (error) => problems.push(error),
  };
  const bench: Bench = {
    spool,
    runner: new Runner(options),
    log,
    problems,
    reports,
    reportFault: undefined,
    mailers,
    now: () => now,
    async later(milliseconds) {
      const until = now + milliseconds;
      await rest();
      for (;;) {
        const [due] = [...timers].filter(([, time]) => time <= until).sort((a, b) => a[1] - b[1]);
        if (due === undefined) break;
        now = Math.max(now, due[1]);
        timers.delete(due[0]);
        due[0]();
        await rest();
      }
      now = until;
    },
  };
  return bench;
}

/** A destination whose transport takes notes and answers as `decide` says; held up while `gate` is set. */
export class FakeHost {
  readonly name: string;
  readonly batches: string[][] = [];
  working = 0;
  mostWorking = 0;
  decide: (address: string) => Outcome = () => delivered;
  fault: Error | undefined;
  /** Answers nothing. */
  mute = false;
  readonly concurrency: number;
  #gates: (() => void)[] | undefined;

  constructor(name: string, concurrency = 5) {
    this.name = name;
    this.concurrency = concurrency;
  }

  close(): void {
    this.#gates ??= [];
  }

  open(): void {
    const gates = this.#gates ?? [];
    this.#gates = undefined;
    for (const go of gates) go();
  }

  get routing(): Routing {
    return {
      destination: this.name,
      concurrency: this.concurrency,
      mailer: 'relay',
      transport: { deliver: (jobs, answer) => this.#deliver(jobs, answer) },
    };
  }

  async #deliver(jobs: readonly Job[], answer: (job: Job, outcomes: readonly Outcome[]) => void): Promise<void> {
    const addresses = (job: Job) => job.recipients.map((index) => job.entry.recipients[index]?.address ?? '');
    this.batches.push(jobs.flatMap((job) => addresses(job).map((address) => `${job.entry.id} ${address}`)));
    this.working += 1;
    this.mostWorking = Math.max(this.mostWorking, this.working);
    try {
      if (this.#gates !== undefined) await new Promise<void>((resolve) => this.#gates?.push(resolve));
      if (this.fault !== undefined) throw this.fault;
      if (!this.mute) for (const job of jobs) answer(job, addresses(job).map(this.decide));
    } finally {
      this.working -= 1;
    }
  }
}

/** Goes by domain: the host of that name. */
export function byDomain(hosts: readonly FakeHost[]): Router {
  return async (_entry, { address }) => {
    const domain = address.slice(address.indexOf('@') + 1);
    const host = hosts.find(({ name }) => name === domain);
    return host?.routing ?? failed;
  };
}

export { HOUR, MINUTE };
