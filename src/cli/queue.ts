/**
 * `tmail queue`: looks at messages in the queue and changes their fate: by the daemon, or in its folder when none runs.
 */
import { EX, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import type { QueueRow } from '../daemon/control.ts';
import type { RecipientState } from '../queue/entry.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import type { Line } from './control-client.ts';
import { rowObject, shortDate } from './mailq.ts';
import { askQueue, type QueueAnswer, queueRows } from './queue-access.ts';
import type { Invocation } from './services.ts';
import { printText } from './stdio.ts';

/** What may be done, and how it is said when it is done. */
const ACTIONS: Readonly<Record<string, string>> = {
  retry: 'will be tried now',
  hold: 'held',
  release: 'released',
  delete: 'deleted',
  bounce: 'returned to sender',
};

export const QUEUE_WORDS = ['show', ...Object.keys(ACTIONS), 'run'] as const;

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  const [word, ...ids] = operands;
  const reason = textOf(values, 'reason');
  if (word === undefined || !QUEUE_WORDS.some((one) => one === word)) {
    const found = word === undefined ? '' : `, found ${JSON.stringify(word)}`;
    throw new UserError(`queue takes one of ${QUEUE_WORDS.join(', ')}${found}`, EX.usage);
  }
  if (reason !== undefined && word !== 'hold' && word !== 'bounce') {
    throw new UserError(`--reason is for hold and bounce, not for ${word}`, EX.usage);
  }
  if (reason !== undefined && /[\r\n\0]/.test(reason)) throw new UserError('--reason takes one line', EX.usage);
  if (word === 'show') return show(invocation, ids, values.json === true);
  if (word === 'run') {
    if (ids.length > 0) throw new UserError('queue run takes no message: it tries all; see queue retry', EX.usage);
    return runQueue(invocation);
  }
  if (ids.length === 0) throw new UserError(`queue ${word}: which messages? \`tmail mailq\` lists them`, EX.usage);
  if (word === 'retry') return retry(invocation, ids);
  const answer = await askQueue(invocation, { do: word, ids, ...(reason === undefined ? {} : { reason }) });
  return say(answer, ACTIONS[word] ?? '');
}

/** Tries all that waits, as `sendmail -q` does. */
export async function runQueue(invocation: Invocation): Promise<number> {
  return say(await askQueue(invocation, { do: 'run' }), ACTIONS.retry ?? '');
}

async function retry(invocation: Invocation, ids: readonly string[]): Promise<number> {
  const done = ACTIONS.retry ?? '';
  if (ids.includes('all')) return runQueue(invocation);
  const domains = ids.filter(isDomain);
  for (const domain of domains) say(await askQueue(invocation, { do: 'retry', domain }), `for ${domain} ${done}`);
  const rest = ids.filter((id) => !isDomain(id));
  return rest.length === 0 ? EX.ok : say(await askQueue(invocation, { do: 'retry', ids: rest }), done);
}

/** `qq.com`, or `@qq.com` for it and all below it. */
function isDomain(text: string): boolean {
  return text.includes('.') || text.startsWith('@');
}

function say({ last, by }: QueueAnswer, done: string): number {
  const count = Number(last.messages ?? 0);
  const what = count === 1 ? '1 message' : `${count} messages`;
  const later =
    by === 'folder' && done.endsWith(ACTIONS.retry ?? '') ? ', when the tmail daemon starts: none runs' : '';
  printText(`${what} ${visible(done)}${later}\n`);
  return EX.ok;
}

async function show(invocation: Invocation, ids: readonly string[], json: boolean): Promise<number> {
  const request: Line = ids.length === 0 ? { do: 'queue' } : { do: 'queue', ids };
  const rows = queueRows(await askQueue(invocation, request));
  const found = new Set(rows.map(({ id }) => String(id)));
  const missing = ids.filter((id) => !found.has(id.toUpperCase()));
  const texts = rows.map((row) => (json ? `${JSON.stringify(rowObject(row))}\n` : describe(row)));
  if (texts.length > 0) printText(texts.join(json ? '' : '\n'));
  if (missing.length > 0) throw new UserError(`not in the queue: ${missing.join(', ')}`);
  if (texts.length === 0 && !json) printText('the queue is empty\n');
  return EX.ok;
}

function describe(row: QueueRow): string {
  const { protocol, client, user } = row.from;
  const origin = [
    protocol === 'internal' ? 'made here' : `by ${protocol}`,
    client === '' ? '' : `from ${client}`,
    user === undefined ? '' : `as ${user}`,
  ];
  const lines = [
    `Message  ${row.id}, ${row.size} bytes`,
    `From     <${row.sender}>`,
    `Arrived  ${shortDate(row.received)} ${origin.filter(Boolean).join(' ')}`,
    ...(row.held === undefined ? [] : [`Held     ${row.held}`]),
    ...row.recipients.flatMap((one, index) => recipientLines(one, row.atWork.includes(index))),
  ];
  return lines.map((line) => `${visible(line)}\n`).join('');
}

function recipientLines(one: RecipientState, active: boolean): string[] {
  const { address, original, status, attempts, nextTry, reason } = one;
  const from = original === address ? '' : ` (for ${original})`;
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  const state =
    status !== 'queued'
      ? status
      : active
        ? 'being tried now'
        : attempts === 0
          ? 'not tried yet'
          : `${tries}, next ${shortDate(nextTry)}`;
  const lines = [`To       <${address}>${from}: ${state}`];
  if (reason !== undefined) {
    const host = reason.host === undefined ? '' : `${reason.host}: `;
    lines.push(`         ${reason.status} ${host}${reason.text}`);
  }
  return lines;
}
