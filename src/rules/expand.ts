/**
 * Whom a recipient stands for: virtusertable, aliases, :include: lists and ~/.forward, each target once.
 *
 * Order, as in sendmail: an address whose domain is ours and which matches virtusertable follows that rule; otherwise its
 * local part is looked up in aliases; then it is a user, whose ~/.forward counts. What a rule or alias gives starts anew.
 * A name inside its own expansion is the user himself, when there is such a user; else it is a loop, reported with its path.
 *
 * Pure: users, lists and .forward files are asked of Lookups. What they do not know yet comes back as `needs`; ask again
 * when it is known.
 */
import { isFault, type Path, parsePath, pathAddress } from '../message/path.ts';
import { type Alias, type Member, memberText } from './aliases.ts';
import { canonicalDomain, isLocalDomain, isVirtualDomain, type Rules } from './rules.ts';
import {
  type Entry,
  type Fault,
  faultAt,
  parseErrorText,
  type Refusal,
  type Source,
  splitDetail,
  type Trace,
  type TraceStep,
  where,
} from './table.ts';

/** What a file of members (an :include: list, a ~/.forward) turned out to be. */
export type ListResult =
  | {
      readonly members: readonly Member[];
      readonly at: Source;
      /** Who keeps the list, when that is not root: what it names is written and run as that user. */
      readonly owner?: string;
    }
  /** There is none (no ~/.forward). */
  | { readonly missing: true }
  /** It must not or cannot be used; `temporary` when trying again may help. */
  | { readonly fault: string; readonly temporary: boolean };

/** Answers of the world. `undefined`: not known yet. */
export interface Lookups {
  /** The name under which the system knows a user, or false. */
  user(name: string): string | false | undefined;
  /** `asUser`: whose .forward names it; undefined: the administrator's tables. */
  include?(path: string, asUser?: string): ListResult | undefined;
  forward?(user: string): ListResult | undefined;
}

export type Need = {
  readonly kind: 'user' | 'include' | 'forward';
  readonly name: string;
  /** Of an :include: list: whose .forward names it. */
  readonly asUser?: string;
};

interface TargetBase {
  /** Names it came through, the recipient first: `list`, `owner` ... */
  readonly path: readonly string[];
  /** The envelope sender from here on, when an `owner-LIST` alias says so. */
  readonly owner?: string;
}

export type ExpansionTarget =
  | (TargetBase & { readonly kind: 'user'; readonly user: string; readonly detail: string | undefined })
  /** `asUser`: whose .forward named it; undefined: the administrator's tables. */
  | (TargetBase & { readonly kind: 'file'; readonly file: string; readonly asUser: string | undefined })
  | (TargetBase & { readonly kind: 'program'; readonly command: string; readonly asUser: string | undefined })
  | (TargetBase & { readonly kind: 'remote'; readonly local: string; readonly domain: string });

export interface ExpansionProblem {
  readonly address: string;
  readonly refusal: Refusal;
  /** The line that led there; undefined: the recipient itself. */
  readonly at: Source | undefined;
  readonly path: readonly string[];
  /** More than the sender should read, for the log. */
  readonly detail: string;
}

/** The AliasExpansion of a recipient. */
export interface Expansion {
  readonly targets: readonly ExpansionTarget[];
  readonly problems: readonly ExpansionProblem[];
  readonly needs: readonly Need[];
  readonly trace: Trace;
}

export interface ExpandOptions {
  /** Only whether it leads anywhere: lists and .forward files are taken for good without looking. For RCPT. */
  readonly shallow?: boolean;
}

/** Generations; a table that needs more is a loop in disguise (sendmail's MAXRCRSN is 10, of one kind each). */
const MAX_DEPTH = 50;
/** Targets of one recipient, so that lists of lists cannot eat the memory. */
const MAX_TARGETS = 100_000;

/** Who answers when nobody was set up (aliases(5); RFC 5321 4.5.1 wants postmaster). */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['postmaster', 'root'],
  ['mailer-daemon', 'postmaster'],
]);

