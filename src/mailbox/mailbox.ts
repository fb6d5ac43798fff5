/**
 * The one interface to a store of messages, whatever its form (mbox, Maildir, compressed mbox).
 *
 * Messages have *slots*: numbers from 0 in mailbox order that keep their meaning as long as the mailbox is open. New mail
 * gets slots at the end; a message that is gone (removed here or by another program) keeps its slot and is `gone`.
 * What a session shows as message 3 is slot 2, to the end of the session.
 *
 * Nothing is locked between calls. Reading takes a short lock to see a consistent file; `commit` and `append` take the
 * write locks (lock.ts), finish what a crash left behind (journal.ts), look at what other programs did, and only then
 * change anything. After a crash at any point the mailbox holds the old messages or the new ones.
 */
import type { Disk } from '../core/files.ts';

/** Unique for ever within one UIDVALIDITY of a mailbox; ascending in mailbox order (RFC 9051 2.3.1.1). */
export type Uid = number & { readonly unit: 'uid' };

/** Flags of a message as a bit set; stored as `Status` and `X-Status` in mbox, as info letters in Maildir. */
export const Flag = {
  /** `R` in Status; \Seen. */
  read: 1,
  /** `O` in Status: not new, some session has listed it. */
  old: 2,
  /** `A` in X-Status; \Answered. */
  answered: 4,
  /** `F` in X-Status; \Flagged. */
  flagged: 8,
  /** `T` in X-Status; \Draft. */
  draft: 16,
  /** `D` in X-Status; \Deleted, as IMAP clients set it. Not what mailx calls deleted. */
  deleted: 32,
} as const;
export type Flags = number;

export interface MessageInfo {
  readonly uid: Uid;
  readonly flags: Flags;
  /** From X-Keywords or the Maildir keyword file. */
  readonly keywords: readonly string[];
  /** Octets of the message as stored: header, empty line, body; without From_ line and separator. */
  readonly size: number;
  /** Lines of the same. */
  readonly lines: number;
  /** Octets of the header, the empty line included. */
  readonly headerSize: number;
  /** When it was delivered, in seconds since 1970 (the From_ line's date, a Maildir file's mtime); undefined: unreadable. */
  readonly received: number | undefined;
  /** The envelope sender in the From_ line or Return-Path; '' when unknown. */
  readonly sender: string;
  /** No longer in the mailbox. Content cannot be read any more. */
  readonly gone: boolean;
}

/** What refresh or commit found that others had done. */
export interface Others {
  /** Slots of messages that are new at the end. */
  readonly added: readonly number[];
  /** Slots that other programs removed. */
  readonly removed: readonly number[];
  /** Slots whose flags or keywords other programs changed. */
  readonly flagged: readonly number[];
}

/** What `commit` shall do, all of it or nothing. Slots not named stay as they are, byte for byte. */
export interface Changes {
  readonly remove?: readonly number[];
  /** New flags by slot. */
  readonly flags?: ReadonlyMap<number, Flags>;
  readonly keywords?: ReadonlyMap<number, readonly string[]>;
  /** New content by slot: header, empty line, body. The From_ line stays. */
  readonly replace?: ReadonlyMap<number, Uint8Array>;
  /** Put in front of the first message (mailx without `append`). */
  readonly prepend?: readonly NewMessage[];
  /** When no message is left: remove the file (the default for nobody), or cut it to length 0. */
  readonly whenEmpty?: 'remove' | 'cut';
  /** Called under the lock, when all is known and before anything is changed; what it throws stops the commit.
   *  `mbox` and the undo store are written here, so that a crash leaves a message twice, never not at all. */
  readonly before?: (others: Others) => void | Promise<void>;
}

export interface CommitResult {
  readonly others: Others;
  /** Slots that `remove`, `flags` or `replace` named and that were no longer there: another program was faster. */
  readonly missing: readonly number[];
  /** Slots that `remove` named and that were left: what is there may be an equal message that nobody was shown. */
  readonly kept?: readonly number[];
}

