/**
 * As whom the daemon works: what root prepares for it, and how root is given up.
 *
 * Root opens the ports, makes folders and log and gives them to the daemon's user, starts the keeper of the helpers
 * (helper.ts), and gives itself up. Everything that comes from outside is read after that. A daemon that is not started by
 * root does everything itself, as whoever started it.
 */
import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Config, optionValue, settled } from '../config/load.ts';
import { EX, errnoOf, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, type FileStat, realDisk } from '../core/files.ts';
import { actAs, dropTo, type Identity, identityOf } from '../core/identity.ts';
import { lookUpUser, type User } from '../core/users.ts';
import { listSubmit } from '../queue/submit.ts';
import type { HelperSettings } from './helper.ts';
import { type Helpers, MOST_TOGETHER, startHelpers } from './helpers.ts';
import type { Command } from './keeper.ts';
import { type DaemonSettings, daemonSettings, localOptions } from './settings.ts';
import { tablePaths } from './tables.ts';

/** How a daemon that root started becomes two halves. */
export interface Separation {
  /** Makes what root must make, before anything is opened. */
  readonly prepare: () => void;
  /** Called when the ports are open, and before anything is read that comes from outside. */
  readonly giveUpRoot: () => void;
  readonly helpers: Helpers;
}

/** Who does what when root starts the daemon; a warning when root shall do all of it. Starts the keeper. */
export function separate(
  config: Config,
  self: (part: 'keeper' | 'helper') => Command,
): { readonly separation?: Separation; readonly warnings?: readonly string[] } {
  const settings = daemonSettings(config);
  const worker = chooseWorker(config, realDisk);
  if ('stays' in worker) return { warnings: [worker.stays] };
  return {
    separation: {
      prepare: () => prepareFor(worker, settings, realDisk),
      giveUpRoot: () => giveUpRoot(worker, settings.paths),
      helpers: startHelpers(self('keeper'), helperSettings(config, settings, worker.user)),
    },
  };
}

/** As whom the daemon works, or why it stays who it is. */
type Worker = { readonly user: User; readonly identity: Identity } | { readonly stays: string };

/** Who takes over when nobody is named, the first that there is. */
const USERS = ['tmail', 'daemon'];
/** As whom programs of the administrator's tables run: sendmail's DefaultUser, but never who keeps the queue. */
const PROGRAM_USERS = ['daemon', 'nobody'];

/**
 * The user whom root shall become.
 *
 * @throws UserError when the one that the configuration names will not do, or there is none.
 */
function chooseWorker(config: Config, disk: Disk): Worker {
  const root = config.root.value;
  const asked = settled(config, 'daemon.user');
  const origin = config.set.get('daemon.user')?.origin ?? '';
  if (asked === 'root') return { stays: `${origin}: the daemon keeps all rights of root` };
  const names = asked === '' ? USERS : [asked];
  const user = names.map((name) => lookUpUser(name, root)).find((found) => found !== undefined);
  if (user === undefined || user.uid === 0) {
    const why = `there is no user ${names.join(' or ')} to do what needs no root`;
    if (asked !== '') throw new UserError(`${origin}: ${user === undefined ? why : `${asked} is root`}`, EX.config);
    if (root !== '') return { stays: `${why}: the daemon keeps all rights of root` };
    throw new UserError(`${why}: make one (useradd -r tmail), or name one as user in [daemon]`, EX.config);
  }
  const identity = identityOf(user, root);
  // Parts of the program are loaded when they are needed.
  const closed = [import.meta.dirname, root].find((folder) => folder !== '' && !canReach(disk, folder, identity));
  if (closed !== undefined) {
    const why = `${user.name}, as whom the daemon works, cannot reach ${closed} (chmod a+x it, and the folders above)`;
    if (asked !== '' || root === '') throw new UserError(asked === '' ? why : `${origin}: ${why}`, EX.config);
    return { stays: `${why}: the daemon keeps all rights of root` };
  }
  return { user, identity };
}

function canReach(disk: Disk, folder: string, identity: Identity): boolean {
  return actAs(identity, () => {
    try {
      return disk.stat(`${folder}/.`) !== undefined;
    } catch {
      return false;
    }
  });
}

function helperSettings(config: Config, { paths, hostname, limits }: DaemonSettings, user: User): HelperSettings {
  const others = PROGRAM_USERS.filter((name) => name !== user.name);
  const programUser = others.find((name) => lookUpUser(name, paths.root) !== undefined) ?? 'nobody';
  return {
    paths,
    hostname,
    local: localOptions(config),
    lockTimeout: (optionValue(config, 'mailbox.lock_timeout') ?? 30) * 1000,
    // Fields are added in front, and what only `portions` counts together has a field or two more each.
    largest: Math.max(limits.size, MOST_TOGETHER) + 4 * 1024 * 1024,
    programUser,
  };
}

