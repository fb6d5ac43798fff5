/**
 * What options can hold: for each type how it is written in tmail.toml, and what it is then.
 *
 * A value that will not do is a value, too: the end of a sentence "NAME must be ...".
 */

/** By type: what a value is once it was read. */
export interface Values {
  text: string;
  /** Absolute, below the root folder when there is one. */
  path: string;
  /** Host name. */
  host: string;
  /** Host name, or ''. */
  domain: string;
  /** Host, `[host]`, `host:port`, `mailer:host`, or ''. */
  hop: string;
  seconds: number;
  flag: boolean;
  choice: string;
  /** From 1. */
  count: number;
  /** Octets. */
  size: number;
  /** Milliseconds. */
  duration: number;
  /** Milliseconds, ascending. */
  durations: readonly number[];
  domains: readonly string[];
  names: readonly string[];
  /** Absolute paths of programs of this machine, root folder or not. */
  programs: readonly string[];
  /** Permission bits. */
  mode: number;
}

export type OptionType = keyof Values;
export type ValueOf<T extends OptionType> = Values[T];
export type AnyValue = Values[OptionType];

/** A value, or what it must be. */
export type Reading = { readonly value: AnyValue } | { readonly mustBe: string };

export function readValue(
  option: { readonly type: OptionType; readonly choices?: readonly string[] },
  written: unknown,
): Reading {
  const { type, choices = [] } = option;
  const { words, read } = READERS[type];
  const value = read(written);
  if (value === undefined) return { mustBe: words };
  if (type !== 'choice' || choices.includes(String(value))) return { value };
  return { mustBe: `one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}` };
}

/** What was typed for an option on a command line, in the form that the file would have. */
export function writtenFrom(type: OptionType, text: string): unknown {
  if (LISTS.has(type)) return text.split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
  if (type === 'flag') return text === 'true' ? true : text === 'false' ? false : text;
  return /^\d+(\.\d+)?$/.test(text.trim()) && NUMBERS.has(type) ? Number(text) : text;
}

const LISTS: ReadonlySet<OptionType> = new Set(['durations', 'domains', 'names', 'programs']);
const NUMBERS: ReadonlySet<OptionType> = new Set(['seconds', 'count', 'size', 'duration', 'mode']);

/** A value as it would be written in the file. */
export function showValue(type: OptionType, value: AnyValue): string {
  if (type === 'duration' && typeof value === 'number') return JSON.stringify(showDuration(value));
  if (type === 'durations' && Array.isArray(value))
    return `[${value.map((one) => JSON.stringify(showDuration(Number(one)))).join(', ')}]`;
  if (type === 'mode' && typeof value === 'number') return JSON.stringify(value.toString(8));
  if (typeof value === 'object') return `[${value.map((one) => JSON.stringify(one)).join(', ')}]`;
  return JSON.stringify(value);
}

interface Reader {
  readonly words: string;
  readonly read: (written: unknown) => AnyValue | undefined;
}

const text = (check: (value: string) => boolean) => (written: unknown) =>
  typeof written === 'string' && check(written) ? written : undefined;

const number = (check: (value: number) => boolean) => (written: unknown) =>
  typeof written === 'number' && check(written) ? written : undefined;

/** One text stands for a list of it. */
const list = (check: (value: string) => boolean) => (written: unknown) => {
  const words: unknown[] = Array.isArray(written) ? written : [written];
  const good = words.filter((word): word is string => typeof word === 'string' && check(word));
  return good.length === words.length ? good : undefined;
};

const isPath = (value: string) => value.startsWith('/') && !value.includes('\0');

