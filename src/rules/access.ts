/**
 * The access table: whom to refuse, let in, or relay for (sendmail's FEATURE(access_db), without makemap).
 *
 * Left side: `Connect:`, `From:`, `To:` in any case, or no tag for all three; then an IP address, a partial one (`192.168.0`),
 * CIDR, IPv6, a host or domain (covers what is below it; `.domain` only what is below), `user@domain`, `user@`.
 * The most specific key wins; of equal keys the tagged one. Addresses are compared as addresses, never as text, and an
 * IPv4-mapped IPv6 address is that IPv4 address.
 */
import { ipWords, parseDomain, parseIp, parsePath, pathAddress } from '../message/path.ts';
import {
  domainAndParents,
  type Entry,
  type Fault,
  faultAt,
  parseErrorText,
  parseTable,
  type Refusal,
  type Row,
  splitDetail,
  type Table,
  type TraceStep,
} from './table.ts';

export type AccessAction =
  | { readonly kind: 'relay' | 'ok' | 'reject' | 'discard' | 'skip' }
  | { readonly kind: 'error'; readonly refusal: Refusal }
  | { readonly kind: 'quarantine'; readonly why: string };

export interface AccessHit {
  readonly entry: Entry;
  readonly action: AccessAction;
}

export interface AccessTable {
  readonly file: string;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly actions: ReadonlyMap<Entry, AccessAction>;
  /** Prefix lengths in use, longest first, for IPv4 and IPv6. */
  readonly lengths4: readonly number[];
  readonly lengths6: readonly number[];
  /** Some key starts with a dot. */
  readonly dots: boolean;
  readonly faults: readonly Fault[];
}

export type Tag = 'connect' | 'from' | 'to';

/** Tags of sendmail that steer other things; their lines are no fault, and nothing here. */
const OTHER_TAGS =
  /^(spam|srv_features|clt_features|try_tls|tls_[a-z]+|verify|authinfo|clientrate|clientconn|greetpause|certissuer|certsubject):/i;

export function parseAccess(file: string, text: string): AccessTable {
  const actions = new Map<string, AccessAction>();
  const table: Table = parseTable(file, text, (row) => {
    if (OTHER_TAGS.test(row.key)) return faultAt(row, `${row.key}: this tag is not used here`, 'warning');
    const key = parseKey(row);
    if ('reason' in key) return key;
    const action = parseAction(row);
    if ('reason' in action) return action;
    if (!actions.has(key.key)) actions.set(key.key, action);
    return key;
  });
  const byEntry = new Map<Entry, AccessAction>();
  const lengths4 = new Set<number>([32]);
  const lengths6 = new Set<number>([128]);
  let dots = false;
  for (const [key, entry] of table.entries) {
    const action = actions.get(key);
    if (action !== undefined) byEntry.set(entry, action);
    const name = key.slice(key.indexOf(' ') + 1);
    if (name.startsWith('.')) dots = true;
    const slash = name.indexOf('/');
    if (slash >= 0) (name.includes(':') ? lengths6 : lengths4).add(Number(name.slice(slash + 1)));
  }
  const longestFirst = (lengths: Set<number>): number[] => [...lengths].sort((a, b) => b - a);
  return {
    file,
    entries: table.entries,
    actions: byEntry,
    lengths4: longestFirst(lengths4),
    lengths6: longestFirst(lengths6),
    dots,
    faults: table.faults,
  };
}

/** `Connect:10.1` becomes `connect 10.1.0.0/16`. */
function parseKey(row: Row): { key: string } | Fault {
  const tagged = /^(connect|from|to):(.*)$/i.exec(row.key);
  const tag = tagged === null ? '' : (tagged[1] ?? '').toLowerCase();
  const name = tagged === null ? row.key : (tagged[2] ?? '');
  if (name === '') return faultAt(row, `nothing after "${row.key}"`);
  const key = parseName(name);
  return key === undefined ? faultAt(row, `"${name}" is no address, host, domain or user`) : { key: `${tag} ${key}` };
}

