/**
 * Dates of mail: RFC 5322 3.3 with its obsolete forms, asctime, RFC 850, ISO 8601, and the broken ones that mailers
 * write (no zone, no seconds, no weekday or a wrong one, two-digit years, names of months and zones in odd places,
 * comments). What cannot be a moment in time (month 13, 31 February, 25:61) is unreadable, not corrected.
 */

export interface MailDate {
  /** Seconds since 1970, UTC. */
  readonly seconds: number;
  /** Minutes east of UTC that the sender wrote; 0 when unknown. */
  readonly zone: number;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH_NUMBER: Readonly<Record<string, number>> = Object.fromEntries(
  MONTHS.map((name, at) => [name.toLowerCase(), at]),
);

/**
 * Minutes east of UTC of the zones that RFC 5322 4.3 knows. All other names are UTC, as it says and as other readers do:
 * IST, BST and CST are three zones each, and who writes JST rarely writes it alone.
 */
const ZONES: ReadonlyMap<string, number> = new Map([
  ['est', -300],
  ['edt', -240],
  ['cst', -360],
  ['cdt', -300],
  ['mst', -420],
  ['mdt', -360],
  ['pst', -480],
  ['pdt', -420],
]);

const USUAL =
  /^(?:[A-Z][a-z]{2}, ?)?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2})(?::(\d{2}))? ([+-]\d{4})(?: \([^()]*\))?$/;

/** The moment that a Date field's text names, or undefined when it names none. Never throws. */
export function parseDate(text: string): MailDate | undefined {
  const usual = USUAL.exec(text);
  if (usual) {
    const month = MONTH_NUMBER[(usual[2] ?? '').toLowerCase()];
    if (month === undefined) return undefined;
    const clock = clockOf(usual[4], usual[5], usual[6]);
    return clock && moment(Number(usual[3]), month, Number(usual[1]), clock, numericZone(usual[7] ?? ''));
  }
  if (text.length > 1000) return undefined;
  return parseIso(text) ?? parseLoose(text);
}

type Clock = readonly [hour: number, minute: number, second: number];

function clockOf(hour: string | undefined, minute: string | undefined, second: string | undefined): Clock | undefined {
  const clock: Clock = [Number(hour), Number(minute), Number(second ?? 0)];
  const [h, m, s] = clock;
  // A leap second is the second before; 24:00 is the end of the day.
  if (m > 59 || s > 60 || h > 24 || (h === 24 && (m > 0 || s > 0))) return undefined;
  return s === 60 ? [h, m, 59] : clock;
}

function moment(
  year: number,
  month: number,
  day: number,
  [hour, minute, second]: Clock,
  zone: number | undefined,
): MailDate | undefined {
  if (zone === undefined || year < 1900 || year > 9999) return undefined;
  const midnight = Date.UTC(year, month, day);
  if (new Date(midnight).getUTCDate() !== day || new Date(midnight).getUTCMonth() !== month) return undefined;
  return { seconds: midnight / 1000 + hour * 3600 + minute * 60 + second - zone * 60, zone };
}

/** `+0800`, `-330`, `+8`, `+08:00`; undefined when the minutes or hours are impossible. */
function numericZone(text: string): number | undefined {
  const match = /^([+-])(\d{1,2}):?(\d{2})?$/.exec(text) ?? /^([+-])(\d)(\d{2})$/.exec(text);
  if (!match) return undefined;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  if (Number(match[3] ?? 0) > 59 || minutes > 24 * 60) return undefined;
  return match[1] === '-' && minutes > 0 ? -minutes : minutes;
}

function parseIso(text: string): MailDate | undefined {
  const match =
    /^\s*(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{1,2})?\s*(?:\([^()]*\))?\s*$/i.exec(
      text,
    );
  if (!match) return undefined;
  const month = Number(match[2]) - 1;
  const clock = clockOf(match[4] ?? '0', match[5] ?? '0', match[6]);
  if (month < 0 || month > 11 || clock === undefined) return undefined;
  const zone = /^[+-]/.test(match[7] ?? '') ? numericZone(match[7] ?? '') : 0;
  return moment(Number(match[1]), month, Number(match[3]), clock, zone);
}

/** What has been found of a date; the items may stand in any order that makes sense. */
interface Items {
  day?: number;
  month?: number;
  year?: number;
  clock?: Clock;
  afternoon?: boolean;
  zone?: number | undefined;
  wrong?: boolean;
}

/**
 * Item by item, each known by its shape. A comment may stand between two items; inside a time of day it makes the date
 * unreadable, as it does for the other readers of mail.
 */
function parseLoose(text: string): MailDate | undefined {
  const joined = bare(text).replace(/(\d)\s*:\s*(?=\d)/g, '$1:');
  const items: Items = {};
  for (const token of joined.split(/[\s,]+/)) if (token !== '') take(items, token);
  const { day, month, year, clock, zone = 0, wrong } = items;
  if (wrong || day === undefined || month === undefined || year === undefined || clock === undefined) return undefined;
  const hour = items.afternoon === undefined ? clock[0] : twelveHour(clock[0], items.afternoon);
  return hour === undefined ? undefined : moment(year, month, day, [hour, clock[1], clock[2]], zone);
}

function twelveHour(hour: number, afternoon: boolean): number | undefined {
  if (hour < 1 || hour > 12) return hour <= 24 ? hour : undefined;
  return (hour % 12) + (afternoon ? 12 : 0);
}

