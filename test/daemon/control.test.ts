/** The control socket: what it answers, whom, and what it makes of nonsense. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askDaemon, daemonRuns } from '../../src/cli/control-client.ts';
import type { LogEvent } from '../../src/core/log.ts';
import { type ControlDeps, handleRequest, openControl } from '../../src/daemon/control.ts';
import { createFeed, type EventFeed, observedLog } from '../../src/daemon/events.ts';
import { emptyStatistics } from '../../src/daemon/stats.ts';
import { type Bench, byDomain, deferred, FakeHost, newBench, rest } from '../queue/fakes.ts';

let dir: string;
const closing: (() => Promise<void>)[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'control-'));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  rmSync(dir, { recursive: true });
});

interface Setup {
  readonly bench: Bench;
  readonly deps: ControlDeps;
  readonly logged: LogEvent[];
  readonly feed: EventFeed;
  readonly host: FakeHost;
}

function setup(): Setup {
  const host = new FakeHost('a.example', 1);
  host.decide = () => deferred;
  const bench = newBench(byDomain([host]));
  const logged: LogEvent[] = [];
  const feed = createFeed();
  const nothing = { write: () => undefined, reopen: () => undefined, close: () => undefined };
  const log = observedLog(nothing, (event) => {
    logged.push(event);
    feed.publish(event);
  });
  const deps: ControlDeps = {
    spool: bench.spool,
    runner: bench.runner,
    stats: emptyStatistics(5),
    reload: () => ['/etc/mail/access:3: what?'],
    log,
    feed,
    now: bench.now,
    status: () => ({ version: '1' }),
  };
  return { bench, deps, logged, feed, host };
}

async function serve(path = join(dir, 'control.sock')): Promise<Setup & { path: string }> {
  const made = setup();
  const control = await openControl({ path, deps: made.deps });
  closing.push(() => control.close());
  return { ...made, path };
}

async function waiting({ bench }: Setup, ...addresses: string[]): Promise<string> {
  const entry = bench.spool.put(addresses);
  bench.runner.consider(entry);
  await rest();
  return entry.id;
}

describe('a request', () => {
  it('lists the queue, or some of it, with what is being tried', async () => {
    const all = await serve();
    const one = await waiting(all, 'x@a.example');
    all.host.close();
    const two = await waiting(all, 'y@a.example');
    const answer = await askDaemon(all.path, { do: 'queue' });
    expect(answer?.last).toEqual({ ok: true, entries: 2 });
    expect(answer?.rows).toMatchObject([
      { id: one, atWork: [], recipients: [{ address: 'x@a.example', attempts: 1, reason: { text: '451 later' } }] },
      { id: two, atWork: [0] },
    ]);
    expect((await askDaemon(all.path, { do: 'queue', ids: [two, 'NONE'] }))?.rows).toMatchObject([{ id: two }]);
    all.host.open();
    await rest();
  });

  it('tells of a large queue', async () => {
    const all = await serve();
    for (let i = 0; i < 20_000; i++) all.bench.spool.put([`x${i}@a.example`], { held: 'odd' });
    const answer = await askDaemon(all.path, { do: 'queue' });
    expect(answer?.rows).toHaveLength(20_000);
    expect(await askDaemon(all.path, { do: 'status' })).toMatchObject({
      last: { queued: 20_000, held: 20_000, version: '1', since: 5 },
    });
  });

  it('holds, releases, tries, deletes and returns', async () => {
    const all = await serve();
    const [one, two, three] = [
      await waiting(all, 'x@a.example'),
      await waiting(all, 'y@a.example'),
      await waiting(all, 'z@a.example'),
    ];
    const ask = (request: Record<string, unknown>) => askDaemon(all.path, request).then((answer) => answer?.last);
    expect(await ask({ do: 'hold', ids: [one, two], reason: 'odd' })).toEqual({ ok: true, messages: 2 });
    await expect(ask({ do: 'retry', ids: [one] })).rejects.toThrow(`${one} is held; release it first`);
    expect(await ask({ do: 'release', ids: [one] })).toEqual({ ok: true, messages: 1 });
    await expect(ask({ do: 'release', ids: [one] })).rejects.toThrow(`${one} is not held`);
    expect(await ask({ do: 'retry', ids: [one] })).toEqual({ ok: true, messages: 1 });
    await rest();
    expect(await ask({ do: 'run' })).toEqual({ ok: true, messages: 2 });
    expect(await ask({ do: 'retry', all: true })).toEqual({ ok: true, messages: 2 });
    expect(await ask({ do: 'retry', domain: 'b.example' })).toEqual({ ok: true, messages: 0 });
    await rest();
    expect(await ask({ do: 'delete', ids: [two] })).toEqual({ ok: true, messages: 1 });
    expect(await ask({ do: 'bounce', ids: [three.toLowerCase()] })).toEqual({ ok: true, messages: 1 });
    expect(all.bench.reports.at(-1)?.failed[0]?.reason?.text).toBe('Returned by the administrator');
    expect([...all.bench.spool.kept.keys()]).toEqual([one]);
    expect(all.logged).toEqual([
      { event: 'held', id: one, reason: 'odd' },
      { event: 'held', id: two, reason: 'odd' },
      { event: 'released', id: one },
    ]);
  });

  it('says what is being tried and was left alone', async () => {
    const all = await serve();
    all.host.close();
    const id = await waiting(all, 'x@a.example', 'y@a.example');
    await expect(askDaemon(all.path, { do: 'delete', ids: [id] })).rejects.toThrow(
      `${id}: 2 recipients are being tried at this moment; ask again`,
    );
    all.host.open();
    await rest();
  });

  it('says that the disk is full', async () => {
    const { bench, deps } = setup();
    const { id } = bench.spool.put(['x@a.example']);
    bench.spool.full = true;
    expect(await handleRequest(deps, { do: 'hold', ids: [id] })).toEqual({
      ok: false,
      error: 'queue: No space left on device',
    });
  });

  it('reloads, and gives the statistics', async () => {
    const { path, deps } = await serve();
    expect(await askDaemon(path, { do: 'reload' })).toMatchObject({ last: { faults: ['/etc/mail/access:3: what?'] } });
    expect(await askDaemon(path, { do: 'stats' })).toMatchObject({ last: { statistics: deps.stats } });
  });

  it.each([
    [undefined, /a JSON object/],
    [null, /a JSON object/],
    [7, /a JSON object/],
    [{}, /unknown request "undefined"/],
    [{ do: 'constructor' }, /unknown request "constructor"/],
    [{ do: 'hold' }, /which messages/],
    [{ do: 'hold', ids: [] }, /which messages/],
    [{ do: 'hold', ids: 'ID1' }, /which messages/],
    [{ do: 'delete', ids: ['NONE', 7] }, /not in the queue: NONE, 7; nothing was changed/],
    [{ do: 'retry' }, /which messages/],
  ])('%j is refused', async (request, error) => {
    expect(await handleRequest(setup().deps, request)).toEqual({ ok: false, error: expect.stringMatching(error) });
  });
});

/** All that a client hears until it is `done`, when it hangs up. */
function talk(path: string, say: string, done: (heard: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket: Socket = connect(path, () => socket.write(say));
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      heard += text;
      if (done(heard)) socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(heard));
  });
}

