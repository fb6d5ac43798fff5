/**
 * A disk in memory that can be stopped at every operation, and that knows every state a real one may then be in.
 *
 * Two layers: what programs see, and what is durable. In between lie the operations that were not synced yet. After a
 * crash each of them may have happened or not, whatever the order, under these rules of POSIX file systems:
 *
 * - fsync of a file makes its data and length durable, not its name; fsync of a folder makes the names in it durable;
 * - a write may be torn at any octet; a length changes in one piece, except by an appending write, which may end anywhere;
 * - octets that are part of the file by its length but were not written are zeros, never others;
 * - what a cut took away does not come back when the file grows again.
 *
 * `failures` makes the n-th changing call fail, `capacity` makes the disk full.
 */
import { dirname, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Disk, FileStat, OpenHow } from '../../src/core/files.ts';

interface Write {
  readonly kind: 'write';
  readonly at: number;
  readonly bytes: Uint8Array;
  /** The write made the file longer. */
  readonly grows: boolean;
}
interface Cut {
  readonly kind: 'cut';
  readonly size: number;
}
type DataOp = Write | Cut;

/** A change of names: all of it or nothing. `undefined` takes a name away. */
interface NameOp {
  readonly names: readonly (readonly [string, Inode | undefined])[];
}

interface Inode {
  readonly number: bigint;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  data: Uint8Array;
  durable: Uint8Array;
  pending: DataOp[];
  target: string;
  mode: number;
  uid: number;
  gid: number;
  atimeNs: bigint;
  mtimeNs: bigint;
  /** Blocks with something in them, for `capacity`. */
  blocks: Set<number>;
}

/** What happened, for messages of failing tests. */
export interface Operation {
  readonly number: number;
  readonly text: string;
}

export interface Failure {
  /** The n-th changing call from now, from 1. */
  readonly call: number;
  readonly code: 'ENOSPC' | 'EIO' | 'EDQUOT' | 'EMFILE';
  /** All calls from then on fail too. */
  readonly lasting?: boolean;
}

const BLOCK = 4096;
const EMPTY = new Uint8Array(0);

