/**
 * `mailq`: lists the messages that were handed over and wait for a daemon to take them up.
 */
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { pad, visible } from '../core/text.ts';
import { listSubmit, readSubmit, type SubmitEntry } from '../queue/submit.ts';
import type { ParsedLine } from './command-line.ts';
import { foundation, type Invocation, mailboxContext, submitDirs } from './services.ts';
import { printError, printText } from './stdio.ts';

/** One entry as lines for people. */
function describe({ id, header, message }: SubmitEntry): string {
  const when = new Date(header.submitted).toISOString().slice(0, 16).replace('T', ' ');
  const first = `${pad(id, 24)} ${String(message.length).padStart(9)} ${when}  ${visible(header.from || '<>')}`;
  return [first, ...header.recipients.map((recipient) => `${' '.repeat(52)}${visible(recipient)}`), ''].join('\n');
}

export async function run(invocation: Invocation, { values }: ParsedLine): Promise<number> {
  const base = await foundation(invocation);
  const dirs = submitDirs(base, mailboxContext(base, printError));
  const { disk } = base;
  let status = 0;
  let shown = 0;
  for (const dir of dirs) {
    for (const id of idsIn(disk, dir)) {
      try {
        const entry = readSubmit(disk, dir, id);
        if (entry === undefined) continue;
        shown += 1;
        printText(values.json === true ? `${JSON.stringify(toObject(entry))}\n` : describe(entry));
      } catch (error) {
        if (!(error instanceof MailError)) throw error;
        printError(`mailq: ${error.message}`);
        status = 1;
      }
    }
  }
  if (values.json === true) return status;
  const where = dirs.map(visible).join(' and ');
  printText(shown === 0 ? `nothing waits in ${where}\n` : `${shown} waiting in ${where} for a mail daemon\n`);
  return status;
}

function idsIn(disk: Disk, dir: string): ReturnType<typeof listSubmit> {
  try {
    return listSubmit(disk, dir);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    printError(`mailq: ${dir}: ${reasonOf(error)}; only root may list it, your own mail in it is safe`);
    return [];
  }
}

function toObject({ id, header, message, owner }: SubmitEntry): object {
  const { from, recipients, submitted } = header;
  return { id, size: message.length, submitted: Math.floor(submitted / 1000), from, recipients, owner };
}
