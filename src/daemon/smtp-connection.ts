/**
 * One SMTP or LMTP client on a socket: bytes to the machine, its actions carried out in order.
 *
 * The machine decides nothing by itself; `Inbound` answers its questions. While one is open the socket is not read, so a
 * client can fill no memory. Time limits: RFC 5321 4.5.3.2.7 asks for at least 5 minutes between commands.
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import {
  type Action,
  type Answer,
  type Client,
  type Question,
  type SmtpConfig,
  SmtpSession,
  type TlsInfo,
} from '../smtp/session.ts';

/** What stands behind a connection. */
export interface Inbound {
  decide(question: Question, session: SmtpSession): Promise<Answer> | Answer;
  /** Throws when the disk takes no more: the message is answered with that at its end. */
  content(bytes: Uint8Array): void;
  abandon(): void;
  refused(command: string, code: number, text: string, session: SmtpSession): void;
}

export interface ConnectionOptions {
  readonly config: SmtpConfig;
  readonly client: Client;
  readonly inbound: Inbound;
  /** For STARTTLS. */
  readonly secureContext?: () => SecureContext;
  /** TLS is up from the first byte. */
  readonly tls?: TlsInfo;
  /** What only a fault of ours explains; the client got a 421. */
  readonly problem: (error: unknown) => void;
  readonly times?: ConnectionTimes;
}

/** Milliseconds. */
export interface ConnectionTimes {
  /** Silence between commands, and within content, that ends a connection. */
  readonly command: number;
  readonly content: number;
  /** How long a client must be silent before it is greeted, where early talkers are refused (sendmail's greet_pause). */
  readonly greeting: number;
}

export const CONNECTION_TIMES: ConnectionTimes = { command: 300_000, content: 600_000, greeting: 1000 };

/** Octets of replies that a client may leave unread before it is not read any more. */
const UNREAD_REPLIES = 256 * 1024;
/** Milliseconds. */
const CLOSING = 5000;

