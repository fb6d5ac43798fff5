/**
 * Questions with the verdict they must get: a policy test file, run at every reload, which refuses it when one fails.
 *
 *     expect From:a@b.test To:lee@here client=192.0.2.1 [name=host] [user=lee] -> 550 5.7.1
 *     expect To:lee -> deliver                  (deliver, relay, discard, refuse, quarantine)
 *
 * After the verdict may stand `by FILE:LINE` or `by RULE`: what decided.
 */
import { isFault, type Path, parsePath } from '../message/path.ts';
import { type DecisionLookups, decide, type Verdict } from './relay.ts';
import type { Rules } from './rules.ts';
import { type Fault, faultAt, type Source, where } from './table.ts';

/** Runs the lines of a policy test file; a fault for each that fails or cannot be read. */
export function runExpectations(file: string, text: string, rules: Rules, lookups: DecisionLookups): Fault[] {
  const faults: Fault[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = { file, line: index + 1 };
    const wrong = runLine(line, rules, lookups);
    if (wrong !== undefined) faults.push(faultAt(at, wrong));
  }
  return faults;
}

function runLine(line: string, rules: Rules, lookups: DecisionLookups): string | undefined {
  const parts = /^expect\s+(.*?)\s*->\s*(.*)$/.exec(line);
  if (parts === null) return `not "expect From:... To:... client=... -> VERDICT": ${line}`;
  const fields = new Map<string, string>();
  for (const word of (parts[1] ?? '').split(/\s+/)) {
    const found = /^(From:|To:|client=|name=|user=)(.*)$/i.exec(word);
    if (found === null) return `unknown word "${word}"`;
    fields.set((found[1] ?? '').toLowerCase().slice(0, -1), found[2] ?? '');
  }
  const sender = path(fields.get('from') ?? '<>');
  const recipient = path(fields.get('to') ?? '');
  if (typeof sender === 'string') return `From: ${sender}`;
  if (typeof recipient === 'string') return `To: ${recipient}`;
  const decision = decide(
    {
      client: { address: fields.get('client') ?? '127.0.0.1', name: fields.get('name') },
      sender,
      recipient,
      user: fields.get('user'),
    },
    rules,
    lookups,
  );
  if ('needs' in decision)
    return `cannot be decided now: ${decision.needs.map((need) => `${need.kind} ${need.name}`).join(', ')}`;
  return compare(parts[2] ?? '', decision.verdict);
}

function path(text: string): Path | string {
  const read = parsePath(text);
  return isFault(read) ? read.fault : read;
}

/** The verdict in the words of an expect line. */
export function verdictText(verdict: Verdict): string {
  const { refusal } = verdict;
  const kind = verdict.quarantine === undefined ? verdict.kind : 'quarantine';
  return refusal === undefined ? kind : `${refusal.code} ${refusal.status} ${refusal.text}`;
}

function compare(wanted: string, verdict: Verdict): string | undefined {
  const [words = '', by] = wanted.split(/\s+by\s+/);
  const text = verdictText(verdict);
  const place = verdict.at === undefined ? verdict.rule : where(verdict.at as Source);
  const fits = words === text || words === verdict.kind || text.startsWith(`${words} `);
  const byFits = by === undefined || by === verdict.rule || place === by || place.endsWith(`/${by}`);
  return fits && byFits ? undefined : `expected "${wanted}", got "${text} by ${place}"`;
}