const READERS: Readonly<Record<OptionType, Reader>> = {
  text: { words: 'a text in quotes', read: text(() => true) },
  path: { words: 'an absolute path in quotes, like "/var/mail"', read: text(isPath) },
  host: { words: 'a host name in quotes, like "mail.example.org"', read: text(isHostName) },
  domain: {
    words: 'a domain in quotes, like "example.org"',
    read: text((value) => value === '' || isHostName(value)),
  },
  hop: {
    words: 'a host in quotes, like "mail.example.org", "[192.0.2.1]:587" or "lmtp:[host]"',
    read: text((value) => value === '' || isHop(value)),
  },
  seconds: {
    words: 'a number of seconds from 0 to 86400',
    read: number((value) => value >= 0 && value <= 86_400),
  },
  flag: { words: 'true or false', read: (written) => (typeof written === 'boolean' ? written : undefined) },
  choice: { words: 'a text in quotes', read: text(() => true) },
  count: {
    words: 'a whole number from 1 to 1000000000',
    read: number((value) => Number.isInteger(value) && value >= 1 && value <= 1e9),
  },
  size: { words: 'a number of octets, like 10000000 or "10M"', read: readSize },
  duration: { words: 'a time like "30m", "4h" or "5d", or a whole number of seconds', read: readDuration },
  durations: { words: 'a time like "4h", or a list like ["5m", "4h"]', read: readDurations },
  domains: { words: 'a list of domains, like ["example.org"]', read: list(isHostName) },
  names: { words: 'a list of names, like ["root"]', read: list((value) => /^[^\s,]+$/.test(value)) },
  programs: { words: 'a list of absolute paths, like ["/usr/bin/procmail"]', read: list(isPath) },
  mode: {
    words: 'permissions in octal digits in quotes, "600" or "660"',
    read: (written) => (/^0?6[06]0$/.test(String(written)) ? Number.parseInt(String(written), 8) : undefined),
  },
};

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function readSize(written: unknown): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?$/i.exec(
    typeof written === 'number' ? String(written) : (text(() => true)(written) ?? ''),
  );
  if (match === null) return undefined;
  const size = Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toUpperCase()] ?? 1));
  return Number.isSafeInteger(size) ? size : undefined;
}

/** Milliseconds of each unit. */
const TIMES: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `30m`, `1h30m`, `5d`, or seconds; sendmail's `-q` takes the same words. */
export function readDuration(written: unknown): number | undefined {
  if (typeof written === 'number') {
    return Number.isInteger(written) && written > 0 && written <= 1e9 ? written * 1000 : undefined;
  }
  if (typeof written !== 'string' || !/^(\d+\s*[smhdw]\s*)+$/i.test(written)) return undefined;
  let sum = 0;
  for (const [, digits, unit] of written.matchAll(/(\d+)\s*([smhdw])/gi)) {
    sum += Number(digits) * (TIMES[(unit ?? '').toLowerCase()] ?? 0);
  }
  return sum > 0 && sum <= 1e12 ? sum : undefined;
}

function readDurations(written: unknown): number[] | undefined {
  const words: unknown[] = Array.isArray(written) ? written : [written];
  const times = words.map(readDuration).filter((time) => time !== undefined);
  return times.length === words.length ? times.sort((a, b) => a - b) : undefined;
}

/** `5400000` as `1h30m`. */
export function showDuration(milliseconds: number): string {
  let left = milliseconds;
  let shown = '';
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = TIMES[unit] ?? 1;
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) shown += `${count}${unit}`;
  }
  return shown === '' ? `${milliseconds / 1000}s` : shown;
}

/** Letters, digits and hyphens in labels of at most 63, 253 in all (RFC 1123 2.1). */
export function isHostName(name: string): boolean {
  const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
  return name.length <= 253 && name.split('.').every((part) => label.test(part));
}

function isHop(value: string): boolean {
  const match = /^(?:(?:smtp|esmtp|relay|lmtp):)?(?:\[([^[\]\s]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/i.exec(value);
  if (match === null || Number(match[3] ?? 25) > 65_535) return false;
  const [, bracketed, bare] = match;
  return bracketed === undefined
    ? isHostName(bare ?? '')
    : isHostName(bracketed) || /^[\da-f.:]+$/i.test(bracketed.replace(/^ipv6:/i, ''));
}
