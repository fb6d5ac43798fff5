/**
 * A Maildir as a Mailbox: one file a message, flags in its name, no locks.
 *
 * Each message is changed whole or not at all, by one rename; what a message is goes by the base of its name, which it
 * keeps. Messages are in the order of their UIDs, new ones in the order of their delivery. Programs that look at the
 * same time see moves half done: a file that is not where it was is looked for again before it is called gone.
 */
import { join } from 'node:path';
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, readWhole, replaceFile } from '../core/files.ts';
import { makeFromLine } from './from-line.ts';
import {
  type Changes,
  type CommitResult,
  Flag,
  type Flags,
  type Location,
  type Mailbox,
  type MailboxContext,
  type MessageInfo,
  type Others,
  type Uid,
} from './mailbox.ts';
import { appendToMaildir } from './maildir-append.ts';
import { compareBases, formatKeywords, type MaildirName, makeName, parseKeywords, parseName } from './maildir-names.ts';
import { readUidList, type UidList, uidListPath, writeUidList } from './maildir-uids.ts';
import { senderOf } from './mbox-info.ts';
import { headerSizeOf, unquoteFrom } from './quoting.ts';

type Folder = 'new' | 'cur';
type MaildirLocation = Extract<Location, { kind: 'maildir' }>;

interface Entry extends MaildirName {
  readonly folder: Folder;
  /** The whole file name. */
  readonly name: string;
  readonly gone: boolean;
}

const NOTHING: Others = { added: [], removed: [], flagged: [] };
/** Headers are looked for in the beginning of a file. */
const HEAD = 64 * 1024;

export class MaildirMailbox implements Mailbox {
  readonly location: MaildirLocation;
  readonly readOnly: string | undefined;
  readonly notes: string[] = [];
  readonly #disk: Disk;
  readonly #context: MailboxContext;
  readonly #listPath: string;
  readonly #entries: Entry[] = [];
  #list: UidList;
  #saved: boolean;
  /** Times of new/ and cur/ when they were last read. */
  #times = '';

