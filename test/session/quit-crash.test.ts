/**
 * Crashes and failures at every file operation of a whole session: whatever is left behind, no message that was not
 * deleted is lost, none is half, and no UID means another message than before.
 */
import { describe, expect, test } from 'vitest';
import type { MailboxContext } from '../../src/mailbox/mailbox.ts';
import { locate, openMailbox } from '../../src/mailbox/open.ts';
import type { Services } from '../../src/session/io.ts';
import { runSession } from '../../src/session/run.ts';
import { crashesOf, SimDisk } from '../core/sim-disk.ts';
import { desk } from './letters.ts';

const SPOOL = '/var/mail/lee';
const MBOX = '/home/lee/mbox';
const KEPT = '/home/lee/kept';

/** One of the bodies is longer than what is written in one piece, one looks like a From_ line. */
const BODIES: Readonly<Record<string, string>> = {
  a: 'text of a\n',
  b: 'text of b\n'.repeat(300),
  c: 'the first line\n\n>From here to there\n',
  d: 'text of d\n',
  e: 'text of e\n',
  old: 'an old one\n',
};

function message(id: string, status = ''): string {
  const header = `From: ann@example.org\nSubject: ${id}\nMessage-ID: <${id}@x.example>\n${status}`;
  return `From ann@example.org Mon Mar  2 12:00:00 2026\n${header}\n${BODIES[id]}\n`;
}

function world(ids: readonly string[]): SimDisk {
  const disk = new SimDisk();
  disk.put(SPOOL, ids.map((id) => message(id)).join(''));
  disk.put(MBOX, message('old', 'Status: RO\n'));
  disk.putFolder('/home/lee');
  return disk;
}

function contextOn(disk: SimDisk): MailboxContext {
  return {
    disk,
    locker: { lock: async () => ({ release: () => {} }) },
    stateDir: '/home/lee/state',
    stateDirsOf: () => ['/home/lee/state'],
    now: () => 1_790_000_000_000,
    notify: () => {},
  };
}

/** Runs a session on a disk; answers its exit status. */
async function session(disk: SimDisk, lines: readonly string[], set: readonly string[] = []): Promise<number> {
  const left = [...lines];
  const base = desk({ env: { MAIL: SPOOL, MBOX, HOME: '/home/lee', MAILRC: '/dev/null' } });
  const services: Services = {
    ...base.services,
    disk,
    mailbox: contextOn(disk),
    io: { ...base.services.io, readLine: async () => toBytes(left.shift()) },
  };
  return runSession(services, {
    kind: 'session',
    user: undefined,
    file: undefined,
    list: [],
    json: undefined,
    noHeaders: true,
    readOnly: false,
    noSystemRc: true,
    ignoreInterrupts: false,
    escapes: false,
    verbose: false,
    set,
    from: undefined,
  });
}

function toBytes(line: string | undefined): Uint8Array | undefined {
  return line === undefined ? undefined : Buffer.from(line);
}

interface Found {
  readonly ids: readonly string[];
  readonly uids: ReadonlyMap<string, string>;
}

/** The messages of a mailbox as the next program opens it. Each must be whole. */
async function open(disk: SimDisk, path: string): Promise<Found> {
  if (disk.stat(path) === undefined || disk.stat(path)?.size === 0) return { ids: [], uids: new Map() };
  const context = contextOn(disk);
  const box = await openMailbox(context, locate(context, path));
  const ids: string[] = [];
  const uids = new Map<string, string>();
  for (let slot = 0; slot < box.length; slot++) {
    const text = Buffer.from(box.content(slot)).toString();
    const id = /^Message-ID: <(\w+)@/m.exec(text)?.[1] ?? '?';
    const body = text.slice(text.indexOf('\n\n') + 2);
    expect(`${path}: ${body.trimEnd()}`).toBe(`${path}: ${(BODIES[id] ?? '').trimEnd()}`);
    ids.push(id);
    uids.set(`${box.uidValidity} ${box.info(slot).uid}`, id);
  }
  box.close();
  return { ids, uids };
}

