import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LoggedEvent, readEvent, recipientEvent } from '../../src/daemon/events.ts';
import {
  MessageCollector,
  MessageFinder,
  parseAround,
  parseQuestion,
  type TraceQuestion,
} from '../../src/daemon/trace.ts';
import type { QueueEntry } from '../../src/queue/entry.ts';
import { recipient } from '../queue/fakes.ts';

const NOON = Date.parse('2026-11-25T12:00:00Z');
const at = (minutes: number) => new Date(NOON + minutes * 60_000).toISOString();

/** Two messages, one with a list that goes on by itself and a report; refusals at every command. */
const log: readonly LoggedEvent[] = [
  {
    time: at(0),
    event: 'accepted',
    id: 'A',
    from: 'lee@x.com',
    recipients: ['dl@qq.com', 'team'],
    targets: ['dl@qq.com'],
    for: ['dl@qq.com'],
  },
  {
    time: at(0),
    event: 'split',
    id: 'B',
    of: 'A',
    from: 'owner@here',
    targets: ['anna', 'no@where.org'],
    for: ['team', 'team'],
  },
  { time: at(1), event: 'relayed', id: 'A', to: 'dl@qq.com', mailer: 'esmtp' },
  { time: at(1), event: 'delivered', id: 'B', to: 'anna', for: 'team', mailer: 'local' },
  {
    time: at(2),
    event: 'report',
    id: 'C',
    about: 'B',
    kind: 'failed',
    to: 'owner@here',
    targets: ['owner'],
    for: ['owner@here'],
  },
  { time: at(2), event: 'failed', id: 'B', to: 'no@where.org', for: 'team', mailer: 'esmtp' },
  { time: at(3), event: 'delivered', id: 'C', to: 'owner', mailer: 'local' },
  {
    time: at(100),
    event: 'accepted',
    id: 'D',
    from: 'Lee@X.com',
    recipients: ['anna'],
    targets: ['anna'],
    for: ['anna'],
  },
  { time: at(100), event: 'refused', client: 'mail.x.com [192.0.2.9]', command: 'connect', code: 554, text: 'no' },
  { time: at(101), event: 'refused', client: 'pc [192.0.2.7]', command: 'HELO x', code: 501, text: 'no' },
  {
    time: at(102),
    event: 'refused',
    client: 'pc [192.0.2.7]',
    command: 'MAIL FROM:<lee@x.com> SIZE=7',
    code: 550,
    text: 'no',
  },
  {
    time: at(103),
    event: 'refused',
    client: 'pc [192.0.2.7]',
    from: 'lee@x.com',
    command: 'RCPT TO:<eve@qq.com>',
    code: 550,
    text: 'no',
  },
  {
    time: at(104),
    event: 'refused',
    client: 'pc [192.0.2.7]',
    from: 'lee@x.com',
    recipients: ['anna'],
    command: 'end of message',
    code: 552,
    text: 'no',
  },
  { time: at(105), event: 'table-fault', reason: 'of lee@x.com' },
];

function find(question: TraceQuestion): { ids: string; refused: string[]; nameless: string[] } {
  const finder = new MessageFinder(question);
  for (const logged of log) {
    const line = JSON.stringify(logged);
    const before = finder.ids.size + finder.refusals.length + finder.nameless.length;
    finder.look(logged);
    const found = finder.ids.size + finder.refusals.length + finder.nameless.length > before;
    // What is passed over unread must not have been wanted.
    if (found) expect(finder.mayMatter(line)).toBe(true);
  }
  const commands = (list: readonly LoggedEvent[]) => list.map(({ command }) => String(command).slice(0, 7));
  return { ids: [...finder.ids].join(''), refused: commands(finder.refusals), nameless: commands(finder.nameless) };
}

const question = (words: string, between?: readonly [number, number]): TraceQuestion => {
  const parsed = parseQuestion([words]);
  if (parsed === undefined) throw new Error(words);
  return { ...parsed, between };
};

describe('what is found', () => {
  test.each([
    ['from lee@x.com', 'AD', ['MAIL FR', 'RCPT TO', 'end of ', 'connect'].sort()],
    ['from lee', 'AD', ['MAIL FR', 'RCPT TO', 'end of ']],
    ['from @x.com', 'AD', ['connect', 'MAIL FR', 'RCPT TO', 'end of ']],
    ['from x.com', 'AD', ['connect', 'MAIL FR', 'RCPT TO', 'end of ']],
    ['from com', 'AD', ['connect', 'MAIL FR', 'RCPT TO', 'end of ']],
    ['from 192.0.2.9', '', ['connect']],
    ['to anna', 'BAD', ['end of ']],
    ['to dl@qq.com', 'A', []],
    ['to eve@qq.com', '', ['RCPT TO']],
    ['to lee@x.com', '', []],
    ['<DL@qq.com>', 'A', []],
    ['qq.com', 'A', ['RCPT TO']],
    ['team', 'AB', []],
    ['q.com', '', []],
    ['owner@here', 'BAC', []],
  ])('%s', (words, ids, refused) => {
    const found = find(question(words));
    expect([...found.ids].sort().join('')).toBe([...ids].sort().join(''));
    expect([...found.refused].sort()).toEqual([...refused].sort());
    expect(found.nameless).toEqual([]);
  });

  test('around a time, and then also who was refused before a sender was named', () => {
    const around = (minutes: number) => [NOON + (minutes - 30) * 60_000, NOON + (minutes + 30) * 60_000] as const;
    expect(find(question('from lee@x.com', around(0))).ids).toBe('A');
    const late = find(question('from lee@x.com', around(100)));
    expect(late.ids).toBe('D');
    expect(late.nameless).toEqual(['HELO x']);
    expect(find(question('to eve@qq.com', around(100))).nameless).toEqual([]);
  });
});

