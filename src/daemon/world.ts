/**
 * What rules may ask of the world: users, lists, ~/.forward, and whether domains exist.
 *
 * Rules are pure and say what they need; `settle` asks again until nothing is missing. What the machine itself knows
 * (users, files) is answered at once; what DNS knows is found meanwhile and kept for a minute, so that a decision which is
 * repeated for each recipient is made from one answer. A silent name server is `temporary`, never `no`.
 */
import { join } from 'node:path';
import { below } from '../config/paths.ts';
import { MailError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { lookUpUser, type User } from '../core/users.ts';
import { parseIp } from '../message/path.ts';
import type { ListResult, Need } from '../rules/expand.ts';
import type { DecisionLookups, DecisionNeed } from '../rules/relay.ts';
import { isLocalDomain, isLoopback, type Rules } from '../rules/rules.ts';
import { readForward, readInclude } from './lists.ts';
import { isAbsent, type NameService } from './resolver.ts';

export interface World {
  readonly lookups: DecisionLookups;
  /**
   * Asks until nothing is missing. `ask` gives what it decided, or what it needs for that.
   * @throws MailError (temporary) when the answers raise ever new questions.
   */
  settle<T>(ask: () => T | Unsettled): Promise<T>;
  /** The name of a client: one that its address claims and that leads back to it (for `Client.name`). Never throws. */
  clientName(address: string): Promise<string | undefined>;
  /** The user of that name, homes below the root folder. */
  user(name: string): User | undefined;
  /** Forgets what was kept: after SIGHUP. */
  forget(): void;
}

export interface Unsettled {
  readonly needs: readonly (Need | DecisionNeed)[];
}

export interface WorldOptions {
  /** '' for the machine itself. */
  readonly root: string;
  readonly resolver: Omit<NameService, 'names'> & Partial<Pick<NameService, 'names'>>;
  /** Those in force. */
  readonly rules: () => Rules;
  readonly disk?: Disk;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Who reads files of users and lists, when we may not. */
  readonly lists?: ListReader;
}

export interface ListReader {
  forward(user: string): Promise<ListResult>;
  include(path: string, asUser?: string): Promise<ListResult>;
}

type Answer = 'yes' | 'no' | 'temporary';

/** Milliseconds. Users are asked for several times for each message; one who was added counts at once. */
const USER_KEPT = 5_000;
const ANSWER_KEPT = 60_000;
const LIST_KEPT = 1_000;
const MOST_KEPT = 20_000;
const MOST_ROUNDS = 20;

export function createWorld(options: WorldOptions): World {
  const { root, resolver, rules, disk = realDisk, now = Date.now, lists } = options;
  const users = new Kept<User>(now, USER_KEPT);
  const answers = new Kept<Answer>(now, ANSWER_KEPT);
  const known = new Kept<ListResult>(now, LIST_KEPT);

  const user = (name: string): User | undefined => {
    const kept = users.get(name);
    if (kept !== undefined) return kept;
    const lower = name.toLowerCase();
    const found = lookUpUser(name, root) ?? (lower === name ? undefined : lookUpUser(lower, root));
    if (found !== undefined) users.set(name, found);
    return found;
  };

  const lookups: DecisionLookups = {
    user: (name) => user(name)?.name ?? false,
    include: (path, asUser) => {
      if (lists !== undefined) return known.get(includeKey(path, asUser));
      const as = asUser === undefined ? undefined : user(asUser);
      if (asUser !== undefined && as === undefined) return { fault: `there is no user ${asUser}`, temporary: false };
      return readInclude(below(root, path), as, root, disk);
    },
    forward: (name) => {
      const found = user(name);
      if (found === undefined) return { missing: true };
      if (lists === undefined) return readForward(found, root, disk);
      return hasForward(found, disk) ? known.get(`forward ${name}`) : { missing: true };
    },
    domainExists: (domain) => answers.get(`domain ${domain}`),
    mxIsUs: (domain) => answers.get(`mx ${domain}`),
  };

  type Finder = (need: { readonly name: string; readonly asUser?: string }) => Promise<void>;
  const find: Readonly<Record<string, Finder>> = {
    domain: async ({ name }) => answers.set(`domain ${name}`, await domainExists(resolver, name)),
    mx: async ({ name }) => answers.set(`mx ${name}`, await mxIsUs(resolver, name, rules())),
    ...(lists === undefined
      ? {}
      : {
          forward: async ({ name }) => known.set(`forward ${name}`, await lists.forward(user(name)?.name ?? name)),
          include: async ({ name, asUser }) => known.set(includeKey(name, asUser), await lists.include(name, asUser)),
        }),
  };

  return {
    lookups,
    user,
    async settle<T>(ask: () => T | Unsettled): Promise<T> {
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const result = ask();
        if (!isUnsettled(result)) return result;
        await Promise.all(
          result.needs.map((need) => {
            const finder = find[need.kind];
            if (finder === undefined) throw new Error(`nobody knows of ${need.kind} ${need.name}`);
            return finder(need);
          }),
        );
      }
      throw new MailError('a decision needs ever more look-ups', { temporary: true });
    },
    clientName: (address) => confirmedName(resolver, address),
    forget() {
      users.clear();
      answers.clear();
      known.clear();
    },
  };
}

