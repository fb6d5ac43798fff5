/**
 * Who may send what: for one recipient the whole order of checks, as one pure function with its Trace.
 *
 * 1. access: client, sender, recipient. 2. The sender's domain. 3. A recipient here must exist. 4. Any other is refused
 * unless a rule relays. Never an open relay: a route inside the local part (`a%far@here`, `far!a@here`, `"a@far"@here`) is
 * taken apart and what it means is judged, for domains that are ours and for those we relay to (sendmail's ParseRecipient).
 * In doubt it is temporary: what is not known yet comes back as `needs`, and a failed look-up as 451.
 */
import { isFault, NULL_PATH, type Path, parseIp, parsePath, pathAddress } from '../message/path.ts';
import {
  type AccessHit,
  accessClient,
  accessClientAddress,
  accessClientName,
  accessRecipient,
  accessRecipientDomain,
  accessSender,
} from './access.ts';
import { expand, type Lookups, type Need } from './expand.ts';
import {
  canonicalDomain,
  isLocalDomain,
  isLoopback,
  isVirtualDomain,
  localBecause,
  type Rules,
  relayDomain,
  relayNetwork,
} from './rules.ts';
import type { Entry, Refusal, Source, Trace, TraceStep } from './table.ts';

export interface DecisionClient {
  /** As `parseIp` gives it; '' for a local socket or pipe. */
  readonly address: string;
  /** Only a name that was looked up and leads back to the address. */
  readonly name?: string | undefined;
}

export interface Question {
  readonly client: DecisionClient;
  readonly sender: Pick<Path, 'local' | 'domain' | 'text'>;
  readonly recipient: Pick<Path, 'local' | 'domain' | 'text'>;
  /** Who authenticated; undefined: nobody. */
  readonly user?: string | undefined;
}

export interface DecisionLookups extends Lookups {
  /** Does the sender's domain have MX or address records? undefined: not known yet. */
  domainExists?(domain: string): 'yes' | 'no' | 'temporary' | undefined;
  /** Is this host the best MX of the domain? Only asked with `relay.basedOnMx`. */
  mxIsUs?(domain: string): 'yes' | 'no' | 'temporary' | undefined;
}

export type DecisionNeed = Need | { readonly kind: 'domain' | 'mx'; readonly name: string };

export interface Verdict {
  /** deliver: here. relay: elsewhere. discard: say yes and drop. refuse: with `refusal`. */
  readonly kind: 'deliver' | 'relay' | 'discard' | 'refuse';
  /** The full reply text is `ADDR... TEXT` for what concerns an address: it is already so here. */
  readonly refusal?: Refusal;
  /** Take it, but hold it: why. */
  readonly quarantine?: string;
  /** The recipient as understood, routes in the local part taken apart. */
  readonly recipient: Pick<Path, 'local' | 'domain'>;
  /** The rule that decided: a line of a table, or a built-in one by name. */
  readonly rule: string;
  readonly at?: Source;
  /** What to tell the reader of the message or the log, such as that the sender's domain does not resolve. */
  readonly tags: readonly string[];
  /** More than the client is told, for the log. */
  readonly detail?: string;
  readonly trace: Trace;
}

export type Decision = { readonly verdict: Verdict } | { readonly needs: readonly DecisionNeed[] };

/** Steps in order, so that a trace can say what was not reached. */
const STAGES = ['client', 'sender', 'sender domain', 'recipient', 'local', 'relay'] as const;

interface Ending {
  readonly kind: Verdict['kind'];
  readonly rule: string;
  readonly at?: Source | undefined;
  readonly refusal?: Refusal;
  readonly detail?: string;
}

interface State {
  readonly question: Question;
  readonly rules: Rules;
  readonly lookups: DecisionLookups;
  readonly trace: TraceStep[];
  readonly tags: string[];
  readonly needs: DecisionNeed[];
  quarantine: string | undefined;
  /** Where the message goes: routes taken apart as far as we ourselves act on them. */
  recipient: Pick<Path, 'local' | 'domain'>;
  /** What is judged: routes taken apart that a host we relay to would act on, too. */
  judged: Pick<Path, 'local' | 'domain'>;
}