function parseName(name: string): string | undefined {
  // `user@[10.1.2.3]`: a literal is no network, or RELAY for a network of clients would relay to that network for all.
  if (name.startsWith('[')) return parseDomain(name);
  const network = parseNetwork(name);
  if (network !== undefined) return network;
  if (/^[\d.]+(\/.*)?$/.test(name) || name.includes('/')) return undefined;
  const at = name.lastIndexOf('@');
  if (at === 0) return parseDomain(name.slice(1));
  if (at > 0) {
    const local = parsePath(name.slice(0, at));
    if ('fault' in local || local.domain !== '') return undefined;
    const user = pathAddress(local).toLowerCase();
    const domain = at === name.length - 1 ? '' : parseDomain(name.slice(at + 1));
    return domain === undefined ? undefined : `${user}@${domain}`;
  }
  if (name.startsWith('.')) {
    const domain = parseDomain(name.slice(1));
    return domain === undefined ? undefined : `.${domain}`;
  }
  return parseDomain(name);
}

/** An address, partial address or CIDR as `address/length`; undefined when it is none. */
export function parseNetwork(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\](\/\d+)?$/, '$1$2').replace(/^ipv6:/i, '');
  const cidr = /^(.*)\/(\d{1,3})$/.exec(bare);
  const body = cidr === null ? bare : (cidr[1] ?? '');
  const quad = /^\d{1,3}(\.\d{1,3}){0,3}\.?$/.test(body);
  if (quad) {
    const parts = body.replace(/\.$/, '').split('.');
    const length = cidr === null ? parts.length * 8 : Number(cidr[2]);
    while (parts.length < 4) parts.push('0');
    return maskedKey(parts.join('.'), length);
  }
  if (!body.includes(':')) return undefined;
  const mapped = /^::ffff:/i.test(body) && body.includes('.');
  if (!body.includes('::')) {
    const groups = body.replace(/:$/, '').split(':');
    if (groups.length < 8) {
      const length = cidr === null ? groups.length * 16 : Number(cidr[2]);
      return maskedKey(`${groups.join(':')}::`, length);
    }
  }
  const length = cidr === null ? 128 : Number(cidr[2]);
  return maskedKey(body, mapped && cidr === null ? 32 : mapped ? length - 96 : length);
}

/** `10.1.2.3`, 16 gives `10.1.0.0/16`; undefined when either is wrong. */
export function maskedKey(address: string, length: number): string | undefined {
  const words = ipWords(address);
  if (words === undefined) return undefined;
  const width = words.length === 4 ? 8 : 16;
  if (!(length >= 0 && length <= words.length * width)) return undefined;
  const masked = words.map((word, i) => {
    const bits = Math.min(width, Math.max(0, length - i * width));
    return word & (((1 << bits) - 1) << (width - bits));
  });
  const text = words.length === 4 ? masked.join('.') : parseIp(masked.map((word) => word.toString(16)).join(':'));
  // ::ffff:0:0/96 would come back as IPv4; it has no business here.
  return text === undefined ? undefined : `${text}/${length}`;
}

const WORDS: Readonly<Record<string, AccessAction>> = {
  RELAY: { kind: 'relay' },
  OK: { kind: 'ok' },
  REJECT: { kind: 'reject' },
  DISCARD: { kind: 'discard' },
  SKIP: { kind: 'skip' },
};

function parseAction(row: Row): AccessAction | Fault {
  const { value } = row;
  const word = value.toUpperCase();
  const known = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
  if (known !== undefined) return known;
  if (/^DISCARD:/i.test(value)) return { kind: 'discard' };
  const quarantine = /^QUARANTINE(?::\s*(.*))?$/is.exec(value);
  if (quarantine !== null) return { kind: 'quarantine', why: quarantine[1]?.trim() || 'access table' };
  const error = /^ERROR:(.*)$/is.exec(value);
  if (error === null && !/^[45]\d\d(\s|$)/.test(value)) {
    return faultAt(
      row,
      `"${value}" is none of RELAY, OK, REJECT, DISCARD, SKIP, QUARANTINE:why, ERROR:D.S.N:CODE text, CODE text`,
    );
  }
  const refusal = parseErrorText(error === null ? value : (error[1] ?? ''));
  return refusal === undefined ? faultAt(row, `"${value}": no code or text`) : { kind: 'error', refusal };
}

