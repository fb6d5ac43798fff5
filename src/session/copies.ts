/**
 * Copies of messages that shall move to mbox at the end, in memory: when another program takes them out of the mailbox
 * meanwhile (it was cut, or written anew), mbox gets them all the same.
 *
 * Only what this session has read or named is worth it, and only some megabytes of it: the newest copies beyond that are
 * not made.
 */
import { errnoOf, MailError } from '../core/errors.ts';
import type { NewMessage } from '../mailbox/mailbox.ts';
import type { CommandContext } from './command.ts';
import { withFlags } from './filed.ts';
import { flagsNow, Mark, type Session } from './session.ts';

/** Octets that all copies together may have. */
const LIMIT = 16 << 20;

interface Copy {
  readonly fromLine: Uint8Array;
  readonly content: Uint8Array;
}

export interface Copies {
  /** The mailbox they are of. */
  readonly box: Session['box'];
  readonly bySlot: Map<number, Copy>;
  octets: number;
}

/** What sends a message to mbox. */
const WANTED = Mark.read | Mark.mbox | Mark.touched;

/** After a command: copies what it marked for mbox. */
export function keepCopies(context: CommandContext, before: Session): void {
  const { session } = context;
  const { box } = session;
  if (!session.system || before.marks === session.marks || before.box !== box) return;
  if (context.copies?.box !== box) context.copies = { box, bySlot: new Map(), octets: 0 };
  const { copies } = context;
  for (let slot = 0; slot < session.count && copies.octets < LIMIT; slot++) {
    const fresh = (session.marks[slot] ?? 0) & ~(before.marks[slot] ?? 0) & WANTED;
    if (fresh === 0 || copies.bySlot.has(slot) || box.info(slot).size > LIMIT - copies.octets) continue;
    try {
      const copy = box.stored(slot);
      copies.bySlot.set(slot, copy);
      copies.octets += copy.content.length;
    } catch (error) {
      // It is gone already, or cannot be read: then there is none.
      if (!(error instanceof MailError) && errnoOf(error) === undefined) throw error;
      return;
    }
  }
}

/** The message in a slot as mbox is to have it, out of its copy; undefined when there is none. */
export function copiedMessage({ session, copies }: CommandContext, slot: number): NewMessage | undefined {
  const copy = copies?.box === session.box ? copies.bySlot.get(slot) : undefined;
  if (copy === undefined) return undefined;
  const { sender, received } = session.box.info(slot);
  const edited = session.edited.get(slot);
  return {
    fromLine: copy.fromLine,
    content: withFlags(edited ?? copy.content, flagsNow(session, slot)),
    sender,
    received: received ?? 0,
    quote: edited !== undefined,
  };
}
