/**
 * The line that parts the messages of an mbox: `From SENDER DATE`.
 *
 * Nobody ever specified it, so it is known by its shape: a weekday, a month, a day, a time and a year, in the orders and
 * with the zones that programs have written (RFC 4155 appendix A is the common one). Impossible dates pass: the shape
 * counts. A line without a date passes only when a header follows it. Everything here is pure and looks at bytes in
 * place, since the scanner asks it for every line that starts with `From `.
 */

/** What a line that starts with `From ` can be. */
export const FromKind = {
  text: 0,
  /** Sender and date, nothing odd: begins a message. */
  dated: 1,
  /** A date, but with several words before or after it: begins a message when a header follows. */
  loose: 2,
  /** No date, and nothing, `-` or an address after `From `: begins a message when a header follows. */
  bare: 3,
  /** No date, and one word: begins a message when a well-known header field follows. */
  word: 4,
  /** The first line of a git patch: begins a message at the start of a file, or behind another patch. */
  patch: 5,
} as const;

/** A From_ line is not longer than this; longer lines are text. */
export const FROM_LINE_LIMIT = 1000;
/** Octets behind a From_ line that `followedByHeader` looks at. */
export const HEADER_LOOK = 200;

const LF = 10;
const CR = 13;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const three = (name: string): number => (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2);
const MONTH_OF = new Map(MONTHS.map((name, index) => [three(name), index]));
const DAY_NAMES = new Set(DAYS.map(three));

const MAX_TOKENS = 24;
const starts = new Int32Array(MAX_TOKENS);
const ends = new Int32Array(MAX_TOKENS);
let count = 0;

/** The words from `from` to `to`; blanks in a quoted string do not part. False when there are too many. */
function tokenize(b: Uint8Array, from: number, to: number): boolean {
  count = 0;
  let p = from;
  for (;;) {
    while (p < to && (b[p] === 32 || b[p] === 9)) p++;
    if (p >= to) return true;
    if (count === MAX_TOKENS) return false;
    starts[count] = p;
    while (p < to && b[p] !== 32 && b[p] !== 9) {
      if (b[p] === 34) {
        const close = b.indexOf(34, p + 1);
        if (close > 0 && close < to) p = close;
      }
      p++;
    }
    ends[count++] = p;
  }
}

const from = (i: number): number => starts[i] ?? 0;
const size = (i: number): number => (ends[i] ?? 0) - (starts[i] ?? 0);
const digit = (c: number | undefined): boolean => c !== undefined && c >= 48 && c <= 57;

/** Three letters, any case, as one number; a comma behind them is allowed. */
function name(b: Uint8Array, i: number): number {
  const p = from(i);
  const n = size(i);
  if (n !== 3 && !(n === 4 && b[p + 3] === 44)) return 0;
  return threeAt(b, p);
}

/** A number of `least` to `most` digits, or -1. */
function number(b: Uint8Array, i: number, least: number, most: number): number {
  let n = size(i);
  const p = from(i);
  if (n > least && b[p + n - 1] === 44) n--;
  if (i >= count || n < least || n > most) return -1;
  let value = 0;
  for (let k = 0; k < n; k++) {
    const c = b[p + k];
    if (c === undefined || !digit(c)) return -1;
    value = value * 10 + c - 48;
  }
  return value;
}

/** `hh:mm` or `hh:mm:ss` in seconds, or -1. */
function time(b: Uint8Array, i: number): number {
  if (i >= count) return -1;
  const p = from(i);
  const end = p + size(i);
  let total = 0;
  let field = 0;
  let digits = 0;
  let fields = 0;
  for (let k = p; k <= end; k++) {
    const c = k < end ? b[k] : 58;
    if (c === 58) {
      if (digits === 0) return -1;
      total = total * 60 + field;
      fields++;
      field = digits = 0;
    } else if (c !== undefined && digit(c) && digits < 2) {
      field = field * 10 + c - 48;
      digits++;
    } else return -1;
  }
  return fields === 2 ? total * 60 : fields === 3 ? total : -1;
}

/** `+0100`, `CET`, `PST8PDT`, `(MEST)`: short, no small letters outside brackets. */
function zoneLike(b: Uint8Array, i: number): boolean {
  const n = size(i);
  if (n < 1 || n > 10) return false;
  const p = from(i);
  if (b[p] === 40) return b[p + n - 1] === 41;
  for (let k = p; k < p + n; k++) {
    const c = b[k] ?? 0;
    if (!((c >= 65 && c <= 90) || digit(c) || c === 43 || c === 45 || c === 58)) return false;
  }
  return true;
}

interface FoundDate {
  /** Words before the date, and the first one behind it. */
  before: number;
  after: number;
  year: number;
  month: number;
  day: number;
  /** Of the day. */
  seconds: number;
  /** Word that may be a zone, or -1. */
  zone: number;
}
const found: FoundDate = { before: 0, after: 0, year: 0, month: 0, day: 0, seconds: 0, zone: -1 };

