/**
 * What becomes of each message at the end of a session: decided by a pure function, carried out by another.
 *
 * The rules (POSIX mailx, "quit"), first match counts:
 *
 *     deleted                          gone
 *     not a system mailbox             stays
 *     hold, preserve                   stays
 *     mbox                             to mbox
 *     saved or written, no `keepsave`  gone
 *     read, saved or touched now       to mbox; with `set hold` it stays
 *     anything else                    stays
 *
 * Carrying out keeps the order in which nothing can be lost: under the lock of the mailbox, mbox and the undo store are
 * written and synced before the mailbox is changed; a crash leaves a message twice, never not at all.
 */
import type { Flags } from '../mailbox/mailbox.ts';
import { flagsNow, hasMark, Mark, type Marks, type Session, storedFlags } from './session.ts';
import { isSet } from './settings.ts';
import { words } from './words/en.ts';

export type Fate = 'stays' | 'gone' | 'mbox';

export interface QuitPlan {
  /** Slots that leave the mailbox for good: deleted, or saved elsewhere. Ascending, like the others. */
  readonly gone: readonly number[];
  /** Slots that move to mbox. */
  readonly toMbox: readonly number[];
  /** New flags of what stays or moves, where they differ from what is stored. */
  readonly flags: ReadonlyMap<number, Flags>;
  /** Content that `edit` changed, of what stays. */
  readonly replace: ReadonlyMap<number, Uint8Array>;
  /** Slots that another program took away though they were to move to mbox. */
  readonly rescue: readonly number[];
  /** How many of `gone` were deleted; the rest was saved. */
  readonly deleted: number;
  readonly stay: number;
  /** Slots beyond the session: mail that came and was not taken in. */
  readonly arrived: number;
}

const BUSY = Mark.read | Mark.touched;

function fateOf(marks: Marks, system: boolean, hold: boolean, keepsave: boolean): Fate {
  if ((marks & Mark.deleted) !== 0) return 'gone';
  if (!system || (marks & Mark.held) !== 0) return 'stays';
  if ((marks & Mark.mbox) !== 0) return 'mbox';
  const busy = (marks & BUSY) !== 0;
  // Saving touches; who made the message unread again after that wants to have it here.
  const saved = (marks & Mark.saved) !== 0 && (busy || (marks & Mark.unread) === 0);
  if (saved && !keepsave) return 'gone';
  return (busy || saved) && !hold ? 'mbox' : 'stays';
}

/** Sorts the messages of a session into gone, to mbox and staying. Reads flags, changes nothing. */
export function planQuit(session: Session): QuitPlan {
  const { box, marks, settings, system } = session;
  const hold = isSet(settings, 'hold');
  const keepsave = isSet(settings, 'keepsave');
  const gone: number[] = [];
  const toMbox: number[] = [];
  const flags = new Map<number, Flags>();
  const replace = new Map<number, Uint8Array>();
  const rescue: number[] = [];
  let deleted = 0;
  let stay = 0;
  for (let slot = 0; slot < session.count; slot++) {
    const mark = marks[slot] ?? 0;
    const fate = fateOf(mark, system, hold, keepsave);
    if ((mark & Mark.gone) !== 0) {
      if (fate === 'mbox') rescue.push(slot);
      continue;
    }
    if (fate === 'gone') {
      gone.push(slot);
      if ((mark & Mark.deleted) !== 0) deleted += 1;
      continue;
    }
    if (fate === 'mbox') toMbox.push(slot);
    else stay += 1;
    const now = flagsNow(session, slot);
    if (now !== storedFlags(session, slot)) flags.set(slot, now);
    const edited = session.edited.get(slot);
    if (edited !== undefined && fate === 'stays') replace.set(slot, edited);
  }
  return { gone, toMbox, flags, replace, rescue, deleted, stay, arrived: box.length - session.count };
}

/** The plan when nothing can go to mbox: what should have stays in the mailbox. */
export function withoutMbox(session: Session, plan: QuitPlan): QuitPlan {
  const replace = new Map(plan.replace);
  for (const slot of plan.toMbox) {
    const edited = session.edited.get(slot);
    if (edited !== undefined) replace.set(slot, edited);
  }
  return { ...plan, toMbox: [], rescue: [], replace, stay: plan.stay + plan.toMbox.length };
}

/** The plan without messages that another program took away before it was carried out: what it came to. */
export function withoutTaken(session: Session, plan: QuitPlan, taken: ReadonlySet<number>): QuitPlan {
  if (taken.size === 0) return plan;
  const gone = plan.gone.filter((slot) => !taken.has(slot));
  const toMbox = plan.toMbox.filter((slot) => !taken.has(slot));
  const leaving = plan.gone.length - gone.length + plan.toMbox.length - toMbox.length;
  const replace = new Map([...plan.replace].filter(([slot]) => !taken.has(slot)));
  const deleted = gone.filter((slot) => hasMark(session, slot, Mark.deleted)).length;
  return { ...plan, gone, toMbox, replace, deleted, stay: Math.max(plan.stay - (taken.size - leaving), 0) };
}

/** True when messages leave or are changed: more than that new ones become old. */
export function changesMail(plan: QuitPlan): boolean {
  return plan.gone.length + plan.toMbox.length + plan.rescue.length + plan.replace.size > 0;
}

/** True when the mailbox stays as it is, byte for byte. */
export function changesNothing(plan: QuitPlan): boolean {
  return !changesMail(plan) && plan.flags.size === 0;
}

/** The plan in one line: `2 deleted, 5 read -> ~/mbox, 7 stay`. */
export function summary(plan: QuitPlan, mbox: string): string {
  const saved = plan.gone.length - plan.deleted;
  const parts = [
    plan.deleted > 0 ? words.quitDeleted(plan.deleted) : '',
    saved > 0 ? words.quitSaved(saved) : '',
    plan.toMbox.length > 0 ? words.quitToMbox(plan.toMbox.length, mbox) : '',
    plan.replace.size > 0 ? words.quitEdited(plan.replace.size) : '',
    words.quitStay(plan.stay),
    plan.arrived > 0 ? words.quitArrived(plan.arrived) : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}
