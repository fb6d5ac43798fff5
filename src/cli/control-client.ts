/**
 * Asks the daemon over its control socket (daemon/control.ts): one request, its rows, its last line.
 */
import { connect, type Socket } from 'node:net';
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { withSocketPath } from '../core/unix-socket.ts';

/** A line of JSON from the daemon. */
export type Line = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly rows: readonly Line[];
  /** The last line, with `ok: true`. */
  readonly last: Line;
}

/**
 * Undefined when no daemon answers at `path`.
 * @throws UserError when it may not be asked by this user, or says what is wrong with the request; MailError when it hangs up.
 */
export async function askDaemon(path: string, request: Line): Promise<Answer | undefined> {
  const socket = await connection(path);
  if (socket === undefined) return undefined;
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const rows: Line[] = [];
    for await (const line of linesOf(socket)) {
      if (line.ok === true) return { rows, last: line };
      if (line.ok === false) throw new UserError(String(line.error));
      rows.push(line);
    }
    throw new MailError('the daemon hung up before it had answered', { temporary: true });
  } finally {
    socket.destroy();
  }
}

/** Does a daemon answer at `path`? Undefined when this user cannot tell, since only root may ask it. */
export async function daemonRuns(path: string): Promise<boolean | undefined> {
  try {
    const socket = await connection(path);
    socket?.destroy();
    return socket !== undefined;
  } catch {
    return undefined;
  }
}

const NOBODY: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);

async function connection(path: string): Promise<Socket | undefined> {
  try {
    return await withSocketPath(path, open);
  } catch (error) {
    const code = errnoOf(error);
    if (NOBODY.has(code)) return undefined;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new UserError(`${path}: ${reasonOf(error)}; only root may ask the daemon`, EX.noPermission);
    }
    throw new MailError(`${path}: ${reasonOf(error)}`, { temporary: true, cause: error });
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.off('error', reject);
      // What goes wrong later is seen as an early end.
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

async function* linesOf(socket: Socket): AsyncGenerator<Line> {
  let rest = '';
  socket.setEncoding('utf8');
  for await (const text of socket as AsyncIterable<string>) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as Line;
  }
}
