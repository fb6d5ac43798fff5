/**
 * Files of questions and verdicts: sections of tables, then questions.
 *
 * `== access`, `== aliases`, `== virtusertable`, `== genericstable`, `== mailertable`, `== local-host-names`,
 * `== relay-domains`, `== virtual-domains`: the tables (the lines of a table count from 1).
 * `== options`: `relay.promiscuous = true`. `== users`, `== domains` (`a.test no`), `== mx` (`a.test yes`).
 * `== include PATH`, `== forward USER`: lists. `== faults`: what the tables must be found to be wrong with.
 * `== expect`: expect lines. `== expand`: `address -> target, target`. `== rewrite`: `ROLE TO address -> address`.
 * `== route`: `domain -> route`.
 */
import { type Path, parsePath, pathAddress } from '../../src/message/path.ts';
import { parseList } from '../../src/rules/aliases.ts';
import { type ExpansionTarget, expand, type ListResult } from '../../src/rules/expand.ts';
import type { DecisionLookups } from '../../src/rules/relay.ts';
import { type Role, rewrite } from '../../src/rules/rewrite.ts';
import { type NextHop, type Route, route } from '../../src/rules/route.ts';
import { buildRules, DEFAULT_OPTIONS, type RuleOptions, type Rules, type TableText } from '../../src/rules/rules.ts';
import { type Fault, where } from '../../src/rules/table.ts';

export interface Scenario {
  rules: Rules;
  faults: Fault[];
  lookups: DecisionLookups;
  /** Section name to its text, with the line in the file where it starts. */
  sections: Map<string, { text: string; start: number }>;
}

export function readScenario(text: string): Scenario {
  const sections = new Map<string, { text: string; start: number }>();
  let name = '';
  let start = 0;
  let lines: string[] = [];
  const close = (): void => {
    if (name !== '') sections.set(name, { text: lines.join('\n'), start });
    lines = [];
  };
  for (const [index, line] of text.split('\n').entries()) {
    const head = /^== (.*)$/.exec(line);
    if (head === null) lines.push(line);
    else {
      close();
      name = (head[1] ?? '').trim();
      start = index + 1;
    }
  }
  close();
  const table = (key: string): TableText => ({ file: key, text: sections.get(key)?.text ?? '' });
  const { rules, faults } = buildRules(
    {
      access: table('access'),
      localHostNames: table('local-host-names'),
      relayDomains: table('relay-domains'),
      virtualDomains: table('virtual-domains'),
      virtusertable: table('virtusertable'),
      aliases: table('aliases'),
      genericstable: table('genericstable'),
      mailertable: table('mailertable'),
    },
    readOptions(sections.get('options')?.text ?? ''),
  );
  return { rules, faults, lookups: lookupsOf(sections), sections };
}

function readOptions(text: string): RuleOptions {
  const options = structuredClone({
    ...DEFAULT_OPTIONS,
    hostname: 'linux102.example.com',
    ownAddresses: ['192.0.2.2'],
  }) as Record<string, unknown>;
  for (const line of text.split('\n')) {
    const found = /^([\w.]+)\s*=\s*(.*)$/.exec(line.trim());
    if (found === null) continue;
    const [first = '', second] = (found[1] ?? '').split('.');
    const holder = second === undefined ? options : (options[first] as Record<string, unknown>);
    holder[second ?? first] = JSON.parse(found[2] ?? 'null');
  }
  return options as unknown as RuleOptions;
}

function lookupsOf(sections: Scenario['sections']): DecisionLookups {
  const users = new Set((sections.get('users')?.text ?? 'root daemon bin lee dongliang').split(/\s+/));
  const list = (key: string, missing: boolean): ListResult => {
    const section = sections.get(key);
    if (section === undefined) return missing ? { missing: true } : { fault: 'cannot be read', temporary: true };
    const parsed = parseList(key, section.text);
    if (parsed.faults.length > 0) return { fault: parsed.faults[0]?.reason ?? '', temporary: false };
    return { members: parsed.members, at: { file: key, line: 1 } };
  };
  const answers = (section: string): Map<string, string> =>
    new Map(
      (sections.get(section)?.text ?? '').split('\n').map((line) => line.trim().split(/\s+/) as [string, string]),
    );
  const domains = answers('domains');
  const mx = answers('mx');
  return {
    user: (name) => (users.has(name.toLowerCase()) ? name.toLowerCase() : false),
    include: (path) => list(`include ${path}`, false),
    forward: (user) => list(`forward ${user}`, true),
    domainExists: (domain) => (domains.get(domain) as 'yes' | undefined) ?? 'yes',
    mxIsUs: (domain) => (mx.get(domain) as 'yes' | undefined) ?? 'no',
  };
}

/** The questions of a section: line number, question, wanted answer. */
export function questions(scenario: Scenario, section: string): { line: number; question: string; wanted: string }[] {
  const found = scenario.sections.get(section);
  if (found === undefined) return [];
  return found.text.split('\n').flatMap((line, i) => {
    const parts = /^(.*?)\s*->\s*(.*)$/.exec(line.trim());
    return parts === null || line.startsWith('#')
      ? []
      : [{ line: found.start + i + 1, question: parts[1] ?? '', wanted: parts[2] ?? '' }];
  });
}

export function pathOf(text: string): Path {
  const path = parsePath(text);
  if ('fault' in path) throw new Error(`${text}: ${path.fault}`);
  return path;
}

export function expandText(scenario: Scenario, question: string): string {
  const paths = question.split(/\s*,\s*/).map(pathOf);
  const { targets, problems, needs } = expand(paths, scenario.rules, scenario.lookups);
  const parts = targets.map(targetText);
  for (const problem of problems) {
    parts.push(
      `!${problem.address} ${problem.refusal.code}${problem.at === undefined ? '' : ` at ${where(problem.at)}`}`,
    );
  }
  for (const need of needs) parts.push(`needs ${need.kind} ${need.name}`);
  return parts.sort().join(', ');
}

function targetText(target: ExpansionTarget): string {
  const owner = target.owner === undefined ? '' : ` from ${target.owner}`;
  switch (target.kind) {
    case 'user':
      return `${target.user}${target.detail === undefined ? '' : `+${target.detail}`}${owner}`;
    case 'file':
      return `${target.file}${target.asUser === undefined ? '' : ` as ${target.asUser}`}${owner}`;
    case 'program':
      return `|${target.command}${target.asUser === undefined ? '' : ` as ${target.asUser}`}${owner}`;
    case 'remote':
      return `${pathAddress(target)}${owner}`;
  }
}

export function rewriteText(scenario: Scenario, question: string): string {
  const [role = '', to = '', address = ''] = question.split(/\s+/);
  return pathAddress(rewrite(pathOf(address), role as Role, to as 'local' | 'remote', scenario.rules)) || '<>';
}

export function routeText(scenario: Scenario, domain: string): string {
  return printRoute(route(domain, scenario.rules));
}

function printRoute(found: Route): string {
  switch (found.kind) {
    case 'mx':
      return `mx ${found.domain}`;
    case 'smtp':
      return `${found.mailer} ${found.hops.map(printHop).join(' ')}`;
    case 'error':
      return `error ${found.refusal.code} ${found.refusal.status} ${found.refusal.text}`;
    case 'local':
      return `local ${found.user ?? ''}`.trim();
    case 'discard':
      return 'discard';
  }
}

function printHop(hop: NextHop): string {
  return `${hop.mx ? hop.host : `[${hop.host}]`}${hop.port === undefined ? '' : `:${hop.port}`}`;
}