export class SmtpServerConnection {
  readonly #options: ConnectionOptions;
  readonly #times: ConnectionTimes;
  readonly #session: SmtpSession;
  #socket: Socket;
  #leaving = false;
  /** Whether the longer limit counts now. */
  #inContent = false;
  /** QUIT was answered: nothing more will come. */
  #bye = false;
  /** The client has said all it wants to say, and may still wait for replies (`printf ... | nc host 25`). */
  #allSaid = false;
  #awaitingDrain = false;
  /** The client is listened to before the greeting, since it should say nothing. */
  #listeningEarly: boolean;
  #ended: () => void = () => undefined;
  /** Resolves when the connection is over. */
  readonly done: Promise<void>;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#options = options;
    this.#times = options.times ?? CONNECTION_TIMES;
    this.#listeningEarly = options.config.refuseEarlyTalkers;
    this.#socket = socket;
    this.#session = new SmtpSession(options.config, options.client, options.tls);
    this.done = new Promise((resolve) => {
      this.#ended = resolve;
    });
    this.#listen(socket);
    this.#carryOut(this.#session.start());
  }

  /** Ends the connection with a 421; a message at its end gets its reply first. */
  shutDown(): void {
    this.#leaving = true;
    if (!this.#session.holding) this.#carryOut(this.#session.shutDown());
  }

  #listen(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setTimeout(this.#times.command);
    socket.on('data', (bytes) => {
      // A client that waits for replies is never in the way; one that goes on while we think is not read meanwhile.
      if (this.#session.holding && !this.#listeningEarly) socket.pause();
      this.#guard(() => this.#carryOut(this.#session.receive(bytes)));
    });
    socket.on('timeout', () => {
      // Who waits for our answer is not idle.
      if (!this.#session.holding) this.#guard(() => this.#carryOut(this.#session.timedOut()));
    });
    socket.on('error', () => socket.destroy());
    socket.on('end', () => {
      this.#allSaid = true;
      if (!this.#session.holding) socket.end();
    });
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      this.#guard(() => this.#carryOut(this.#session.gone()));
      this.#ended();
    });
  }

  #carryOut(actions: readonly Action[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          if (this.#socket.writable) this.#socket.write(action.bytes);
          this.#bye = isGoodbye(action.bytes);
          break;
        case 'ask':
          void this.#ask(action.question);
          break;
        case 'content':
          this.#options.inbound.content(action.bytes);
          break;
        case 'abandon':
          this.#options.inbound.abandon();
          break;
        case 'refused': {
          const { code, text } = action.reply;
          this.#options.inbound.refused(
            action.command,
            code,
            typeof text === 'string' ? text : text.join(' '),
            this.#session,
          );
          break;
        }
        case 'startTls':
          this.#startTls();
          break;
        case 'close':
          this.#close();
          break;
      }
    }
    if (this.#inContent !== this.#session.inContent) {
      this.#inContent = this.#session.inContent;
      this.#socket.setTimeout(this.#inContent ? this.#times.content : this.#times.command);
    }
    const socket = this.#socket;
    // A client that sends commands and reads no replies is not read either.
    if (socket.writableLength > UNREAD_REPLIES) this.#readLater(socket);
    const holding = this.#session.holding && !this.#listeningEarly;
    if (!holding && !this.#awaitingDrain && socket.isPaused()) socket.resume();
    if (!holding && this.#allSaid) socket.end();
  }

  #readLater(socket: Socket): void {
    socket.pause();
    if (this.#awaitingDrain) return;
    this.#awaitingDrain = true;
    socket.once('drain', () => {
      this.#awaitingDrain = false;
      socket.resume();
    });
  }

  #close(): void {
    const socket = this.#socket;
    if (this.#bye) {
      socket.destroySoon();
      return;
    }
    // What is still coming must be read, or the kernel throws away our last reply.
    socket.end();
    // A client that does not read it does not keep the socket.
    const timer = setTimeout(() => socket.destroy(), CLOSING).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  async #ask(question: Question): Promise<void> {
    let answer: Answer;
    try {
      if (this.#listeningEarly) await new Promise((resolve) => setTimeout(resolve, this.#times.greeting));
      this.#listeningEarly = false;
      const decided = this.#options.inbound.decide(question, this.#session);
      answer = decided instanceof Promise ? await decided : await Promise.resolve(decided);
    } catch (error) {
      this.#options.problem(error);
      answer = {
        kind: 'reply',
        reply: { code: 451, status: '4.3.0', text: 'Local error in processing, try again later' },
      };
    }
    this.#guard(() => {
      this.#carryOut(this.#session.answer(answer));
      if (this.#leaving && !this.#session.holding) this.#carryOut(this.#session.shutDown());
    });
  }

  #startTls(): void {
    const clear = this.#socket;
    const secureContext = this.#options.secureContext?.();
    if (secureContext === undefined) throw new Error('STARTTLS without a certificate');
    clear.removeAllListeners();
    clear.on('error', () => clear.destroy());
    const secure = new TLSSocket(clear, { isServer: true, secureContext });
    this.#socket = secure;
    secure.once('secure', () => {
      this.#guard(() => this.#carryOut(this.#session.tlsStarted(tlsInfo(secure))));
    });
    this.#listen(secure);
  }

  /** A fault of ours ends this connection, not the daemon, and never a message that was acknowledged. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.problem(error);
      if (this.#socket.writable)
        this.#socket.end(`421 4.3.0 ${this.#options.config.hostname} Local error, closing connection\r\n`);
      this.#options.inbound.abandon();
    }
  }
}

/** `221 `: the answer to QUIT. */
function isGoodbye(reply: Uint8Array): boolean {
  return reply[0] === 0x32 && reply[1] === 0x32 && reply[2] === 0x31;
}

export function tlsInfo(socket: TLSSocket): TlsInfo {
  return { version: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().name };
}
