/**
 * What is typed, and where the messages are after it: one row a rule, for rules that need no look at what is printed.
 * `a:RO` is a message with that Status; lines are parted by ` ; `. What is not named in a row is as it was before: the
 * mailbox as given, no mbox.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runSession } from '../../src/session/run.ts';
import { desk } from '../session/letters.ts';

const SENDERS: Readonly<Record<string, string>> = { l: 'Lee Wong <LEE@x.example>', b: 'bob@y.example' };
const SUBJECTS: Readonly<Record<string, string>> = { s: 'Big LUNCH offer', l: 'to:zeb' };

function message(text: string): string {
  const [id = '', status] = text.split(':');
  const kind = id[0] ?? '';
  const fields = [
    `From: ${SENDERS[kind] ?? 'ann@example.org'}`,
    `Subject: ${SUBJECTS[kind] ?? `about ${id}`}`,
    `Message-ID: <${id}@x>`,
    ...(status === undefined ? [] : [`Status: ${status}`]),
  ];
  return `From ann@example.org Mon Mar  2 12:00:00 2026\n${fields.join('\n')}\n\ntext of ${id}\n\n`;
}

/** `a:RO b` for what lies in a mailbox; with `plain` without Status. */
function contents(path: string, plain: boolean): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return '';
  }
  return text
    .split(/^(?=From )/m)
    .filter((part) => part !== '')
    .map((part) => {
      const id = /^Message-ID: <(\w+)@/m.exec(part)?.[1] ?? '?';
      const status = /^Status: *(\w*)/m.exec(part)?.[1];
      return plain || status === undefined ? id : `${id}:${status}`;
    })
    .join(' ');
}

interface Row {
  readonly box: string;
  readonly typed: string;
  readonly set?: string;
  readonly file?: boolean;
}

async function play({ box, typed, set = '', file = false }: Row) {
  const at = desk({ lines: [...(set === '' ? [] : [`set ${set}`]), ...typed.split(' ; ')] });
  const spool = join(at.home, 'spool');
  const mbox = join(at.home, 'mbox');
  mkdirSync(join(at.home, 'Mail'));
  writeFileSync(spool, box.split(' ').map(message).join(''));
  const env = { ...at.services.env, HOME: at.home, MAIL: spool, MBOX: mbox };
  const status = await runSession(
    { ...at.services, env },
    {
      kind: 'session',
      user: undefined,
      file: file ? spool : undefined,
      list: [],
      json: undefined,
      noHeaders: true,
      readOnly: false,
      noSystemRc: true,
      ignoreInterrupts: false,
      escapes: false,
      verbose: false,
      set: ['folder=Mail'],
      from: undefined,
    },
  );
  return { ...at, status, spool, mbox };
}

const NINE = 'm1 m2 m3 m4 m5 m6 m7 m8 m9';

/** List of `d`, and what it leaves of the box. */
const LISTS: readonly [string, string, string][] = [
  [NINE, 'd1', 'm2 m3 m4 m5 m6 m7 m8 m9'],
  [NINE, 'd 1 3-4,9', 'm2 m5 m6 m7 m8'],
  [NINE, 'd3-4 ; d$ ; d^', 'm2 m5 m6 m7 m8'],
  [NINE, 'f 4 ; d .-$', 'm1 m2 m3'],
  [NINE, 'f 4 ; d ^-.', 'm5 m6 m7 m8 m9'],
  [NINE, 'f 4 ; d + -', 'm1 m2 m4 m6 m7 m8 m9'],
  [NINE, 'f 7 ; d +-$', 'm1 m2 m3 m4 m5 m6 m7'],
  [NINE, 'd 2 ; d 2-4', 'm1 m5 m6 m7 m8 m9'],
  [NINE, 'd *', ''],
  [NINE, 'd 2-8 ; d *', ''],
  [NINE, 'f 2 ; d ; d ; d', 'm1 m5 m6 m7 m8 m9'],
  [NINE, 'd 9 ; d', 'm1 m2 m3 m4 m5 m6 m7'],
  ['a b:O c:RO d', 'd :n', 'b c'],
  ['a b:O c:RO d', 'd :o', 'a d'],
  ['a b:O c:RO d', 'd :u', 'c'],
  ['a b:O c:RO d', 'd :r', 'a b d'],
  ['a b:O c:RO d', 'd :nr', 'b'],
  ['a b:O c:RO d', 'd :n :r', 'b'],
  ['a b:O c:RO d', 'd * :r', 'a b d'],
  ['a b:O c:RO d', 'd 1-3 :u', 'c d'],
  ['l1 b1 a1', 'd lee', 'b1 a1'],
  ['l1 b1 a1', 'd @Y.EXAMPLE', 'l1 a1'],
  ['l1 b1 a1', 'd lee bob', 'a1'],
  ['l1 b1 a1', 'd wong', 'l1 b1 a1'],
  ['l1 b1 l2', 'd 1-2 lee', 'b1 l2'],
  ['l1 b1 l2:RO', 'd lee :r', 'l1 b1'],
  ['s1 a1 s2', 'd /lunch', 'a1'],
  ['s1 a1 s2', 'd "/big lunch"', 'a1'],
  ['s1 a1 s2', 'd 1-2 /LUNCH', 'a1 s2'],
  ['l1 a1', 'd /to:zeb', 'a1'],
  ['l1 a1', 'set searchheaders ; d /to:zeb', 'l1 a1'],
  ['l1 a1', 'set searchheaders ; d /from:lee', 'a1'],
  // Refused: nothing is done.
  ...[
    '3-1',
    '0',
    '10',
    '1 10',
    '1-10',
    '0-2',
    '1-',
    '1--2',
    '*5',
    '1-2-3',
    ':x',
    ':',
    '/',
    '$-1',
    'zebedee',
    '2x-',
  ].map((list): [string, string, string] => [NINE, `d ${list}`, NINE]),
  [NINE, 'd 99999999999999999999 ; d 1-18446744073709551617', NINE],
  // undelete goes by the deleted ones.
  [NINE, 'set hold ; d 2-6 ; u ^ $ ; u 4', 'm1 m2 m4 m6 m7 m8 m9'],
  [NINE, 'set hold ; d * ; u * ; d 1', 'm2 m3 m4 m5 m6 m7 m8 m9'],
  [NINE, 'set hold ; d 2 3 ; u :d ; d 1', 'm2 m3 m4 m5 m6 m7 m8 m9'],
  [NINE, 'set hold ; f 2 ; d ; u', NINE],
  [NINE, 'set hold ; d 9 ; u', NINE],
  [NINE, 'd 1 ; u 2', 'm2 m3 m4 m5 m6 m7 m8 m9'],
];

