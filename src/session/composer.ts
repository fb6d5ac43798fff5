/**
 * A letter while it is written: the state that the dialogue and the `~` escapes work on.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, readWhole } from '../core/files.ts';
import { visible } from '../core/text.ts';
import type { CommandContext } from './command.ts';
import { newDraftPath, saveDraft } from './drafts.ts';
import type { Services } from './io.ts';
import { draftLetter, type Letter, type LetterFile, type Sender } from './letter.ts';
import { splitWords } from './parse.ts';
import { filePath } from './place.ts';
import type { Settings } from './session.ts';
import { sendingWords as words } from './words/en-sending.ts';

/** One letter being written; `letter` is replaced, never changed. */
export interface Composer {
  readonly services: Services;
  /** Undefined in send mode, where no mailbox is open. */
  readonly context: CommandContext | undefined;
  /** As they are now: `~:` may change them. */
  readonly settings: () => Settings;
  /** `-r`. */
  readonly from: string | undefined;
  readonly verbose: boolean;
  /** `~` escapes are obeyed. */
  readonly escapes: boolean;
  /** A line of one dot may end the text: commands and text come from the same hand. */
  readonly dotEnds: boolean;
  letter: Letter;
  /** The text so far, in pieces that end in a line end. */
  text: Uint8Array[];
  /** Where it is saved while it is written; undefined: nothing is saved yet. */
  draft: string | undefined;
  /** Saving failed, and was told. */
  unsaved: boolean;
}

export function senderOf(composer: Composer): Sender {
  const { services, from, verbose } = composer;
  return { services, settings: composer.settings(), from, verbose };
}

export function bodyOf(composer: Composer): Uint8Array {
  return Buffer.concat(composer.text);
}

const LINE_END = Buffer.from('\n');

/** Adds text, with a line end behind its last line. */
export function addText(composer: Composer, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  composer.text.push(bytes);
  if (bytes.at(-1) !== 0x0a) composer.text.push(LINE_END);
}

/** Adds a line that was read without its end. */
export function addLine(composer: Composer, line: Uint8Array): void {
  composer.text.push(line, LINE_END);
}

/** Saves what is typed on a terminal: a crash costs one line. That it cannot be saved is told once. */
export function autosave(composer: Composer): void {
  const { io, disk, mailbox, now } = composer.services;
  if (!io.interactive || composer.unsaved || (composer.draft === undefined && composer.text.length === 0)) return;
  try {
    composer.draft ??= newDraftPath(disk, mailbox.stateDir, now());
    saveDraft(disk, composer.draft, draftLetter(composer.letter, bodyOf(composer)), now());
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailError)) throw error;
    io.err(words.notSaved(visible(reasonOf(error))));
    composer.unsaved = true;
  }
}

/** The path a user typed: `~/` is the home folder. */
export function expandHome(path: string, home: string): string {
  return path === '~' ? home : path.startsWith('~/') ? `${home}${path.slice(1)}` : path;
}

/** The path of a file named in an escape: as commands name files, but blanks need no quotes. */
export function composerPath({ context, services }: Composer, typed: string): string {
  const [first, second] = splitWords(typed);
  const name = first !== undefined && second === undefined ? first : typed;
  return context === undefined ? expandHome(name, services.user.home) : filePath(context, name);
}

/** Bytes of a regular file. Throws a UserError that names it. */
export function readUserFile(disk: Disk, path: string): Uint8Array {
  try {
    const stat = disk.stat(path);
    if (stat?.kind === 'directory') throw new UserError(`${path}: Is a directory`, EX.noInput);
    if (stat !== undefined && stat.kind !== 'file') throw new UserError(`${path}: not a regular file`, EX.noInput);
    // Files of /proc say they are empty.
    const bytes = stat?.size === 0 ? readFileSync(path) : readWhole(disk, path);
    if (bytes === undefined) throw new UserError(`${path}: No such file or directory`, EX.noInput);
    return bytes;
  } catch (error) {
    if (error instanceof UserError || error instanceof MailError) throw error;
    throw new UserError(`${path}: ${reasonOf(error)}`, EX.noInput);
  }
}

/** A file to attach. Throws a UserError of status 66 (EX_NOINPUT) when it cannot be read. */
export function readAttachment(services: Services, typed: string): LetterFile {
  const path = expandHome(typed, services.user.home);
  try {
    return { path, name: basename(path), content: readUserFile(services.disk, path) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(words.noAttachment(path, error.message.slice(path.length + 2)), EX.noInput);
  }
}
