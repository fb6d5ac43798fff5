/**
 * A daemon that root started: it gives root up, and each mailbox, program and list is touched as its user.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { BIN } from '../e2e/program.ts';
import { TestClient } from './client.ts';
import { messagesIn } from './new-lab.ts';
import { type DaemonProcess, newRoot, startProcess, until } from './process.ts';

const LEE = 1001;
const ANN = 1002;
const DAEMON = 1;
const NOBODY = 65534;
const WORK = 4321;
const MAIL = 8;

function needsRoot(context: TestContext): void {
  if (process.geteuid?.() === 0) return;
  if (process.env.CI === 'true') throw new Error('these tests need root');
  context.skip('needs root');
}

/** A root folder whose users have numbers of their own, homes nobody else may look into, and Debian's mail spool. */
function newSystem(files: Readonly<Record<string, string>> = {}, more = ''): string {
  const passwd = [
    'root:x:0:0::/root:/bin/sh',
    `daemon:x:${DAEMON}:${DAEMON}::/:/bin/false`,
    `nobody:x:${NOBODY}:${NOBODY}::/nonexistent:/bin/false`,
    `lee:x:${LEE}:${LEE}::/home/lee:/bin/sh`,
    `ann:x:${ANN}:${ANN}::/home/ann:/bin/sh`,
  ];
  const root = newRoot({
    'etc/passwd': `${passwd.join('\n')}\n`,
    'etc/group': `work:x:${WORK}:ann,lee\n`,
    'etc/aliases': 'postmaster: root\nroot: lee\n',
    ...files,
  });
  const program = join(root, 'program');
  writeFileSync(program, '#!/bin/sh\n{ id -u; id -g; id -G; cat; } > "$1"\n');
  chmodSync(program, 0o755);
  writeFileSync(
    join(root, 'etc/tmail/tmail.toml'),
    `hostname = "linux102.example.com"\n[[listen]]\nrole = "mta"\naddress = "127.0.0.1:0"\n[local]\nprograms = ["${program}"]\n${more}`,
  );
  chmodSync(root, 0o755);
  for (const [user, uid] of [
    ['lee', LEE],
    ['ann', ANN],
  ] as const) {
    const home = join(root, 'home', user);
    mkdirSync(home, { recursive: true });
    chownSync(home, uid, uid);
    chmodSync(home, 0o700);
  }
  chownSync(join(root, 'var/mail'), 0, MAIL);
  chmodSync(join(root, 'var/mail'), 0o2775);
  const out = join(root, 'out');
  mkdirSync(out);
  chmodSync(out, 0o1777);
  return root;
}

function own(path: string, uid: number, text: string, mode = 0o600): void {
  writeFileSync(path, text);
  chownSync(path, uid, uid);
  chmodSync(path, mode);
}

async function post({ port }: { readonly port: number }, to: readonly string[], subject = 'hello'): Promise<string> {
  const client = await TestClient.open({ port });
  await client.say('EHLO test');
  const { end } = await client.send({
    from: 'bob@linux102.example.com',
    to,
    content: `Subject: ${subject}\r\n\r\nhow are you?\r\n`,
  });
  client.socket.destroy();
  return end;
}

const count = (path: string) => (existsSync(path) ? messagesIn(path).length : 0);

interface Process {
  readonly pid: number;
  readonly uids: readonly number[];
  readonly lines: ReadonlyMap<string, string>;
}

function look(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const lines = new Map(text.split('\n').map((line) => [line.split(':')[0] ?? '', line.replace(/^\w+:\s*/, '')]));
    if (/^[ZX]/.test(lines.get('State') ?? '')) return undefined;
    return { pid, lines, uids: (lines.get('Uid') ?? '').split(/\s+/).map(Number) };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): Process[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((one) => {
    const found = look(Number(one));
    return found !== undefined && Number(found.lines.get('PPid')) === pid ? [found] : [];
  });
}

/** The keeper's children. */
function helpersOf({ pid }: DaemonProcess): Process[] {
  return childrenOf(pid).flatMap((keeper) => childrenOf(keeper.pid));
}

