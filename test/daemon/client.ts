/**
 * A small SMTP client for tests: says what it is told to, octet by octet, and hands out whole replies.
 */
import { connect, type Socket } from 'node:net';
import type { LabHost } from '../../src/daemon/lab.ts';

export interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  /** With CRLF line ends, dots not stuffed. */
  readonly content: string | Uint8Array;
  /** Behind MAIL FROM. */
  readonly mail?: string;
  /** Behind each RCPT TO. */
  readonly rcpt?: string;
}

export class TestClient {
  readonly socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('error', end);
    socket.on('close', end);
    socket.on('end', end);
  }

  static async open(
    where: { port: number; host?: string; localAddress?: string } | { path: string },
    greeted = true,
  ): Promise<TestClient> {
    const socket = connect(where);
    const client = new TestClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    if (greeted) await client.reply();
    return client;
  }

  static to(host: LabHost, greeted = true): Promise<TestClient> {
    if (host.port === undefined) throw new Error(`${host.name} is down`);
    return TestClient.open({ port: host.port, host: host.address }, greeted);
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next line without CRLF; undefined when the other side has ended. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next reply, its lines joined by LF; '' when the other side has ended. */
  async reply(): Promise<string> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) return lines.join('\n');
      lines.push(line);
      if (!/^\d{3}-/.test(line)) return lines.join('\n');
    }
  }

  say(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** Says EHLO before the first, and sends a message; the replies of RCPT, and the last. */
  async send({ from, to, content, mail = '', rcpt = '' }: Letter): Promise<{ rcpt: string[]; end: string }> {
    const ok = await this.say(`MAIL FROM:<${from}>${mail === '' ? '' : ` ${mail}`}`);
    if (!ok.startsWith('250')) return { rcpt: [], end: ok };
    const replies: string[] = [];
    for (const one of to) replies.push(await this.say(`RCPT TO:<${one}>${rcpt === '' ? '' : ` ${rcpt}`}`));
    const go = await this.say('DATA');
    if (!go.startsWith('354')) return { rcpt: replies, end: go };
    this.write(`${Buffer.from(content).toString('latin1').replace(/^\./gm, '..')}.\r\n`);
    return { rcpt: replies, end: await this.reply() };
  }

  async quit(): Promise<void> {
    await this.say('QUIT');
    this.socket.destroy();
  }
}

/** Sends one message to a host and leaves. */
export async function post(host: LabHost, letter: Letter): Promise<{ rcpt: string[]; end: string }> {
  const client = await TestClient.to(host);
  await client.say('EHLO tester.example');
  const replies = await client.send(letter);
  await client.quit();
  return replies;
}
