/**
 * Never an open relay: every kind of client, sender and recipient in every configuration, against a written truth table.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePath } from '../../src/message/path.ts';
import { type DecisionLookups, decide, type Verdict } from '../../src/rules/relay.ts';
import { buildRules, DEFAULT_OPTIONS, type RelayOptions, type TableTexts } from '../../src/rules/rules.ts';
import { pathOf } from './scenario.ts';

/** The truth table: what becomes of a recipient class, for a client that may relay and for one that may not. */
const TRUTH = {
  here: { trusted: 'deliver', stranger: 'deliver' },
  unknown: { trusted: '550 5.1.1', stranger: '550 5.1.1' },
  elsewhere: { trusted: 'relay', stranger: '550 5.7.1' },
  /** A domain of relay-domains where it is set, else as elsewhere. */
  backup: { trusted: 'relay', stranger: '550 5.7.1' },
} as const;

const RECIPIENTS: readonly [keyof typeof TRUTH, string][] = [
  ['here', 'lee'],
  ['here', 'lee@linux102.example.com'],
  ['here', 'LEE@Linux102.Example.COM.'],
  ['here', 'lee@[127.0.0.1]'],
  ['here', 'lee@[IPv6:::1]'],
  ['here', 'lee@[IPv6:::ffff:127.0.0.1]'],
  ['here', 'lee+news@other.example.com'],
  ['here', 'lee%linux102.example.com@linux102.example.com'],
  ['here', '@far.test:lee@linux102.example.com'],
  ['here', '@far.test,@b.test:lee'],
  ['here', '"lee"@linux102.example.com'],
  ['unknown', 'nobodyx'],
  ['unknown', '"lee lee"@linux102.example.com'],
  ['unknown', '"|/bin/sh"@linux102.example.com'],
  ['unknown', '"/etc/passwd"'],
  ['elsewhere', 'a@far.test'],
  ['elsewhere', 'a@[192.0.2.77]'],
  ['elsewhere', 'a@[IPv6:2001:db8::1]'],
  ['elsewhere', 'a@[IPv6:::ffff:192.0.2.77]'],
  ['elsewhere', 'a@xother.example.com'],
  ['elsewhere', 'a@linux102.example.com.far.test'],
  ['elsewhere', 'a%far.test@linux102.example.com'],
  ['elsewhere', 'a%far.test@[127.0.0.1]'],
  ['elsewhere', 'a%far.test'],
  ['elsewhere', 'a%far.test%linux102.example.com@other.example.com'],
  ['elsewhere', 'far.test!a'],
  ['elsewhere', 'far.test!a@linux102.example.com'],
  ['elsewhere', 'linux102.example.com!far.test!a'],
  ['elsewhere', '"a@far.test"'],
  ['elsewhere', '"a@far.test"@linux102.example.com'],
  ['elsewhere', '"a%far.test"@other.example.com'],
  ['elsewhere', '"far.test!a"@localhost'],
  ['elsewhere', '"\\"a\\"@far.test"@linux102.example.com'],
  ['elsewhere', '@linux102.example.com:a@far.test'],
  ['elsewhere', '@linux102.example.com,@other.example.com:a@far.test'],
  ['elsewhere', '"@linux102.example.com:a@far.test"@linux102.example.com'],
  ['backup', 'a@backup.test'],
  ['backup', 'a@mx.backup.test'],
  ['backup', 'a%backup.test@linux102.example.com'],
];

/** Detours by way of a domain we relay to: what it would send on is judged. */
const DETOURS = [
  'a%far.test@backup.test',
  'far.test!a@backup.test',
  '"a@far.test"@backup.test',
  '"a%far.test"@mx.backup.test',
];

const SENDERS = ['<>', 'lee', 'lee@linux102.example.com', 'root@[127.0.0.1]', 'x@far.test', 'x%y@linux102.example.com'];

interface Source {
  name: string;
  client: { address: string; name?: string };
  user?: string;
  /** Configurations in which it may relay. */
  trusted: (config: string) => boolean;
}

const SOURCES: readonly Source[] = [
  { name: 'stranger', client: { address: '203.0.113.5' }, trusted: (c) => c === 'promiscuous' },
  {
    name: 'stranger named as ours',
    client: { address: '203.0.113.5', name: 'xother.example.com' },
    trusted: (c) => c === 'promiscuous',
  },
  { name: 'stranger, IPv6', client: { address: '2001:db8:9::5' }, trusted: (c) => c === 'promiscuous' },
  { name: 'stranger, mapped', client: { address: '::ffff:203.0.113.5' }, trusted: (c) => c === 'promiscuous' },
  { name: 'no address at all', client: { address: 'garbage' }, trusted: (c) => c === 'promiscuous' },
  { name: 'nearly loopback', client: { address: '128.0.0.1' }, trusted: (c) => c === 'promiscuous' },
  { name: 'loopback', client: { address: '127.0.0.1' }, trusted: (c) => c !== 'no loopback' },
  { name: 'loopback, IPv6', client: { address: '::1' }, trusted: (c) => c !== 'no loopback' },
  { name: 'loopback, mapped', client: { address: '::ffff:127.0.0.1' }, trusted: (c) => c !== 'no loopback' },
  { name: 'local pipe', client: { address: '' }, trusted: (c) => c !== 'no loopback' },
  {
    name: 'the office',
    client: { address: '192.168.0.7' },
    trusted: (c) => c === 'access' || c === 'relay-domains' || c === 'promiscuous',
  },
  {
    name: 'the office, mapped',
    client: { address: '::ffff:192.168.0.7' },
    trusted: (c) => c === 'access' || c === 'relay-domains' || c === 'promiscuous',
  },
  { name: 'next to the office', client: { address: '192.168.1.7' }, trusted: (c) => c === 'promiscuous' },
  { name: 'logged in', client: { address: '203.0.113.5' }, user: 'lee', trusted: () => true },
];

