/**
 * The daemon: opens the queue, the tables and the listeners, and ties them together until a signal ends it.
 *
 * `listening ROLE ADDRESS:PORT`, one a line, then `ready` on standard output when every listener is open. SIGHUP reads the
 * tables again, SIGUSR2 opens the log anew, SIGTERM and SIGINT end it: no new connections, those that are there get a 421
 * once their message is answered, deliveries under way end, exit status 0. kill -9 loses nothing that was acknowledged.
 */
import { join } from 'node:path';
import { type Config, optionValue } from '../config/load.ts';
import { controlSocket, pidFile, stateDirsOf, statisticsFile } from '../config/paths.ts';
import { EX, MailError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { createLog, type Log } from '../core/log.ts';
import { VERSION } from '../core/version.ts';
import { createLocker } from '../mailbox/lock.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';
import { formatDate } from '../message/date.ts';
import { parseIp } from '../message/path.ts';
import type { QueueEntry } from '../queue/entry.ts';
import { lockQueue, type QueueLock } from '../queue/lock.ts';
import { retryDomain } from '../queue/manage.ts';
import { Runner } from '../queue/run.ts';
import { openSpool } from '../queue/spool.ts';
import type { Fault } from '../rules/table.ts';
import { type Client, DEFAULT_CONFIG, type SmtpConfig } from '../smtp/session.ts';
import { ownAddresses } from '../transport/smtp.ts';
import { openControl } from './control.ts';
import { type Accept, Doors } from './doors.ts';
import { createFeed, event, observedLog, recipientEvent } from './events.ts';
import { createInbound, type InboundOptions, zone } from './inbound.ts';
import { type Command, removePidFile } from './keeper.ts';
import { createRouter, type OutgoingSmtp } from './outbound.ts';
import { makePrivate, type Separation, separate } from './privileges.ts';
import { createReporter } from './reports.ts';
import { type NameService, systemResolver } from './resolver.ts';
import { type DaemonSettings, daemonSettings, type Listener } from './settings.ts';
import { SmtpServerConnection } from './smtp-connection.ts';
import { keepStatistics } from './stats.ts';
import { watchSubmissions } from './submissions.ts';
import { faultText, openTables } from './tables.ts';
import { createWorld } from './world.ts';

/** What a lab or a test brings instead of the machine's own. */
export interface DaemonParts {
  readonly resolver?: NameService;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Calls `run` after so many milliseconds; returns what cancels it. */
  readonly after?: (milliseconds: number, run: () => void) => () => void;
  readonly say?: (line: string) => void;
  /** Tells the administrator what is dangerous about the configuration; standard error. */
  readonly warn?: (line: string) => void;
  readonly disk?: Disk;
  /** How connections to others are made. */
  readonly smtp?: OutgoingSmtp;
  /** When root started it: how it gives root up, and who does what it cannot do after that. */
  readonly separation?: Separation;
  /** Says which sockets were opened for us (LISTEN_FDS). */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** More to warn of at the start. */
  readonly warnings?: readonly string[];
}

export interface Daemon {
  /** `host:port` or `unix:/path`, by listener in order. */
  readonly addresses: readonly string[];
  /** What waits, each entry as it is now. */
  entries(): readonly QueueEntry[];
  /** Nobody is connected, and nothing is on its way: what is in the queue waits for its time. */
  idle(): boolean;
  /** Takes up what was submitted by command; resolves when it is in the queue. */
  takeSubmissions(): Promise<void>;
  /** Reads the tables again. */
  reload(): void;
  reopenLog(): void;
  /** Resolves when all has ended and is on stable storage. */
  stop(): Promise<void>;
}

/** Opens everything; throws a UserError or MailError that says what could not be opened, and then leaves nothing open. */
export async function startDaemon(config: Config, parts: DaemonParts = {}): Promise<Daemon> {
  const settings = daemonSettings(config);
  const { paths } = settings;
  const disk = parts.disk ?? realDisk;
  const { separation } = parts;
  if (separation === undefined) makeFolders(disk, paths);
  else separation.prepare();
  const queueLock = lockQueue(disk, paths.queue);
  if (queueLock === undefined) {
    throw new MailError(`another daemon uses the queue ${paths.queue}`, { temporary: true, status: EX.tempFail });
  }
  const doors = new Doors(settings);
  try {
    await doors.inherit(parts.env ?? {});
    await doors.open();
    separation?.giveUpRoot();
    return await startBehind(doors, queueLock, config, settings, parts);
  } catch (error) {
    doors.close();
    queueLock.release();
    throw error;
  }
}

/** The rest, behind listeners that let nobody in yet. Whoever calls closes these and the lock when it throws. */
async function startBehind(
  doors: Doors,
  queueLock: QueueLock,
  config: Config,
  settings: DaemonSettings,
  parts: DaemonParts,
): Promise<Daemon> {
  const { now = Date.now, after = afterReal } = parts;
  const say = parts.say ?? ((line) => process.stdout.write(`${line}\n`));
  const warn = parts.warn ?? ((line) => process.stderr.write(`${line}\n`));
  const { paths, hostname } = settings;
  const disk = parts.disk ?? realDisk;
  const helpers = parts.separation?.helpers;
  const statistics = keepStatistics({
    disk,
    path: statisticsFile(paths),
    now,
    after,
    problem: (error) => problem('statistics')(error),
  });
  const feed = createFeed();
  const log = observedLog(
    createLog({ file: openableLog(disk, settings), form: settings.log.format, hostname, now }),
    (what) => {
      statistics.count(what);
      feed.publish(what);
    },
  );
  const problem = (where: string) => (error: unknown) => {
    log.write({ event: 'problem', where, reason: error instanceof Error ? error.message : String(error) });
  };
  helpers?.tell({ notify: (text) => log.write({ event: 'mailbox', text }), problem: problem('helpers') });
  const spool = openSpool({ disk, dir: paths.queue, now, later: (run) => setImmediate(run) });
  for (const note of spool.notes) log.write({ event: 'recovered', note });
  const onFault = (faults: readonly Fault[]) => {
    for (const { file, line, reason, level } of faults)
      log.write({ event: 'table-fault', level, at: `${file}:${line}`, reason });
  };
  const onChange = () => log.write({ event: 'tables-read' });
  const tables = openTables({ paths, options: settings.rules, onChange, onFault });
  const rules = () => tables.rules;
  const resolver = parts.resolver ?? systemResolver({ now });
  const lists = helpers === undefined ? {} : { lists: helpers };
  const world = createWorld({ root: paths.root, resolver, rules, now, ...lists });
  const mailbox = mailboxOf(config, settings, disk, now, log);
  const { addresses, listening } = doors;
  const own = ownAddresses();
  const isOurs = (address: string, port: number) =>
    listening.get(address) === port ||
    (own.has(address) && (listening.get('0.0.0.0') === port || listening.get('::') === port));
  const queued = (entry: QueueEntry) => runner.consider(entry);
  const shared = { spool, rules, world, hostname, log, now, queued };
  const runner = new Runner({
    spool,
    route: createRouter({
      paths,
      hostname,
      rules,
      resolver,
      mailbox,
      local: settings.local,
      user: world.user,
      isOurs,
      ...(parts.smtp === undefined ? {} : { smtp: parts.smtp }),
      ...(helpers === undefined ? {} : { helpers }),
      now,
    }),
    schedule: () => settings.schedule,
    now,
    after,
    report: createReporter({ ...shared, schedule: () => settings.schedule }),
    event: (entry, recipient, outcome, mailer) => log.write(recipientEvent(entry, recipient, outcome, mailer, now())),
    problem: problem('queue'),
  });
  const submissions = watchSubmissions({ ...shared, dir: paths.submit, root: paths.root });
  const runQueueOf = (name: string) => {
    retryDomain({ spool, runner, now }, name).catch(problem('queue'));
  };
  const inbound: InboundOptions = { ...shared, runQueueOf };
  const connections = new Set<SmtpServerConnection>();
  let control: { close(): Promise<void> } | undefined;
  const stop = async () => {
    await control?.close();
    doors.close();
    submissions.close();
    tables.close();
    for (const connection of connections) connection.shutDown();
    await Promise.race([Promise.all([...connections].map(({ done }) => done)), wait(CLOSING_LIMIT)]);
    await runner.drain();
    await helpers?.close();
    await spool.close();
    log.write(event('stopped', {}));
    log.close();
    statistics.close();
    queueLock.release();
  };
  try {
    const begun = now();
    control = await openControl({
      path: controlSocket(paths),
      deps: {
        spool,
        runner,
        stats: statistics.statistics,
        reload: () => {
          world.forget();
          return tables.reload().map(faultText);
        },
        log,
        feed,
        now,
        status: () => ({
          version: VERSION,
          hostname,
          started: begun,
          listening: addresses,
          connections: connections.size,
        }),
      },
    });
  } catch (error) {
    await stop();
    throw error;
  }
  for (const [index, { role }] of settings.listeners.entries()) say(`listening ${role} ${addresses[index]}`);
  for (const warning of [...settings.warnings, ...(parts.warnings ?? [])]) {
    log.write({ event: 'warning', text: warning });
    warn(`tmail: warning: ${warning}`);
  }
  log.write(event('started', { version: VERSION, listening: addresses }));
  // Who waits for `ready` finds in the log what was wrong with the tables.
  await new Promise((resolve) => setImmediate(resolve));
  doors.letIn((listener) => acceptor(listener, settings, inbound, connections, world.clientName, problem('smtp')));
  runner.wake();
  void submissions.take();
  say('ready');
  return {
    addresses,
    entries: () => [...spool.entries()],
    idle: () => connections.size === 0 && runner.idle,
    takeSubmissions: () => submissions.take(),
    reload: () => {
      world.forget();
      tables.reload();
    },
    reopenLog: () => {
      try {
        log.reopen();
      } catch (error) {
        problem('log')(error);
      }
    },
    stop,
  };
}

/** Milliseconds that clients have to hear of the end. */
const CLOSING_LIMIT = 10_000;

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

function afterReal(milliseconds: number, run: () => void): () => void {
  const timer = setTimeout(run, milliseconds);
  timer.unref();
  return () => clearTimeout(timer);
}

function makeFolders(disk: Disk, paths: DaemonSettings['paths']): void {
  for (const folder of [paths.queue, paths.state]) makePrivate(disk, folder);
  makeSubmitFolder(disk, paths.submit);
}

/** Whoever may log in may submit; nobody but us may read what others submitted (as sendmail's mqueue-client). */
function makeSubmitFolder(disk: Disk, path: string): void {
  if (disk.stat(path) !== undefined) return;
  makePrivate(disk, path);
  const fd = disk.open(path, 'read');
  try {
    disk.chmod(fd, process.geteuid?.() === 0 ? 0o1733 : 0o700);
  } finally {
    disk.close(fd);
  }
}

/** The log's file, or standard error where it cannot be made. */
function openableLog(disk: Disk, { log, paths }: DaemonSettings): string | undefined {
  try {
    disk.mkdir(join(log.file, '..'), 0o755);
    disk.close(disk.open(log.file, 'create', 0o640));
    return log.file;
  } catch (error) {
    if (paths.root !== '') throw error;
    return undefined;
  }
}

function mailboxOf(
  config: Config,
  { paths, hostname }: DaemonSettings,
  disk: Disk,
  now: () => number,
  log: Log,
): MailboxContext {
  const notify = (text: string) => log.write({ event: 'mailbox', text });
  const timeoutMs = (optionValue(config, 'mailbox.lock_timeout') ?? 30) * 1000;
  return {
    disk,
    locker: createLocker({ disk, hostname, now: Date.now, notify, timeoutMs }),
    stateDir: paths.state,
    stateDirsOf: stateDirsOf(paths.state, paths, disk),
    now,
    notify,
  };
}

/** What is done with each connection to a listener. */
function acceptor(
  listener: Listener,
  settings: DaemonSettings,
  inbound: InboundOptions,
  connections: Set<SmtpServerConnection>,
  clientName: (address: string) => Promise<string | undefined>,
  problem: (error: unknown) => void,
): Accept {
  const perClient = new Map<string, number>();
  return async (socket) => {
    const address = parseIp(socket.remoteAddress ?? '') ?? '';
    const open = perClient.get(address) ?? 0;
    if (connections.size >= settings.connections.all || (address !== '' && open >= settings.connections.perClient)) {
      inbound.log.write({
        event: 'refused',
        client: address,
        command: 'connect',
        code: 421,
        text: 'too many connections',
      });
      socket.on('error', () => socket.destroy());
      socket.end(`421 4.7.0 ${settings.hostname} Too many concurrent connections; closing connection\r\n`);
      return;
    }
    perClient.set(address, open + 1);
    const name = address === '' ? undefined : await clientName(address);
    const client: Client = { address, name };
    const connection = new SmtpServerConnection(socket, {
      config: smtpConfig(listener, settings, inbound.now),
      client,
      inbound: createInbound(inbound, client),
      problem,
    });
    connections.add(connection);
    await connection.done;
    connections.delete(connection);
    const left = (perClient.get(address) ?? 1) - 1;
    if (left === 0) perClient.delete(address);
    else perClient.set(address, left);
  };
}

function smtpConfig(listener: Listener, { hostname, limits }: DaemonSettings, now: () => number): SmtpConfig {
  const { role: _role, address: _address, origin: _origin, ...flags } = listener;
  const date = () => formatDate(Math.floor(now() / 1000), zone(now()));
  return { ...DEFAULT_CONFIG, ...flags, hostname, version: VERSION, date, limits };
}

/**
 * Runs until a signal ends it; the exit status. `self`: starts this program as one of the daemon's other processes, which
 * there are when root starts it (helper.ts).
 */
export async function runDaemon(config: Config, self: (part: 'keeper' | 'helper') => Command): Promise<number> {
  // Nobody may read any more what we say: no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  // Listened to from the beginning: who reads `ready` may end us the moment after.
  let daemon: Daemon | undefined;
  const ended = new Promise<void>((resolve) => {
    process.on('SIGTERM', resolve);
    process.on('SIGINT', resolve);
  });
  process.on('SIGHUP', () => daemon?.reload());
  process.on('SIGUSR2', () => daemon?.reopenLog());
  const parts = process.geteuid?.() === 0 ? separate(config, self) : {};
  try {
    daemon = await startDaemon(config, { ...parts, env: process.env });
  } catch (error) {
    await parts.separation?.helpers.close();
    throw error;
  }
  process.chdir('/');
  await ended;
  await daemon.stop();
  removePidFile(realDisk, pidFile(config.paths), process.pid);
  return EX.ok;
}
