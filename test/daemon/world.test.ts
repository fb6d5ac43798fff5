import { chmodSync, chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type FixedHost, fixedResolver } from '../../src/daemon/resolver.ts';
import { createWorld } from '../../src/daemon/world.ts';
import { expand } from '../../src/rules/expand.ts';
import { decide, decideSender } from '../../src/rules/relay.ts';
import { buildRules, DEFAULT_OPTIONS, type RuleOptions } from '../../src/rules/rules.ts';
import { pathOf } from '../rules/scenario.ts';
import { newFolder } from './folder.ts';

interface Given {
  readonly hosts?: Readonly<Record<string, FixedHost>>;
  readonly options?: Partial<RuleOptions>;
  readonly aliases?: string;
}

function worldOf(folder: ReturnType<typeof newFolder>, { hosts = {}, options = {}, aliases = '' }: Given = {}) {
  const { rules } = buildRules(
    { aliases: { file: 'aliases', text: aliases } },
    { ...DEFAULT_OPTIONS, hostname: 'linux102.example.com', ownAddresses: ['192.0.2.2'], ...options },
  );
  const asked: string[] = [];
  const inner = fixedResolver(new Map(Object.entries(hosts)));
  const resolver: typeof inner = {
    mx(domain) {
      asked.push(domain);
      return inner.mx(domain);
    },
    addresses: inner.addresses,
    names: inner.names,
  };
  const clock = { now: 1_000_000 };
  const world = createWorld({ root: folder.root, resolver, rules: () => rules, now: () => clock.now });
  const targets = async (recipient: string) => {
    const found = await world.settle(() => expand([pathOf(recipient)], rules, world.lookups));
    return [
      ...found.targets.map((target) =>
        target.kind === 'user'
          ? target.user
          : target.kind === 'remote'
            ? `${target.local}@${target.domain}`
            : target.kind,
      ),
      ...found.problems.map(({ refusal, detail }) => `!${refusal.code} ${detail}`),
    ];
  };
  return { world, rules, asked, clock, targets };
}

const asRoot = process.geteuid?.() === 0;

it('knows users, in small letters too, and those who come later', () => {
  const folder = newFolder();
  const { world } = worldOf(folder);
  expect([world.lookups.user('lee'), world.lookups.user('LEE'), world.lookups.user('new')]).toEqual([
    'lee',
    'lee',
    false,
  ]);
  folder.write('etc/passwd', 'new:x:1009:1009::/home/new:/bin/sh\n');
  expect(world.lookups.user('new')).toBe('new');
  expect(world.user('new')?.home).toBe(folder.path('home/new'));
});

it('forgets a user who went, after a while', () => {
  const folder = newFolder();
  const { world, clock } = worldOf(folder);
  expect(world.lookups.user('dl')).toBe('dl');
  folder.write('etc/passwd', 'lee:x:1000:1000::/home/lee:/bin/sh\n');
  clock.now += 10_000;
  expect(world.lookups.user('dl')).toBe(false);
});

it('reads lists below the root folder', async () => {
  const folder = newFolder();
  folder.write('lists/news', '# members\nlee\na@far.test, b@far.test\n');
  const { targets } = worldOf(folder, { aliases: 'news: :include:/lists/news\nnone: :include:/lists/none\n' });
  expect(await targets('news')).toEqual(['lee', 'a@far.test', 'b@far.test']);
  expect(await targets('none')).toEqual(['!451 /lists/none: no such file']);
});

