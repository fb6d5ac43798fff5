/**
 * The mailx session that all faces share: one immutable value, changed by making a new one.
 *
 * Nothing here touches a mailbox. A command takes a Session and gives the next; `undo` goes back to an earlier one; what
 * the end of the session does to the mailbox is decided by planQuit (quit.ts) from the last one.
 */
import { Flag, type Flags, type Location, type Mailbox } from '../mailbox/mailbox.ts';
import { headerSizeOf } from '../mailbox/quoting.ts';

/** What this session did to a message, as a bit set. The mailbox knows nothing of it before the end. */
export const Mark = {
  /** Read this time: print, type, next, top, pipe, copy, undelete, reply. */
  read: 1,
  /** Printed in this session: Enter goes on to the next. */
  shown: 2,
  deleted: 4,
  /** hold, preserve: stays in the system mailbox. */
  held: 8,
  /** mbox: goes to mbox. */
  mbox: 16,
  /** save, write and their kin. */
  saved: 32,
  touched: 64,
  /** unread, U, new: as if it had never been read. */
  unread: 128,
  /** reply: answered. */
  answered: 256,
  /** flag. */
  flagged: 512,
  unflagged: 1024,
  /** Another program removed it while the session was open. */
  gone: 2048,
} as const;
export type Marks = number;

/** A message number as the user types it: slot + 1. */
export type MessageNumber = number & { readonly unit: 'message' };

export interface Settings {
  /** Variables that are set; a binary one has the value ''. */
  readonly variables: ReadonlyMap<string, string>;
  readonly aliases: ReadonlyMap<string, readonly string[]>;
  readonly alternates: readonly string[];
  /** Lower-case field names. `retained` beats `ignored` when it is not empty. */
  readonly ignored: ReadonlySet<string>;
  readonly retained: ReadonlySet<string>;
}

export interface Session {
  readonly box: Mailbox;
  /** The rules of a system mailbox hold at the end: what was read goes to mbox. */
  readonly system: boolean;
  /** As it was typed: for `file` and messages. */
  readonly name: string;
  /** Messages that the session knows; slots beyond are mail that arrived and was not taken in yet. */
  readonly count: number;
  /** The current message, from 1; 0 when there is none. */
  readonly dot: number;
  /** Marks by slot; never changed in place. */
  readonly marks: Uint16Array;
  readonly settings: Settings;
  /** What `#` names. */
  readonly previous: Location | undefined;
  /** The rules of a system mailbox held there. */
  readonly previousSystem?: boolean;
  /** Charsets in which undeclared 8-bit text of this user's mail probably is, best first. */
  readonly charsets?: readonly string[];
  /** Content that `edit` changed, by slot. */
  readonly edited: ReadonlyMap<number, Uint8Array>;
}

/** What a command changes in some messages. */
export interface MarkChange {
  /** Slots. */
  readonly slots: Iterable<number>;
  readonly set?: Marks;
  readonly clear?: Marks;
}

/** A session on a mailbox just opened: nothing done yet, the current message is the first new, else unread, else 1. */
export function newSession(
  box: Mailbox,
  about: Pick<Session, 'system' | 'name' | 'settings'> & {
    readonly previous?: Location;
    readonly previousSystem?: boolean;
    readonly charsets?: readonly string[];
  },
): Session {
  const session: Session = {
    box,
    system: about.system,
    name: about.name,
    count: box.length,
    dot: 0,
    marks: new Uint16Array(box.length),
    settings: about.settings,
    previous: about.previous,
    previousSystem: about.previousSystem ?? false,
    charsets: about.charsets ?? [],
    edited: new Map(),
  };
  return { ...session, dot: firstCurrent(session) };
}

function firstCurrent(session: Session): number {
  const all = allFlags(session);
  const fresh = firstWithout(all, Flag.read | Flag.old, session.count);
  const found = fresh < session.count ? fresh : firstWithout(all, Flag.read, session.count);
  return found < session.count ? found + 1 : Math.min(1, session.count);
}

const FLAG_VALUES = 64;

/** Index of the first octet that has none of these bits, or `count`. Asks for each value that there is: 32 searches in
 *  machine code take less than one loop over a large mailbox that is not compiled yet. */
function firstWithout(all: Uint8Array, bits: Flags, count: number): number {
  let first = count;
  for (let value = 0; value < FLAG_VALUES; value++) {
    const at = (value & bits) === 0 ? all.subarray(0, first).indexOf(value) : -1;
    if (at >= 0) first = at;
  }
  return first;
}

/** Occurrences of a value above which one loop over all is quicker than a search for each. */
const FEW = 1000;

/** How many octets have none of these bits. */
export function countWithout(all: Uint8Array, bits: Flags): number {
  let count = 0;
  for (let value = 0; value < FLAG_VALUES; value++) {
    if ((value & bits) !== 0) continue;
    for (let at = all.indexOf(value); at >= 0; at = all.indexOf(value, at + 1)) {
      count += 1;
      if (count > FEW) return countOneByOne(all, bits);
    }
  }
  return count;
}