interface Frame {
  readonly path: readonly string[];
  /** Alias names and virtual addresses being expanded right now. */
  readonly open: readonly string[];
  readonly at: Source | undefined;
  readonly owner: string | undefined;
  readonly asUser: string | undefined;
}

interface Work {
  readonly rules: Rules;
  readonly lookups: Lookups;
  readonly shallow: boolean;
  readonly targets: Map<string, ExpansionTarget>;
  readonly problems: ExpansionProblem[];
  readonly needs: Map<string, Need>;
  readonly trace: TraceStep[];
  /** Names fully expanded already, here or on another branch. */
  readonly done: Set<string>;
}

/** Expands one or more recipients of a message together: a mailbox they share gets one copy. */
export function expand(
  recipients: readonly Pick<Path, 'local' | 'domain'>[],
  rules: Rules,
  lookups: Lookups,
  options: ExpandOptions = {},
): Expansion {
  const work: Work = {
    rules,
    lookups,
    shallow: options.shallow === true,
    targets: new Map(),
    problems: [],
    needs: new Map(),
    trace: [],
    done: new Set(),
  };
  for (const { local, domain } of recipients) {
    address(work, local, domain, false, {
      path: [pathAddress({ local, domain })],
      open: [],
      at: undefined,
      owner: undefined,
      asUser: undefined,
    });
  }
  return {
    targets: [...work.targets.values()],
    problems: work.problems,
    needs: [...work.needs.values()],
    trace: work.trace,
  };
}

function address(work: Work, local: string, given: string, final: boolean, frame: Frame): void {
  const { rules } = work;
  const domain = canonicalDomain(rules, given);
  if (frame.path.length > MAX_DEPTH) {
    problem(work, frame, pathAddress({ local, domain }), LOOP, `more than ${MAX_DEPTH} generations`);
    return;
  }
  if (isVirtualDomain(rules, domain) && !final && virtual(work, local, domain, frame)) return;
  if (isLocalDomain(rules, domain)) localName(work, local, final, frame);
  else if (isVirtualDomain(rules, domain))
    problem(work, frame, pathAddress({ local, domain }), UNKNOWN, 'no entry in virtusertable');
  else {
    add(work, `@ ${local}@${domain}`, { kind: 'remote', local, domain, ...base(frame) });
  }
}

const UNKNOWN: Refusal = { code: 550, status: '5.1.1', text: 'User unknown' };
const LOOP: Refusal = { code: 554, status: '5.4.6', text: 'Alias loop' };

/** Follows virtusertable; false when no key matches. */
function virtual(work: Work, local: string, domain: string, frame: Frame): boolean {
  const found = virtualEntry(work.rules, local, domain, work.trace);
  if (found === undefined) return false;
  const { entry, parts } = found;
  const next: Frame = { ...frame, at: entry };
  if (/^error:/i.test(entry.value)) {
    const refusal = parseErrorText(entry.value.slice(6)) ?? UNKNOWN;
    problem(work, next, pathAddress({ local, domain }), refusal, 'virtusertable says so');
    return true;
  }
  const text = entry.value.replace(/%([123])/g, (_, digit: string) => parts[Number(digit) - 1] ?? '');
  const to = parsePath(text);
  if (isFault(to) || to.local === '') {
    problem(work, next, text, UNKNOWN, `${where(entry)} gives "${text}", which is no address`);
    return true;
  }
  const key = `v ${local.toLowerCase()}@${domain}`;
  if (frame.open.includes(key)) {
    problem(work, next, text, LOOP, `virtusertable leads back to ${pathAddress({ local, domain })}`);
    return true;
  }
  // A rule that gives the address itself: it is meant for aliases and users, not for another round.
  if (to.domain === domain && to.local.toLowerCase() === local.toLowerCase()) {
    if (isLocalDomain(work.rules, domain)) localName(work, to.local, false, next);
    else problem(work, next, text, LOOP, `${where(entry)} gives the address itself`);
    return true;
  }
  address(work, to.local, to.domain, false, {
    ...next,
    path: [...frame.path, pathAddress(to)],
    open: [...frame.open, key],
  });
  return true;
}

