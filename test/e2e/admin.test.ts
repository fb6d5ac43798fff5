/**
 * What an administrator types to see what is in force: newaliases, praliases, makemap, config, explain.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Home, newHome } from './program.ts';

/** A home that is the root folder of a mail system, and tmail run there. */
function newSystem() {
  const home: Home = newHome();
  for (const dir of ['etc/mail', 'etc/tmail', 'home/lee', 'home/dl', 'var/mail'])
    mkdirSync(home.path(dir), { recursive: true });
  home.write(
    'etc/passwd',
    'root:x:0:0::/root:/bin/sh\nlee:x:1000:1000::/home/lee:/bin/sh\ndl:x:1001:1001::/home/dl:/bin/sh\n',
  );
  home.write('etc/tmail/tmail.toml', 'hostname = "linux102.example.com"\n', 0o644);
  home.write('etc/aliases', 'root: lee\nstaff: lee, dl,\n "|/bin/p x"\n', 0o644);
  const { tmail } = home;
  const aliases = home.path('etc/aliases');
  return { ...home, aliases, run: (args: string[], input = '') => tmail(['--root', home.dir, ...args], input) };
}

test('newaliases counts', () => {
  const { run, aliases } = newSystem();
  expect(run(['newaliases'])).toEqual({
    status: 0,
    out: `${aliases}: 2 aliases, longest 20 bytes, 32 bytes total\n`,
    err: '',
  });
});

test('newaliases names the line of a fault', () => {
  const { run, write, aliases } = newSystem();
  write('etc/aliases', 'root: lee\n\nno colon here\nempty:\n');
  const result = run(['newaliases']);
  expect(result).toMatchObject({ status: 78, out: '' });
  expect(result.err).toBe(
    `${aliases}:3: no "name:" at the start of "no colon here"\n${aliases}:4: alias "empty" has no right-hand side\n`,
  );
});

test('newaliases warns of an alias to nobody', () => {
  const { run, write, aliases } = newSystem();
  write('etc/aliases', 'a1: gone\n');
  const result = run(['newaliases']);
  expect(result.status).toBe(0);
  expect(result.err).toMatch(new RegExp(`^${aliases}:1: warning: no alias and no user "gone"`));
});

test('newaliases without a file, and sendmail -bi', () => {
  const { run, dir, aliases } = newSystem();
  expect(run(['--root', join(dir, 'home'), 'newaliases'])).toMatchObject({ status: 66 });
  expect(run(['newaliases', 'x'])).toMatchObject({ status: 2 });
  expect(run(['praliases', '--config', '/nowhere.toml'])).toMatchObject({ status: 78 });
  expect(aliases).toContain(dir);
});

test('praliases prints what is in force', () => {
  const { run } = newSystem();
  expect(run(['praliases']).out).toBe('root: lee\nstaff: lee, dl, "|/bin/p x"\n');
  expect(run(['praliases', 'ROOT', 'nobody'])).toEqual({
    status: 1,
    out: 'root: lee\n',
    err: 'nobody: No such alias\n',
  });
});

test('makemap checks and writes nothing', () => {
  const { run, write, path, has } = newSystem();
  const access = write('etc/mail/access', 'Connect:10 RELAY # ours\n', 0o644);
  expect(run(['makemap', 'hash', access], 'Connect:10 RELAY\nConnect:11 RELAY\n')).toMatchObject({
    status: 0,
    out: `${access}: 2 entries; the daemon reads the file itself, nothing was written\n`,
  });
  expect(has('etc/mail/access.db')).toBe(false);
  expect(run(['makemap', '-u', 'access']).out).toBe('Connect:10\tRELAY\n');
  expect(run(['makemap', 'hash', 'access'], 'Connect:10 RELAY\nConnect:11 MAYBE\n')).toMatchObject({
    status: 78,
    err: expect.stringMatching(/etc\/mail\/access:2: "MAYBE" is none of RELAY/),
  });
  expect(run(['makemap', 'hash', path('other')], 'a b\nc\n')).toMatchObject({
    status: 78,
    err: `${path('other')}:2: "c" has no right-hand side\n`,
  });
  expect(run(['makemap', 'mailertable'])).toMatchObject({ status: 66 });
  expect(run(['makemap'])).toMatchObject({ status: 2 });
});

