/** A daemon in the background. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BIN } from '../e2e/program.ts';
import { TestClient } from './client.ts';
import { newRoot, until } from './process.ts';

const tmail = (root: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, '--root', root, ...args], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
};

it('is ready when the command returns, and takes its number away when it ends', async () => {
  const root = newRoot();
  const { status, out, err } = tmail(root, 'daemon', '--detach');
  expect([status, err]).toEqual([0, '']);
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

it('the unit names this program', () => {
  const { status, out } = tmail(newRoot(), 'daemon', '--print-unit');
  expect(status).toBe(0);
  expect(out).toContain(`\nExecStart=${BIN} daemon\n`);
});
