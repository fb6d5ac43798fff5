/**
 * An mbox file as a Mailbox.
 *
 * What is known of the file are its rows (rows.ts) and the fingerprint of the file they were read from. Before anything
 * is read, the file is compared with it; when another program has changed the file, it is scanned again, and each slot
 * finds its message again by identity, or is gone: never is one message's content given for another's. `commit` does
 * the same under the locks, and only then changes anything.
 *
 * Slots and rows differ: slots keep their meaning for the life of this object, rows are the file as it is now.
 */
import { dirname } from 'node:path';
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import type { FileStat } from '../core/files.ts';
import { type Fingerprint, fingerprint, onlyAppended, sameFile } from './fingerprint.ts';
import { makeFromLine } from './from-line.ts';
import { pendingJournal, recover, rewrite } from './journal.ts';
import { MovedError } from './lock.ts';
import type {
  ByParts,
  Changes,
  CommitResult,
  Flags,
  HeldLock,
  Location,
  Mailbox,
  MailboxContext,
  MessageInfo,
  Others,
  Uid,
} from './mailbox.ts';
import { followRows, identities, planCommit, type RowChanges, storedMessage } from './mbox-commit.ts';
import { type LookUps, RowInfo, senderOf } from './mbox-info.ts';
import { FileReader } from './mbox-reader.ts';
import { isHidden, Slots } from './mbox-slots.ts';
import { MboxUids } from './mbox-uids.ts';
import { unquoteFrom } from './quoting.ts';
import { readRows } from './read-rows.ts';
import { RowBit, Rows } from './rows.ts';
import { keywordsOf } from './status.ts';
import { matchByIdentity } from './uids.ts';

/** A file changed so recently (nanoseconds) could change again without its times telling. */
const RACY_NS = 50_000_000n;
const NOBODY: ReadonlySet<number> = new Set();
const NOTHING: Others = { added: [], removed: [], flagged: [] };

/** How a mailbox file was opened. */
export interface OpenFile {
  readonly fd: number;
  /** Why it cannot be changed; undefined when it can. */
  readonly readOnly: string | undefined;
}

export class MboxMailbox implements Mailbox, LookUps {
  readonly location: Location;
  readonly readOnly: string | undefined;
  readonly notes: string[] = [];
  readonly #context: MailboxContext;
  readonly #path: string;
  /** Where the bytes are read from: the path, or a temporary file with what it holds (compressed.ts). */
  readonly #reader: FileReader;
  readonly #slots = new Slots();
  readonly #uids: MboxUids;
  #fd: number | undefined;
  #rows = new Rows();
  /** Undefined when the file is not there. */
  #print: Fingerprint | undefined;
  /** Rows were read from the file as it is, not from the index. */
  #scanned = false;
  /** A commit holds the lock, has looked at the file, and will look again before it changes anything. */
  #committing = false;

  /** For open.ts and compressed.ts; `load` must follow. `indexed`: the file has an index of its own. */
  constructor(context: MailboxContext, location: Location, file: OpenFile, indexed: boolean) {
    this.#context = context;
    this.location = location;
    // Locks and journals go by the real name, whatever link leads to it.
    this.#path = context.disk.realpath(location.path);
    this.#fd = file.fd;
    this.readOnly = file.readOnly;
    this.#reader = new FileReader(context.disk);
    this.#uids = new MboxUids(context, indexed ? this.#path : undefined);
  }

  get length(): number {
    return this.#slots.length;
  }
  get uidValidity(): number {
    return this.#uids.promise(this.#rows, this.#print).uidValidity;
  }
  get uidNext(): Uid {
    return this.#uids.promise(this.#rows, this.#print).uidNext as Uid;
  }

