/** What runs the queue: lines by destination, growing waits, what a success frees, and what a broken disk must not do. */
import { describe, expect, it } from 'vitest';
import { MailError } from '../../src/core/errors.ts';
import {
  byDomain,
  deferred,
  delivered,
  FakeHost,
  failed,
  HOUR,
  MINUTE,
  newBench,
  recipient,
  rest,
  unreachable,
} from './fakes.ts';

const noSpace = new MailError('queue: No space left on device', { temporary: true });

describe('a message', () => {
  it('goes to each destination once, and leaves the queue when all are done', async () => {
    const [a, b] = [new FakeHost('a'), new FakeHost('b')];
    const bench = newBench(byDomain([a, b]));
    bench.runner.consider(bench.spool.put(['x@a', 'y@a', 'z@b']));
    await rest();
    expect(a.batches).toEqual([['ID1 x@a', 'ID1 y@a']]);
    expect(b.batches).toEqual([['ID1 z@b']]);
    expect(bench.log.sort()).toEqual(['ID1 x@a relayed', 'ID1 y@a relayed', 'ID1 z@b relayed']);
    expect(bench.mailers).toEqual(['relay', 'relay', 'relay']);
    expect(bench.spool.kept.size).toBe(0);
    expect(bench.runner.idle).toBe(true);
  });

  it('is settled without a transport where the route says so, and its sender is told', async () => {
    const a = new FakeHost('a');
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['x@nowhere', 'y@a']));
    await rest();
    expect(bench.reports.map(({ failed: list }) => list.map(({ address }) => address))).toEqual([['x@nowhere']]);
    expect(a.batches).toEqual([['ID1 y@a']]);
    expect(bench.spool.kept.size).toBe(0);
  });

  it('waits longer after each attempt, and is not tried before its time', async () => {
    const a = new FakeHost('a');
    a.decide = () => deferred;
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['x@a']));
    const counts: number[] = [];
    for (let minute = 0; minute < 16; minute++) {
      await bench.later(minute === 0 ? 0 : MINUTE);
      counts.push(a.batches.length);
    }
    // At 0, 1, 3, 7 and 15 minutes.
    expect(counts).toEqual([1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]);
    expect(bench.spool.get(bench.spool.entries().next().value?.id as never)?.recipients[0]).toMatchObject({
      attempts: 5,
    });
  });

  it('that is held is not tried', async () => {
    const a = new FakeHost('a');
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['x@a'], { held: 'odd' }));
    await bench.later(HOUR);
    expect(a.batches).toEqual([]);
  });

  it('waits when the route cannot be found, and fails when the fault is for good', async () => {
    const thrown = [new Error('bug'), new MailError('table gone', { temporary: false })];
    const bench = newBench(() => Promise.reject(thrown.shift()));
    bench.runner.consider(bench.spool.put(['x@a']));
    await rest();
    expect(bench.log).toEqual(['ID1 x@a queued']);
    await bench.later(MINUTE);
    expect(bench.log).toEqual(['ID1 x@a queued', 'ID1 x@a failed']);
  });
});

