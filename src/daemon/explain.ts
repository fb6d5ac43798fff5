/**
 * What would become of a message to an address, and why: the daemon's own decisions, asked without any mail.
 *
 * The same `decide`, `expand`, `route` and `rewrite` that move mail, with the same look-ups; nothing is written.
 */
import { join } from 'node:path';
import { below } from '../config/paths.ts';
import { reasonOf } from '../core/errors.ts';
import { type Path, pathAddress } from '../message/path.ts';
import { type Expansion, type ExpansionTarget, expand } from '../rules/expand.ts';
import { decide, decideClient, type Question, type Verdict } from '../rules/relay.ts';
import { rewrite } from '../rules/rewrite.ts';
import { type NextHop, type Route, route } from '../rules/route.ts';
import type { Rules } from '../rules/rules.ts';
import { type Refusal, type Source, type Trace, type TraceStep, where } from '../rules/table.ts';
import { commandWords } from '../transport/program.ts';
import { isAbsent, type NameService } from './resolver.ts';
import type { DaemonSettings } from './settings.ts';
import type { World } from './world.ts';

export interface Explanation {
  readonly question: Question;
  readonly verdict: Verdict;
  /** Steps of `verdict.trace`, but for those that `expansion.trace` has again. */
  readonly trace: Trace;
  /** Whom the recipient stands for; undefined when it was refused or dropped. */
  readonly expansion: Expansion | undefined;
  readonly ends: readonly End[];
}

/** Where one copy of the message would end. */
export interface End {
  readonly kind: 'mailbox' | 'maildir' | 'file' | 'program' | 'remote' | 'refused' | 'discarded';
  /** Names it came through, the recipient first. */
  readonly path: readonly string[];
  /** A path, a command, `relay.example.org port 25`; the reply where it is refused. */
  readonly place: string;
  /** The line that says so. */
  readonly at?: Source;
  /** More for the administrator. */
  readonly notes: readonly string[];
  /** How the next hop was found. */
  readonly trace: Trace;
}

export interface ExplainOptions {
  readonly settings: Pick<DaemonSettings, 'paths' | 'local' | 'rules'>;
  readonly rules: Rules;
  readonly world: World;
  readonly resolver: Pick<NameService, 'mx'>;
}

export async function explain(question: Question, options: ExplainOptions): Promise<Explanation> {
  const { rules, world } = options;
  const atOnce = decideClient(question.client, rules);
  const verdict =
    atOnce?.kind === 'refuse' ? atOnce : (await world.settle(() => decide(question, rules, world.lookups))).verdict;
  if (verdict.kind === 'refuse' || verdict.kind === 'discard') {
    return { question, verdict, trace: verdict.trace, expansion: undefined, ends: [endOfVerdict(question, verdict)] };
  }
  const expansion = await world.settle(() => expand([verdict.recipient], rules, world.lookups));
  const found = await Promise.all(expansion.targets.map((target) => endOf(target, question, options)));
  const problems = expansion.problems.map(
    ({ path, refusal, at, detail }): End => ({
      kind: 'refused',
      path,
      place: refusalText(refusal),
      notes: [detail],
      trace: [],
      ...(at === undefined ? {} : { at }),
    }),
  );
  const held = verdict.quarantine === undefined ? [] : [`held until it is released: ${verdict.quarantine}`];
  const ends = [...found, ...problems].map((end) => ({ ...end, notes: [...held, ...end.notes] }));
  return { question, verdict, trace: withoutExpansion(verdict), expansion, ends };
}

/** The steps with which it was found that a local recipient exists are those of the expansion, too. */
function withoutExpansion({ kind, trace }: Verdict): Trace {
  const local = trace.findIndex(({ rule, result }) => rule === 'local' && result === 'hit');
  if (kind !== 'deliver' || local < 0) return trace;
  return trace.filter(({ result }, i) => i <= local || result === 'unreached');
}

function endOfVerdict({ recipient }: Question, verdict: Verdict): End {
  const discard = verdict.kind === 'discard';
  return {
    kind: discard ? 'discarded' : 'refused',
    path: [pathAddress(recipient)],
    place: discard ? 'dropped; the sender is told that it was taken' : refusalText(verdict.refusal),
    notes: verdict.detail === undefined ? [] : [verdict.detail],
    trace: [],
    ...(verdict.at === undefined ? {} : { at: verdict.at }),
  };
}

function refusalText(refusal: Refusal = { code: 550, status: '5.7.1', text: 'Access denied' }): string {
  return `${refusal.code} ${refusal.status} ${refusal.text}`;
}

function endOf(target: ExpansionTarget, question: Question, options: ExplainOptions): Promise<End> | End {
  switch (target.kind) {
    case 'user':
      return userEnd(target.user, target.path, options);
    case 'file':
      return {
        kind: 'file',
        path: target.path,
        place: below(options.settings.paths.root, target.file),
        notes: asWhom(target),
        trace: [],
      };
    case 'program':
      return {
        kind: 'program',
        path: target.path,
        place: target.command,
        notes: [...asWhom(target), ...programNotes(target.command, options)],
        trace: [],
      };
    case 'remote':
      return remoteEnd(target, question, options);
  }
}

