import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Disk, realDisk } from '../../src/core/files.ts';
import type { QueueEntry, RecipientState } from '../../src/queue/entry.ts';
import { LARGE, openSpool, type Spool } from '../../src/queue/spool.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'spool-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function open(disk: Disk = realDisk): Spool {
  return openSpool({ disk, dir, now: () => 1_700_000_000_000, later: (run) => setImmediate(run) });
}

function envelope(address = 'lee@far.example'): Omit<QueueEntry, 'id' | 'size'> {
  const one: RecipientState = { address, original: address, status: 'queued', attempts: 0, nextTry: 0, warnings: 0 };
  const from = { protocol: 'esmtp', client: 'pc [192.0.2.1]' } as const;
  return {
    sender: 'dl@example.com',
    recipients: [one],
    received: 1,
    from,
    body: '7bit',
    smtputf8: false,
    requireTls: false,
  };
}

function put(spool: Spool, content: string | Uint8Array, address?: string): Promise<QueueEntry> {
  const incoming = spool.begin();
  incoming.add(Buffer.from(content));
  return spool.commit(incoming, envelope(address));
}

const contentOf = (spool: Spool, entry: QueueEntry) => Buffer.concat([...spool.read(entry.id)]).toString();
const names = () => readdirSync(dir).sort();

