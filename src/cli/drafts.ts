/**
 * `tmail drafts`: lists letters that were not sent; with a number, goes on with one, or throws it away (`--delete`).
 */
import { EX, UserError } from '../core/errors.ts';
import { cut, pad, visible } from '../core/text.ts';
import { lineIo } from '../line/line.ts';
import { type DraftEntry, listDrafts, removeDraft } from '../session/drafts.ts';
import { continueDraft, draftByNumber, writerOf } from '../session/resume.ts';
import { sendSettings } from '../session/run.ts';
import type { ParsedLine } from './command-line.ts';
import { foundation, type Invocation, mailboxContext, sessionServices } from './services.ts';
import { printError, printText } from './stdio.ts';

/** One line: number, when it was saved, for whom, what about. */
function describe(entry: DraftEntry, number: number): string {
  const { to, subject, body } = entry.letter;
  const when = new Date(entry.saved).toISOString().slice(0, 16).replace('T', ' ');
  const whom = visible(to.map(({ address }) => address).join(', ')) || '(nobody yet)';
  const writer = writerOf(entry);
  const state = writer === undefined ? '' : `, process ${writer} is writing it`;
  const about = cut(visible(subject) || '(no subject)', 40);
  return `${String(number).padStart(3)} ${when}  ${pad(cut(whom, 24), 24)} ${about} (${body.length} octets${state})\n`;
}

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  const base = await foundation(invocation);
  const [number, extra] = operands;
  if (extra !== undefined) throw new UserError('drafts takes one number', EX.usage);
  if (number === undefined) {
    if (values.delete === true) throw new UserError('which draft? tmail drafts lists them', EX.usage);
    const drafts = listDrafts(base.disk, mailboxContext(base, printError).stateDir);
    return printText(drafts.length === 0 ? 'no drafts\n' : drafts.map((entry, i) => describe(entry, i + 1)).join(''));
  }
  const services = sessionServices(base, lineIo({ env: base.env }));
  const { path } = draftByNumber(services, number);
  if (values.delete === true) {
    removeDraft(base.disk, path);
    return EX.ok;
  }
  const settings = await sendSettings(services, {
    noSystemRc: false,
    ignoreInterrupts: false,
    escapes: false,
    verbose: false,
    set: [],
    from: undefined,
    systemRc: base.paths.startup,
  });
  return continueDraft(services, settings, path);
}