describe('the socket', () => {
  it('answers requests in their order, also those that come in pieces, and nonsense between', async () => {
    const { path } = await serve();
    const heard = await talk(path, '{"do":"stats"}\nnonsense\n{"do":"sta', (text) => {
      if (text.split('\n').length === 3) return true;
      return false;
    });
    const lines = heard.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { ok: boolean }).ok)).toEqual([true, false]);
  });

  it('streams events until the client hangs up', async () => {
    const { path, deps, feed } = await serve();
    let listeners = 0;
    const counted = {
      ...deps,
      feed: {
        ...feed,
        subscribe: (listener: (event: LogEvent) => void) => {
          listeners += 1;
          const stop = feed.subscribe(listener);
          return () => {
            listeners -= 1;
            stop();
          };
        },
      },
    };
    const control = await openControl({ path: `${path}2`, deps: counted });
    closing.push(() => control.close());
    const heard = talk(`${path}2`, '{"do":"events"}\n', (text) => text.includes('two'));
    while (listeners === 0) await rest();
    deps.log.write({ event: 'one', id: 'A' });
    deps.log.write({ event: 'two' });
    expect(
      (await heard)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { time: 0, event: 'one', id: 'A' },
      { time: 0, event: 'two' },
    ]);
    while (listeners > 0) await rest();
  });

  it('is for its owner alone, and goes with the daemon', async () => {
    const path = join(dir, 'control.sock');
    const control = await openControl({ path, deps: setup().deps });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await daemonRuns(path)).toBe(true);
    await control.close();
    expect(() => statSync(path)).toThrow('ENOENT');
    expect(await daemonRuns(path)).toBe(false);
    expect(await askDaemon(path, { do: 'status' })).toBeUndefined();
  });

  it('that a daemon left which was killed is removed, one that answers is not', async () => {
    const path = join(dir, 'control.sock');
    writeFileSync(path, '');
    expect(await askDaemon(path, { do: 'status' })).toBeUndefined();
    const { deps } = await serve(path);
    await expect(openControl({ path, deps })).rejects.toThrow(`another tmail daemon answers at ${path}`);
    expect(await askDaemon(path, { do: 'stats' })).toBeDefined();
  });

  it('lies as deep as it likes', async () => {
    const deep = join(dir, 'x'.repeat(100), 'y'.repeat(100));
    mkdirSync(deep, { recursive: true });
    const { path } = await serve(join(deep, 'control.sock'));
    expect(await askDaemon(path, { do: 'stats' })).toBeDefined();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('that hangs up in the midst is a fault of its own', async () => {
    const path = join(dir, 'rude.sock');
    const server = createServer((socket) => socket.resume().end('{"id":"1"}\n'));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    closing.push(() => new Promise((resolve) => server.close(() => resolve())));
    await expect(askDaemon(path, { do: 'queue' })).rejects.toThrow('hung up');
  });
});
