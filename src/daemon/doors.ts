/**
 * The listeners: opened first, while there may be root; whoever comes then waits until the daemon is ready to let him in.
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
  readonly #servers: { readonly server: Server; readonly listener: Listener; early: Socket[] }[] = [];
  /** `host:port` or `unix:/path`, by listener in order. */
  readonly addresses: string[] = [];
  /** Ports by address. */
  readonly listening = new Map<string, number>();

  constructor(settings: DaemonSettings) {
    this.#settings = settings;
  }

  /** @throws UserError that says which listener cannot be opened, and what to do. The caller closes the others. */
  async open(): Promise<void> {
    for (const listener of this.#settings.listeners) {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
      const door = { server, listener, early: [] as Socket[] };
      server.on('connection', (socket) => {
        socket.on('error', () => socket.destroy());
        door.early.push(socket);
      });
      await listen(server, listener, this.#settings);
      this.#servers.push(door);
      const { text, host, port } = addressOf(server, listener);
      this.addresses.push(text);
      if (port !== undefined) this.listening.set(host, port);
    }
  }

  letIn(acceptor: (listener: Listener) => Accept): void {
    for (const { server, listener, early } of this.#servers) {
      const accept = acceptor(listener);
      server.removeAllListeners('connection');
      server.on('connection', (socket) => void accept(socket));
      for (const socket of early.splice(0)) void accept(socket);
    }
  }

  close(): void {
    for (const { server, early } of this.#servers) {
      server.close();
      for (const socket of early) socket.destroy();
    }
  }
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
