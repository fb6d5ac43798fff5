import { expect, it } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { explain, traceLines } from '../../src/daemon/explain.ts';
import { fixedResolver } from '../../src/daemon/resolver.ts';
import { readTables, tablePaths, usersOnly } from '../../src/daemon/tables.ts';
import { createWorld } from '../../src/daemon/world.ts';
import { where } from '../../src/rules/table.ts';
import { pathOf } from '../rules/scenario.ts';
import { newFolder } from './folder.ts';

const HOSTS = new Map([
  ['qq.com', { mx: ['mx1.qq.com', 'mx2.qq.com'] }],
  ['null.test', { mx: ['.'] }],
  ['bare.test', { addresses: ['192.0.2.5'] }],
  ['silent.test', { silent: true }],
]);

interface Asked {
  readonly from?: string;
  readonly client?: string;
  readonly user?: string;
  readonly toml?: string;
}

/** A folder with a bit of everything, and what is explained there, paths relative to it. */
async function ask(to: string, { from = '<>', client = '203.0.113.5', user, toml = '' }: Asked = {}) {
  const folder = newFolder();
  folder.write('etc/mail/local-host-names', 'tonk.com\n');
  folder.write('etc/mail/virtusertable', 'lee@tonk.com dl\n@tonk.com error:5.1.1:550 No such user\n');
  folder.write(
    'etc/mail/access',
    'Connect:192.168.0 RELAY\nFrom:spam.test REJECT\nFrom:drop.test DISCARD\nFrom:odd.test QUARANTINE:odd\n',
  );
  folder.write(
    'etc/mail/mailertable',
    'far.test smtp:[192.0.2.1]:2525\nno.test error:5.7.1:550 not there\nback.test local:lee\n',
  );
  folder.write('etc/aliases', 'staff: lee, gone, "|/usr/bin/vacation x", /var/mail/archive\n');
  folder.write('home/dl/.forward', '\\dl, dl@far.test\n');
  const settings = await folder.settings(`hostname = "linux102.example.com"\n${toml}`);
  const { rules } = readTables(realDisk, tablePaths(folder.paths), settings.rules, usersOnly(folder.root));
  const resolver = fixedResolver(HOSTS);
  const world = createWorld({ root: folder.root, resolver, rules: () => rules });
  const question = { client: { address: client }, sender: pathOf(from), recipient: pathOf(to), user };
  const found = await explain(question, { settings, rules, world, resolver });
  const short = (text: string) => text.replaceAll(`${folder.root}/`, '');
  return {
    verdict: found.verdict,
    lines: [...traceLines(found.trace), ...traceLines(found.expansion?.trace ?? [])].map(short),
    ends: found.ends.map(({ kind, path, place, at, notes }) =>
      short([path.join(' > '), kind, place, ...(at === undefined ? [] : [where(at)]), ...notes].join(' | ')),
    ),
  };
}

it('follows virtusertable and .forward, and names every line', async () => {
  const { lines, ends } = await ask('lee@tonk.com', { client: '192.168.0.7' });
  expect(lines).toEqual([
    expect.stringMatching(/^access Connect 192.168.0.7\/32.*: not there$/),
    'access Connect 192.168.0.0/24: etc/mail/access:1 RELAY',
    expect.stringMatching(/^access To lee@tonk.com, .*: not there$/),
    'local tonk.com: etc/mail/local-host-names:1',
    'relay: not reached',
    'virtusertable lee@tonk.com: etc/mail/virtusertable:1 dl',
    'aliases dl: not there',
    'users dl: dl',
    '.forward dl: home/dl/.forward:1 \\dl, dl@far.test',
    'users dl: dl',
  ]);
  expect(ends).toEqual([
    'lee@tonk.com > dl > \\dl | mailbox | var/mail/dl',
    'lee@tonk.com > dl > dl@far.test | remote | [192.0.2.1] port 2525 (smtp) | etc/mail/mailertable:1',
  ]);
});