  /** Reads the file in for the first time; the caller holds a lock, or knows that nobody writes. */
  load(): void {
    const fd = this.#need();
    const { disk } = this.#context;
    const stat = disk.fstat(fd);
    const index = this.#uids.load();
    if (index !== undefined) {
      this.#rows = index.rows;
      this.#print = index.print;
    }
    if (this.#print === undefined || !sameFile(this.#print, stat)) this.#reread(fd, stat);
    this.#slots.start(this.#rows);
    this.#reader.use(fd);
    if (isUndated(this.#rows)) {
      const what = 'messages are parted by From_ lines without a date; other programs may not see them';
      this.notes.push(`${this.location.path}: ${what}`);
    }
  }

  // ---- reading

  info(slot: number): MessageInfo {
    const row = this.#slots.rowOf(slot);
    return row < 0 ? this.#slots.goneAt(slot) : new RowInfo(this, slot, this.#rows, row);
  }

  flags(slot: number): Flags {
    const row = this.#slots.rowOf(slot);
    return row < 0 ? this.#slots.goneAt(slot).flags : this.#rows.flags(row);
  }

  allFlags(): Uint8Array | undefined {
    const { firstRow } = this.#slots;
    return firstRow === undefined ? undefined : this.#rows.allFlags(firstRow);
  }

  /** The parts of MessageInfo that cost something, for RowInfo. */
  uidOf(slot: number): Uid {
    this.#uids.promise(this.#rows, this.#print);
    const row = this.#slots.rowOf(slot);
    return row < 0 ? this.#slots.goneAt(slot).uid : (this.#rows.uid(row) as Uid);
  }
  keywordsAt(slot: number): readonly string[] {
    const row = this.#slots.rowOf(slot);
    if (row < 0 || (this.#rows.bits(row) & RowBit.keywords) === 0) return [];
    return keywordsOf(this.header(slot));
  }
  fromLineAt(slot: number): Uint8Array {
    return this.#fromLine(this.#current(slot));
  }

  #fromLine(row: number): Uint8Array {
    const line = this.#reader.near(this.#rows.offset(row), this.#rows.fromSize(row));
    let end = line.length;
    if (end > 0 && line[end - 1] === 10) end--;
    if (end > 0 && line[end - 1] === 13) end--;
    return line.subarray(0, end);
  }

  header(slot: number): Uint8Array {
    const row = this.#current(slot);
    return this.#reader.near(this.#rows.start(row), this.#rows.headerSize(row));
  }

  content(slot: number): Uint8Array {
    const row = this.#current(slot);
    const bytes = this.#whole(slot);
    return (this.#rows.bits(row) & RowBit.quoted) !== 0 ? unquoteFrom(bytes) : bytes;
  }

  head(slot: number, limit: number): Uint8Array {
    const row = this.#current(slot);
    if (limit >= this.#rows.size(row)) return this.content(slot);
    const quoted = (this.#rows.bits(row) & RowBit.quoted) !== 0;
    // Taking quotes off makes text shorter: what they may cost is read as well.
    const size = Math.min(this.#rows.size(row), quoted ? limit + (limit >> 2) + 64 : limit);
    const bytes = this.#reader.near(this.#rows.start(row), size);
    return quoted ? unquoteFrom(bytes).subarray(0, limit) : bytes;
  }

  stored(slot: number): { readonly fromLine: Uint8Array; readonly content: Uint8Array } {
    const row = this.#current(slot);
    const content = this.#reader.read(this.#rows.start(row), this.#rows.size(row));
    return { fromLine: this.#fromLineOf(slot, row), content };
  }

  storedByParts(slot: number): { readonly fromLine: Uint8Array; readonly content: ByParts } {
    // Under the lock of a commit, which looks at the file once more before it goes on.
    const row = this.#committing ? this.#rowOf(slot) : this.#current(slot);
    const [from, length] = [this.#rows.start(row), this.#rows.size(row)];
    const copy: ByParts['copy'] = (put) => this.#reader.parts(from, length, put);
    return { fromLine: this.#fromLineOf(slot, row), content: { length, copy } };
  }

  /** As it is, or one that says the same when there is none. */
  #fromLineOf(slot: number, row: number): Uint8Array {
    if (this.#rows.fromSize(row) > 0) return this.#fromLine(row);
    const { sender, received } = this.info(slot);
    return Buffer.from(makeFromLine(sender, received ?? 0));
  }

  /** Without a From_ line: who the header says it is from, and when the file was written. */
  envelopeOf(slot: number): { sender: string; received: number | undefined } | undefined {
    const row = this.#current(slot);
    if (this.#rows.fromSize(row) > 0) return undefined;
    const received = this.#print === undefined ? undefined : Number(this.#print.mtimeNs / 1_000_000_000n);
    return { sender: senderOf(this.header(slot)), received };
  }

  #whole(slot: number): Uint8Array {
    const row = this.#current(slot);
    return this.#reader.read(this.#rows.start(row), this.#rows.size(row));
  }

  /** The row of a slot in the file as it is at this moment; throws when the message is gone. */
  #current(slot: number): number {
    this.#notice();
    return this.#rowOf(slot);
  }

  #rowOf(slot: number): number {
    const row = this.#slots.rowOf(slot);
    if (row >= 0) return row;
    this.#slots.goneAt(slot);
    throw new MailError(`message ${slot + 1} is no longer in ${this.#path}`, { temporary: false });
  }

  /** Scans again when another program changed the file. Without a lock: what looks gone may come back. */
  #notice(): void {
    if (this.#fd === undefined) return;
    const stat = this.#context.disk.fstat(this.#fd);
    if (this.#print !== undefined && sameFile(this.#print, stat)) return;
    if (this.location.kind === 'mbox' && pendingJournal(this.#context, this.#path)) {
      throw new MailError(`${this.#path} is being changed by another program: try again`, { temporary: true });
    }
    this.#adopt(this.#fd, stat);
  }

  #need(): number {
    if (this.#fd === undefined) throw new MailError(`${this.#path}: No such file or directory`, { temporary: false });
    return this.#fd;
  }

  // ---- following the file

  /** Makes rows and fingerprint those of the file; returns the rows from before and, for each new row, the old one. */
  #reread(fd: number, stat: FileStat): { before: Rows; match: Int32Array } {
    const { disk } = this.#context;
    const before = this.#rows;
    const appended =
      before.length > 0 && this.#print !== undefined && onlyAppended(this.#print, disk, fd, stat) && !this.#isMmdf();
    const known = appended && before.length > 1 ? before.length - 1 : 0;
    const rows = before.head(known);
    const racy = BigInt(Math.floor(this.#context.now())) * 1_000_000n - stat.mtimeNs < RACY_NS;
    const print = fingerprint(disk, fd, stat);
    this.#read(fd, stat.size, rows, known > 0 ? before.offset(known) : 0);
    const match = matchByIdentity(identities(before), identities(rows));
    if (!appended) {
      const gone = this.#uids.goneForOthers(before);
      if (gone.size > 0) for (let row = 0; row < match.length; row++) if (gone.has(match[row] ?? -1)) match[row] = -1;
    }
    this.#rows = rows;
    this.#print = print;
    this.#scanned = !racy && (known === 0 || this.#scanned);
    this.#reader.use(fd);
    this.#uids.carry(before, this.#rows, match);
    return { before, match };
  }

  #isMmdf(): boolean {
    return this.#rows.length > 0 && this.#rows.fromSize(0) > 0 && this.readOnly?.includes('MMDF') === true;
  }

  #read(fd: number, size: number, rows: Rows, from: number): void {
    readRows(this.#context.disk, this.location, fd, size, rows, from);
  }

  /** Takes over the file as it is now: slots find their messages again. */
  #adopt(fd: number, stat: FileStat): Others {
    const { before, match } = this.#reread(fd, stat);
    return this.#slots.follow(before, this.#rows, match, NOBODY);
  }

  /** All messages are gone: the file is not there. */
  #vanish(final: ReadonlySet<number> = NOBODY): Others {
    const before = this.#rows;
    this.#rows = new Rows();
    this.#print = undefined;
    return this.#slots.follow(before, this.#rows, new Int32Array(0), final);
  }

  // ---- locks and the file behind the path

  /** Locks the file that is at the path now, opening it anew when it was replaced; undefined when there is none. */
  async #lock(purpose: 'read' | 'write'): Promise<{ fd: number; lock: HeldLock } | undefined> {
    for (let round = 0; ; round++) {
      const fd = this.#reopen();
      if (fd === undefined) return undefined;
      try {
        return { fd, lock: await this.#context.locker.lock(this.#path, fd, purpose) };
      } catch (error) {
        if (!(error instanceof MovedError) || round >= 20) throw error;
      }
    }
  }

  /** The fd of the file at the path: the one we have, or a new one when another file is there now. */
  #reopen(): number | undefined {
    const { disk } = this.#context;
    const there = disk.stat(this.#path);
    if (this.#fd !== undefined) {
      const ours = disk.fstat(this.#fd);
      if (there !== undefined && there.ino === ours.ino && there.dev === ours.dev) return this.#fd;
      disk.close(this.#fd);
      this.#fd = undefined;
      this.#reader.use(undefined);
    }
    if (there === undefined) return undefined;
    try {
      this.#fd = disk.open(this.#path, this.readOnly === undefined ? 'write' : 'read');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw new MailError(`${this.#path}: ${reasonOf(error)}`, { temporary: true, cause: error });
    }
    return this.#fd;
  }

  #unchangedAtPath(): boolean {
    const { disk } = this.#context;
    const there = disk.stat(this.#path);
    if (there === undefined) return this.#print === undefined;
    return this.#print !== undefined && sameFile(this.#print, there);
  }

  async refresh(): Promise<Others> {
    if (this.location.kind === 'compressed' || this.#unchangedAtPath()) return NOTHING;
    // A change that a crash interrupted is finished first.
    const finish = this.readOnly === undefined && pendingJournal(this.#context, this.#path);
    const held = await this.#lock(finish ? 'write' : 'read');
    if (held === undefined) return this.#vanish();
    try {
      if (finish) this.notes.push(...recover(this.#context, this.#path, held.fd).notes);
      return this.#adopt(held.fd, this.#context.disk.fstat(held.fd));
    } finally {
      held.lock.release();
    }
  }

  async commit(changes: Changes): Promise<CommitResult> {
    if (this.readOnly !== undefined) throw new UserError(`${this.#path} was not changed: ${this.readOnly}`);
    const held = await this.#lock('write');
    if (held === undefined) {
      const others = this.#vanish();
      await changes.before?.(others);
      if (changes.prepend !== undefined && changes.prepend.length > 0) {
        throw new MailError(`${this.#path} is not there any more`, { temporary: true });
      }
      return { others, missing: named(changes) };
    }
    try {
      return await this.#change(held.fd, changes);
    } finally {
      held.lock.release();
    }
  }

  async #change(fd: number, changes: Changes): Promise<CommitResult> {
    const { disk } = this.#context;
    const recovered = recover(this.#context, this.#path, fd);
    this.notes.push(...recovered.notes);
    if (recovered.kind === 'unreadable') throw new MailError(recovered.notes.join(' '), { temporary: true });
    const stat = disk.fstat(fd);
    // Rows out of the index or of a file that was just being written are not good enough to cut a file by.
    if (!this.#scanned) this.#print = undefined;
    const same = this.#print !== undefined && sameFile(this.#print, stat);
    const others = same ? NOTHING : this.#adopt(fd, stat);
    const missing = named(changes).filter((slot) => this.#slots.rowOf(slot) < 0);
    const kept = (changes.remove ?? []).filter((slot) => this.#slots.rowOf(slot) >= 0 && this.isDoubtful(slot));
    this.#committing = true;
    try {
      await changes.before?.(others);
    } finally {
      this.#committing = false;
    }
    if (this.#print === undefined || !sameFile(this.#print, disk.fstat(fd))) {
      throw new MailError(`${this.#path} was changed by a program that does not lock it`, { temporary: true });
    }

    const rowChanges = this.#toRows(changes);
    const header = (row: number): Uint8Array => this.#reader.near(this.#rows.start(row), this.#rows.headerSize(row));
    const plan = planCommit(this.#rows, stat.size, rowChanges, header);
    if (!plan.changed) return { others, missing, kept };
    const final = new Set((changes.remove ?? []).filter((slot) => this.#mayRemove(slot)));
    if (plan.rest === 0 && changes.whenEmpty === 'remove' && this.#remove(final)) return { others, missing, kept };
    rewrite(this.#context, this.#path, fd, stat.size, plan.pieces);
    this.#written(fd, stat, rowChanges, plan.firstMoved, final);
    return { others, missing, kept };
  }

  isDoubtful(slot: number): boolean {
    return this.#slots.isDoubtful(slot);
  }

  #mayRemove(slot: number): boolean {
    return this.#slots.rowOf(slot) >= 0 && !this.isDoubtful(slot);
  }

  /** The changes by row; what names messages that are gone is left out. */
  #toRows(changes: Changes): RowChanges {
    const byRow = <T>(map: ReadonlyMap<number, T> | undefined): Map<number, T> => {
      const result = new Map<number, T>();
      for (const [slot, value] of map ?? []) {
        const row = this.#slots.rowOf(slot);
        if (row >= 0) result.set(row, value);
      }
      return result;
    };
    const remove = new Set<number>();
    for (const slot of changes.remove ?? []) if (this.#mayRemove(slot)) remove.add(this.#slots.rowOf(slot));
    return {
      remove,
      flags: byRow(changes.flags),
      keywords: byRow(changes.keywords),
      replace: byRow(changes.replace),
      prepend: (changes.prepend ?? []).map(storedMessage),
    };
  }

  /** Takes the empty mailbox away; false when the folder cannot be written. */
  #remove(final: ReadonlySet<number>): boolean {
    const { disk } = this.#context;
    try {
      disk.unlink(this.#path);
    } catch {
      return false;
    }
    disk.syncDir(dirname(this.#path));
    const print = this.#print;
    this.#vanish(final);
    // The index keeps the UIDs that were used, for the mailbox that will be there again.
    if (print !== undefined) this.#uids.changed(this.#rows, { ...print, size: 0 });
    return true;
  }

  /** The file was rewritten: rows follow, by place where nothing moved, else by a scan of the part that did. */
  #written(
    fd: number,
    statBefore: FileStat,
    changes: RowChanges,
    firstMoved: number,
    final: ReadonlySet<number>,
  ): void {
    const { disk } = this.#context;
    const before = this.#rows;
    const { size } = disk.fstat(fd);
    const known = Math.min(firstMoved, before.length);
    const from = known > 1 && changes.prepend.length === 0 ? known - 1 : 0;
    const rows = before.head(firstMoved === Number.POSITIVE_INFINITY ? before.length : from);
    for (const [row, flags] of changes.flags) if (row < rows.length) rows.setFlags(row, flags & 63);
    if (firstMoved !== Number.POSITIVE_INFINITY) this.#read(fd, size, rows, from > 0 ? before.offset(from) : 0);
    const match = followRows(before, rows, changes);
    // What has other content is another message to those who go by UIDs.
    for (const row of changes.replace.keys()) before.setUid(row, 0);
    this.#rows = rows;
    const print = fingerprint(disk, fd, disk.fstat(fd));
    // Behind the last look at the file: reading sets the access time again.
    this.#setTimes(fd, statBefore);
    const { mtimeNs, ctimeNs = mtimeNs } = disk.fstat(fd);
    this.#print = { ...print, mtimeNs, ctimeNs };
    this.#reader.use(fd);
    this.#uids.carry(before, this.#rows, match);
    this.#slots.follow(before, rows, match, final);
    this.#uids.changed(rows, this.#print);
  }

  /** Leaves the times so that mail checkers, which take atime < mtime for new mail, tell the truth. */
  #setTimes(fd: number, before: FileStat): void {
    const { disk } = this.#context;
    let fresh = false;
    for (let row = 0; row < this.#rows.length && !fresh; row++)
      fresh = (this.#rows.flags(row) & 2) === 0 && !isHidden(this.#rows, row);
    const { mtimeNs } = disk.fstat(fd);
    const atimeNs = fresh ? (before.atimeNs < mtimeNs ? before.atimeNs : mtimeNs - 1_000_000_000n) : mtimeNs;
    try {
      disk.setTimes(fd, atimeNs, mtimeNs);
    } catch {
      // Only the owner may; the mailbox is as it should be all the same.
    }
  }

  close(): void {
    this.#uids.close(this.#rows, this.#print);
    if (this.#fd !== undefined) this.#context.disk.close(this.#fd);
    this.#fd = undefined;
    this.#reader.use(undefined);
  }
}

/** Whether some of the first messages have a From_ line without a date: then most have. */
function isUndated(rows: Rows): boolean {
  for (let row = 0; row < Math.min(rows.length, 100); row++) if ((rows.bits(row) & RowBit.undated) !== 0) return true;
  return false;
}

/** Slots that changes name. */
function named({ remove = [], flags, keywords, replace }: Changes): number[] {
  const slots = new Set(remove);
  for (const map of [flags, keywords, replace]) for (const slot of map?.keys() ?? []) slots.add(slot);
  return [...slots].sort((a, b) => a - b);
}