  constructor(context: MailboxContext, location: MaildirLocation, readOnly: string | undefined) {
    this.#context = context;
    this.#disk = context.disk;
    this.location = location;
    this.readOnly = readOnly;
    this.#listPath = uidListPath(context.stateDir, context.disk.realpath(location.path));
    const list = readUidList(this.#disk, this.#listPath);
    this.#saved = list !== undefined;
    this.#list = list ?? { uidValidity: Math.floor(context.now() / 1000), uidNext: 1, uids: new Map() };
    this.#follow();
  }

  get length(): number {
    return this.#entries.length;
  }
  get uidValidity(): number {
    return this.#promise().uidValidity;
  }
  get uidNext(): Uid {
    return this.#promise().uidNext as Uid;
  }

  // ---- reading

  info(slot: number): MessageInfo {
    return new MaildirInfo(this, slot, this.#entry(slot));
  }

  flags(slot: number): Flags {
    return this.#entry(slot).flags;
  }

  uidOf(slot: number): Uid {
    return (this.#promise().uids.get(this.#entry(slot).base) ?? 0) as Uid;
  }

  keywordsOf({ others }: MaildirName): string[] {
    const letters = [...others].filter((letter) => letter >= 'a' && letter <= 'z');
    if (letters.length === 0) return [];
    const names = this.#keywordNames();
    return letters.flatMap((letter) => names[letter.charCodeAt(0) - 97] ?? []);
  }

  #keywordNames(): string[] {
    const bytes = readWhole(this.#disk, join(this.location.path, 'dovecot-keywords'));
    return parseKeywords(Buffer.from(bytes ?? []).toString('utf8'));
  }

  /** When the file was written. */
  received(slot: number): number | undefined {
    const stat = this.#disk.stat(this.#pathOf(this.#entry(slot)));
    return stat === undefined ? undefined : Number(stat.mtimeNs / 1_000_000_000n);
  }

  header(slot: number): Uint8Array {
    const start = this.#read(slot, HEAD);
    const size = headerSizeOf(start);
    if (size < start.length || start.length < HEAD) return start.slice(0, size);
    const whole = this.#read(slot);
    return whole.slice(0, headerSizeOf(whole));
  }

  content(slot: number): Uint8Array {
    return unquoteFrom(this.#read(slot));
  }

  head(slot: number, limit: number): Uint8Array {
    return this.#read(slot, limit);
  }

  stored(slot: number): { readonly fromLine: Uint8Array; readonly content: Uint8Array } {
    const content = this.#read(slot);
    const sender = senderOf(content.subarray(0, headerSizeOf(content)));
    return { fromLine: Buffer.from(makeFromLine(sender, this.received(slot) ?? 0)), content };
  }

  /** The file as it is, or its beginning. */
  #read(slot: number, limit = Number.POSITIVE_INFINITY): Uint8Array {
    for (let round = 0; ; round++) {
      const entry = this.#entry(slot);
      if (!entry.gone) {
        try {
          return readStart(this.#disk, this.#pathOf(entry), limit);
        } catch (error) {
          if (errnoOf(error) !== 'ENOENT' || round > 3)
            throw new MailError(`${this.#pathOf(entry)}: ${reasonOf(error)}`, { temporary: false, cause: error });
          this.#times = '';
          this.#follow();
          continue;
        }
      }
      throw new MailError(`message ${slot + 1} is no longer in ${this.location.path}`, { temporary: false });
    }
  }

  #entry(slot: number): Entry {
    const entry = this.#entries[slot];
    if (entry === undefined) throw new RangeError(`no slot ${slot} in ${this.location.path}`);
    return entry;
  }

  #pathOf({ folder, name }: { folder: Folder; name: string }): string {
    return join(this.location.path, folder, name);
  }

  // ---- following the folders

  #folderTimes(): string {
    const times = (['new', 'cur'] as const).map(
      (folder) => this.#disk.stat(join(this.location.path, folder))?.mtimeNs ?? 0n,
    );
    // A folder that changed just now may change again within the same tick.
    const racy = times.some((time) => BigInt(Math.floor(this.#context.now())) * 1_000_000n - time < 50_000_000n);
    return racy ? '' : times.join(' ');
  }

  /** Reads the folders; says what others did. */
  #follow(): Others {
    const times = this.#folderTimes();
    if (times !== '' && times === this.#times) return NOTHING;
    this.#times = times;
    const found = new Map<string, Entry>();
    // cur/ last: a message that is moved while we look is seen in at least one of them.
    for (const folder of ['new', 'cur'] as const) {
      for (const name of this.#disk.list(join(this.location.path, folder))) {
        if (name.startsWith('.') || name.includes('\n')) continue;
        const parsed = parseName(name, folder);
        found.set(parsed.base, { ...parsed, folder, name, gone: false });
      }
    }
    const removed: number[] = [];
    const flagged: number[] = [];
    for (const [slot, entry] of this.#entries.entries()) {
      const now = found.get(entry.base);
      if (now === undefined) {
        if (!entry.gone) removed.push(slot);
        this.#entries[slot] = { ...entry, gone: true };
      } else {
        if (now.flags !== entry.flags || now.others !== entry.others) flagged.push(slot);
        this.#entries[slot] = now;
        found.delete(entry.base);
      }
    }
    return { added: this.#add([...found.values()]), removed, flagged };
  }

  #add(entries: Entry[]): number[] {
    const uidOf = (entry: Entry): number => this.#list.uids.get(entry.base) ?? Number.POSITIVE_INFINITY;
    entries.sort((a, b) => {
      const [x, y] = [uidOf(a), uidOf(b)];
      return x === y ? compareBases(a.base, b.base) : x - y;
    });
    return entries.map((entry) => this.#entries.push(entry) - 1);
  }

  /** All messages have UIDs, and they are on disk. */
  #promise(): UidList {
    const uids = new Map<string, number>();
    let { uidNext } = this.#list;
    let changed = !this.#saved;
    for (const { base, gone } of this.#entries) {
      let uid = this.#list.uids.get(base);
      if (uid === undefined) {
        if (gone) continue;
        uid = uidNext++;
        changed = true;
      }
      uids.set(base, uid);
    }
    if (!changed) return this.#list;
    this.#list = { uidValidity: this.#list.uidValidity, uidNext, uids };
    writeUidList(this.#disk, this.#listPath, this.#list);
    this.#saved = true;
    return this.#list;
  }

  async refresh(): Promise<Others> {
    return this.#follow();
  }

  // ---- changing

  async commit(changes: Changes): Promise<CommitResult> {
    if (this.readOnly !== undefined) throw new UserError(`${this.location.path} was not changed: ${this.readOnly}`);
    this.#times = '';
    const others = this.#follow();
    const missing = new Set<number>();
    await changes.before?.(others);
    try {
      if (changes.prepend !== undefined && changes.prepend.length > 0) {
        appendToMaildir(this.#context, this.location.path, changes.prepend);
      }
      for (const [slot, content] of changes.replace ?? []) this.#replace(slot, content, missing);
      const named = new Set([...(changes.flags?.keys() ?? []), ...(changes.keywords?.keys() ?? [])]);
      for (const slot of named) this.#rename(slot, changes, missing);
      for (const slot of changes.remove ?? []) this.#remove(slot, missing);
      for (const folder of ['cur', 'new']) this.#disk.syncDir(join(this.location.path, folder));
    } catch (error) {
      if (error instanceof MailError) throw error;
      throw new MailError(`${this.location.path}: ${reasonOf(error)}`, { temporary: true, cause: error });
    } finally {
      this.#times = '';
      this.#follow();
    }
    return { others, missing: [...missing].sort((a, b) => a - b) };
  }

  /** Does something to a file; one that moved meanwhile is looked for again. */
  #withFile(slot: number, missing: Set<number>, work: (entry: Entry) => void): void {
    for (let round = 0; ; round++) {
      const entry = this.#entry(slot);
      if (entry.gone) {
        missing.add(slot);
        return;
      }
      try {
        work(entry);
        return;
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || round > 3) throw error;
        this.#times = '';
        this.#follow();
      }
    }
  }

  #remove(slot: number, missing: Set<number>): void {
    this.#withFile(slot, missing, (entry) => {
      this.#disk.unlink(this.#pathOf(entry));
      this.#entries[slot] = { ...entry, gone: true };
    });
  }

  #rename(slot: number, changes: Changes, missing: Set<number>): void {
    this.#withFile(slot, missing, (entry) => {
      const flags = changes.flags?.get(slot) ?? entry.flags;
      const keywords = changes.keywords?.get(slot);
      const others = keywords === undefined ? entry.others : this.#lettersFor(keywords, entry.others);
      this.#moveTo(slot, entry, { base: entry.base, flags, others });
    });
  }

  #moveTo(slot: number, entry: Entry, wanted: MaildirName): void {
    const to = makeName(wanted);
    if (to.folder === entry.folder && to.name === entry.name) return;
    this.#disk.rename(this.#pathOf(entry), this.#pathOf(to));
    this.#entries[slot] = { ...wanted, ...to, gone: false };
  }

  /** Letters for keywords, given new ones as long as there are some left; P stays. */
  #lettersFor(keywords: readonly string[], others: string): string {
    const names: (string | undefined)[] = this.#keywordNames();
    let added = false;
    const letters = keywords.flatMap((keyword) => {
      let at = names.indexOf(keyword);
      if (at < 0) {
        at = 0;
        while (names[at] !== undefined) at++;
        if (at > 25) return [];
        names[at] = keyword;
        added = true;
      }
      return String.fromCharCode(97 + at);
    });
    if (added) {
      replaceFile(this.#disk, join(this.location.path, 'dovecot-keywords'), Buffer.from(formatKeywords(names)));
    }
    return others.replace(/[a-z]/g, '') + letters.join('');
  }

  /** New content is another file: it is whole before the old one goes. */
  #replace(slot: number, content: Uint8Array, missing: Set<number>): void {
    this.#withFile(slot, missing, (entry) => {
      const base = `${entry.base}.e${this.#context.now().toString(36)}`;
      const temporary = join(this.location.path, 'tmp', base);
      const time = this.#disk.stat(this.#pathOf(entry))?.mtimeNs;
      const fd = this.#disk.open(temporary, 'exclusive', 0o600);
      try {
        this.#disk.write(fd, content, 0);
        if (time !== undefined) this.#disk.setTimes(fd, time, time);
        this.#disk.sync(fd);
      } finally {
        this.#disk.close(fd);
      }
      const wanted = { base, flags: entry.flags | Flag.old, others: entry.others };
      const to = makeName(wanted);
      this.#disk.rename(temporary, this.#pathOf(to));
      this.#disk.syncDir(join(this.location.path, 'cur'));
      this.#disk.unlink(this.#pathOf(entry));
      this.#entries[slot] = { ...wanted, ...to, gone: false };
    });
  }

  close(): void {
    this.#entries.length = 0;
  }
}