function errno(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function resized(data: Uint8Array, size: number): Uint8Array {
  const next = new Uint8Array(size);
  next.set(data.subarray(0, Math.min(size, data.length)));
  return next;
}

export class SimDisk implements Disk {
  /** Octets in all; writes that need more fail with ENOSPC. */
  capacity = Number.POSITIVE_INFINITY;
  /** Called after every operation that changes something. */
  after: ((operation: Operation) => void) | undefined;
  failure: Failure | undefined;
  /** Changing calls so far. */
  calls = 0;

  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #pendingNames: NameOp[] = [];
  readonly #open = new Map<number, Inode>();
  #nextFd = 3;
  #nextIno = 2n;
  #clock = 1_700_000_000_000_000_000n;

  constructor() {
    const root = this.#newInode('directory', 0o755);
    this.#names.set('/', root);
    this.#durableNames.set('/', root);
  }

  // ---- for tests

  /** Puts a file (and its folders) there, durably. */
  put(path: string, content: string | Uint8Array, mode = 0o600): void {
    this.#makeFolders(dirname(path));
    const inode = this.#newInode('file', mode);
    inode.data = Uint8Array.from(typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
    inode.durable = inode.data;
    for (let at = 0; at < inode.data.length; at += BLOCK) inode.blocks.add(at / BLOCK);
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  putFolder(path: string): void {
    this.#makeFolders(path);
  }

  putSymlink(path: string, target: string): void {
    this.putOther(path, 'symlink').target = target;
  }

  putOther(path: string, kind: 'symlink' | 'other' = 'other'): Inode {
    this.#makeFolders(dirname(path));
    const inode = this.#newInode(kind, 0o666);
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
    return inode;
  }

  /** The content of a file as programs see it; undefined when it does not exist. */
  text(path: string): string | undefined {
    const inode = this.#find(path);
    return inode === undefined ? undefined : Buffer.from(inode.data).toString('latin1');
  }

  /** Another program appends: not counted, durable at once. */
  append(path: string, text: string): void {
    const inode = this.#find(path);
    if (inode === undefined) throw errno('ENOENT', path);
    inode.data = Uint8Array.from(Buffer.concat([inode.data, Buffer.from(text, 'latin1')]));
    inode.durable = inode.data;
    inode.pending = [];
  }

  chownPath(path: string, uid: number): void {
    const inode = this.#find(path);
    if (inode !== undefined) inode.uid = uid;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  get openFiles(): number {
    return this.#open.size;
  }

  /** What tells two disks apart: names and contents. */
  fingerprint(): string {
    const parts: string[] = [];
    for (const path of this.paths()) {
      const inode = this.#names.get(path);
      if (inode !== undefined) parts.push(`${path}\0${inode.number}\0${inode.data.length}\0${hash(inode.data)}`);
    }
    return parts.join('\n');
  }

  /** The disk after a restart in the state that `choose` picks: for every pending operation, whether it happened. */
  afterCrash(choose: Choice): SimDisk {
    const next = new SimDisk();
    next.#nextIno = this.#nextIno;
    next.#clock = this.#clock;
    next.capacity = this.capacity;
    const copies = new Map<Inode, Inode>();
    let index = 0;
    const copy = (inode: Inode): Inode => {
      let made = copies.get(inode);
      if (made === undefined) {
        made = { ...inode, pending: [], blocks: new Set(inode.blocks) };
        copies.set(inode, made);
      }
      return made;
    };
    const names = new Map(this.#durableNames);
    for (const op of this.#pendingNames) {
      if (choose(index++, EMPTY) !== 'lost') {
        for (const [name, inode] of op.names) {
          if (inode === undefined) names.delete(name);
          else names.set(name, inode);
        }
      }
    }
    for (const inode of this.#pendingInodes()) {
      const made = copy(inode);
      made.data = crashed(inode, (bytes) => choose(index++, bytes));
      made.durable = made.data;
    }
    next.#names = new Map();
    for (const [path, inode] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (path === '/' || next.#names.get(dirname(path))?.kind === 'directory') next.#names.set(path, copy(inode));
    }
    next.#durableNames = new Map(next.#names);
    return next;
  }

  /** How many choices `afterCrash` asks for, each with the length of what is written (0: cannot be torn). */
  pendingChoices(): number[] {
    const choices = this.#pendingNames.map(() => 0);
    for (const inode of this.#pendingInodes()) {
      for (const op of inode.pending) {
        if (op.kind === 'cut') choices.push(0);
        else choices.push(op.bytes.length, ...(op.grows ? [op.bytes.length] : []));
      }
    }
    return choices;
  }

  #pendingInodes(): Inode[] {
    const inodes = new Set([...this.#durableNames.values(), ...this.#names.values()]);
    for (const op of this.#pendingNames) for (const [, inode] of op.names) if (inode !== undefined) inodes.add(inode);
    return [...inodes].filter((inode) => inode.pending.length > 0);
  }

  // ---- Disk

  open(path: string, how: OpenHow, mode = 0o600): number {
    const found = this.#find(path, how !== 'exclusive');
    if (how === 'exclusive' && (found !== undefined || this.#names.has(path))) throw errno('EEXIST', path);
    if (found?.kind === 'directory' && how !== 'read') throw errno('EISDIR', path);
    let inode = found;
    if (inode === undefined) {
      if (how === 'read' || how === 'write') throw errno('ENOENT', path);
      const place = this.#names.get(path)?.kind === 'symlink' ? this.#follow(path) : path;
      if (this.#names.get(dirname(place))?.kind !== 'directory') throw errno('ENOENT', path);
      this.#may(`create ${place}`, BLOCK);
      inode = this.#newInode('file', mode);
      this.#rename([[place, inode]]);
      this.#did(`create ${place}`);
    }
    const fd = this.#nextFd++;
    this.#open.set(fd, inode);
    return fd;
  }

  close(fd: number): void {
    if (!this.#open.delete(fd)) throw errno('EBADF', String(fd));
  }

  read(fd: number, into: Uint8Array, position: number): number {
    const { data } = this.#inode(fd);
    const part = data.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  write(fd: number, bytes: Uint8Array, position: number): void {
    const inode = this.#inode(fd);
    const what = `write ${this.#nameOf(inode)} ${position}+${bytes.length}`;
    const failing = this.#fails(what);
    const needed = this.#needed(inode, bytes, position);
    const full = needed > 0 && this.#used() + needed > this.capacity;
    // A write that fails has written some of it.
    const done = failing !== undefined || full ? bytes.subarray(0, bytes.length >> 1) : bytes;
    if (done.length > 0) this.#writeData(inode, done, position);
    this.#did(what);
    if (failing !== undefined) throw failing;
    if (full) throw errno('ENOSPC', what);
  }

  #writeData(inode: Inode, bytes: Uint8Array, at: number): void {
    const end = at + bytes.length;
    const grows = end > inode.data.length;
    const data = resized(inode.data, Math.max(inode.data.length, end));
    data.set(bytes, at);
    inode.data = data;
    inode.pending.push({ kind: 'write', at, bytes: Uint8Array.from(bytes), grows });
    for (let block = Math.floor(at / BLOCK); block * BLOCK < end; block++) inode.blocks.add(block);
    inode.mtimeNs = this.#tick();
  }

  truncate(fd: number, size: number): void {
    const inode = this.#inode(fd);
    const what = `truncate ${this.#nameOf(inode)} ${size}`;
    this.#may(what, 0);
    if (size !== inode.data.length) {
      inode.data = resized(inode.data, size);
      inode.pending.push({ kind: 'cut', size });
      for (const block of inode.blocks) if (block * BLOCK >= size) inode.blocks.delete(block);
      inode.mtimeNs = this.#tick();
    }
    this.#did(what);
  }

  sync(fd: number): void {
    const inode = this.#inode(fd);
    const what = `sync ${this.#nameOf(inode)}`;
    this.#may(what, 0);
    inode.durable = inode.data;
    inode.pending = [];
    this.#did(what);
  }

  async syncLater(fd: number): Promise<void> {
    this.sync(fd);
  }

  fstat(fd: number): FileStat {
    return this.#toStat(this.#inode(fd));
  }

  stat(path: string): FileStat | undefined {
    const inode = this.#find(path);
    return inode === undefined ? undefined : this.#toStat(inode);
  }

  lstat(path: string): FileStat | undefined {
    const inode = this.#find(path, false);
    return inode === undefined ? undefined : this.#toStat(inode);
  }

  realpath(path: string): string {
    if (this.#find(path) === undefined) throw errno('ENOENT', path);
    return this.#follow(path);
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw errno('ENOENT', from);
    this.#may(`rename ${from} ${to}`, 0);
    this.#rename([
      [to, inode],
      [from, undefined],
    ]);
    this.#did(`rename ${from} ${to}`);
  }

  link(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw errno('ENOENT', from);
    if (this.#names.has(to)) throw errno('EEXIST', to);
    this.#may(`link ${from} ${to}`, 0);
    this.#rename([[to, inode]]);
    this.#did(`link ${from} ${to}`);
  }

  unlink(path: string): void {
    if (!this.#names.has(path)) throw errno('ENOENT', path);
    this.#may(`unlink ${path}`, 0);
    this.#rename([[path, undefined]]);
    this.#did(`unlink ${path}`);
  }

  mkdir(path: string, mode: number): void {
    const missing: string[] = [];
    for (let folder = path; !this.#names.has(folder); folder = dirname(folder)) missing.unshift(folder);
    for (const folder of missing) {
      this.#may(`mkdir ${folder}`, 0);
      this.#rename([[folder, this.#newInode('directory', mode)]]);
      this.#did(`mkdir ${folder}`);
    }
  }

  list(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const names = [...this.#names.keys()].filter((name) => name !== '/' && name.startsWith(prefix));
    return names.map((name) => name.slice(prefix.length)).filter((name) => !name.includes('/'));
  }

  syncDir(path: string): void {
    if (this.#names.get(path)?.kind !== 'directory') throw errno('ENOENT', path);
    this.#may(`sync folder ${path}`, 0);
    // A rename between two folders is durable with either.
    const rest: NameOp[] = [];
    for (const op of this.#pendingNames) {
      if (!op.names.some(([name]) => dirname(name) === path)) rest.push(op);
      else {
        for (const [name, inode] of op.names) {
          if (inode === undefined) this.#durableNames.delete(name);
          else this.#durableNames.set(name, inode);
        }
      }
    }
    this.#pendingNames = rest;
    this.#did(`sync folder ${path}`);
  }

  chmod(fd: number, mode: number): void {
    this.#inode(fd).mode = mode;
  }

  chown(fd: number, uid: number, gid: number): void {
    Object.assign(this.#inode(fd), { uid, gid });
  }

  setTimes(fd: number, atimeNs: bigint, mtimeNs: bigint): void {
    Object.assign(this.#inode(fd), { atimeNs, mtimeNs });
  }

  // ---- inside

  #newInode(kind: Inode['kind'], mode: number): Inode {
    const now = this.#tick();
    const number = this.#nextIno++;
    return {
      number,
      kind,
      data: EMPTY,
      durable: EMPTY,
      pending: [],
      target: '',
      mode,
      uid: 0,
      gid: 0,
      atimeNs: now,
      mtimeNs: now,
      blocks: new Set(),
    };
  }

  #tick(): bigint {
    this.#clock += 1_000_000n;
    return this.#clock;
  }

  #makeFolders(path: string): void {
    if (this.#names.has(path)) return;
    this.#makeFolders(dirname(path));
    const inode = this.#newInode('directory', 0o755);
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  #rename(names: readonly (readonly [string, Inode | undefined])[]): void {
    for (const [name, inode] of names) {
      if (inode === undefined) this.#names.delete(name);
      else this.#names.set(name, inode);
    }
    this.#pendingNames.push({ names });
  }

  #follow(path: string): string {
    let place = path;
    for (let links = 0; links < 8; links++) {
      const inode = this.#names.get(place);
      if (inode?.kind !== 'symlink') return place;
      place = resolve(dirname(place), inode.target);
    }
    throw errno('ELOOP', path);
  }

  #find(path: string, following = true): Inode | undefined {
    const whole = path === '/' ? path : join(path);
    return this.#names.get(following ? this.#follow(whole) : whole);
  }

  #inode(fd: number): Inode {
    const inode = this.#open.get(fd);
    if (inode === undefined) throw errno('EBADF', String(fd));
    return inode;
  }

  #nameOf(inode: Inode): string {
    for (const [name, one] of this.#names) if (one === inode) return name;
    return `#${inode.number}`;
  }

  #toStat(inode: Inode): FileStat {
    let nlink = 0;
    for (const one of this.#names.values()) if (one === inode) nlink++;
    const { kind, mode, uid, gid, atimeNs, mtimeNs } = inode;
    const { length: size } = inode.data;
    return { kind, dev: 1n, ino: inode.number, size, mode, uid, gid, nlink, mtimeNs, atimeNs };
  }

  #used(): number {
    let blocks = 0;
    for (const inode of new Set(this.#names.values())) blocks += inode.blocks.size;
    return blocks * BLOCK;
  }

  #needed(inode: Inode, bytes: Uint8Array, at: number): number {
    let blocks = 0;
    for (let block = Math.floor(at / BLOCK); block * BLOCK < at + bytes.length; block++) {
      if (!inode.blocks.has(block)) blocks++;
    }
    return blocks * BLOCK;
  }

  /** Counts a changing call; its error when it is to fail. */
  #fails(what: string): Error | undefined {
    this.calls++;
    const { failure } = this;
    if (failure === undefined || this.calls < failure.call) return undefined;
    if (failure.lasting !== true && this.calls > failure.call) return undefined;
    return errno(failure.code, what);
  }

  #may(what: string, needed: number): void {
    const error = this.#fails(what);
    if (error !== undefined) throw error;
    if (needed > 0 && this.#used() + needed > this.capacity) throw errno('ENOSPC', what);
  }

  #did(text: string): void {
    this.after?.({ number: this.calls, text });
  }
}

/** What becomes of a pending operation: `parts` are stretches of a write (from, to) that reached the disk. */
export type Fate = 'lost' | 'done' | { readonly parts: readonly (readonly [number, number])[] };
export type Choice = (index: number, bytes: Uint8Array) => Fate;

function crashed(inode: Inode, choose: (bytes: Uint8Array) => Fate): Uint8Array {
  const ends = inode.pending.map((op) => (op.kind === 'cut' ? op.size : op.at + op.bytes.length));
  const data = resized(inode.durable, Math.max(inode.durable.length, ...ends));
  let { length: size } = inode.durable;
  for (const op of inode.pending) {
    if (op.kind === 'cut') {
      if (choose(EMPTY) === 'lost') continue;
      // Gone is gone: zeros when the file grows again.
      data.fill(0, Math.min(op.size, size));
      size = op.size;
      continue;
    }
    const fate = choose(op.bytes);
    const parts = fate === 'lost' ? [] : fate === 'done' ? [[0, op.bytes.length] as const] : fate.parts;
    for (const [from, to] of parts) data.set(op.bytes.subarray(from, to), op.at + from);
    if (!op.grows) continue;
    const grown = choose(op.bytes);
    if (grown === 'done') size = op.at + op.bytes.length;
    else if (grown !== 'lost') size = Math.max(size, op.at + (grown.parts[0]?.[1] ?? 0));
  }
  return data.slice(0, size);
}

const hashes = new WeakMap<Uint8Array, string>();

/** Contents are never changed once they are there, so each is looked at once. */
function hash(bytes: Uint8Array): string {
  let found = hashes.get(bytes);
  if (found === undefined) {
    found = `${crc32(bytes)}.${crc32(bytes, 0x1234567)}`;
    hashes.set(bytes, found);
  }
  return found;
}

/** A small generator of random numbers (mulberry32), so that a failing test can be run again. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Every legal disk after a crash now while few operations are pending; else a sample: all, none, each alone, each
 *  missing, each torn, prefixes, and `random` others. Equal disks come once. */
export function crashStates(disk: SimDisk, random: () => number, count = 12): SimDisk[] {
  const choices = disk.pendingChoices();
  const states = new Map<string, SimDisk>();
  const add = (choose: Choice): void => {
    const state = disk.afterCrash(choose);
    const key = state.fingerprint();
    if (!states.has(key)) states.set(key, state);
  };
  const n = choices.length;
  if (n <= 5) for (let bits = 0; bits < 1 << n; bits++) add((i) => ((bits >> i) & 1 ? 'done' : 'lost'));
  else {
    for (let k = 0; k <= n; k++) add((i) => (i < k ? 'done' : 'lost'));
    for (let k = 0; k < n; k++) {
      add((i) => (i === k ? 'done' : 'lost'));
      add((i) => (i === k ? 'lost' : 'done'));
    }
  }
  for (const [k, length] of choices.entries()) {
    if (length < 2) continue;
    const middle = 1 + Math.floor(random() * (length - 1));
    for (const parts of [[[0, middle]], [[middle, length]], [[0, 1]], [[0, length - 1]]] as [number, number][][]) {
      for (const others of ['done', 'lost'] as const) add((i) => (i === k ? { parts } : others));
    }
  }
  for (let k = 0; n > 0 && k < count; k++) add((_, bytes) => randomFate(random, bytes.length));
  return [...states.values()];
}

function randomFate(random: () => number, length: number): Fate {
  const dice = random();
  if (dice < 0.35) return 'lost';
  if (dice < 0.7 || length < 2) return 'done';
  const parts: [number, number][] = [];
  for (let at = 0; at < length; ) {
    const from = at + Math.floor(random() * (length - at));
    const to = from + 1 + Math.floor(random() * (length - from));
    parts.push([from, Math.min(to, length)]);
    at = to + 1;
  }
  return { parts };
}

export interface Crash {
  /** The last operation before it. */
  readonly operation: Operation;
  readonly disk: SimDisk;
}

/** Runs `scenario` on `disk` and collects every disk that a crash after each of its operations may leave. */
export async function crashesOf(
  disk: SimDisk,
  scenario: () => void | Promise<void>,
  seed = 1,
  count?: number,
): Promise<Crash[]> {
  const random = randomFrom(seed);
  const seen = new Set<string>();
  const crashes: Crash[] = [];
  const collect = (operation: Operation): void => {
    for (const state of crashStates(disk, random, count)) {
      const key = state.fingerprint();
      if (seen.has(key)) continue;
      seen.add(key);
      crashes.push({ operation, disk: state });
    }
  };
  collect({ number: 0, text: 'nothing' });
  disk.after = collect;
  try {
    await scenario();
  } finally {
    disk.after = undefined;
  }
  return crashes;
}
