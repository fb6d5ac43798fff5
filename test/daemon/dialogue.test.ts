/**
 * Every file of test/dialogue over a socket: against a whole daemon where a configuration can say what the file's stage is,
 * else against the connection with the stage's own host behind it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SmtpServerConnection } from '../../src/daemon/smtp-connection.ts';
import { Driver, pattern, readDialogue, type Stage, type Turn } from '../smtp/play.ts';
import { TestClient } from './client.ts';
import { HERE, newLab } from './new-lab.ts';

const FOLDER = join(import.meta.dirname, '../dialogue');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));
const CLIENT = '127.0.0.7';

/** `! name value` as configuration, by name; those that are not here no configuration can say. */
const OPTIONS: Readonly<Record<string, (value: string) => string>> = {
  'limits.recipients': (value) => `[limits]\nrecipients = ${value}\n`,
  'limits.badCommands': (value) => `[limits]\nbad_commands = ${value}\n`,
  'limits.idleCommands': (value) => `[limits]\nidle_commands = ${value}\n`,
  requireHelo: (value) => `[smtp]\nrequire_helo = ${value}\n`,
  lmtp: () => '[[listen]]\nrole = "lmtp"\naddress = "127.0.0.1:0"\n',
};

interface Server {
  readonly port: number;
  readonly host: string;
  /** What the file expects, as this server says it. */
  readonly expected: (line: string) => string;
  readonly stop: () => Promise<void>;
}

async function wholeDaemon(text: string): Promise<Server | undefined> {
  const settings = [...text.matchAll(/^! (\S+) (.*)$/gm)];
  const toml = settings.map(([, name = '', value = '']) => OPTIONS[name]?.(value));
  if (toml.includes(undefined)) return undefined;
  const lab = await newLab([
    {
      name: HERE,
      users: ['root', 'lee', 'dongliang'],
      toml: `${toml.join('')}[relay]\nloopback = false\n`,
    },
  ]);
  lab.dns.set('pc7.example.com', { addresses: [CLIENT] });
  const { daemon } = lab.host(HERE);
  const address = daemon?.addresses.at(toml.join('').includes('"lmtp"') ? 0 : -1) ?? '';
  const [host = '', port] = address.split(':');
  return {
    host,
    port: Number(port),
    expected: (line) => line.replace(/\bQ\d+\b|tmail\/\S+(?=;)/g, '*').replaceAll('192.168.0.7', CLIENT),
    stop: () => lab.stop(),
  };
}

async function stageOnly(stage: Stage): Promise<Server> {
  const driver = new Driver(stage);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    new SmtpServerConnection(socket, {
      config: stage.config,
      client: stage.client,
      inbound: {
        decide: (question) => driver.decide(question),
        content: () => undefined,
        abandon: () => undefined,
        refused: () => undefined,
      },
      problem: (error) => {
        throw error;
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return {
    host: '127.0.0.1',
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    expected: (line) => line,
    stop: async () => {
      server.close();
    },
  };
}

async function play(name: string, turns: readonly Turn[], server: Server, piece: number): Promise<void> {
  const client = await TestClient.open({ port: server.port, host: server.host, localAddress: CLIENT }, false);
  client.socket.setNoDelay(true);
  try {
    for (const { kind, text, line } of turns) {
      const where = `${name}:${line}`;
      if (kind === 'C') {
        for (let at = 0; at < text.length; at += piece) {
          client.write(text.slice(at, at + piece));
          if (piece === 1) await new Promise((resolve) => setImmediate(resolve));
        }
      } else if (kind === 'S') {
        const expected = server.expected(text);
        const said = (await client.line()) ?? '(end)';
        // Replies are ASCII or UTF-8; the client reads octets.
        if (!pattern(expected).test(Buffer.from(said, 'latin1').toString())) expect(said, where).toBe(expected);
      } else if (kind === 'A') expect(await client.line(), where).toBeUndefined();
    }
  } finally {
    client.socket.destroy();
  }
}

describe.each(files)('%s', (name) => {
  const text = readFileSync(join(FOLDER, name), 'utf8');
  // TLS is played by its own tests: here is no certificate.
  const { stage, turns } = readDialogue(text);
  const whole = turns.findIndex(({ kind, text }) => kind === 'A' && text === 'startTls');
  const inClear = whole < 0 ? turns : turns.slice(0, Math.max(0, whole - 3));

  it.each([
    ['whole', 1_000_000],
    ['octet by octet', 1],
  ])('%s', async (_, piece) => {
    const server = (await wholeDaemon(text)) ?? (await stageOnly(stage));
    try {
      await play(name, inClear, server, piece);
    } finally {
      await server.stop();
    }
  });
});