it('has nothing left of root, and its helpers have', async (context) => {
  needsRoot(context);
  const daemon = await startProcess(newSystem());
  const main = look(daemon.pid);
  expect(main?.uids).toEqual([DAEMON, DAEMON, DAEMON, DAEMON]);
  expect(main?.lines.get('Gid')).toBe([DAEMON, DAEMON, DAEMON, DAEMON].join('\t'));
  expect(main?.lines.get('Groups')?.trim()).toBe('');
  expect(main?.lines.get('CapEff')).toMatch(/^0+$/);
  expect(main?.lines.get('CapPrm')).toMatch(/^0+$/);
  await until(() => helpersOf(daemon).length === 3, 'three helpers');
  expect(helpersOf(daemon).map(({ uids }) => uids[2])).toEqual([0, 0, 0]);
  const all = [...childrenOf(daemon.pid), ...helpersOf(daemon)];
  expect(await daemon.end('SIGTERM')).toBe(0);
  await until(() => all.every(({ pid }) => look(pid) === undefined), 'the others end with it');
});

it('mailboxes belong to their users, files to whom their folders belong to', async (context) => {
  needsRoot(context);
  const root = newSystem({ 'etc/aliases': 'postmaster: root\narchive: /var/archive\nshared: /home/ann/shared\n' });
  const daemon = await startProcess(root);
  expect(await post(daemon, ['lee', 'ann', 'root', 'archive', 'shared'])).toMatch(/^250 2\.0\.0/);
  const places = [
    ['var/mail/lee', LEE],
    ['var/mail/ann', ANN],
    ['var/mail/root', 0],
    ['var/archive', 0],
    ['home/ann/shared', ANN],
  ] as const;
  const paths = places.map(([path]) => join(root, path));
  await until(() => paths.every((path) => count(path) === 1), 'all are delivered');
  for (const [path, uid] of places) {
    const { uid: owner, mode } = statSync(join(root, path));
    expect([path, owner, mode & 0o7777]).toEqual([path, uid, 0o600]);
  }
  expect(readdirSync(join(root, 'var/mail')).sort()).toEqual(['ann', 'lee', 'root']);
  // What a delivery notes for a crash lies with the user, where the user's own mail program looks for it.
  expect(statSync(join(root, 'home/lee/.local/state/tmail')).uid).toBe(LEE);
  await daemon.end('SIGTERM');
});

it('a mailbox of mode 660 belongs to the group of the spool; a spool that is closed is no obstacle', async (context) => {
  needsRoot(context);
  const root = newSystem({}, 'mailbox_mode = "660"\n');
  const daemon = await startProcess(root);
  await post(daemon, ['lee']);
  const lee = join(root, 'var/mail/lee');
  await until(() => count(lee) === 1 && !existsSync(`${lee}.lock`), 'it is delivered');
  expect(statSync(lee)).toMatchObject({ uid: LEE, gid: MAIL });
  chownSync(join(root, 'var/mail'), 0, 0);
  chmodSync(join(root, 'var/mail'), 0o755);
  await post(daemon, ['lee', 'ann']);
  const ann = join(root, 'var/mail/ann');
  await until(() => count(ann) === 1 && count(lee) === 2, 'they are delivered');
  expect(statSync(ann)).toMatchObject({ uid: ANN, gid: ANN });
  await daemon.end('SIGTERM');
});

it('a ~/.forward in a home of mode 700 counts; its program runs as the user, in the groups of the user', async (context) => {
  needsRoot(context);
  const root = newSystem({ 'etc/list': '"|PROGRAM OUT/ours"\n' });
  const program = (name: string) => `"|${join(root, 'program')} ${join(root, 'out', name)}"`;
  writeFileSync(join(root, 'etc/list'), `${program('list')}\n`);
  own(join(root, 'out/anns-list'), ANN, `${program('ann')}\n`, 0o644);
  writeFileSync(
    join(root, 'etc/aliases'),
    `postmaster: root\nours: ${program('alias')}, :include:/etc/list\ntheirs: :include:/out/anns-list\n`,
  );
  own(join(root, 'home/lee/.forward'), LEE, `\\lee, ${program('lee')}, /home/lee/copy\n`);
  const daemon = await startProcess(root);
  expect(await post(daemon, ['lee', 'ours', 'theirs'])).toMatch(/^250 2\.0\.0/);
  const out = (name: string) => join(root, 'out', name);
  const ran = (name: string) => existsSync(out(name)) && readFileSync(out(name), 'utf8').includes('how are you?');
  await until(() => ['lee', 'alias', 'list', 'ann'].every(ran), 'the programs have run');
  const ids = (name: string) => {
    const [uid, gid, groups = ''] = readFileSync(out(name), 'utf8').split('\n');
    return [
      Number(uid),
      Number(gid),
      groups
        .split(' ')
        .map(Number)
        .sort((a, b) => a - b),
    ];
  };
  expect(ids('lee')).toEqual([LEE, LEE, [LEE, WORK]]);
  // Who keeps a list answers for what it names.
  expect(ids('ann')).toEqual([ANN, ANN, [ANN, WORK]]);
  // The tables' programs run as nobody in particular, and never as who keeps the queue.
  expect(ids('alias')).toEqual([NOBODY, NOBODY, [NOBODY]]);
  expect(ids('list')).toEqual([NOBODY, NOBODY, [NOBODY]]);
  const copy = join(root, 'home/lee/copy');
  await until(() => count(join(root, 'var/mail/lee')) === 1 && count(copy) === 1, 'the mailbox and the copy');
  expect(statSync(copy).uid).toBe(LEE);
  await daemon.end('SIGTERM');
});