/** Keys in sendmail's order: most specific first. */
export function virtualEntry(
  rules: Rules,
  local: string,
  domain: string,
  trace: TraceStep[],
): { entry: Entry; parts: readonly string[] } | undefined {
  const { base, detail } = splitDetail(local);
  const name = base.toLowerCase();
  const withDetail = detail === undefined ? [] : [base, detail, `+${detail}`];
  const keys: [string, readonly string[]][] = [[`${local.toLowerCase()}@${domain}`, [local]]];
  if (detail !== undefined) {
    if (detail !== '') keys.push([`${name}++@${domain}`, withDetail]);
    keys.push([`${name}+*@${domain}`, withDetail], [`${name}@${domain}`, withDetail]);
    if (detail !== '') keys.push([`++@${domain}`, withDetail]);
    keys.push([`+*@${domain}`, withDetail]);
  }
  keys.push([`@${domain}`, detail === undefined ? [local] : withDetail]);
  for (const [key, parts] of keys) {
    const entry = rules.virtual.entries.get(key);
    if (entry !== undefined) {
      trace.push({ rule: 'virtusertable', result: 'hit', key, at: entry, text: entry.value });
      return { entry, parts };
    }
    trace.push({ rule: 'virtusertable', result: 'miss', key });
  }
  return undefined;
}

/** Aliases, then users. */
function localName(work: Work, local: string, final: boolean, frame: Frame): void {
  const { base: stem, detail } = splitDetail(local);
  const alias = final ? undefined : findAlias(work, local);
  if (alias !== undefined) {
    const key = `a ${alias.name}`;
    if (!frame.open.includes(key)) {
      // Expanded on another branch: its targets are there already.
      if (work.done.has(key)) return;
      work.done.add(key);
      aliasMembers(work, alias, { ...frame, open: [...frame.open, key] });
      return;
    }
    const user = userOf(work, stem);
    if (user === undefined) return;
    if (user === false) {
      // `postmaster: postmaster` would be a hole otherwise.
      if (BUILT_IN.has(stem.toLowerCase())) builtIn(work, stem.toLowerCase(), frame);
      else problem(work, frame, local, LOOP, `${[...frame.path, local].join(' -> ')}, and there is no user ${local}`);
      return;
    }
    work.trace.push({
      rule: 'aliases',
      result: 'pass',
      key: alias.name,
      at: alias,
      text: 'names itself: the user himself',
    });
    forward(work, user, detail, frame);
    return;
  }
  const user = userOf(work, stem);
  if (user === undefined) return;
  if (user === false) {
    if (!final && BUILT_IN.has(stem.toLowerCase())) builtIn(work, stem.toLowerCase(), frame);
    else problem(work, frame, local, UNKNOWN, unknownBecause(frame, local));
    return;
  }
  if (final) deliver(work, user, detail, frame);
  else forward(work, user, detail, frame);
}

function unknownBecause(frame: Frame, local: string): string {
  const led = frame.at === undefined ? '' : ` (${where(frame.at)} leads there)`;
  return `no alias and no user "${local}"${led}`;
}

function builtIn(work: Work, name: string, frame: Frame): void {
  const to = BUILT_IN.get(name) ?? 'root';
  const key = `a ${name}`;
  const opened = frame.open.filter((open) => open === key).length;
  // Once through its own alias, once through here.
  if (opened > 1 || frame.open.includes(`b ${name}`)) {
    problem(work, frame, name, LOOP, [...frame.path, to].join(' -> '));
    return;
  }
  work.trace.push({ rule: 'aliases', result: 'hit', key: name, text: `${to} (built in)` });
  localName(work, to, false, { ...frame, path: [...frame.path, to], open: [...frame.open, `b ${name}`] });
}

