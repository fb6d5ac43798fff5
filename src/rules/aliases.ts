/**
 * /etc/aliases, `:include:` files and ~/.forward: names, and what they stand for (aliases(5), forward(5)).
 *
 * `name: a, b@c, "|command args", /file, :include:/list, \user`; quoted names; continuation lines. Only reads; nothing is
 * opened or run. A fault names file and line; in an alias file it makes the whole file unusable, since half a list is worse.
 */
import { isFault, parsePath } from '../message/path.ts';
import { type Fault, faultAt, type Source, stripComment } from './table.ts';

export type Member =
  /** `lee`, `lee@host`; `final` for `\lee`: not looked up any further. */
  | { readonly kind: 'address'; readonly local: string; readonly domain: string; readonly final: boolean }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'program'; readonly command: string }
  | { readonly kind: 'include'; readonly path: string };

export interface Alias extends Source {
  /** In lower case. */
  readonly name: string;
  readonly members: readonly Member[];
  /** The right-hand side as written, continuation lines joined. */
  readonly text: string;
}

export interface AliasTable {
  readonly file: string;
  readonly aliases: ReadonlyMap<string, Alias>;
  readonly faults: readonly Fault[];
  /** For `newaliases`: longest right-hand side, and bytes of both sides in all. */
  readonly longest: number;
  readonly bytes: number;
}

export const NO_ALIASES: AliasTable = { file: '', aliases: new Map(), faults: [], longest: 0, bytes: 0 };

export function parseAliases(file: string, text: string): AliasTable {
  const aliases = new Map<string, Alias>();
  const faults: Fault[] = [];
  let longest = 0;
  let bytes = 0;
  for (const row of logicalLines(file, text)) {
    const split = splitName(row.text);
    if (split === undefined) {
      faults.push(faultAt(row, `no "name:" at the start of "${row.text.slice(0, 40)}"`));
      continue;
    }
    const { name, written, rest } = split;
    const earlier = aliases.get(name);
    // newaliases warns, and the later one counts.
    if (earlier !== undefined) {
      faults.push(faultAt(row, `alias "${name}" is in line ${earlier.line} too; this one counts`, 'warning'));
    }
    const value = rest.trim();
    const members = parseMembers(value, row);
    faults.push(...members.faults);
    if (members.members.length === 0 && members.faults.length === 0) {
      faults.push(faultAt(row, `alias "${name}" has no right-hand side`));
      continue;
    }
    longest = Math.max(longest, Buffer.byteLength(value));
    bytes += Buffer.byteLength(written) + Buffer.byteLength(value);
    aliases.set(name, { file, line: row.line, name, members: members.members, text: value });
  }
  return { file, aliases, faults, longest, bytes };
}

/** What newaliases prints. */
export function aliasSummary(table: AliasTable): string {
  return `${table.file}: ${table.aliases.size} aliases, longest ${table.longest} bytes, ${table.bytes} bytes total`;
}

/** A line that starts with a blank goes on with the line before; so does one after a backslash. */
function logicalLines(file: string, text: string): (Source & { text: string })[] {
  const lines: { file: string; line: number; text: string }[] = [];
  let joined = false;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = stripComment(raw.replace(/\r$/, ''));
    if (!joined && /^\s*(#.*)?$/.test(line)) continue;
    const last = lines.at(-1);
    const more = line.endsWith('\\') && !line.endsWith('\\\\');
    const body = more ? line.slice(0, -1) : line;
    if (last !== undefined && (joined || /^\s/.test(line))) last.text += body;
    else lines.push({ file, line: index + 1, text: body.trim() });
    joined = more;
  }
  return lines;
}

function splitName(line: string): { name: string; written: string; rest: string } | undefined {
  const found = /^("(?:[^"\\]|\\.)+"|[^:"]*[^:"\s])\s*:\s*(.*)$/s.exec(line);
  if (found === null) return undefined;
  const [, written = '', rest = ''] = found;
  const name = written.startsWith('"') ? written.slice(1, -1).replace(/\\(.)/g, '$1') : written;
  return { name: name.toLowerCase(), written, rest };
}

/** The lines of an `:include:` file or a ~/.forward: members on each, `#` comments (sendmail's rules for both). */
export function parseList(file: string, text: string): { members: Member[]; faults: Fault[] } {
  const members: Member[] = [];
  const faults: Fault[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '').trim();
    if (line === '' || line.startsWith('#')) continue;
    const parsed = parseMembers(stripComment(line), { file, line: index + 1 });
    members.push(...parsed.members);
    faults.push(...parsed.faults);
  }
  return { members, faults };
}

/** Members between commas; commas in quotes, comments and angle brackets do not count. */
export function parseMembers(text: string, at: Source): { members: Member[]; faults: Fault[] } {
  const members: Member[] = [];
  const faults: Fault[] = [];
  for (const word of splitCommas(text)) {
    if (word === '') continue;
    const member = parseMember(word);
    if (typeof member === 'string') faults.push(faultAt(at, `"${word.slice(0, 60)}": ${member}`));
    else members.push(member);
  }
  return { members, faults };
}

function splitCommas(text: string): string[] {
  const words: string[] = [];
  let quoted = false;
  let depth = 0;
  let angle = false;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (c === '(') depth++;
    else if (c === ')') depth = Math.max(0, depth - 1);
    else if (c === '<') angle = true;
    else if (c === '>') angle = false;
    else if (c === ',' && depth === 0 && !angle) {
      words.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  words.push(text.slice(start).trim());
  return words;
}

function parseMember(word: string): Member | string {
  const whole = /^"((?:[^"\\]|\\.)*)"$/s.exec(word);
  const inner = whole === null ? word : (whole[1] ?? '').replace(/\\(.)/g, '$1');
  if (inner.startsWith('|')) {
    const command = inner
      .slice(1)
      .trim()
      .replace(/^"(.*)"$/s, '$1');
    return command === '' ? 'no command after |' : { kind: 'program', command };
  }
  if (inner.startsWith('/') && !/^\/[^/]*@/.test(inner)) return { kind: 'file', path: inner };
  if (/^:include:/i.test(inner)) {
    const path = inner.slice(9).trim();
    return path.startsWith('/') ? { kind: 'include', path } : 'an :include: file needs its whole path';
  }
  if (/^:[a-z]+:/i.test(inner)) return 'only :include: is known here';
  // `Lee <lee@host>` and `lee (Lee)`.
  const bracket = /<([^<>]*)>\s*$/.exec(word);
  const address = (bracket === null ? word.replace(/\([^()]*\)/g, '') : (bracket[1] ?? '')).trim();
  const final = address.startsWith('\\');
  const path = parsePath(final ? address.slice(1) : address);
  if (isFault(path)) return path.fault;
  if (path.local === '') return 'no address';
  return { kind: 'address', local: path.local, domain: path.domain, final };
}

/** A member as it would be written. */
export function memberText(member: Member): string {
  switch (member.kind) {
    case 'address':
      return `${member.final ? '\\' : ''}${member.local}${member.domain === '' ? '' : `@${member.domain}`}`;
    case 'file':
      return member.path;
    case 'program':
      return `|${member.command}`;
    case 'include':
      return `:include:${member.path}`;
  }
}
