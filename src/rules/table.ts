/**
 * sendmail's text tables, read as they lie: `KEY value` lines, `#` comments; and classes, one name a line.
 *
 * Promises: every entry knows its file and line, and every fault is a value that names file, line and reason, so that a
 * reload can be refused as a whole. Keys are compared in lower case, as makemap folds them. A Trace is what `explain` prints.
 */

export interface Source {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface Entry extends Source {
  readonly key: string;
  readonly value: string;
}

export interface Fault extends Source {
  readonly reason: string;
  /** A warning does not stop the table from being used. */
  readonly level: 'error' | 'warning';
}

export interface Table {
  readonly file: string;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly faults: readonly Fault[];
}

/** One rule looked at. */
export interface TraceStep {
  /** `access Connect`, `virtusertable`, `aliases`, `relay-domains` ... */
  readonly rule: string;
  /** hit: it decided or led on; miss: looked up, nothing there; pass: looked at, does not apply; unreached: decided before. */
  readonly result: 'hit' | 'miss' | 'pass' | 'unreached';
  /** What was looked up. */
  readonly key?: string;
  readonly at?: Source;
  /** The right-hand side that was found, or why it was passed by. */
  readonly text?: string;
}

export type Trace = readonly TraceStep[];

/** What a client is told; the smtp folder's Reply has the same shape. */
export interface Refusal {
  readonly code: number;
  readonly status: string;
  readonly text: string;
}

export const EMPTY_TABLE: Table = { file: '', entries: new Map(), faults: [] };

export const where = (at: Source): string => `${at.file}:${at.line}`;

export const faultAt = (at: Source, reason: string, level: Fault['level'] = 'error'): Fault => ({
  file: at.file,
  line: at.line,
  reason,
  level,
});

/** A line of a table: what is before the first blank, and the rest. */
export interface Row extends Source {
  readonly key: string;
  readonly value: string;
}

/** The rows of a table, empty lines and comments left out. */
export function readRows(file: string, text: string): Row[] {
  const rows: Row[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const trimmed = line.replace(/\r$/, '').trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const found = /^(\S+)\s*(.*)$/s.exec(trimmed);
    if (found !== null) rows.push({ file, line: index + 1, key: found[1] ?? '', value: found[2] ?? '' });
  }
  return rows;
}

/** Takes away ` # comment`; a `#` inside a word or quotes is text. */
export function stripComment(value: string): string {
  let quoted = false;
  for (let i = 0; i < value.length; i++) {
    if (value[i] === '\\') i++;
    else if (value[i] === '"') quoted = !quoted;
    else if (!quoted && value[i] === '#' && (i === 0 || /\s/.test(value[i - 1] ?? '')))
      return value.slice(0, i).trimEnd();
  }
  return value;
}

/**
 * A table of keys and values. `check` says what is wrong with a row, or gives the key to store it under; a key that comes
 * twice is a fault, since it is not to be seen which one was meant.
 */
export function parseTable(file: string, text: string, check: (row: Row) => { key: string } | Fault): Table {
  const entries = new Map<string, Entry>();
  const faults: Fault[] = [];
  for (const row of readRows(file, text)) {
    const value = stripComment(row.value);
    if (value === '') {
      faults.push(faultAt(row, `"${row.key}" has no right-hand side`));
      continue;
    }
    const checked = check({ ...row, value });
    if ('reason' in checked) {
      faults.push(checked);
      if (checked.level === 'error') continue;
    }
    const key = 'key' in checked ? checked.key : row.key.toLowerCase();
    const earlier = entries.get(key);
    if (earlier !== undefined) faults.push(faultAt(row, `"${row.key}" is already in line ${earlier.line}`));
    else entries.set(key, { file, line: row.line, key: row.key, value });
  }
  return { file, entries, faults };
}

/** A class: names, one or more a line (local-host-names, relay-domains). */
export function parseClass(file: string, text: string, check: (name: string) => string | undefined): Table {
  const entries = new Map<string, Entry>();
  const faults: Fault[] = [];
  for (const row of readRows(file, text)) {
    for (const word of stripComment(`${row.key} ${row.value}`.trim()).split(/\s+/)) {
      if (word === '') continue;
      const key = check(word);
      if (key === undefined) faults.push(faultAt(row, `"${word}" is no host, domain or address`));
      else if (!entries.has(key)) entries.set(key, { file, line: row.line, key: word, value: '' });
    }
  }
  return { file, entries, faults };
}

/** `a.b.c` gives `a.b.c`, `b.c`, `c`: the most specific first. */
export function* domainAndParents(domain: string): Generator<string> {
  yield domain;
  for (let at = domain.indexOf('.'); at >= 0; at = domain.indexOf('.', at + 1)) yield domain.slice(at + 1);
}

/** `lee+work` gives `lee`, `work`; no detail gives undefined. A leading `+` is part of the name. */
export function splitDetail(local: string): { base: string; detail: string | undefined } {
  const plus = local.indexOf('+', 1);
  return plus < 0 ? { base: local, detail: undefined } : { base: local.slice(0, plus), detail: local.slice(plus + 1) };
}

/** `550 text`, `5.7.1:550 text`, `550 5.7.1 text`, `"550 text"`, `nouser text`: sendmail's ways to word an error. */
export function parseErrorText(text: string): Refusal | undefined {
  const bare = text
    .trim()
    .replace(/^"(.*)"$/s, '$1')
    .replace(/"/g, '');
  const coded =
    /^(?:([245]\.\d{1,3}\.\d{1,3})\s*:\s*)?(?:([45]\d\d)\b\s*)?(?:([245]\.\d{1,3}\.\d{1,3})\s+)?(.*)$/s.exec(bare);
  if (coded === null || bare === '') return undefined;
  const [, before, digits, after, rest = ''] = coded;
  const named = before === undefined && digits === undefined ? /^([a-z]+)\s+(.*)$/s.exec(rest) : null;
  const known = named === null ? undefined : NAMED_ERRORS[named[1] ?? ''];
  if (known !== undefined && named !== null) return { ...known, text: named[2] ?? '' };
  const status = after ?? before;
  const code = digits === undefined ? (status === undefined ? 553 : codeFor(status)) : Number(digits);
  const words = rest.trim() === '' ? 'Refused' : rest.trim();
  // The class of status and code must not contradict: the code is what the client obeys.
  const fitting = status?.startsWith(String(code)[0] ?? '') ? status : `${String(code)[0]}.0.0`;
  return { code, status: fitting, text: words };
}

function codeFor(status: string): number {
  return status.startsWith('4') ? 450 : 550;
}

/** Names that sendmail's error mailer knows (sysexits). */
const NAMED_ERRORS: Readonly<Record<string, Omit<Refusal, 'text'>>> = {
  usage: { code: 501, status: '5.5.4' },
  nouser: { code: 550, status: '5.1.1' },
  nohost: { code: 550, status: '5.1.2' },
  unavailable: { code: 554, status: '5.3.0' },
  software: { code: 554, status: '5.3.0' },
  tempfail: { code: 450, status: '4.4.0' },
  protocol: { code: 554, status: '5.5.0' },
  config: { code: 554, status: '5.3.5' },
};
