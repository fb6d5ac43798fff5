/**
 * Going on with a letter that was not finished: a crash, a line that broke, a failure to hand it on.
 */
import { EX, UserError } from '../core/errors.ts';
import { processesHere } from '../core/processes.ts';
import { visible } from '../core/text.ts';
import { type Composer, readAttachment } from './composer.ts';
import { composeLetter, exitStatus } from './dialogue.ts';
import { type DraftEntry, listDrafts, readDraft } from './drafts.ts';
import { obeyEscape } from './escapes.ts';
import type { Services } from './io.ts';
import { EMPTY_LETTER, type LetterFile } from './letter.ts';
import type { Settings } from './session.ts';
import { sendingWords as words } from './words/en-sending.ts';

/** The process that is writing this draft now; undefined when none is. */
export function writerOf({ pid }: DraftEntry): number | undefined {
  return pid > 0 && pid !== process.pid && processesHere().alive(pid) ? pid : undefined;
}

/** Drafts that nobody is writing, oldest first. */
export function unfinishedDrafts(services: Services): DraftEntry[] {
  return listDrafts(services.disk, services.mailbox.stateDir).filter((entry) => writerOf(entry) === undefined);
}

/** The draft with this number in the list of all drafts, from 1. Throws a UserError when there is none. */
export function draftByNumber(services: Services, number: string): DraftEntry {
  const entry = listDrafts(services.disk, services.mailbox.stateDir)[Number(number) - 1];
  if (!/^\d+$/.test(number) || entry === undefined) throw new UserError(words.noDraft(visible(number)), EX.usage);
  return entry;
}

/**
 * Shows a draft and lets its author write on; it is the same file until the letter is sent or given up.
 * Returns the exit status.
 */
export async function continueDraft(services: Services, settings: Settings, path: string): Promise<number> {
  const entry = readDraft(services.disk, path);
  if (entry === undefined) throw new UserError(words.noDraft(visible(path)));
  const writer = writerOf(entry);
  if (writer !== undefined) throw new UserError(words.draftOpen(visible(path), writer));
  const { body, files, ...fields } = entry.letter;
  const composer: Composer = {
    services,
    context: undefined,
    settings: () => settings,
    from: undefined,
    verbose: false,
    escapes: services.io.interactive,
    dotEnds: services.io.interactive,
    letter: { ...EMPTY_LETTER, ...fields, files: filesOf(services, files) },
    text: body.length === 0 ? [] : [body],
    draft: path,
    unsaved: false,
  };
  await obeyEscape(composer, 'p');
  services.io.out(words.goOn);
  return exitStatus(await composeLetter(composer));
}

/** Files that were attached; one that is gone is told. */
function filesOf(services: Services, paths: readonly string[]): LetterFile[] {
  return paths.flatMap((path) => {
    try {
      return [readAttachment(services, path)];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      services.io.err(visible(error.message));
      return [];
    }
  });
}
