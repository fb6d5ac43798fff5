/**
 * One connection to another host's SMTP or LMTP server: replies in, commands out, pipelined where the host allows it.
 *
 * Content is made canonical on the way out (outgoing.ts): CRLF line ends, dots stuffed, no bare CR or LF whatever came in.
 * Every wait has its time limit (RFC 5321 4.5.3.2). A connection that broke the protocol is never used again.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { QueueEntry, RecipientState } from '../queue/entry.ts';
import { canonical, stuffed } from './outgoing.ts';

export interface Reply {
  readonly code: number;
  /** Text lines without codes. */
  readonly lines: readonly string[];
}

/** What a host answered for one transaction. */
export interface Answers {
  /** One a recipient: to RCPT when it refused, else to the final dot (LMTP: its own). */
  readonly recipients: readonly Reply[];
  /** The host will take another message on this connection. */
  readonly reusable: boolean;
}

export type TlsPolicy = 'none' | 'may' | 'encrypt' | 'verify';

export interface Endpoint {
  /** Name as it stands in the MX record or mailertable. */
  readonly host: string;
  /** Address to connect to; or a UNIX socket's path. */
  readonly address: string;
  readonly port: number;
  readonly protocol: 'smtp' | 'lmtp';
  readonly tls: TlsPolicy;
  /** The address to connect from; undefined: the system's choice. */
  readonly localAddress?: string | undefined;
}

/** Time limits in milliseconds. */
export interface ClientLimits {
  readonly connect: number;
  readonly greeting: number;
  readonly command: number;
  readonly data: number;
  readonly end: number;
}

/** RFC 5321 4.5.3.2; connect as Postfix has it. */
export const CLIENT_LIMITS: ClientLimits = {
  connect: 30_000,
  greeting: 300_000,
  command: 300_000,
  data: 180_000,
  end: 600_000,
};

/** The connection failed or broke the protocol: a reason to try later, or elsewhere. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** RFC 3463: 4.4.1 no answer, 4.4.2 bad connection, 4.7.5 TLS. */
  readonly status: string;

  constructor(status: string, message: string) {
    super(message);
    this.status = status;
  }
}

const MAX_LINE = 2048;
const MAX_LINES = 200;
const REPLY_LINE = /^([2-5]\d\d)([ -]?)(.*)$/;

export class SmtpConnection {
  readonly endpoint: Endpoint;
  readonly #hostname: string;
  readonly #limits: ClientLimits;
  #socket: Socket | TLSSocket;
  #buffer = '';
  #lines: string[] = [];
  #replies: Reply[] = [];
  #waiting: { resolve: (reply: Reply) => void; reject: (error: unknown) => void } | undefined;
  #broken: ConnectionError | undefined;
  #extensions = new Map<string, string>();

