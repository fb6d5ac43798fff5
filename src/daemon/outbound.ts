/**
 * Finds the way of each recipient in the queue, from the rules that are in force at the moment of the attempt.
 */
import { join } from 'node:path';
import type { SystemPaths } from '../config/paths.ts';
import type { User } from '../core/users.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';
import { headerSize } from '../message/header.ts';
import { isFault, parsePath, pathAddress } from '../message/path.ts';
import { rewriteHeader } from '../message/rewrite.ts';
import type { RecipientState } from '../queue/entry.ts';
import type { Job, Mailer, Router, Routing, Transport } from '../queue/run.ts';
import type { Outcome } from '../queue/schedule.ts';
import { rewrite } from '../rules/rewrite.ts';
import { route } from '../rules/route.ts';
import { isLocalDomain, type Rules } from '../rules/rules.ts';
import { type Refusal, splitDetail } from '../rules/table.ts';
import { localTransport, mailboxTransport } from '../transport/local.ts';
import { type ProgramTarget, programTransport } from '../transport/program.ts';
import { type NextHop, type Resolver, type SmtpTransportOptions, smtpTransport } from '../transport/smtp.ts';
import type { AppendTarget, Helpers } from './helpers.ts';
import type { LocalSettings } from './settings.ts';

export interface OutboundOptions {
  readonly paths: Pick<SystemPaths, 'root' | 'spool'>;
  readonly hostname: string;
  readonly rules: () => Rules;
  readonly resolver: Resolver;
  readonly mailbox: MailboxContext;
  readonly local: LocalSettings;
  /** The user of that name. */
  readonly user: (name: string) => User | undefined;
  /** An address and port that this daemon listens on. */
  readonly isOurs: (address: string, port: number) => boolean;
  readonly smtp?: OutgoingSmtp;
  /** Who may write to mailboxes and run programs, when we may not. */
  readonly helpers?: Helpers;
  readonly now: () => number;
}

/** How connections to others are made; what is not given is as it usually is. */
export type OutgoingSmtp = Pick<SmtpTransportOptions, 'localAddress' | 'limits'>;

/** Transports at work for one next hop, and for one mailbox. */
const SMTP_CONCURRENCY = 5;
const LOCAL_CONCURRENCY = 1;
/** Milliseconds that a message for a mailbox waits for others to be delivered with it, under one lock and one sync. */
const LOCAL_LINGER = 10;
const PROGRAM_CONCURRENCY = 2;

export function createRouter(options: OutboundOptions): Router {
  return async (_entry, recipient) => {
    if (recipient.refusal !== undefined) return { kind: 'failed', reason: recipient.refusal };
    const { address } = recipient;
    if (address.startsWith('/')) return toFile(options, recipient);
    if (address.startsWith('|')) return toProgram(options, recipient);
    if (!address.includes('@')) return toUser(options, address);
    return toDomain(options, address);
  };
}

function toUser(options: OutboundOptions, address: string): Routing | Outcome {
  const { base, detail } = splitDetail(address);
  const { paths, local, hostname, mailbox } = options;
  const user = options.user(address) ?? (detail === undefined ? undefined : options.user(base));
  if (user === undefined) return failed({ status: '5.1.1', text: `${address}... User unknown` });
  const maildir = local.maildirOf(user.name);
  const path = maildir === undefined ? join(paths.spool, user.name) : join(user.home, maildir);
  if (local.quota !== undefined && maildir === undefined && (mailbox.disk.stat(path)?.size ?? 0) >= local.quota) {
    return { kind: 'deferred', reason: { status: '4.2.2', text: `${address}... mailbox is full` } };
  }
  const deliveredTo = `${address}@${hostname}`;
  const line = {
    destination: `local:${user.name}:${address}`,
    linger: LOCAL_LINGER,
    concurrency: LOCAL_CONCURRENCY,
    mailer: 'local',
  } as const;
  if (options.helpers !== undefined) {
    return { ...line, transport: byHelper(options, options.helpers, { do: 'mailbox', user: user.name }, deliveredTo) };
  }
  const target = { path, deliveredTo, append: asOwner(user, local.mailboxMode) };
  return { ...line, transport: localTransport(options.mailbox, target) };
}

function byHelper(
  { now }: OutboundOptions,
  helpers: Helpers,
  target: AppendTarget,
  deliveredTo: string | undefined,
): Transport {
  return mailboxTransport((messages) => helpers.append(target, messages), { deliveredTo }, now, helpers.most);
}

/** Only root can give a mailbox to its user; others deliver into what they may write. */
function asOwner({ uid, gid }: User, mode: number): { mode: number; owner?: { uid: number; gid: number } } {
  return process.geteuid?.() === 0 ? { mode, owner: { uid, gid } } : { mode };
}

