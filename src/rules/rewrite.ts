/**
 * What senders look like outside: genericstable, masquerading, and the domain of bare names (sendmail's rulesets 93 and 94).
 *
 * Four roles: header and envelope, sender and recipient. Only senders are masqueraded; recipients only get the domain they
 * lack, exactly once. `<>` stays `<>`.
 */
import { isFault, type Path, parseDomain, parsePath, pathAddress } from '../message/path.ts';
import { isLocalDomain, type Rules } from './rules.ts';
import { domainAndParents, type Entry, splitDetail, type TraceStep } from './table.ts';

export type Role = 'headerSender' | 'envelopeSender' | 'headerRecipient' | 'envelopeRecipient';

type Parts = Pick<Path, 'local' | 'domain'>;

/** `to`: where the message goes; local delivery leaves bare names bare unless `always_add_domain`. */
export function rewrite(
  parts: Parts,
  role: Role,
  to: 'local' | 'remote',
  rules: Rules,
  trace: TraceStep[] = [],
): Parts {
  if (parts.local === '') return parts;
  // The envelope of local delivery is a user.
  if (role === 'envelopeRecipient' && to === 'local') return { local: parts.local, domain: '' };
  const { hostname, rewrite: options } = rules.options;
  const bare = parts.domain === '';
  // Local envelopes and headers keep bare names, as mail on one host always had them.
  if (bare && to === 'local' && !options.alwaysAddDomain) return parts;
  const qualified: Parts = bare ? { local: parts.local, domain: hostname } : parts;
  const sender =
    role === 'headerSender' || (role === 'envelopeSender' && (options.masqueradeEnvelope || options.genericsEnvelope));
  if (!sender) return qualified;
  const mapping = role === 'headerSender' || options.genericsEnvelope || options.masqueradeEnvelope;
  if (mapping && (bare || isGenericsDomain(rules, parts.domain))) {
    const generic = genericEntry(rules, qualified, bare, trace);
    const mapped = generic === undefined ? undefined : genericAddress(generic);
    if (mapped !== undefined && mapped.domain !== '') return mapped;
    if (mapped !== undefined) return masquerade(rules, { local: mapped.local, domain: hostname }, trace);
  }
  if (role === 'envelopeSender' && !options.masqueradeEnvelope) return qualified;
  return masquerade(rules, qualified, trace);
}

/** What an entry gives; `%1` is what its key left open: the detail of `name+*`, the local part of `@host`. */
function genericAddress({ entry, open }: Generic): Parts | undefined {
  const to = parsePath(entry.value.replace(/%1/g, open));
  return isFault(to) || to.local === '' ? undefined : { local: to.local, domain: to.domain };
}

interface Generic {
  readonly entry: Entry;
  readonly open: string;
}

function isGenericsDomain(rules: Rules, domain: string): boolean {
  const { genericsDomains, genericsEntireDomain } = rules.options.rewrite;
  return covers(genericsDomains, domain, genericsEntireDomain);
}

function covers(list: readonly string[], domain: string, below: boolean): boolean {
  const names = list.map((name) => parseDomain(name) ?? name.toLowerCase());
  if (!below) return names.includes(domain);
  for (const name of domainAndParents(domain)) if (names.includes(name)) return true;
  return false;
}

/** `lee+x@host`, `lee+*@host`, `lee@host`, `@host` (of an address that came with its domain), then bare names: as ruleset 93. */
function genericEntry(rules: Rules, { local, domain }: Parts, bare: boolean, trace: TraceStep[]): Generic | undefined {
  const { base, detail } = splitDetail(local);
  const names: [string, string][] = [[local, '']];
  if (detail !== undefined) names.push([`${base}+*`, detail], [base, '']);
  const keys: [string, string][] = names.map(([name, open]) => [`${name}@${domain}`, open]);
  if (!bare) keys.push([`@${domain}`, local]);
  for (const [key, open] of [...keys, ...names]) {
    const entry = rules.generics.entries.get(key.toLowerCase());
    if (entry === undefined) trace.push({ rule: 'genericstable', result: 'miss', key });
    else {
      trace.push({ rule: 'genericstable', result: 'hit', key, at: entry, text: entry.value });
      return { entry, open };
    }
  }
  return undefined;
}

function masquerade(rules: Rules, parts: Parts, trace: TraceStep[]): Parts {
  const { masqueradeAs, masqueradeDomains, masqueradeEntireDomain, exposedUsers } = rules.options.rewrite;
  if (masqueradeAs === '') return parts;
  const ours = isLocalDomain(rules, parts.domain) || covers(masqueradeDomains, parts.domain, masqueradeEntireDomain);
  if (!ours) return parts;
  if (exposedUsers.some((user) => user.toLowerCase() === parts.local.toLowerCase())) {
    trace.push({ rule: 'masquerade_as', result: 'pass', key: pathAddress(parts), text: 'exposed user' });
    return parts;
  }
  trace.push({ rule: 'masquerade_as', result: 'hit', key: pathAddress(parts), text: masqueradeAs });
  return { local: parts.local, domain: parseDomain(masqueradeAs) ?? masqueradeAs.toLowerCase() };
}