  private constructor(endpoint: Endpoint, hostname: string, limits: ClientLimits, socket: Socket) {
    this.endpoint = endpoint;
    this.#hostname = hostname;
    this.#limits = limits;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Connects, greets, and upgrades to TLS as the endpoint's policy says. Throws ConnectionError, or a ReplyError. */
  static async open(
    endpoint: Endpoint,
    hostname: string,
    limits: ClientLimits = CLIENT_LIMITS,
  ): Promise<SmtpConnection> {
    const socket = await dial(endpoint, limits.connect);
    const connection = new SmtpConnection(endpoint, hostname, limits, socket);
    try {
      expect(await connection.#reply(limits.greeting), 2, endpoint.host);
      await connection.#greet();
      if (endpoint.tls !== 'none') await connection.#secure();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get usable(): boolean {
    return this.#broken === undefined && !this.#socket.destroyed;
  }

  /** The host takes the wish for delivery reports along (RFC 3461). */
  get reports(): boolean {
    return this.#extensions.has('DSN');
  }

  /** Whether the host takes the message at all; a Reply as the host would have given it when not. */
  refusal(entry: QueueEntry): Reply | undefined {
    const size = this.#extensions.get('SIZE');
    if (size !== undefined && Number(size) > 0 && entry.size > Number(size)) {
      return { code: 552, lines: [`5.3.4 Message of ${entry.size} octets exceeds the limit of ${size} (SIZE)`] };
    }
    if (entry.smtputf8 && !this.#extensions.has('SMTPUTF8')) {
      return { code: 553, lines: ['5.6.7 The message needs SMTPUTF8, which this host does not offer'] };
    }
    if (entry.requireTls && !this.#extensions.has('REQUIRETLS')) {
      return { code: 550, lines: ['5.7.30 REQUIRETLS is needed, which this host does not offer'] };
    }
    if (entry.body === '8bitmime' && !this.#extensions.has('8BITMIME')) {
      return { code: 554, lines: ['5.6.3 The message is 8-bit, and this host takes 7-bit mail only (8BITMIME)'] };
    }
    return undefined;
  }

  /** Sends one message to some recipients. Throws ConnectionError when the connection breaks; nothing is known then. */
  async send(
    entry: QueueEntry,
    recipients: readonly RecipientState[],
    content: () => Iterable<Uint8Array>,
  ): Promise<Answers> {
    const commands = [this.#mail(entry), ...recipients.map((one) => this.#rcpt(one))];
    const [mail, ...answers] = this.#extensions.has('PIPELINING')
      ? await this.#pipeline(commands)
      : await this.#oneByOne(commands);
    if (mail === undefined || mail.code >= 300) {
      const reply = mail ?? unexpected();
      return { recipients: recipients.map(() => reply), reusable: await this.#reset() };
    }
    const accepted = answers.map(({ code }) => code < 300);
    if (!accepted.includes(true)) return { recipients: answers, reusable: await this.#reset() };
    const ends = await this.#content(content, this.endpoint.protocol === 'lmtp' ? accepted.filter(Boolean).length : 1);
    let at = 0;
    const perRecipient = answers.map((answer, index) => {
      if (accepted[index] !== true) return answer;
      return (this.endpoint.protocol === 'lmtp' ? ends[at++] : ends[0]) ?? unexpected();
    });
    return { recipients: perRecipient, reusable: this.usable && ends.every(({ code }) => code !== 421) };
  }

  /** Says goodbye without waiting for the answer. */
  quit(): void {
    if (this.usable) this.#socket.end('QUIT\r\n');
    this.#socket.once('error', () => undefined);
    setTimeout(() => this.close(), 2000).unref();
  }

  close(): void {
    this.#socket.destroy();
  }

  #mail(entry: QueueEntry): string {
    const parameters = [`MAIL FROM:<${entry.sender}>`];
    if (this.#extensions.has('SIZE')) parameters.push(`SIZE=${entry.size}`);
    if (this.#extensions.has('8BITMIME') && entry.body === '8bitmime') parameters.push('BODY=8BITMIME');
    if (entry.smtputf8) parameters.push('SMTPUTF8');
    if (entry.requireTls) parameters.push('REQUIRETLS');
    if (this.#extensions.has('DSN')) {
      if (entry.ret !== undefined) parameters.push(`RET=${entry.ret.toUpperCase()}`);
      if (entry.envid !== undefined) parameters.push(`ENVID=${entry.envid}`);
    }
    return parameters.join(' ');
  }

  #rcpt(recipient: RecipientState): string {
    const parameters = [`RCPT TO:<${recipient.address}>`];
    if (this.#extensions.has('DSN')) {
      if (recipient.notify !== undefined)
        parameters.push(`NOTIFY=${recipient.notify.join(',').toUpperCase() || 'NEVER'}`);
      if (recipient.orcpt !== undefined) parameters.push(`ORCPT=${recipient.orcpt}`);
    }
    return parameters.join(' ');
  }

  async #pipeline(commands: readonly string[]): Promise<Reply[]> {
    this.#write(commands.map((one) => `${one}\r\n`).join(''));
    const replies: Reply[] = [];
    for (const _ of commands) replies.push(await this.#reply(this.#limits.command));
    return replies;
  }

  async #oneByOne(commands: readonly string[]): Promise<Reply[]> {
    const replies: Reply[] = [];
    for (const command of commands) {
      replies.push(await this.#command(command));
      // Without MAIL there is nothing to say RCPT for.
      if (replies[0] !== undefined && replies[0].code >= 300) break;
    }
    return replies;
  }

  async #content(content: () => Iterable<Uint8Array>, replies: number): Promise<Reply[]> {
    if (this.#extensions.has('CHUNKING')) {
      const chunks = [...canonical(content())];
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      this.#write(`BDAT ${size} LAST\r\n`);
      for (const chunk of chunks) await this.#writeBytes(chunk);
    } else {
      const go = await this.#command('DATA', this.#limits.data);
      if (go.code !== 354) return new Array<Reply>(replies).fill(go);
      for (const chunk of stuffed(content())) await this.#writeBytes(chunk);
    }
    const ends: Reply[] = [];
    for (let n = 0; n < replies; n++) ends.push(await this.#reply(this.#limits.end));
    return ends;
  }

  async #reset(): Promise<boolean> {
    if (!this.usable) return false;
    const reply = await this.#command('RSET');
    return reply.code < 300;
  }

  async #greet(): Promise<void> {
    this.#extensions = new Map();
    const verb = this.endpoint.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    const reply = await this.#command(`${verb} ${this.#hostname}`);
    if (reply.code < 300) {
      for (const line of reply.lines.slice(1)) {
        const [name = '', ...rest] = line.trim().split(/[ =]+/);
        this.#extensions.set(name.toUpperCase(), rest.join(' '));
      }
      return;
    }
    expect(await this.#command(`HELO ${this.#hostname}`), 2, this.endpoint.host);
  }

  async #secure(): Promise<void> {
    const { tls, host } = this.endpoint;
    if (!this.#extensions.has('STARTTLS')) {
      if (tls === 'may') return;
      throw new ConnectionError('4.7.5', `${host} does not offer STARTTLS, which the policy for it demands`);
    }
    const reply = await this.#command('STARTTLS');
    if (reply.code !== 220) {
      if (tls === 'may') return;
      throw new ConnectionError('4.7.5', `${host} refuses STARTTLS: ${textOf(reply)}`);
    }
    // What came in clear behind the reply is not the host's word (CVE-2011-0411).
    if (this.#buffer !== '' || this.#replies.length > 0)
      throw new ConnectionError('4.7.5', `${host} sent text before TLS began`);
    this.#socket.removeAllListeners();
    const secure = connectTls({
      socket: this.#socket,
      servername: serverName(host),
      rejectUnauthorized: tls === 'verify',
    });
    this.#socket = secure;
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve);
      secure.once('error', (error) => reject(new ConnectionError('4.7.5', `TLS with ${host}: ${error.message}`)));
    });
    secure.removeAllListeners('error');
    this.#listen(secure);
    await this.#greet();
  }

  async #command(line: string, limit: number = this.#limits.command): Promise<Reply> {
    this.#write(`${line}\r\n`);
    return this.#reply(limit);
  }

  #write(text: string): void {
    if (this.#broken !== undefined) throw this.#broken;
    this.#socket.write(text);
  }

  async #writeBytes(bytes: Uint8Array): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#socket.write(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const socket = this.#socket;
      const done = (error?: unknown) => {
        clearTimeout(timer);
        socket.off('drain', drained);
        socket.off('close', closed);
        if (error === undefined) resolve();
        else reject(error);
      };
      const drained = () => done();
      const closed = () => done(this.#broken ?? new ConnectionError('4.4.2', 'connection closed'));
      const timer = setTimeout(() => done(this.#break('4.4.2', 'took no more data in time')), this.#limits.data);
      socket.once('drain', drained);
      socket.once('close', closed);
    });
  }

  #reply(limit: number): Promise<Reply> {
    const ready = this.#replies.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#break('4.4.2', 'gave no answer in time'), limit);
      this.#waiting = {
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => this.#take(bytes.toString('latin1')));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#break('4.4.2', error.code ?? error.message));
    socket.on('close', () => this.#break('4.4.2', 'closed the connection'));
  }

  #take(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf('\n'); end >= 0; end = this.#buffer.indexOf('\n')) {
      const line = this.#buffer.slice(0, end).replace(/\r$/, '');
      this.#buffer = this.#buffer.slice(end + 1);
      this.#takeLine(line);
    }
    if (this.#buffer.length > MAX_LINE) this.#break('4.5.0', 'sent an endless line');
  }