describe('spool', () => {
  it('gives back what was committed, also after a restart', async () => {
    const first = open();
    const small = await put(first, 'Subject: one\r\n\r\nhello\r\n');
    const large = await put(first, 'x'.repeat(LARGE + 1));
    const empty = await put(first, '');
    await first.close();
    const second = open();
    expect([...second.entries()]).toEqual([small, large, empty]);
    expect(contentOf(second, small)).toBe('Subject: one\r\n\r\nhello\r\n');
    expect(contentOf(second, large)).toHaveLength(LARGE + 1);
    expect(contentOf(second, empty)).toBe('');
    expect(Buffer.concat([...second.read(small.id, 9)]).toString()).toBe('one\r\n\r\nhello\r\n');
    await second.close();
  });

  it('shares one sync between all commits of a turn', async () => {
    let syncs = 0;
    const counting: Disk = {
      ...realDisk,
      syncLater(fd) {
        syncs += 1;
        return realDisk.syncLater(fd);
      },
    };
    const spool = open(counting);
    await Promise.all(Array.from({ length: 50 }, (_, n) => put(spool, `message ${n}`)));
    expect(syncs).toBe(1);
    await spool.close();
  });

  it('keeps new states and removals', async () => {
    const first = open();
    const kept = await put(first, 'a');
    const gone = await put(first, 'b');
    await first.update({ ...kept, held: 'by hand' });
    await first.remove(gone.id);
    await first.close();
    const second = open();
    expect([...second.entries()]).toEqual([{ ...kept, held: 'by hand' }]);
    await second.close();
  });

  it('never gives an id twice, also when the clock stands still', async () => {
    const first = open();
    const one = await put(first, 'a');
    await first.remove(one.id);
    await first.close();
    const second = open();
    const other = second.begin();
    expect(other.id > one.id).toBe(true);
    await second.close();
  });

  it('cuts a torn tail off: it was not acknowledged', async () => {
    const first = open();
    const whole = await put(first, 'whole');
    await put(first, 'torn');
    await first.close();
    const [name = ''] = names();
    truncateSync(join(dir, name), readFileSync(join(dir, name)).length - 2);
    const second = open();
    expect([...second.entries()]).toEqual([whole]);
    await put(second, 'next');
    await second.close();
    const third = open();
    expect([...third.entries()]).toHaveLength(2);
    await third.close();
  });

  it('takes no record that stands in a message for one of its own', async () => {
    const first = open();
    await put(first, 'before');
    await first.close();
    const own = readFileSync(join(dir, names()[0] ?? ''));
    rmSync(join(dir, names()[0] ?? ''));
    // Whole records of another segment, sent as a message that is torn when the host crashes.
    const second = open();
    await put(second, Buffer.concat([own, Buffer.from('and more')]));
    await second.close();
    const [name = ''] = names();
    truncateSync(join(dir, name), readFileSync(join(dir, name)).length - 2);
    const third = open();
    expect([...third.entries()]).toEqual([]);
    await third.close();
  });

  it('takes a mark with zeros behind it for a torn record', async () => {
    const first = open();
    const whole = await put(first, 'whole');
    await first.close();
    const [name = ''] = names();
    const mark = Buffer.from(/-([0-9a-f]+)\.log$/.exec(name)?.[1] ?? '', 'hex');
    appendFileSync(join(dir, name), Buffer.concat([mark, Buffer.alloc(40)]));
    const second = open();
    expect([...second.entries()]).toEqual([whole]);
    await second.close();
  });

  it('sets damage in the middle aside, says so, and goes on', async () => {
    const first = open();
    const one = await put(first, 'one');
    const two = await put(first, 'two two two');
    const three = await put(first, 'three');
    await first.close();
    const path = join(dir, names()[0] ?? '');
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('two two two') + 4] = 0;
    writeFileSync(path, bytes);
    const second = open();
    expect([...second.entries()]).toEqual([one, three]);
    expect(second.notes.join()).toContain('damaged');
    const [kept = ''] = readdirSync(join(dir, 'damaged'));
    expect(readFileSync(join(dir, 'damaged', kept)).toString()).toContain(two.id);
    await second.close();
  });

  it('holds a message whose large content is missing', async () => {
    const first = open();
    const large = await put(first, 'x'.repeat(LARGE + 1));
    await first.close();
    rmSync(join(dir, `${large.id}.msg`));
    const second = open();
    expect(second.get(large.id)?.held).toContain('missing');
    await second.close();
  });

  it('removes contents that no message names', async () => {
    const first = open();
    const incoming = first.begin();
    incoming.add(Buffer.alloc(LARGE + 1));
    expect(names().some((name) => name.endsWith('.msg'))).toBe(true);
    await first.close();
    await open().close();
    expect(names()).toEqual([]);
  });

  it('discards what a client did not finish', async () => {
    const spool = open();
    const incoming = spool.begin();
    incoming.add(Buffer.alloc(LARGE + 1));
    incoming.discard();
    expect(names()).toEqual([]);
    await spool.close();
  });

  it('does not bring a removed message back when segments go', async () => {
    const first = open();
    const block = 'y'.repeat(LARGE);
    const old = await put(first, 'stays long');
    const removed = await put(first, 'goes');
    for (let n = 0; n < 700; n++) {
      const entry = await put(first, block);
      if (n === 300) await first.remove(removed.id);
      await first.remove(entry.id);
    }
    expect(names().filter((name) => name.endsWith('.log')).length).toBeLessThan(7);
    expect(contentOf(first, old)).toBe('stays long');
    await first.close();
    const second = open();
    expect([...second.entries()].map(({ id }) => id)).toEqual([old.id]);
    expect(contentOf(second, old)).toBe('stays long');
    await second.close();
  });

  it('ignores what is not its own', async () => {
    appendFileSync(join(dir, 'README'), 'nothing of ours');
    const spool = open();
    expect([...spool.entries()]).toEqual([]);
    await spool.close();
  });

  it.each(['write', 'syncLater'] as const)('tells everybody in a turn when %s fails, and goes on', async (call) => {
    let broken = false;
    const disk: Disk = {
      ...realDisk,
      [call](...args: [number, Uint8Array, number]) {
        if (broken) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        return (realDisk[call] as (...all: unknown[]) => unknown)(...args);
      },
    };
    const spool = open(disk);
    const before = await put(spool, 'before');
    broken = true;
    const results = await Promise.allSettled([put(spool, 'one'), put(spool, 'two')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(results[0]).toMatchObject({
      reason: { temporary: true, message: expect.stringContaining('No space left') },
    });
    broken = false;
    const after = await put(spool, 'after');
    expect([...spool.entries()]).toEqual([before, after]);
    await spool.close();
    const second = open();
    expect([...second.entries()]).toEqual([before, after]);
    await second.close();
  });
});
