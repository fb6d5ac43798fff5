import { expect, it } from 'vitest';
import { cannotListen, reachability } from '../../src/daemon/settings.ts';
import { DEFAULT_SCHEDULE } from '../../src/queue/schedule.ts';
import { DEFAULT_OPTIONS } from '../../src/rules/rules.ts';
import { DEFAULT_LIMITS } from '../../src/smtp/question.ts';
import { newFolder } from './folder.ts';

it('has the same defaults as the parts of the daemon', async () => {
  const settings = await newFolder().settings();
  expect(settings.limits).toEqual(DEFAULT_LIMITS);
  expect(settings.schedule).toEqual(DEFAULT_SCHEDULE);
  expect({ ...settings.rules, ownAddresses: [] }).toEqual({ ...DEFAULT_OPTIONS, hostname: 'linux102.example.com' });
  expect(settings.rules.ownAddresses).not.toContain('127.0.0.1');
  expect(settings.listeners).toMatchObject([{ role: 'mta', requireAuth: false, requireTls: false, lmtp: false }]);
  expect(settings.local.maildirOf('lee')).toBeUndefined();
  expect(settings.local.quota).toBeUndefined();
  expect(settings.warnings).toEqual([]);
  expect(reachability(settings.listeners)).toBe('reachable from: loopback only');
});

it('gives each part its own', async () => {
  const folder = newFolder();
  const settings = await folder.settings(`
    hostname = "mail.example.org"
    [[listen]]
    role = "submission"
    address = "0.0.0.0:587"
    require_tls = false
    [limits]
    message_size = "1M"
    connections_per_client = 3
    [queue]
    interval = "30m"
    warn_after = ["5m", "4h"]
    return_after = "5d"
    [relay]
    based_on_mx = true
    smart_host = "[192.0.2.1]:587"
    [rewrite]
    masquerade_as = "example.org"
    exposed_users = ["root", "cron"]
    [local]
    programs = ["/usr/bin/procmail"]
    maildir = "Maildir"
    maildir_users = ["dl"]
    [log]
    file = "/var/log/mail.log"
    format = "maillog"
  `);
  expect(settings).toMatchObject({
    hostname: 'mail.example.org',
    limits: { size: 1_048_576 },
    connections: { perClient: 3 },
    schedule: { interval: 1_800_000, warnAfter: [300_000, 14_400_000], returnAfter: 432_000_000 },
    rules: {
      hostname: 'mail.example.org',
      relay: { basedOnMx: true, smartHost: '[192.0.2.1]:587' },
      rewrite: { masqueradeAs: 'example.org', exposedUsers: ['root', 'cron'] },
    },
    log: { file: folder.path('var/log/mail.log'), format: 'maillog' },
  });
  expect(settings.listeners).toMatchObject([{ role: 'submission', requireAuth: true, requireTls: false, etrn: false }]);
  expect(settings.local.programs).toEqual(new Set(['/usr/bin/procmail']));
  expect([settings.local.maildirOf('dl'), settings.local.maildirOf('lee')]).toEqual(['Maildir', undefined]);
  expect(reachability(settings.listeners)).toBe('reachable from: 0.0.0.0:587 (submission)');
});

it('warns of what will hurt', async () => {
  const settings = await newFolder().settings(
    'hostname = "box"\n[relay]\npromiscuous = true\nsender_rules = true\n[queue]\nwarn_after = "6d"\n',
  );
  expect(settings.warnings).toEqual([
    expect.stringMatching(/tmail.toml:3: promiscuous relaying is on/),
    expect.stringMatching(/tmail.toml:4: senders may relay/),
    expect.stringMatching(/the host name "box" is not fully qualified/),
    expect.stringMatching(/tmail.toml:6: a warning after return_after/),
  ]);
});

it('says why a port could not be opened, and what to do', () => {
  const listener = { role: 'mta', address: { kind: 'tcp', host: '127.0.0.1', port: 25 }, origin: 'default' } as const;
  const failure = (code: string) => cannotListen(listener, Object.assign(new Error(code), { code }), '/r/tmail.toml');
  expect(failure('EACCES')).toBe(
    'cannot listen on 127.0.0.1:25 for mta: only root may open ports below 1024; start it as root, or write [[listen]] role = "mta" address = "127.0.0.1:2525" in /r/tmail.toml',
  );
  expect(failure('EADDRINUSE')).toMatch(/another program listens there/);
  expect(failure('EADDRNOTAVAIL')).toMatch(/no such address/);
  expect(failure('EMFILE')).toMatch(/Too many open files/);
});
