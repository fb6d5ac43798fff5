/**
 * Messages as JSON, one object a line: `--json`, and `headers` and `search` with `set json`.
 */
import { Flag } from '../mailbox/mailbox.ts';
import { messageObject, safeJson } from '../message/json.ts';
import type { CommandContext } from './command.ts';
import { contentOf, flagsNow, headerOf, readState, type Session } from './session.ts';

const NAMES: readonly (readonly [number, string])[] = [
  [Flag.answered, 'answered'],
  [Flag.flagged, 'flagged'],
  [Flag.draft, 'draft'],
  [Flag.deleted, 'deleted'],
];

/** The line for one message. */
export function objectLine(session: Session, number: number, headersOnly: boolean): string {
  const slot = number - 1;
  const info = session.box.info(slot);
  const flags = flagsNow(session, slot);
  const object = messageObject({
    number,
    uid: info.uid,
    status: readState(session, slot),
    flags: [...NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name), ...info.keywords],
    content: headersOnly ? headerOf(session, slot) : contentOf(session, slot),
    size: info.size,
    lines: info.lines,
    withBody: !headersOnly,
    hints: session.charsets ?? [],
  });
  return safeJson(object);
}

/** Prints one message after the other, so that memory stays bounded. */
export function printObjects(context: CommandContext, numbers: readonly number[], headersOnly: boolean): void {
  for (const number of numbers) context.services.io.out(objectLine(context.session, number, headersOnly));
}
