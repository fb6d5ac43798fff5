/**
 * Names and addresses by DNS, with limits in time and memory; or from a fixed table, for a lab.
 *
 * Answers are kept as long as they may be (addresses say how long; node does not tell it of MX records, which get five
 * minutes), absent names a minute. A server that does not answer is not remembered: that is the asker's business, who tries
 * again later. Nothing waits longer than LIMIT.
 */
import { promises as dns } from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { errnoOf } from '../core/errors.ts';
import type { Resolver } from '../transport/smtp.ts';

/** Look-ups of the daemon; all throw an error with `code` ENOTFOUND or ENODATA when there is no such thing. */
export interface NameService extends Resolver {
  /** The names an address claims to have (PTR). */
  readonly names: (address: string) => Promise<readonly string[]>;
}

/** Milliseconds for one question, all tries together. */
const LIMIT = 10_000;
const MX_KEPT = 5 * 60_000;
const ABSENT_KEPT = 60_000;
const LONGEST_KEPT = 60 * 60_000;
const MOST_KEPT = 20_000;

interface Kept {
  readonly until: number;
  readonly answer: readonly unknown[] | Error;
}

export interface ResolverOptions {
  readonly now?: () => number;
  /** Milliseconds that one question may take. */
  readonly limit?: number;
  /** `address` or `address:port`; default: those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** A file like /etc/hosts, which is the default. */
  readonly hosts?: string;
}

/** Resolves through the name servers of this machine (/etc/resolv.conf), and /etc/hosts for addresses. */
export function systemResolver(options: ResolverOptions = {}): NameService {
  const { now = Date.now, limit = LIMIT, servers, hosts = '/etc/hosts' } = options;
  const resolver = new dns.Resolver({ timeout: limit / 4, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const cache = new Map<string, Kept>();
  const asking = new Map<string, Promise<readonly unknown[]>>();

  /** `find` returns the answers and for how many milliseconds they hold. */
  async function ask<T>(key: string, find: () => Promise<readonly [readonly T[], number]>): Promise<readonly T[]> {
    const kept = cache.get(key);
    if (kept !== undefined && kept.until > now()) {
      if (kept.answer instanceof Error) throw kept.answer;
      return kept.answer as readonly T[];
    }
    const running = asking.get(key);
    if (running !== undefined) return running as Promise<readonly T[]>;
    const question = withLimit(find(), limit).then(
      ([answer, holds]) => {
        keep(key, answer, Math.min(holds, LONGEST_KEPT));
        return answer;
      },
      (error: unknown) => {
        if (error instanceof Error && isAbsent(error)) keep(key, error, ABSENT_KEPT);
        throw error;
      },
    );
    asking.set(key, question);
    try {
      return await question;
    } finally {
      asking.delete(key);
    }
  }

  function keep(key: string, answer: Kept['answer'], holds: number): void {
    cache.delete(key);
    cache.set(key, { until: now() + holds, answer });
    // The oldest go first.
    for (const old of cache.keys()) {
      if (cache.size <= MOST_KEPT) break;
      cache.delete(old);
    }
  }

  return {
    mx: (domain) => ask(`mx ${domain}`, async () => [await resolver.resolveMx(domain), MX_KEPT]),
    addresses: (host) => ask(`a ${host}`, () => findAddresses(host, resolver, hosts)),
    names: (address) => ask(`ptr ${address}`, async () => [await resolver.reverse(address), MX_KEPT]),
  };
}

/** /etc/hosts first, as programs of this machine have it, then DNS. */
async function findAddresses(
  host: string,
  resolver: dns.Resolver,
  hosts: string,
): Promise<readonly [readonly string[], number]> {
  if (/^[\d.]+$|:/.test(host)) return [[host], LONGEST_KEPT];
  const listed = listedAddresses(hosts, host);
  if (listed.length > 0) return [listed, ABSENT_KEPT];
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(host, { ttl: true }),
    resolver.resolve6(host, { ttl: true }),
  ]);
  const found = [four, six].flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (found.length > 0) {
    const holds = Math.max(1, Math.min(...found.map(({ ttl }) => ttl))) * 1000;
    return [found.map(({ address }) => address), holds];
  }
  const reasons = [four, six].flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  // An address that may be there must not be taken for absent.
  throw reasons.find((reason) => !isAbsent(reason)) ?? reasons[0] ?? absent(host);
}

/** Addresses of a name in a file like /etc/hosts; none when it cannot be read. */
function listedAddresses(file: string, host: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const wanted = host.toLowerCase().replace(/\.$/, '');
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = (line.split('#', 1)[0] ?? '').trim().toLowerCase().split(/\s+/);
    return names.includes(wanted) && isIP(address) > 0 ? [address] : [];
  });
}

/** The resolver of node has no limit of its own over all its tries and servers. */
async function withLimit<T>(question: Promise<T>, limit: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(withCode('ETIMEOUT', 'no name server answered in time')), limit);
    timer.unref();
  });
  try {
    return await Promise.race([question, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a fixed table knows of a name. */
export interface FixedHost {
  /** In order of preference, or each with its own. */
  readonly mx?: readonly (string | { readonly exchange: string; readonly priority: number })[];
  readonly addresses?: readonly string[];
  /** The name servers for it are silent. */
  readonly silent?: boolean;
}

/** Resolves from a table: for tests and the lab. The table may be changed while it is used. */
export function fixedResolver(hosts: ReadonlyMap<string, FixedHost>): NameService {
  const find = (name: string): FixedHost => {
    const host = hosts.get(name.toLowerCase().replace(/\.$/, ''));
    if (host?.silent === true) throw withCode('ETIMEOUT', `${name}: no answer`);
    if (host === undefined) throw absent(name);
    return host;
  };
  return {
    async mx(domain) {
      const { mx = [] } = find(domain);
      if (mx.length === 0) throw withCode('ENODATA', `${domain}: no MX`);
      return mx.map((one, i) => (typeof one === 'string' ? { exchange: one, priority: (i + 1) * 10 } : one));
    },
    async addresses(host) {
      if (/^[\d.]+$|:/.test(host)) return [host];
      const { addresses = [] } = find(host);
      if (addresses.length === 0) throw withCode('ENODATA', `${host}: no address`);
      return addresses;
    },
    async names(address) {
      const names = [...hosts].filter(([, host]) => host.addresses?.includes(address)).map(([name]) => name);
      if (names.length === 0) throw absent(address);
      return names;
    },
  };
}

function absent(name: string): Error {
  return withCode('ENOTFOUND', `${name}: not found`);
}

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** The name servers say that there is no such name, or nothing of the kind asked for. */
export function isAbsent(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOTFOUND' || code === 'ENODATA';
}
