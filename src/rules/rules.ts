/**
 * All tables together: one immutable value that every decision is made from, built from texts and replaced as a whole.
 *
 * `buildRules` never throws; when `faults` holds an error the value must not be put into force (the last good one stays).
 */
import { parseDomain, parseIp } from '../message/path.ts';
import { type AccessTable, maskedKey, parseAccess, parseNetwork } from './access.ts';
import { type AliasTable, parseAliases } from './aliases.ts';
import {
  domainAndParents,
  type Entry,
  type Fault,
  faultAt,
  parseClass,
  parseErrorText,
  parseTable,
  type Row,
  type Table,
} from './table.ts';

export interface RewriteOptions {
  readonly masqueradeAs: string;
  readonly masqueradeEnvelope: boolean;
  readonly masqueradeEntireDomain: boolean;
  readonly masqueradeDomains: readonly string[];
  readonly exposedUsers: readonly string[];
  readonly alwaysAddDomain: boolean;
  readonly genericsDomains: readonly string[];
  readonly genericsEntireDomain: boolean;
  /** genericstable for envelope senders too; masquerade_envelope brings it along, as in sendmail. */
  readonly genericsEnvelope: boolean;
}

export interface RelayOptions {
  readonly promiscuous: boolean;
  readonly basedOnMx: boolean;
  /** Anything from 127.0.0.1, ::1 or a local socket. */
  readonly loopback: boolean;
  /** A `From:` entry of access with RELAY lets its sender relay: senders can be forged, so it is off. */
  readonly senderRules: boolean;
  /** relay-domains and access RELAY match the name itself only, not what is below (FEATURE(relay_hosts_only)). */
  readonly hostsOnly: boolean;
  /** `host`, `[host]`, `host:port`, `relay:host`; '' for none. */
  readonly smartHost: string;
}

export interface RuleOptions {
  readonly hostname: string;
  /** IP addresses of this host, besides loopback. */
  readonly ownAddresses: readonly string[];
  readonly relay: RelayOptions;
  readonly rewrite: RewriteOptions;
  /** `To:` rules bind local recipients too. */
  readonly blacklistRecipients: boolean;
  readonly acceptUnresolvableDomains: boolean;
}

export const DEFAULT_OPTIONS: RuleOptions = {
  hostname: 'localhost',
  ownAddresses: [],
  relay: { promiscuous: false, basedOnMx: false, loopback: true, senderRules: false, hostsOnly: false, smartHost: '' },
  rewrite: {
    masqueradeAs: '',
    masqueradeEnvelope: false,
    masqueradeEntireDomain: false,
    masqueradeDomains: [],
    exposedUsers: ['root'],
    alwaysAddDomain: false,
    genericsDomains: [],
    genericsEntireDomain: false,
    genericsEnvelope: false,
  },
  blacklistRecipients: true,
  acceptUnresolvableDomains: true,
};

/** A file's name, as faults and traces show it, and its text. */
export interface TableText {
  readonly file: string;
  readonly text: string;
}

export interface TableTexts {
  readonly access?: TableText;
  readonly localHostNames?: TableText;
  readonly relayDomains?: TableText;
  readonly virtualDomains?: TableText;
  readonly virtusertable?: TableText;
  readonly aliases?: TableText;
  readonly genericstable?: TableText;
  readonly mailertable?: TableText;
}

export interface Rules {
  readonly options: RuleOptions;
  readonly access: AccessTable;
  readonly localHosts: Table;
  readonly relayDomains: Table;
  /** Those of relay-domains that are addresses. */
  readonly relayNetworks: readonly Entry[];
  readonly virtualDomains: Table;
  readonly virtual: Table;
  readonly aliases: AliasTable;
  readonly generics: Table;
  readonly mailers: Table;
}

const none = (file: string): TableText => ({ file, text: '' });

export function buildRules(texts: TableTexts, options: RuleOptions): { rules: Rules; faults: Fault[] } {
  const read = (given: TableText | undefined, name: string): TableText => given ?? none(name);
  const localHosts = classOf(read(texts.localHostNames, 'local-host-names'));
  const relayDomains = classOf(read(texts.relayDomains, 'relay-domains'), true);
  const virtualDomains = classOf(read(texts.virtualDomains, 'virtual-domains'));
  const virtusertable = read(texts.virtusertable, 'virtusertable');
  const genericstable = read(texts.genericstable, 'genericstable');
  const mailertable = read(texts.mailertable, 'mailertable');
  const access = read(texts.access, 'access');
  const aliases = read(texts.aliases, 'aliases');
  const rules: Rules = {
    options: { ...options, hostname: options.hostname.toLowerCase() },
    access: parseAccess(access.file, access.text),
    localHosts,
    relayDomains,
    relayNetworks: [...relayDomains.entries.values()].filter((entry) => parseNetwork(entry.key) !== undefined),
    virtualDomains,
    virtual: parseTable(virtusertable.file, virtusertable.text, checkVirtual),
    aliases: parseAliases(aliases.file, aliases.text),
    generics: parseTable(genericstable.file, genericstable.text, checkGeneric),
    mailers: parseTable(mailertable.file, mailertable.text, checkMailer),
  };
  const faults = [
    ...rules.access.faults,
    ...localHosts.faults,
    ...relayDomains.faults,
    ...virtualDomains.faults,
    ...rules.virtual.faults,
    ...rules.aliases.faults,
    ...rules.generics.faults,
    ...rules.mailers.faults,
    ...crossChecks(rules),
  ];
  return { rules, faults };
}

function classOf(given: TableText, networks = false): Table {
  return parseClass(given.file, given.text, (name) => (networks ? parseNetwork(name) : undefined) ?? parseDomain(name));
}

