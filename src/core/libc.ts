/**
 * What only libc can do: record locks (fcntl) and users (NSS), called through koffi.
 *
 * Promises: nothing is loaded before the first call, since loading takes milliseconds and most runs can do without;
 * and nothing here is needed: where koffi cannot be loaded (another system, an installation without its binary) every
 * function says "unknown", `whyNoLibc` says why, and the callers have another way. Nothing here blocks.
 *
 * Record locks are Linux's "open file description" locks (fcntl(2), F_OFD_SETLK). They conflict with the classic POSIX
 * locks of other programs, but belong to the descriptor: with a classic lock, closing *any* other descriptor of the
 * same file in this process silently gives the lock away. Kernels before 3.15 do not know them; there the classic ones
 * are used, which is safe as long as nothing else in the process opens the locked file.
 */
import { createRequire } from 'node:module';
import { arch, constants, endianness, platform } from 'node:os';
import { join } from 'node:path';
import type { LibraryHandle } from 'koffi';

type Koffi = typeof import('koffi');
type NumberFunction = (...values: readonly unknown[]) => number;

/** A line of the user database (passwd(5)). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

/** What came of trying to lock: `held` by another program, `unsupported` by the file system that the file is on. */
export type LockAttempt = 'locked' | 'held' | 'unsupported';

/** Locks on whole files. Every call returns at once. */
export interface RecordLocks {
  /** @throws an Error with `code` (`EBADF`: a write lock needs a descriptor open for writing). */
  tryLock(fd: number, kind: 'read' | 'write'): LockAttempt;
  unlock(fd: number): void;
  /** The process in the way of a write lock; undefined when there is none, or one that cannot be named. */
  holder(fd: number): number | undefined;
}

interface Libc {
  readonly koffi: Koffi;
  readonly library: LibraryHandle;
}

/** Where `struct flock` and `struct passwd` have the layout written down here: 64-bit Linux, little-endian. */
const KNOWN_ARCHITECTURES = new Set(['x64', 'arm64', 'riscv64', 'loong64', 'ppc64']);

const COMMANDS = { setOfd: 37, setClassic: 6, getClassic: 5 } as const;
const LOCK_TYPES = { read: 0, write: 1, unlock: 2 } as const;
const { EACCES, EAGAIN, EINTR, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP } = constants.errno;
const UNSUPPORTED: ReadonlySet<number> = new Set([ENOLCK, ENOSYS, EOPNOTSUPP]);

let loaded: Libc | { readonly reason: string } | undefined;

/**
 * Asks for the binary first, where npm puts it for a checkout and looks for it elsewhere then: koffi's own loader reads
 * the whole node executable to find out which libc it is for.
 */
function requireKoffi(): Koffi {
  const binary = `@koromix/koffi-linux-${arch()}/linux_${arch()}/koffi.node`;
  const module = { exports: {} };
  try {
    process.dlopen(module, join(import.meta.dirname, '../node_modules', binary));
    return module.exports as Koffi;
  } catch {
    const load = createRequire(join(import.meta.dirname, 'libc.cjs'));
    try {
      return load(binary) as Koffi;
    } catch {
      return load('koffi') as Koffi;
    }
  }
}

function libc(): Libc | undefined {
  if (loaded === undefined) {
    try {
      if (platform() !== 'linux' || endianness() !== 'LE' || !KNOWN_ARCHITECTURES.has(arch())) {
        throw new Error(`not known on ${platform()} ${arch()}`);
      }
      const koffi = requireKoffi();
      loaded = { koffi, library: koffi.load(null) };
    } catch (error) {
      loaded = { reason: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) };
    }
  }
  return 'koffi' in loaded ? loaded : undefined;
}

/** Why libc cannot be called, in a few words; undefined when it can. */
export function whyNoLibc(): string | undefined {
  libc();
  return loaded !== undefined && 'reason' in loaded ? `koffi: ${loaded.reason}` : undefined;
}

