/**
 * `tmail fsck BOX...`: says what is wrong with mailboxes; with `--repair NEW` it writes what is in one into a new file, in
 * which every octet of the old one is found again. The mailbox itself is never touched.
 *
 * Exit status 0: nothing wrong, or repaired; 1: something is wrong.
 */
import { resolve } from 'node:path';
import { EX, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { diagnose, type Finding, repair } from '../mailbox/fsck.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import { foundation, type Invocation, mailboxContext } from './services.ts';
import { printError, printText } from './stdio.ts';

type Report = (path: string, findings: readonly Finding[]) => void;

const asLines: Report = (path, findings) => {
  for (const { line, text } of findings) printText(`${visible(path)}:${line}: ${visible(text)}\n`);
};

const asJson: Report = (path, findings) => {
  for (const { kind, offset, line, text } of findings) {
    printText(`${JSON.stringify({ mailbox: path, kind, offset, line, text })}\n`);
  }
};

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`;
}

function check(context: MailboxContext, path: string, json: boolean): number {
  const { messages, dialect, findings } = diagnose(context, path);
  (json ? asJson : asLines)(path, findings);
  const verdict = findings.length === 0 ? 'nothing is wrong' : `${count(findings.length, 'finding')}, see above`;
  if (!json) printText(`${visible(path)}: ${count(messages, 'message')}, ${visible(dialect)}; ${verdict}\n`);
  return findings.length === 0 ? EX.ok : EX.failure;
}

function writeRepaired(context: MailboxContext, path: string, target: string, json: boolean): number {
  const { input, added, output, messagesBefore, messagesAfter, recovered, findings } = repair(context, path, target);
  (json ? asJson : asLines)(path, findings);
  if (json) return EX.ok;
  const found = recovered === 0 ? '' : `, ${recovered} of them made for what belonged to none`;
  return printText(
    `${visible(target)}: ${count(messagesAfter, 'message')}${found} (${messagesBefore} in ${visible(path)}); ` +
      `${input} octets read, all of them written, ${added} added, ${output} in all\n`,
  );
}

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  if (operands.length === 0) throw new UserError('which mailbox? tmail fsck BOX', EX.usage);
  const context = mailboxContext(await foundation(invocation), (text) => printError(`tmail: ${text}`));
  const target = textOf(values, 'repair');
  const json = values.json === true;
  if (target !== undefined) {
    const [box, extra] = operands;
    if (box === undefined || extra !== undefined) throw new UserError('--repair takes one mailbox at a time', EX.usage);
    return writeRepaired(context, resolve(box), resolve(target), json);
  }
  const statuses = operands.map((box) => check(context, resolve(box), json));
  return Math.max(...statuses);
}
