/** A client on a socket: who is too early, too slow, too quiet or too loud, and who goes away in the middle. */
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type ConnectionOptions, SmtpServerConnection } from '../../src/daemon/smtp-connection.ts';
import type { Answer } from '../../src/smtp/session.ts';
import { DEFAULT_CONFIG } from '../../src/smtp/session.ts';
import { TestClient } from './client.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Behind {
  readonly port: number;
  readonly connections: SmtpServerConnection[];
  readonly seen: string[];
}

/** A server whose answers are all `ok`, or what `decide` says. */
async function serve(
  options: Partial<ConnectionOptions> = {},
  decide: (kind: string) => Answer | Promise<Answer> = () => ({ kind: 'ok', id: 'Q' }),
): Promise<Behind> {
  const seen: string[] = [];
  const connections: SmtpServerConnection[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    connections.push(
      new SmtpServerConnection(socket, {
        config: { ...DEFAULT_CONFIG, hostname: 'host.example' },
        client: { address: '127.0.0.1' },
        problem: (error) => seen.push(`problem ${String(error)}`),
        ...options,
        inbound: {
          decide: (question) => {
            seen.push(question.kind);
            return decide(question.kind);
          },
          content: (bytes) => seen.push(`content ${bytes.length}`),
          abandon: () => seen.push('abandon'),
          refused: () => seen.push('refused'),
        },
      }),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, connections, seen };
}

const times = { command: 300_000, content: 600_000, greeting: 1 };
const early = { ...DEFAULT_CONFIG, hostname: 'host.example', refuseEarlyTalkers: true };

describe('before the greeting', () => {
  it('who speaks is refused when that is wished', async () => {
    const { port } = await serve({ config: early, times: { ...times, greeting: 60_000 } });
    const client = await TestClient.open({ port }, false);
    client.write('EHLO early\r\nMAIL FROM:<>\r\n');
    expect(await client.reply()).toMatch(/^554 5\.5\.0 host\.example .*before the greeting/);
    expect(await client.line()).toBeUndefined();
  });

  it('who waits is greeted', async () => {
    const { port } = await serve({ config: early, times });
    const client = await TestClient.open({ port }, false);
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.say('EHLO me')).toMatch(/^250-/);
    await client.quit();
  });

  it('who speaks is heard when it is not', async () => {
    const { port } = await serve();
    const client = await TestClient.open({ port }, false);
    client.write('HELO early\r\n');
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.reply()).toMatch(/^250 /);
    await client.quit();
  });
});

describe('silence', () => {
  it('between commands ends the connection with 421', async () => {
    const { port } = await serve({ times: { ...times, command: 20 } });
    const client = await TestClient.open({ port });
    client.write('MAIL FR');
    expect(await client.reply()).toMatch(/^421 4\.4\.2 /);
    expect(await client.line()).toBeUndefined();
  });

  it('within a message has its own limit, and what came of the message is dropped', async () => {
    const { port, seen, connections } = await serve({ times: { ...times, content: 20 } });
    const client = await TestClient.open({ port });
    client.write('MAIL FROM:<>\r\nRCPT TO:<lee>\r\nDATA\r\nhalf a mess');
    for (const code of ['250', '250', '354', '421']) expect(await client.reply()).toMatch(new RegExp(`^${code}`));
    client.socket.destroy();
    await connections[0]?.done;
    expect(seen).toContain('abandon');
    expect(seen).not.toContain('end');
  });

  it('while we think does not count', async () => {
    let answer: (answer: Answer) => void = () => undefined;
    const slow = (kind: string) =>
      kind === 'mail' ? new Promise<Answer>((resolve) => (answer = resolve)) : ({ kind: 'ok' } as const);
    const { port } = await serve({ times: { ...times, command: 10 } }, slow);
    const client = await TestClient.open({ port });
    client.write('MAIL FROM:<lee>\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    answer({ kind: 'ok' });
    expect(await client.reply()).toMatch(/^250 2\.1\.0 /);
    client.socket.destroy();
  });
});

describe('a client that', () => {
  it('reads no replies is not read either', async () => {
    const { port, connections } = await serve({
      config: { ...DEFAULT_CONFIG, limits: { ...DEFAULT_CONFIG.limits, idleCommands: 1e9, badCommands: 1e9 } },
    });
    const client = await TestClient.open({ port });
    client.socket.pause();
    const line = Buffer.from('HELP\r\n'.repeat(10_000));
    // Until the kernel's buffers are full on both sides.
    let stuck = false;
    for (let n = 0; n < 2000 && !stuck; n++) stuck = !client.socket.write(line) && client.socket.writableLength > 4e6;
    expect(stuck).toBe(true);
    expect(connections).toHaveLength(1);
    client.socket.destroy();
    await connections[0]?.done;
  });

  it('goes away in the middle leaves nothing behind', async () => {
    for (const text of ['', 'MAIL FROM:<>\r\n', 'MAIL FROM:<>\r\nRCPT TO:<lee>\r\nDATA\r\nx\r\n.', 'BDAT 99\r\nx']) {
      const { port, connections, seen } = await serve();
      const client = await TestClient.open({ port });
      client.write(text);
      client.socket.destroySoon();
      await connections[0]?.done;
      expect(seen.filter((one) => one.startsWith('problem') || one === 'end')).toEqual([]);
    }
  });

  it('says all at once and closes its side still hears all replies', async () => {
    const slow = async (): Promise<Answer> => {
      await new Promise((resolve) => setImmediate(resolve));
      return { kind: 'ok', id: 'Q7' };
    };
    const { port } = await serve({}, slow);
    const client = await TestClient.open({ port }, false);
    client.socket.end('HELO me\r\nMAIL FROM:<lee>\r\nRCPT TO:<lee>\r\nDATA\r\nx\r\n.\r\n');
    for (const code of ['220', '250', '250', '250', '354', '250']) {
      expect(await client.reply()).toMatch(new RegExp(`^${code}`));
    }
    expect(await client.line()).toBeUndefined();
  });

  it('is there when the server goes hears 421, and the answer to its message first', async () => {
    let answer: (answer: Answer) => void = () => undefined;
    let asked: () => void = () => undefined;
    const atEnd = new Promise<void>((resolve) => (asked = resolve));
    const { port, connections } = await serve({}, (kind) => {
      if (kind !== 'end') return { kind: 'ok' };
      asked();
      return new Promise<Answer>((resolve) => (answer = resolve));
    });
    const client = await TestClient.open({ port });
    client.write('MAIL FROM:<>\r\nRCPT TO:<lee>\r\nDATA\r\nx\r\n.\r\n');
    for (let n = 0; n < 3; n++) await client.reply();
    await atEnd;
    connections[0]?.shutDown();
    answer({ kind: 'ok', id: 'Q7' });
    expect(await client.reply()).toBe('250 2.0.0 Q7 Message accepted for delivery');
    expect(await client.reply()).toMatch(/^421 4\.3\.2 /);
    expect(await client.line()).toBeUndefined();
  });

  it('meets a fault of ours gets a temporary answer', async () => {
    const { port, seen } = await serve({}, (kind) => {
      if (kind === 'mail') throw new Error('boom');
      return { kind: 'ok' };
    });
    const client = await TestClient.open({ port });
    expect(await client.say('MAIL FROM:<>')).toMatch(/^451 4\.3\.0 /);
    expect(seen).toContain('problem Error: boom');
    await client.quit();
  });
});
