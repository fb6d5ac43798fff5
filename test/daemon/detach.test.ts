/** A daemon in the background, and one whose sockets others opened. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { BIN } from '../e2e/program.ts';
import { TestClient } from './client.ts';
import { newRoot, until } from './process.ts';

/** Node has it, and does not tell. */
function descriptorOf(server: Server): number {
  return (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

const tmail = (root: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, '--root', root, ...args], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
};

it('is ready when the command returns, and takes its number away when it ends', async () => {
  const root = newRoot();
  const { status, out, err } = tmail(root, 'daemon', '--detach');
  expect(status).toBe(0);
  // Root is warned when nobody is there to give its rights up to.
  expect(err).toMatch(/^(tmail: warning: .*\n)*$/);
  const port = /^listening mta 127\.0\.0\.1:(\d+)\nready\n$/.exec(out)?.[1];
  const file = join(root, 'run/tmail.pid');
  const pid = Number(readFileSync(file, 'utf8'));
  try {
    const client = await TestClient.open({ port: Number(port) });
    await client.say('EHLO test');
    const letter = { from: 'ann@away.example', to: ['lee'], content: 'Subject: x\r\n\r\n' };
    expect((await client.send(letter)).end).toMatch(/^250 2\.0\.0/);
    client.socket.destroy();
    // A second one says why not, and leaves the number of the first.
    const second = tmail(root, 'daemon', '--detach');
    expect([second.status, second.out]).toEqual([75, '']);
    expect(second.err).toMatch(/another daemon uses the queue/);
    expect(Number(readFileSync(file, 'utf8'))).toBe(pid);
  } finally {
    process.kill(pid, 'SIGTERM');
  }
  await until(() => !existsSync(file), 'it ends');
  expect(readFileSync(join(root, 'var/log/tmail.log'), 'utf8')).toMatch(/"event":"stopped"/);
});

it.each([
  ['takes a socket that was opened for it, and who waits there', (port: number) => port, /^listening mta/],
  [
    'says of one that it has no use for',
    () => 25,
    /no \[\[listen\]\] block has the address of socket 3, 127\.0\.0\.1:/,
  ],
])('%s', async (_, portOf, said) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const listen = `[[listen]]\nrole = "mta"\naddress = "127.0.0.1:${portOf(port)}"\n`;
  const root = newRoot({ 'etc/tmail/tmail.toml': `hostname = "linux102.example.com"\n${listen}` });
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 2>&1';
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, BIN, '--root', root, 'daemon'], {
    stdio: ['ignore', 'pipe', 'ignore', descriptorOf(server)],
  });
  server.close();
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  try {
    // Before the daemon is there: the socket is.
    const client = said.source.includes('listening') ? await TestClient.open({ port }) : undefined;
    if (child.stdout === null) throw new Error('no output');
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    expect(value).toMatch(said);
    if (client !== undefined) expect(await client.say('QUIT')).toMatch(/^221/);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
});

it('the unit names this program', () => {
  const { status, out } = tmail(newRoot(), 'daemon', '--print-unit');
  expect(status).toBe(0);
  expect(out).toContain(`\nExecStart=${BIN} daemon\n`);
});