it('mail goes to no file that others could have put there', async (context) => {
  needsRoot(context);
  const root = newSystem({
    'etc/aliases': 'postmaster: root\na: /home/lee/link\nb: /home/lee/there/file\nc: /out/mine\n',
  });
  symlinkSync('/etc/secret', join(root, 'home/lee/link'));
  lchownSync(join(root, 'home/lee/link'), LEE, LEE);
  // A folder of root's that lee can put another in the place of.
  mkdirSync(join(root, 'home/lee/there'));
  own(join(root, 'out/mine'), ANN, '');
  symlinkSync('/var/mail/ann', join(root, 'var/mail/lee'));
  lchownSync(join(root, 'var/mail/lee'), LEE, LEE);
  const daemon = await startProcess(root);
  await post(daemon, ['a', 'b', 'c', 'lee']);
  const log = () => readFileSync(join(root, 'var/log/tmail.log'), 'utf8').split('\n');
  const told = (event: string, to: string) =>
    log().some((line) => line.includes(`"event":"${event}"`) && line.includes(`"to":"${to}"`));
  await until(
    () => told('failed', '/home/lee/link') && told('deferred', '/home/lee/there/file') && told('failed', 'lee'),
    `what was refused is told: ${log().join('\n')}`,
  );
  await until(() => told('delivered', '/out/mine'), 'what is right is done');
  expect(existsSync(join(root, 'home/lee/there/file'))).toBe(false);
  expect(existsSync(join(root, 'var/mail/ann'))).toBe(false);
  await daemon.end('SIGTERM');
});

it('a helper that is killed in the midst of it loses nothing', async (context) => {
  needsRoot(context);
  const root = newSystem({ 'etc/aliases': 'postmaster: root\n' });
  let daemon = await startProcess(root);
  const users = ['lee', 'ann'];
  const acknowledged: string[] = [];
  const session = async (name: number) => {
    const client = await TestClient.open({ port: daemon.port });
    await client.say('EHLO test');
    for (let i = 0; i < 100; i++) {
      const subject = `m${name}.${i}`;
      const content = `Subject: ${subject}\r\n\r\n${'x\r\n'.repeat(1000)}`;
      const { end } = await client.send({ from: 'bob@linux102.example.com', to: users, content });
      if (end.startsWith('250 2.0.0')) acknowledged.push(subject);
    }
    client.socket.destroy();
  };
  let killed = 0;
  const killer = (async () => {
    for (const many of [10, 50, 100, 150, 200]) {
      await until(() => acknowledged.length >= many, `${many} messages`);
      const [helper] = helpersOf(daemon);
      if (helper === undefined) continue;
      process.kill(helper.pid, 'SIGKILL');
      killed += 1;
    }
  })();
  await Promise.all([1, 2, 3].map(session));
  await killer;
  expect(killed).toBeGreaterThan(0);
  // Who asked a helper for the way just then may have been told to come again.
  expect(acknowledged.length).toBeGreaterThan(290);
  // Others took their place.
  await until(() => helpersOf(daemon).length === 3, 'three helpers again');
  expect(await daemon.end('SIGTERM')).toBe(0);
  // What was put off is not due for a minute, which the next daemon need not wait for.
  const queue = join(root, 'var/spool/tmail/queue');
  expect(readdirSync(queue).length).toBeGreaterThan(0);
  daemon = await startProcess(root);
  expect(spawnSync(process.execPath, [BIN, '--root', root, 'queue', 'run']).status).toBe(0);
  const subjects = (user: string) =>
    messagesIn(join(root, 'var/mail', user)).map((message) => /^Subject: (.*)$/m.exec(message)?.[1] ?? '');
  await until(
    () => users.every((user) => acknowledged.every((one) => subjects(user).includes(one))),
    'every message is there',
  );
  for (const user of users) {
    for (const message of messagesIn(join(root, 'var/mail', user))) expect(message.match(/^x$/gm)).toHaveLength(1000);
  }
  expect(await daemon.end('SIGTERM')).toBe(0);
});