/** Makes the folders and the log where they are missing, and gives them to the daemon's user. */
function prepareFor({ identity }: { readonly identity: Identity }, settings: DaemonSettings, disk: Disk): void {
  const { paths, log } = settings;
  for (const folder of [paths.queue, paths.state]) {
    makePrivate(disk, folder);
    giveAway(disk, folder, identity);
  }
  prepareSubmitFolder(disk, paths.submit, identity);
  // Where users without a home of their own keep journals.
  if (disk.stat(paths.temporary) === undefined) {
    disk.mkdir(paths.temporary, 0o755);
    setRights(disk, paths.temporary, 0o1777);
  }
  disk.mkdir(dirname(log.file), 0o755);
  try {
    if (disk.lstat(log.file) === undefined) disk.close(disk.open(log.file, 'exclusive', 0o640));
    giveOne(disk, log.file, identity, [0]);
  } catch {
    // Without a file the log goes to standard error.
  }
}

/** Makes a folder, and those above it so that its user can get there. */
export function makePrivate(disk: Disk, folder: string): void {
  disk.mkdir(dirname(folder), 0o755);
  disk.mkdir(folder, 0o700);
}

/**
 * Whoever may log in may put files here; the folder's group is theirs, whoever made them, so that the daemon may read them.
 */
function prepareSubmitFolder(disk: Disk, folder: string, identity: Identity): void {
  makePrivate(disk, folder);
  giveOne(disk, folder, identity, [disk.stat(folder)?.uid ?? 0]);
  setRights(disk, folder, 0o3733);
  // From before the folder was like that.
  for (const name of listSubmit(disk, folder)) {
    withPlain(disk, join(folder, name), (fd, { uid }) => {
      disk.chown(fd, uid, identity.gid);
      disk.chmod(fd, 0o640);
    });
  }
}

/** Gives a folder to another user, with what root or its owner until now made in it. */
function giveAway(disk: Disk, folder: string, identity: Identity): void {
  const before = disk.lstat(folder)?.uid ?? 0;
  const give = (path: string) => {
    const kind = disk.lstat(path)?.kind;
    giveOne(disk, path, identity, [0, before]);
    if (kind === 'directory') for (const name of disk.list(path)) give(join(path, name));
  };
  give(folder);
}

/** Only what is of one of these users: nobody can have put another's file there. */
function giveOne(disk: Disk, path: string, { uid, gid }: Identity, from: readonly number[]): void {
  withPlain(disk, path, (fd, stat) => {
    if (stat.uid !== uid && from.includes(stat.uid)) disk.chown(fd, uid, gid);
  });
}

/** Opens a file with one name, or a folder, that is no symbolic link. */
function withPlain(disk: Disk, path: string, work: (fd: number, stat: FileStat) => void): void {
  const there = disk.lstat(path);
  if (there === undefined || (there.kind !== 'file' && there.kind !== 'directory')) return;
  const fd = disk.open(path, 'read');
  try {
    const stat = disk.fstat(fd);
    if (stat.ino !== there.ino || stat.dev !== there.dev) return;
    if (stat.kind === 'directory' || stat.nlink === 1) work(fd, stat);
  } finally {
    disk.close(fd);
  }
}

function setRights(disk: Disk, path: string, mode: number): void {
  const fd = disk.open(path, 'read');
  try {
    disk.chmod(fd, mode);
  } finally {
    disk.close(fd);
  }
}

/**
 * Gives root up for good.
 *
 * @throws UserError when it can be taken up again, or when the daemon's user cannot read a table; the process must end then.
 */
function giveUpRoot(
  { user, identity }: { readonly user: User; readonly identity: Identity },
  paths: DaemonSettings['paths'],
): void {
  try {
    dropTo(identity);
  } catch (error) {
    throw new UserError(`root cannot be given up for ${user.name}, so nothing is done: ${reasonOf(error)}`, EX.osError);
  }
  for (const folder of [paths.queue, paths.submit, paths.state]) {
    try {
      accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      const remedy = `chmod a+x ${firstClosed(folder)}`;
      const why = `${user.name}, as whom the daemon works, cannot use it: ${reasonOf(error)} (${remedy})`;
      throw new UserError(`${folder}: ${why}`, EX.config);
    }
  }
  for (const file of Object.values(tablePaths(paths))) {
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') continue;
      const remedy = `chgrp ${identity.gid} ${file} && chmod 640 ${file}`;
      throw new UserError(`${file}: ${user.name}, as whom the daemon works, cannot read it (${remedy})`, EX.config);
    }
  }
}

/** The uppermost folder above one that we may not pass. */
function firstClosed(folder: string): string {
  const above = dirname(folder);
  const higher = above === folder ? above : firstClosed(above);
  try {
    accessSync(higher, constants.X_OK);
    return above;
  } catch {
    return higher;
  }
}