  #takeLine(line: string): void {
    const match = REPLY_LINE.exec(line);
    if (match === null || this.#lines.length >= MAX_LINES) {
      this.#break('4.5.0', 'sent what is no reply');
      return;
    }
    this.#lines.push(match[3] ?? '');
    if (match[2] === '-') return;
    const reply: Reply = { code: Number(match[1]), lines: this.#lines };
    this.#lines = [];
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#replies.push(reply);
    else waiting.resolve(reply);
  }

  #break(status: string, what: string): ConnectionError {
    if (this.#broken === undefined) {
      this.#broken = new ConnectionError(status, `${this.endpoint.host} ${what}`);
      this.#socket.destroy();
    }
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
    return this.#broken;
  }
}

/** A reply that ends the attempt: the greeting or EHLO was refused. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
  readonly reply: Reply;

  constructor(host: string, reply: Reply) {
    super(`${host} said: ${reply.code} ${textOf(reply)}`);
    this.reply = reply;
  }
}

export function textOf(reply: Reply): string {
  return reply.lines.join(' ').trim();
}

function expect(reply: Reply, first: number, host: string): void {
  if (Math.trunc(reply.code / 100) !== first) throw new ReplyError(host, reply);
}

function unexpected(): Reply {
  return { code: 451, lines: ['4.5.0 the reply is missing'] };
}

/** SNI is for names only (RFC 6066 3). */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host.replace(/\.$/, '');
}

function dial(endpoint: Endpoint, limit: number): Promise<Socket> {
  const { host, address, port, localAddress } = endpoint;
  const from = localAddress === undefined || address.includes(':') ? {} : { localAddress };
  return new Promise((resolve, reject) => {
    const socket = address.startsWith('/') ? connectTcp(address) : connectTcp({ host: address, port, ...from });
    const fail = (what: string) => {
      socket.destroy();
      reject(new ConnectionError('4.4.1', `${host} [${address}]: ${what}`));
    };
    const timer = setTimeout(() => fail('no answer in time'), limit);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(error.code === 'ECONNREFUSED' ? 'Connection refused' : (error.code ?? error.message));
    });
  });
}
