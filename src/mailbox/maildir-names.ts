/** Names of Maildir files: `BASE:2,FLAGS`. Pure. Small letters are keywords, by the table that dovecot keeps. */
import { Flag, type Flags } from './mailbox.ts';

/** P (passed on) has no flag of ours: it is kept as it is. */
const LETTERS: readonly [string, number][] = [
  ['D', Flag.draft],
  ['F', Flag.flagged],
  ['R', Flag.answered],
  ['S', Flag.read],
  ['T', Flag.deleted],
];

export interface MaildirName {
  /** Unique in the Maildir, for the life of the message. */
  readonly base: string;
  readonly flags: Flags;
  /** Letters that are no flags: P, and a to z. */
  readonly others: string;
}

export function parseName(name: string, folder: 'new' | 'cur'): MaildirName {
  const old = folder === 'cur' ? Flag.old : 0;
  const at = name.lastIndexOf(':2,');
  if (at < 0) return { base: name.split(':')[0] ?? name, flags: old, others: '' };
  let flags: Flags = old;
  let others = '';
  for (const letter of name.slice(at + 3)) {
    const flag = LETTERS.find(([known]) => known === letter);
    if (flag !== undefined) flags |= flag[1];
    else if (/[a-zA-Z]/.test(letter)) others += letter;
  }
  return { base: name.slice(0, at), flags, others };
}

/** Folder and name for these flags: what is not old and has no flag is in new/. */
export function makeName({ base, flags, others }: MaildirName): { folder: 'new' | 'cur'; name: string } {
  if (flags === 0 && others === '') return { folder: 'new', name: base };
  const letters = LETTERS.filter(([, flag]) => (flags & flag) !== 0).map(([letter]) => letter);
  const sorted = [...new Set([...letters, ...others])].sort().join('');
  return { folder: 'cur', name: `${base}:2,${sorted}` };
}

/** Orders by the time of delivery that names begin with, then by the rest of the name. */
export function compareBases(a: string, b: string): number {
  const seconds = (Number.parseInt(a, 10) || 0) - (Number.parseInt(b, 10) || 0);
  if (seconds !== 0) return seconds;
  const micros = (name: string): number => Number(/\.M(\d+)/.exec(name)?.[1] ?? 0);
  const finer = micros(a) - micros(b);
  if (finer !== 0) return finer;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** dovecot-keywords: one `NUMBER NAME` a line; number 0 is the letter a. */
export function parseKeywords(text: string): string[] {
  const names: string[] = [];
  for (const line of text.split('\n')) {
    const found = /^(\d{1,2}) (\S+)$/.exec(line.trimEnd());
    const number = Number(found?.[1] ?? 99);
    if (found?.[2] !== undefined && number < 26) names[number] = found[2];
  }
  return names;
}

export function formatKeywords(names: readonly (string | undefined)[]): string {
  return names.map((name, i) => (name === undefined ? '' : `${i} ${name}\n`)).join('');
}