/** A message to put into a mailbox. */
export interface NewMessage {
  /** Header, empty line, body, with LF or CRLF ends; `Status` and its like in it are what shall be stored. */
  readonly content: Uint8Array;
  /** For the From_ line. */
  readonly sender: string;
  /** Seconds since 1970. */
  readonly received: number;
  /** The From_ line to be kept byte for byte (moving between mailboxes), without line end; else one is made. */
  readonly fromLine?: Uint8Array;
  /** True when body lines that look like From_ lines must be quoted, mboxrd style (delivery, sending). Content that
   *  comes out of another mbox is in that form already. */
  readonly quote: boolean;
}

/** Bytes that come by parts, each good only until `put` returns. */
export interface ByParts {
  readonly length: number;
  copy(put: (part: Uint8Array) => void): void;
}

export interface Mailbox {
  readonly location: Location;
  /** Why it cannot be changed; undefined when it can. */
  readonly readOnly: string | undefined;
  /** Slots in use. */
  readonly length: number;
  readonly uidValidity: number;
  readonly uidNext: Uid;
  /** Things to tell the user about this mailbox: a stale lock removed, a damaged separator, a journal finished. */
  readonly notes: readonly string[];

  info(slot: number): MessageInfo;
  /** The flags that `info` would tell; cheap, for passes over all messages. */
  flags?(slot: number): Flags;
  /** The flags of all messages by slot, in one go; undefined when this mailbox has none at hand. */
  allFlags?(): Uint8Array | undefined;
  /** Header as stored, the empty line included. */
  header(slot: number): Uint8Array;
  /** Header, empty line and body of the message, From_ quoting taken off where this program put it on. */
  content(slot: number): Uint8Array;
  /** The first `limit` octets of the content: for previews of large messages. */
  head(slot: number, limit: number): Uint8Array;
  /** As stored, for moving: the From_ line without line end, and the content byte for byte. */
  stored(slot: number): { readonly fromLine: Uint8Array; readonly content: Uint8Array };
  /** The same for what is only copied: the content by parts, so that many large messages leave no trace in memory. */
  storedByParts?(slot: number): { readonly fromLine: Uint8Array; readonly content: ByParts };

  /** True when `remove` would leave this message, since it may be another one than was shown. Asked under the lock. */
  isDoubtful?(slot: number): boolean;

  /** Looks what other programs did since. Cheap when nothing changed. */
  refresh(): Promise<Others>;
  commit(changes: Changes): Promise<CommitResult>;
  /** Forgets the file; saves the index. Never changes a message. */
  close(): void;
}

/** Where a mailbox is. */
export type Location =
  | { readonly kind: 'mbox'; readonly path: string }
  | { readonly kind: 'compressed'; readonly path: string; readonly coding: 'gzip' | 'zstd' }
  | { readonly kind: 'maildir'; readonly path: string }
  /** One message in a file, no From_ line. */
  | { readonly kind: 'message'; readonly path: string };

/** A lock that is held. */
export interface HeldLock {
  release(): void;
}

/** Takes the locks of a mailbox file; see lock.ts for the real ones. */
export interface Locker {
  /**
   * Takes every lock that protects `path` (open as `fd`): for writing, or only against a writer while reading.
   * Waits with back-off; throws a temporary MailError that names the lock when it gives up.
   */
  lock(path: string, fd: number, purpose: 'read' | 'write'): Promise<HeldLock>;
  /** Why `path` can never be locked for writing, so that it is shown as read-only; undefined when it can. */
  whyReadOnly?(path: string): string | undefined;
}

/** What the functions of this folder need from above. */
export interface MailboxContext {
  readonly disk: Disk;
  readonly locker: Locker;
  /** Folder of the caller's own state: index/, journal/, undo/ are made below it, mode 700. */
  readonly stateDir: string;
  /** State folders in which a journal or index of `path` may lie: the caller's, the mailbox owner's, the daemon's. */
  readonly stateDirsOf: (path: string) => readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Says something the user should know while a call is under way ("waiting for the lock of process 12"). */
  readonly notify: (text: string) => void;
}
