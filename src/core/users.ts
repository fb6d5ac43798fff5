/**
 * Who is who on this machine: passwd(5), and the other sources of NSS when a name is not there.
 *
 * With a root folder that has an etc/passwd of its own, its users are the only ones, their homes lie below it, and
 * unless we are root their ids are our own (a mail system in a folder needs no rights). Look-ups never throw; a name
 * that cannot be found is undefined. Nothing is cached: users come and go while a daemon runs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EX, UserError } from './errors.ts';
import { type PasswdEntry, userDatabase } from './libc.ts';

export interface User {
  readonly name: string;
  /** The GECOS field up to its first comma; '' when none. */
  readonly fullName: string;
  readonly uid: number;
  readonly gid: number;
  /** Absolute path. */
  readonly home: string;
  readonly shell: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether `name` can be a user's: it becomes a file name in the mail spool and a field of passwd(5). */
export function isUserName(name: string): boolean {
  return /^[^\x00-\x20/:\x7f-\x9f]{1,255}$/.test(name) && name !== '.' && name !== '..';
}

/** Finds a user by name. */
export function lookUpUser(name: string, root = ''): User | undefined {
  if (!isUserName(name)) return undefined;
  return find(root, (entry) => entry.name === name, name);
}

/** Finds a user by number; where several share it, the first. */
export function lookUpUid(uid: number, root = ''): User | undefined {
  return find(root, (entry) => entry.uid === uid, uid);
}

/**
 * Who runs this program. LOGNAME, else USER, names the user and with it the mailbox (POSIX mailx); rights come from the
 * process alone. HOME counts, except for a user of a root folder.
 *
 * @throws UserError when neither the environment nor the user database knows.
 */
export function currentUser(env: Environment, root = ''): User {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const called = [env.LOGNAME, env.USER].find((name) => name !== undefined && isUserName(name));
  const entry = (called === undefined ? undefined : lookUpUser(called, root)) ?? lookUpUid(uid, root);
  const name = called ?? entry?.name;
  if (name === undefined) {
    throw new UserError(`nobody knows a user with the number ${uid}: set LOGNAME to your user name`, EX.noUser);
  }
  const ownHome = root !== '' && entry !== undefined && passwdFile(root) !== undefined;
  const home = ownHome ? undefined : env.HOME;
  return {
    name,
    fullName: entry?.fullName ?? '',
    uid,
    gid,
    home: home?.startsWith('/') ? home : (entry?.home ?? '/'),
    shell: entry?.shell ?? '/bin/sh',
  };
}

function find(root: string, wanted: (entry: PasswdEntry) => boolean, key: string | number): User | undefined {
  const file = root === '' ? undefined : passwdFile(root);
  if (file !== undefined) {
    const entry = file.find(wanted);
    return entry === undefined ? undefined : sandboxed(toUser(entry), root);
  }
  const entry = passwdFile('')?.find(wanted) ?? askSystem(key);
  return entry === undefined ? undefined : toUser(entry);
}

function passwdFile(root: string): PasswdEntry[] | undefined {
  let text: string;
  try {
    text = readFileSync(`${root}/etc/passwd`, 'utf8');
  } catch {
    return undefined;
  }
  return text.split('\n').flatMap((line) => parsePasswd(line) ?? []);
}

/** One line of passwd(5); undefined when it is none (a comment, a `+` line of the "compat" source). */
export function parsePasswd(line: string): PasswdEntry | undefined {
  const [name = '', , uid = '', gid = '', gecos = '', home = '', shell = ''] = line.split(':');
  if (!isUserName(name) || /^[#+-]/.test(name) || !/^\d{1,10}$/.test(uid) || !/^\d{1,10}$/.test(gid)) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), gecos, home, shell };
}

/** All sources of NSS, through libc or, where that cannot be called, getent(1). */
function askSystem(key: string | number): PasswdEntry | undefined {
  const users = userDatabase();
  if (users !== undefined) return typeof key === 'number' ? users.byUid(key) : users.byName(key);
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, stdout } = spawnSync('getent', ['passwd', '--', String(key)], { encoding: 'utf8', timeout: 10_000 });
  const entry = status === 0 ? parsePasswd(stdout.split('\n', 1)[0] ?? '') : undefined;
  // getent takes a name of digits for a number.
  return entry?.name === key || entry?.uid === key ? entry : undefined;
}

function toUser({ name, uid, gid, gecos, home, shell }: PasswdEntry): User {
  // A `&` stands for the login name with a capital letter, as it has since the 1970s.
  const capital = name.slice(0, 1).toUpperCase() + name.slice(1);
  const fullName = (gecos.split(',', 1)[0] ?? '').replaceAll('&', capital).trim();
  return { name, fullName, uid, gid, home: home.startsWith('/') ? home : '/', shell: shell === '' ? '/bin/sh' : shell };
}

function sandboxed(user: User, root: string): User {
  const home = join(root, user.home);
  if (process.geteuid?.() === 0) return { ...user, home };
  return { ...user, home, uid: process.geteuid?.() ?? user.uid, gid: process.getegid?.() ?? user.gid };
}
