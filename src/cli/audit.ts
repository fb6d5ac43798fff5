/**
 * `tmail audit`: proves from the log and the queue that nothing that was accepted is missing. Exit status 1 when something is.
 *
 * A daemon may be at work meanwhile. So the log is read, then the queue, then what the log has got since: what left the queue
 * before it was looked at stands there.
 */
import { EX } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { Audit, type AuditFault, type AuditResult } from '../daemon/audit.ts';
import { daemonSettings } from '../daemon/settings.ts';
import type { ParsedLine } from './command-line.ts';
import { checkTally, LogTail, type LogTally, logFiles, readLog } from './log-lines.ts';
import { askQueue, queueRows } from './queue-access.ts';
import { configOf, type Invocation } from './services.ts';
import { printText } from './stdio.ts';

export async function run(invocation: Invocation, { values }: ParsedLine): Promise<number> {
  const path = daemonSettings(await configOf(invocation)).log.file;
  const { result, tally } = await audit(invocation, path);
  checkTally(path, tally);
  const { faults, ...summary } = result;
  if (values.json === true) {
    const lines = [...faults, { ...summary, faults: faults.length, unreadable: tally.foreign }];
    printText(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  } else {
    printText(faults.map((fault) => `${visible(faultText(fault))}\n`).join('') + summaryText(path, result, tally));
  }
  return faults.length > 0 ? EX.failure : EX.ok;
}

async function audit(invocation: Invocation, path: string): Promise<{ result: AuditResult; tally: LogTally }> {
  const state = new Audit();
  const tally: LogTally = { lines: 0, foreign: 0, maillog: 0 };
  const reading = { event: state.add.bind(state) };
  const tail = new LogTail(path);
  try {
    await readLog(
      logFiles(path).filter((file) => file !== path),
      reading,
      tally,
    );
    tail.read(reading, tally);
    state.queueSeen();
    const rows = queueRows(await askQueue(invocation, { do: 'queue' }));
    tail.read(reading, tally);
    if (tail.replaced) await readLog([path], reading, tally);
    const queue = rows.map(({ id, recipients }): [string, string[]] => [
      id,
      recipients.filter(({ status }) => status === 'queued').map(({ address }) => address),
    ]);
    return { result: state.finish(new Map(queue)), tally };
  } finally {
    tail.close();
  }
}

const FAULTS: Readonly<Record<AuditFault['fault'], string>> = {
  lost: 'no outcome, and not in the queue',
  twice: 'a second outcome, without a restart between',
  unreported: 'failed, and its sender was not told',
  untold: 'accepted, and nothing was done for it',
  unnamed: 'discarded, by no rule that the log names',
};

function faultText({ fault, id, to, accepted }: AuditFault): string {
  return `${id}: <${to}>, accepted ${accepted}: ${FAULTS[fault]}`;
}

function summaryText(path: string, result: AuditResult, tally: LogTally): string {
  const { faults, since, messages, targets, delivered, relayed, failed, discarded, queued } = result;
  const notes = [
    [result.repeated, 'done twice, since a crash came between delivery and record'],
    [result.unknown, 'outcomes of messages that came in before the log begins'],
    [result.unlogged, 'messages in the queue that came in before the log begins'],
    [tally.foreign, 'lines of the log that cannot be read'],
  ] as const;
  const lines = [
    `${visible(path)}${since === undefined ? ' is empty' : ` since ${since}`}`,
    `${messages} messages and reports for ${targets} recipients: ${delivered} delivered, ${relayed} relayed, ${failed} failed, ${discarded} discarded, ${queued} queued`,
    ...notes.flatMap(([count, text]) => (count === 0 ? [] : [`${count} ${text}`])),
    faults.length === 0 ? 'nothing is missing' : `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`,
  ];
  return `${lines.join('\n')}\n`;
}