/** Keys: `user@domain`, `user+detail@domain`, `user+*@domain`, `user++@domain`, `@domain`, `+*@domain`. */
function checkVirtual(row: Row): { key: string } | Fault {
  const at = row.key.lastIndexOf('@');
  if (at < 0) return faultAt(row, `"${row.key}" has no @domain`);
  const domain = parseDomain(row.key.slice(at + 1));
  if (domain === undefined) return faultAt(row, `"${row.key.slice(at + 1)}" is no domain`);
  if (/(?<![%\d])1%|%[4-9]/.test(row.value)) {
    return faultAt(row, `"${row.value}": the parts of the address are %1 (name), %2 (detail), %3 (+detail)`, 'warning');
  }
  if (/^error:/i.test(row.value) && parseErrorText(row.value.slice(6)) === undefined) {
    return faultAt(row, `"${row.value}": no text after error:`);
  }
  if (!/^error:/i.test(row.value) && /\s/.test(row.value)) {
    return faultAt(row, `"${row.value}": one address; for several make an alias`);
  }
  return { key: `${row.key.slice(0, at).toLowerCase()}@${domain}` };
}

function checkGeneric(row: Row): { key: string } | Fault {
  if (/\s/.test(row.value)) return faultAt(row, `"${row.value}": one address`);
  return { key: row.key.toLowerCase().replace(/\.$/, '') };
}

/** `domain` or `.domain`, and `mailer:host`. */
function checkMailer(row: Row): { key: string } | Fault {
  const domain = row.key === '.' ? '' : parseDomain(row.key.replace(/^\./, ''));
  if (domain === undefined) return faultAt(row, `"${row.key}" is no domain`);
  const mailer = /^([a-z0-9]+):(.*)$/i.exec(row.value);
  if (mailer === null || !MAILERS.has((mailer[1] ?? '').toLowerCase())) {
    return faultAt(row, `"${row.value}": give MAILER:HOST, the mailer one of ${[...MAILERS].join(', ')}`);
  }
  return { key: `${row.key.startsWith('.') ? '.' : ''}${domain}` };
}

export const MAILERS = new Set(['smtp', 'esmtp', 'relay', 'lmtp', 'local', 'error', 'discard']);

/** What no table can see alone. */
function crossChecks(rules: Rules): Fault[] {
  const faults: Fault[] = [];
  for (const [name, entry] of rules.virtualDomains.entries) {
    const twice = rules.localHosts.entries.get(name);
    if (twice === undefined) continue;
    faults.push(
      faultAt(entry, `"${name}" is in ${twice.file}:${twice.line} too: it can be local or virtual, not both`),
    );
  }
  const told = new Set<string>();
  for (const [key, entry] of rules.virtual.entries) {
    const domain = key.slice(key.lastIndexOf('@') + 1);
    if (isVirtualDomain(rules, domain) || told.has(domain)) continue;
    told.add(domain);
    faults.push(faultAt(entry, `no effect: "${domain}" is not in ${rules.localHosts.file}`, 'warning'));
  }
  return faults;
}

/** Is mail for this domain ours? '' (a bare name) is; so is the host's own name, listed or not. */
export function isLocalDomain(rules: Rules, domain: string): boolean {
  return localBecause(rules, domain) !== undefined;
}

/** Why a domain is ours: an entry, or words. */
export function localBecause(rules: Rules, domain: string): Entry | string | undefined {
  const { hostname, ownAddresses } = rules.options;
  if (domain === '') return 'a bare name';
  if (domain === hostname) return "the host's own name";
  const entry = rules.localHosts.entries.get(domain);
  if (entry !== undefined) return entry;
  if (domain === 'localhost') return "the host's own name";
  if (domain === hostname.split('.')[0] && hostname.includes('.')) return "the host's short name";
  if (!domain.startsWith('[')) return undefined;
  const address = domain.slice(1, -1).replace(/^ipv6:/, '');
  if (isLoopback(address) || ownAddresses.some((own) => parseIp(own) === address)) return 'an address of this host';
  return undefined;
}

/** An address literal of this host, `localhost` and the short name are the host's name, as sendmail's canonify has it. */
export function canonicalDomain(rules: Rules, domain: string): string {
  if (domain === '' || domain === rules.options.hostname || rules.localHosts.entries.has(domain)) return domain;
  return isLocalDomain(rules, domain) ? rules.options.hostname : domain;
}

/** virtusertable applies to it. A bare name is only counted with `bare`: it has no domain to look up. */
export function isVirtualDomain(rules: Rules, domain: string, bare = false): boolean {
  if (domain === '') return bare;
  return rules.virtualDomains.entries.has(domain) || isLocalDomain(rules, domain);
}

/** The entry of relay-domains that covers a name. */
export function relayDomain(rules: Rules, domain: string): Entry | undefined {
  if (domain.startsWith('[')) return relayNetwork(rules, domain.slice(1, -1).replace(/^ipv6:/, ''));
  if (rules.options.relay.hostsOnly) return rules.relayDomains.entries.get(domain);
  for (const name of domainAndParents(domain)) {
    const entry = rules.relayDomains.entries.get(name);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** The entry of relay-domains that covers an address. */
export function relayNetwork(rules: Rules, address: string): Entry | undefined {
  if (address === '') return undefined;
  for (const entry of rules.relayNetworks) {
    const network = parseNetwork(entry.key) ?? '';
    if (network.includes(':') !== address.includes(':')) continue;
    if (maskedKey(address, Number(network.slice(network.indexOf('/') + 1))) === network) return entry;
  }
  return undefined;
}

/** 127.0.0.0/8 and ::1; '' is a local socket or pipe. An IPv4-mapped address was made IPv4 when it was parsed. */
export function isLoopback(address: string): boolean {
  return address === '' || address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}
