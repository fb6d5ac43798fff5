/**
 * The same sessions in bsd-mailx and here: the same messages must end up in the same places.
 *
 * What is otherwise here on purpose is left out: bsd-mailx refuses ranges that end at a deleted message, `u` there takes
 * messages that are not deleted, and `dp` behind the last message prints one before it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runSession } from '../../src/session/run.ts';
import { needs } from '../peers.ts';
import { desk, newFolder } from '../session/letters.ts';

const STATUSES = ['', 'O', 'RO'] as const;

function message(id: string, status: string): string {
  const header = `From: ann@example.org\nTo: lee@example.org\nSubject: subject-${id}\nMessage-ID: <${id}@x.example>\n`;
  const line = status === '' ? '' : `Status: ${status}\n`;
  return `From ann@example.org Mon Mar  2 12:00:00 2026\n${header}${line}\ntext of ${id}\n\n`;
}

interface World {
  readonly home: string;
  readonly spool: string;
}

function world(statuses: readonly string[]): World {
  const home = newFolder();
  const spool = join(home, 'spool', 'lee');
  mkdirSync(join(home, 'spool'));
  writeFileSync(spool, statuses.map((status, i) => message(`m${i + 1}`, status)).join(''));
  writeFileSync(join(home, 'mbox'), message('old', 'RO'));
  writeFileSync(join(home, '.mailrc'), '');
  return { home, spool };
}

/** `m1:RO m2:O`, in order. Messages in `without` come without Status. */
function contents(path: string, without: readonly string[] = []): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'latin1')
    .split(/^(?=From )/m)
    .filter((text) => text.startsWith('From '))
    .map((text) => {
      const id = /^Message-ID: <(\w+)@/m.exec(text)?.[1] ?? '?';
      const status = [...(/^Status: *(\w*)/m.exec(text)?.[1] ?? '')].sort().join('');
      return without.includes(id) ? id : `${id}:${status}`;
    });
}

/** To bsd-mailx what was saved counts as read. */
function result({ home, spool }: World): Record<string, string[]> {
  const kept = contents(join(home, 'kept')).map((text) => text.replace(/:.*/, ''));
  return { spool: contents(spool, kept), mbox: contents(join(home, 'mbox'), kept), kept };
}

function environment({ home, spool }: World): Record<string, string> {
  return {
    HOME: home,
    MAIL: spool,
    MBOX: join(home, 'mbox'),
    MAILRC: join(home, '.mailrc'),
    USER: 'lee',
    TERM: 'dumb',
  };
}

async function here(at: World, lines: readonly string[], set: readonly string[]): Promise<Record<string, string[]>> {
  const { services } = desk({ home: at.home, lines, env: environment(at) });
  await runSession(services, {
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
  return result(at);
}

function bsd(at: World, lines: readonly string[], set: readonly string[]): Record<string, string[]> {
  writeFileSync(join(at.home, '.mailrc'), set.map((name) => `set ${name}\n`).join(''));
  const env = { PATH: process.env.PATH ?? '', ...environment(at) };
  spawnSync('bsd-mailx', ['-n', '-N'], { cwd: at.home, env, input: `${lines.join('\n')}\n` });
  return result(at);
}

const COUNT = 6;
const number = fc.integer({ min: 1, max: COUNT });
const list = fc.oneof(
  number.map(String),
  fc.tuple(number, number).map(([a, b]) => `${a} ${b}`),
  fc.constantFrom('*', '$', '^'),
);
const command = (home: string) =>
  fc.oneof(
    fc.tuple(fc.constantFrom('p', 'd', 'hold', 'mbox', 'touch', 'unread', 'top'), list).map((words) => words.join(' ')),
    fc.constantFrom('u *', 'd *'),
    fc.tuple(fc.constantFrom('s', 'c'), list).map(([name, text]) => `${name} ${text} ${home}/kept`),
  );

test('messages end where bsd-mailx puts them', async (context) => {
  needs(context, 'bsd-mailx');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...STATUSES), { minLength: COUNT, maxLength: COUNT }),
      fc.array(command('HOME'), { minLength: 1, maxLength: 6 }),
      fc.subarray(['hold', 'append', 'keepsave', 'keep']),
      async (statuses, commands, set) => {
        const has = (name: string) => commands.some((text) => text.startsWith(name));
        // bsd-mailx then keeps the message in both places.
        fc.pre(!(has('mbox') && has('unread')));
        // touch takes hold back there, which POSIX leaves to delete and its kin.
        fc.pre(!(has('hold') && has('touch')));
        const [one, two] = [world(statuses), world(statuses)];
        const typed = (home: string) => [...commands.map((text) => text.replace('HOME', home)), 'q'];
        expect(await here(one, typed(one.home), set)).toEqual(bsd(two, typed(two.home), set));
      },
    ),
    { numRuns: 150 },
  );
});