/** Decides about one recipient. */
export function decide(question: Question, rules: Rules, lookups: DecisionLookups): Decision {
  const state = begin(question, rules, lookups);
  for (const [i, stage] of STAGES.entries()) {
    const ending = RUN[stage](state);
    if (state.needs.length > 0) return { needs: state.needs };
    if (ending === undefined) continue;
    for (const later of STAGES.slice(i + 1)) state.trace.push({ rule: later, result: 'unreached' });
    return { verdict: verdictOf(state, ending) };
  }
  throw new Error('the last stage always decides');
}

/** The part of the decision that is known when a client connects: refused or not by access. */
export function decideClient(client: DecisionClient, rules: Rules): Verdict | undefined {
  const state = begin({ client, sender: NULL_PATH, recipient: NULL_PATH }, rules, { user: () => false });
  const ending = RUN.client(state);
  return ending === undefined ? undefined : verdictOf(state, ending);
}

/** The part that is known at MAIL. `needs` when the sender's domain must be looked up first. */
export function decideSender(
  question: Omit<Question, 'recipient'>,
  rules: Rules,
  lookups: DecisionLookups,
): { readonly verdict: Verdict | undefined } | { readonly needs: readonly DecisionNeed[] } {
  const state = begin({ ...question, recipient: NULL_PATH }, rules, lookups);
  for (const stage of ['sender', 'sender domain'] as const) {
    const ending = RUN[stage](state);
    if (state.needs.length > 0) return { needs: state.needs };
    if (ending !== undefined) return { verdict: verdictOf(state, ending) };
  }
  return { verdict: undefined };
}

function begin(question: Question, rules: Rules, lookups: DecisionLookups): State {
  const { client } = question;
  // What is no address must not pass for a local pipe, and an IPv4 address in IPv6 dress is that IPv4 address.
  const address = client.address === '' ? '' : (parseIp(client.address) ?? 'unknown');
  return {
    question: { ...question, client: { ...client, address } },
    rules,
    lookups,
    trace: [],
    tags: [],
    needs: [],
    quarantine: undefined,
    recipient: { local: question.recipient.local, domain: canonicalDomain(rules, question.recipient.domain) },
    judged: { local: question.recipient.local, domain: canonicalDomain(rules, question.recipient.domain) },
  };
}

function verdictOf(state: State, ending: Ending): Verdict {
  return {
    kind: ending.kind,
    rule: ending.rule,
    recipient: state.recipient,
    tags: state.tags,
    trace: state.trace,
    ...(ending.at === undefined ? {} : { at: { file: ending.at.file, line: ending.at.line } }),
    ...(ending.refusal === undefined ? {} : { refusal: ending.refusal }),
    ...(ending.detail === undefined ? {} : { detail: ending.detail }),
    ...(state.quarantine === undefined || ending.kind === 'refuse' || ending.kind === 'discard'
      ? {}
      : { quarantine: state.quarantine }),
  };
}

const RUN: Readonly<Record<(typeof STAGES)[number], (state: State) => Ending | undefined>> = {
  client: (state) => {
    const hit = accessClient(state.rules.access, state.question.client, state.trace);
    return byAccess(state, hit, 'access Connect', '');
  },
  sender: (state) => {
    const { sender } = state.question;
    const judged = judgedSender(state.rules, sender);
    return byAccess(state, accessSender(state.rules.access, judged, state.trace), 'access From', sender.text);
  },
  'sender domain': senderDomain,
  recipient: recipientAccess,
  local: localRecipient,
  relay: relayed,
};

