import { describe, expect, test } from 'vitest';
import { Flag } from '../../src/mailbox/mailbox.ts';
import {
  changesMail,
  changesNothing,
  planQuit,
  type QuitPlan,
  summary,
  withoutMbox,
  withoutTaken,
} from '../../src/session/quit.ts';
import { apply, Mark, type Marks, type Session } from '../../src/session/session.ts';
import { fakeSession } from './fake-box.ts';

/** Where message 1 ends, with the Status it gets there: `stays RO`, `mbox O`, `gone`. */
function fate(session: Session): string {
  const plan = planQuit(session);
  if (plan.gone.includes(0)) return 'gone';
  const flags = plan.flags.get(0) ?? session.box.info(0).flags;
  const status = `${(flags & Flag.read) === 0 ? '' : 'R'}${(flags & Flag.old) === 0 ? '' : 'O'}`;
  return `${plan.toMbox.includes(0) ? 'mbox' : 'stays'} ${status}`;
}

function fates(status: string, marks: Marks, set = ''): string[] {
  return [
    { system: true, set },
    { system: true, set: `hold ${set}` },
    { system: false, set },
  ].map((options) => fate(apply(fakeSession([{ status }], options), [{ slots: [0], set: marks }])));
}

describe('what becomes of a message: system mailbox, with hold, -f FILE', () => {
  const cases: readonly [string, string, Marks, string, readonly [string, string, string]][] = [
    ['new, not touched', '', 0, '', ['stays O', 'stays O', 'stays O']],
    ['unread, not touched', 'O', 0, '', ['stays O', 'stays O', 'stays O']],
    ['read earlier, not touched', 'RO', 0, '', ['stays RO', 'stays RO', 'stays RO']],
    ['read earlier by a program that writes R', 'R', 0, '', ['stays RO', 'stays RO', 'stays RO']],
    ['read this time', '', Mark.read, '', ['mbox RO', 'stays RO', 'stays RO']],
    ['read again', 'RO', Mark.read, '', ['mbox RO', 'stays RO', 'stays RO']],
    ['touched', '', Mark.touched, '', ['mbox O', 'stays O', 'stays O']],
    ['touched, read earlier', 'RO', Mark.touched, '', ['mbox RO', 'stays RO', 'stays RO']],
    ['mboxed, read', '', Mark.mbox | Mark.read, '', ['mbox RO', 'mbox RO', 'stays RO']],
    ['mboxed, unread', '', Mark.mbox, '', ['mbox O', 'mbox O', 'stays O']],
    ['held, read', '', Mark.held | Mark.read, '', ['stays RO', 'stays RO', 'stays RO']],
    ['held, unread', '', Mark.held, '', ['stays O', 'stays O', 'stays O']],
    ['saved', '', Mark.saved, '', ['gone', 'gone', 'stays O']],
    ['saved and read', 'O', Mark.saved | Mark.read, '', ['gone', 'gone', 'stays RO']],
    ['saved, with keepsave', '', Mark.saved, 'keepsave', ['mbox O', 'stays O', 'stays O']],
    ['saved and read, with keepsave', '', Mark.saved | Mark.read, 'keepsave', ['mbox RO', 'stays RO', 'stays RO']],
    ['saved and held', '', Mark.saved | Mark.held, '', ['stays O', 'stays O', 'stays O']],
    ['saved and mboxed', '', Mark.saved | Mark.mbox, '', ['mbox O', 'mbox O', 'stays O']],
    ['deleted', '', Mark.deleted, '', ['gone', 'gone', 'gone']],
    ['deleted and read', 'RO', Mark.deleted | Mark.read, '', ['gone', 'gone', 'gone']],
    ['deleted, with keepsave', '', Mark.deleted, 'keepsave', ['gone', 'gone', 'gone']],
    ['unread again', 'RO', Mark.unread, '', ['stays O', 'stays O', 'stays O']],
    ['unread again, then held', 'RO', Mark.unread | Mark.held, '', ['stays O', 'stays O', 'stays O']],
    ['unread again, then touched', 'RO', Mark.unread | Mark.touched, '', ['mbox O', 'stays O', 'stays O']],
  ];
  test.each(cases)('%s', (_, status, marks, set, expected) => {
    expect(fates(status, marks, set)).toEqual(expected);
  });
});

