import { describe, expect, it } from 'vitest';
import type { Notify, QueueEntry, QueueId, RecipientState } from '../../src/queue/entry.ts';
import { isDone, nextTry } from '../../src/queue/entry.ts';
import { afterAttempt, backOff, DAY, DEFAULT_SCHEDULE, HOUR, MINUTE, type Outcome } from '../../src/queue/schedule.ts';

const reason = { status: '4.4.1', text: 'Connection refused' };
const later: Outcome = { kind: 'deferred', reason };
const never: Outcome = { kind: 'failed', reason: { status: '5.1.1', text: 'User unknown' } };
const taken: Outcome = { kind: 'relayed', reason: { status: '2.0.0', text: '250 OK' }, reports: false };
const passedOn: Outcome = { ...taken, reports: true };

function recipient(changes: Partial<RecipientState> = {}): RecipientState {
  const address = 'lee@far.example';
  return { address, original: address, status: 'queued', attempts: 0, nextTry: 0, warnings: 0, ...changes };
}

function entryOf(...recipients: RecipientState[]): QueueEntry {
  const id = 'A1' as QueueId;
  const from = { protocol: 'esmtp', client: 'pc [192.0.2.1]' } as const;
  return {
    id,
    sender: 'dl@example.com',
    recipients,
    size: 10,
    received: 0,
    from,
    body: '7bit',
    smtputf8: false,
    requireTls: false,
  };
}

describe('back-off', () => {
  it('doubles from a minute to the interval', () => {
    expect([1, 2, 3, 7, 99].map((n) => backOff(n, HOUR) / MINUTE)).toEqual([1, 2, 4, 60, 60]);
  });
});

describe('after an attempt', () => {
  it('keeps a deferred recipient for later, with the reason', () => {
    const { entry, reports } = afterAttempt(entryOf(recipient()), new Map([[0, later]]), MINUTE, DEFAULT_SCHEDULE);
    expect(entry.recipients[0]).toMatchObject({ status: 'queued', attempts: 1, nextTry: 2 * MINUTE, reason });
    expect(reports).toEqual({ delayed: [], failed: [], succeeded: [] });
    expect(nextTry(entry)).toBe(2 * MINUTE);
  });

  it('warns once for each limit that has passed', () => {
    const schedule = { ...DEFAULT_SCHEDULE, warnAfter: [5 * MINUTE, 4 * HOUR] };
    const first = afterAttempt(entryOf(recipient()), new Map([[0, later]]), 6 * MINUTE, schedule);
    expect(first.reports.delayed).toHaveLength(1);
    const again = afterAttempt(first.entry, new Map([[0, later]]), HOUR, schedule);
    expect(again.reports.delayed).toHaveLength(0);
    const second = afterAttempt(again.entry, new Map([[0, later]]), 5 * HOUR, schedule);
    expect(second.reports.delayed).toHaveLength(1);
    expect(second.entry.recipients[0]?.warnings).toBe(2);
  });

  it('gives up after the return time, naming the last reason', () => {
    const { entry, reports } = afterAttempt(entryOf(recipient()), new Map([[0, later]]), 5 * DAY, DEFAULT_SCHEDULE);
    expect(reports.failed[0]?.reason).toEqual({
      status: '4.4.7',
      text: 'Delivery time expired; last: Connection refused',
    });
    expect(isDone(entry)).toBe(true);
  });

  it('leaves those alone that were not tried', () => {
    const two = entryOf(recipient(), recipient({ address: 'dl@far.example', nextTry: 7 }));
    const { entry } = afterAttempt(two, new Map([[0, taken]]), 1, DEFAULT_SCHEDULE);
    expect(entry.recipients.map(({ status }) => status)).toEqual(['relayed', 'queued']);
    expect(isDone(entry)).toBe(false);
    expect(nextTry(entry)).toBe(7);
  });

  const wishes: [Notify[] | undefined, Outcome, number, string[]][] = [
    [undefined, never, 0, ['failed']],
    [undefined, taken, 0, []],
    [undefined, later, 4 * HOUR, ['delayed']],
    [[], never, 0, []],
    [[], later, 5 * HOUR, []],
    [['success'], taken, 0, ['succeeded']],
    [['success'], passedOn, 0, []],
    [['success'], never, 0, []],
    [['failure'], later, 5 * HOUR, []],
    [['failure', 'delay'], later, 5 * HOUR, ['delayed']],
  ];
  it.each(wishes)('NOTIFY=%s and %j at %i', (notify, outcome, now, wanted) => {
    const one = recipient(notify === undefined ? {} : { notify });
    const { reports } = afterAttempt(entryOf(one), new Map([[0, outcome]]), now, DEFAULT_SCHEDULE);
    const got = Object.entries(reports).flatMap(([name, list]) => (list.length > 0 ? [name] : []));
    expect(got).toEqual(wanted);
  });
});
