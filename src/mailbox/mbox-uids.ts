/**
 * UIDs of an open mbox: given when somebody asks, and on disk before they are told.
 *
 * Line mode never asks, so that a small mailbox costs no index. Several processes may have the same mailbox open; what
 * one of them has written to the index was told to somebody, and counts for the others too.
 */
import type { Fingerprint } from './fingerprint.ts';
import { type IndexFile, indexPath, readIndex, writeIndex } from './index-file.ts';
import type { MailboxContext } from './mailbox.ts';
import { identities } from './mbox-commit.ts';
import type { Rows } from './rows.ts';
import { assignUids, matchByIdentity, type UidState } from './uids.ts';

/** From this size on, the index is kept even if nobody asked for UIDs: it saves the scan at the next start. */
const WORTH_AN_INDEX = 256 << 10;

export class MboxUids {
  readonly #context: MailboxContext;
  /** Undefined: there is no index, UIDs are the same in every session as long as the file is. */
  readonly #path: string | undefined;
  #state: UidState | undefined;
  /** All UIDs in the rows are on disk, or cannot be put there. */
  #saved = false;
  /** What the index on disk was made from; undefined when there is none. */
  #print: Fingerprint | undefined;
  /** Which file the index was when it was last read or written. */
  #seen = '';

  constructor(context: MailboxContext, canonical: string | undefined) {
    this.#context = context;
    this.#path = canonical === undefined ? undefined : indexPath(context.stateDir, canonical);
  }

  /** Reads the index. */
  load(): IndexFile | undefined {
    const index = this.#read();
    if (index === undefined) return undefined;
    this.#state = { uidValidity: index.uidValidity, uidNext: index.uidNext };
    this.#saved = true;
    this.#print = index.print;
    return index;
  }

  #read(): IndexFile | undefined {
    if (this.#path === undefined) return undefined;
    this.#seen = this.#onDisk();
    return this.#seen === '' ? undefined : readIndex(this.#context.disk, this.#path);
  }

  /** Says which file the index is; '' when there is none. */
  #onDisk(): string {
    if (this.#path === undefined) return '';
    try {
      const stat = this.#context.disk.stat(this.#path);
      return stat === undefined ? '' : `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
    } catch {
      return '';
    }
  }

  /**
   * Rows that are gone as another process knows, which wrote the index since: an equal message that the file holds is
   * another one, that came later.
   */
  goneForOthers(rows: Rows): ReadonlySet<number> {
    const gone = new Set<number>();
    if (this.#state === undefined || this.#path === undefined || this.#onDisk() === this.#seen) return gone;
    const theirs = readIndex(this.#context.disk, this.#path);
    if (theirs === undefined || theirs.uidValidity !== this.#state.uidValidity) return gone;
    const there = new Set<number>();
    for (let row = 0; row < theirs.rows.length; row++) there.add(theirs.rows.uid(row));
    for (let row = 0; row < rows.length; row++) {
      const uid = rows.uid(row);
      if (uid !== 0 && uid < theirs.uidNext && !there.has(uid)) gone.add(row);
    }
    return gone;
  }

  /** The file has other rows: those that were there keep their UIDs, if they have any yet. */
  carry(before: Rows, rows: Rows, match: Int32Array): void {
    if (this.#state === undefined) return;
    const known = new Uint32Array(match.length);
    for (let row = 0; row < match.length; row++) {
      const old = match[row] ?? -1;
      if (old >= 0) known[row] = before.uid(old);
    }
    this.#assign(rows, known, this.#state);
  }

  #assign(rows: Rows, known: Uint32Array, state: UidState): void {
    const { uids, ...after } = assignUids(known, state, this.#context.now() / 1000);
    if (after.uidNext !== state.uidNext || after.uidValidity !== state.uidValidity) this.#saved = false;
    for (let row = 0; row < uids.length; row++) {
      if (rows.uid(row) === uids[row]) continue;
      this.#saved = false;
      rows.setUid(row, uids[row] ?? 0);
    }
    this.#state = after;
  }

  /** Gives UIDs to all rows and puts them on disk, so that they may be told. `print`: the file the rows are of. */
  promise(rows: Rows, print: Fingerprint | undefined): UidState {
    if (this.#state === undefined) this.#assign(rows, new Uint32Array(rows.length), this.#first(print));
    if (!this.#saved) this.#save(rows, print);
    return this.#state ?? this.#first(print);
  }

  #first(print: Fingerprint | undefined): UidState {
    const now = Math.floor(this.#context.now() / 1000);
    const made = print === undefined ? now : Number(print.mtimeNs / 1_000_000_000n);
    return { uidValidity: Math.max(1, (this.#path === undefined ? made : now) % 0xffff_ffff), uidNext: 1 };
  }

  #save(rows: Rows, print: Fingerprint | undefined): void {
    // When it fails, the state folder cannot be written, and trying again and again would not help.
    this.#saved = true;
    if (this.#path === undefined || print === undefined) return;
    if (this.#onDisk() !== this.#seen) this.#heedOthers(rows);
    const state = this.#state ?? this.#first(print);
    if (this.#state === undefined) this.#assign(rows, new Uint32Array(rows.length), state);
    this.#saved = true;
    if (writeIndex(this.#context.disk, this.#path, { print, rows, ...(this.#state ?? state) })) this.#print = print;
    this.#seen = this.#onDisk();
  }

  /** Another process wrote the index: its UIDs hold, and those we have not written yet are given anew. */
  #heedOthers(rows: Rows): void {
    const theirs = this.#read();
    if (theirs === undefined) return;
    const { uidValidity, uidNext } = theirs;
    const state = this.#state;
    if (state !== undefined && state.uidValidity > uidValidity) return;
    const match = matchByIdentity(identities(theirs.rows), identities(rows));
    const known = Uint32Array.from(match, (old) => (old < 0 ? 0 : theirs.rows.uid(old)));
    const next = state?.uidValidity === uidValidity ? Math.max(uidNext, state.uidNext) : uidNext;
    this.#assign(rows, known, { uidValidity, uidNext: next });
  }

  /** The file was changed by us: an index that there is follows. */
  changed(rows: Rows, print: Fingerprint): void {
    if (this.#print !== undefined) this.#save(rows, print);
  }

  /** At the end: writes the index when it helps the next session. */
  close(rows: Rows, print: Fingerprint | undefined): void {
    if (print === undefined) return;
    if (this.#print === undefined ? print.size < WORTH_AN_INDEX : this.#saved && samePrint(this.#print, print)) return;
    this.#save(rows, print);
  }
}

function samePrint(a: Fingerprint, b: Fingerprint): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.ino === b.ino && a.dev === b.dev;
}
