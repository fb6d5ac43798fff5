/**
 * The daemon's ear for its administrator: a UNIX socket that only its own user (root) may open, with one JSON object a line.
 *
 * A request is `{"do": "hold", "ids": ["0MB..."], "reason": "..."}`; the answer is any number of rows, one an object a line, and
 * last a line `{"ok": true, ...}` or `{"ok": false, "error": "..."}`. Requests of one connection are answered in order.
 * `events` has no last line: it goes on until the client hangs up.
 */
import { chmodSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { EX, MailError, reasonOf, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import type { Log } from '../core/log.ts';
import { withSocketPath } from '../core/unix-socket.ts';
import type { QueueEntry, QueueId } from '../queue/entry.ts';
import { bounce, hold, type Managed, release, remove, retry, retryDomain } from '../queue/manage.ts';
import type { Runner } from '../queue/run.ts';
import type { Spool } from '../queue/spool.ts';
import { type EventFeed, event } from './events.ts';
import type { Statistics } from './stats.ts';

export interface ControlDeps {
  readonly spool: Spool;
  readonly runner: Runner;
  readonly stats: Statistics;
  /** Reads the tables again; what is wrong with them, one line each, names file and line. */
  readonly reload: () => readonly string[] | Promise<readonly string[]>;
  readonly log: Log;
  readonly feed: EventFeed;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What `status` says besides the queue: version, listeners. */
  readonly status: () => Readonly<Record<string, unknown>>;
}

export type Reply =
  | {
      readonly ok: true;
      /** Sent before the last line, one a line. */
      readonly rows?: Iterable<object>;
      /** Sent as they come, instead of a last line. */
      readonly stream?: EventFeed['subscribe'];
      readonly [field: string]: unknown;
    }
  | { readonly ok: false; readonly error: string };

type Request = Readonly<Record<string, unknown>>;
type Handler = (deps: ControlDeps, request: Request) => Promise<Reply> | Reply;

/** Returned to sender without a word of the administrator's. */
const RETURNED = 'Returned by the administrator';

const HANDLERS: Readonly<Record<string, Handler>> = {
  status: ({ spool, stats, now, status }) => {
    const entries = [...spool.entries()];
    const held = entries.filter((entry) => entry.held !== undefined).length;
    return { ok: true, pid: process.pid, time: now(), queued: entries.length, held, since: stats.since, ...status() };
  },
  queue: ({ spool, runner }, { ids }) => {
    const chosen = Array.isArray(ids) ? entriesOf(spool, ids).found : [...spool.entries()];
    return { ok: true, entries: chosen.length, rows: rowsOf(chosen, runner) };
  },
  retry: async (deps, { ids, domain, all }) => {
    if (all === true) return { ok: true, messages: await retry(managed(deps), allIds(deps.spool)) };
    if (typeof domain === 'string') return { ok: true, messages: await retryDomain(managed(deps), domain) };
    return forEach(deps, ids, async ({ id, held }) => {
      if (held !== undefined) return `${id} is held; release it first`;
      await retry(managed(deps), [id]);
      return undefined;
    });
  },
  run: async (deps) => ({ ok: true, messages: await retry(managed(deps), allIds(deps.spool)) }),
  hold: (deps, { ids, reason }) =>
    forEach(deps, ids, async ({ id }) => {
      const why = typeof reason === 'string' && reason !== '' ? reason : 'held by the administrator';
      if (await hold(managed(deps), id, why)) deps.log.write(event('held', { id, reason: why }));
      return undefined;
    }),
  release: (deps, { ids }) =>
    forEach(deps, ids, async ({ id }) => {
      if (!(await release(managed(deps), id))) return `${id} is not held`;
      deps.log.write(event('released', { id }));
      return undefined;
    }),
  delete: (deps, { ids }) => forEach(deps, ids, async ({ id }) => leftOver(id, await remove(managed(deps), id))),
  bounce: (deps, { ids, reason }) =>
    forEach(deps, ids, async ({ id }) => {
      const text = typeof reason === 'string' && reason !== '' ? reason : RETURNED;
      return leftOver(id, await bounce(managed(deps), id, text));
    }),
  stats: ({ stats }) => ({ ok: true, statistics: stats }),
  reload: async ({ reload }) => ({ ok: true, faults: await reload() }),
  events: ({ feed }) => ({ ok: true, stream: feed.subscribe }),
};

/** Answers a request. Never throws: what went wrong is an answer too. */
export async function handleRequest(deps: ControlDeps, request: unknown): Promise<Reply> {
  if (typeof request !== 'object' || request === null) return { ok: false, error: 'a request is a JSON object' };
  const asked = request as Request;
  const name = String(asked.do);
  const handler = Object.hasOwn(HANDLERS, name) ? HANDLERS[name] : undefined;
  if (handler === undefined) return { ok: false, error: `unknown request ${JSON.stringify(name)}` };
  try {
    return await handler(deps, asked);
  } catch (error) {
    return { ok: false, error: error instanceof MailError ? error.message : reasonOf(error) };
  }
}

function managed({ spool, runner, now }: ControlDeps): Managed {
  return { spool, runner, now };
}

function allIds(spool: Spool): QueueId[] {
  return [...spool.entries()].map(({ id }) => id);
}

function entriesOf(spool: Spool, ids: readonly unknown[]): { found: QueueEntry[]; missing: string[] } {
  const found: QueueEntry[] = [];
  const missing: string[] = [];
  for (const id of ids) {
    const entry = spool.get(String(id).toUpperCase() as QueueId);
    if (entry === undefined) missing.push(String(id));
    else found.push(entry);
  }
  return { found, missing };
}

/** Does something to each entry named; `change` returns what is in the way. Nothing is done when one of them is not there. */
async function forEach(
  { spool }: ControlDeps,
  ids: unknown,
  change: (entry: QueueEntry) => Promise<string | undefined>,
): Promise<Reply> {
  if (!Array.isArray(ids) || ids.length === 0) return { ok: false, error: 'which messages? ids is empty' };
  const { found, missing } = entriesOf(spool, ids);
  if (missing.length > 0) return { ok: false, error: `not in the queue: ${missing.join(', ')}; nothing was changed` };
  const problems = (await Promise.all(found.map(change))).filter((problem) => problem !== undefined);
  if (problems.length > 0) return { ok: false, error: problems.join('; ') };
  return { ok: true, messages: found.length };
}

function leftOver(id: QueueId, { atWork }: { readonly atWork: number }): string | undefined {
  if (atWork === 0) return undefined;
  const what = atWork === 1 ? 'recipient is' : 'recipients are';
  return `${id}: ${atWork} ${what} being tried at this moment; ask again`;
}

function* rowsOf(entries: readonly QueueEntry[], runner: Runner): Generator<object> {
  for (const entry of entries) yield queueRow(entry, runner.atWork(entry));
}

/** An entry as the socket tells it, and as `mailq` shows it: the entry, and the indices of recipients being tried. */
export function queueRow(entry: QueueEntry, atWork: readonly number[]): QueueRow {
  return { ...entry, atWork };
}

export interface QueueRow extends QueueEntry {
  readonly atWork: readonly number[];
}

export interface ControlOptions {
  /** Where the socket is. */
  readonly path: string;
  readonly deps: ControlDeps;
}

/**
 * Opens the socket. One that an ended daemon left is removed.
 * @throws UserError when a daemon answers at it, or when it cannot be made.
 */
export async function openControl({ path, deps }: ControlOptions): Promise<{ close(): Promise<void> }> {
  await removeStale(path);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, deps);
  });
  await withSocketPath(path, (short) => listen(server, short, path));
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          if (realDisk.lstat(path)?.kind === 'other') realDisk.unlink(path);
          resolve();
        });
      }),
  };
}

