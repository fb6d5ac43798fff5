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
import { type IndexFile, indexPath, readIndex, writeIndex } from './index-file.ts';
import { recover, rewrite } from './journal.ts';
import { MovedError } from './lock.ts';
import type {
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
import { GoneInfo, type LookUps, RowInfo, senderOf } from './mbox-info.ts';
import { FileReader } from './mbox-reader.ts';
import { unquoteFrom } from './quoting.ts';
import { readRows } from './read-rows.ts';
import { RowBit, Rows } from './rows.ts';
import { keywordsOf } from './status.ts';
import { assignUids, matchByIdentity, type UidState } from './uids.ts';

/** From this size on, the index is kept even if nobody asked for UIDs: it saves the scan at the next start. */
const WORTH_AN_INDEX = 8 << 20;
/** A file changed so recently (nanoseconds) could change again without its times telling. */
const RACY_NS = 50_000_000n;
const NOTHING: Others = { added: [], removed: [], flagged: [] };

/** How a mailbox file was opened. */
export interface OpenFile {
  readonly fd: number;
  /** Why it cannot be changed; undefined when it can. */
  readonly readOnly: string | undefined;
}

/** What a slot remembers of a message that is gone. */
interface Gone {
  readonly identity: number;
  readonly uid: number;
  readonly info: MessageInfo;
  /** Removed by this object: it does not come back. */
  readonly final: boolean;
}

export class MboxMailbox implements Mailbox, LookUps {
  readonly location: Location;
  readonly readOnly: string | undefined;
  readonly notes: string[] = [];
  readonly #context: MailboxContext;
  readonly #path: string;
  /** Where the bytes are read from: the path, or a temporary file with what it holds (compressed.ts). */
  readonly #reader: FileReader;
  readonly #indexPath: string | undefined;
  #fd: number | undefined;
  #rows = new Rows();
  /** Undefined when the file is not there. */
  #print: Fingerprint | undefined;
  /** Rows were read from the file as it is, not from the index. */
  #scanned = false;
  /** Row of each slot, -1 when gone; slot of each row, -1 when hidden. */
  #rowOf: number[] = [];
  #slotOf: number[] = [];
  readonly #gone = new Map<number, Gone>();
  #uids: UidState | undefined;
  /** UIDs in the rows are on disk. */
  #uidsSaved = false;
  #indexed = false;

  /** For open.ts and compressed.ts; `load` must follow. `indexed`: the file has an index of its own. */
  constructor(context: MailboxContext, location: Location, file: OpenFile, indexed: boolean) {
    this.#context = context;
    this.location = location;
    this.#path = location.path;
    this.#fd = file.fd;
    this.readOnly = file.readOnly;
    this.#reader = new FileReader(context.disk);
    this.#indexPath = indexed ? indexPath(context.stateDir, context.disk.realpath(this.#path)) : undefined;
  }

  get length(): number {
    return this.#rowOf.length;
  }
  get uidValidity(): number {
    return this.#promise().uidValidity;
  }
  get uidNext(): Uid {
    return this.#promise().uidNext as Uid;
  }

  /** Reads the file in for the first time; the caller holds a lock, or knows that nobody writes. */
  load(): void {
    const fd = this.#need();
    const { disk } = this.#context;
    const stat = disk.fstat(fd);
    const index = this.#indexPath === undefined ? undefined : readIndex(disk, this.#indexPath);
    if (index !== undefined) {
      this.#indexed = true;
      this.#uids = { uidValidity: index.uidValidity, uidNext: index.uidNext };
      this.#uidsSaved = true;
      this.#rows = index.rows;
      this.#print = index.print;
    }
    if (this.#print === undefined || !sameFile(this.#print, stat)) this.#reread(fd, stat);
    this.#slotOf = [];
    this.#rowOf = [];
    this.#gone.clear();
    for (let row = 0; row < this.#rows.length; row++)
      this.#slotOf.push(this.#isHidden(row) ? -1 : this.#rowOf.push(row) - 1);
    this.#reader.use(fd);
  }

  // ---- reading

  info(slot: number): MessageInfo {
    const row = this.#rowOf[slot] ?? -1;
    if (row < 0) return this.#goneAt(slot).info;
    return new RowInfo(this, slot, this.#rows, row);
  }

  flags(slot: number): Flags {
    const row = this.#rowOf[slot] ?? -1;
    return row < 0 ? this.#goneAt(slot).info.flags : this.#rows.flags(row);
  }

  /** The parts of MessageInfo that cost something, for RowInfo. */
  uidOf(slot: number): Uid {
    this.#promise();
    const row = this.#rowOf[slot] ?? -1;
    return (row < 0 ? this.#goneAt(slot).uid : this.#rows.uid(row)) as Uid;
  }
  keywordsAt(slot: number): readonly string[] {
    const row = this.#rowOf[slot] ?? -1;
    if (row < 0 || (this.#rows.bits(row) & RowBit.keywords) === 0) return [];
    return keywordsOf(this.header(slot));
  }
  fromLineAt(slot: number): Uint8Array {
    const row = this.#current(slot);
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
    const content = this.#whole(slot);
    const row = this.#current(slot);
    if (this.#rows.fromSize(row) > 0) return { fromLine: this.fromLineAt(slot), content };
    const { sender, received } = this.info(slot);
    return { fromLine: Buffer.from(makeFromLine(sender, received ?? 0)), content };
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
    const row = this.#rowOf[slot] ?? -1;
    if (row >= 0) return row;
    this.#goneAt(slot);
    throw new MailError(`message ${slot + 1} is no longer in ${this.#path}`, { temporary: false });
  }

  /** Scans again when another program changed the file. Without a lock: what looks gone may come back. */
  #notice(): void {
    if (this.#fd === undefined) return;
    const stat = this.#context.disk.fstat(this.#fd);
    if (this.#print !== undefined && sameFile(this.#print, stat)) return;
    this.#adopt(this.#fd, stat);
  }

  #goneAt(slot: number): Gone {
    const gone = this.#gone.get(slot);
    if (gone === undefined) throw new RangeError(`no slot ${slot} in ${this.#path}`);
    return gone;
  }

  #isHidden(row: number): boolean {
    return (this.#rows.bits(row) & RowBit.pseudo) !== 0;
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
    this.#rows = rows;
    this.#print = print;
    this.#scanned = !racy && (known === 0 || this.#scanned);
    this.#reader.use(fd);
    this.#carryUids(before, match);
    return { before, match };
  }

  #isMmdf(): boolean {
    return this.#rows.length > 0 && this.#rows.fromSize(0) > 0 && this.readOnly?.includes('MMDF') === true;
  }

  #read(fd: number, size: number, rows: Rows, from: number): void {
    readRows(this.#context.disk, this.location, fd, size, rows, from);
  }

  #carryUids(before: Rows, match: Int32Array): void {
    if (this.#uids === undefined) return;
    const known = new Uint32Array(match.length);
    for (let row = 0; row < match.length; row++) {
      const old = match[row] ?? -1;
      if (old >= 0) known[row] = before.uid(old);
    }
    this.#setUids(known);
  }

  #setUids(known: Uint32Array): void {
    const before = this.#uids ?? { uidValidity: this.#firstValidity(), uidNext: 1 };
    const { uids, ...after } = assignUids(known, before, this.#seconds());
    let changed =
      this.#uids === undefined || after.uidNext !== before.uidNext || after.uidValidity !== before.uidValidity;
    for (let row = 0; row < uids.length; row++) {
      if (this.#rows.uid(row) !== uids[row]) changed = true;
      this.#rows.setUid(row, uids[row] ?? 0);
    }
    this.#uids = after;
    if (changed) this.#uidsSaved = false;
  }

  /** Without an index, the file's own time is the same in every session as long as the file is. */
  #firstValidity(): number {
    if (this.#indexPath !== undefined || this.#print === undefined) return this.#seconds();
    return Math.max(1, Number(this.#print.mtimeNs / 1_000_000_000n) % 0xffff_ffff);
  }

  #seconds(): number {
    return Math.floor(this.#context.now() / 1000);
  }

  /** UIDs are given to all messages and are on disk, so that they may be told. */
  #promise(): UidState {
    if (this.#uids === undefined) this.#setUids(new Uint32Array(this.#rows.length));
    if (!this.#uidsSaved) this.#saveIndex();
    return this.#uids ?? { uidValidity: 1, uidNext: 1 };
  }

  #saveIndex(): void {
    // Asked again and again would not help when it failed: the state folder cannot be written.
    this.#uidsSaved = true;
    if (this.#indexPath === undefined || this.#print === undefined) return;
    if (this.#uids === undefined) this.#setUids(new Uint32Array(this.#rows.length));
    const uids = this.#uids;
    if (uids === undefined) return;
    const index: IndexFile = { print: this.#print, rows: this.#rows, ...uids };
    this.#indexed = writeIndex(this.#context.disk, this.#indexPath, index);
  }

  /** Takes over the file as it is now: slots find their messages again. */
  #adopt(fd: number, stat: FileStat): Others {
    const slotsBefore = this.#slotOf;
    const { before, match } = this.#reread(fd, stat);
    return this.#follow(before, slotsBefore, match);
  }

  /** Moves slots from the rows `before` to the rows that are, given for each the old one; says what others did. */
  #follow(
    before: Rows,
    slotsBefore: readonly number[],
    match: Int32Array,
    final: ReadonlySet<number> = new Set(),
  ): Others {
    const added: number[] = [];
    const removed: number[] = [];
    const flagged: number[] = [];
    const rows = this.#rows;
    const lost = new Set<number>();
    for (const slot of slotsBefore) if (slot >= 0) lost.add(slot);
    this.#slotOf = new Array<number>(rows.length).fill(-1);
    const fresh: number[] = [];
    for (let row = 0; row < rows.length; row++) {
      if (this.#isHidden(row)) continue;
      const old = match[row] ?? -1;
      const slot = old < 0 ? -1 : (slotsBefore[old] ?? -1);
      if (slot < 0) {
        fresh.push(row);
        continue;
      }
      lost.delete(slot);
      this.#place(slot, row);
      if (rows.flags(row) !== before.flags(old)) flagged.push(slot);
    }
    for (const slot of lost) {
      const old = this.#rowOf[slot] ?? 0;
      const info = new GoneInfo(before, old);
      this.#gone.set(slot, { identity: before.identity(old), uid: before.uid(old), info, final: final.has(slot) });
      this.#rowOf[slot] = -1;
      removed.push(slot);
    }
    for (const row of fresh) {
      const back = this.#comeBack(rows.identity(row), lost);
      if (back === undefined) {
        const slot = this.#rowOf.push(row) - 1;
        this.#slotOf[row] = slot;
        added.push(slot);
      } else this.#place(back, row);
    }
    return { added, removed, flagged };
  }

  /** A message that had gone, by no doing of ours, and is there again (it was looked at while being rewritten). */
  #comeBack(identity: number, lost: ReadonlySet<number>): number | undefined {
    for (const [slot, gone] of this.#gone) {
      if (gone.identity !== identity || gone.final || lost.has(slot)) continue;
      this.#gone.delete(slot);
      return slot;
    }
    return undefined;
  }

  #place(slot: number, row: number): void {
    this.#rowOf[slot] = row;
    this.#slotOf[row] = slot;
  }

  /** All messages are gone: the file is not there. */
  #vanish(final: ReadonlySet<number>): Others {
    const before = this.#rows;
    const slotsBefore = this.#slotOf;
    this.#rows = new Rows();
    this.#print = undefined;
    return this.#follow(before, slotsBefore, new Int32Array(0), final);
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
    const held = await this.#lock('read');
    if (held === undefined) return this.#vanish(new Set());
    try {
      return this.#adopt(held.fd, this.#context.disk.fstat(held.fd));
    } finally {
      held.lock.release();
    }
  }

  async commit(changes: Changes): Promise<CommitResult> {
    if (this.readOnly !== undefined) throw new UserError(`${this.#path} was not changed: ${this.readOnly}`);
    const held = await this.#lock('write');
    if (held === undefined) {
      const others = this.#vanish(new Set());
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
    const missing = named(changes).filter((slot) => (this.#rowOf[slot] ?? -1) < 0);
    await changes.before?.(others);
    if (disk.fstat(fd).size !== stat.size)
      throw new MailError(`${this.#path} changed while it was locked`, { temporary: true });

    const rowChanges = this.#toRows(changes);
    const header = (row: number): Uint8Array => this.#reader.near(this.#rows.start(row), this.#rows.headerSize(row));
    const plan = planCommit(this.#rows, stat.size, rowChanges, header);
    if (!plan.changed) return { others, missing };
    const final = new Set((changes.remove ?? []).filter((slot) => (this.#rowOf[slot] ?? -1) >= 0));
    if (plan.rest === 0 && changes.whenEmpty === 'remove' && this.#remove(final)) return { others, missing };
    rewrite(this.#context, this.#path, fd, stat.size, plan.pieces);
    this.#written(fd, stat, rowChanges, plan.firstMoved, final);
    return { others, missing };
  }

  /** The changes by row; what names messages that are gone is left out. */
  #toRows(changes: Changes): RowChanges {
    const byRow = <T>(map: ReadonlyMap<number, T> | undefined): Map<number, T> => {
      const result = new Map<number, T>();
      for (const [slot, value] of map ?? []) {
        const row = this.#rowOf[slot] ?? -1;
        if (row >= 0) result.set(row, value);
      }
      return result;
    };
    const remove = new Set<number>();
    for (const slot of changes.remove ?? []) {
      const row = this.#rowOf[slot] ?? -1;
      if (row >= 0) remove.add(row);
    }
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
    if (this.#indexed && print !== undefined) {
      this.#print = { ...print, size: 0 };
      this.#saveIndex();
      this.#print = undefined;
    }
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
    const slotsBefore = this.#slotOf;
    this.#rows = rows;
    const print = fingerprint(disk, fd, disk.fstat(fd));
    // Behind the last look at the file: reading sets the access time again.
    this.#setTimes(fd, statBefore);
    const { mtimeNs, ctimeNs = mtimeNs } = disk.fstat(fd);
    this.#print = { ...print, mtimeNs, ctimeNs };
    this.#reader.use(fd);
    this.#carryUids(before, match);
    this.#follow(before, slotsBefore, match, final);
    if (this.#indexed) this.#saveIndex();
  }

  /** Leaves the times so that mail checkers, which take atime < mtime for new mail, tell the truth. */
  #setTimes(fd: number, before: FileStat): void {
    const { disk } = this.#context;
    let fresh = false;
    for (let row = 0; row < this.#rows.length && !fresh; row++)
      fresh = (this.#rows.flags(row) & 2) === 0 && !this.#isHidden(row);
    const { mtimeNs } = disk.fstat(fd);
    const atimeNs = fresh ? (before.atimeNs < mtimeNs ? before.atimeNs : mtimeNs - 1_000_000_000n) : mtimeNs;
    try {
      disk.setTimes(fd, atimeNs, mtimeNs);
    } catch {
      // Only the owner may; the mailbox is as it should be all the same.
    }
  }

  close(): void {
    if (this.#print !== undefined && (this.#indexed ? !this.#uidsSaved : this.#print.size >= WORTH_AN_INDEX))
      this.#saveIndex();
    if (this.#fd !== undefined) this.#context.disk.close(this.#fd);
    this.#fd = undefined;
    this.#reader.use(undefined);
  }
}

/** Slots that changes name. */
function named({ remove = [], flags, keywords, replace }: Changes): number[] {
  const slots = new Set(remove);
  for (const map of [flags, keywords, replace]) for (const slot of map?.keys() ?? []) slots.add(slot);
  return [...slots].sort((a, b) => a - b);
}
