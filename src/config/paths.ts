/**
 * Where everything lies: the files of the mail system, re-rooted as a whole by `--root`, and a user's own state.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EX, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, type FileStat, realDisk } from '../core/files.ts';
import { isUserName, lookUpUid } from '../core/users.ts';

/** Absolute paths. */
export interface SystemPaths {
  /** The folder that stands for `/`; '' when it is `/` itself. */
  readonly root: string;
  readonly config: string;
  /** Sendmail's tables: access, virtusertable, ... */
  readonly tables: string;
  readonly aliases: string;
  /** Startup files of line mode: the first that exists is read. */
  readonly startup: readonly string[];
  /** System mailboxes: `spool`/USER. */
  readonly spool: string;
  readonly queue: string;
  /** Submissions made while no daemon runs. */
  readonly submit: string;
  /** The daemon's state. */
  readonly state: string;
  /** Where users without a writable home have their state. */
  readonly temporary: string;
}

/** The paths of the whole system, or of one that lives in the folder `root`. */
export function systemPaths(root = ''): SystemPaths {
  const at = (path: string) => (root === '' ? path : join(root, path));
  const mail = at('/var/mail');
  const oldMail = at('/var/spool/mail');
  return {
    root,
    config: at('/etc/tmail/tmail.toml'),
    tables: at('/etc/mail'),
    aliases: at('/etc/aliases'),
    startup: [at('/etc/tmail.rc'), at('/etc/mail.rc')],
    spool: !existsSync(mail) && existsSync(oldMail) ? oldMail : mail,
    queue: at('/var/spool/tmail/queue'),
    submit: at('/var/spool/tmail/submit'),
    state: at('/var/lib/tmail'),
    temporary: at('/var/tmp'),
  };
}

/** Where the daemon listens to its administrator. */
export function controlSocket({ state }: Pick<SystemPaths, 'state'>): string {
  return join(state, 'control.sock');
}

/** The process number of a daemon in the background. */
export function pidFile({ root }: Pick<SystemPaths, 'root'>): string {
  return join(root, '/run/tmail.pid');
}

/** The daemon's counts of messages. */
export function statisticsFile({ state }: Pick<SystemPaths, 'state'>): string {
  return join(state, 'statistics.json');
}

/** A path that a table or option names, below the root folder; one that already lies there stays as it is. */
export function below(root: string, path: string): string {
  return root === '' || path === root || path.startsWith(`${root}/`) ? path : join(root, path);
}

/** The system mailbox of a user. @throws UserError when the name cannot be a user's, like `../root`. */
export function systemMailbox(paths: SystemPaths, user: string): string {
  if (!isUserName(user)) throw new UserError(`${JSON.stringify(user)} is not a user name`, EX.usage);
  return join(paths.spool, user);
}

interface Owner {
  readonly uid: number;
  readonly home: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a user's state may be, best first. XDG says that a relative XDG_STATE_HOME does not count. */
function stateCandidates(user: Owner, paths: SystemPaths, xdg: string | undefined): string[] {
  const own = xdg?.startsWith('/') ? join(xdg, 'tmail') : join(user.home, '.local/state/tmail');
  return [own, join(paths.temporary, `tmail-${user.uid}`)];
}

/**
 * The folder for the caller's own state (indexes, journals, undo), made when it is missing, mode 700:
 * $XDG_STATE_HOME/tmail, else ~/.local/state/tmail, else /var/tmp/tmail-UID where the home cannot be written.
 *
 * Anybody can put something in the place of the last one, so one that is a link or another user's is refused: what lies
 * in it is believed.
 *
 * @throws MailError (permanent) that says why each of them will not do.
 */
export function stateDir(user: Owner, env: Environment, paths = systemPaths(), disk: Disk = realDisk): string {
  const xdg = paths.root === '' ? env.XDG_STATE_HOME : undefined;
  const faults: string[] = [];
  for (const path of stateCandidates(user, paths, xdg)) {
    // A home that does not exist (/nonexistent) is not made for its state's sake.
    const homeless = path.startsWith(`${user.home}/`) && disk.stat(user.home) === undefined;
    const fault = homeless ? 'the home folder does not exist' : makeOwnFolder(disk, path, user.uid);
    if (fault === undefined) return path;
    faults.push(`${path}: ${fault}`);
  }
  throw new MailError(`no folder for tmail's own files (${faults.join('; ')}); set XDG_STATE_HOME to one`, {
    temporary: false,
    status: EX.cannotCreate,
  });
}

/** Makes a folder that is ours alone; returns why it is not. */
function makeOwnFolder(disk: Disk, path: string, uid: number): string | undefined {
  try {
    const above = firstThatExists(disk, dirname(path));
    // Root may write anywhere: it must not make folders of its own in the home of the user it was called from (sudo).
    if (uid === 0 && above !== undefined && above.uid !== 0) return 'in a folder of another user';
    disk.mkdir(path, 0o700);
    const stat = disk.lstat(path);
    if (stat?.kind !== 'directory') return stat?.kind === 'symlink' ? 'is a symbolic link' : 'is no folder';
    if (stat.uid !== uid) return 'belongs to another user';
    if ((stat.mode & 0o077) !== 0) tighten(disk, path);
    accessSync(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

function firstThatExists(disk: Disk, path: string): FileStat | undefined {
  const stat = disk.stat(path);
  const above = dirname(path);
  return stat !== undefined || above === path ? stat : firstThatExists(disk, above);
}

function tighten(disk: Disk, path: string): void {
  const fd = disk.open(path, 'read');
  try {
    disk.chmod(fd, 0o700);
  } finally {
    disk.close(fd);
  }
}

/**
 * Where a journal or an index of a mailbox may lie, the caller's own folder `own` first: that of the mailbox's owner, and
 * the daemon's. Only folders that are there; another user's only when nobody else can have put it there.
 */
export function stateDirsOf(own: string, paths = systemPaths(), disk: Disk = realDisk): (path: string) => string[] {
  return (path) => {
    const owner = disk.stat(path)?.uid;
    const user = owner === undefined || owner === process.geteuid?.() ? undefined : lookUpUid(owner, paths.root);
    const theirs = user === undefined ? [] : stateCandidates(user, paths, undefined);
    const trusted = theirs.filter((folder) => isFolderOf(lookAt(disk, folder), owner));
    const daemons = lookAt(disk, paths.state)?.kind === 'directory' ? [paths.state] : [];
    return [...new Set([own, ...trusted, ...daemons])];
  };
}

/** What is there; undefined also when it is behind a folder that we may not look into, like another user's home. */
function lookAt(disk: Disk, path: string): FileStat | undefined {
  try {
    return disk.lstat(path);
  } catch {
    return undefined;
  }
}

function isFolderOf(stat: FileStat | undefined, uid: number | undefined): boolean {
  return stat?.kind === 'directory' && stat.uid === uid && (stat.mode & 0o022) === 0;
}
