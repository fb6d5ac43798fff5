/**
 * The same session in tmail, bsd-mailx and s-nail, on the same mailboxes: afterwards the system mailbox and mbox must hold
 * the same messages in the same order with the same Status, and saved files the same messages. Where tmail differs on
 * purpose, the case says why.
 *
 * Not compared: whether an empty system mailbox is removed (POSIX; tmail) or left empty (bsd-mailx); the Status inside
 * saved files, where all three differ (`R` and `RO`, or as it was before).
 */
import { describe, expect, test } from 'vitest';
import { BIN, type Home, has, letter, newHome } from './program.ts';

interface Case {
  readonly name: string;
  /** Letters by id; what follows a colon is the Status. */
  readonly mail: readonly string[];
  readonly commands: readonly string[];
  /** More in ~/.mailrc. */
  readonly rc?: readonly string[];
  /** Read as a file (-f) and not as a system mailbox. */
  readonly file?: true;
  /** Files that the session writes. */
  readonly files?: readonly string[];
  /** Programs that do otherwise, and why tmail does not follow. */
  readonly not?: Readonly<Record<string, string>>;
}

const MAIL = ['a', 'b:O', 'c:RO', 'd', 'e:RO', 'f:O', 'g', 'h'];

const SAVING_READS = 'they take a message that was saved for read, which nobody did';

const cases: readonly Case[] = [
  { name: 'nothing but q', mail: MAIL, commands: ['q'] },
  { name: 'end of input', mail: MAIL, commands: [] },
  { name: 'x after much', mail: MAIL, commands: ['p 1 2', 'd 3', 'mb 4', 'x'] },
  { name: 'read some', mail: MAIL, commands: ['p 1 3 6', 'q'] },
  { name: 'read some, with hold', mail: MAIL, rc: ['set hold'], commands: ['p 1 3 6', 'q'] },
  { name: 'delete a range', mail: MAIL, commands: ['d 2-5', 'q'] },
  { name: 'delete and bring some back', mail: MAIL, commands: ['d *', 'undelete 2 4', 'q'] },
  { name: 'delete all', mail: MAIL, commands: ['d *', 'q'] },
  { name: 'delete all, with keep', mail: MAIL, rc: ['set keep'], commands: ['d *', 'q'] },
  { name: 'delete the current one, twice', mail: MAIL, commands: ['d', 'd', 'q'] },
  { name: 'dp', mail: MAIL, commands: ['p 3', 'dp', 'q'] },
  { name: 'hold what was read', mail: MAIL, commands: ['p 1 2', 'ho 1', 'q'] },
  { name: 'pre what was deleted', mail: MAIL, commands: ['d 1', 'pre 1', 'q'] },
  { name: 'mbox what was not read', mail: MAIL, commands: ['mb 1 2', 'q'] },
  { name: 'touch', mail: MAIL, commands: ['tou 1 2', 'q'] },
  { name: 'save and quit', mail: MAIL, commands: ['s 1 2 saved', 'q'], files: ['saved'] },
  {
    name: 'save with keepsave',
    mail: MAIL,
    rc: ['set keepsave'],
    commands: ['s 1 saved', 'q'],
    files: ['saved'],
    not: { 'bsd-mailx': SAVING_READS, 's-nail': SAVING_READS },
  },
  { name: 'save with hold', mail: MAIL, rc: ['set hold'], commands: ['s 1 saved', 'q'], files: ['saved'] },
  { name: 'copy', mail: MAIL, commands: ['c 1 2 copied', 'q'], files: ['copied'] },
  { name: 'save and leave with x', mail: MAIL, commands: ['s 1 saved', 'x'], files: ['saved'] },
  { name: 'save twice to one file', mail: MAIL, commands: ['s 1 saved', 's 3 saved', 'q'], files: ['saved'] },
  { name: 'top counts as read', mail: MAIL, commands: ['top 1', 'q'] },
  { name: 'headers and from do not', mail: MAIL, commands: ['h', 'f *', 'q'] },
  { name: 'by sender', mail: MAIL, commands: ['d ann', 'q'] },
  { name: 'by subject', mail: MAIL, commands: ['d /subject-c', 'q'] },
  { name: 'by state', mail: MAIL, commands: ['d :n', 'q'] },
  { name: 'a list with a number too big', mail: MAIL, commands: ['d 3-99', 'd 4', 'q'] },
  { name: 'an unknown command', mail: MAIL, commands: ['nosuchcommand', 'd 1', 'q'] },
  { name: 'a file: read and delete', mail: MAIL, file: true, commands: ['p 1 2', 'd 3', 'q'] },
  { name: 'a file: delete all', mail: MAIL, file: true, commands: ['d *', 'q'] },
  {
    name: 'a file: save',
    mail: MAIL,
    file: true,
    commands: ['s 1 saved', 'q'],
    files: ['saved'],
    not: { 'bsd-mailx': SAVING_READS, 's-nail': SAVING_READS },
  },
  { name: 'a file: mbox', mail: MAIL, file: true, commands: ['mb 1', 'q'] },
  { name: 'a file: x', mail: MAIL, file: true, commands: ['d 1', 'x'] },
  { name: 'to the front of mbox', mail: MAIL, rc: ['unset append'], commands: ['p 1 4', 'q'] },
];