/** Looks for weekday, month and day in either order, time and year in either order, with zones in between. */
function findDate(b: Uint8Array): boolean {
  for (let i = 0; i + 4 < count; i++) {
    if (!DAY_NAMES.has(name(b, i))) continue;
    let month = MONTH_OF.get(name(b, i + 1));
    let day = number(b, i + 2, 1, 2);
    if (month === undefined) {
      month = MONTH_OF.get(name(b, i + 2));
      day = number(b, i + 1, 1, 2);
    }
    if (month === undefined || day < 0) continue;
    let k = i + 3;
    let year = number(b, k, 4, 4);
    const seconds = year >= 0 ? time(b, k + 1) : time(b, k);
    if (seconds < 0) continue;
    found.zone = -1;
    if (year >= 0) k += 2;
    else {
      k++;
      year = number(b, k, 4, 4);
      for (let zones = 0; zones < 3 && year < 0 && k < count && zoneLike(b, k); zones++) {
        if (found.zone < 0) found.zone = k;
        year = number(b, ++k, 4, 4);
      }
      if (year < 0) continue;
      k++;
    }
    found.before = i;
    found.after = k;
    found.year = year;
    found.month = month;
    found.day = day;
    found.seconds = seconds;
    return true;
  }
  return false;
}

/** Whether nothing stands behind the date but a zone, or UUCP's `remote from HOST`. */
function cleanEnd(b: Uint8Array): boolean {
  let k = found.after;
  if (k < count && zoneLike(b, k)) {
    if (found.zone < 0) found.zone = k;
    k++;
  }
  if (k < count && b[from(k)] === 40 && zoneLike(b, k)) k++;
  if (k === count) return true;
  return count - k === 3 && size(k) === 6 && size(k + 1) === 4 && b[from(k)] === 114 && b[from(k + 1)] === 102;
}

function isPatch(b: Uint8Array): boolean {
  const n = size(0);
  if (found.before !== 1 || (n !== 40 && n !== 64)) return false;
  // git writes this very moment in every patch, so that file(1) can tell them from mail.
  if (found.year !== 2001 || found.month !== 8 || found.day !== 17 || found.seconds !== 0) return false;
  for (let k = from(0); k < from(0) + n; k++) {
    const c = b[k] ?? 0;
    if (!(digit(c) || (c >= 97 && c <= 102))) return false;
  }
  return true;
}

/** What nearly all lines are: one word and `Mon Mar  3 10:00:00 2025`. Saves most of the time of a scan. */
function isCommon(b: Uint8Array, start: number, end: number): boolean {
  const d = end - 24;
  const sender = d - 1 - (start + 5);
  // A patch has a hash of 40 or 64 digits there.
  if (sender < 1 || sender === 40 || sender === 64 || b.indexOf(32, start + 5) !== d - 1) return false;
  if (b[d + 3] !== 32 || b[d + 7] !== 32 || b[d + 10] !== 32 || b[d + 13] !== 58 || b[d + 16] !== 58) return false;
  if (b[d + 19] !== 32 || !digit(b[d + 9]) || !(digit(b[d + 8]) || b[d + 8] === 32)) return false;
  if (!DAY_NAMES.has(threeAt(b, d)) || !MONTH_OF.has(threeAt(b, d + 4))) return false;
  return pair(b, d + 11) && pair(b, d + 14) && pair(b, d + 17) && pair(b, d + 20) && pair(b, d + 22);
}

const threeAt = (b: Uint8Array, p: number): number =>
  (((b[p] ?? 0) | 32) << 16) | (((b[p + 1] ?? 0) | 32) << 8) | ((b[p + 2] ?? 0) | 32);
const pair = (b: Uint8Array, p: number): boolean => digit(b[p]) && digit(b[p + 1]);

/** What the line is that starts with `From ` at `start` and ends (without its line end) before `end`. */
export function fromKind(b: Uint8Array, start: number, end: number): number {
  if (end - start > FROM_LINE_LIMIT) return FromKind.text;
  if (isCommon(b, start, end)) return FromKind.dated;
  if (!tokenize(b, start + 5, end)) return FromKind.text;
  if (findDate(b)) {
    if (isPatch(b)) return FromKind.patch;
    return found.before <= 1 && cleanEnd(b) ? FromKind.dated : FromKind.loose;
  }
  if (count === 0) return FromKind.bare;
  if (count > 1) return FromKind.text;
  const at = b.indexOf(64, from(0));
  const dash = size(0) === 1 && b[from(0)] === 45;
  return dash || (at > 0 && at < from(0) + size(0)) ? FromKind.bare : FromKind.word;
}

const WELL_KNOWN = new Set(
  (
    'from to cc bcc subject date received return-path message-id mime-version content-type reply-to sender delivered-to ' +
    'x-gm-thrid x-gmail-labels x-mozilla-status status x-uidl envelope-to dkim-signature content-transfer-encoding ' +
    'in-reply-to references organization newsgroups x-original-to resent-from user-agent list-id x-mailer'
  ).split(' '),
);