/** Whom `a%b@here` names as sender, so that a detour escapes no rule. */
function judgedSender(rules: Rules, sender: Pick<Path, 'local' | 'domain'>): Pick<Path, 'local' | 'domain'> {
  let judged = { local: sender.local, domain: canonicalDomain(rules, sender.domain) };
  for (let i = 0; i < 10 && /[@!%]/.test(judged.local) && isVirtualDomain(rules, judged.domain, true); i++) {
    judged = unroute(judged.local);
  }
  return judged;
}

/** What an entry of access makes of the message; RELAY and OK only let it go on. */
function byAccess(state: State, hit: AccessHit | undefined, rule: string, address: string): Ending | undefined {
  if (hit === undefined) return undefined;
  const { entry, action } = hit;
  switch (action.kind) {
    case 'reject':
      return { kind: 'refuse', rule, at: entry, refusal: about(address, 550, '5.7.1', 'Access denied') };
    case 'error':
      return {
        kind: 'refuse',
        rule,
        at: entry,
        refusal: { ...action.refusal, text: prefix(address, action.refusal.text) },
      };
    case 'discard':
      return { kind: 'discard', rule, at: entry };
    case 'quarantine':
      state.quarantine ??= action.why;
      return undefined;
    default:
      return undefined;
  }
}

function prefix(address: string, text: string): string {
  return address === '' ? text : `${address}... ${text}`;
}

function about(address: string, code: number, status: string, text: string): Refusal {
  return { code, status, text: prefix(address, text) };
}

/** Does the sender's domain exist? An entry of access for the sender (OK, RELAY) makes the question idle. */
function senderDomain(state: State): Ending | undefined {
  const { sender } = state.question;
  const { rules, trace } = state;
  const rule = 'sender domain';
  if (sender.domain === '' || sender.domain.startsWith('[') || isLocalDomain(rules, sender.domain)) return undefined;
  const allowed = trace.find((step) => step.rule === 'access From' && step.result === 'hit');
  if (allowed !== undefined || state.lookups.domainExists === undefined) return undefined;
  const exists = state.lookups.domainExists(sender.domain);
  if (exists === undefined) {
    state.needs.push({ kind: 'domain', name: sender.domain });
    return undefined;
  }
  trace.push({ rule, result: exists === 'yes' ? 'pass' : 'hit', key: sender.domain, text: `resolves: ${exists}` });
  if (exists === 'yes') return undefined;
  const address = pathAddress(sender);
  const verb = exists === 'no' ? 'does not exist' : 'does not resolve';
  if (rules.options.acceptUnresolvableDomains) {
    state.tags.push(`Domain of sender address ${address} ${verb}`);
    return undefined;
  }
  const words = `Domain of sender address ${address} ${verb}`;
  const refusal = exists === 'no' ? about(sender.text, 553, '5.1.8', words) : about(sender.text, 451, '4.1.8', words);
  return { kind: 'refuse', rule, refusal };
}

/** Takes routes in the local part apart, then asks access about the recipient. */
function recipientAccess(state: State): Ending | undefined {
  const { rules, trace } = state;
  let ours = true;
  for (let i = 0; i < 10; i++) {
    const inner = innerRecipient(state);
    if (inner === undefined) break;
    trace.push({
      rule: 'recipient',
      result: 'hit',
      key: pathAddress(state.judged),
      text: `means ${pathAddress(inner)}`,
    });
    ours = ours && isVirtualDomain(rules, state.judged.domain, true);
    state.judged = inner;
    if (ours) state.recipient = inner;
  }
  const { text } = state.question.recipient;
  if (innerRecipient(state) !== undefined) {
    return { kind: 'refuse', rule: 'recipient', refusal: about(text, 550, '5.7.1', 'Relaying denied') };
  }
  if (state.judged.local === '') {
    return { kind: 'refuse', rule: 'recipient', refusal: about(text, 553, '5.0.0', 'User address required') };
  }
  const local = isLocalDomain(rules, state.judged.domain);
  if (local && !rules.options.blacklistRecipients) return undefined;
  const hit = accessRecipient(rules.access, state.judged, local, trace);
  return byAccess(state, hit, 'access To', text);
}