function asWhom({ asUser, owner }: { readonly asUser?: string | undefined; readonly owner?: string }): string[] {
  return [...(asUser === undefined ? [] : [`as ${asUser}`]), ...(owner === undefined ? [] : [`from ${owner}`])];
}

function programNotes(command: string, { settings }: ExplainOptions): string[] {
  const file = commandWords(command)?.[0];
  if (file !== undefined && settings.local.programs.has(file)) return [];
  return [`will be refused: ${file ?? command} is not in [local] programs`];
}

function userEnd(name: string, path: readonly string[], { settings, world }: ExplainOptions): End {
  const { paths, local } = settings;
  const maildir = local.maildirOf(name);
  const home = world.user(name)?.home;
  if (maildir === undefined || home === undefined) {
    return { kind: 'mailbox', path, place: join(paths.spool, name), notes: [], trace: [] };
  }
  return { kind: 'maildir', path, place: join(home, maildir), notes: [], trace: [] };
}

async function remoteEnd(
  target: Pick<Path, 'local' | 'domain'> & { readonly path: readonly string[]; readonly owner?: string },
  question: Question,
  options: ExplainOptions,
): Promise<End> {
  const trace: TraceStep[] = [];
  const way = route(target.domain, options.rules, trace);
  const notes = [...asWhom(target), ...senderNotes(question, options.rules, trace)];
  const base = { path: target.path, notes, trace };
  switch (way.kind) {
    case 'error':
      return { ...base, kind: 'refused', place: refusalText(way.refusal), at: way.at };
    case 'discard':
      return { ...base, kind: 'discarded', place: 'dropped', at: way.at };
    case 'local':
      return { ...userEnd(way.user ?? target.local, target.path, options), at: way.at, trace };
    case 'mx':
      return { ...base, kind: 'remote', place: await mxText(way.domain, options.resolver) };
    case 'smtp':
      return { ...base, kind: 'remote', place: hopsText(way), ...(way.at === undefined ? {} : { at: way.at }) };
  }
}

/** What the sender looks like there. */
function senderNotes({ sender }: Question, rules: Rules, trace: TraceStep[]): string[] {
  if (sender.local === '') return [];
  const before = pathAddress(sender);
  const envelope = pathAddress(rewrite(sender, 'envelopeSender', 'remote', rules));
  const header = pathAddress(rewrite(sender, 'headerSender', 'remote', rules, trace));
  return [
    ...(envelope === before ? [] : [`envelope sender becomes ${envelope}`]),
    ...(header === before ? [] : [`From: becomes ${header}`]),
  ];
}

function hopsText({ mailer, hops }: Extract<Route, { kind: 'smtp' }>): string {
  return `${hops.map(hopText).join(', else ')} (${mailer})`;
}

function hopText({ host, mx, port }: NextHop): string {
  return `${mx ? `MX of ${host}, else ${host}` : `[${host}]`} port ${port ?? 25}`;
}

async function mxText(domain: string, resolver: ExplainOptions['resolver']): Promise<string> {
  try {
    const records = [...(await resolver.mx(domain))].sort((a, b) => a.priority - b.priority);
    if (records.length === 1 && records[0]?.exchange.replace(/\.$/, '') === '')
      return `nowhere: ${domain} takes no mail (null MX)`;
    if (records.length > 0)
      return `${records.map(({ exchange, priority }) => `${exchange} (${priority})`).join(', ')}: MX of ${domain}`;
  } catch (error) {
    if (!isAbsent(error)) return `MX of ${domain}, which the name server does not tell now (${reasonOf(error)})`;
  }
  return `${domain} itself: it has no MX`;
}

/** One step in words: `virtusertable lee@tonk.com: /etc/mail/virtusertable:1 dl@qq.com`. */
export function stepText({ rule, result, key, at, text }: TraceStep): string {
  const name = key === undefined || key === '' ? rule : `${rule} ${key}`;
  const found = [at === undefined ? undefined : where(at), text].filter((part) => part !== undefined).join(' ');
  switch (result) {
    case 'hit':
      return `${name}: ${found === '' ? 'yes' : found}`;
    case 'miss':
      return `${name}: not there${found === '' ? '' : ` (${found})`}`;
    case 'pass':
      return `${name}: does not apply${found === '' ? '' : ` (${found})`}`;
    case 'unreached':
      return `${name}: not reached`;
  }
}

/** All steps in lines: keys that were looked up in vain, and rules not reached, share one. */
export function traceLines(trace: Trace): string[] {
  const lines: string[] = [];
  for (let i = 0; i < trace.length; ) {
    const step = trace[i];
    if (step === undefined) break;
    const alike = (other: TraceStep | undefined): boolean =>
      other !== undefined &&
      other.result === step.result &&
      other.text === step.text &&
      (step.result === 'unreached' || step.result === 'pass'
        ? other.key === undefined && step.key === undefined
        : other.rule === step.rule);
    let end = i + 1;
    if (step.result !== 'hit') while (alike(trace[end])) end++;
    const group = trace.slice(i, end);
    lines.push(group.length === 1 ? stepText(step) : groupText(step, group));
    i = end;
  }
  return lines;
}

function groupText(step: TraceStep, group: Trace): string {
  if (step.result === 'miss') return stepText({ ...step, key: group.map(({ key }) => key ?? '').join(', ') });
  return stepText({ ...step, rule: group.map(({ rule }) => rule).join(', ') });
}