/** Name of the header field that starts at `p`, in small letters; '' when there is none. */
export function fieldNameAt(b: Uint8Array, p: number, end: number): string {
  let k = p;
  const limit = Math.min(end, p + 100);
  while (k < limit && (b[k] ?? 0) > 32 && (b[k] ?? 0) < 127 && b[k] !== 58) k++;
  const nameEnd = k;
  while (k < limit && (b[k] === 32 || b[k] === 9)) k++;
  if (nameEnd === p || k >= limit || b[k] !== 58) return '';
  if (b[k + 1] === 47 && b[k + 2] === 47) return ''; // http://
  let text = '';
  for (let i = p; i < nameEnd; i++) text += String.fromCharCode(b[i] ?? 0);
  return text.toLowerCase();
}

/** True when `name` (small letters) is a field that real mail has. */
export const isWellKnownField = (field: string): boolean => WELL_KNOWN.has(field);

/** Whether a header starts at `p`: some field, or one that everybody knows. `>From ` lines before it are passed over. */
export function followedByHeader(b: Uint8Array, p: number, end: number, wellKnown: boolean): boolean {
  let at = p;
  while (b[at] === 62 && b[at + 1] === 70 && b[at + 2] === 114) {
    const next = b.indexOf(LF, at);
    if (next < 0 || next - p > HEADER_LOOK / 2) return false;
    at = next + 1;
  }
  const field = fieldNameAt(b, at, end);
  return field !== '' && (!wellKnown || WELL_KNOWN.has(field));
}

const ZONES: Record<string, number> = {
  UTC: 0,
  GMT: 0,
  UT: 0,
  Z: 0,
  WET: 0,
  BST: 60,
  WEST: 60,
  CET: 60,
  MET: 60,
  CEST: 120,
  MEST: 120,
  EET: 120,
  EEST: 180,
  MSK: 180,
  IST: 330,
  HKT: 480,
  SGT: 480,
  JST: 540,
  KST: 540,
  EST: -300,
  EDT: -240,
  CDT: -300,
  MST: -420,
  MDT: -360,
  PST: -480,
  PDT: -420,
  PST8PDT: -480,
  EST5EDT: -300,
}; // prettier-ignore

function zoneMinutes(text: string): number | undefined {
  const bare = text.replace(/[()]/g, '');
  const offset = /^([+-])(\d\d):?(\d\d)$/.exec(bare);
  if (offset === null) return ZONES[bare];
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return offset[1] === '-' ? -minutes : minutes;
}

/** Sender and date of a From_ line (without its line end); the date in seconds since 1970, local time when no zone. */
export function parseFromLine(line: Uint8Array): { sender: string; received: number | undefined } {
  const text = (i: number): string => Buffer.from(line.subarray(starts[i] ?? 0, ends[i] ?? 0)).toString('utf8');
  let end = line.length;
  while (end > 0 && (line[end - 1] === CR || line[end - 1] === LF)) end--;
  if (!tokenize(line, 5, end)) return { sender: '', received: undefined };
  if (!findDate(line)) return { sender: count >= 1 && text(0) !== '-' ? text(0) : '', received: undefined };
  cleanEnd(line);
  let sender = '';
  if (found.before > 0)
    sender = Buffer.from(line.subarray(starts[0] ?? 0, ends[found.before - 1] ?? 0)).toString('utf8');
  const zone = found.zone < 0 ? undefined : zoneMinutes(text(found.zone));
  return { sender: sender === '-' ? '' : sender, received: toSeconds(zone) };
}

function toSeconds(zone: number | undefined): number | undefined {
  const { year, month, day, seconds } = found;
  if (year < 1900 || day < 1 || day > 31 || seconds > 86_400) return undefined;
  if (zone !== undefined) return Date.UTC(year, month, day) / 1000 + seconds - zone * 60;
  return Math.floor(new Date(year, month, day, 0, 0, seconds).getTime() / 1000);
}

const pad = (n: number, fill: string): string => (n < 10 ? fill + n : String(n));
const title = (s: string | undefined): string => (s ?? '').replace(/^./, (c) => c.toUpperCase());

/** A From_ line without line end, in local time as every program writes it (asctime). */
export function makeFromLine(sender: string, seconds: number): string {
  const d = new Date(seconds * 1000);
  const clock = [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => pad(n, '0')).join(':');
  const who = sender.replace(/[\s\x00-\x1f\x7f]+/g, '_') || 'MAILER-DAEMON';
  const date = `${title(DAYS[d.getDay()])} ${title(MONTHS[d.getMonth()])} ${pad(d.getDate(), ' ')} ${clock}`;
  return `From ${who} ${date} ${String(d.getFullYear()).padStart(4, '0')}`;
}