/** `name+detail`, `name+*`, `name`. */
function findAlias(work: Work, local: string): Alias | undefined {
  const { base: stem, detail } = splitDetail(local.toLowerCase());
  const keys = detail === undefined ? [stem] : [local.toLowerCase(), `${stem}+*`, stem];
  for (const key of keys) {
    const alias = work.rules.aliases.aliases.get(key);
    if (alias !== undefined) {
      work.trace.push({ rule: 'aliases', result: 'hit', key, at: alias, text: alias.text });
      return alias;
    }
    work.trace.push({ rule: 'aliases', result: 'miss', key });
  }
  return undefined;
}

function aliasMembers(work: Work, alias: Alias, frame: Frame): void {
  const owner = ownerOf(work, alias);
  for (const member of alias.members) {
    take(work, member, { ...frame, at: alias, owner: owner ?? frame.owner });
  }
}

/** `owner-LIST` gets the returns of LIST; when that is one address, it is the sender itself, as in sendmail. */
function ownerOf(work: Work, alias: Alias): string | undefined {
  if (alias.name.startsWith('owner-')) return undefined;
  const owner = work.rules.aliases.aliases.get(`owner-${alias.name}`);
  if (owner === undefined) return undefined;
  const [first, ...more] = owner.members;
  if (first?.kind === 'address' && more.length === 0) return memberText({ ...first, final: false });
  return owner.name;
}

function take(work: Work, member: Member, frame: Frame): void {
  if (work.targets.size > MAX_TARGETS) {
    problem(work, frame, memberText(member), LOOP, `more than ${MAX_TARGETS} recipients`);
    return;
  }
  const path = [...frame.path, memberText(member)];
  switch (member.kind) {
    case 'address':
      address(work, member.local, member.domain, member.final, { ...frame, path });
      return;
    case 'file':
      add(work, `f ${member.path}`, { kind: 'file', file: member.path, asUser: frame.asUser, ...base(frame) });
      return;
    case 'program':
      add(work, `p ${frame.asUser ?? ''} ${member.command}`, {
        kind: 'program',
        command: member.command,
        asUser: frame.asUser,
        ...base(frame),
      });
      return;
    case 'include':
      include(work, member.path, { ...frame, path });
      return;
  }
}

function include(work: Work, path: string, frame: Frame): void {
  const key = `i ${path}`;
  if (frame.open.includes(key)) {
    problem(work, frame, `:include:${path}`, LOOP, `${path} includes itself`);
    return;
  }
  if (work.shallow || work.lookups.include === undefined) {
    work.trace.push({ rule: ':include:', result: 'pass', key: path, text: 'read when the message is delivered' });
    work.targets.set(key, { kind: 'file', file: path, asUser: frame.asUser, ...base(frame) });
    return;
  }
  if (work.done.has(key)) return;
  const list = work.lookups.include(path, frame.asUser);
  if (list === undefined) {
    const { asUser } = frame;
    work.needs.set(key, { kind: 'include', name: path, ...(asUser === undefined ? {} : { asUser }) });
    return;
  }
  work.done.add(key);
  if ('missing' in list || 'fault' in list) {
    const text = 'missing' in list ? 'no such file' : list.fault;
    const temporary = 'fault' in list && list.temporary;
    work.trace.push({ rule: ':include:', result: 'miss', key: path, text });
    // A list that cannot be read now may be there again later: its mail must not be returned at once.
    const refusal = temporary || 'missing' in list ? UNREADABLE_NOW : UNREADABLE;
    problem(work, frame, `:include:${path}`, refusal, `${path}: ${text}`);
    return;
  }
  work.trace.push({ rule: ':include:', result: 'hit', key: path, at: list.at, text: `${list.members.length} members` });
  const next = { ...frame, at: list.at, open: [...frame.open, key], asUser: frame.asUser ?? list.owner };
  for (const member of list.members) take(work, member, next);
}

const UNREADABLE: Refusal = { code: 550, status: '5.2.4', text: 'Mailing list expansion problem' };
const UNREADABLE_NOW: Refusal = { code: 451, status: '4.2.4', text: 'Mailing list expansion problem' };