test('config show says what is in force, and from where', () => {
  const { run, write, path, dir } = newSystem();
  const toml = write(
    'etc/tmail/tmail.toml',
    'hostname = "a.example"\n[[listen]]\naddress = "[::1]:0"\n[queue]\ninterval = "30m"\n',
  );
  const { out } = run(['config', 'show']);
  expect(out).toContain(`root = "${dir}"  # command line\n`);
  expect(out).toContain(`hostname = "a.example"  # ${toml}:1\n`);
  expect(out).toContain(`listen = {"role":"mta","address":"[::1]:0"}  # ${toml}:2\n`);
  expect(out).toContain(`queue.interval = "30m"  # ${toml}:5\n`);
  expect(out).toContain('queue.warn_after = ["4h"]  # default\n');
  expect(out).toContain(`paths.spool = "${path('var/mail')}"  # default\n`);
  expect(out.split('\n').every((line) => line === '' || / {2}# /.test(line))).toBe(true);
  expect(run(['config', 'show', 'smart_host', 'limits.hops']).out).toBe(
    'limits.hops = 30  # default\nrelay.smart_host = ""  # default\n',
  );
  const objects = run(['config', 'show', '--json'])
    .out.trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(objects).toContainEqual({ name: 'queue.interval', value: '30m', origin: `${toml}:5` });
  expect(run(['config', 'show', 'nonsense'])).toMatchObject({ status: 2 });
  expect(run(['config'])).toMatchObject({ status: 2 });
});

test('config check is content with what is well', () => {
  const { run } = newSystem();
  const result = run(['config', 'check']);
  expect(result).toMatchObject({ status: 0, err: '' });
  expect(result.out).toMatch(/reachable from: loopback only\nin order\n$/);
});

test('config check finds faults of the configuration and of every table', () => {
  const { run, write, path } = newSystem();
  write('etc/mail/mailertable', 'a.test smtp:b.test\na.test smtp:c.test\n');
  write('etc/mail/virtusertable', 'x@far.test lee\n');
  write('etc/aliases', 'a: "|\n');
  const result = run(['config', 'check']);
  expect(result.status).toBe(78);
  expect(result.err).toContain(`${path('etc/mail/virtusertable')}:1: warning: no effect: "far.test" is not in`);
  expect(result.err).toContain(`${path('etc/aliases')}:1: `);
  write('etc/tmail/tmail.toml', '[queue]\ninterval = "soon"\n');
  expect(run(['config', 'check'])).toMatchObject({
    status: 78,
    err: `tmail: ${path('etc/tmail/tmail.toml')}:2: interval must be a time like "30m", "4h" or "5d", or a whole number of seconds\n`,
  });
});

test('config check names what others can write, and how to mend it', () => {
  const { run, write, path } = newSystem();
  chmodSync(path('etc/mail'), 0o775);
  chmodSync(path('etc/aliases'), 0o666);
  mkdirSync(path('var/spool/tmail/queue'), { recursive: true });
  chmodSync(path('var/spool/tmail/queue'), 0o755);
  chmodSync(path('var/mail'), 0o777);
  write('etc/tmail/tmail.toml', 'hostname = "a.example"\n[local]\nprograms = ["/no/such/program"]\n', 0o644);
  const { status, err } = run(['config', 'check']);
  expect(status).toBe(0);
  expect(err.split('\n')).toEqual([
    `${path('etc/mail')}: warning: can be written by its group; mend it with: chmod g-w ${path('etc/mail')}`,
    `${path('etc/aliases')}: warning: can be written by everybody; mend it with: chmod go-w ${path('etc/aliases')}`,
    `${path('var/spool/tmail/queue')}: warning: is open to others (mode 755); mend it with: chmod 700 ${path('var/spool/tmail/queue')}`,
    `${path('var/mail')}: warning: everybody can take away the mailboxes of others; mend it with: chmod +t ${path('var/mail')}`,
    '/no/such/program: warning: is in [local] programs and does not exist',
    '',
  ]);
  const [first] = run(['config', 'check', '--json']).out.split('\n');
  expect(JSON.parse(first ?? '')).toEqual({
    level: 'warning',
    file: path('etc/mail'),
    line: null,
    reason: 'can be written by its group',
    remedy: `chmod g-w ${path('etc/mail')}`,
  });
});

test('explain prints steps and ends', () => {
  const { run, write, path } = newSystem();
  write('etc/mail/local-host-names', 'tonk.com\n');
  write('etc/mail/virtusertable', 'lee@tonk.com dl\n');
  const { status, out } = run(['explain', 'lee@tonk.com', '--client', '192.168.0.7', '--client-name', 'pc.test']);
  expect(status).toBe(0);
  expect(out).toContain(`virtusertable lee@tonk.com: ${path('etc/mail/virtusertable')}:1 dl\n`);
  expect(out).toContain(`=> lee@tonk.com -> dl: mailbox ${path('var/mail/dl')}\n`);
  const found = JSON.parse(
    run(['explain', 'bob@tonk.com', '--client', '192.0.2.7', '--client-name', 'x.test', '--json']).out,
  );
  expect(found).toMatchObject({
    recipient: 'bob@tonk.com',
    verdict: 'refuse',
    reply: { code: 550, status: '5.1.1' },
    ends: [{ kind: 'refused' }],
  });
  expect(run(['explain'])).toMatchObject({ status: 2 });
  expect(run(['explain', 'a b'])).toMatchObject({ status: 2, err: expect.stringContaining('"a b"') });
  expect(run(['explain', 'lee', '--client', 'somewhere'])).toMatchObject({ status: 2 });
  write('etc/aliases', 'nonsense\n');
  expect(run(['explain', 'lee'])).toMatchObject({
    status: 78,
    err: expect.stringContaining(`${path('etc/aliases')}:1:`),
  });
});