/** How each program is run; `commands` come on standard input. */
const PROGRAMS: Readonly<Record<string, (home: Home, one: Case, input: string) => void>> = {
  tmail: (home, one, input) => void home.run(process.execPath, [BIN, '-n', '-N', ...where(home, one)], input),
  'bsd-mailx': (home, one, input) => void home.run('bsd-mailx', ['-n', '-N', ...where(home, one)], input),
  // For root s-nail takes HOME from passwd, not from the environment; MBOX and the system mailbox are named instead.
  's-nail': (home, { file }, input) =>
    void home.run(
      's-nail',
      [
        '-#',
        '-n',
        '-N',
        '-S',
        `MBOX=${home.path('mbox')}`,
        '-S',
        'nofolder',
        '-f',
        file ? home.spool : `%:${home.spool}`,
      ],
      input,
    ),
};

function where(home: Home, { file }: Case): string[] {
  return file ? ['-f', home.spool] : [];
}

/** Ids of a mailbox's messages with their Status letters, `a:RO`; undefined when there is no file. */
function inside(home: Home, name: string): string[] | undefined {
  if (!home.has(name)) return undefined;
  return home
    .read(name)
    .split(/^From (?=\S+ \w{3} \w{3} )/m)
    .slice(1)
    .map((message) => {
      const id = /^Message-ID: <([^@]*)/m.exec(message)?.[1] ?? '?';
      const header = message.slice(0, message.indexOf('\n\n'));
      const status = [...(/^Status: *(\w*)/m.exec(header)?.[1] ?? '')].sort().join('');
      return `${id}:${status}`;
    });
}

interface Fate {
  readonly spool: readonly string[];
  readonly mbox: readonly string[];
  readonly files: readonly (readonly string[])[];
}

function fate(program: string, one: Case): Fate {
  const home = newHome();
  const letters = one.mail.map((text) => {
    const [id = '', status] = text.split(':');
    return letter(id, status === undefined ? {} : { status });
  });
  home.write('spool/lee', letters.join(''));
  home.write('mbox', letter('old', { status: 'RO' }));
  const rc = ['set append noheader quiet', ...(one.rc ?? [])];
  home.write('.mailrc', `${rc.join('\n')}\n`);
  const start = rc.slice(1);
  const commands = program === 's-nail' ? ['set append', ...start, ...one.commands] : one.commands;
  PROGRAMS[program]?.(home, one, commands.map((line) => `${line}\n`).join(''));
  return {
    spool: inside(home, 'spool/lee') ?? [],
    mbox: inside(home, 'mbox') ?? [],
    files: (one.files ?? []).map((name) => (inside(home, name) ?? []).map((message) => message.split(':')[0] ?? '')),
  };
}

describe.each(['bsd-mailx', 's-nail'])('as %s', (program) => {
  test.skipIf(!has(program)).each(cases)('$name', (one) => {
    const reason = one.not?.[program];
    const theirs = fate(program, one);
    const ours = fate('tmail', one);
    if (reason === undefined) expect(ours).toEqual(theirs);
    else expect(ours, `no reason any more: ${reason}`).not.toEqual(theirs);
  });
});
