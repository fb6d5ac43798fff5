/**
 * Finds in the log what became of mail: by queue id, by address, by sender, around a time. Pure: it is fed events.
 *
 * Twice over the log: once to find the messages that the question is about (`MessageFinder`), once to collect all that happened
 * to them and to the parts and reports that came of them (`MessageCollector`).
 */
import { type LoggedEvent, listField, textField } from './events.ts';

export interface TraceQuestion {
  /** An id of the queue, or an address: `lee`, `lee@qq.com`, `@qq.com` or `qq.com` for all of a domain. */
  readonly text: string;
  readonly role: 'id' | 'any' | 'from' | 'to';
  /** Milliseconds since 1970. */
  readonly between?: readonly [from: number, to: number] | undefined;
}

/** As the spool makes them. */
const ID = /^[0-9A-Z]{9}$/i;

/** `0MB2K4J7T`, `lee@qq.com`, `from lee@qq.com`, `to qq.com`; undefined when it is none of these. */
export function parseQuestion(words: readonly string[]): Pick<TraceQuestion, 'text' | 'role'> | undefined {
  const [first = '', second, ...more] = words.flatMap((word) => word.trim().split(/\s+/)).filter(Boolean);
  if (more.length > 0 || first === '') return undefined;
  const role = first.toLowerCase();
  if (second !== undefined) return role === 'from' || role === 'to' ? { text: bare(second), role } : undefined;
  if (ID.test(first) && !/^[a-z]*$/.test(first)) return { text: first.toUpperCase(), role: 'id' };
  return { text: bare(first), role: 'any' };
}

function bare(text: string): string {
  return text.replace(/^<(.*)>$/, '$1').toLowerCase();
}

/** A time of day or a date with one, in local time: `9:00`, `9`, `2026-11-25 9:00`. Milliseconds, at or before `now` plus a little. */
export function parseAround(text: string, now: number): number | undefined {
  const match = /^(?:(\d{4})-(\d\d?)-(\d\d?)[T ]+)?(\d\d?)(?::(\d\d))?(?::(\d\d))?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0'] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const date = new Date(now);
  if (year !== undefined) date.setFullYear(Number(year), Number(month) - 1, Number(day));
  if (year !== undefined && (date.getMonth() !== Number(month) - 1 || date.getDate() !== Number(day))) return undefined;
  date.setHours(Number(hour), Number(minute), Number(second), 0);
  // Nobody asks what will happen: the last time that clocks showed this.
  if (year === undefined && date.getTime() > now + AROUND) date.setDate(date.getDate() - 1);
  return date.getTime();
}

/** How far from the time asked for an event may be. */
export const AROUND = 30 * 60_000;

export class MessageFinder {
  /** Ids of the messages found, those that were found last at the end. */
  readonly ids = new Set<string>();
  /** What was refused before there was a message. */
  readonly refusals: LoggedEvent[] = [];
  /** Refused before a sender was named, at the time asked for: it may have been the mail in question. */
  readonly nameless: LoggedEvent[] = [];
  readonly #question: TraceQuestion;
  /** What stands in every line that matters, as JSON writes it: of a client only its domain can match. */
  readonly #needle: string;

  constructor(question: TraceQuestion) {
    this.#question = question;
    const { text, role } = question;
    this.#needle = JSON.stringify(role === 'to' ? text : text.slice(text.lastIndexOf('@') + 1)).slice(1, -1);
  }

  /** Can a line be of interest? Cheap, and right when it says no. */
  mayMatter(line: string): boolean {
    const { text, between, role } = this.#question;
    if (role === 'id') return line.includes(text);
    if (line.toLowerCase().includes(this.#needle)) return true;
    return between !== undefined && line.includes('"event":"refused"');
  }

  look(logged: LoggedEvent): void {
    const { between, role, text } = this.#question;
    if (between !== undefined && !isWithin(logged, between)) return;
    if (role === 'id') {
      if (logged.id !== text) return;
      this.#found(logged, text);
      return;
    }
    const matches = addressesOf(logged, role).some((address) => matchesAddress(address, text));
    if (logged.event === 'refused') this.#refused(logged, matches);
    else if (matches && logged.id !== undefined) this.#found(logged, logged.id);
  }

  #found(logged: LoggedEvent, id: string): void {
    this.ids.add(id);
    const origin = textField(logged, logged.event === 'report' ? 'about' : 'of');
    if ((logged.event === 'report' || logged.event === 'split') && origin !== undefined) this.ids.add(origin);
  }

  #refused(logged: LoggedEvent, matches: boolean): void {
    const { between, role, text } = this.#question;
    if (matches || (role !== 'to' && matchesClient(textField(logged, 'client') ?? '', text)))
      this.refusals.push(logged);
    else if (between !== undefined && role !== 'to' && isNameless(logged)) this.nameless.push(logged);
  }
}