describe('lists', () => {
  test.each(LISTS)('%s: %s leaves %s', async (box, typed, left) => {
    const { spool, mbox } = await play({ box, typed });
    expect(contents(spool, true)).toBe(left);
    expect(contents(mbox, true)).toBe('');
  });
});

const ALL = 'p 1 ; touch 2 ; mbox 3 ; hold 4 ; s 5 +k5 ; w 6 +k6 ; c 7 +k7 ; d 8';

/** Box, what is typed, variables, then mailbox and mbox at the end. */
const FATES: readonly [string, string, string, string, string][] = [
  [NINE, ALL, '', 'm4:O m9:O', 'm1:RO m2:O m3:O m7:RO'],
  [NINE, ALL, 'hold', 'm1:RO m2:O m4:O m7:RO m9:O', 'm3:O'],
  [NINE, ALL, 'keepsave', 'm4:O m9:O', 'm1:RO m2:O m3:O m5:O m6:O m7:RO'],
  [NINE, ALL, 'keepsave hold', 'm1:RO m2:O m4:O m5:O m6:O m7:RO m9:O', 'm3:O'],
  [NINE, `${ALL} ; x`, '', NINE, ''],
  ['a:RO b:O c', 'f * ; h ; si * ; = ; z ; file', '', 'a:RO b:O c:O', ''],
  ['a:RO b:O c', 'p *', '', '', 'a:RO b:RO c:RO'],
  ['a:RO b c', 'p * ; U 1-2', '', 'a:O b:O', 'c:RO'],
  ['a b', 'touch 1 ; U 1', '', 'a:O b:O', ''],
  ['a b', 'U 1 ; p 1', '', 'b:O', 'a:RO'],
  ['a b', 's 1 +k ; U 1', '', 'a:O b:O', ''],
  ['a b', 's 1 +k ; U 1 ; s 1 +k', '', 'b:O', ''],
  // The last of hold, mbox, delete and undelete counts; hold beats saved, nothing beats delete.
  ['a b c', 'hold 1 ; mbox 1 ; mbox 2 ; hold 2', '', 'b:O c:O', 'a:O'],
  ['a b c', 'hold 1 ; d 1 ; mbox 2 ; d 2', '', 'c:O', ''],
  ['a b c', 'hold 1 ; d 1 ; u 1', '', 'b:O c:O', 'a:RO'],
  ['a b c', 'd 1 ; hold 1', '', 'b:O c:O', ''],
  ['a b c', 's 1 +k ; hold 1 ; hold 2 ; s 2 +k', '', 'a:O b:O c:O', ''],
  ['a b c', 's 1 +k ; d 1 ; u 1', '', 'b:O c:O', 'a:RO'],
  ['a b c', 'p 3 ; p 1', 'append', 'b:O', 'a:RO c:RO'],
];

describe('fates', () => {
  test.each(FATES)('%s: %s with %s', async (box, typed, set, left, moved) => {
    const { spool, mbox, status } = await play({ box, typed, set });
    expect([contents(spool, false), contents(mbox, false), status]).toEqual([left, moved, 0]);
  });

  test.each([ALL, `${ALL} ; keepsave`])('-f FILE: %s', async (typed) => {
    const { spool, mbox } = await play({ box: NINE, typed, file: true });
    expect(contents(spool, false)).toBe('m1:RO m2:O m3:O m4:O m5:O m6:O m7:RO m9:O');
    expect(contents(mbox, false)).toBe('');
  });
});

/** Commands, and what `=` says then. */
const CURRENT: readonly [string, string, string][] = [
  ['a:RO b:O c', '=', '3'],
  ['a:RO b:O c:RO', '=', '2'],
  ['a:RO b:RO', '=', '1'],
  [NINE, 'p 4 ; =', '4'],
  [NINE, 'f 2 5 ; =', '5'],
  [NINE, 'set screen=3 ; h 5 ; =', '5'],
  [NINE, 'set screen=3 ; z ; =', '4'],
  [NINE, 'set screen=3 ; z ; z - ; =', '1'],
  [NINE, 'd 5 ; =', '6'],
  [NINE, 'd 9 ; =', '8'],
  [NINE, 'p 4 ; d 1 ; =', '2'],
  [NINE, 'd 3 ; u 3 ; =', '3'],
  [NINE, 'p 3 1 ; =', '3'],
];

describe('the current message', () => {
  test.each(CURRENT)('%s: %s', async (box, typed, number) => {
    const { out } = await play({ box, typed: `${typed} ; x` });
    expect(out.at(-1)).toBe(number);
  });
});
