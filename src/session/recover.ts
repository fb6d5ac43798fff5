/**
 * recover: brings back what earlier sessions deleted or moved when they quit.
 */
import { UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { openMailbox } from '../mailbox/open.ts';
import { listUndo, restoreUndo } from '../mailbox/undo.ts';
import type { CommandContext } from './command.ts';
import { takeInNews } from './folder.ts';
import { dateColumn } from './header-row.ts';
import { words } from './words/en.ts';

/** Alone it lists what is kept, newest first; with a number it brings that back, to the end of its mailbox. */
export async function runRecover(context: CommandContext, argument: string): Promise<void> {
  const { io, mailbox, now } = context.services;
  const entries = listUndo(mailbox);
  if (entries.length === 0) throw new UserError(words.nothingToRecover);
  if (argument === '') {
    const rows = entries.map((entry, i) => {
      const when = dateColumn(Math.floor(entry.time / 1000), now());
      return `${String(i + 1).padStart(3)}  ${when}  ${words.recoverRow(entry)}  ${visible(entry.location.path)}`;
    });
    io.out(rows.join('\n'));
    return;
  }
  const entry = /^\d+$/.test(argument) ? entries[Number(argument) - 1] : undefined;
  if (entry === undefined) throw new UserError(words.noSuchRecover(argument, entries.length));
  const result = await restoreUndo(mailbox, openMailbox, entry.id);
  io.out(words.recovered(result.restored, result.present, result.unmoved, visible(entry.location.path)));
  if (entry.location.path === context.session.box.location.path) await takeInNews(context);
}