function isWithin({ time }: LoggedEvent, [from, to]: readonly [number, number]): boolean {
  const at = Date.parse(time);
  return at >= from && at <= to;
}

function isNameless(logged: LoggedEvent): boolean {
  const command = textField(logged, 'command') ?? '';
  return textField(logged, 'from') === undefined && !/^(?:mail|rcpt)\b/i.test(command);
}

function addressesOf(logged: LoggedEvent, role: 'any' | 'from' | 'to'): string[] {
  const found: string[] = [];
  const put = (...names: string[]) => {
    for (const name of names) {
      const one = textField(logged, name);
      if (one !== undefined) found.push(one);
      found.push(...listField(logged, name));
    }
  };
  if (role !== 'to') put('from');
  if (role !== 'from') put('to', 'for', 'recipients', 'targets');
  const command = textField(logged, 'command') ?? '';
  const verb = command.slice(0, 4).toUpperCase();
  if ((verb === 'MAIL' && role !== 'to') || (verb === 'RCPT' && role !== 'from')) {
    found.push(...(command.slice(4).match(/[^\s<>:]+@[^\s<>:]+/g) ?? []));
  }
  return found;
}

function matchesAddress(address: string, text: string): boolean {
  const value = address.toLowerCase();
  if (value === text) return true;
  const at = value.lastIndexOf('@');
  const domain = at < 0 ? '' : value.slice(at + 1);
  if (text.startsWith('@')) return domain === text.slice(1);
  if (text.includes('@')) return false;
  const local = at < 0 ? value : value.slice(0, at);
  return local === text || domain === text || domain.endsWith(`.${text}`);
}

/** A client as `name [address]`. */
function matchesClient(client: string, text: string): boolean {
  const value = client.toLowerCase();
  const domain = text.slice(text.indexOf('@') + 1);
  const [name = ''] = value.split(' ');
  return value.includes(`[${domain}]`) || value === domain || name === domain || name.endsWith(`.${domain}`);
}

/** All that the log knows of one entry of the queue, in order. */
export interface TracedMessage {
  readonly id: string;
  readonly events: readonly LoggedEvent[];
}

/** How a line of the log names its message; in a text the quotation marks would be escaped. */
const ID_FIELD = '"id":"';

export class MessageCollector {
  readonly #messages = new Map<string, LoggedEvent[]>();

  constructor(ids: Iterable<string>) {
    for (const id of ids) this.#messages.set(id, []);
  }

  /** Can a line be of interest? Cheap, and right when it says no. */
  mayMatter(line: string): boolean {
    const at = line.indexOf(ID_FIELD) + ID_FIELD.length;
    if (at < ID_FIELD.length) return false;
    if (this.#messages.has(line.slice(at, line.indexOf('"', at)))) return true;
    return line.includes('"event":"report"') || line.includes('"event":"split"');
  }

  add(logged: LoggedEvent): void {
    const { event, id } = logged;
    if (id === undefined) return;
    const origin = textField(logged, event === 'report' ? 'about' : 'of');
    if (!this.#messages.has(id) && (event === 'report' || event === 'split') && this.#messages.has(origin ?? '')) {
      this.#messages.set(id, []);
    }
    this.#messages.get(id)?.push(logged);
    if (event === 'report' && origin !== undefined && origin !== id) this.#messages.get(origin)?.push(logged);
  }

  /** Those of which the log knows something, as they came in. */
  messages(): TracedMessage[] {
    return [...this.#messages]
      .filter(([, events]) => events.length > 0)
      .map(([id, events]) => ({ id, events }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
