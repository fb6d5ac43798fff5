// S07: a catch-all swallows users who exist, or the order of the keys is a secret.
import { expect, test } from 'vitest';
import { TestClient } from '../daemon/client.ts';
import { mailbox, oneHost } from '../daemon/new-lab.ts';

const FILES = {
  'etc/mail/local-host-names': 'd1.test\n',
  'etc/mail/virtusertable': '@d1.test root\nbob@d1.test lee\nbob+*@d1.test dongliang\nout@d1.test error:nouser gone\n',
};

test.each([
  ['bob@d1.test', 'lee'],
  ['BOB@D1.test', 'lee'],
  ['bob+x@d1.test', 'dongliang'],
  ['lee@d1.test', 'root'],
  ['anybody@d1.test', 'root'],
])('%s is %s', async (address, user) => {
  const { lab, host } = await oneHost('', FILES);
  const client = await TestClient.to(host);
  await client.send({ from: 'a@far.test', to: [address], content: 'Subject: x\r\n\r\nx\r\n' });
  await client.quit();
  await lab.settle();
  expect(['root', 'lee', 'dongliang'].filter((name) => mailbox(host, name).length > 0)).toEqual([user]);
});

test('a key that refuses is not overruled by the catch-all', async () => {
  const { host } = await oneHost('', FILES);
  const client = await TestClient.to(host);
  await client.say('MAIL FROM:<a@far.test>');
  expect(await client.say('RCPT TO:<out@d1.test>')).toBe('550 5.1.1 <out@d1.test>... gone');
  await client.quit();
});
