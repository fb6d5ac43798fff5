/**
 * A name server on loopback that knows a few records (RFC 1035), counts the questions, and can be silent.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll } from 'vitest';

/** Records by `TYPE name`; a name that is in no record does not exist. */
export type Zone = Readonly<Record<string, readonly string[]>>;

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 12: 'PTR', 15: 'MX', 28: 'AAAA' };
const NXDOMAIN = 3;
const SERVFAIL = 2;

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing.splice(0)) close();
});

/** `silent`: names that get no answer; `failing`: names the server fails for. */
export async function startNameServer(
  zone: Zone,
  options: { ttl?: number; silent?: string[]; failing?: string[] } = {},
) {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type, end } = question(query);
    asked.push(`${type} ${name}`);
    if (options.silent?.includes(name) === true) return;
    const answers = (zone[`${type} ${name}`] ?? []).map((text) => record(type, text, options.ttl ?? 300));
    const known = Object.keys(zone).some((key) => key.endsWith(` ${name}`));
    const code = options.failing?.includes(name) === true ? SERVFAIL : known ? 0 : NXDOMAIN;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(answers.length, 6);
    head.writeUInt16BE(0, 8);
    head.writeUInt16BE(0, 10);
    socket.send(Buffer.concat([head, query.subarray(12, end), ...answers]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return { asked, server: `127.0.0.1:${socket.address().port}` };
}

function question(query: Buffer): { name: string; type: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)] ?? '?', end: at + 5 };
}

function record(type: string, text: string, ttl: number): Buffer {
  const code = Number(Object.entries(TYPES).find(([, name]) => name === type)?.[0]);
  const data = dataOf(type, text);
  // 0xc00c points to the name in the question.
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(type: string, text: string): Buffer {
  if (type === 'A') return Buffer.from(text.split('.').map(Number));
  if (type === 'AAAA') return Buffer.from(text.replaceAll(':', ''), 'hex');
  if (type === 'PTR') return nameOf(text);
  const [priority = '', exchange = ''] = text.split(' ');
  return Buffer.concat([Buffer.from([0, Number(priority)]), nameOf(exchange)]);
}

function nameOf(name: string): Buffer {
  const labels = name === '.' ? [] : name.split('.');
  return Buffer.concat([...labels.map((one) => Buffer.from([one.length, ...Buffer.from(one)])), Buffer.from([0])]);
}