/** Looks keys up in order; the tagged one first. SKIP ends the search without a result. */
function search(
  table: AccessTable,
  tag: Tag,
  keys: Iterable<string>,
  trace: TraceStep[],
): AccessHit | 'skip' | undefined {
  const rule = `access ${tag[0]?.toUpperCase()}${tag.slice(1)}`;
  for (const key of keys) {
    const entry = table.entries.get(`${tag} ${key}`) ?? table.entries.get(` ${key}`);
    const action = entry === undefined ? undefined : table.actions.get(entry);
    if (entry === undefined || action === undefined) {
      trace.push({ rule, result: 'miss', key });
      continue;
    }
    trace.push({ rule, result: 'hit', key, at: entry, text: entry.value });
    return action.kind === 'skip' ? 'skip' : { entry, action };
  }
  return undefined;
}

function* addressKeys(table: AccessTable, address: string): Generator<string> {
  const lengths = address.includes(':') ? table.lengths6 : table.lengths4;
  for (const [i, length] of lengths.entries()) {
    const key = maskedKey(address, length);
    if (key !== undefined) yield key;
    if (i === 0) yield address.includes(':') ? `[ipv6:${address}]` : `[${address}]`;
  }
}

function* domainKeys(table: AccessTable, domain: string): Generator<string> {
  if (domain.startsWith('[')) {
    yield domain;
    return;
  }
  let first = true;
  for (const name of domainAndParents(domain)) {
    if (!first && table.dots) yield `.${name}`;
    first = false;
    yield name;
  }
}

/** The address itself, then with its detail as `+*`, then without (sendmail's F and U). */
function* userKeys(local: string, domain: string): Generator<string> {
  const quoted = pathAddress({ local, domain: '' }).toLowerCase();
  yield `${quoted}@${domain}`;
  const { base, detail } = splitDetail(local.toLowerCase());
  if (detail === undefined) return;
  yield `${base}+*@${domain}`;
  yield `${base}@${domain}`;
}

/** The client: its name (and the domains above), then its address (and the networks around), as sendmail's check_relay. */
export function accessClient(
  table: AccessTable,
  client: { address: string; name?: string | undefined },
  trace: TraceStep[],
): AccessHit | undefined {
  const named = client.name === undefined ? undefined : accessClientName(table, client.name, trace);
  return named ?? accessClientAddress(table, client.address, trace);
}

export function accessClientName(table: AccessTable, name: string, trace: TraceStep[]): AccessHit | undefined {
  return found(search(table, 'connect', domainKeys(table, name.toLowerCase()), trace));
}

export function accessClientAddress(table: AccessTable, address: string, trace: TraceStep[]): AccessHit | undefined {
  return address === '' ? undefined : found(search(table, 'connect', addressKeys(table, address), trace));
}

/** The envelope sender: `user@domain`, `user@`, domain (sendmail's order for check_mail). `<>` has no entry. */
export function accessSender(
  table: AccessTable,
  path: { local: string; domain: string },
  trace: TraceStep[],
): AccessHit | undefined {
  if (path.local === '') return undefined;
  return user(table, 'from', path, true, trace);
}

/** A recipient: full address, `user@` (local recipients only, as in sendmail), domain. */
export function accessRecipient(
  table: AccessTable,
  path: { local: string; domain: string },
  local: boolean,
  trace: TraceStep[],
): AccessHit | undefined {
  return user(table, 'to', path, local, trace);
}

/** Does the domain of a recipient say RELAY? */
export function accessRecipientDomain(table: AccessTable, domain: string, trace: TraceStep[]): AccessHit | undefined {
  return domain === '' ? undefined : found(search(table, 'to', domainKeys(table, domain), trace));
}

function user(
  table: AccessTable,
  tag: Tag,
  path: { local: string; domain: string },
  anywhere: boolean,
  trace: TraceStep[],
): AccessHit | undefined {
  const steps: Iterable<string>[] = [];
  if (path.domain !== '') steps.push(userKeys(path.local, path.domain));
  if (anywhere) steps.push(userKeys(path.local, ''));
  if (path.domain !== '') steps.push(domainKeys(table, path.domain));
  for (const keys of steps) {
    const hit = search(table, tag, keys, trace);
    if (hit === 'skip') return undefined;
    if (hit !== undefined) return hit;
  }
  return undefined;
}

function found(hit: AccessHit | 'skip' | undefined): AccessHit | undefined {
  return hit === 'skip' ? undefined : hit;
}