function toFile(options: OutboundOptions, { address, asUser }: RecipientState): Routing | Outcome {
  const user = asUser === undefined ? undefined : options.user(asUser);
  if (asUser !== undefined && user === undefined) return failed({ status: '5.1.1', text: `${asUser}... User unknown` });
  const line = {
    destination: `file:${asUser ?? ''}:${address}`,
    concurrency: LOCAL_CONCURRENCY,
    linger: LOCAL_LINGER,
    mailer: 'file',
  } as const;
  if (options.helpers !== undefined) {
    const target = { do: 'file', path: address, ...(asUser === undefined ? {} : { asUser }) } as const;
    return { ...line, transport: byHelper(options, options.helpers, target, undefined) };
  }
  const target = {
    path: join(options.paths.root, address),
    deliveredTo: undefined,
    append: user === undefined ? { mode: 0o600 } : asOwner(user, 0o600),
  };
  return { ...line, transport: localTransport(options.mailbox, target) };
}

function toProgram(options: OutboundOptions, { address, asUser }: RecipientState): Routing | Outcome {
  // sendmail's DefaultUser: a command of the administrator's tables runs as nobody in particular.
  const user = options.user(asUser ?? 'daemon');
  if (user === undefined) return failed({ status: '5.1.1', text: `${asUser ?? 'daemon'}... User unknown` });
  const { helpers } = options;
  const command = address.slice(1);
  const target: ProgramTarget = {
    command,
    user,
    allowed: options.local.programs,
    limit: options.local.programLimit,
    ...(helpers === undefined
      ? {}
      : {
          run: (_, { sender, content }) =>
            helpers.program({ command, sender, ...(asUser === undefined ? {} : { asUser }) }, content),
        }),
  };
  return {
    destination: `program:${asUser ?? ''}:${address}`,
    transport: programTransport(target, options.now),
    concurrency: PROGRAM_CONCURRENCY,
    mailer: 'prog',
  };
}

function toDomain(options: OutboundOptions, address: string): Routing | Outcome {
  const rules = options.rules();
  const path = parsePath(address);
  if (isFault(path)) return failed({ status: path.status, text: path.fault });
  // It became local while it waited.
  if (isLocalDomain(rules, path.domain)) return toUser(options, path.local);
  const way = route(path.domain, rules);
  switch (way.kind) {
    case 'error':
      return refused(way.refusal);
    case 'discard':
      return { kind: 'discarded', reason: { status: '2.0.0', text: `mailertable ${way.at.file}:${way.at.line}` } };
    case 'local':
      return toUser(options, way.user ?? path.local);
    case 'mx':
      return toHosts(options, 'esmtp', `smtp:${way.domain}`, [
        { host: way.domain, port: 25, protocol: 'smtp', mx: true, tls: 'may' },
      ]);
    case 'smtp': {
      const protocol = way.mailer === 'lmtp' ? 'lmtp' : 'smtp';
      const hops = way.hops.map(
        ({ host, mx, port }): NextHop => ({ host, mx, port: port ?? 25, protocol, tls: 'may' }),
      );
      return toHosts(
        options,
        'relay',
        `${protocol}:${hops.map(({ host, port }) => `${host}:${port}`).join(',')}`,
        hops,
      );
    }
  }
}

function toHosts(options: OutboundOptions, mailer: Mailer, destination: string, hops: readonly NextHop[]): Routing {
  const { hostname, resolver, isOurs, rules } = options;
  const ourNames = () => new Set([hostname.toLowerCase(), ...rules().localHosts.entries.keys()]);
  const transport = smtpTransport({ ...options.smtp, hops, hostname, resolver, isOurs, ourNames });
  return { destination, transport: outside(transport, rules), concurrency: SMTP_CONCURRENCY, mailer };
}

/** Puts on what our senders wear outside: masquerading, genericstable, the domain of bare names. */
function outside(transport: Transport, rules: () => Rules): Transport {
  return {
    deliver(jobs, answer) {
      const dressed = new Map(jobs.map((job) => [dress(job, rules()), job]));
      return transport.deliver([...dressed.keys()], (job, outcomes) => answer(dressed.get(job) ?? job, outcomes));
    },
  };
}

function dress(job: Job, rules: Rules): Job {
  const change = (address: string, role: Parameters<typeof rewrite>[1]): string => {
    const path = parsePath(address);
    return isFault(path) ? address : pathAddress(rewrite(path, role, 'remote', rules));
  };
  const sender = job.entry.sender === '' ? '' : change(job.entry.sender, 'envelopeSender');
  const inHeader = (address: string, role: 'sender' | 'recipient') =>
    address === '' ? '' : change(address, role === 'sender' ? 'headerSender' : 'headerRecipient');
  const content = function* (): Generator<Uint8Array> {
    const blocks = job.content()[Symbol.iterator]();
    const first = blocks.next();
    if (first.done === true) return;
    // The blocks of the queue are larger than any header that was let in.
    const size = headerSize(first.value);
    yield rewriteHeader(first.value.subarray(0, size), inHeader);
    yield first.value.subarray(size);
    for (let next = blocks.next(); next.done !== true; next = blocks.next()) yield next.value;
  };
  return { ...job, entry: { ...job.entry, sender }, content };
}

function failed(reason: { readonly status: string; readonly text: string }): Outcome {
  return { kind: 'failed', reason };
}

function refused({ code, status, text }: Refusal): Outcome {
  const reason = { status, text: `${code} ${text}` };
  return { kind: code >= 500 ? 'failed' : 'deferred', reason };
}
