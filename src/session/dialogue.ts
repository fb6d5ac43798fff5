/**
 * The compose dialogue: questions on a terminal, then lines until end of input, `~.`, or a dot where it counts.
 *
 * From a pipe nothing is asked, and lines are text: mail that programs pass on must not run commands. A first interrupt
 * warns, a second one in a row gives the letter up.
 */
import { assertNever, EX } from '../core/errors.ts';
import type { Composer } from './composer.ts';
import { addLine, autosave, bodyOf, senderOf } from './composer.ts';
import { removeDraft } from './drafts.ts';
import { type After, askNames, askSubject, obeyEscape } from './escapes.ts';
import { Interrupted } from './io.ts';
import { keepLetter, sendLetter } from './letter.ts';
import { isSet } from './settings.ts';
import { sendingWords as words } from './words/en-sending.ts';

/** `ignoreeof` gives in at last: a terminal that is gone says end of input for ever. */
const EOF_LIMIT = 25;

/** What became of a letter. Giving one up is no failure in a session. */
export type Ending =
  | { readonly kind: 'sent' }
  | { readonly kind: 'given up' }
  /** With the exit status that says why. */
  | { readonly kind: 'not sent'; readonly status: number };

/** Writes the letter with its author and sends it; one that is `written` already is only sent. */
export async function composeLetter(composer: Composer, state: 'to write' | 'written' = 'to write'): Promise<Ending> {
  const end = state === 'written' ? 'send' : await writeLetter(composer);
  const { draft } = composer;
  const body = bodyOf(composer);
  if (end === 'send') {
    const status = await sendLetter(senderOf(composer), composer.letter, body, draft);
    return status === EX.ok ? { kind: 'sent' } : { kind: 'not sent', status };
  }
  if (end === 'keep' && isSet(composer.settings(), 'save')) {
    keepLetter(senderOf(composer), composer.letter, body, draft);
  } else if (draft !== undefined) removeDraft(composer.services.disk, draft);
  return { kind: 'given up' };
}

/** Exit status of a program that was to send this one letter. */
export function exitStatus(ending: Ending): number {
  switch (ending.kind) {
    case 'sent':
      return EX.ok;
    case 'given up':
      return EX.failure;
    case 'not sent':
      return ending.status;
    default:
      return assertNever(ending);
  }
}

async function writeLetter(composer: Composer): Promise<Exclude<After, 'goes on'>> {
  let interrupts = 0;
  let ends = 0;
  let asked = false;
  const { io } = composer.services;
  for (;;) {
    try {
      if (!asked) {
        asked = true;
        await askFirst(composer);
      }
      const line = await io.readLine('');
      interrupts = 0;
      if (line === undefined) {
        ends += 1;
        if (!io.interactive || !isSet(composer.settings(), 'ignoreeof') || ends > EOF_LIMIT) return 'send';
        io.err(words.useDot);
        continue;
      }
      ends = 0;
      const after = await takeLine(composer, line);
      if (after !== 'goes on') return after;
      autosave(composer);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      if (isSet(composer.settings(), 'ignore')) {
        io.out('@');
        continue;
      }
      interrupts += 1;
      if (interrupts > 1) return 'keep';
      io.err(words.killOnce);
    }
  }
}

/** What is missing is asked for, on a terminal and where a variable wants it. */
async function askFirst(composer: Composer): Promise<void> {
  if (!composer.services.io.interactive) return;
  const { letter } = composer;
  const wants = (...names: string[]) => names.some((name) => isSet(composer.settings(), name));
  if (letter.to.length + letter.cc.length + letter.bcc.length === 0) await askNames(composer, 'to');
  if (letter.subject === '' && wants('ask', 'asksub')) await askSubject(composer);
  if (letter.cc.length === 0 && wants('askcc')) await askNames(composer, 'cc');
  if (letter.bcc.length === 0 && wants('askbcc')) await askNames(composer, 'bcc');
}

async function takeLine(composer: Composer, line: Uint8Array): Promise<After> {
  const settings = composer.settings();
  if (composer.dotEnds && line.length === 1 && line[0] === 0x2e) {
    const ends = isSet(settings, 'dot') || (composer.services.io.interactive && isSet(settings, 'ignoreeof'));
    if (ends) return 'send';
  }
  const tilde = composer.escapes ? escapeByte(settings.variables.get('escape')) : undefined;
  if (tilde !== undefined && line[0] === tilde) {
    if (line[1] !== tilde) return obeyEscape(composer, Buffer.from(line.subarray(1)).toString());
    addLine(composer, line.subarray(1));
    return 'goes on';
  }
  addLine(composer, line);
  return 'goes on';
}

/** The escape character, one octet; undefined when it is set to nothing, which switches escapes off. */
function escapeByte(value: string | undefined): number | undefined {
  return Buffer.from(value ?? '~')[0];
}
