/**
 * Wires the parts: what the command line was given becomes the Services of a session.
 */
import { hostname as systemHostname } from 'node:os';
import { join } from 'node:path';
import { type SystemPaths, stateDir, stateDirsOf, systemMailbox, systemPaths } from '../config/paths.ts';
import { EX, MailError, UserError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { currentUser, lookUpUid, lookUpUser, type User } from '../core/users.ts';
import { createLocker } from '../mailbox/lock.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** How the program was called. */
export interface Invocation {
  /** `tmail`, or the program it was called as (`mailx`, `sendmail`): names itself so in messages. */
  readonly calledAs: string;
  /** Arguments without the program's name, and without the subcommand. */
  readonly args: readonly string[];
  readonly env: Environment;
  /** --root or TMAIL_ROOT. */
  readonly root: string | undefined;
  /** --config */
  readonly config: string | undefined;
  /** The subcommand it was called with. */
  readonly subcommand: string | undefined;
}

/** What every face needs: the disk, where things lie, who asks. */
export interface Foundation {
  readonly disk: Disk;
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
  const { root = '' } = invocation;
  const disk = realDisk;
  if (root !== '' && disk.stat(root)?.kind !== 'directory') {
    throw new UserError(`${root}: no such folder (--root, TMAIL_ROOT)`, EX.usage);
  }
  const paths = systemPaths(root);
  const user = whoAsks(invocation.env, root, asUser);
  const env = root === '' ? invocation.env : environmentWithin(root, user, invocation.env);
  return { disk, paths, user, hostname: systemHostname(), env };
}

function whoAsks(env: Environment, root: string, asUser: string | undefined): User {
  if (root !== '') {
    const named = [asUser, env.LOGNAME, env.USER].find(
      (name) => name !== undefined && lookUpUser(name, root) !== undefined,
    );
    const uid = process.geteuid?.() ?? 0;
    const entry = named === undefined ? lookUpUid(uid, root) : lookUpUser(named, root);
    // Who has an entry in the root folder lives there, whatever the environment says of the world outside.
    if (entry?.home.startsWith(join(root, '/'))) return entry;
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
  const { disk, paths, user, hostname, env } = base;
  const now = Date.now;
  let own: string | undefined;
  // Looked for when first needed: what only reads must work where nothing can be written.
  const ownDir = () => (own ??= stateDir(user, env, paths, disk));
  return {
    disk,
    locker: createLocker({ disk, hostname, now, notify }),
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
