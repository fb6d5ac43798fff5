import { expect, it } from 'vitest';
import { fixedResolver, isAbsent, systemResolver } from '../../src/daemon/resolver.ts';
import { newFolder } from './folder.ts';
import { startNameServer, type Zone } from './name-server.ts';

const ZONE: Zone = {
  'MX qq.test': ['20 mx2.qq.test', '10 mx1.qq.test'],
  'A mx1.qq.test': ['192.0.2.1', '192.0.2.2'],
  'AAAA mx1.qq.test': ['20010db8000000000000000000000001'],
  'A four.test': ['192.0.2.4'],
  'PTR 4.2.0.192.in-addr.arpa': ['four.test'],
  'MX none.test': ['0 .'],
  'TXT empty.test': [],
  'A half.test': ['192.0.2.9'],
};

async function resolverOf(options: Parameters<typeof startNameServer>[1] = {}) {
  const { server, asked } = await startNameServer(ZONE, options);
  const clock = { now: 0 };
  const hosts = newFolder().write(
    'etc/hosts',
    '127.0.0.1 localhost\n192.0.2.77 box.test box # ours\nnonsense four.test\n',
  );
  const resolver = systemResolver({ servers: [server], hosts, limit: 400, now: () => clock.now });
  return { resolver, asked, clock };
}

it('finds MX, addresses and names', async () => {
  const { resolver } = await resolverOf();
  expect(await resolver.mx('qq.test')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ exchange: 'mx1.qq.test', priority: 10 }),
      expect.objectContaining({ exchange: 'mx2.qq.test', priority: 20 }),
    ]),
  );
  expect(await resolver.addresses('mx1.qq.test')).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1']);
  expect(await resolver.addresses('four.test')).toEqual(['192.0.2.4']);
  expect(await resolver.names('192.0.2.4')).toEqual(['four.test']);
  expect((await resolver.mx('none.test')).map(({ exchange }) => exchange.replace('.', ''))).toEqual(['']);
});

it('finds names of /etc/hosts, and takes an address for itself', async () => {
  const { resolver, asked } = await resolverOf();
  expect(await resolver.addresses('BOX')).toEqual(['192.0.2.77']);
  expect(await resolver.addresses('192.0.2.9')).toEqual(['192.0.2.9']);
  expect(await resolver.addresses('2001:db8::9')).toEqual(['2001:db8::9']);
  expect(asked).toEqual([]);
});

it('tells what is not there from what is not known', async () => {
  const { resolver } = await resolverOf({ failing: ['broken.test'] });
  const failure = async (question: Promise<unknown>) => question.then(() => 'found', isAbsent);
  expect(await failure(resolver.addresses('nowhere.test'))).toBe(true);
  expect(await failure(resolver.addresses('empty.test'))).toBe(true);
  expect(await failure(resolver.mx('four.test'))).toBe(true);
  expect(await failure(resolver.addresses('broken.test'))).toBe(false);
  expect(await failure(resolver.mx('broken.test'))).toBe(false);
});

it('does not wait for a silent server for ever', async () => {
  const { resolver } = await resolverOf({ silent: ['silent.test'] });
  const failure = await resolver.mx('silent.test').catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ETIMEOUT' });
});

it('asks again when an answer is too old, and once for many askers', async () => {
  const { resolver, asked, clock } = await resolverOf({ ttl: 30 });
  await Promise.all([resolver.addresses('four.test'), resolver.addresses('four.test')]);
  await resolver.addresses('four.test');
  expect(asked.filter((one) => one === 'A four.test')).toHaveLength(1);
  clock.now = 29_000;
  await resolver.addresses('four.test');
  expect(asked.filter((one) => one === 'A four.test')).toHaveLength(1);
  clock.now = 31_000;
  await resolver.addresses('four.test');
  expect(asked.filter((one) => one === 'A four.test')).toHaveLength(2);
});

it('remembers for a minute that a name is not there, and not that a server failed', async () => {
  const { resolver, asked, clock } = await resolverOf({ failing: ['broken.test'] });
  const ask = async (name: string) => resolver.mx(name).catch(() => undefined);
  await ask('nowhere.test');
  await ask('nowhere.test');
  const once = asked.length;
  clock.now = 61_000;
  await ask('nowhere.test');
  expect([once, asked.length > once]).toEqual([1, true]);
  const before = asked.length;
  await ask('broken.test');
  const after = asked.length;
  await ask('broken.test');
  expect([after > before, asked.length > after]).toEqual([true, true]);
});

it('answers from a table', async () => {
  const resolver = fixedResolver(
    new Map([
      ['a.test', { mx: ['mx.a.test', 'mx2.a.test'] }],
      ['mx.a.test', { addresses: ['127.0.0.3'] }],
      ['silent.test', { silent: true }],
    ]),
  );
  expect(await resolver.mx('A.test')).toEqual([
    { exchange: 'mx.a.test', priority: 10 },
    { exchange: 'mx2.a.test', priority: 20 },
  ]);
  expect(await resolver.addresses('mx.a.test.')).toEqual(['127.0.0.3']);
  expect(await resolver.names('127.0.0.3')).toEqual(['mx.a.test']);
  expect(await resolver.mx('mx.a.test').catch(isAbsent)).toBe(true);
  expect(await resolver.mx('b.test').catch(isAbsent)).toBe(true);
  expect(await resolver.mx('silent.test').catch(isAbsent)).toBe(false);
});