describe('a destination', () => {
  it('gets what came together in one batch, and no more batches at once than it may', async () => {
    const a = new FakeHost('a', 2);
    a.close();
    const bench = newBench(byDomain([a]));
    for (let i = 0; i < 350; i++) bench.runner.consider(bench.spool.put([`x${i}@a`]));
    await rest();
    expect(a.working).toBe(2);
    a.open();
    await rest();
    expect(a.batches.map((batch) => batch.length)).toEqual([100, 100, 100, 50]);
    expect(a.mostWorking).toBe(2);
    expect(bench.spool.kept.size).toBe(0);
  });

  it('that is slow holds up nobody else', async () => {
    const [slow, fast] = [new FakeHost('slow', 1), new FakeHost('fast')];
    slow.close();
    const bench = newBench(byDomain([slow, fast]));
    for (let i = 0; i < 10; i++) bench.runner.consider(bench.spool.put(['x@slow', 'y@fast']));
    await rest();
    expect(bench.log.filter((line) => line.endsWith('relayed'))).toHaveLength(10);
    expect(bench.spool.kept.size).toBe(10);
    slow.open();
    await rest();
    expect(bench.spool.kept.size).toBe(0);
  });

  it('whose transport throws defers what it had not answered', async () => {
    const a = new FakeHost('a');
    a.fault = new Error('a bug');
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['x@a']));
    await rest();
    const [entry] = bench.spool.entries();
    expect(entry?.recipients[0]).toMatchObject({
      status: 'queued',
      attempts: 1,
      reason: { status: '4.3.0', text: 'a bug' },
    });
    a.fault = undefined;
    await bench.later(MINUTE);
    expect(bench.spool.kept.size).toBe(0);
  });

  it('that gives no answer defers', async () => {
    const a = new FakeHost('a');
    a.mute = true;
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['x@a']));
    await rest();
    expect([...bench.spool.entries()][0]?.recipients[0]?.reason?.text).toBe('the transport gave no answer');
  });

  it('that cannot be reached is asked once for all that wait, and again when the first is due', async () => {
    const a = new FakeHost('a', 1);
    a.decide = () => unreachable;
    const bench = newBench(byDomain([a]));
    for (let i = 0; i < 1000; i++) bench.runner.consider(bench.spool.put([`x${i}@a`]));
    await rest();
    expect(a.batches).toHaveLength(1);
    expect(bench.log).toHaveLength(1000);
    await bench.later(MINUTE);
    expect(a.batches).toHaveLength(2);
  });

  it('that refuses some for now is asked for all the others', async () => {
    const a = new FakeHost('a', 1);
    a.decide = (address) => (address === 'x0@a' ? unreachable : delivered);
    const bench = newBench(byDomain([a]));
    for (let i = 0; i < 250; i++) bench.runner.consider(bench.spool.put([`x${i}@a`]));
    await rest();
    expect(bench.spool.kept.size).toBeLessThanOrEqual(1);
  });

  it('that takes a message again gets all that waits for it, and nobody else does', async () => {
    const [a, b] = [new FakeHost('a'), new FakeHost('b')];
    a.decide = () => deferred;
    b.decide = () => deferred;
    const bench = newBench(byDomain([a, b]));
    for (let i = 0; i < 5; i++) bench.runner.consider(bench.spool.put([`x${i}@a`, `y${i}@b`]));
    await bench.later(20 * MINUTE);
    a.decide = () => delivered;
    const before = b.batches.length;
    bench.runner.consider(bench.spool.put(['new@a']));
    await rest();
    expect([...bench.spool.entries()].flatMap(({ recipients }) => recipients.map(({ status }) => status))).toEqual(
      Array.from({ length: 5 }, () => ['relayed', 'queued']).flat(),
    );
    expect(b.batches).toHaveLength(before);
  });

  it('that took others is not asked at once for those it put off, nor more than once a minute', async () => {
    const a = new FakeHost('a');
    a.decide = (address) => (address === 'gray@a' ? deferred : delivered);
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['gray@a', 'x@a']));
    await rest();
    for (let i = 0; i < 10; i++) {
      bench.runner.consider(bench.spool.put(['more@a']));
      await rest();
    }
    expect(a.batches.flat().filter((line) => line.endsWith('gray@a'))).toHaveLength(1);
    await bench.later(MINUTE);
    bench.runner.consider(bench.spool.put(['more@a']));
    await rest();
    bench.runner.consider(bench.spool.put(['more@a']));
    await rest();
    expect(a.batches.flat().filter((line) => line.endsWith('gray@a'))).toHaveLength(2);
  });

  it('frees nothing that is held', async () => {
    const a = new FakeHost('a');
    a.decide = () => deferred;
    const bench = newBench(byDomain([a]));
    const entry = bench.spool.put(['x@a']);
    bench.runner.consider(entry);
    await rest();
    const current = bench.spool.get(entry.id);
    if (current !== undefined) await bench.spool.update({ ...current, held: 'odd' });
    a.decide = () => delivered;
    bench.runner.consider(bench.spool.put(['new@a']));
    await rest();
    expect([...bench.spool.entries()].map(({ id }) => id)).toEqual([entry.id]);
  });
});

describe('the end', () => {
  it('waits for what is at work, and starts nothing more', async () => {
    const a = new FakeHost('a', 1);
    a.close();
    const bench = newBench(byDomain([a]));
    for (let i = 0; i < 150; i++) bench.runner.consider(bench.spool.put([`x${i}@a`]));
    await rest();
    let ended = false;
    void bench.runner.drain().then(() => (ended = true));
    bench.runner.consider(bench.spool.put(['late@a']));
    await rest();
    expect(ended).toBe(false);
    a.open();
    await rest();
    expect(ended).toBe(true);
    expect(a.batches).toHaveLength(1);
    expect(bench.spool.kept.size).toBe(51);
    await bench.later(HOUR);
    expect(a.batches).toHaveLength(1);
  });

  it('comes while a route is looked for', async () => {
    let found: () => void = () => undefined;
    const a = new FakeHost('a');
    const bench = newBench(async () => {
      await new Promise<void>((resolve) => (found = resolve));
      return a.routing;
    });
    bench.runner.consider(bench.spool.put(['x@a']));
    await rest();
    const ended = bench.runner.drain();
    found();
    await ended;
    expect(a.batches).toEqual([]);
    expect(bench.spool.kept.size).toBe(1);
  });
});

