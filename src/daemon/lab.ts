/**
 * A lab: several mail hosts on loopback in one process, with names, a clock and faults of its own.
 *
 * Each host is a whole daemon in a root folder of its own (`DIR/HOST`, as --root takes it), on a loopback address and free
 * ports. Names are found in a table in memory; no question leaves this machine, and no right is needed. What takes days
 * takes moments: `later` moves the clock from one waiting task to the next, and lets each come to its end before the next.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { type Disk, realDisk } from '../core/files.ts';
import type { QueueEntry } from '../queue/entry.ts';
import { type Daemon, type DaemonParts, startDaemon } from './main.ts';
import { type FixedHost, fixedResolver } from './resolver.ts';

/** A host to be. */
export interface LabPlan {
  readonly name: string;
  readonly users: readonly string[];
  /** Lines of tmail.toml behind the host name and the listeners. */
  readonly toml?: string;
  /** Files by their path below the root folder, such as `etc/aliases`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The hosts of the tutorial. */
export const TUTORIAL: readonly LabPlan[] = [
  {
    name: 'linux102.example.com',
    users: ['root', 'lee', 'dongliang'],
    files: { 'etc/aliases': 'postmaster: root\nroot: lee\nteam: lee, dongliang, dl@qq.com\n' },
  },
  { name: 'qq.com', users: ['root', 'dl'] },
  { name: '163.com', users: ['root', 'dongliang'] },
];

/** What a host does instead of taking mail. */
export type Fault =
  /** Says this to MAIL, RCPT and DATA: `451 4.3.0 try later`. */
  | { readonly kind: 'answer'; readonly text: string }
  /** Takes connections and says nothing. */
  | { readonly kind: 'silent' }
  /** Ends each connection after so many octets were said to it. */
  | { readonly kind: 'breaks'; readonly after: number };

export interface LabHost {
  readonly name: string;
  readonly users: readonly string[];
  /** The folder that --root takes. */
  readonly root: string;
  /** Loopback address; the host connects from it, too. */
  readonly address: string;
  /** Undefined while the host is down. */
  readonly daemon: Daemon | undefined;
  /** Where it takes mail; undefined while nothing listens. */
  readonly port: number | undefined;
}

export interface Lab {
  readonly dir: string;
  /** What the name servers say; may be changed. Every host has an MX record that names itself. */
  readonly dns: Map<string, FixedHost>;
  /** Milliseconds since 1970. */
  now(): number;
  hosts(): readonly LabHost[];
  /** Throws when there is no such host. */
  host(name: string): LabHost;
  /** The daemon ends as by SIGTERM; connections are refused. */
  down(name: string): Promise<void>;
  /** The daemon starts anew on what lies in its folder. */
  up(name: string): Promise<void>;
  /** The daemon goes on, but who connects meets this; undefined: no more. */
  fault(name: string, fault: Fault | undefined): Promise<void>;
  /** Moves the clock, and has done what became due, in its order. */
  later(milliseconds: number): Promise<void>;
  /** Resolves when all that can be done now is done. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

export interface LabOptions {
  /** An empty folder. */
  readonly dir: string;
  readonly plans?: readonly LabPlan[];
  /** Where the clock begins, in milliseconds since 1970; it stands still but for `later`. Undefined: it is the machine's clock. */
  readonly start?: number;
  readonly parts?: Pick<DaemonParts, 'disk' | 'smtp'>;
}

/** Milliseconds that a lab waits for a silent host. */
const LIMITS = { connect: 1000, greeting: 1000, command: 2000, data: 2000, end: 5000 };
/** Nothing listens there: connections are refused at once. */
const CLOSED_PORT = 1;
/** Milliseconds after which a lab that does not come to rest is a fault. */
const RESTLESS = 60_000;

export async function startLab(options: LabOptions): Promise<Lab> {
  const clock = new LabClock(options.start);
  const dns = new Map<string, FixedHost>();
  const hosts = new Map<string, RunningHost>();
  const resolver = {
    ...fixedResolver(dns),
    portOf: (address: string, port: number) => {
      if (port !== 25) return port;
      const found = [...hosts.values()].find((host) => host.address === address);
      return found === undefined ? port : (found.port ?? CLOSED_PORT);
    },
  };
  const find = (name: string): RunningHost => {
    const found = hosts.get(name.toLowerCase());
    if (found === undefined) throw new Error(`the lab has no host ${name}; there are ${[...hosts.keys()].join(', ')}`);
    return found;
  };
  const settle = async () => {
    // Real time: what is under way here are connections and syncs.
    const limit = Date.now() + RESTLESS;
    for (let quiet = 0; quiet < 2; ) {
      if (Date.now() > limit) throw new Error('the lab does not come to rest');
      await new Promise((resolve) => setTimeout(resolve, 2));
      quiet = [...hosts.values()].every((host) => host.atRest(clock.now())) ? quiet + 1 : 0;
    }
  };
  const plans = options.plans ?? TUTORIAL;
  for (const [index, plan] of plans.entries()) {
    const address = `127.0.0.${101 + index}`;
    const root = join(options.dir, plan.name);
    makeHost(realDisk, root, address, plan);
    dns.set(plan.name, { addresses: [address], mx: [plan.name] });
    const smtp = { localAddress: address, limits: LIMITS, ...options.parts?.smtp };
    const { now, after } = clock;
    const say = () => undefined;
    hosts.set(plan.name, new RunningHost(plan, root, address, { ...options.parts, resolver, now, after, say, smtp }));
  }
  for (const host of hosts.values()) await host.start();
  return {
    dir: options.dir,
    dns,
    now: clock.now,
    hosts: () => [...hosts.values()],
    host: find,
    down: (name) => find(name).stop(),
    up: (name) => find(name).start(),
    fault: (name, fault) => find(name).meet(fault),
    later: (milliseconds) => clock.later(milliseconds, settle),
    settle,
    async stop() {
      for (const host of hosts.values()) await host.stop();
    },
  };
}

/** Makes the folder of a host. */
function makeHost(disk: Disk, root: string, address: string, { name, users, toml = '', files = {} }: LabPlan): void {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  for (const folder of ['etc/mail', 'etc/tmail', 'var/mail', 'var/spool/tmail', 'var/lib/tmail', 'var/log', 'home']) {
    disk.mkdir(join(root, folder), 0o755);
  }
  for (const user of users) disk.mkdir(join(root, 'home', user), 0o755);
  const write = (path: string, text: string) => {
    const fd = disk.open(join(root, path), 'exclusive', 0o644);
    try {
      disk.write(fd, Buffer.from(text), 0);
    } finally {
      disk.close(fd);
    }
  };
  const texts: Readonly<Record<string, string>> = {
    // All users have the caller's ids, who may therefore read every mailbox.
    'etc/passwd': users.map((user) => `${user}:x:${uid}:${gid}::/home/${user}:/bin/sh\n`).join(''),
    'etc/aliases': 'postmaster: root\n',
    ...files,
    'etc/tmail/tmail.toml': `hostname = "${name}"\n${toml}\n[[listen]]\nrole = "mta"\naddress = "${address}:0"\n`,
  };
  for (const [path, text] of Object.entries(texts)) write(path, text);
}

class RunningHost implements LabHost {
  readonly name: string;
  readonly users: readonly string[];
  readonly root: string;
  readonly address: string;
  readonly #parts: DaemonParts;
  #daemon: Daemon | undefined;
  #faulty: { readonly server: Server; readonly sockets: Set<Socket> } | undefined;

