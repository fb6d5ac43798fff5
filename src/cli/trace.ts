/**
 * `tmail trace ID|ADDRESS|from ADDRESS|to ADDRESS`: what became of mail, from the log, on one screen where that is possible.
 */
import { EX, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { type LoggedEvent, listField, textField } from '../daemon/events.ts';
import { daemonSettings } from '../daemon/settings.ts';
import {
  AROUND,
  MessageCollector,
  MessageFinder,
  parseAround,
  parseQuestion,
  type TracedMessage,
  type TraceQuestion,
} from '../daemon/trace.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import { checkTally, type LogTally, logFiles, readLog } from './log-lines.ts';
import { shortDate } from './mailq.ts';
import { configOf, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

/** More messages than these are counted, not shown. */
const MOST = 20;

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  const question = questionOf(operands, textOf(values, 'around'));
  const path = daemonSettings(await configOf(invocation)).log.file;
  const files = logFiles(path, sinceOf(question));
  if (files.length === 0) files.push(path);
  const tally: LogTally = { lines: 0, foreign: 0, maillog: 0 };
  const finder = new MessageFinder(question);
  await readLog(files, { wanted: (line) => finder.mayMatter(line), event: (logged) => finder.look(logged) }, tally);
  checkTally(path, tally);
  const ids = [...finder.ids].slice(-MOST);
  const messages = ids.length === 0 ? [] : await collect(files, ids);
  if (values.json === true) {
    const events = [...finder.refusals, ...messages.flatMap((message) => message.events)];
    if (events.length > 0) printText(events.map((logged) => `${JSON.stringify(logged)}\n`).join(''));
  } else {
    printText(report(finder, messages));
  }
  if (finder.ids.size > MOST) {
    printError(`${finder.ids.size} messages; the last ${MOST} are shown, --around finds others`);
  }
  return messages.length + finder.refusals.length > 0 ? EX.ok : EX.failure;
}

function questionOf(operands: readonly string[], around: string | undefined): TraceQuestion {
  const parsed = parseQuestion(operands);
  if (parsed === undefined) {
    const found = operands.length === 0 ? '' : `, found ${JSON.stringify(operands.join(' '))}`;
    throw new UserError(`trace takes a queue id, an address, "from ADDRESS" or "to ADDRESS"${found}`, EX.usage);
  }
  if (around === undefined) return parsed;
  const time = parseAround(around, Date.now());
  if (time === undefined) {
    throw new UserError(`--around ${JSON.stringify(around)}: not a time such as 9:00 or "2026-11-25 9:00"`, EX.usage);
  }
  return { ...parsed, between: [time - AROUND, time + AROUND] };
}

/** An id begins with the time it was made at; nothing of it can stand in a file that ended before. */
function sinceOf({ role, text, between }: TraceQuestion): number {
  if (role === 'id') return Number.parseInt(text, 36) - AROUND;
  return between?.[0] ?? 0;
}

async function collect(files: readonly string[], ids: readonly string[]): Promise<TracedMessage[]> {
  const collector = new MessageCollector(ids);
  const event = (logged: LoggedEvent) => collector.add(logged);
  await readLog(files, { wanted: (line) => collector.mayMatter(line), event }, { lines: 0, foreign: 0, maillog: 0 });
  return collector.messages();
}

function report(finder: MessageFinder, messages: readonly TracedMessage[]): string {
  const parts = messages.map(describe);
  if (finder.refusals.length > 0) parts.push(refusals('Refused', finder.refusals));
  if (messages.length + finder.refusals.length === 0) parts.push('nothing in the log\n');
  if (finder.nameless.length > 0)
    parts.push(refusals('Refused at that time before a sender was named', finder.nameless));
  return parts.join('\n');
}

/** The latest of what was said, each text once. */
function refusals(title: string, events: readonly LoggedEvent[]): string {
  const counted = new Map<string, { readonly first: LoggedEvent; count: number }>();
  for (const logged of events) {
    const key = ['client', 'from', 'command', 'text'].map((name) => textField(logged, name) ?? '').join('\n');
    const known = counted.get(key);
    if (known === undefined) counted.set(key, { first: logged, count: 1 });
    else known.count += 1;
  }
  const rows = [...counted.values()].slice(-MOST).map(({ first, count }) => {
    const from = textField(first, 'from');
    const rule = textField(first, 'rule');
    const words = [
      clock(first),
      textField(first, 'client') ?? '',
      from === undefined ? '' : `from <${from}>`,
      `${textField(first, 'command')}: ${first.code} ${textField(first, 'text')}`,
      rule === undefined ? '' : `(${rule})`,
      count === 1 ? '' : `${count} times`,
    ];
    return `  ${visible(words.filter(Boolean).join('  '))}\n`;
  });
  const more = counted.size > MOST ? `  and ${counted.size - MOST} before\n` : '';
  return `${title}:\n${more}${rows.join('')}`;
}

function clock({ time }: LoggedEvent): string {
  return `${shortDate(Date.parse(time))}:${time.slice(17, 19)}`;
}

function describe({ id, events }: TracedMessage): string {
  const lines: string[] = [];
  const done = new Set<string>();
  const targets: string[] = [];
  for (const logged of events) {
    const { event } = logged;
    if (event === 'accepted' || ((event === 'split' || event === 'report') && logged.id === id)) {
      targets.push(...listField(logged, 'targets'));
    }
    if (LAST.has(event)) done.add(textField(logged, 'to') ?? '');
  }
  for (const logged of folded(events)) lines.push(...linesFor(id, logged));
  for (const to of new Set(targets)) {
    if (!done.has(to)) lines.push(`  <${to}> waits in the queue; \`tmail queue show ${id}\` says for what`);
  }
  return `${lines.map((line) => visible(line)).join('\n')}\n`;
}

const LAST: ReadonlySet<string> = new Set(['delivered', 'relayed', 'failed', 'discarded']);

interface Folded {
  readonly logged: LoggedEvent;
  /** How often it was deferred in a row; 0: another stands for it. */
  times: number;
}

/** Of deferrals of one recipient only the last before something else. */
function folded(events: readonly LoggedEvent[]): Folded[] {
  const out: Folded[] = [];
  const waiting = new Map<string, number>();
  for (const logged of events) {
    const to = textField(logged, 'to') ?? '';
    const at = waiting.get(to);
    const before = at === undefined ? undefined : out[at];
    if (logged.event !== 'deferred') {
      if (LAST.has(logged.event)) waiting.delete(to);
      out.push({ logged, times: 1 });
      continue;
    }
    waiting.set(to, out.length);
    out.push({ logged, times: (before?.times ?? 0) + 1 });
    if (before !== undefined) before.times = 0;
  }
  return out.filter(({ times }) => times > 0);
}

function linesFor(id: string, { logged, times }: Folded): string[] {
  const text = (name: string) => textField(logged, name);
  const to = `<${text('to')}>`;
  const said = [text('host'), text('reason')].filter((one) => one !== undefined && one !== '').join(': ');
  const when = `  ${clock(logged)}  `;
  switch (logged.event) {
    case 'accepted': {
      const by = [`by ${text('protocol')}`, text('client') === undefined ? '' : `from ${text('client')}`];
      const user = text('user') === undefined ? '' : `as ${text('user')}`;
      const head = `${id}  <${text('from')}>  ${logged.size} bytes  ${clock(logged)}  ${[...by, user].filter(Boolean).join(' ')}`;
      const rules = listField(logged, 'rules');
      return [
        head,
        ...listField(logged, 'recipients').map((one, at) => `  to <${one}>${rules[at] ? `  (${rules[at]})` : ''}`),
      ];
    }
    case 'split':
      return [`${id}  <${text('from')}>  part of ${text('of')} for a list  ${clock(logged)}`];
    case 'report':
      if (logged.id !== id) return [`${when}report ${logged.id} (${text('kind')}) to ${to}`];
      return [`${id}  report (${text('kind')}) about ${text('about')} to ${to}  ${clock(logged)}`];
    case 'delivered':
      return [`${when}${to}  delivered, ${after(logged)}`];
    case 'relayed':
      return [`${when}${to}  relayed, ${after(logged)}: ${said}`];
    case 'deferred':
      return [`${when}${to}  deferred${times === 1 ? '' : ` ${times} times`}: ${said}`];
    case 'failed':
      return [`${when}${to}  failed, ${after(logged)}: ${text('status')} ${said}`];
    case 'discarded':
      return [`${when}${to}  discarded: ${text('rule')}`];
    default: {
      const { time: _, event, id: _id, ...rest } = logged;
      const fields = Object.entries(rest).map(([name, value]) => `${name}=${String(value)}`);
      return [`${when}${[event, ...fields].join('  ')}`];
    }
  }
}

function after({ delay }: LoggedEvent): string {
  return `after ${String(delay)} s`;
}
