/**
 * `tmail mailstats`: messages by mailer in the columns of sendmail's mailstats, from the daemon or from what it saved.
 */
import { controlSocket, statisticsFile } from '../config/paths.ts';
import { EX, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import { type Counts, emptyStatistics, MAILERS, readStatistics, type Statistics } from '../daemon/stats.ts';
import type { Mailer } from '../queue/run.ts';
import type { ParsedLine } from './command-line.ts';
import { askDaemon } from './control-client.ts';
import { configOf, type Invocation } from './services.ts';
import { printText } from './stdio.ts';

/** The numbers that these mailers have in a usual sendmail.cf. */
const NUMBERS: Readonly<Record<Mailer, number>> = { prog: 0, file: 1, local: 3, esmtp: 5, relay: 8 };

export async function run(invocation: Invocation, { values }: ParsedLine): Promise<number> {
  const { paths } = await configOf(invocation);
  const answer = await askOrRead(controlSocket(paths), statisticsFile(paths));
  if (values.json === true) {
    printText(`${JSON.stringify(answer)}\n`);
    return EX.ok;
  }
  if (answer.since === 0)
    throw new UserError(`${statisticsFile(paths)}: no statistics; a daemon keeps them once it runs`);
  printText(table(answer));
  return EX.ok;
}

async function askOrRead(socket: string, file: string): Promise<Statistics> {
  try {
    const answer = await askDaemon(socket, { do: 'stats' });
    if (answer !== undefined) return answer.last.statistics as Statistics;
  } catch (error) {
    // Who may not ask the daemon may read what it saved a minute ago.
    if (!(error instanceof UserError)) throw error;
  }
  return readStatistics(realDisk, file) ?? emptyStatistics(0);
}

/** Bytes are counted in K, each message rounded up as a whole. */
export function table({ since, mailers }: Statistics): string {
  const used = MAILERS.filter((name) => Object.values(mailers[name]).some((count) => count > 0));
  const rows = used.map((name) => `${String(NUMBERS[name]).padStart(2)} ${columns(mailers[name])}  ${name}`);
  const total: Counts = { messagesFrom: 0, bytesFrom: 0, messagesTo: 0, bytesTo: 0, rejected: 0, discarded: 0 };
  for (const name of MAILERS) {
    for (const key of Object.keys(total) as (keyof Counts)[]) total[key] += mailers[name][key];
  }
  const lines = [
    `Statistics from ${ctime(since)}`,
    ' M   msgsfr  bytes_from   msgsto    bytes_to  msgsrej msgsdis  Mailer',
    ...rows,
    '='.repeat(65),
    ` T ${columns(total)}`,
  ];
  return `${lines.join('\n')}\n`;
}

function columns({ messagesFrom, bytesFrom, messagesTo, bytesTo, rejected, discarded }: Counts): string {
  const number = (value: number, width: number) => String(value).padStart(width);
  const kilo = (bytes: number, width: number) => `${number(Math.ceil(bytes / 1024), width)}K`;
  const from = `${number(messagesFrom, 8)} ${kilo(bytesFrom, 10)}`;
  const to = `${number(messagesTo, 8)} ${kilo(bytesTo, 10)}`;
  return `${from} ${to}   ${number(rejected, 6)}  ${number(discarded, 6)}`;
}

function ctime(milliseconds: number): string {
  const [week, month, day = '', year, time] = new Date(milliseconds).toString().split(' ');
  return `${week} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
}