  constructor({ name, users }: LabPlan, root: string, address: string, parts: DaemonParts) {
    this.name = name;
    this.users = users;
    this.root = root;
    this.address = address;
    this.#parts = parts;
  }

  get daemon(): Daemon | undefined {
    return this.#daemon;
  }

  get port(): number | undefined {
    if (this.#faulty !== undefined) return portOf(this.#faulty.server);
    const [address] = this.#daemon?.addresses ?? [];
    return address === undefined ? undefined : Number(address.slice(address.lastIndexOf(':') + 1));
  }

  async start(): Promise<void> {
    this.#daemon ??= await startDaemon(await loadConfig({ root: this.root }), this.#parts);
  }

  async stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    await this.meet(undefined);
    await daemon?.stop();
  }

  async meet(fault: Fault | undefined): Promise<void> {
    const before = this.#faulty;
    this.#faulty = undefined;
    for (const socket of before?.sockets ?? []) socket.destroy();
    before?.server.close();
    if (fault === undefined) return;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      misbehave(socket, this.name, fault);
    });
    await new Promise<void>((resolve) => server.listen(0, this.address, resolve));
    this.#faulty = { server, sockets };
  }

  /** Nothing is under way, and nothing due. `now` in milliseconds since 1970. */
  atRest(now: number): boolean {
    if (this.#daemon === undefined) return true;
    return this.#daemon.idle() && this.#daemon.entries().every((entry) => waits(entry, now));
  }
}

