// S20: an alias to a mailbox that is not there fails silently for both sides.
import { expect, test } from 'vitest';
import { TestClient } from '../daemon/client.ts';
import { events, oneHost } from '../daemon/new-lab.ts';

test('the administrator is warned as the table is read, the sender is told at RCPT', async () => {
  const { host } = await oneHost('', { 'etc/aliases': 'root: lee\na1: gone\n' });
  expect(events(host, 'table-fault')).toMatchObject([
    {
      level: 'warning',
      at: `${host.root}/etc/aliases:2`,
      reason: expect.stringContaining('no alias and no user "gone"'),
    },
  ]);
  const client = await TestClient.to(host);
  await client.say('MAIL FROM:<a@far.test>');
  expect(await client.say('RCPT TO:<a1>')).toBe('550 5.1.1 <a1>... User unknown');
  await client.quit();
});
