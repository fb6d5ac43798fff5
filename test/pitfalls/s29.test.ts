// S29: the start hangs for a minute when the host has no qualified name and DNS is dead.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { loadConfig, qualifiedName } from '../../src/config/load.ts';
import { startDaemon } from '../../src/daemon/main.ts';
import { systemResolver } from '../../src/daemon/resolver.ts';
import { newFolder } from '../daemon/folder.ts';

test('it starts without asking DNS, and warns', async () => {
  const silent = createSocket('udp4');
  const asked: unknown[] = [];
  silent.on('message', (query) => asked.push(query));
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const folder = newFolder();
  folder.write('etc/tmail/tmail.toml', 'hostname = "box"\n[[listen]]\naddress = "127.0.0.1:0"\n');
  const config = await loadConfig({ root: folder.root });
  const resolver = systemResolver({ servers: [`127.0.0.1:${silent.address().port}`] });
  const daemon = await startDaemon(config, { resolver, say: () => undefined });
  expect(asked).toEqual([]);
  const { warnings } = await folder.settings('hostname = "box"\n');
  expect(warnings).toEqual([expect.stringMatching(/^the host name "box" is not fully qualified/)]);
  await daemon.stop();
  silent.close();
});

test('a name that cannot be one does no harm', () => {
  expect(qualifiedName('a b\r\nX: y', '').value).toBe('localhost');
  expect(qualifiedName('', '').value).toBe('localhost');
});