describe('a broken disk', () => {
  it('does not make what was delivered go out again while this process lives', async () => {
    const a = new FakeHost('a');
    a.decide = (address) => (address === 'x@a' ? delivered : deferred);
    const bench = newBench(byDomain([a]));
    bench.runner.consider(bench.spool.put(['x@a', 'y@a']));
    bench.spool.full = true;
    await rest();
    await bench.later(2 * MINUTE);
    expect(a.batches.slice(0, 3)).toEqual([['ID1 x@a', 'ID1 y@a'], ['ID1 y@a']]);
    expect(bench.problems.length).toBeGreaterThan(0);
    bench.spool.full = false;
    a.decide = () => delivered;
    await bench.later(HOUR);
    expect(bench.spool.kept.size).toBe(0);
    expect(a.batches.flat().filter((line) => line === 'ID1 x@a')).toHaveLength(1);
  });

  it('lets a report be written later, and neither tries nor logs anything twice for it', async () => {
    const a = new FakeHost('a');
    a.decide = (address) => (address === 'x@a' ? delivered : failed);
    const bench = newBench(byDomain([a]));
    bench.reportFault = noSpace;
    bench.runner.consider(bench.spool.put([recipient('x@a', { notify: ['success'] }), 'y@a']));
    await bench.later(3 * MINUTE);
    expect(a.batches).toEqual([['ID1 x@a', 'ID1 y@a']]);
    expect(bench.log).toEqual([]);
    expect(bench.problems.length).toBeGreaterThan(1);
    expect(bench.spool.kept.size).toBe(1);
    bench.reportFault = undefined;
    await bench.later(MINUTE);
    expect(bench.reports).toHaveLength(1);
    expect(bench.log.sort()).toEqual(['ID1 x@a relayed', 'ID1 y@a failed']);
    expect(a.batches).toHaveLength(1);
    expect(bench.spool.kept.size).toBe(0);
  });

  it('does not hold up the end', async () => {
    const a = new FakeHost('a');
    a.decide = () => failed;
    const bench = newBench(byDomain([a]));
    bench.reportFault = noSpace;
    bench.runner.consider(bench.spool.put(['x@a']));
    await rest();
    await bench.runner.drain();
    expect(bench.spool.kept.size).toBe(1);
  });
});

describe('conclude', () => {
  it('gives those that wait an outcome, wherever they wait, and leaves those at work alone', async () => {
    const a = new FakeHost('a', 1);
    a.close();
    const bench = newBench(byDomain([a]));
    const entries = Array.from({ length: 101 }, (_, i) => bench.spool.put([`x${i}@a`]));
    for (const entry of entries) bench.runner.consider(entry);
    await rest();
    const [first] = entries;
    const last = entries.at(-1);
    if (first === undefined || last === undefined) throw new Error('no entries');
    expect(bench.runner.atWork(first)).toEqual([0]);
    expect(bench.runner.atWork(last)).toEqual([]);
    expect(await bench.runner.conclude(first.id, failed)).toEqual({ concluded: 0, atWork: 1 });
    expect(await bench.runner.conclude(last.id, failed)).toEqual({ concluded: 1, atWork: 0 });
    expect(bench.spool.get(last.id)).toBeUndefined();
    a.open();
    await rest();
    expect(a.batches.flat()).toHaveLength(100);
    expect(bench.log.filter((line) => line.includes('x100@a'))).toEqual([`${last.id} x100@a failed`]);
    expect(bench.spool.kept.size).toBe(0);
    expect(bench.runner.idle).toBe(true);
  });

  it('changes nothing when the report cannot be written', async () => {
    const a = new FakeHost('a');
    a.decide = () => deferred;
    const bench = newBench(byDomain([a]));
    const entry = bench.spool.put(['x@a']);
    bench.runner.consider(entry);
    await rest();
    bench.reportFault = noSpace;
    await expect(bench.runner.conclude(entry.id, failed)).rejects.toThrow('No space left');
    expect(bench.log).toEqual(['ID1 x@a queued']);
    a.decide = () => delivered;
    await bench.later(MINUTE);
    expect(bench.spool.kept.size).toBe(0);
  });

  it('knows nothing of what is gone', async () => {
    const bench = newBench(byDomain([]));
    expect(await bench.runner.conclude('NONE' as never, failed)).toEqual({ concluded: 0, atWork: 0 });
  });
});
