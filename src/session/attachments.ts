/**
 * attachments: lists the attachments of messages, or saves them into a folder.
 *
 * A name comes from a stranger: only its last part is used, nothing that is there is overwritten, and no file lands
 * outside the folder that was named.
 */
import { join } from 'node:path';
import { errnoOf, reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { safeFileName } from '../message/file-name.ts';
import { decodedBody, fileName, isAttachment, leaves, type Part, parseStructure } from '../message/structure.ts';
import type { CommandContext } from './command.ts';
import { scanWords } from './parse.ts';
import { filePath } from './place.ts';
import { select, slotsOf, tryList } from './select.ts';
import { apply, contentOf, Mark } from './session.ts';
import { words } from './words/en.ts';

/** Creates `name` in the folder, or `name-2` and so on when that is taken; answers the path. */
function createNew(disk: Disk, folder: string, name: string): { readonly fd: number; readonly path: string } {
  const [, stem = name, ending = ''] = /^(.+?)(\.[^.]{1,12})?$/su.exec(name) ?? [];
  for (let n = 1; ; n++) {
    const path = join(folder, n === 1 ? name : `${stem}-${n}${ending}`);
    try {
      return { fd: disk.open(path, 'exclusive', 0o600), path };
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' || n > 10_000)
        throw new UserError(words.cannotWrite(visible(path), reasonOf(error)));
    }
  }
}

function attachmentsOf(content: Uint8Array): Part[] {
  return leaves(parseStructure(content)).filter(isAttachment);
}

/** `[LIST] [FOLDER]`: the last word is the folder, unless all of it is a message list. */
function splitArgument(context: CommandContext, argument: string): { list: string; folder: string | undefined } {
  const last = scanWords(argument).at(-1);
  if (last === undefined) return { list: '', folder: undefined };
  if (!last.quoted && /^[\d.^$*:+-]/.test(last.text) && 'numbers' in tryList(context.session, argument)) {
    return { list: argument, folder: undefined };
  }
  return { list: argument.slice(0, last.start), folder: last.text };
}

export async function runAttachments(context: CommandContext, argument: string): Promise<void> {
  const { io, disk } = context.services;
  const { list, folder } = splitArgument(context, argument);
  const numbers = select(context, list);
  const path = folder === undefined ? undefined : filePath(context, folder);
  if (path !== undefined && disk.stat(path)?.kind !== 'directory')
    throw new UserError(words.noSuchFolder(visible(path)));
  const lines: string[] = [];
  for (const number of numbers) {
    const content = contentOf(context.session, number - 1);
    attachmentsOf(content).forEach((part, i) => {
      const name = fileName(part) ?? '';
      const bytes = decodedBody(content, part);
      if (path === undefined) {
        lines.push(`${number}.${i + 1}  ${visible(name || words.unnamed)}  ${visible(part.type)}  ${bytes.length}`);
        return;
      }
      const file = createNew(disk, path, safeFileName(name, `attachment-${number}-${i + 1}`));
      try {
        disk.write(file.fd, bytes, 0);
        disk.sync(file.fd);
      } finally {
        disk.close(file.fd);
      }
      lines.push(`"${visible(file.path)}" ${bytes.length}`);
    });
  }
  if (lines.length === 0) throw new UserError(words.noAttachments);
  if (path !== undefined) {
    disk.syncDir(path);
    context.session = apply(context.session, [{ slots: slotsOf(numbers), set: Mark.read, clear: Mark.unread }]);
  }
  io.out(lines.join('\n'));
}
