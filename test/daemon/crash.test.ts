/**
 * Crashes and failures at every file operation between the first octet of a message and its end: what was acknowledged is
 * delivered, passed on or returned, at most twice when the crash fell between the deed and its record, and never half.
 */
import { describe, expect, it } from 'vitest';
import { LARGE } from '../../src/queue/spool.ts';
import { crashStates, type Failure, randomFrom, SimDisk } from '../core/sim-disk.ts';
import { BOX, type MailHost, openMailHost, SENDERS_BOX } from './mail-host.ts';

interface Letter {
  readonly subject: string;
  readonly to: readonly string[];
  readonly body: string;
}

const LETTERS: readonly Letter[] = [
  { subject: 'one', to: ['lee'], body: 'first\r\n' },
  { subject: 'two', to: ['lee', 'far@away.example'], body: 'From here\r\n' },
  { subject: 'three', to: ['gone@away.example'], body: 'never arrives\r\n' },
  {
    subject: 'large',
    to: ['lee', 'far@away.example'],
    body: `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(LARGE / 72) + 1),
  },
];

function newDisk(): SimDisk {
  const disk = new SimDisk();
  disk.putFolder('/var/mail');
  disk.putFolder('/state');
  return disk;
}

/** Sends all letters at once; tells `note` of each that was acknowledged. The replies. */
async function scenario(host: MailHost, letters: readonly Letter[], note: (letter: Letter) => void): Promise<string[]> {
  const replies = await Promise.all(
    letters.map(async (letter) => {
      const content = `Subject: ${letter.subject}\r\n\r\n${letter.body}`;
      const reply = await host.send({ from: 'ann@host.example', to: letter.to, content });
      if (reply.startsWith('250 2.0.0')) note(letter);
      return reply;
    }),
  );
  await host.settle();
  return replies;
}

interface Moment {
  readonly what: string;
  readonly disk: SimDisk;
  /** Subjects of letters acknowledged before. */
  readonly acknowledged: ReadonlySet<string>;
  readonly taken: readonly string[];
}

/** Every disk that a crash at any time may leave, with what the world had been told by then. */
async function moments(letters: readonly Letter[], seed: number, count: number): Promise<Moment[]> {
  const disk = newDisk();
  const random = randomFrom(seed);
  const found = new Map<string, Moment>();
  const acknowledged = new Set<string>();
  const taken: string[] = [];
  const collect = (what: string) => {
    for (const state of crashStates(disk, random, count)) {
      const key = `${[...acknowledged]} ${taken} ${state.fingerprint()}`;
      if (!found.has(key))
        found.set(key, { what, disk: state, acknowledged: new Set(acknowledged), taken: [...taken] });
    }
  };
  disk.after = ({ number, text }) => collect(`${number} ${text}`);
  const host = openMailHost(disk, taken);
  await scenario(host, letters, ({ subject }) => {
    acknowledged.add(subject);
    collect(`250 for ${subject}`);
  });
  disk.after = undefined;
  expect(host.problems).toEqual([]);
  return [...found.values()];
}

function messagesIn(disk: SimDisk, path: string): string[] {
  return (disk.text(path) ?? '').split(/^(?=From \S+ \w{3} \w{3} )/m).filter((one) => one !== '');
}

/** What must hold once all has come to rest. */
function check(disk: SimDisk, letters: readonly Letter[], { what, acknowledged, taken }: Omit<Moment, 'disk'>): void {
  const inBox = messagesIn(disk, BOX);
  const reports = messagesIn(disk, SENDERS_BOX);
  for (const message of [...inBox, ...reports]) expect(message.endsWith('\n\n'), `${what}: half a message`).toBe(true);
  for (const { subject, to, body } of letters) {
    const least = acknowledged.has(subject) ? 1 : 0;
    const counts = {
      lee: inBox.filter((one) => one.includes(`\nSubject: ${subject}\n`)),
      'far@away.example': taken.filter((one) => one === subject),
      'gone@away.example': reports.filter((one) => one.includes(`\nSubject: ${subject}\n`)),
    };
    for (const [address, copies] of Object.entries(counts)) {
      const wanted = to.includes(address);
      const told = `${what}: ${subject} for ${address}`;
      expect(copies.length, told).toBeGreaterThanOrEqual(wanted ? least : 0);
      expect(copies.length, told).toBeLessThanOrEqual(wanted ? 2 : 0);
    }
    const text = body.replaceAll('\r\n', '\n').replace(/^From /, '>From ');
    for (const message of counts.lee)
      expect(message.endsWith(`\n\n${text}\n`), `${what}: ${subject} is changed`).toBe(true);
  }
}

/** Opens what the crash left and lets it come to its end. */
async function restart(moment: Moment, letters: readonly Letter[]): Promise<void> {
  const taken = [...moment.taken];
  const host = openMailHost(moment.disk, taken);
  host.runner.wake();
  await host.settle();
  expect([...host.spool.entries()], moment.what).toEqual([]);
  expect(host.problems, moment.what).toEqual([]);
  check(moment.disk, letters, { ...moment, taken });
}

describe('a crash at any operation', () => {
  it('loses nothing that was acknowledged', async () => {
    const letters = LETTERS.slice(0, 3);
    const all = await moments(letters, 1, 6);
    expect(all.length).toBeGreaterThan(200);
    for (const moment of all) await restart(moment, letters);
  });

  it('nor large messages, which have files of their own', async () => {
    const letters = LETTERS.slice(3);
    for (const moment of await moments(letters, 2, 2)) await restart(moment, letters);
  });

  it('nor when the next one falls into what follows', async () => {
    const letters = LETTERS.slice(0, 3);
    const all = await moments(letters, 3, 2);
    const random = randomFrom(4);
    for (const [index, moment] of all.entries()) {
      if (index % 16 !== 0) continue;
      const later: Moment[] = [];
      const taken = [...moment.taken];
      const before = moment.disk;
      before.after = ({ text }) => {
        const states = crashStates(before, random, 0);
        const state = states[Math.floor(random() * states.length)];
        if (state !== undefined)
          later.push({ ...moment, what: `${moment.what}, then ${text}`, disk: state, taken: [...taken] });
      };
      const host = openMailHost(before, taken);
      host.runner.wake();
      await host.settle();
      before.after = undefined;
      for (const second of later) {
        const third = openMailHost(second.disk, [...second.taken]);
        third.runner.wake();
        await third.settle();
        expect([...third.spool.entries()], second.what).toEqual([]);
        // Two crashes may mean two copies too many.
        for (const { subject, to } of letters) {
          if (!moment.acknowledged.has(subject) || !to.includes('lee')) continue;
          const copies = messagesIn(second.disk, BOX).filter((one) => one.includes(`\nSubject: ${subject}\n`));
          expect(copies.length, second.what).toBeGreaterThanOrEqual(1);
          expect(copies.length, second.what).toBeLessThanOrEqual(3);
        }
      }
    }
  });
});

describe('a disk that fails', () => {
  const CODES: readonly Failure['code'][] = ['ENOSPC', 'EIO', 'EMFILE'];

  it.each(CODES)('with %s at any operation answers 4xx, loses nothing, and goes on', async (code) => {
    const letters = LETTERS.slice(0, 3);
    const probe = newDisk();
    await scenario(openMailHost(probe), letters, () => undefined);
    for (const lasting of [false, true]) {
      for (let call = 1; call <= probe.calls; call++) {
        const what = `${code} at ${call}${lasting ? ' and after' : ''}`;
        const disk = newDisk();
        disk.failure = { call, code, lasting };
        let host: MailHost;
        try {
          host = openMailHost(disk);
        } catch {
          // A queue that cannot be opened takes nothing.
          continue;
        }
        const acknowledged = new Set<string>();
        const replies = await scenario(host, letters, ({ subject }) => acknowledged.add(subject));
        for (const reply of replies) expect(reply, what).toMatch(/^(250 2\.0\.0|45[12] 4\.3\.[01]) /);
        disk.failure = undefined;
        const more: Letter = { subject: 'after', to: ['lee'], body: 'goes on\r\n' };
        const [reply] = await scenario(host, [more], ({ subject }) => acknowledged.add(subject));
        expect(reply, what).toMatch(/^250 2\.0\.0 /);
        await retryAll(host);
        expect([...host.spool.entries()], what).toEqual([]);
        check(disk, [...letters, more], { what, acknowledged, taken: host.taken });
      }
    }
  });

  it('and is full says so, and takes mail again when there is room', async () => {
    const disk = newDisk();
    const host = openMailHost(disk);
    disk.capacity = 64 * 1024;
    const big: Letter = { subject: 'big', to: ['lee'], body: `${'x'.repeat(70)}\r\n`.repeat(1200) };
    const [refused] = await scenario(host, [big], () => undefined);
    expect(refused).toMatch(/^452 4\.3\.1 /);
    disk.capacity = Number.POSITIVE_INFINITY;
    const [taken] = await scenario(host, [big], () => undefined);
    expect(taken).toMatch(/^250 2\.0\.0 /);
    expect(messagesIn(disk, BOX)).toHaveLength(1);
  });
});

/** Tries all that was deferred by the failure, as a later time would. */
async function retryAll(host: MailHost): Promise<void> {
  for (let round = 0; round < 5; round++) {
    for (const entry of [...host.spool.entries()]) {
      const recipients = entry.recipients.map((one) => ({ ...one, nextTry: 0 }));
      await host.spool.update({ ...entry, recipients });
    }
    host.tick();
    host.runner.wake();
    await host.settle();
  }
}
