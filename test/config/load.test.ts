import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, optionValue, qualifiedName, settled } from '../../src/config/load.ts';
import { fallbackText, OPTIONS } from '../../src/config/options.ts';
import { isHostName } from '../../src/config/values.ts';
import { ConfigError, UserError } from '../../src/core/errors.ts';

let root: string;
let file: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'config-'));
  mkdirSync(join(root, 'etc/tmail'), { recursive: true });
  file = join(root, 'etc/tmail/tmail.toml');
});
afterEach(() => rmSync(root, { recursive: true }));

describe('loadConfig', () => {
  it('has defaults for everything when there is no file', async () => {
    const config = await loadConfig({ root });
    expect(config.set.size).toBe(0);
    expect(config.paths.spool).toBe(join(root, 'var/mail'));
    expect(config.root).toEqual({ value: root, origin: 'command line' });
    expect(isHostName(config.hostname.value)).toBe(true);
  });

  it('says of each value where it is from', async () => {
    writeFileSync(
      file,
      '# ours\nhostname = "mail.example.org"\n\n[paths]\nspool = "/srv/mail"\n[mailbox]\nlock_timeout = 5\n',
    );
    const config = await loadConfig({ root, commandLine: new Map([['paths.aliases', '/srv/aliases']]) });
    expect(config.hostname).toEqual({ value: 'mail.example.org', origin: `${file}:2` });
    expect(config.set.get('paths.spool')).toEqual({ value: '/srv/mail', origin: `${file}:5` });
    expect(config.paths.spool).toBe(join(root, 'srv/mail'));
    expect(config.paths.aliases).toBe(join(root, 'srv/aliases'));
    expect(optionValue(config, 'mailbox.lock_timeout')).toBe(5);
    expect(optionValue(config, 'paths.queue')).toBeUndefined();
  });

  it('takes the command line before the file', async () => {
    writeFileSync(file, 'hostname = "a.example.org"\n');
    const config = await loadConfig({ root, commandLine: new Map([['hostname', 'b.example.org']]) });
    expect(config.hostname).toEqual({ value: 'b.example.org', origin: 'command line' });
  });

  it('leaves sections of the daemon that it does not know alone', async () => {
    writeFileSync(file, '[auth]\nsources = ["shadow"]\n[tls]\nkey = "/k"\n');
    expect((await loadConfig({ root })).set.size).toBe(0);
  });

  it('knows where to listen: on loopback, until it is told otherwise', async () => {
    expect((await loadConfig({ root })).listen).toMatchObject([
      { role: 'mta', address: { kind: 'tcp', host: '127.0.0.1', port: 25 }, origin: 'default' },
    ]);
    writeFileSync(
      file,
      '[[listen]]\nrole = "mta"\naddress = "127.0.0.1:0"\n\n[[listen]]\nrole = "lmtp"\naddress = "unix:/run/lmtp"\n',
    );
    expect((await loadConfig({ root })).listen).toMatchObject([
      { role: 'mta', address: { host: '127.0.0.1', port: 0 }, origin: `${file}:1` },
      { role: 'lmtp', address: { kind: 'unix', path: join(root, 'run/lmtp') }, origin: `${file}:5` },
    ]);
    writeFileSync(file, 'listen = ["0.0.0.0:25", "0.0.0.0:587"]\n');
    expect((await loadConfig({ root })).listen.map(({ role }) => role)).toEqual(['mta', 'submission']);
  });

  it("takes the names that sendmail's users know", async () => {
    writeFileSync(file, 'promiscuous_relay = true\nqueue_interval = "30m"\n[queue]\nwarn_after = ["5m", "4h"]\n');
    const config = await loadConfig({ root });
    expect(optionValue(config, 'relay.promiscuous')).toBe(true);
    expect(settled(config, 'queue.interval')).toBe(1_800_000);
    expect(settled(config, 'queue.warn_after')).toEqual([300_000, 14_400_000]);
    expect(settled(config, 'queue.return_after')).toBe(432_000_000);
  });

  it('takes a path below the root for what it is', async () => {
    writeFileSync(file, `[paths]\nspool = "${join(root, 'mail')}"\n`);
    expect((await loadConfig({ root })).paths.spool).toBe(join(root, 'mail'));
  });

  it('takes its root from TMAIL_ROOT', async () => {
    const config = await loadConfig({ env: { TMAIL_ROOT: root } });
    expect(config.root).toEqual({ value: root, origin: 'TMAIL_ROOT' });
    expect((await loadConfig({ root: '/', env: { TMAIL_ROOT: root } })).paths.spool).not.toContain(root);
  });

  it('reads the file that --config names, which must be there', async () => {
    const other = join(root, 'other.toml');
    await expect(loadConfig({ root, file: other })).rejects.toThrow(`${other}: No such file or directory`);
    writeFileSync(other, 'hostname = "c.example.org"');
    expect((await loadConfig({ root, file: other })).hostname.origin).toBe(`${other}:1`);
  });

  const faults: [string, string, number, RegExp][] = [
    ['no TOML', 'hostname = "a"\nspool /var/mail\n', 2, /./],
    ['the same twice', 'hostname = "a"\nhostname = "b"\n', 2, /./],
    ['a wrong type', '\nhostname = 3\n', 2, /hostname must be a host name/],
    ['no host name', 'hostname = "-a b"\n', 1, /must be a host name/],
    ['an unknown option', '\n\nhostnam = "a"\n', 3, /unknown option "hostnam"; there are: hostname, \[paths\]/],
    ['an unknown option in a section', '[paths]\n\nspol = "/a"\n', 3, /unknown option "spol"; there are: spool, /],
    ['an unknown section', '[path]\nspool = "/a"\n', 1, /unknown option "path"/],
    ['a relative path', '[paths]\nspool = "mail"\n', 2, /spool must be an absolute path/],
    ['a dotted key', 'hostname = "a"\npaths.spool = "mail"\n', 2, /spool must be an absolute path/],
    ['an inline table', 'paths = { spool = "mail" }\n', 1, /spool must be an absolute path/],
    ['a section that is none', 'hostname = "a"\npaths = "/srv"\n', 2, /paths is a section/],
    ['a list of sections', '[[paths]]\nspool = "/a"\n', 1, /paths is a section/],
    ['a negative number', '[mailbox]\nlock_timeout = -1\n', 2, /must be a number of seconds/],
    [
      'an unknown role',
      '[[listen]]\nrole = "mta"\naddress = "127.0.0.1:25"\n[[listen]]\nrole = "x"\n',
      5,
      /^.*role must be/,
    ],
    ['a listener nowhere', '[[listen]]\nrole = "mta"\n', 1, /address must be a text in quotes like/],
    ['no listener', 'listen = []\n', 1, /must listen somewhere/],
    ['a wrong time', '[queue]\nwarn_after = ["4h", "soon"]\n', 2, /warn_after must be a time like/],
    ['an option under two names', 'max_hops = 3\n[limits]\nhops = 4\n', 3, /limits.hops is set in .*:1, too/],
    ['a wrong choice', '[log]\nformat = "xml"\n', 2, /format must be one of "json", "maillog"/],
    ['a text for a number', '[mailbox]\nlock_timeout = "5"\n', 2, /must be a number of seconds/],
  ];
  it.each(faults)('names file and line of %s', async (_, text, line, words) => {
    writeFileSync(file, text);
    const error = await loadConfig({ root }).catch((caught) => caught);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ file, line, status: 78 });
    expect(error.message).toMatch(words);
    expect(error.message).not.toContain('\n');
  });

  it.each([
    [{ root: '/nowhere/at/all' }, /--root: \/nowhere\/at\/all: No such folder/],
    [{ root: '/etc/passwd' }, /--root: .*Not a folder/],
    [{ root: '' }, /--root: the name of a folder is missing/],
    [{ env: { TMAIL_ROOT: '/nowhere/at/all' } }, /^TMAIL_ROOT: \/nowhere/],
    [{ commandLine: new Map([['hostnam', 'a']]) }, /unknown option "hostnam"/],
    [{ commandLine: new Map([['mailbox.lock_timeout', '']]) }, /must be a number/],
  ])('refuses %j', async (sources, words) => {
    const error = await loadConfig(sources).catch((caught) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(words);
  });
});

describe('the table of options', () => {
  it('says of each what it is for', () => {
    for (const option of Object.values(OPTIONS)) {
      expect(option.doc).toMatch(/^[A-Z].*\.$/);
      expect(fallbackText(option)).not.toBe('');
    }
  });
});

describe('qualifiedName', () => {
  const hosts = [
    '127.0.0.1 localhost.localdomain localhost box',
    '# 10.0.0.9 box.commented.example box',
    '10.0.0.1\tbox.example.org box # ours',
    '10.0.0.2 mail.example.org post',
    '10.0.0.3 short',
  ].join('\n');
  it.each([
    ['box', 'box.example.org', '/etc/hosts'],
    ['post', 'mail.example.org', '/etc/hosts'],
    ['short', 'short', 'name of this machine'],
    ['unheard-of', 'unheard-of', 'name of this machine'],
    ['full.example.net', 'full.example.net', 'name of this machine'],
    ['', 'localhost', 'default'],
    ['a b', 'localhost', 'default'],
  ])('of %j is %j', (name, value, origin) => expect(qualifiedName(name, hosts)).toEqual({ value, origin }));
});