interface Scenario {
  readonly name: string;
  readonly ids: string;
  readonly lines: readonly string[];
  readonly set?: readonly string[];
  readonly deleted: string;
  /** In the end: mailbox, mbox, file. */
  readonly ends: readonly [string, string, string];
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'deletes, moves to the front of mbox, keeps',
    ids: 'a b c d e',
    lines: ['d 1', 'p 2 3', 'q'],
    deleted: 'a',
    ends: ['d e', 'b c old', ''],
  },
  {
    name: 'moves to the end of mbox',
    ids: 'a b c d e',
    lines: ['d 4', 'p 2', 'mbox 5', 'q'],
    set: ['append'],
    deleted: 'd',
    ends: ['a c', 'old b e', ''],
  },
  {
    name: 'saves and quits',
    ids: 'a b c d',
    lines: ['s 1 2 /home/lee/kept', 's 3 /home/lee/kept', 'q'],
    deleted: '',
    ends: ['d', 'old', 'a b c'],
  },
  {
    name: 'empties the mailbox',
    ids: 'a b c',
    lines: ['d 1', 'p 2 3', 'q'],
    set: ['append'],
    deleted: 'a',
    ends: ['', 'old b c', ''],
  },
  {
    name: 'keeps the empty mailbox',
    ids: 'a b',
    lines: ['d *', 'q'],
    set: ['keep'],
    deleted: 'a b',
    ends: ['', 'old', ''],
  },
  {
    name: 'only marks what was read',
    ids: 'a b c',
    lines: ['p 2', 'q'],
    set: ['hold'],
    deleted: '',
    ends: ['a b c', 'old', ''],
  },
];

/** Everything that was not deleted is somewhere, whole; answers all places. */
async function nothingLost(disk: SimDisk, { ids, deleted }: Scenario, before: Found['uids']): Promise<Found[]> {
  const places = [await open(disk, SPOOL), await open(disk, MBOX), await open(disk, KEPT)];
  const everywhere = places.flatMap((place) => place.ids);
  const wanted = ids.split(' ').filter((id) => !deleted.split(' ').includes(id));
  expect(everywhere).toEqual(expect.arrayContaining([...wanted, 'old']));
  for (const [uid, id] of places[0]?.uids ?? []) expect(`${uid} ${before.get(uid) ?? id}`).toBe(`${uid} ${id}`);
  return places;
}

describe('a crash at any operation', () => {
  test.each(SCENARIOS)('$name', async (scenario) => {
    const disk = world(scenario.ids.split(' '));
    const before = (await open(disk, SPOOL)).uids;
    const crashes = await crashesOf(disk, async () => {
      expect(await session(disk, scenario.lines, scenario.set)).toBe(0);
    });
    expect(crashes.length).toBeGreaterThan(3);
    for (const { disk: left, operation } of crashes) {
      await nothingLost(left, scenario, before).catch((error: unknown) => {
        throw new Error(
          `after ${operation.number}: ${operation.text}: ${error instanceof Error ? error.message : error}`,
        );
      });
    }
    // What a session said is done stays done, though nothing more was synced.
    const places = await nothingLost(
      disk.afterCrash(() => 'lost'),
      scenario,
      before,
    );
    expect(places.map(({ ids }) => ids.join(' '))).toEqual(scenario.ends);
  });
});

describe('a failure at any operation', () => {
  test.each(SCENARIOS)('$name', async (scenario) => {
    const calls = await countCalls(scenario);
    const kinds = [
      { code: 'ENOSPC', lasting: false },
      { code: 'EIO', lasting: true },
    ] as const;
    for (const { code, lasting } of kinds) {
      for (let call = 1; call <= calls; call++) {
        const disk = world(scenario.ids.split(' '));
        const before = (await open(disk, SPOOL)).uids;
        disk.failure = { call: disk.calls + call, code, lasting };
        await session(disk, scenario.lines, scenario.set);
        disk.failure = undefined;
        await nothingLost(disk, scenario, before).catch((error: unknown) => {
          const what = `${code} at call ${call}${lasting ? ' and later' : ''}`;
          throw new Error(`${what}: ${error instanceof Error ? error.message : error}`);
        });
      }
    }
  });
});

async function countCalls(scenario: Scenario): Promise<number> {
  const disk = world(scenario.ids.split(' '));
  await open(disk, SPOOL);
  const { calls } = disk;
  await session(disk, scenario.lines, scenario.set);
  return disk.calls - calls;
}
