/**
 * Answers of the real sendmail 8.17.1.9 (`sendmail -bt` with its own configuration and maps) to generated questions about
 * generated tables, kept in sendmail-8.17.json: access, virtusertable, mailertable, relay-domains, smart host (kinds relay,
 * mail, rcpt, route = check_relay, check_mail, check_rcpt, rulesets 3,0); masquerading and genericstable (/tryflags, /try).
 * Ours must be the same, or differ for one of the reasons written here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pathAddress } from '../../src/message/path.ts';
import { expand } from '../../src/rules/expand.ts';
import { type DecisionLookups, decide, decideClient, decideSender } from '../../src/rules/relay.ts';
import { type Role, rewrite } from '../../src/rules/rewrite.ts';
import { type Route, route } from '../../src/rules/route.ts';
import { buildRules, DEFAULT_OPTIONS, type Rules, type TableTexts } from '../../src/rules/rules.ts';
import { pathOf } from './scenario.ts';

interface Recorded {
  decisions: {
    tables: Record<'access' | 'virtusertable' | 'mailertable' | 'relay-domains', string>;
    smartHost: string;
    /** kind, address, client address, client name, answer. */
    questions: [string, string, string, string, string][];
  }[];
  rewriting: { options: object; genericstable: string; questions: [Role, 'local' | 'remote', string, string][] }[];
}

const recorded = JSON.parse(
  readFileSync(process.env.SENDMAIL_ANSWERS ?? join(import.meta.dirname, 'sendmail-8.17.json'), 'utf8'),
) as Recorded;
const NOBODY = { local: '', domain: '', text: '<>' };
/** Every plain name is a user: check_rcpt does not look. */
const lookups: DecisionLookups = { user: (name) => (/[%@!]/.test(name) ? false : name.toLowerCase()) };

/** Where we mean to differ: ours, sendmail's, why. */
const DIFFERENCES: readonly { kind: string; ours: RegExp; theirs: RegExp; why: string }[] = [
  {
    kind: 'rcpt',
    ours: /^550 5\.7\.1$/,
    theirs: /^550 5\.2\.1$/,
    why: 'REJECT for a recipient is "Access denied" here, "Mailbox disabled" there',
  },
  {
    kind: 'rcpt',
    ours: /^550 5\.7\.1$/,
    theirs: /^quarantine$/,
    why: 'a quarantined recipient must still be allowed to relay',
  },
  {
    kind: 'route',
    ours: /^local lee$/,
    theirs: /^local lee@virt2\.test$/,
    why: 'a virtusertable rule that gives its own address means the user',
  },
  {
    kind: 'relay',
    ours: /^ok$/,
    theirs: /^quarantine$/,
    why: 'quarantine is told with the recipient, not at the door',
  },
  { kind: 'mail', ours: /^ok$/, theirs: /^quarantine$/, why: 'quarantine is told with the recipient, not at MAIL' },
];

