/**
 * Wires the parts: what the command line was given becomes the Services of a session.
 */
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig, optionValue } from '../config/load.ts';
import { controlSocket, type SystemPaths, stateDir, stateDirsOf, systemMailbox } from '../config/paths.ts';
import { MailError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { currentUser, lookUpUid, lookUpUser, type User } from '../core/users.ts';
import { createLocker } from '../mailbox/lock.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';
import type { Io, Outbox, Services } from '../session/io.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** How the program was called. */
export interface Invocation {
  /** `tmail`, or the program it was called as (`mailx`, `sendmail`): names itself so in messages. */
  readonly calledAs: string;
  /** Arguments without the program's name, and without the subcommand. */
  readonly args: readonly string[];
  readonly env: Environment;
  /** --root; TMAIL_ROOT stands in `env`. */
  readonly root: string | undefined;
  /** --config. */
  readonly config: string | undefined;
  /** The subcommand it was called with. */
  readonly subcommand: string | undefined;
}

/** What every face needs: the disk, where things lie, who asks. */
export interface Foundation {
  readonly disk: Disk;
  readonly config: Config;
  readonly paths: SystemPaths;
  readonly user: User;
  readonly hostname: string;
  readonly env: Environment;
}

/** Files that the environment names and that must not lead out of a root folder. */
const FILE_VARIABLES = ['MAIL', 'MBOX', 'DEAD', 'MAILRC'];

/**
 * The foundation for an invocation. In a root folder with its own users the caller is one of them: `asUser` (-u), else
 * LOGNAME when it is one, else whoever has the caller's number; the environment is that user's.
 */
export async function foundation(invocation: Invocation, asUser?: string): Promise<Foundation> {
  const config = await configOf(invocation);
  const { env: outer } = invocation;
  const root = config.root.value;
  const user = whoAsks(outer, root, asUser);
  const env = root === '' ? outer : environmentWithin(root, user, outer);
  return { disk: realDisk, config, paths: config.paths, user, hostname: config.hostname.value, env };
}

/** The configuration for an invocation, whoever asks. */
export function configOf({ root, config: file, env }: Invocation): Promise<Config> {
  return loadConfig({ ...(root === undefined ? {} : { root }), ...(file === undefined ? {} : { file }), env });
}

function whoAsks(env: Environment, root: string, asUser: string | undefined): User {
  if (root !== '') {
    const named = [asUser, env.LOGNAME, env.USER].find(
      (name) => name !== undefined && lookUpUser(name, root) !== undefined,
    );
    const uid = process.geteuid?.() ?? 0;
    const entry = named === undefined ? lookUpUid(uid, root) : lookUpUser(named, root);
    // Who has an entry in the root folder lives there, whatever the environment says of the world outside.
    // What it may do is what this process may do: root files belong to root, not to a number of that passwd file.
    if (entry?.home.startsWith(join(root, '/'))) {
      return { ...entry, uid, gid: process.getegid?.() ?? entry.gid };
    }
  }
  return currentUser(env, root);
}

function environmentWithin(root: string, user: User, env: Environment): Environment {
  const inner: Record<string, string | undefined> = { ...env, HOME: user.home, LOGNAME: user.name, USER: user.name };
  for (const name of FILE_VARIABLES) {
    const path = env[name];
    if (path !== undefined && !path.startsWith(join(root, '/'))) inner[name] = undefined;
  }
  return inner;
}

/** What opening and changing mailboxes needs. `notify` gets one line for the user. */
export function mailboxContext(base: Foundation, notify: (text: string) => void): MailboxContext {
  const { disk, config, paths, user, hostname, env } = base;
  const now = Date.now;
  const seconds = optionValue(config, 'mailbox.lock_timeout');
  const timeout = seconds === undefined ? {} : { timeoutMs: seconds * 1000 };
  let own: string | undefined;
  // Looked for when first needed: what only reads must work where nothing can be written.
  const ownDir = () => (own ??= stateDir(user, env, paths, disk));
  return {
    disk,
    locker: createLocker({ disk, hostname, now, notify, ...timeout }),
    get stateDir() {
      return ownDir();
    },
    stateDirsOf(path) {
      try {
        return stateDirsOf(ownDir(), paths, disk)(path);
      } catch (error) {
        if (!(error instanceof MailError)) throw error;
        return [paths.state];
      }
    },
    now,
    notify,
  };
}

/** The system mailbox that `tmail` opens: $MAIL of the user who asks, else the one in the spool. */
export function ownMailbox({ env, paths, user }: Foundation): string {
  return env.MAIL !== undefined && env.MAIL !== '' ? env.MAIL : systemMailbox(paths, user.name);
}

/** Everything that a session needs, shown by `io`. */
export function sessionServices(base: Foundation, io: Io): Services {
  const { disk, paths, user, hostname, env } = base;
  const mailbox = mailboxContext(base, (text) => io.err(visible(text)));
  return {
    io,
    disk,
    mailbox,
    user,
    hostname,
    env,
    systemMailbox: (name) => systemMailbox(paths, name),
    outbox: lazyOutbox(base, mailbox),
    now: Date.now,
  };
}

/** The way out, loaded when the first message is handed on. */
export function lazyOutbox(base: Foundation, mailbox: MailboxContext): Outbox {
  return async (message, envelope, how) => {
    const [{ createOutbox }, { standsForOthers }] = await Promise.all([
      import('./outbox.ts'),
      import('./stand-ins.ts'),
    ]);
    const { disk, paths, hostname, env } = base;
    const outbox = createOutbox({
      disk,
      mailbox,
      hostname,
      env,
      systemMailbox: (name) => systemMailbox(paths, name),
      lookUpUser: (name) => lookUpUser(name, paths.root),
      standsForOthers: standsForOthers(disk, paths),
      submitDirs: submitDirs(base, mailbox),
      daemonRuns: async () => (await import('./control-client.ts')).daemonRuns(controlSocket(paths)),
      sendmailProgram: paths.root === '' ? foreignSendmail() : undefined,
      uid: process.geteuid?.() ?? 0,
      now: Date.now,
    });
    return outbox(message, envelope, how);
  };
}

/** Where submitted mail waits: the system's folder, and the caller's own where that cannot be written. */
export function submitDirs({ paths }: Foundation, mailbox: MailboxContext): string[] {
  try {
    return [paths.submit, join(mailbox.stateDir, 'submit')];
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    return [paths.submit];
  }
}

/** The delivery program of the system, unless it is this program by another name. */
function foreignSendmail(): string | undefined {
  const path = ['/usr/sbin/sendmail', '/usr/lib/sendmail'].find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const own = join(import.meta.dirname, '../bin/tmail');
  return existsSync(own) && realpathSync(path) === realpathSync(own) ? undefined : path;
}

/** The system mailbox of a user. Throws UserError when the name cannot be a user's. */
export function systemMailboxOf({ paths }: Foundation, user: string): string {
  return systemMailbox(paths, user);
}