function countOneByOne(all: Uint8Array, bits: Flags): number {
  let count = 0;
  for (let i = 0; i < all.length; i++) if (((all[i] ?? 0) & bits) === 0) count += 1;
  return count;
}

/** The session after marks were set and cleared; the old one stays as it is. */
export function apply(session: Session, changes: readonly MarkChange[], dot = session.dot): Session {
  const marks = session.marks.slice();
  for (const { slots, set = 0, clear = 0 } of changes) {
    for (const slot of slots) marks[slot] = ((marks[slot] ?? 0) & ~clear) | set;
  }
  return { ...session, marks, dot };
}

export function hasMark(session: Session, slot: number, mark: Marks): boolean {
  return ((session.marks[slot] ?? 0) & mark) !== 0;
}

/** Can be named by every command: neither deleted in this session nor taken away by another program. */
export function isPresent(session: Session, slot: number): boolean {
  return slot >= 0 && slot < session.count && !hasMark(session, slot, Mark.deleted | Mark.gone);
}

/** Number of the nearest message that passes, from `number` in steps of `step` (1 or -1), itself not included; or 0. */
export function nearest(session: Session, number: number, step: 1 | -1, passes = isPresent): number {
  for (let slot = number - 1 + step; slot >= 0 && slot < session.count; slot += step) {
    if (passes(session, slot)) return slot + 1;
  }
  return 0;
}

/** The message that a command means that names none: the current one, else the next there is, else the previous; or 0. */
export function defaultMessage(session: Session, passes = isPresent): number {
  if (passes(session, session.dot - 1)) return session.dot;
  return nearest(session, session.dot, 1, passes) || nearest(session, session.dot, -1, passes);
}

/**
 * The flags of all messages as their mailbox has them. A large mailbox is passed over by loops that call nothing: they
 * run before they are compiled, and a call costs more than a message.
 */
export function allFlags(session: Session): Uint8Array {
  const all = session.box.allFlags?.();
  if (all !== undefined && all.length >= session.count) return all;
  return Uint8Array.from({ length: session.count }, (_, slot) => storedFlags(session, slot));
}

/** True when nothing was done to any message in this session, and none was taken away. */
export function isUntouched({ marks }: Session): boolean {
  const octets = Buffer.from(marks.buffer, marks.byteOffset, marks.byteLength);
  return octets.equals(Buffer.alloc(octets.length));
}

/** The flags of a message as its mailbox has them. */
export function storedFlags({ box }: Session, slot: number): Flags {
  return box.flags?.(slot) ?? box.info(slot).flags;
}

export type ReadState = 'new' | 'unread' | 'read';

/** What the message is to its reader now, earlier sessions and this one taken together. */
export function readState(session: Session, slot: number): ReadState {
  const marks = session.marks[slot] ?? 0;
  const flags = storedFlags(session, slot);
  if ((marks & Mark.read) !== 0) return 'read';
  if ((flags & Flag.read) !== 0 && (marks & Mark.unread) === 0) return 'read';
  return (flags & (Flag.read | Flag.old)) === 0 ? 'new' : 'unread';
}

/** The flags that shall be stored with the message: its state now, and no longer new. */
export function flagsNow(session: Session, slot: number): Flags {
  const marks = session.marks[slot] ?? 0;
  let flags = (storedFlags(session, slot) | Flag.old) & ~Flag.read;
  if (readState(session, slot) === 'read') flags |= Flag.read;
  if ((marks & Mark.answered) !== 0) flags |= Flag.answered;
  if ((marks & Mark.flagged) !== 0) flags |= Flag.flagged;
  if ((marks & Mark.unflagged) !== 0) flags &= ~Flag.flagged;
  return flags;
}

/** Header, empty line and body as the session sees them: what `edit` made of it, else what the mailbox holds. */
export function contentOf(session: Session, slot: number): Uint8Array {
  return session.edited.get(slot) ?? session.box.content(slot);
}

/** The header alone, the empty line included. */
export function headerOf(session: Session, slot: number): Uint8Array {
  const edited = session.edited.get(slot);
  return edited === undefined ? session.box.header(slot) : edited.subarray(0, headerSizeOf(edited));
}

/** The session with the mail that came in meanwhile, and without what other programs took away. */
export function takeIn(session: Session, removed: readonly number[]): Session {
  const count = session.box.length;
  const marks = new Uint16Array(count);
  marks.set(session.marks);
  const grown: Session = { ...session, count, marks };
  const next = apply(grown, [{ slots: removed, set: Mark.gone }]);
  return { ...next, dot: next.dot === 0 ? firstCurrent(next) : defaultMessage(next) || next.dot };
}
