/**
 * The mailx session that all faces share: one immutable value, changed by making a new one.
 *
 * Nothing here touches a mailbox. A command takes a Session and gives the next; `undo` goes back to an earlier one; what
 * the end of the session does to the mailbox is decided by planQuit (quit.ts) from the last one.
 */
import type { Location, Mailbox } from '../mailbox/mailbox.ts';

/** What this session did to a message, as a bit set. The mailbox knows nothing of it before the end. */
export const Mark = {
  /** Read this time: print, type, next, top, pipe, copy, undelete, reply. */
  read: 1,
  /** Listed or printed as the current message already; Enter goes on to the next. */
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
  /** Content that `edit` changed, by slot. */
  readonly edited: ReadonlyMap<number, Uint8Array>;
}