const CONFIGS: readonly { name: string; texts: TableTexts; relay?: Partial<RelayOptions>; backup: boolean }[] = [
  { name: 'default', texts: {}, backup: false },
  {
    name: 'access',
    texts: {
      access: {
        file: 'access',
        text: 'Connect:192.168.0 RELAY\nTo:backup.test RELAY\nFrom:lee@linux102.example.com RELAY\nx@far.test OK',
      },
    },
    backup: true,
  },
  {
    name: 'relay-domains',
    texts: { relayDomains: { file: 'relay-domains', text: 'backup.test\n192.168.0' } },
    backup: true,
  },
  { name: 'no loopback', texts: {}, relay: { loopback: false }, backup: false },
  { name: 'promiscuous', texts: {}, relay: { promiscuous: true }, backup: false },
  { name: 'mx', texts: {}, relay: { basedOnMx: true }, backup: false },
];

const lookups: DecisionLookups = {
  user: (name) => (name.toLowerCase() === 'lee' ? 'lee' : false),
  mxIsUs: () => 'no',
  domainExists: () => 'yes',
};

function rulesOf(config: (typeof CONFIGS)[number]) {
  return buildRules(
    { ...config.texts, localHostNames: { file: 'local-host-names', text: 'other.example.com' } },
    {
      ...DEFAULT_OPTIONS,
      hostname: 'linux102.example.com',
      ownAddresses: ['192.0.2.2'],
      relay: { ...DEFAULT_OPTIONS.relay, ...config.relay },
    },
  ).rules;
}

function ask(config: (typeof CONFIGS)[number], source: Source, sender: string, recipient: string): Verdict {
  const decision = decide(
    { client: source.client, sender: pathOf(sender), recipient: pathOf(`<${recipient}>`), user: source.user },
    rulesOf(config),
    lookups,
  );
  if ('needs' in decision) throw new Error('needs');
  return decision.verdict;
}

const short = (verdict: Verdict): string =>
  verdict.refusal === undefined ? verdict.kind : `${verdict.refusal.code} ${verdict.refusal.status}`;

describe.each(CONFIGS)('$name', (config) => {
  it.each(SOURCES)('$name', (source) => {
    const column = source.trusted(config.name) ? 'trusted' : 'stranger';
    for (const sender of SENDERS) {
      for (const [kind, recipient] of RECIPIENTS) {
        const wanted = kind === 'backup' && config.backup ? 'relay' : TRUTH[kind][column];
        expect(`${sender} to ${recipient}: ${short(ask(config, source, sender, recipient))}`).toBe(
          `${sender} to ${recipient}: ${wanted}`,
        );
      }
      for (const recipient of DETOURS) {
        expect(`${sender} to ${recipient}: ${short(ask(config, source, sender, recipient))}`).toBe(
          `${sender} to ${recipient}: ${TRUTH.elsewhere[column]}`,
        );
      }
    }
  });
});

it('whatever a stranger writes, nothing of it is relayed', () => {
  const word = fc.constantFrom(
    'a',
    'far.test',
    'lee',
    'linux102.example.com',
    'other.example.com',
    'backup.test',
    '@',
    '%',
    '!',
    '"',
    '\\',
    ':',
    ',',
    '.',
    '+',
    '[127.0.0.1]',
    '[192.0.2.77]',
    'é',
    ' ',
  );
  const [, , backup] = CONFIGS;
  const [stranger] = SOURCES;
  if (backup === undefined || stranger === undefined) throw new Error('no configuration');
  fc.assert(
    fc.property(fc.array(word, { maxLength: 9 }), (words) => {
      const path = parsePath(`<${words.join('')}>`);
      if ('fault' in path) return;
      const decision = decide(
        { client: stranger.client, sender: pathOf('<>'), recipient: path },
        rulesOf(backup),
        lookups,
      );
      if ('needs' in decision) throw new Error('needs');
      if (decision.verdict.kind !== 'relay') return;
      // Only to the domain we relay to, and with nothing in the local part that it could act on.
      expect(decision.verdict.recipient.domain).toMatch(/(^|\.)backup\.test$/);
      if (/[@!%]/.test(decision.verdict.recipient.local)) {
        expect(decision.verdict.recipient.local).not.toContain('far.test');
      }
    }),
    { numRuns: 3000 },
  );
});

it('names every rule it looked at, and what it did not reach', () => {
  const [, access] = CONFIGS;
  const [stranger] = SOURCES;
  if (access === undefined || stranger === undefined) throw new Error('no configuration');
  const { trace } = ask(access, stranger, 'x@far.test', 'a@far.test');
  const keys = trace.filter((step) => step.rule === 'access Connect').map((step) => step.key);
  expect(keys.slice(0, 2)).toEqual(['203.0.113.5/32', '[203.0.113.5]']);
  expect(trace).toContainEqual(expect.objectContaining({ rule: 'access From', result: 'hit', key: 'x@far.test' }));
  const here = ask(access, stranger, '<>', 'lee');
  expect(here.trace.at(-1)).toEqual({ rule: 'relay', result: 'unreached' });
});
