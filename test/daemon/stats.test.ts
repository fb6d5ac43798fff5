import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { table } from '../../src/cli/mailstats.ts';
import { realDisk } from '../../src/core/files.ts';
import type { LogEvent } from '../../src/core/log.ts';
import { countEvent, emptyStatistics, keepStatistics, readStatistics } from '../../src/daemon/stats.ts';

const dir = mkdtempSync(join(tmpdir(), 'stats-'));
afterAll(() => rmSync(dir, { recursive: true }));

const events: readonly LogEvent[] = [
  { event: 'accepted', id: '1', protocol: 'ESMTP', size: 2000 },
  { event: 'accepted', id: '2', protocol: 'submit', size: 100 },
  { event: 'report', id: '3', about: '1', size: 5000 },
  { event: 'delivered', id: '1', to: 'lee', mailer: 'local', size: 2000 },
  { event: 'delivered', id: '1', to: '/var/archive', mailer: 'file', size: 2000 },
  { event: 'delivered', id: '1', to: '|vacation', mailer: 'prog', size: 2000 },
  { event: 'relayed', id: '2', to: 'dl@qq.com', mailer: 'relay', size: 100 },
  { event: 'relayed', id: '2', to: 'x@163.com', mailer: 'esmtp', size: 100 },
  { event: 'deferred', id: '2', to: 'y@163.com', mailer: 'esmtp', size: 100 },
  { event: 'discarded', id: '4', to: 'lee', rule: 'access' },
  { event: 'refused', client: 'c', command: 'RCPT TO:<x@y>', code: 550, text: 'no' },
  { event: 'refused', client: 'c', command: 'end of message', code: 552, text: 'too big' },
  { event: 'refused', client: 'c', command: 'RCPT TO:<x@y>', code: 451, text: 'later' },
  { event: 'refused', client: 'c', command: 'DATA', code: 503, text: 'need RCPT' },
  { event: 'refused', client: 'c', command: 'MAIKL', code: 500, text: 'what?' },
  { event: 'started' },
];

test('counts by mailer', () => {
  const statistics = emptyStatistics(7);
  const counted = events.filter((event) => countEvent(statistics, event));
  expect(counted).toHaveLength(11);
  const { local, esmtp, relay, prog, file } = statistics.mailers;
  expect(local).toEqual({ messagesFrom: 2, bytesFrom: 5100, messagesTo: 1, bytesTo: 2000, rejected: 0, discarded: 0 });
  expect(esmtp).toEqual({ messagesFrom: 1, bytesFrom: 2000, messagesTo: 1, bytesTo: 100, rejected: 2, discarded: 1 });
  expect([relay.messagesTo, prog.messagesTo, file.messagesTo]).toEqual([1, 1, 1]);
});

test('are printed in the columns of mailstats', () => {
  const statistics = emptyStatistics(Date.parse('2026-11-25T03:44:00'));
  for (const event of events) countEvent(statistics, event);
  expect(table(statistics).split('\n')).toEqual([
    'Statistics from Wed Nov 25 03:44:00 2026',
    ' M   msgsfr  bytes_from   msgsto    bytes_to  msgsrej msgsdis  Mailer',
    ' 0        0          0K        1          2K        0       0  prog',
    ' 1        0          0K        1          2K        0       0  file',
    ' 3        2          5K        1          2K        0       0  local',
    ' 5        1          2K        1          1K        2       1  esmtp',
    ' 8        0          0K        1          1K        0       0  relay',
    '='.repeat(65),
    ' T        3          7K        5          7K        2       1',
    '',
  ]);
});

test('outlive a restart, and are saved a minute after a change', () => {
  const path = join(dir, 'statistics.json');
  const timers: { after: number; run: () => void }[] = [];
  const options = {
    disk: realDisk,
    path,
    now: () => 7,
    after: (after: number, run: () => void) => {
      timers.push({ after, run });
      return () => undefined;
    },
    problem: (error: unknown) => expect.unreachable(String(error)),
  };
  const first = keepStatistics(options);
  first.count({ event: 'started' });
  expect(timers).toEqual([]);
  for (const event of events) first.count(event);
  expect(timers.map(({ after }) => after)).toEqual([60_000]);
  expect(readStatistics(realDisk, path)).toBeUndefined();
  timers[0]?.run();
  expect(readStatistics(realDisk, path)).toEqual(first.statistics);
  for (const event of events) first.count(event);
  first.close();
  const second = keepStatistics(options);
  expect(second.statistics).toEqual(first.statistics);
  expect(second.statistics.mailers.local.messagesFrom).toBe(4);
  const before = readFileSync(path, 'utf8');
  second.close();
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test.each(['', '{', 'null', '[]', '{"mailers":{"local":{"messagesFrom":"x"}}}', '{"mailers":3}'])(
  'a file with %j in it costs the counts, not the daemon',
  (text) => {
    const path = join(dir, 'damaged.json');
    writeFileSync(path, text);
    expect(readStatistics(realDisk, path)?.mailers.local.messagesFrom ?? 0).toBe(0);
  },
);
