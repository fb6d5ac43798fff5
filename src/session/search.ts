/**
 * search: messages that match all of some terms, in header and text.
 *
 *     lee                  somewhere in From, To, Cc, Subject or the text
 *     from:lee to: cc: subject: body:     there
 *     after:2011-09-01 before:2011-10-01  by their Date, else when they came; the day itself counts for after
 *     is:new is:unread is:read is:flagged is:answered is:deleted    has:attachment
 *     -TERM                not that
 *
 * Letter case is ignored. Quotes keep blanks together. A term is parsed before any message is looked at.
 */
import { UserError } from '../core/errors.ts';
import { Flag } from '../mailbox/mailbox.ts';
import type { Address } from '../message/address.ts';
import { readEnvelope } from '../message/envelope.ts';
import { partText } from '../message/part-text.ts';
import { isAttachment, leaves, parseStructure } from '../message/structure.ts';
import type { CommandContext } from './command.ts';
import { scanWords } from './parse.ts';
import { contentOf, flagsNow, hasMark, headerOf, Mark, readState, type Session } from './session.ts';
import { printRows } from './show.ts';
import { words } from './words/en.ts';

type Test = (session: Session, slot: number) => boolean;

/** Names and addresses as one text to look in. */
function envelopeTest(field: 'from' | 'to' | 'cc' | 'subject', wanted: string): Test {
  return (session, slot) => {
    const envelope = readEnvelope(headerOf(session, slot), session.charsets);
    const text = field === 'subject' ? envelope.subject : addressText(envelope[field]);
    return text.toLowerCase().includes(wanted);
  };
}

function addressText(addresses: readonly Address[]): string {
  return addresses.map(({ name, address }) => `${name} <${address}>`).join(', ');
}

/** In the text parts, decoded; a message is read whole for this. */
function bodyTest(wanted: string): Test {
  return (session, slot) => {
    const content = contentOf(session, slot);
    return leaves(parseStructure(content))
      .filter(({ type }) => type.startsWith('text/'))
      .some((part) =>
        partText(content, part, session.charsets ?? [])
          .toLowerCase()
          .includes(wanted),
      );
  };
}

function dateTest(value: string, sign: 1 | -1): Test {
  const start = Date.parse(`${value}T00:00:00`) / 1000;
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value) || Number.isNaN(start)) throw new UserError(words.badDate(value));
  return (session, slot) => {
    const seconds = readEnvelope(headerOf(session, slot)).date?.seconds ?? session.box.info(slot).received;
    return seconds !== undefined && (sign > 0 ? seconds >= start : seconds < start);
  };
}

const STATES: Readonly<Record<string, Test>> = {
  new: (session, slot) => readState(session, slot) === 'new',
  unread: (session, slot) => readState(session, slot) !== 'read',
  read: (session, slot) => readState(session, slot) === 'read',
  flagged: (session, slot) => (flagsNow(session, slot) & Flag.flagged) !== 0,
  answered: (session, slot) => (flagsNow(session, slot) & Flag.answered) !== 0,
  deleted: (session, slot) => hasMark(session, slot, Mark.deleted),
};

const FIELDS: Readonly<Record<string, (value: string) => Test>> = {
  from: (value) => envelopeTest('from', value),
  to: (value) => envelopeTest('to', value),
  cc: (value) => envelopeTest('cc', value),
  subject: (value) => envelopeTest('subject', value),
  body: bodyTest,
  after: (value) => dateTest(value, 1),
  since: (value) => dateTest(value, 1),
  before: (value) => dateTest(value, -1),
  is: (value) => {
    const test = STATES[value];
    if (test === undefined) throw new UserError(words.badState(value, Object.keys(STATES)));
    return test;
  },
  has: (value) => {
    if (!/^attachments?$/.test(value)) throw new UserError(words.badHas(value));
    return (session, slot) => leaves(parseStructure(contentOf(session, slot))).some(isAttachment);
  },
};

/** A test for one term. Throws UserError for what makes no sense. */
function termTest(term: string): Test {
  if (term.startsWith('-') && term.length > 1) {
    const test = termTest(term.slice(1));
    return (session, slot) => !test(session, slot);
  }
  const [, name = '', value = ''] = /^([a-z]+):(.+)$/s.exec(term) ?? [];
  const field = FIELDS[name];
  if (field !== undefined) return field(value.toLowerCase());
  const wanted = term.toLowerCase();
  // Headers first: the text is read only where they do not match.
  const tests = [
    ...(['subject', 'from', 'to', 'cc'] as const).map((one) => envelopeTest(one, wanted)),
    bodyTest(wanted),
  ];
  return (session, slot) => tests.some((test) => test(session, slot));
}

/** Numbers of the messages that match all terms; deleted ones only when a term asks for them. */
export function searchMessages(session: Session, argument: string): number[] {
  const terms = scanWords(argument).map(({ text }) => text);
  const tests = terms.map(termTest);
  const hidden = terms.includes('is:deleted') ? Mark.gone : Mark.gone | Mark.deleted;
  const found: number[] = [];
  for (let slot = 0; slot < session.count; slot++) {
    if (!hasMark(session, slot, hidden) && tests.every((test) => test(session, slot))) found.push(slot + 1);
  }
  return found;
}

export async function runSearch(context: CommandContext, argument: string): Promise<void> {
  if (argument === '') throw new UserError(words.needsArgument('search', 'TERM...'));
  const found = searchMessages(context.session, argument);
  if (found.length === 0) throw new UserError(words.nothingFound(argument));
  await printRows(context, found);
}