function includeKey(path: string, asUser: string | undefined): string {
  return `include ${asUser ?? ''} ${path}`;
}

/** May there be a ~/.forward? In a home that nobody else may look into, there may. */
function hasForward({ home }: User, disk: Disk): boolean {
  try {
    return disk.lstat(join(home, '.forward')) !== undefined;
  } catch {
    return true;
  }
}

function isUnsettled<T>(result: T | Unsettled): result is Unsettled {
  return typeof result === 'object' && result !== null && 'needs' in result && result.needs.length > 0;
}

/** Does mail for a domain have anywhere to go: MX, else an address (RFC 5321 5.1)? */
async function domainExists(resolver: WorldOptions['resolver'], domain: string): Promise<Answer> {
  const [mx, addresses] = await Promise.all([holds(resolver.mx(domain)), holds(resolver.addresses(domain))]);
  if (mx === 'yes' || addresses === 'yes') return 'yes';
  return mx === 'no' && addresses === 'no' ? 'no' : 'temporary';
}

async function holds(answer: Promise<readonly unknown[]>): Promise<Answer> {
  try {
    return (await answer).length > 0 ? 'yes' : 'no';
  } catch (error) {
    return isAbsent(error) ? 'no' : 'temporary';
  }
}

/** Is one of the best MX of a domain this host, by name or address? */
async function mxIsUs(resolver: WorldOptions['resolver'], domain: string, rules: Rules): Promise<Answer> {
  try {
    const records = await resolver.mx(domain);
    const best = Math.min(...records.map(({ priority }) => priority));
    const hosts = records.filter(({ priority }) => priority === best).map(({ exchange }) => plain(exchange));
    if (hosts.some((host) => host !== '' && isLocalDomain(rules, host))) return 'yes';
    const found = await Promise.all(hosts.map((host) => resolver.addresses(host)));
    return found.flat().some((address) => isOwnAddress(rules, address)) ? 'yes' : 'no';
  } catch (error) {
    return isAbsent(error) ? 'no' : 'temporary';
  }
}

function plain(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/** Loopback does not count: anybody's MX can say 127.0.0.1. */
function isOwnAddress(rules: Rules, address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && !isLoopback(ip) && rules.options.ownAddresses.some((own) => parseIp(own) === ip);
}

async function confirmedName(resolver: WorldOptions['resolver'], address: string): Promise<string | undefined> {
  const ip = parseIp(address);
  if (ip === undefined || resolver.names === undefined) return undefined;
  try {
    // Who controls an address can claim any number of names.
    for (const name of (await resolver.names(ip)).slice(0, 5).map(plain)) {
      const back = await resolver.addresses(name).catch(() => []);
      if (back.some((one) => parseIp(one) === ip)) return name;
    }
  } catch {
    // No name is no fault.
  }
  return undefined;
}

/** Values that hold for a while; the oldest go when there are too many. */
class Kept<T> {
  readonly #now: () => number;
  readonly #holds: number;
  readonly #values = new Map<string, { readonly value: T; readonly until: number }>();

  constructor(now: () => number, holds: number) {
    this.#now = now;
    this.#holds = holds;
  }

  get(key: string): T | undefined {
    const kept = this.#values.get(key);
    return kept !== undefined && kept.until > this.#now() ? kept.value : undefined;
  }

  set(key: string, value: T): void {
    this.#values.delete(key);
    this.#values.set(key, { value, until: this.#now() + this.#holds });
    for (const old of this.#values.keys()) {
      if (this.#values.size <= MOST_KEPT) break;
      this.#values.delete(old);
    }
  }

  clear(): void {
    this.#values.clear();
  }
}
