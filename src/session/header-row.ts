/**
 * One message as one row of a header summary: `>N  3 Ann Sender         Mon Mar  2 09:03    13/452  Lunch`.
 *
 * Everything is decoded and made visible before it is measured, and cut by cells, never inside one. Narrow terminals lose
 * the size first, then the date.
 */
import { cellWidth, column, cut, pad, visible } from '../core/text.ts';
import { Flag } from '../mailbox/mailbox.ts';
import { type EnvelopeFields, readEnvelope } from '../message/envelope.ts';
import { hasMark, headerOf, Mark, readState, type Session } from './session.ts';

export interface RowLayout {
  readonly columns: number;
  /** Milliseconds since 1970: dates of the last half year show the time, others the year. */
  readonly now: number;
  /** True for addresses of the user: with `showto`, letters from there show whom they went to. */
  readonly own: ((address: string) => boolean) | undefined;
}

const HALF_YEAR = 183 * 86_400;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** A subject gets at least this many cells, even where the row then wraps. */
const LEAST_SUBJECT = 8;

/** The row of message `number`. */
export function headerRow(session: Session, number: number, layout: RowLayout): string {
  const slot = number - 1;
  const info = session.box.info(slot);
  const envelope = readEnvelope(headerOf(session, slot), session.charsets);
  const digits = Math.max(String(session.count).length, 3);
  const dot = number === session.dot ? '>' : ' ';
  const cells = [
    `${dot}${statusLetter(session, slot)} ${pad(String(number), digits, 'right')}`,
    column(visible(correspondent(envelope, info.sender, layout)), layout.columns >= 100 ? 24 : 18),
  ];
  if (layout.columns >= 50) cells.push(dateColumn(envelope.date?.seconds ?? info.received, layout.now));
  if (layout.columns >= 66) cells.push(pad(`${info.lines}/${info.size}`, 9, 'right'));
  const row = `${cells.join(' ')}  `;
  const left = layout.columns - cellWidth(row);
  return `${row}${cut(visible(envelope.subject), Math.max(left, LEAST_SUBJECT))}`.trimEnd();
}

/** What the session did beats what the message is. */
function statusLetter(session: Session, slot: number): string {
  const marks = session.marks[slot] ?? 0;
  if ((marks & Mark.deleted) !== 0) return 'D';
  if ((marks & Mark.held) !== 0) return 'P';
  if ((marks & Mark.mbox) !== 0) return 'M';
  if ((marks & Mark.saved) !== 0 && (marks & (Mark.unread | Mark.touched)) !== Mark.unread) return '*';
  const state = readState(session, slot);
  if (state !== 'read') return state === 'new' ? 'N' : 'U';
  const { flags } = session.box.info(slot);
  if (hasMark(session, slot, Mark.flagged)) return 'F';
  if ((flags & Flag.flagged) !== 0 && !hasMark(session, slot, Mark.unflagged)) return 'F';
  return (flags & Flag.answered) !== 0 || hasMark(session, slot, Mark.answered) ? 'A' : ' ';
}

/** The author, by name where there is one; for letters by the user, with `showto`, whom they went to. */
function correspondent(envelope: EnvelopeFields, sender: string, { own }: RowLayout): string {
  const author = envelope.from[0] ?? envelope.sender[0];
  const receiver = envelope.to[0];
  if (own !== undefined && author !== undefined && receiver !== undefined && own(author.address)) {
    return `To ${receiver.name || receiver.address}`;
  }
  return author === undefined ? sender : author.name || author.address;
}

/** 16 cells: `Mon Mar  2 09:03`, or with the year when that is not this half year; blank when unknown. Local time. */
export function dateColumn(seconds: number | undefined, now: number): string {
  if (seconds === undefined) return ' '.repeat(16);
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return ' '.repeat(16);
  const two = (n: number): string => String(n).padStart(2, '0');
  const recent = Math.abs(now / 1000 - seconds) < HALF_YEAR;
  const end = recent ? `${two(date.getHours())}:${two(date.getMinutes())}` : String(date.getFullYear()).padStart(5);
  return column(`${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${end}`, 16);
}
