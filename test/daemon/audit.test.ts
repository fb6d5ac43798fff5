import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Audit, type AuditResult } from '../../src/daemon/audit.ts';
import type { LoggedEvent } from '../../src/daemon/events.ts';

/** One event a word: `A1 lee,dl` accepts, `D1 lee` delivers, `R2 1 lee` reports, `S` starts, and so on. */
function eventOf(line: string): LoggedEvent {
  const [head = '', ...rest] = line.split(' ');
  const id = head.slice(1);
  const time = '2026-11-25T03:44:00.000Z';
  const list = (text = '') => text.split(',').filter(Boolean);
  const [first = '', second = ''] = rest;
  const last = (event: string): LoggedEvent => ({ time, event, id, to: first, mailer: 'local', rule: 'a rule' });
  switch (head[0]) {
    case 'A':
      return {
        time,
        event: 'accepted',
        id,
        recipients: list(first),
        targets: list(second || first),
        for: list(second || first),
        merged: list(rest[2]),
      };
    case 'P':
      return { time, event: 'split', id, of: first, targets: list(second), for: list(rest[2]) };
    case 'R':
      return { time, event: 'report', id, about: first, kind: 'failed', targets: list(second), for: list(second) };
    case 'D':
      return last('delivered');
    case 'L':
      return last('relayed');
    case 'W':
      return last('deferred');
    case 'F':
      return { ...last('failed'), ...(second === 'quiet' ? { quiet: true } : {}) };
    case 'X':
      return { time, event: 'discarded', id, to: first, ...(second === '' ? {} : { rule: second }) };
    case 'N':
      return { time, event: 'lost-report', id };
    case 'S':
      return { time, event: 'started' };
    default:
      throw new Error(line);
  }
}

function audit(lines: readonly string[], queue: Readonly<Record<string, readonly string[]>> = {}): AuditResult {
  const state = new Audit();
  for (const line of lines) {
    if (line === 'seen') state.queueSeen();
    else state.add(eventOf(line));
  }
  return state.finish(new Map(Object.entries(queue)));
}

const faults = (result: AuditResult) => result.faults.map(({ fault, id, to }) => `${fault} ${id} ${to}`);

const cases: readonly [what: string, lines: readonly string[], queue: Record<string, string[]>, found: string[]][] = [
  ['delivered and relayed', ['A1 lee,dl@qq.com', 'D1 lee', 'L1 dl@qq.com'], {}, []],
  ['waiting', ['A1 lee,dl@qq.com', 'D1 lee', 'W1 dl@qq.com'], { 1: ['dl@qq.com'] }, []],
  ['gone', ['A1 lee,dl@qq.com', 'D1 lee'], {}, ['lost 1 dl@qq.com']],
  ['gone, another in its place', ['A1 lee,dl'], { 1: ['lee'] }, ['lost 1 dl']],
  ['two of the same, one gone', ['A1 |x,|x', 'D1 |x'], {}, ['lost 1 |x']],
  ['failed and reported', ['A1 lee', 'R2 1 dl', 'F1 lee', 'D2 dl'], {}, []],
  ['failed and reported, the log says it later', ['A1 lee', 'F1 lee', 'R2 1 dl', 'D2 dl'], {}, []],
  ['failed, and nobody told', ['A1 lee', 'F1 lee'], {}, ['unreported 1 lee']],
  ['failed, and nobody wanted to know', ['A1 lee', 'F1 lee quiet'], {}, []],
  ['failed, and nobody left to tell', ['A1 lee', 'N1', 'F1 lee'], {}, []],
  ['a report that is lost', ['A1 lee', 'R2 1 dl', 'F1 lee'], {}, ['lost 2 dl']],
  ['delivered twice', ['A1 lee', 'D1 lee', 'D1 lee'], {}, ['twice 1 lee']],
  ['delivered twice over a crash', ['A1 lee', 'D1 lee', 'S', 'D1 lee'], {}, []],
  ['three times over one crash', ['A1 lee', 'D1 lee', 'S', 'D1 lee', 'D1 lee'], {}, ['twice 1 lee']],
  ['twice while another waits', ['A1 lee,dl', 'D1 lee', 'D1 lee'], { 1: ['dl'] }, ['twice 1 lee']],
  ['twice over a crash while another waits', ['A1 lee,dl', 'D1 lee', 'S', 'D1 lee'], { 1: ['dl'] }, []],
  ['discarded by a rule as it came in', ['A1 lee,spam dl', 'X1 spam access:3'], { 1: ['dl'] }, ['untold 1 lee']],
  ['discarded by no rule', ['A1 lee', 'X1 lee'], { 1: ['lee'] }, ['unnamed 1 lee']],
  ['a list that goes on by itself', ['A1 lee,team lee', 'P2 1 dl,x team,team', 'D1 lee', 'D2 dl', 'L2 x'], {}, []],
  ['a list of which nothing came', ['A1 lee,team lee', 'D1 lee'], {}, ['untold 1 team']],
  ['one who stands for another', ['A1 lee,root lee root', 'D1 lee'], {}, []],
  ['what the log does not know', ['D9 lee', 'S'], { 8: ['dl'] }, []],
  ['an outcome that stands before', ['D1 lee', 'A1 lee'], {}, []],
  ['both outcomes before', ['D1 lee', 'D1 lee', 'A1 lee'], {}, ['twice 1 lee']],
  ['what came in after the queue was read', ['seen', 'A1 lee'], {}, []],
  ['what left after the queue was read', ['A1 lee', 'seen', 'D1 lee'], {}, []],
];

test.each(cases)('%s', (_what, lines, queue, found) => {
  expect(faults(audit(lines, queue))).toEqual(found);
});

test('counts', () => {
  const lines = ['D7 x', 'A1 lee,dl,x,y', 'D1 lee', 'S', 'D1 lee', 'L1 dl', 'R2 1 me', 'F1 x', 'A3 spam', 'X3 spam r'];
  expect(audit(lines, { 1: ['y'], 2: ['me'], 3: ['spam'], 9: ['z'] })).toMatchObject({
    faults: [],
    since: '2026-11-25T03:44:00.000Z',
    messages: 3,
    targets: 6,
    delivered: 1,
    relayed: 1,
    failed: 1,
    discarded: 1,
    queued: 4,
    repeated: 1,
    unknown: 1,
    unlogged: 1,
  });
});

test('whatever is left out of a life without faults, is missed', () => {
  const life = ['A1 lee,dl,x', 'D1 lee', 'L1 dl', 'R2 1 me', 'F1 x', 'D2 me', 'A3 a', 'D3 a'];
  expect(audit(life).faults).toEqual([]);
  const needed = life.filter((line) => line[0] !== 'A');
  fc.assert(
    fc.property(fc.constantFrom(...needed), (missing) => {
      expect(audit(life.filter((line) => line !== missing)).faults.length).toBeGreaterThan(0);
    }),
  );
});