it('kill -9 leaves nobody behind', async (context) => {
  needsRoot(context);
  const daemon = await startProcess(newSystem());
  await until(() => helpersOf(daemon).length === 3, 'three helpers');
  const all = [...childrenOf(daemon.pid), ...helpersOf(daemon)];
  await daemon.end('SIGKILL');
  await until(() => all.every(({ pid }) => look(pid) === undefined), 'the others end with it');
});

it.each([
  ['a user whom nobody knows', 'user = "nemo"', /there is no user nemo/],
  ['a user who is root by another name', 'user = "toor"', /toor is root/],
])('does not start as %s', async (_, line, why) => {
  if (process.geteuid?.() !== 0) return;
  const root = newSystem({}, `[daemon]\n${line}\n`);
  const passwd = join(root, 'etc/passwd');
  writeFileSync(passwd, `${readFileSync(passwd, 'utf8')}toor:x:0:0::/root:/bin/sh\n`);
  await expect(startProcess(root)).rejects.toThrow(why);
});

it('does not start with a table that its user cannot read, and says what to do', async (context) => {
  needsRoot(context);
  const root = newSystem({ 'etc/mail/access': '' });
  chmodSync(join(root, 'etc/mail/access'), 0o600);
  await expect(startProcess(root)).rejects.toThrow(/etc\/mail\/access: daemon, as whom .*chgrp 1 .*chmod 640/);
});

it('takes up what users submit by command, from before and after its start', async (context) => {
  needsRoot(context);
  const root = newSystem();
  const submit = join(root, 'var/spool/tmail/submit');
  const dir = join(root, 'var/spool/tmail');
  const entry = (name: string, text: string) =>
    own(
      join(submit, name),
      ANN,
      `${JSON.stringify({ version: 1, from: 'ann@linux102.example.com', recipients: ['lee'], submitted: 1 })}\n${text}`,
    );
  mkdirSync(submit, { recursive: true });
  chmodSync(dir, 0o755);
  chmodSync(submit, 0o1733);
  entry('0mabcdefg-0123456789ab', 'Subject: before\n\n');
  const daemon = await startProcess(root);
  const lee = join(root, 'var/mail/lee');
  await until(() => count(lee) === 1, 'the first is delivered');
  expect(statSync(submit)).toMatchObject({ uid: DAEMON, gid: DAEMON });
  expect(statSync(submit).mode & 0o7777).toBe(0o3733);
  // As writeSubmit leaves it there.
  entry('.new', 'Subject: after\n\n');
  chownSync(join(submit, '.new'), ANN, DAEMON);
  chmodSync(join(submit, '.new'), 0o640);
  renameSync(join(submit, '.new'), join(submit, '0mabcdefh-0123456789ab'));
  await until(() => count(lee) === 2, 'the second is delivered');
  expect(readFileSync(lee, 'utf8')).toMatch(/from ann@localhost/);
  await daemon.end('SIGTERM');
});

it('takes up the queue and the log of a daemon that was root', async (context) => {
  needsRoot(context);
  const root = newSystem({}, '[daemon]\nuser = "root"\n');
  const first = await startProcess(root);
  expect(look(first.pid)?.uids[1]).toBe(0);
  await post(first, ['lee'], 'first');
  await until(() => count(join(root, 'var/mail/lee')) === 1, 'it is delivered');
  await first.end('SIGTERM');
  const toml = join(root, 'etc/tmail/tmail.toml');
  writeFileSync(toml, readFileSync(toml, 'utf8').replace('user = "root"', ''));
  const second = await startProcess(root);
  expect(look(second.pid)?.uids[1]).toBe(DAEMON);
  await post(second, ['lee'], 'second');
  await until(() => count(join(root, 'var/mail/lee')) === 2, 'it is delivered');
  expect(readFileSync(join(root, 'var/log/tmail.log'), 'utf8').match(/"event":"started"/g)).toHaveLength(2);
  await second.end('SIGTERM');
});