async function removeStale(path: string): Promise<void> {
  if (realDisk.lstat(path) === undefined) return;
  if (await withSocketPath(path, answers)) throw new UserError(`another tmail daemon answers at ${path}`);
  realDisk.unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
  });
}

function listen(server: Server, short: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new UserError(`cannot listen on ${path}: ${reasonOf(error)}`, EX.osError)));
    server.once('listening', () => resolve());
    // Bound within the call: nobody else may connect even before the mode is set. A worker (a test) has no umask of its own.
    const before = isMainThread ? process.umask(0o177) : undefined;
    try {
      server.listen(short);
      if (server.listening) chmodSync(short, 0o600);
    } finally {
      if (before !== undefined) process.umask(before);
    }
  });
}

/** A request longer than this is none. */
const LONGEST_REQUEST = 1024 * 1024;

function serve(socket: Socket, deps: ControlDeps): void {
  let rest = '';
  let turn: Promise<void> = Promise.resolve();
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) turn = turn.then(() => answer(socket, deps, line)).catch(() => void socket.destroy());
    if (rest.length > LONGEST_REQUEST) socket.destroy();
  });
  socket.on('end', () => void turn.then(() => socket.end()));
}

async function answer(socket: Socket, deps: ControlDeps, line: string): Promise<void> {
  const reply = await handleRequest(deps, parse(line));
  if (reply.ok === false) {
    send(socket, reply);
    return;
  }
  const { rows, stream, ...last } = reply;
  if (stream !== undefined) {
    const stop = stream((what) => {
      // Who does not read what happens loses some of it, not the daemon its memory.
      if (socket.writableLength < LONGEST_REQUEST) send(socket, { time: deps.now(), ...what });
    });
    socket.on('close', stop);
    return;
  }
  for (const row of rows ?? []) {
    if (!send(socket, row)) await drained(socket);
    if (socket.destroyed) return;
  }
  send(socket, last);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function send(socket: Socket, object: object): boolean {
  return socket.writable && socket.write(`${JSON.stringify(object)}\n`);
}

function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.once('drain', done);
    socket.once('close', done);
  });
}
