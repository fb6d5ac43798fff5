/**
 * Delivery to another host over SMTP, or to one nearby over LMTP.
 *
 * The hosts of a target are tried in order of preference (RFC 5321 5.1) until one answers; a host that refuses a recipient
 * has answered. One connection serves all jobs of a batch. What the host said decides: 2yz relayed, 4yz later,
 * 5yz never; anything that happens to the connection is a reason to try the next host, then later. When the connection
 * breaks after the final dot the message may have been taken: it is sent again, twice rather than never (RFC 5321 4.5.4.1).
 */
import { networkInterfaces } from 'node:os';
import type { Reason, RecipientState } from '../queue/entry.ts';
import type { Job, Transport } from '../queue/run.ts';
import type { Outcome } from '../queue/schedule.ts';
import {
  CLIENT_LIMITS,
  type ClientLimits,
  ConnectionError,
  type Endpoint,
  type Reply,
  ReplyError,
  SmtpConnection,
  type TlsPolicy,
  textOf,
} from './smtp-client.ts';

/** Look-ups, passed in: DNS, or a lab's own. Each throws an error whose `code` is ENOTFOUND or ENODATA when there is none. */
export interface Resolver {
  readonly mx: (domain: string) => Promise<readonly { readonly exchange: string; readonly priority: number }[]>;
  /** IPv4 and IPv6 addresses. */
  readonly addresses: (host: string) => Promise<readonly string[]>;
  /** Where hosts do not listen on the port they should, as in a lab: the port on which this address is reached. */
  readonly portOf?: (address: string, port: number) => number;
}

/** Where to, as routing decided. */
export interface NextHop {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'smtp' | 'lmtp';
  /** Look for MX records of `host`; false for names in brackets. */
  readonly mx: boolean;
  readonly tls: TlsPolicy;
}

export interface SmtpTransportOptions {
  /** The first that answers. */
  readonly hops: readonly NextHop[];
  readonly hostname: string;
  readonly resolver: Resolver;
  /** An address and port that we listen on ourselves: sending there would be a loop. */
  readonly isOurs: (address: string, port: number) => boolean;
  /** Names of this host, lower case. */
  readonly ourNames: () => ReadonlySet<string>;
  /** The address to connect from; the system's choice when not given. */
  readonly localAddress?: string | undefined;
  readonly limits?: ClientLimits | undefined;
}

export function smtpTransport(options: SmtpTransportOptions): Transport {
  return {
    async deliver(jobs, answer) {
      const endpoints = await findEndpoints(options);
      if (isOutcome(endpoints)) {
        for (const job of jobs) answer(job, same(job, endpoints));
        return;
      }
      await deliverAll(options, endpoints, jobs, answer);
    },
  };
}

async function deliverAll(
  options: SmtpTransportOptions,
  endpoints: readonly Endpoint[],
  jobs: readonly Job[],
  answer: (job: Job, outcomes: readonly Outcome[]) => void,
): Promise<void> {
  let left = jobs;
  let last: Outcome = deferred({ status: '4.4.1', text: 'no address of the host answers' });
  for (const endpoint of endpoints) {
    let connection: SmtpConnection | undefined;
    try {
      while (left.length > 0) {
        connection ??= await SmtpConnection.open(endpoint, options.hostname, options.limits ?? CLIENT_LIMITS);
        const [job] = left;
        if (job === undefined) return;
        const { outcomes, reusable } = await deliverOne(connection, job);
        answer(job, outcomes);
        left = left.slice(1);
        if (reusable) continue;
        connection.close();
        connection = undefined;
      }
      connection?.quit();
      return;
    } catch (error) {
      connection?.close();
      last = outcomeOfError(error, endpoint.host);
      if (last.kind === 'failed') break;
    }
  }
  for (const job of left) answer(job, same(job, last));
}

async function deliverOne(
  connection: SmtpConnection,
  job: Job,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly reusable: boolean }> {
  const refusal = connection.refusal(job.entry);
  if (refusal !== undefined) return { outcomes: same(job, outcomeOf(refusal, connection)), reusable: true };
  const recipients = job.recipients
    .map((index) => job.entry.recipients[index])
    .filter((one): one is RecipientState => one !== undefined);
  const answers = await connection.send(job.entry, recipients, job.content);
  return { outcomes: answers.recipients.map((reply) => outcomeOf(reply, connection)), reusable: answers.reusable };
}

/** The hosts to try in order, or what to make of their absence. */
async function findEndpoints(options: SmtpTransportOptions): Promise<readonly Endpoint[] | Outcome> {
  const endpoints: Endpoint[] = [];
  let fault: Outcome | undefined;
  for (const hop of options.hops) {
    const found = await endpointsOf(hop, options);
    if (isOutcome(found)) fault ??= found;
    else endpoints.push(...found);
  }
  if (endpoints.length > 0) return endpoints;
  return fault ?? failed({ status: '5.3.5', text: 'no host to send to is configured' });
}