it('decides as sendmail 8.17 does', () => {
  const wrong: string[] = [];
  let same = 0;
  for (const config of recorded.decisions) {
    const { rules, routing } = build(config);
    for (const [kind, address, ip, name, theirs] of config.questions) {
      const ours = answer(kind, address, { address: ip, name: name === '' ? undefined : name }, rules, routing);
      if (ours === undefined) continue;
      if (ours === theirs) same++;
      else if (!DIFFERENCES.some((d) => d.kind === kind && d.ours.test(ours) && d.theirs.test(theirs))) {
        wrong.push(`${kind} ${address} from ${ip} ${name}: ours ${ours}, sendmail ${theirs}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(same).toBeGreaterThan(800);
});

function build(config: Recorded['decisions'][number]): { rules: Rules; routing: Rules } {
  const options = {
    ...DEFAULT_OPTIONS,
    hostname: 'linux102.example.com',
    ownAddresses: ['192.0.2.2'],
    relay: { ...DEFAULT_OPTIONS.relay, smartHost: config.smartHost },
  };
  const table = (name: keyof typeof config.tables) => ({ file: name, text: config.tables[name] });
  const common: TableTexts = {
    virtusertable: table('virtusertable'),
    mailertable: table('mailertable'),
    localHostNames: { file: 'local-host-names', text: 'virt.test\nvirt2.test\n' },
  };
  return {
    rules: buildRules({ ...common, access: table('access'), relayDomains: table('relay-domains') }, options).rules,
    routing: buildRules(common, options).rules,
  };
}

function answer(
  kind: string,
  text: string,
  client: { address: string; name: string | undefined },
  rules: Rules,
  routing: Rules,
): string | undefined {
  const address = pathOf(text);
  if (kind === 'route') return routeAnswer(text, routing);
  const door = decideClient(client, rules);
  if (kind === 'relay') return verdictAnswer(door);
  if (kind === 'mail') {
    const decided = decideSender({ client, sender: address }, rules, lookups);
    return 'verdict' in decided ? verdictAnswer(decided.verdict) : undefined;
  }
  // Who is refused at the door asks about no recipient.
  if (door !== undefined || connectQuarantines(rules, client)) return undefined;
  const decided = decide({ client, sender: NOBODY, recipient: address }, rules, lookups);
  if ('needs' in decided) return undefined;
  const { verdict } = decided;
  // That nobody is there, or an `error:` of virtusertable, sendmail says only after check_rcpt.
  if (verdict.rule === 'local' && verdict.kind === 'refuse') return undefined;
  return verdictAnswer(verdict);
}

function connectQuarantines(rules: Rules, client: { address: string; name: string | undefined }): boolean {
  const decided = decide(
    { client, sender: NOBODY, recipient: pathOf('postmaster') },
    { ...rules, options: { ...rules.options, blacklistRecipients: false } },
    lookups,
  );
  return 'verdict' in decided && decided.verdict.quarantine !== undefined;
}

function verdictAnswer(verdict: ReturnType<typeof decideClient>): string {
  if (verdict === undefined) return 'ok';
  if (verdict.refusal !== undefined) return `${verdict.refusal.code} ${verdict.refusal.status}`;
  if (verdict.kind === 'discard') return 'discard';
  return verdict.quarantine === undefined ? 'ok' : 'quarantine';
}

function routeAnswer(text: string, rules: Rules): string {
  const decided = decide({ client: { address: '127.0.0.1' }, sender: NOBODY, recipient: pathOf(text) }, rules, lookups);
  const recipient = 'verdict' in decided ? decided.verdict.recipient : pathOf(text);
  const { targets, problems } = expand([recipient], rules, lookups, { shallow: true });
  const [problem] = problems;
  if (problem !== undefined) return `${problem.refusal.code} ${problem.refusal.status}`;
  const [target] = targets;
  if (target?.kind === 'user') return `local ${target.user}${target.detail === undefined ? '' : `+${target.detail}`}`;
  if (target?.kind !== 'remote') return 'nothing';
  return `${hostAnswer(route(target.domain, rules))}`.replace(
    'ADDRESS',
    `${target.local.toLowerCase()}@${target.domain}`,
  );
}

function hostAnswer(found: Route): string {
  if (found.kind === 'error') return `${found.refusal.code} ${found.refusal.status}`;
  if (found.kind === 'mx') return `esmtp ${found.domain} ADDRESS`;
  if (found.kind !== 'smtp') return found.kind;
  return `${found.mailer} ${found.hops.map((hop) => (hop.mx ? hop.host : `[${hop.host}]`)).join(':')} ADDRESS`;
}

it('rewrites senders and recipients as sendmail 8.17 does', () => {
  for (const config of recorded.rewriting) {
    const { rules } = buildRules(
      { genericstable: { file: 'genericstable', text: config.genericstable } },
      {
        ...DEFAULT_OPTIONS,
        hostname: 'linux102.example.com',
        rewrite: { ...DEFAULT_OPTIONS.rewrite, ...config.options },
      },
    );
    for (const [role, to, address, theirs] of config.questions) {
      const ours = pathAddress(rewrite(pathOf(address), role, to, rules));
      expect(`${role} ${to} ${address} ${ours} ${JSON.stringify(config.options)}`).toBe(
        `${role} ${to} ${address} ${theirs} ${JSON.stringify(config.options)}`,
      );
    }
  }
});