function readStart(disk: Disk, path: string, limit: number): Uint8Array {
  const fd = disk.open(path, 'read');
  try {
    const bytes = new Uint8Array(Math.min(disk.fstat(fd).size, limit));
    return bytes.subarray(0, disk.read(fd, bytes, 0));
  } finally {
    disk.close(fd);
  }
}

/** Reads a message's file only for what its name does not say, and only once. */
class MaildirInfo implements MessageInfo {
  readonly flags: Flags;
  readonly gone: boolean;
  readonly #box: MaildirMailbox;
  readonly #slot: number;
  readonly #entry: Entry;
  #content: { size: number; lines: number; headerSize: number; sender: string } | undefined;

  constructor(box: MaildirMailbox, slot: number, entry: Entry) {
    this.#box = box;
    this.#slot = slot;
    this.#entry = entry;
    this.flags = entry.flags;
    this.gone = entry.gone;
  }

  get uid(): Uid {
    return this.#box.uidOf(this.#slot);
  }
  get keywords(): readonly string[] {
    return this.#box.keywordsOf(this.#entry);
  }
  get received(): number | undefined {
    return this.gone ? undefined : this.#box.received(this.#slot);
  }
  get size(): number {
    return this.#known().size;
  }
  get lines(): number {
    return this.#known().lines;
  }
  get headerSize(): number {
    return this.#known().headerSize;
  }
  get sender(): string {
    return this.#known().sender;
  }

  #known(): { size: number; lines: number; headerSize: number; sender: string } {
    if (this.#content !== undefined) return this.#content;
    if (this.gone) return { size: 0, lines: 0, headerSize: 0, sender: '' };
    const content = this.#box.stored(this.#slot).content;
    const headerSize = headerSizeOf(content);
    let lines = content.length > 0 && content[content.length - 1] !== 10 ? 1 : 0;
    for (let p = content.indexOf(10); p >= 0; p = content.indexOf(10, p + 1)) lines++;
    const sender = senderOf(content.subarray(0, headerSize));
    this.#content = { size: content.length, lines, headerSize, sender };
    return this.#content;
  }
}