/** The text with each comment as `()`, nested ones too. */
function bare(text: string): string {
  let out = '';
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (depth > 0 && character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')' && depth > 0) {
      if (--depth === 0) out += ' () ';
    } else if (depth === 0) out += character;
  }
  return out;
}

function take(items: Items, token: string): void {
  if (token === '()') return;
  for (const [shape, use] of SHAPES) {
    const match = shape.exec(token);
    if (match && use(items, match)) return;
  }
}

type Use = (items: Items, match: RegExpExecArray) => boolean;

/** Shapes of items; the first that fits and is still wanted takes the token. */
const SHAPES: readonly (readonly [RegExp, Use])[] = [
  [/^(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?(am|pm)?([+-]\d{4})?$/i, takeClock],
  [/^(\d{1,2})\.(\d{2})\.(\d{2})$/, (items, match) => items.day !== undefined && takeClock(items, match)],
  [/^(\d{1,2})[-/. ]?([a-z]{3,9})[-/. ]?(\d{2,4})$/i, takeDate],
  [
    /^([a-z]{3,9})[-/.](\d{1,2})[-/.](\d{2,4})$/i,
    (items, match) => takeDate(items, [match[0], match[2], match[1], match[3]] as unknown as RegExpExecArray),
  ],
  [/^(?:0(?=\d\d$))?(\d{1,2})(?:st|nd|rd|th|\.)?$/i, takeDay],
  [/^([+-]\d{1,4}|[+-]\d{2}:\d{2}|(?:gmt|utc|ut)[+-]\d{1,2}:?\d{0,2})$/i, takeZone],
  [/^(am|pm)$/i, (items, match) => items.clock !== undefined && setHalf(items, match[1] ?? '')],
  [/^'?(\d{2,4})$/, takeYear],
  [/^:|\d:|:\d/, notATime],
  [/^([a-z]+)\.?$/i, takeWord],
];

function takeClock(items: Items, match: RegExpExecArray): boolean {
  if (items.clock !== undefined) return false;
  const clock = clockOf(match[1], match[2], match[3]);
  if (clock === undefined) items.wrong = true;
  else items.clock = clock;
  if (match[4] !== undefined) setHalf(items, match[4]);
  if (match[5] !== undefined) setZone(items, numericZone(match[5]));
  return true;
}

/** A colon that belongs to no time of day: half of one may have been taken for a whole. */
function notATime(items: Items): boolean {
  items.wrong = true;
  return true;
}

function setHalf(items: Items, half: string): boolean {
  items.afternoon = half.toLowerCase() === 'pm';
  return true;
}

function takeDate(items: Items, match: RegExpExecArray): boolean {
  const month = monthOf(match[2] ?? '');
  if (items.day !== undefined || items.month !== undefined || month === undefined) return false;
  items.day = Number(match[1]);
  items.month = month;
  items.year = fullYear(match[3] ?? '');
  return true;
}

function takeDay(items: Items, match: RegExpExecArray): boolean {
  if (items.day !== undefined) return false;
  items.day = Number(match[1]);
  return true;
}

function takeZone(items: Items, match: RegExpExecArray): boolean {
  const text = (match[1] ?? '').replace(/^[a-z]+/i, '');
  setZone(items, numericZone(text));
  return true;
}

/** The last zone counts: `(EDT) -0400`, `GMT +0200`; an impossible number is no zone that could be trusted. */
function setZone(items: Items, zone: number | undefined): void {
  if (zone === undefined) items.wrong = true;
  else items.zone = zone;
}

function takeYear(items: Items, match: RegExpExecArray): boolean {
  if (items.year !== undefined) return false;
  items.year = fullYear(match[1] ?? '');
  return true;
}

/** RFC 5322 4.3: two digits below 50 are 20xx, others and three digits count from 1900. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length >= 4) return year;
  return digits.length === 2 && year < 50 ? 2000 + year : 1900 + year;
}

/** A month, a zone, or a weekday or other word that says nothing. */
function takeWord(items: Items, match: RegExpExecArray): boolean {
  const word = (match[1] ?? '').toLowerCase();
  const month = items.month === undefined ? monthOf(word) : undefined;
  if (month !== undefined) items.month = month;
  else if (items.clock !== undefined) items.zone ??= ZONES.get(word);
  return true;
}

const monthOf = (word: string): number | undefined =>
  word.length < 3 ? undefined : MONTH_NUMBER[word.slice(0, 3).toLowerCase()];

const two = (value: number): string => String(value).padStart(2, '0');

/** `Mon, 03 Mar 2025 10:00:00 +0800` (RFC 5322 3.3) for a moment as seen `zone` minutes east of UTC. */
export function formatDate(seconds: number, zone: number): string {
  const local = new Date((seconds + zone * 60) * 1000);
  const offset = Math.abs(zone);
  const sign = zone < 0 ? '-' : '+';
  const date = `${DAYS[local.getUTCDay()]}, ${two(local.getUTCDate())} ${MONTHS[local.getUTCMonth()]} ${String(local.getUTCFullYear()).padStart(4, '0')}`;
  return `${date} ${clockText(local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds())} ${sign}${two(Math.floor(offset / 60))}${two(offset % 60)}`;
}

/** Minutes east of UTC of this program's local time at that moment. */
export function localZone(milliseconds: number): number {
  return -new Date(milliseconds).getTimezoneOffset();
}

const clockText = (hour: number, minute: number, second: number): string =>
  `${two(hour)}:${two(minute)}:${two(second)}`;
