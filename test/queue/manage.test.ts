import { expect, test } from 'vitest';
import { bounce, hold, release, remove, retry, retryDomain } from '../../src/queue/manage.ts';
import { type Bench, byDomain, deferred, delivered, FakeHost, HOUR, newBench, rest } from './fakes.ts';

function bench(): { a: FakeHost; bench: Bench; managed: Parameters<typeof retry>[0] } {
  const a = new FakeHost('a.example');
  a.decide = () => deferred;
  const made = newBench(byDomain([a]));
  return { a, bench: made, managed: { spool: made.spool, runner: made.runner, now: made.now } };
}

async function waiting(made: Bench, ...addresses: string[]): Promise<ReturnType<Bench['spool']['put']>> {
  const entry = made.spool.put(addresses);
  made.runner.consider(entry);
  await rest();
  return entry;
}

test('retry tries now what waits for later, and nothing that is held', async () => {
  const { a, bench: made, managed } = bench();
  const one = await waiting(made, 'x@a.example');
  const two = await waiting(made, 'y@a.example');
  await hold(managed, two.id, 'odd');
  a.decide = () => delivered;
  expect(await retry(managed, [one.id, two.id, 'NONE' as typeof one.id])).toBe(1);
  await rest();
  expect([...made.spool.kept.keys()]).toEqual([two.id]);
});

test.each([
  ['a.example', 1],
  ['A.Example.', 1],
  ['@example', 1],
  ['example', 0],
  ['@ample', 0],
  ['b.example', 0],
])('retry of the domain %s tries %i of the messages', async (name, count) => {
  const { bench: made, managed } = bench();
  await waiting(made, 'x@a.example');
  made.spool.put(['lee']);
  expect(await retryDomain(managed, name)).toBe(count);
});

test('hold keeps a message, release lets it go at once', async () => {
  const { a, bench: made, managed } = bench();
  const { id } = await waiting(made, 'x@a.example');
  expect(await hold(managed, id, 'odd')).toBe(true);
  expect(made.spool.get(id)?.held).toBe('odd');
  a.decide = () => delivered;
  await made.later(HOUR);
  expect(a.batches).toHaveLength(1);
  expect(await release(managed, id)).toBe(true);
  await rest();
  expect(made.spool.kept.size).toBe(0);
  expect(await release(managed, id)).toBe(false);
  expect(await hold(managed, id, 'odd')).toBe(false);
});

test('hold takes a message out of the line it stands in', async () => {
  const a = new FakeHost('a.example', 1);
  const made = newBench(byDomain([a]));
  const managed = { spool: made.spool, runner: made.runner, now: made.now };
  a.close();
  const entries = Array.from({ length: 101 }, (_, i) => made.spool.put([`x${i}@a.example`]));
  for (const entry of entries) made.runner.consider(entry);
  await rest();
  const last = entries.at(-1);
  if (last === undefined) throw new Error('no entry');
  await hold(managed, last.id, 'odd');
  a.open();
  await rest();
  expect([...made.spool.kept.keys()]).toEqual([last.id]);
  await release(managed, last.id);
  await rest();
  expect(made.spool.kept.size).toBe(0);
});

test('delete tells nobody, bounce tells the sender why', async () => {
  const { bench: made, managed } = bench();
  const one = await waiting(made, 'x@a.example', 'y@a.example');
  const two = await waiting(made, 'z@a.example');
  expect(await remove(managed, one.id)).toEqual({ concluded: 2, atWork: 0 });
  expect(made.reports).toEqual([]);
  expect(await bounce(managed, two.id, 'no such customer')).toEqual({ concluded: 1, atWork: 0 });
  expect(made.reports[0]?.failed[0]).toMatchObject({ address: 'z@a.example', reason: { text: 'no such customer' } });
  expect(made.log.slice(-3)).toEqual([
    'ID1 x@a.example discarded',
    'ID1 y@a.example discarded',
    'ID2 z@a.example failed',
  ]);
  expect(made.spool.kept.size).toBe(0);
});

test('a held message can be deleted and returned', async () => {
  const { bench: made, managed } = bench();
  const held = made.spool.put(['x@a.example'], { held: 'odd' });
  expect(await remove(managed, held.id)).toEqual({ concluded: 1, atWork: 0 });
  expect(made.spool.kept.size).toBe(0);
});