it('says where each target of a list ends, and which ends nowhere', async () => {
  expect((await ask('staff')).ends).toEqual([
    'staff > lee | mailbox | var/mail/lee',
    'staff | program | /usr/bin/vacation x | will be refused: /usr/bin/vacation is not in [local] programs',
    'staff | file | var/mail/archive',
    expect.stringMatching(
      /^staff > gone \| refused \| 550 5.1.1 User unknown \| etc\/aliases:1 \| no alias and no user "gone"/,
    ),
  ]);
  const toml = '[local]\nprograms = ["/usr/bin/vacation"]\nmaildir = "Maildir"\n';
  expect((await ask('staff', { toml })).ends.slice(0, 2)).toEqual([
    'staff > lee | maildir | home/lee/Maildir',
    'staff | program | /usr/bin/vacation x',
  ]);
});

it.each<[string, string, Asked, string | RegExp]>([
  [
    'a user nobody is',
    'bob@tonk.com',
    {},
    'bob@tonk.com | refused | 550 5.1.1 bob@tonk.com... No such user | etc/mail/virtusertable:2 | virtusertable says so',
  ],
  ['a relay refused', 'a@qq.com', {}, 'a@qq.com | refused | 550 5.7.1 a@qq.com... Relaying denied'],
  [
    'a sender refused',
    'lee',
    { from: 'x@spam.test' },
    'lee | refused | 550 5.7.1 x@spam.test... Access denied | etc/mail/access:2',
  ],
  [
    'a sender dropped',
    'lee',
    { from: 'x@drop.test' },
    'lee | discarded | dropped; the sender is told that it was taken | etc/mail/access:3',
  ],
  ['a message held', 'lee', { from: 'x@odd.test' }, 'lee | mailbox | var/mail/lee | held until it is released: odd'],
  ['MX', 'a@qq.com', { user: 'dl' }, 'a@qq.com | remote | mx1.qq.com (10), mx2.qq.com (20): MX of qq.com'],
  ['no MX', 'a@bare.test', { user: 'dl' }, 'a@bare.test | remote | bare.test itself: it has no MX'],
  ['null MX', 'a@null.test', { user: 'dl' }, 'a@null.test | remote | nowhere: null.test takes no mail (null MX)'],
  ['a silent name server', 'a@silent.test', { user: 'dl' }, /silent.test, which the name server does not tell now/],
  [
    'mailertable error',
    'a@no.test',
    { user: 'dl' },
    'a@no.test | refused | 550 5.7.1 not there | etc/mail/mailertable:2',
  ],
  ['mailertable local', 'a@back.test', { user: 'dl' }, 'a@back.test | mailbox | var/mail/lee | etc/mail/mailertable:3'],
  [
    'a smart host',
    'a@qq.com',
    { user: 'dl', toml: '[relay]\nsmart_host = "relay.test"\n' },
    'a@qq.com | remote | MX of relay.test, else relay.test port 25 (relay)',
  ],
])('explains %s', async (_, to, asked, end) => {
  expect((await ask(to, asked)).ends).toEqual([typeof end === 'string' ? end : expect.stringMatching(end)]);
});

it('says what the sender looks like outside', async () => {
  const toml = '[rewrite]\nmasquerade_as = "example.com"\nmasquerade_envelope = true\n';
  const { ends } = await ask('a@bare.test', { from: 'lee@linux102.example.com', user: 'lee', toml });
  expect(ends[0]).toMatch(/envelope sender becomes lee@example.com \| From: becomes lee@example.com$/);
});

it('says which rules were not reached', async () => {
  const { lines } = await ask('a@qq.com', { client: '127.0.0.1' });
  expect(lines).toContain('loopback: 127.0.0.1');
  expect(lines.at(-1)).toMatch(/^relay-domains \(client\), .*, promiscuous: not reached$/);
});