/**
 * What a local part with `@`, `!` or `%` really asks for, when the host that would act on it is us, or one that we relay to.
 * A user or alias of exactly that name is that user. Undefined when there is nothing to take apart.
 */
function innerRecipient(state: State): Pick<Path, 'local' | 'domain'> | undefined {
  const { rules, lookups } = state;
  const { local, domain } = state.judged;
  if (!/[@!%]/.test(local)) return undefined;
  const ours = isVirtualDomain(rules, domain, true);
  if (!ours && !isRelayedDomain(state, domain)) return undefined;
  if (ours) {
    if (rules.aliases.aliases.has(local.toLowerCase()) || rules.virtual.entries.has(`${local.toLowerCase()}@${domain}`))
      return undefined;
    if (!/[@!]/.test(local) && (lookups.user(local) ?? false) !== false) return undefined;
  }
  return unroute(local);
}

/** `a@b`, `b!a` and `a%b` as sendmail's canonify reads them: `@` binds last, then `!` from the left, then the last `%`. */
export function unroute(local: string): Pick<Path, 'local' | 'domain'> {
  const at = local.lastIndexOf('@');
  if (at >= 0) return split(local.slice(0, at), local.slice(at + 1));
  const bang = local.indexOf('!');
  if (bang >= 0) return split(local.slice(bang + 1), local.slice(0, bang));
  const percent = local.lastIndexOf('%');
  return split(local.slice(0, percent), local.slice(percent + 1));
}

function split(local: string, domain: string): Pick<Path, 'local' | 'domain'> {
  const read = parsePath(`x@${domain}`);
  // What is no domain is never ours and never relayed to: it stays as an impossible one, and is refused.
  const name = isFault(read) ? `${domain.toLowerCase()}.invalid` : read.domain;
  // A route inside: only its last word counts, as a source route does.
  const route = /^@.*:(.*)$/.exec(local);
  return { local: route === null ? local : (route[1] ?? ''), domain: name };
}

/** Is it a domain that we relay to, whoever asks? */
function isRelayedDomain(state: State, domain: string): boolean {
  const { rules } = state;
  if (relayDomain(rules, domain) !== undefined) return true;
  return accessRecipientDomain(rules.access, domain, [])?.action.kind === 'relay';
}

/** A recipient here: does it exist? */
function localRecipient(state: State): Ending | undefined {
  const { rules, trace, recipient } = state;
  const { text } = state.question.recipient;
  const because = localBecause(rules, recipient.domain);
  if (because === undefined && !isVirtualDomain(rules, recipient.domain)) {
    trace.push({ rule: 'local', result: 'miss', key: recipient.domain });
    return undefined;
  }
  trace.push({
    rule: 'local',
    result: 'hit',
    key: recipient.domain,
    ...(because === undefined || typeof because === 'string' ? { text: because ?? 'virtual domain' } : { at: because }),
  });
  const expansion = expand([recipient], rules, state.lookups, { shallow: true });
  if (expansion.needs.length > 0) {
    state.needs.push(...expansion.needs);
    return undefined;
  }
  trace.push(...expansion.trace);
  const [problem] = expansion.problems;
  if (expansion.targets.length > 0) {
    return { kind: 'deliver', rule: 'local', ...(problem === undefined ? {} : { detail: problem.detail }) };
  }
  const refusal = problem?.refusal ?? { code: 550, status: '5.1.1', text: 'User unknown' };
  return {
    kind: 'refuse',
    rule: 'local',
    at: problem?.at,
    refusal: { ...refusal, text: prefix(text, refusal.text) },
    ...(problem === undefined ? {} : { detail: problem.detail }),
  };
}

/** One way to be allowed to relay; in the order in which they are tried. */
type Way = (state: State) => { readonly at?: Entry; readonly text: string } | undefined;