/** struct flock of 64-bit Linux: type, whence (SEEK_SET), start, length (0: to the end and beyond), pid. */
function flock(type: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeInt16LE(type, 0);
  return bytes;
}

function failure(call: string, errno: number): Error {
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${name}`), { code: name, errno });
}

let locks: RecordLocks | undefined;

/** Record locks on files; undefined when libc cannot be called (`whyNoLibc`). */
export function recordLocks(): RecordLocks | undefined {
  const c = libc();
  if (c === undefined) return undefined;
  locks ??= makeRecordLocks(c);
  return locks;
}

function makeRecordLocks({ koffi, library }: Libc): RecordLocks {
  const fcntl: NumberFunction = library.func('int fcntl(int fd, int command, _Inout_ uint8_t *lock)');
  let command: number = COMMANDS.setOfd;

  /** 0 or the errno. */
  function set(fd: number, type: number): number {
    for (;;) {
      if (fcntl(fd, command, flock(type)) === 0) return 0;
      const errno = koffi.errno();
      if (errno === EINVAL && command === COMMANDS.setOfd) command = COMMANDS.setClassic;
      else if (errno !== EINTR) return errno;
    }
  }

  return {
    tryLock(fd, kind) {
      const errno = set(fd, LOCK_TYPES[kind]);
      if (errno === 0) return 'locked';
      if (errno === EAGAIN || errno === EACCES) return 'held';
      if (UNSUPPORTED.has(errno)) return 'unsupported';
      throw failure('fcntl', errno);
    },
    unlock(fd) {
      set(fd, LOCK_TYPES.unlock);
    },
    holder(fd) {
      const lock = flock(LOCK_TYPES.write);
      if (fcntl(fd, COMMANDS.getClassic, lock) !== 0 || lock.readInt16LE(0) === LOCK_TYPES.unlock) return undefined;
      const pid = lock.readInt32LE(24);
      return pid > 0 ? pid : undefined;
    },
  };
}

interface RawPasswd {
  readonly pw_name: string;
  readonly pw_uid: number;
  readonly pw_gid: number;
  readonly pw_gecos: string | null;
  readonly pw_dir: string | null;
  readonly pw_shell: string | null;
}

interface UserDatabase {
  byName(name: string): PasswdEntry | undefined;
  byUid(uid: number): PasswdEntry | undefined;
}

/**
 * Ends the process without waiting for its other threads: process.exit joins them, and one may hang in a read of the
 * terminal. Nothing else is done any more. Returns when libc cannot be called.
 */
export function exitAtOnce(status: number): void {
  const exit = libc()?.library.func('void _exit(int status)') as ((status: number) => void) | undefined;
  exit?.(status);
}

let users: UserDatabase | undefined;

/** The user database of the system with all its sources (NSS: files, LDAP, ...); undefined when libc cannot be called. */
export function userDatabase(): UserDatabase | undefined {
  const c = libc();
  if (c === undefined) return undefined;
  users ??= makeUserDatabase(c);
  return users;
}

function makeUserDatabase({ koffi, library }: Libc): UserDatabase {
  const passwd = koffi.struct({
    pw_name: 'str',
    pw_passwd: 'str',
    pw_uid: 'uint32',
    pw_gid: 'uint32',
    pw_gecos: 'str',
    pw_dir: 'str',
    pw_shell: 'str',
  });
  const getpwnam = library.func('getpwnam', koffi.pointer(passwd), ['str']);
  const getpwuid = library.func('getpwuid', koffi.pointer(passwd), ['uint32']);

  function entry(pointer: unknown): PasswdEntry | undefined {
    if (pointer === null) return undefined;
    const raw = koffi.decode(pointer, passwd) as RawPasswd;
    return {
      name: raw.pw_name,
      uid: raw.pw_uid,
      gid: raw.pw_gid,
      gecos: raw.pw_gecos ?? '',
      home: raw.pw_dir ?? '',
      shell: raw.pw_shell ?? '',
    };
  }

  return { byName: (name) => entry(getpwnam(name)), byUid: (uid) => entry(getpwuid(uid)) };
}
