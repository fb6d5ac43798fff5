/** Tables by themselves: hostile text, what newaliases says, what nobody keeps. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseAccess } from '../../src/rules/access.ts';
import { aliasSummary, memberText, parseAliases, parseList, parseMembers } from '../../src/rules/aliases.ts';
import { checkTargets, expand } from '../../src/rules/expand.ts';
import { decide, unroute } from '../../src/rules/relay.ts';
import { route } from '../../src/rules/route.ts';
import { buildRules, DEFAULT_OPTIONS } from '../../src/rules/rules.ts';
import { parseErrorText, where } from '../../src/rules/table.ts';

const word = fc.constantFrom(
  'a',
  'b.test',
  '@',
  '+*',
  '++',
  ':',
  ',',
  '"',
  '\\',
  '|',
  '/',
  '#',
  ' ',
  '\t',
  '\n',
  '10.1',
  '/8',
  '::',
  '%1',
  '%2',
  'error:',
  '550',
  '5.7.1',
  'REJECT',
  'RELAY',
  'Connect:',
  'From:',
  ':include:',
  '(',
  ')',
  '<',
  '>',
  'é',
  '\0',
  'smtp:',
  '[',
  ']',
  '.',
  'lee',
  '!',
);
const text = fc.array(word, { maxLength: 40 }).map((words) => words.join(''));

it('no table throws, and none of its faults is without a place', () => {
  fc.assert(
    fc.property(text, text, fc.array(word, { maxLength: 6 }), (one, two, words) => {
      const table = (file: string) => ({ file, text: one });
      const { rules, faults } = buildRules(
        {
          access: table('access'),
          aliases: { file: 'aliases', text: two },
          virtusertable: table('virtusertable'),
          genericstable: table('genericstable'),
          mailertable: table('mailertable'),
          localHostNames: { file: 'local-host-names', text: 'b.test' },
          relayDomains: table('relay-domains'),
        },
        { ...DEFAULT_OPTIONS, hostname: 'here.test' },
      );
      const lines = Math.max(one.split('\n').length, two.split('\n').length);
      for (const fault of faults) {
        expect(fault.line).toBeGreaterThan(0);
        expect(fault.line).toBeLessThanOrEqual(lines);
      }
      const lookups = { user: (name: string) => (name === 'lee' ? name : (false as const)) };
      const recipient = { local: words.join(''), domain: 'b.test', text: words.join('') };
      decide({ client: { address: '192.0.2.1', name: 'a.b.test' }, sender: recipient, recipient }, rules, lookups);
      const { targets, problems } = expand([recipient, { local: 'a', domain: '' }], rules, lookups);
      expect(new Set(targets.map((target) => JSON.stringify({ ...target, path: [] }))).size).toBe(targets.length);
      expect(targets.length + problems.length).toBeGreaterThan(recipient.local === '' ? -1 : 0);
      checkTargets(rules, lookups);
      route('x.b.test', rules);
    }),
    { numRuns: 1500 },
  );
});

it('members read what they print', () => {
  for (const member of ['lee', '\\lee', 'lee@a.test', '/var/mail/x', '|/bin/cat foo', ':include:/etc/list']) {
    const { members, faults } = parseMembers(member, { file: 'f', line: 1 });
    expect(faults).toEqual([]);
    expect(members.map(memberText)).toEqual([member]);
  }
});

it('a list is read line by line, comments and commas and all', () => {
  const { members } = parseList('l', '# who\nlee, root # both\n\n"|prog a, b"\nAnn <ann@a.test>\n');
  expect(members.map(memberText)).toEqual(['lee', 'root', '|prog a, b', 'ann@a.test']);
});

it('newaliases counts as sendmail does', () => {
  // All counted by sendmail 8.17's own.
  const count = (text: string): string => aliasSummary(parseAliases('/etc/aliases', text));
  expect(
    count(
      'postmaster: root\nlist: root, daemon\nl3: vroot@linux102.example.com\nqu: "list"\nb:  a,   b ,c\nprog: "|/bin/cat foo, bar"\n',
    ),
  ).toBe('/etc/aliases: 6 aliases, longest 26 bytes, 100 bytes total');
  expect(count('m: a,\n\tb,\n   c\n')).toBe('/etc/aliases: 1 aliases, longest 9 bytes, 10 bytes total');
  expect(count('"sp name": a\nx y: b\n')).toBe('/etc/aliases: 2 aliases, longest 1 bytes, 14 bytes total');
});

it('an alias that leads nowhere is told when the tables are read', () => {
  const { rules } = buildRules(
    {
      aliases: {
        file: 'aliases',
        text: 'good: lee\na1: gone\na2: a1, lee\nl1: l2\nl2: l1\nself: self, lee\nlist: :include:/x\n',
      },
      virtusertable: {
        file: 'virtusertable',
        text: 'x@here.test nobodyx\n@v.test lee\ny@here.test error:nouser none\nz@here.test %1\n',
      },
      localHostNames: { file: 'l', text: 'v.test' },
    },
    { ...DEFAULT_OPTIONS, hostname: 'here.test' },
  );
  const faults = checkTargets(rules, { user: (name) => (name === 'lee' ? name : false) });
  expect(faults.map((fault) => `${where(fault)} ${fault.level}`)).toEqual([
    'aliases:2 warning',
    'aliases:5 warning',
    'aliases:4 warning',
    'aliases:6 warning',
    'virtusertable:1 warning',
  ]);
});

it.each([
  ['550 go away', '550 5.0.0 go away'],
  ['5.7.1:550 go away', '550 5.7.1 go away'],
  ['550 5.7.1 go away', '550 5.7.1 go away'],
  ['"550 quoted"', '550 5.0.0 quoted'],
  ['nouser No such user', '550 5.1.1 No such user'],
  ['4.7.1:450 later', '450 4.7.1 later'],
  ['4.7.1: later', '450 4.7.1 later'],
  ['5.7.1:450 contradiction', '450 4.0.0 contradiction'],
  ['just words', '553 5.0.0 just words'],
  ['550', '550 5.0.0 Refused'],
])('error text %s', (given, wanted) => {
  const read = parseErrorText(given);
  expect(`${read?.code} ${read?.status} ${read?.text}`).toBe(wanted);
});

it.each([
  ['a%b.test', 'a@b.test'],
  ['a%b.test%c.test', 'a%b.test@c.test'],
  ['b.test!a', 'a@b.test'],
  ['c.test!b.test!a', 'b.test!a@c.test'],
  ['a@b.test', 'a@b.test'],
  ['a%b.test@c.test', 'a%b.test@c.test'],
  ['b.test!a%c.test', 'a%c.test@b.test'],
  ['@b.test:a@c.test', 'a@c.test'],
  ['a%not a domain', 'a@not a domain.invalid'],
])('%s means %s', (local, wanted) => {
  const inner = unroute(local);
  expect(`${inner.local}@${inner.domain}`).toBe(wanted);
});

it('an access table of 100,000 lines is read in one go and asked by its keys', () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `h${i}.test\tREJECT`).join('\n');
  const table = parseAccess('access', lines);
  expect(table.entries.size).toBe(100_000);
  expect(table.faults).toEqual([]);
});

it('aliases that double at every step are walked once', () => {
  const lines = Array.from({ length: 40 }, (_, i) => `d${i}: d${i + 1}, D${i + 1}, d${i + 1}+x`);
  const { rules } = buildRules(
    { aliases: { file: 'aliases', text: `${lines.join('\n')}\nd40: lee\n` } },
    DEFAULT_OPTIONS,
  );
  const { targets, problems } = expand([{ local: 'd0', domain: '' }], rules, {
    user: (name) => (name === 'lee' ? name : false),
  });
  expect(targets).toHaveLength(1);
  expect(problems).toEqual([]);
});