function planOf(marks: readonly Marks[], set = '', system = true): { session: Session; plan: QuitPlan } {
  const start = fakeSession(
    marks.map(() => ({ status: 'O' })),
    { set, system },
  );
  const session = apply(
    start,
    marks.map((mark, slot) => ({ slots: [slot], set: mark })),
  );
  return { session, plan: planQuit(session) };
}

test('a plan says what it will do in one line', () => {
  const { plan } = planOf([Mark.deleted, Mark.saved, Mark.read, Mark.read, 0, 0, 0]);
  expect(summary({ ...plan, arrived: 2 }, '~/mbox')).toBe('1 deleted, 1 saved, 2 read -> ~/mbox, 3 stay, 2 new kept');
});

test('when mbox cannot be written, what should go there stays, changed as it is', () => {
  const { session, plan } = planOf([Mark.read, Mark.deleted, 0]);
  const edited: Session = { ...session, edited: new Map([[0, Buffer.from('Subject: new\n\n')]]) };
  const kept = withoutMbox(edited, planQuit(edited));
  expect(plan.toMbox).toEqual([0]);
  expect(kept).toMatchObject({ toMbox: [], gone: [1], stay: 2 });
  expect([...kept.replace.keys()]).toEqual([0]);
  expect(kept.flags.get(0)).toBe(Flag.read | Flag.old);
});

test('a session in which nothing was done to old mail changes nothing', () => {
  const { plan } = planOf([0, 0]);
  expect(changesNothing(plan)).toBe(true);
  expect(changesMail(planOf([Mark.read], 'hold').plan)).toBe(false);
  expect(changesNothing(planOf([Mark.read], 'hold').plan)).toBe(false);
});

test('answered and flagged go along', () => {
  const { plan } = planOf([Mark.answered | Mark.read, Mark.flagged, 0], 'hold');
  expect(plan.flags.get(0)).toBe(Flag.read | Flag.old | Flag.answered);
  expect(plan.flags.get(1)).toBe(Flag.old | Flag.flagged);
  expect(plan.flags.has(2)).toBe(false);
});

test('what another program removed, and what came and was not taken in, is left alone', () => {
  const session = apply(fakeSession([{ status: 'O' }, {}, {}]), [{ slots: [0], set: Mark.gone | Mark.deleted }]);
  const plan = planQuit({ ...session, count: 2 });
  expect(plan).toMatchObject({ gone: [], toMbox: [], arrived: 1, stay: 1 });
  expect([...plan.flags.keys()]).toEqual([1]);
});

test('edited messages that stay are replaced; those that go elsewhere are not', () => {
  const { session } = planOf([0, Mark.deleted, Mark.read]);
  const content = Buffer.from('Subject: new\n\n');
  const plan = planQuit({ ...session, edited: new Map([0, 1, 2].map((slot) => [slot, content])) });
  expect([...plan.replace.keys()]).toEqual([0]);
});

test('saved and then made unread it stays; saved once more it goes', () => {
  const { plan } = planOf([Mark.saved | Mark.unread, Mark.saved | Mark.unread | Mark.touched]);
  expect(plan.gone).toEqual([1]);
  expect(plan.toMbox).toEqual([]);
});

test('what others took away is left out of what the end came to', () => {
  const { session, plan } = planOf([Mark.deleted, Mark.saved, Mark.read, Mark.read, 0, 0]);
  const came = withoutTaken(session, plan, new Set([0, 2, 4]));
  expect(summary(came, '~/mbox')).toBe('1 saved, 1 read -> ~/mbox, 1 stays');
});
