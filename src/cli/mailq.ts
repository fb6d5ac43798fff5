/**
 * `mailq`: lists the mail that waits, in the columns of sendmail's: what the daemon has in its queue, and what was handed over
 * while none ran.
 */
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { pad, visible } from '../core/text.ts';
import type { QueueRow } from '../daemon/control.ts';
import { listSubmit, readSubmit, type SubmitEntry } from '../queue/submit.ts';
import type { ParsedLine } from './command-line.ts';
import { askQueue, queueRows } from './queue-access.ts';
import { foundation, type Invocation, mailboxContext, submitDirs } from './services.ts';
import { printError, printText } from './stdio.ts';

const HEAD = '-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------\n';
/** Where the column of addresses begins. */
const COLUMN = ' '.repeat(41);

export async function run(invocation: Invocation, { values }: ParsedLine): Promise<number> {
  const base = await foundation(invocation);
  const json = values.json === true;
  let status = 0;
  let total = 0;
  let running = false;
  try {
    const answer = await askQueue(invocation, { do: 'queue' });
    running = answer.by === 'daemon';
    const rows = queueRows(answer);
    total += rows.length;
    if (json) printRows(rows.map(rowObject));
    else if (rows.length > 0) printText(section(base.paths.queue, rows.map(rowLines)));
  } catch (error) {
    if (!(error instanceof UserError || error instanceof MailError)) throw error;
    printError(`mailq: ${error.message}`);
    ({ status } = error);
  }
  const dirs = submitDirs(base, mailboxContext(base, printError));
  for (const dir of dirs) {
    const { entries, faults } = submitted(base.disk, dir);
    for (const fault of faults) printError(`mailq: ${fault}`);
    if (faults.length > 0 && status === 0) status = 1;
    total += entries.length;
    if (json) printRows(entries.map(submitObject));
    else if (entries.length > 0) printText(section(dir, entries.map(submitLines)));
  }
  if (json) return status;
  if (total === 0 && status === 0) printText(`${visible(base.paths.queue)} is empty\n`);
  // What could not be read is not nothing.
  if (total > 0 || status === 0) printText(`\t\tTotal requests: ${total}\n`);
  if (total > 0 && !running && status === 0) printText('No tmail daemon runs: they wait until one does.\n');
  return status;
}

function section(dir: string, entries: readonly string[]): string {
  const count = `${entries.length} request${entries.length === 1 ? '' : 's'}`;
  return `\t\t${visible(dir)} (${count})\n${HEAD}${entries.join('')}`;
}

/** `mark` behind the id: `*` it is being tried, `X` it is held. */
function firstLine(id: string, mark: string, size: number, arrived: number, sender: string): string {
  return `${pad(id, 14)}${mark}${String(size).padStart(8)} ${shortDate(arrived)} <${visible(sender)}>\n`;
}

/** As ctime(3) without seconds and year: `Wed Nov 25 03:44`. */
export function shortDate(milliseconds: number): string {
  const [week, month, day = '', , time = ''] = new Date(milliseconds).toString().split(' ');
  return `${week} ${month} ${String(Number(day)).padStart(2)} ${time.slice(0, 5)}`;
}

function rowLines(row: QueueRow): string {
  const mark = row.atWork.length > 0 ? '*' : row.held === undefined ? ' ' : 'X';
  const lines = [firstLine(row.id, mark, row.size, row.received, row.sender)];
  if (row.held !== undefined) lines.push(`${COLUMN}(held: ${visible(row.held)})\n`);
  for (const { address, status, reason } of row.recipients) {
    if (status !== 'queued') continue;
    lines.push(`${COLUMN}<${visible(address)}>\n`);
    if (reason !== undefined) lines.push(`${COLUMN}(Deferred: ${visible(reason.text)})\n`);
  }
  return lines.join('');
}

function submitLines({ id, header, message }: SubmitEntry): string {
  const first = firstLine(id, ' ', message.length, header.submitted, header.from);
  return first + header.recipients.map((recipient) => `${COLUMN}<${visible(recipient)}>\n`).join('');
}

function submitted(disk: Disk, dir: string): { entries: SubmitEntry[]; faults: string[] } {
  const entries: SubmitEntry[] = [];
  const faults: string[] = [];
  let ids: ReturnType<typeof listSubmit>;
  try {
    ids = listSubmit(disk, dir);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    return { entries, faults: [`${dir}: ${reasonOf(error)}; only root may list it, your own mail in it is safe`] };
  }
  for (const id of ids) {
    try {
      const entry = readSubmit(disk, dir, id);
      if (entry !== undefined) entries.push(entry);
    } catch (error) {
      if (!(error instanceof MailError)) throw error;
      faults.push(error.message);
    }
  }
  return { entries, faults };
}

function printRows(objects: readonly object[]): void {
  if (objects.length > 0) printText(`${objects.map((object) => JSON.stringify(object)).join('\n')}\n`);
}

/** An entry of the queue for `--json`: times in seconds since 1970, null where there is nothing. */
export function rowObject(row: QueueRow): object {
  const { id, size, received, sender, recipients, held, from, atWork } = row;
  return {
    id,
    queue: 'queue',
    state: atWork.length > 0 ? 'active' : held === undefined ? 'queued' : 'held',
    size,
    submitted: seconds(received),
    from: sender,
    recipients: recipients.filter(({ status }) => status === 'queued').map(({ address }) => address),
    held: held ?? null,
    protocol: from.protocol,
    client: from.client,
    user: from.user ?? null,
    targets: recipients.map((one, index) => ({
      address: one.address,
      original: one.original,
      state: one.status,
      active: atWork.includes(index),
      attempts: one.attempts,
      next: one.status === 'queued' ? seconds(one.nextTry) : null,
      status: one.reason?.status ?? null,
      reason: one.reason?.text ?? null,
      host: one.reason?.host ?? null,
      warnings: one.warnings,
    })),
  };
}

function submitObject({ id, header, message, owner }: SubmitEntry): object {
  const { from, recipients, submitted: when } = header;
  return {
    id,
    queue: 'submit',
    state: 'submitted',
    size: message.length,
    submitted: seconds(when),
    from,
    recipients,
    owner,
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