it.each([
  [
    'a list that everybody may write',
    (at: string) => chmodSync(at, 0o666),
    /^!550 .*can be written by everybody \(chmod o-w /,
  ],
  [
    'a list in a folder that everybody may write',
    (at: string) => chmodSync(`${at}/..`.replace('/news/..', ''), 0o777),
    /^!550 .*lists can be written by everybody/,
  ],
])('does not believe %s', async (_, spoil, words) => {
  const folder = newFolder();
  spoil(folder.write('lists/news', 'lee\n'));
  const { targets } = worldOf(folder, { aliases: 'news: :include:/lists/news\n' });
  expect(await targets('news')).toEqual([expect.stringMatching(words)]);
});

it('lets mail wait for a list with a fault in it', async () => {
  const folder = newFolder();
  const list = folder.write('lists/news', 'lee\n|\n');
  const { targets } = worldOf(folder, { aliases: 'news: :include:/lists/news\n' });
  expect(await targets('news')).toEqual([`!451 /lists/news: ${list}:2: "|": no command after |`]);
});

it('obeys a .forward', async () => {
  const folder = newFolder();
  folder.write('home/lee/.forward', '\\lee, lee@away.test\n');
  expect(await worldOf(folder).targets('lee')).toEqual(['lee', 'lee@away.test']);
  expect(await worldOf(folder).targets('dl')).toEqual(['dl']);
});

it.each([
  ['its group may write', (at: string) => chmodSync(at, 0o664), /can be written by its group \(chmod g-w /],
  ['everybody may write', (at: string) => chmodSync(at, 0o646), /can be written by everybody/],
  [
    'lies in a home that others may write',
    (at: string) => chmodSync(at.replace('/.forward', ''), 0o775),
    /home\/lee can be written by its group/,
  ],
  [
    'lies below a folder that all may write',
    (at: string) => chmodSync(at.replace('/lee/.forward', ''), 0o777),
    /home can be written by everybody/,
  ],
])('passes by a .forward that %s', async (_, spoil, words) => {
  const folder = newFolder();
  spoil(folder.write('home/lee/.forward', 'evil@far.test\n'));
  const { world, targets } = worldOf(folder);
  expect(await targets('lee')).toEqual(['lee']);
  expect(world.lookups.forward?.('lee')).toMatchObject({ fault: expect.stringMatching(words), temporary: false });
});

it('passes by a .forward that is a link or a folder', () => {
  const folder = newFolder();
  const { world } = worldOf(folder);
  symlinkSync(folder.write('home/dl/list', 'evil@far.test\n'), folder.path('home/lee/.forward'));
  expect(world.lookups.forward?.('lee')).toMatchObject({ fault: expect.stringMatching(/symbolic link/) });
  mkdirSync(folder.path('home/dl/.forward'));
  expect(world.lookups.forward?.('dl')).toMatchObject({ fault: expect.stringMatching(/is no file/) });
});

it.runIf(asRoot)('passes by a .forward of another user, and a list that a user may not read', async () => {
  const folder = newFolder();
  chownSync(folder.write('home/lee/.forward', 'evil@far.test\n'), 1002, 1002);
  const { world, targets } = worldOf(folder);
  expect(world.lookups.forward?.('lee')).toMatchObject({
    fault: expect.stringMatching(/does not belong to lee \(chown lee /),
  });
  folder.write('home/dl/.forward', ':include:/etc/secret\n');
  folder.write('etc/secret', 'password@far.test\n', 0o600);
  expect(await targets('dl')).toEqual([expect.stringMatching(/^!550 .*secret cannot be read by dl/)]);
});

const HOSTS: Readonly<Record<string, FixedHost>> = {
  'qq.com': { mx: ['mx.qq.com'], addresses: ['192.0.2.9'] },
  'mx.qq.com': { addresses: ['192.0.2.9'] },
  'a-only.test': { addresses: ['192.0.2.7'] },
  'silent.test': { silent: true },
  'ours.test': { mx: ['linux102.example.com.'] },
  'backup.test': {
    mx: [
      { exchange: 'mx.qq.com', priority: 10 },
      { exchange: 'linux102.example.com', priority: 20 },
    ],
  },
  'address.test': { mx: ['elsewhere.test'] },
  'elsewhere.test': { addresses: ['192.0.2.2'] },
  'evil.test': { mx: ['here.evil.test'] },
  'here.evil.test': { addresses: ['127.0.0.1'] },
};

it.each([
  ['a@qq.com', undefined],
  ['a@a-only.test', undefined],
  ['a@nowhere.test', 553],
  ['a@silent.test', 451],
  ['', undefined],
])('knows whether the domain of %j exists', async (sender, code) => {
  const { world, rules } = worldOf(newFolder(), { hosts: HOSTS, options: { acceptUnresolvableDomains: false } });
  const question = { client: { address: '203.0.113.5' }, sender: pathOf(sender === '' ? '<>' : sender) };
  const { verdict } = await world.settle(() => decideSender(question, rules, world.lookups));
  expect(verdict?.refusal?.code).toBe(code);
});

it.each([
  ['ours.test', 'relay'],
  ['address.test', 'relay'],
  ['backup.test', 'refuse'],
  ['qq.com', 'refuse'],
  ['evil.test', 'refuse'],
  ['nowhere.test', 'refuse'],
])('knows whether the MX of %s is this host', async (domain, kind) => {
  const relay = { ...DEFAULT_OPTIONS.relay, basedOnMx: true };
  const { world, rules } = worldOf(newFolder(), { hosts: HOSTS, options: { relay } });
  const question = { client: { address: '203.0.113.5' }, sender: pathOf('<>'), recipient: pathOf(`a@${domain}`) };
  const { verdict } = await world.settle(() => decide(question, rules, world.lookups));
  expect(verdict.kind).toBe(kind);
});

it('asks once for what it was told a moment ago', async () => {
  const { world, rules, asked, clock } = worldOf(newFolder(), { hosts: HOSTS });
  const question = { client: { address: '203.0.113.5' }, sender: pathOf('a@qq.com') };
  const ask = () => world.settle(() => decideSender(question, rules, world.lookups));
  await ask();
  await ask();
  expect(asked).toEqual(['qq.com']);
  clock.now += 120_000;
  await ask();
  expect(asked).toEqual(['qq.com', 'qq.com']);
});

it('gives up on questions without an end', async () => {
  const { world } = worldOf(newFolder());
  let n = 0;
  await expect(world.settle(() => ({ needs: [{ kind: 'domain', name: `${n++}.test` }] }))).rejects.toMatchObject({
    temporary: true,
  });
});

it('believes a client the name that leads back to it', async () => {
  const { world } = worldOf(newFolder(), { hosts: HOSTS });
  expect(await world.clientName('192.0.2.7')).toBe('a-only.test');
  expect(await world.clientName('192.0.2.200')).toBeUndefined();
  expect(await world.clientName('')).toBeUndefined();
});
