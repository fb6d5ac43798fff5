/**
 * A mail host on a simulated disk: the SMTP machine, rules, spool, runner, local delivery and reports as the daemon ties them
 * together, with a remote host that remembers what it took. Nothing here knows a socket or a clock.
 */
import type { Disk } from '../../src/core/files.ts';
import { createInbound } from '../../src/daemon/inbound.ts';
import { createReporter } from '../../src/daemon/reports.ts';
import type { World } from '../../src/daemon/world.ts';
import type { MailboxContext } from '../../src/mailbox/mailbox.ts';
import { type Router, Runner, type Transport } from '../../src/queue/run.ts';
import { DEFAULT_SCHEDULE, type Outcome } from '../../src/queue/schedule.ts';
import { openSpool, type Spool } from '../../src/queue/spool.ts';
import { buildRules, DEFAULT_OPTIONS, type TableTexts } from '../../src/rules/rules.ts';
import { DEFAULT_CONFIG, SmtpSession } from '../../src/smtp/session.ts';
import { localTransport } from '../../src/transport/local.ts';

export const HOST = 'host.example';
export const BOX = '/var/mail/lee';
export const SENDERS_BOX = '/var/mail/ann';
const NOW = 1_790_000_000_000;

export interface MailHost {
  readonly spool: Spool;
  readonly runner: Runner;
  /** Subjects that the other host took, each time it did. */
  readonly taken: string[];
  readonly problems: unknown[];
  /** Sends a message; the reply to the final dot, or to what was refused before. */
  send(letter: { readonly from: string; readonly to: readonly string[]; readonly content: string }): Promise<string>;
  /** Resolves when nothing more happens by itself. */
  settle(): Promise<void>;
  /** Fires the timers that are set. */
  tick(): void;
}

/** Opens the host on what lies on the disk. `far@away.example` is taken elsewhere, `gone@away.example` refused there. */
export function openMailHost(disk: Disk, taken: string[] = []): MailHost {
  const problems: unknown[] = [];
  const timers = new Set<() => void>();
  const spool = openSpool({ disk, dir: '/queue', now: () => NOW, later: (run) => setImmediate(run) });
  const text = (file: string) => ({ file, text: '' });
  const texts: TableTexts = {
    access: text('access'),
    localHostNames: text('local-host-names'),
    relayDomains: text('relay-domains'),
    virtualDomains: text('virtual-domains'),
    virtusertable: text('virtusertable'),
    aliases: text('aliases'),
    genericstable: text('genericstable'),
    mailertable: text('mailertable'),
  };
  const { rules } = buildRules(texts, { ...DEFAULT_OPTIONS, hostname: HOST });
  const world: World = {
    lookups: { user: (name) => (['lee', 'ann'].includes(name) ? name : false), forward: () => ({ missing: true }) },
    settle: async (ask) => ask() as never,
    clientName: async () => undefined,
    user: () => undefined,
    forget: () => undefined,
  };
  const context: MailboxContext = {
    disk,
    locker: { lock: async () => ({ release: () => undefined }) },
    stateDir: '/state',
    stateDirsOf: () => ['/state'],
    now: () => NOW,
    notify: () => undefined,
  };
  const route: Router = async (_, { address }) => {
    if (address.endsWith('@away.example')) return { destination: 'away', transport: elsewhere(taken), concurrency: 2 };
    const target = { path: `/var/mail/${address}`, deliveredTo: `${address}@${HOST}`, append: { mode: 0o600 } };
    return { destination: `local:${address}`, transport: localTransport(context, target), concurrency: 1 };
  };
  const log = { write: () => undefined, reopen: () => undefined, close: () => undefined };
  const shared = {
    spool,
    rules: () => rules,
    world,
    hostname: HOST,
    log,
    now: () => NOW,
    queued: (entry: Parameters<Runner['consider']>[0]) => runner.consider(entry),
  };
  const runner = new Runner({
    spool,
    route,
    schedule: () => DEFAULT_SCHEDULE,
    now: () => NOW,
    after: (_, run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
    report: createReporter({ ...shared, schedule: () => DEFAULT_SCHEDULE }),
    event: () => undefined,
    problem: (error) => problems.push(error),
  });
  return {
    spool,
    runner,
    taken,
    problems,
    async send({ from, to, content }) {
      const session = new SmtpSession(DEFAULT_CONFIG, { address: '127.0.0.1' });
      const inbound = createInbound({ ...shared, runQueueOf: () => undefined }, { address: '127.0.0.1' });
      const rcpt = to.map((one) => `RCPT TO:<${one}>\r\n`).join('');
      const input = `EHLO me\r\nMAIL FROM:<${from}>\r\n${rcpt}DATA\r\n${content}.\r\n`;
      const pending = [...session.start(), ...session.receive(Buffer.from(input, 'latin1'))];
      let last = '';
      for (let action = pending.shift(); action !== undefined; action = pending.shift()) {
        if (action.kind === 'send') last = Buffer.from(action.bytes).toString();
        else if (action.kind === 'content') inbound.content(action.bytes);
        else if (action.kind === 'abandon') inbound.abandon();
        else if (action.kind === 'ask') pending.push(...session.answer(await inbound.decide(action.question, session)));
      }
      return last.trim();
    },
    async settle() {
      // What waits for a report that cannot be written stays busy.
      for (let quiet = 0, turns = 0; quiet < 3 && turns < 200; turns++, quiet = runner.idle ? quiet + 1 : 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    tick() {
      const due = [...timers];
      timers.clear();
      for (const run of due) run();
    },
  };
}

function elsewhere(taken: string[]): Transport {
  return {
    async deliver(jobs, answer) {
      for (const job of jobs) {
        const content = Buffer.concat([...job.content()]).toString('latin1');
        answer(
          job,
          job.recipients.map((index): Outcome => {
            if (job.entry.recipients[index]?.address === 'gone@away.example') {
              return { kind: 'failed', reason: { status: '5.1.1', text: '550 User unknown', host: 'away.example' } };
            }
            taken.push(/^Subject: (.*)\r$/m.exec(content)?.[1] ?? '?');
            return {
              kind: 'relayed',
              reason: { status: '2.0.0', text: '250 ok', host: 'away.example' },
              reports: true,
            };
          }),
        );
      }
    },
  };
}