/** ~/.forward; a name in there that is the user himself is his mailbox. */
function forward(work: Work, user: string, detail: string | undefined, frame: Frame): void {
  const key = `u ${user}`;
  if (work.shallow || work.lookups.forward === undefined || frame.open.includes(key)) {
    deliver(work, user, detail, frame);
    return;
  }
  if (work.done.has(key)) return;
  const list = work.lookups.forward(user);
  if (list === undefined) {
    work.needs.set(key, { kind: 'forward', name: user });
    return;
  }
  work.done.add(key);
  if ('missing' in list || 'fault' in list) {
    // An unsafe .forward is not obeyed, and the mail is not lost by it.
    const text = 'missing' in list ? 'none' : list.fault;
    work.trace.push({ rule: '.forward', result: 'missing' in list ? 'miss' : 'pass', key: user, text });
    deliver(work, user, detail, frame);
    return;
  }
  if (list.members.length === 0) {
    deliver(work, user, detail, frame);
    return;
  }
  work.trace.push({
    rule: '.forward',
    result: 'hit',
    key: user,
    at: list.at,
    text: list.members.map(memberText).join(', '),
  });
  const next = { ...frame, at: list.at, open: [...frame.open, key], asUser: user };
  for (const member of list.members) take(work, member, next);
}

function deliver(work: Work, user: string, detail: string | undefined, frame: Frame): void {
  add(work, `u ${user}`, { kind: 'user', user, detail, ...base(frame) });
}

function base(frame: Frame): TargetBase {
  return frame.owner === undefined ? { path: frame.path } : { path: frame.path, owner: frame.owner };
}

/** One copy each: the first way there is kept. */
function add(work: Work, key: string, target: ExpansionTarget): void {
  if (!work.targets.has(key)) work.targets.set(key, target);
}

function problem(work: Work, frame: Frame, name: string, refusal: Refusal, detail: string): void {
  work.problems.push({ address: name, refusal, at: frame.at, path: frame.path, detail });
}

function userOf(work: Work, name: string): string | false | undefined {
  // A name from the net is never a path, a pattern or an option to whoever looks it up.
  if (name === '' || /[/\u0000-\u0020\u007f]/.test(name)) return false;
  const user = work.lookups.user(name);
  if (user === undefined) work.needs.set(`user ${name}`, { kind: 'user', name });
  else
    work.trace.push({
      rule: 'users',
      result: user === false ? 'miss' : 'hit',
      key: name,
      ...(user === false ? {} : { text: user }),
    });
  return user;
}

/**
 * What aliases and virtusertable promise and nobody keeps: a name that leads to no user, a loop. Warnings, with their line,
 * for `newaliases` and the reload: the rest of the table works, and whoever writes there is told at RCPT.
 */
export function checkTargets(rules: Rules, lookups: Lookups): Fault[] {
  const faults: Fault[] = [];
  const told = new Set<string>();
  const check = (local: string, domain: string, at: Source): void => {
    for (const { refusal, detail, at: line } of expand([{ local, domain }], rules, lookups, { shallow: true })
      .problems) {
      const place = line ?? at;
      // `error:` is meant; each line is named once, not for every alias that leads through it.
      if (refusal !== UNKNOWN && refusal !== LOOP) continue;
      const fault = faultAt(place, detail, 'warning');
      const key = `${where(place)} ${refusal.status} ${detail}`;
      if (!told.has(key)) faults.push(fault);
      told.add(key);
    }
  };
  for (const alias of rules.aliases.aliases.values()) check(alias.name, '', alias);
  for (const [key, entry] of rules.virtual.entries) {
    const at = key.lastIndexOf('@');
    const local = key.slice(0, at);
    // A key with an open local part leads wherever its writer goes; only what does not depend on it can be checked.
    if (entry.value.includes('%') || /^error:/i.test(entry.value)) continue;
    check(
      local === '' || local.endsWith('+*') || local.endsWith('++') ? `${local.replace(/\+[*+]$/, '') || 'x'}+x` : local,
      key.slice(at + 1),
      entry,
    );
  }
  return faults;
}
