/** Two sessions on one mailbox, mail arriving between: what was not shown is never deleted, nothing goes twice. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { openPlace } from '../../src/session/folder.ts';
import { leaveMailbox } from '../../src/session/leave.ts';
import { execute, newContext } from '../../src/session/run.ts';
import { newSession } from '../../src/session/session.ts';
import { desk, newFolder } from './letters.ts';

function message(id: string, time = '12:00:00'): string {
  return `From ann@example.org Mon Mar  2 ${time} 2026\nFrom: ann@example.org\nMessage-ID: <${id}@x>\n\ntext of ${id}\n\n`;
}

function idsIn(path: string): string {
  if (!existsSync(path)) return '';
  return [...readFileSync(path, 'utf8').matchAll(/^Message-ID: <(\w+)@/gm)].map(([, id]) => id).join(' ');
}

async function view(home: string, spool: string) {
  const { services } = desk({ home, env: { MAIL: spool, MBOX: join(home, 'mbox') } });
  const context = newContext(services, { escapes: false, sending: false });
  const box = await openPlace(context, { path: spool, system: true, user: 'lee' });
  context.session = newSession(box, { system: true, name: spool, settings: context.session.settings });
  return context;
}

function spoolWith(text: string): { home: string; spool: string } {
  const home = newFolder();
  const spool = join(home, 'spool', 'lee');
  mkdirSync(dirname(spool));
  writeFileSync(spool, text);
  return { home, spool };
}

test('a message deleted in one view and its double deleted in the other are two messages', async () => {
  const { home, spool } = spoolWith(message('a') + message('twin') + message('b'));
  const [one, two] = [await view(home, spool), await view(home, spool)];
  // The same letter, delivered once more.
  appendFileSync(spool, message('twin', '12:00:01'));
  await execute(one, 'd 2');
  await leaveMailbox(one);
  expect(idsIn(spool)).toBe('a b twin');
  // The second view shows the same message 2. It is gone; what looks like it was never shown there.
  await execute(two, 'd 2');
  await execute(two, 'd 1');
  await leaveMailbox(two);
  expect(idsIn(spool)).toBe('b twin');
});

test('a view that is older than a rewrite by another program deletes and moves the right messages', async () => {
  const { home, spool } = spoolWith(['a', 'b', 'c', 'd', 'e'].map((id) => message(id)).join(''));
  const context = await view(home, spool);
  await execute(context, 'd 2 4');
  await execute(context, 'p 5');
  writeFileSync(spool, ['n0', 'b', 'd', 'e', 'n1'].map((id) => message(id)).join(''));
  await leaveMailbox(context);
  const left = `${idsIn(spool)} ${idsIn(join(home, 'mbox'))}`.split(' ').sort().join(' ');
  expect(left).toBe('e n0 n1');
  expect(idsIn(spool)).toContain('n0');
  expect(idsIn(spool)).toContain('n1');
});

test('a mailbox that was emptied under a session stays empty, and nothing is brought back', async () => {
  const { home, spool } = spoolWith(message('a') + message('b'));
  const context = await view(home, spool);
  await execute(context, 'd 1');
  writeFileSync(spool, '');
  await leaveMailbox(context);
  expect(idsIn(spool)).toBe('');
});

test('what was read here and taken away by another program goes to mbox, once', async () => {
  const { home, spool } = spoolWith(message('a') + message('b') + message('c'));
  const mbox = join(home, 'mbox');
  const [one, two] = [await view(home, spool), await view(home, spool)];
  for (const line of ['p 1', 'p 2', 'd 3']) await execute(one, line);
  await execute(two, 'p 2');
  await leaveMailbox(two);
  expect(idsIn(mbox)).toBe('b');
  writeFileSync(spool, message('new'));
  await leaveMailbox(one);
  expect(idsIn(spool)).toBe('new');
  expect(idsIn(mbox)).toBe('a b');
});

test('the same when the session has noticed before it ends, or the mailbox is no longer there', async () => {
  for (const noticed of [true, false]) {
    const { home, spool } = spoolWith(message('a') + message('b'));
    const context = await view(home, spool);
    await execute(context, 'p 1');
    rmSync(spool);
    if (noticed) await execute(context, 'inc');
    await leaveMailbox(context);
    expect(existsSync(spool)).toBe(false);
    expect(idsIn(join(home, 'mbox'))).toBe('a');
  }
});

test('what may have come anew is left, and that is told', async () => {
  const { home, spool } = spoolWith(message('twin') + message('b'));
  const [one, two] = [await view(home, spool), await view(home, spool)];
  await execute(one, 'd 1');
  await leaveMailbox(one);
  appendFileSync(spool, message('twin'));
  for (const line of ['d 1', 'p 2']) await execute(two, line);
  const said: string[] = [];
  two.services.io.err = (text) => said.push(text);
  two.services.io.out = (text) => said.push(text);
  await leaveMailbox(two);
  expect(idsIn(spool)).toBe('twin');
  expect(idsIn(join(home, 'mbox'))).toBe('b');
  expect(said.join('\n')).toContain('1 message left in the mailbox');
  expect(said.join('\n')).toContain('1 read -> ~/mbox, 1 stays');
});
