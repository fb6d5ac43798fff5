/**
 * The queue for those who look at it or change it: through the daemon when one runs, else the folder itself under its lock.
 */
import { controlSocket } from '../config/paths.ts';
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { createLog, type Log } from '../core/log.ts';
import { type ControlDeps, handleRequest, type QueueRow } from '../daemon/control.ts';
import { createFeed, recipientEvent } from '../daemon/events.ts';
import { type DaemonSettings, daemonSettings } from '../daemon/settings.ts';
import { emptyStatistics } from '../daemon/stats.ts';
import { lockQueue } from '../queue/lock.ts';
import { Runner } from '../queue/run.ts';
import { openSpool, type Spool } from '../queue/spool.ts';
import { type Answer, askDaemon, type Line } from './control-client.ts';
import { configOf, type Invocation } from './services.ts';

export interface QueueAnswer extends Answer {
  /** Who answered: a daemon, or this process because none runs. */
  readonly by: 'daemon' | 'folder';
}

/**
 * Has a request of daemon/control.ts answered.
 * @throws UserError when the queue may not be read by this user, or the request makes no sense; MailError (temporary) when
 *   another process has the queue.
 */
export async function askQueue(invocation: Invocation, request: Line): Promise<QueueAnswer> {
  const settings = daemonSettings(await configOf(invocation));
  const answer = await askDaemon(controlSocket(settings.paths), request);
  return answer === undefined ? { ...(await askFolder(settings, request)), by: 'folder' } : { ...answer, by: 'daemon' };
}

/** The rows of a `queue` answer as what they are. */
export function queueRows({ rows }: Answer): readonly QueueRow[] {
  // Our own daemon, or we ourselves, wrote them.
  return rows as unknown as readonly QueueRow[];
}

async function askFolder(settings: DaemonSettings, request: Line): Promise<Answer> {
  const disk = realDisk;
  const { queue } = settings.paths;
  if (!isThere(disk, queue)) return answerOf(await handleRequest(depsOf(settings, NO_SPOOL, NO_LOG), request));
  const lock = lockOn(disk, queue);
  try {
    const spool = openSpool({ disk, dir: queue, now: Date.now, later: (run) => setImmediate(run) });
    const log = changes(request) ? logOf(settings, disk) : NO_LOG;
    try {
      return answerOf(await handleRequest(depsOf(settings, spool, log), request));
    } finally {
      log.close();
      await spool.close();
    }
  } finally {
    lock.release();
  }
}

function isThere(disk: Disk, path: string): boolean {
  try {
    return disk.stat(path) !== undefined;
  } catch (error) {
    throw notForYou(path, error);
  }
}

function lockOn(disk: Disk, dir: string): { release(): void } {
  let lock: { release(): void } | undefined;
  try {
    lock = lockQueue(disk, dir);
  } catch (error) {
    throw notForYou(dir, error);
  }
  if (lock !== undefined) return lock;
  throw new MailError(`${dir}: another process has the queue, and no daemon answers (one may be starting or ending)`, {
    temporary: true,
  });
}

function notForYou(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (code === undefined) return error;
  const remedy = code === 'EACCES' ? '; only root may look into the queue, the mail in it is safe' : '';
  return new UserError(`${path}: ${reasonOf(error)}${remedy}`, code === 'EACCES' ? EX.noPermission : EX.failure);
}

const READING: ReadonlySet<unknown> = new Set(['queue', 'status', 'stats']);

function changes({ do: what }: Line): boolean {
  return !READING.has(what);
}

const NO_LOG: Log = { write: () => undefined, reopen: () => undefined, close: () => undefined };
/** A system whose daemon never ran. */
const NO_SPOOL: Pick<Spool, 'entries' | 'get'> = { entries: () => [].values(), get: () => undefined };

/** What is changed by hand stands in the daemon's log, too: what is deleted here has its outcome there. */
function logOf({ log: { file, format }, hostname }: DaemonSettings, disk: Disk): Log {
  return createLog({ file, form: format, hostname, now: Date.now, disk });
}

/** As a daemon would answer that takes no new work: nothing is tried, and nobody can be told. */
function depsOf({ hostname }: DaemonSettings, some: Pick<Spool, 'entries' | 'get'>, log: Log): ControlDeps {
  const spool = some as Spool;
  const now = Date.now;
  const runner = new Runner({
    spool,
    route: () => Promise.reject(new MailError('no daemon runs', { temporary: true })),
    schedule: () => ({ interval: 0, warnAfter: [], returnAfter: Number.POSITIVE_INFINITY }),
    now,
    after: () => () => undefined,
    report: () =>
      Promise.reject(
        new MailError('no daemon runs that could tell the sender; start it, or delete the message', {
          temporary: true,
        }),
      ),
    event: (entry, recipient, outcome, mailer) => log.write(recipientEvent(entry, recipient, outcome, mailer, now())),
    problem: (error) => {
      throw error;
    },
  });
  void runner.drain();
  return {
    spool,
    runner,
    stats: emptyStatistics(now()),
    reload: () => [],
    log,
    feed: createFeed(),
    now,
    status: () => ({ hostname, running: false }),
  };
}

function answerOf(reply: Awaited<ReturnType<typeof handleRequest>>): Answer {
  if (reply.ok === false) throw new UserError(reply.error);
  const { rows = [], stream: _, ...last } = reply;
  return { rows: [...rows] as Line[], last };
}
