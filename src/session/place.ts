/**
 * File and folder names as they are typed: `%`, `%USER`, `%:PATH`, `#`, `&`, `+NAME`, `~/`, `$NAME`, shell patterns.
 *
 * A name becomes an absolute path once, when the command is read, and that path is used to the end of the command.
 */
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { lookUpUser } from '../core/users.ts';
import type { CommandContext } from './command.ts';
import { variable } from './settings.ts';
import { words } from './words/en.ts';

export interface Place {
  /** Absolute. */
  readonly path: string;
  /** The rules of a system mailbox hold there. */
  readonly system: boolean;
  /** Whose system mailbox, for `No mail for USER`. */
  readonly user: string | undefined;
}

/** The user's mbox: `MBOX`, else ~/mbox. */
export function mboxPath(context: CommandContext): string {
  const named = variable(context.session.settings, context.services.env, 'MBOX');
  // `&` in it would name itself.
  if (named === undefined || named === '' || named === '&') return join(homeOf(context), 'mbox');
  return filePath(context, named);
}

/** The system mailbox of the user who sits there: `MAIL`, else the one in the spool. */
export function ownSystemMailbox(context: CommandContext): string {
  const { env, user, systemMailbox } = context.services;
  return env.MAIL === undefined || env.MAIL === '' ? systemMailbox(user.name) : resolve(env.MAIL);
}

function homeOf(context: CommandContext): string {
  const { env, user } = context.services;
  return env.HOME || user.home || homedir();
}

/** The folder that `+NAME` is in; undefined when `folder` is not set. A relative one is under the home folder. */
export function folderPath(context: CommandContext): string | undefined {
  const folder = context.session.settings.variables.get('folder');
  if (folder === undefined || folder === '') return undefined;
  const path = withHome(context, withVariables(context, folder));
  return isAbsolute(path) ? path : join(homeOf(context), path);
}

function withHome(context: CommandContext, name: string): string {
  const tilde = /^~([^/]*)(?=\/|$)/.exec(name);
  if (tilde === null) return name;
  const user = tilde[1] ?? '';
  const home = user === '' ? homeOf(context) : lookUpUser(user)?.home;
  return home === undefined ? name : home + name.slice(tilde[0].length);
}

/** `$NAME` and `${NAME}` stand for what the environment has; what it has not stays as it is. */
function withVariables({ services }: CommandContext, name: string): string {
  return name.replace(/\$(?:(\w+)|\{(\w+)\})/g, (all, plain?: string, braced?: string) => {
    return services.env[plain ?? braced ?? ''] ?? all;
  });
}

/** A mailbox as `file` and `-f` name it. Throws UserError for a name that stands for nothing. */
export function placeOf(context: CommandContext, typed: string): Place {
  const { services } = context;
  const own = ownSystemMailbox(context);
  if (typed === '%') return { path: own, system: true, user: services.user.name };
  if (typed.startsWith('%:')) return { path: filePath(context, typed.slice(2)), system: true, user: undefined };
  if (/^%[^/]+$/.test(typed)) {
    const user = typed.slice(1);
    return { path: services.systemMailbox(user), system: true, user };
  }
  const path = filePath(context, typed);
  // Going back to a system mailbox by `#` is going back to its rules.
  const system = typed === '#' && context.session.previousSystem === true;
  return { path, system, user: system && path === own ? services.user.name : undefined };
}

/** Path of a file as `save`, `copy`, `source` and their kin name it. */
export function filePath(context: CommandContext, typed: string): string {
  const { session, services } = context;
  if (typed === '') throw new UserError(words.emptyFileName);
  if (typed.includes('\0')) throw new UserError(words.badFileName(typed));
  if (typed === '&') return mboxPath(context);
  if (typed === '#') {
    if (session.previous === undefined) throw new UserError(words.noPrevious);
    return session.previous.path;
  }
  if (/^%[^/]*$/.test(typed)) return placeOf(context, typed).path;
  let path = withHome(context, withVariables(context, typed));
  if (typed.startsWith('+') && typed.length > 1) {
    const folder = folderPath(context);
    if (folder === undefined) throw new UserError(words.noFolder(typed));
    path = join(folder, path.slice(1));
  }
  return onlyMatch(services.disk, absolute(path), typed);
}

function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (error) {
    // The working folder was removed.
    throw new UserError(words.cannotOpen('.', reasonOf(error)));
  }
}

/** A shell pattern must match one file; a file that is called so, or a pattern that matches none, is taken as it is. */
function onlyMatch(disk: Disk, path: string, typed: string): string {
  if (!/[*?[]/.test(path) || disk.stat(path) !== undefined) return path;
  const matches = glob(disk, path);
  if (matches.length > 1) throw new UserError(words.manyMatches(typed, matches.length));
  return matches[0] ?? path;
}

const MATCH_LIMIT = 1000;

function glob(disk: Disk, pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) return disk.stat(pattern) === undefined ? [] : [pattern];
  const name = basename(pattern);
  const matching = patternTest(name);
  return glob(disk, dirname(pattern)).flatMap((folder) => {
    if (disk.stat(folder)?.kind !== 'directory') return [];
    const names = disk.list(folder).filter((one) => matching(one) && (!one.startsWith('.') || name.startsWith('.')));
    return names
      .sort()
      .slice(0, MATCH_LIMIT)
      .map((one) => join(folder, one));
  });
}

/** `*`, `?` and `[...]` of one name. Runs of stars are one star, so that no pattern takes long. */
function patternTest(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/\*+|\?|\[([!^]?)([^\]]+)\]|[^*?[]|\[/g, (piece, not?: string, set?: string) => {
    if (piece.startsWith('*')) return '[^/]*';
    if (piece === '?') return '[^/]';
    if (set !== undefined) return `[${not ? '^' : ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
    return piece.replace(/[\\^$.|+(){}[\]]/g, '\\$&');
  });
  try {
    const test = new RegExp(`^${source}$`, 'su');
    return (name) => test.test(name);
  } catch {
    return (name) => name === pattern;
  }
}