async function endpointsOf(hop: NextHop, options: SmtpTransportOptions): Promise<readonly Endpoint[] | Outcome> {
  const { resolver, isOurs, ourNames, localAddress } = options;
  if (hop.host.startsWith('/')) return [{ ...hop, address: hop.host }];
  const portOf = (address: string) => resolver.portOf?.(address, hop.port) ?? hop.port;
  const found = await findHosts(hop, resolver);
  if (isOutcome(found)) return found;
  const hosts = [...found].sort((a, b) => a.priority - b.priority || (Math.random() < 0.5 ? -1 : 1));
  const endpoints: Endpoint[] = [];
  let lookUp: Outcome | undefined;
  for (const { name } of hosts) {
    // RFC 5321 5.1: a host in the list does not send to its equals or its betters, that is to those behind it.
    if (ourNames().has(name.toLowerCase().replace(/\.$/, ''))) break;
    const addresses = await resolver.addresses(name).catch((error: unknown) => {
      lookUp = outcomeOfLookUp(error, name);
      return [];
    });
    if (addresses.some((address) => isOurs(address, portOf(address)))) break;
    for (const address of addresses) {
      endpoints.push({ ...hop, host: name, address, port: portOf(address), localAddress });
    }
  }
  if (endpoints.length > 0) return endpoints;
  if (lookUp !== undefined) return lookUp;
  const text = `mail for ${hop.host} loops back to this host: it is the best MX, and the domain is not local here`;
  return failed({ status: '5.4.6', text });
}

function isOutcome(found: Outcome | readonly unknown[]): found is Outcome {
  return 'kind' in found;
}

interface Host {
  readonly name: string;
  readonly priority: number;
}

async function findHosts(hop: NextHop, resolver: Resolver): Promise<readonly Host[] | Outcome> {
  if (!hop.mx) return [{ name: hop.host, priority: 0 }];
  try {
    const records = await resolver.mx(hop.host);
    // RFC 7505: a single MX of "." says that the domain takes no mail.
    if (records.length === 1 && records[0]?.exchange.replace(/\.$/, '') === '') {
      return failed({ status: '5.1.10', text: `${hop.host} does not accept mail (null MX)` });
    }
    if (records.length > 0) return records.map(({ exchange, priority }) => ({ name: exchange, priority }));
  } catch (error) {
    if (!isAbsent(error)) return outcomeOfLookUp(error, hop.host);
  }
  return [{ name: hop.host, priority: 0 }];
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA');
}

function outcomeOfLookUp(error: unknown, host: string): Outcome {
  if (isAbsent(error)) return failed({ status: '5.1.2', text: `Host unknown (Name server: ${host}: host not found)` });
  return deferred({ status: '4.4.3', text: `${host}: the name server does not answer` });
}

function outcomeOf(reply: Reply, { endpoint, reports }: Pick<SmtpConnection, 'endpoint' | 'reports'>): Outcome {
  if (reply.code < 300) return { kind: 'relayed', reason: reasonOf(reply, endpoint.host), reports };
  return refusalOf(reply, endpoint.host);
}

function refusalOf(reply: Reply, host: string): Outcome {
  const reason = reasonOf(reply, host);
  return reply.code >= 500 ? failed(reason) : deferred(reason);
}

function reasonOf(reply: Reply, host: string): Reason {
  return { status: statusOf(reply), text: `${reply.code} ${textOf(reply)}`, host };
}

/** The enhanced status code of a reply, or the plainest one of its class (RFC 3463). */
function statusOf(reply: Reply): string {
  const own = /^([245]\.\d{1,3}\.\d{1,3})\b/.exec(reply.lines[0] ?? '')?.[1];
  return own ?? `${Math.trunc(reply.code / 100)}.0.0`;
}

function outcomeOfError(error: unknown, host: string): Outcome {
  if (error instanceof ReplyError) return refusalOf(error.reply, host);
  if (error instanceof ConnectionError) return deferred({ status: error.status, text: error.message });
  throw error;
}

function deferred(reason: Reason): Outcome {
  return { kind: 'deferred', reason };
}

function failed(reason: Reason): Outcome {
  return { kind: 'failed', reason };
}

function same(job: Job, outcome: Outcome): Outcome[] {
  return job.recipients.map(() => outcome);
}

/** Addresses of this machine's interfaces, loopback included. */
export function ownAddresses(): ReadonlySet<string> {
  const addresses = new Set<string>();
  for (const list of Object.values(networkInterfaces())) for (const { address } of list ?? []) addresses.add(address);
  return addresses;
}
