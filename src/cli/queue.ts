/**
 * `mailq`: lists the messages that were handed over and wait for a daemon to take them up.
 */
import { errnoOf, MailError, reasonOf } from '../core/errors.ts';
import { pad, visible } from '../core/text.ts';
import { listSubmit, readSubmit, type SubmitEntry } from '../queue/submit.ts';
import type { ParsedLine } from './command-line.ts';
import { foundation, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

/** One entry as lines for people. */
function describe({ id, header, message }: SubmitEntry): string {
  const when = new Date(header.submitted).toISOString().slice(0, 16).replace('T', ' ');
  const first = `${pad(id, 24)} ${String(message.length).padStart(9)} ${when}  ${visible(header.from || '<>')}`;
  return [first, ...header.recipients.map((recipient) => `${' '.repeat(52)}${visible(recipient)}`), ''].join('\n');
}

export async function run(invocation: Invocation, { values }: ParsedLine): Promise<number> {
  const { disk, paths } = await foundation(invocation);
  let ids: ReturnType<typeof listSubmit>;
  try {
    ids = listSubmit(disk, paths.submit);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    throw new MailError(`${paths.submit}: ${reasonOf(error)}; only root may list the queue`, { temporary: false });
  }
  let status = 0;
  let shown = 0;
  for (const id of ids) {
    try {
      const entry = readSubmit(disk, paths.submit, id);
      if (entry === undefined) continue;
      shown += 1;
      const { header, message, owner } = entry;
      printText(
        values.json === true
          ? `${JSON.stringify({ id, size: message.length, submitted: Math.floor(header.submitted / 1000), from: header.from, recipients: header.recipients, owner })}\n`
          : describe(entry),
      );
    } catch (error) {
      if (!(error instanceof MailError)) throw error;
      printError(`mailq: ${error.message}`);
      status = 1;
    }
  }
  if (values.json !== true && status === 0) {
    printText(
      shown === 0
        ? `${visible(paths.submit)}: nothing waits\n`
        : `${shown} waiting in ${visible(paths.submit)} for the mail daemon\n`,
    );
  }
  return status;
}
