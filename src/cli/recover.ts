/**
 * `tmail undo` brings back what the last session took out of a mailbox, `tmail recover` what earlier ones did.
 *
 * What is in the mailbox still, or again, is not put there twice; what had been moved to mbox is taken out of it. Both
 * are kept for a week (`set undo_keep`) in the user's state folder (mailbox/undo.ts).
 */
import { resolve } from 'node:path';
import { UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { openMailbox } from '../mailbox/open.ts';
import { listUndo, type Restored, restoreUndo, type UndoEntry } from '../mailbox/undo.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import {
  type Foundation,
  foundation,
  type Invocation,
  mailboxContext,
  ownMailbox,
  systemMailboxOf,
} from './services.ts';
import { printError, printText } from './stdio.ts';

/** `2 deleted, 1 saved, 5 moved`. */
function counts({ deleted, saved, moved }: UndoEntry): string {
  const parts = [
    [deleted, 'deleted'],
    [saved, 'saved elsewhere'],
    [moved, 'moved to mbox'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count} ${what}`)
    .join(', ');
}

function describe(entry: UndoEntry): string {
  const when = new Date(entry.time).toISOString().slice(0, 16).replace('T', ' ');
  const done = entry.restored ? ' (brought back)' : '';
  return `${entry.id}  ${when}  ${visible(entry.location.path)}: ${counts(entry)}${done}\n`;
}

function tell({ entry, restored, present, unmoved }: Restored): void {
  const parts = [`${restored} brought back to ${visible(entry.location.path)}`];
  if (unmoved > 0) parts.push(`${unmoved} taken out of ${visible(entry.mbox)} again`);
  if (present > 0) parts.push(`${present} were there already`);
  printText(`${parts.join(', ')}\n`);
}

/** The mailbox that `tmail undo` means. */
function boxOf(base: Foundation, operands: readonly string[], user: string | undefined): string {
  const [box, extra] = operands;
  if (extra !== undefined) throw new UserError(`undo takes one mailbox, found also ${JSON.stringify(extra)}`, 2);
  if (box !== undefined && user !== undefined) throw new UserError('-u names a mailbox already: give one of them', 2);
  if (box !== undefined) return resolve(box);
  return user === undefined ? resolve(ownMailbox(base)) : systemMailboxOf(base, user);
}

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  const user = textOf(values, 'u');
  const base = await foundation(invocation, user);
  const context = mailboxContext(base, (text) => printError(`tmail: ${text}`));
  const entries = listUndo(context);
  if (invocation.subcommand === 'undo' && values.list !== true) {
    const path = boxOf(base, operands, user);
    const entry = entries.find((one) => one.location.path === path && !one.restored);
    if (entry === undefined) {
      const others = entries.some((one) => !one.restored) ? '; `tmail recover` lists what other mailboxes lost' : '';
      throw new UserError(`${path}: nothing to bring back${others}`);
    }
    tell(await restoreUndo(context, openMailbox, entry.id));
    return 0;
  }
  if (operands.length > 0 && invocation.subcommand === 'recover') {
    for (const id of operands) {
      if (!entries.some((one) => one.id === id))
        throw new UserError(`${id}: nothing is kept under this name (\`tmail recover\` lists)`);
    }
    for (const id of operands) tell(await restoreUndo(context, openMailbox, id));
    return 0;
  }
  const shown =
    values.list === true ? entries.filter((one) => one.location.path === boxOf(base, operands, user)) : entries;
  for (const entry of shown) printText(values.json === true ? `${JSON.stringify(toObject(entry))}\n` : describe(entry));
  if (shown.length === 0 && values.json !== true) printText('nothing is kept\n');
  return 0;
}

function toObject(entry: UndoEntry): object {
  const { location, ...rest } = entry;
  return { ...rest, time: Math.floor(entry.time / 1000), mailbox: location.path };
}
