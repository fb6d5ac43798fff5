// S28: an entry of access has no effect because the map was not rebuilt, and nobody says so.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TestClient } from '../daemon/client.ts';
import { events, oneHost } from '../daemon/new-lab.ts';

const TOML = '[relay]\nloopback = false\n';

test('a table that is edited while the daemon runs counts, and one with a fault does not', async () => {
  const { host } = await oneHost(TOML, { 'etc/mail/access': '# nothing yet\n' });
  const access = join(host.root, 'etc/mail/access');
  const client = await TestClient.to(host);
  const ask = async () => {
    await client.say('RSET');
    await client.say('MAIL FROM:<a@far.test>');
    return client.say('RCPT TO:<b@elsewhere.test>');
  };
  expect(await ask()).toBe('550 5.7.1 <b@elsewhere.test>... Relaying denied');
  writeFileSync(access, 'Connect:127 RELAY\n');
  await expect.poll(ask, { timeout: 8000 }).toMatch(/^250 2.1.5/);
  writeFileSync(access, 'Connect:127 REFUSE\n');
  await expect.poll(() => events(host, 'table-fault'), { timeout: 8000 }).toHaveLength(1);
  expect(events(host, 'table-fault')).toMatchObject([{ level: 'error', at: `${access}:1` }]);
  expect(await ask()).toMatch(/^250 2.1.5/);
  await client.quit();
});