function waits({ held, recipients }: QueueEntry, now: number): boolean {
  if (held !== undefined) return true;
  return (
    recipients.some(({ status }) => status === 'queued') &&
    recipients.every(({ status, nextTry }) => status !== 'queued' || nextTry > now)
  );
}

function portOf(server: Server): number | undefined {
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : undefined;
}

function misbehave(socket: Socket, name: string, fault: Fault): void {
  socket.on('error', () => socket.destroy());
  if (fault.kind === 'silent') return;
  let left = fault.kind === 'breaks' ? fault.after : Number.POSITIVE_INFINITY;
  const say = (line: string) => socket.write(`${line}\r\n`);
  say(`220 ${name} ESMTP`);
  let text = '';
  let inData = false;
  socket.on('data', (bytes) => {
    left -= bytes.length;
    if (left <= 0) {
      socket.destroy();
      return;
    }
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).trim().toUpperCase();
      text = text.slice(end + 1);
      if (inData) {
        if (line !== '.') continue;
        inData = false;
        say('250 2.0.0 taken');
      } else if (/^(MAIL|RCPT|DATA)/.test(line) && fault.kind === 'answer') say(fault.text);
      else if (line === 'DATA') {
        inData = true;
        say('354 go on');
      } else if (line === 'QUIT') socket.end('221 bye\r\n');
      else say('250 2.0.0 well');
    }
  });
}

interface Timer {
  readonly time: number;
  readonly run: () => void;
}

/** A clock that can be moved. With `start` it stands still else; without it goes as the machine's. */
class LabClock {
  readonly #start: number | undefined;
  #offset = 0;
  readonly #timers = new Set<Timer>();
  #real: NodeJS.Timeout | undefined;

  constructor(start: number | undefined) {
    this.#start = start;
  }

  readonly now = (): number => (this.#start ?? Date.now()) + this.#offset;

  readonly after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { time: this.now() + milliseconds, run };
    this.#timers.add(timer);
    this.#arm();
    return () => this.#timers.delete(timer);
  };

  async later(milliseconds: number, settle: () => Promise<void>): Promise<void> {
    await settle();
    const until = this.now() + milliseconds;
    for (let next = this.#next(); next !== undefined && next.time <= until; next = this.#next()) {
      this.#offset += Math.max(0, next.time - this.now());
      this.#runDue();
      await settle();
    }
    this.#offset += Math.max(0, until - this.now());
    await settle();
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.time < first.time) first = timer;
    return first;
  }

  #runDue(): void {
    const now = this.now();
    for (const timer of [...this.#timers].filter(({ time }) => time <= now).sort((a, b) => a.time - b.time)) {
      if (this.#timers.delete(timer)) timer.run();
    }
    this.#arm();
  }

  /** A clock that goes by itself rings by itself. */
  #arm(): void {
    if (this.#start !== undefined) return;
    clearTimeout(this.#real);
    const next = this.#next();
    if (next === undefined) return;
    this.#real = setTimeout(() => this.#runDue(), Math.min(Math.max(0, next.time - this.now()), 60_000));
    this.#real.unref();
  }
}
