/**
 * The listeners: opened first, while there may be root; whoever comes then waits until the daemon is ready to let him in.
 *
 * Sockets that systemd has opened already (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS) are taken where a listener has their
 * address; mail that came while no daemon ran is waiting there.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { showListenAddress } from '../config/listen.ts';
import { EX, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import { cannotListen, type DaemonSettings, type Listener } from './settings.ts';

/** What is done with a connection; the socket is paused. */
export type Accept = (socket: Socket) => void | Promise<void>;

export class Doors {
  readonly #settings: DaemonSettings;
  readonly #inherited = new Map<Listener, Door>();
  readonly #doors: (Door & { readonly listener: Listener })[] = [];
  /** `host:port` or `unix:/path`, by listener in order. */
  readonly addresses: string[] = [];
  /** Ports by address. */
  readonly listening = new Map<string, number>();

  constructor(settings: DaemonSettings) {
    this.#settings = settings;
  }

  /** Takes over sockets that are open already. @throws UserError for one that no listener has the address of. */
  async inherit(env: Readonly<Record<string, string | undefined>>): Promise<void> {
    if (env.LISTEN_PID !== String(process.pid)) return;
    const last = FIRST_INHERITED + Number(env.LISTEN_FDS ?? 0);
    for (let fd = FIRST_INHERITED; fd < last; fd++) {
      const door = newDoor();
      const { server } = door;
      await new Promise<void>((resolve, reject) => {
        server.once('error', (error) => reject(new UserError(`socket ${fd} of ${last}: ${error.message}`, EX.osError)));
        server.listen({ fd }, resolve);
      });
      const at = server.address();
      const listener = this.#settings.listeners.find(({ address }) => isAt(at, address));
      if (listener === undefined) {
        const where = typeof at === 'object' && at !== null ? `${at.address}:${at.port}` : at;
        throw new UserError(`no [[listen]] block has the address of socket ${fd}, ${where}`, EX.config);
      }
      this.#inherited.set(listener, door);
    }
  }

  /** @throws UserError that says which listener cannot be opened, and what to do. The caller closes the others. */
  async open(): Promise<void> {
    for (const listener of this.#settings.listeners) {
      const inherited = this.#inherited.get(listener);
      const door = inherited ?? newDoor();
      const { server } = door;
      if (inherited === undefined) await listen(server, listener, this.#settings);
      this.#doors.push({ ...door, listener });
      const { text, host, port } = addressOf(server, listener);
      this.addresses.push(text);
      if (port !== undefined) this.listening.set(host, port);
    }
  }

  letIn(acceptor: (listener: Listener) => Accept): void {
    for (const { server, listener, early } of this.#doors) {
      const accept = acceptor(listener);
      server.removeAllListeners('connection');
      server.on('connection', (socket) => void accept(socket));
      for (const socket of early.splice(0)) void accept(socket);
    }
  }

  close(): void {
    for (const { server, early } of this.#doors) {
      server.close();
      for (const socket of early) socket.destroy();
    }
  }
}

/** SD_LISTEN_FDS_START. */
const FIRST_INHERITED = 3;

interface Door {
  readonly server: Server;
  /** Who came before the daemon was ready. */
  readonly early: Socket[];
}

function newDoor(): Door {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const early: Socket[] = [];
  server.on('connection', (socket) => {
    socket.on('error', () => socket.destroy());
    early.push(socket);
  });
  return { server, early };
}

function isAt(at: ReturnType<Server['address']>, address: Listener['address']): boolean {
  if (address.kind === 'unix') return at === address.path;
  if (typeof at !== 'object' || at === null || at.port !== address.port) return false;
  const host = address.host === 'localhost' ? '127.0.0.1' : address.host;
  // systemd's ListenStream=25 is both at once.
  return at.address === host || (at.address === '::' && host === '0.0.0.0');
}

function listen(server: Server, listener: Listener, settings: DaemonSettings): Promise<void> {
  const { address } = listener;
  if (address.kind === 'unix') removeStaleSocket(address.path);
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new UserError(cannotListen(listener, error, settings.paths.config), EX.osError)),
    );
    server.once('listening', () => {
      server.removeAllListeners('error');
      resolve();
    });
    if (address.kind === 'unix') server.listen(address.path);
    else server.listen(address.port, address.host);
  });
}

/** What an earlier daemon left; the queue's lock says that none is running. */
function removeStaleSocket(path: string): void {
  if (realDisk.lstat(path)?.kind === 'other') realDisk.unlink(path);
}

function addressOf(
  server: Server,
  { address }: Listener,
): { readonly text: string; readonly host: string; readonly port: number | undefined } {
  if (address.kind === 'unix') return { text: showListenAddress(address), host: address.path, port: undefined };
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const host = typeof bound === 'object' && bound !== null ? bound.address : address.host;
  return { text: showListenAddress({ ...address, port }), host, port };
}