describe('what is collected', () => {
  const collect = (...ids: string[]) => {
    const collector = new MessageCollector(ids);
    for (const logged of log) if (collector.mayMatter(JSON.stringify(logged))) collector.add(logged);
    return collector.messages().map(({ id, events }) => `${id} ${events.map(({ event }) => event).join(' ')}`);
  };

  test('all that came of a message', () => {
    expect(collect('A')).toEqual(['A accepted relayed', 'B split delivered report failed', 'C report delivered']);
    expect(collect('D')).toEqual(['D accepted']);
    expect(collect('Z')).toEqual([]);
  });
});

describe('questions', () => {
  test.each([
    [['0MB2K4J7T'], { role: 'id', text: '0MB2K4J7T' }],
    [['0mb2k4j7t'], { role: 'id', text: '0MB2K4J7T' }],
    [['dongliang'], { role: 'any', text: 'dongliang' }],
    [['from', 'Lee@X.com'], { role: 'from', text: 'lee@x.com' }],
    [['from lee'], { role: 'from', text: 'lee' }],
    [['TO', '<lee>'], { role: 'to', text: 'lee' }],
    [['by', 'lee'], undefined],
    [['a', 'b', 'c'], undefined],
    [[], undefined],
    [[''], undefined],
  ])('%j', (words, expected) => {
    expect(parseQuestion(words)).toEqual(expected);
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 25, 10, 0).getTime();
  test.each([
    ['9:00', new Date(2026, 10, 25, 9, 0)],
    ['9', new Date(2026, 10, 25, 9, 0)],
    ['09:05:30', new Date(2026, 10, 25, 9, 5, 30)],
    ['10:15', new Date(2026, 10, 25, 10, 15)],
    ['23:00', new Date(2026, 10, 24, 23, 0)],
    ['2026-11-20 9:00', new Date(2026, 10, 20, 9, 0)],
    ['2026-11-20T23:00', new Date(2026, 10, 20, 23, 0)],
  ])('%s', (text, expected) => {
    expect(parseAround(text, now)).toBe(expected.getTime());
  });

  test.each(['', '25:00', '9:60', 'nine', '2026-13-01 9:00', '2026-02-30 9:00', '9:00 x'])('%j is none', (text) => {
    expect(parseAround(text, now)).toBeUndefined();
  });
});

describe('events', () => {
  const entry: QueueEntry = {
    id: 'A' as QueueEntry['id'],
    sender: 'lee@x.com',
    recipients: [recipient('lee')],
    size: 7,
    received: 1000,
    from: { protocol: 'esmtp', client: '' },
    body: '7bit',
    smtputf8: false,
    requireTls: false,
  };
  const reason = { status: '4.4.1', text: 'refused', host: 'mx' };

  test.each([
    [recipient('x@y', { attempts: 2, reason }), 'deferred', { mailer: 'esmtp', attempts: 2, host: 'mx', delay: 60 }],
    [
      recipient('x@y', { status: 'failed', reason: { status: '4.4.7', text: 'expired' } }),
      'failed',
      { status: '4.4.7', reason: 'expired' },
    ],
    [recipient('x@y', { status: 'failed', notify: ['delay'] }), 'failed', { quiet: true }],
    [recipient('|x', { status: 'delivered', original: 'lee' }), 'delivered', { mailer: 'prog', for: 'lee', to: '|x' }],
    [
      recipient('/x', { status: 'discarded', reason: { status: '2.0.0', text: 'mailertable f:3' } }),
      'discarded',
      { mailer: 'file', rule: 'mailertable f:3' },
    ],
  ])('of a recipient say what it came to', (one, name, fields) => {
    const made = recipientEvent(entry, one, { kind: 'deferred', reason }, undefined, 61_000);
    expect(made).toMatchObject({ event: name, id: 'A', size: 7, ...fields });
  });

  test('are read back, and nothing else is', () => {
    expect(readEvent('{"time":"t","event":"e","id":"A"}')).toEqual({ time: 't', event: 'e', id: 'A' });
    for (const line of [
      '',
      '{',
      '{}',
      '[]',
      'null',
      '{"time":1,"event":"e"}',
      'Nov 25 03:44:00 host tmail[1]: started',
    ]) {
      expect(readEvent(line)).toBeUndefined();
    }
    fc.assert(fc.property(fc.string(), (line) => readEvent(line) === undefined));
  });
});