const WAYS: readonly (readonly [string, Way])[] = [
  [
    'recipient here',
    ({ rules, judged }) =>
      isVirtualDomain(rules, judged.domain, true)
        ? { text: `${pathAddress(judged)}, by way of a host we relay to` }
        : undefined,
  ],
  ['authenticated', ({ question }) => (question.user === undefined ? undefined : { text: question.user })],
  ['relay-domains', ({ rules, judged }) => ofEntry(relayDomain(rules, judged.domain))],
  ['access To', ({ rules, judged, trace }) => ofRelay(accessRecipientDomain(rules.access, judged.domain, trace))],
  [
    'loopback',
    ({ rules, question }) =>
      rules.options.relay.loopback && isLoopback(question.client.address)
        ? { text: question.client.address || 'local' }
        : undefined,
  ],
  ['relay-domains (client)', ({ rules, question }) => ofEntry(relayNetwork(rules, question.client.address))],
  [
    'access Connect',
    ({ rules, question, trace }) => ofRelay(accessClientAddress(rules.access, question.client.address, trace)),
  ],
  [
    'own address',
    ({ rules, question }) =>
      question.client.address !== '' && rules.options.ownAddresses.includes(question.client.address)
        ? { text: question.client.address }
        : undefined,
  ],
  [
    'relay-domains (client name)',
    ({ rules, question }) => {
      const name = question.client.name?.toLowerCase();
      if (name === undefined) return undefined;
      return isLocalDomain(rules, name) ? { text: name } : ofEntry(relayDomain(rules, name));
    },
  ],
  [
    'access Connect (name)',
    ({ rules, question, trace }) =>
      question.client.name === undefined
        ? undefined
        : ofRelay(accessClientName(rules.access, question.client.name, trace)),
  ],
  [
    'access From',
    ({ rules, question, trace }) =>
      rules.options.relay.senderRules
        ? ofRelay(accessSender(rules.access, judgedSender(rules, question.sender), trace))
        : undefined,
  ],
  ['based on MX', basedOnMx],
  ['promiscuous', ({ rules }) => (rules.options.relay.promiscuous ? { text: 'promiscuous_relay is on' } : undefined)],
];

function ofEntry(entry: Entry | undefined): { at: Entry; text: string } | undefined {
  return entry === undefined ? undefined : { at: entry, text: entry.key };
}

function ofRelay(hit: AccessHit | undefined): { at: Entry; text: string } | undefined {
  return hit?.action.kind === 'relay' ? { at: hit.entry, text: hit.entry.value } : undefined;
}

function basedOnMx(state: State): { text: string } | undefined {
  const { rules, judged, lookups } = state;
  if (!rules.options.relay.basedOnMx || judged.domain === '' || judged.domain.startsWith('[')) return undefined;
  const us = lookups.mxIsUs?.(judged.domain);
  if (us === undefined && lookups.mxIsUs !== undefined) state.needs.push({ kind: 'mx', name: judged.domain });
  return us === 'yes' ? { text: `MX of ${judged.domain} is this host` } : undefined;
}

/** A recipient elsewhere: refused, unless one way allows it. */
function relayed(state: State): Ending {
  const { trace, judged, rules } = state;
  const { text } = state.question.recipient;
  for (const [i, [rule, way]] of WAYS.entries()) {
    const found = way(state);
    if (state.needs.length > 0) return { kind: 'refuse', rule };
    if (found === undefined) {
      trace.push({ rule, result: 'pass' });
      continue;
    }
    trace.push({ rule, result: 'hit', text: found.text, ...(found.at === undefined ? {} : { at: found.at }) });
    for (const [later] of WAYS.slice(i + 1)) trace.push({ rule: later, result: 'unreached' });
    return { kind: 'relay', rule, at: found.at };
  }
  const temporary = rules.options.relay.basedOnMx && state.lookups.mxIsUs?.(judged.domain) === 'temporary';
  const refusal = temporary
    ? about(text, 451, '4.7.1', 'Relaying temporarily denied. Cannot resolve MX')
    : about(text, 550, '5.7.1', 'Relaying denied');
  return { kind: 'refuse', rule: 'relay', refusal };
}
