/**
 * Which names of this host stand for others, so that their mail is not simply put into a mailbox: aliases, and users with a
 * ~/.forward. Only whether, never for whom: that is the daemon's business.
 */
import { join } from 'node:path';
import type { SystemPaths } from '../config/paths.ts';
import { type Disk, readWhole } from '../core/files.ts';
import { lookUpUser } from '../core/users.ts';
import { type AliasTable, NO_ALIASES, parseAliases } from '../rules/aliases.ts';

/** Reads the alias file when it is first asked. What cannot be read stands for nobody: the daemon will say so. */
export function standsForOthers(disk: Disk, paths: Pick<SystemPaths, 'aliases' | 'root'>): (name: string) => boolean {
  let table: AliasTable | undefined;
  return (name) => {
    table ??= readAliases(disk, paths.aliases);
    const { aliases } = table;
    const plain = name.split('+', 1)[0] ?? '';
    return [name, plain].some((one) => aliases.has(one.toLowerCase()) || hasForward(disk, one, paths.root));
  };
}

function readAliases(disk: Disk, path: string): AliasTable {
  try {
    const bytes = readWhole(disk, path);
    return bytes === undefined ? NO_ALIASES : parseAliases(path, new TextDecoder().decode(bytes));
  } catch {
    return NO_ALIASES;
  }
}

function hasForward(disk: Disk, name: string, root: string): boolean {
  const user = lookUpUser(name, root) ?? lookUpUser(name.toLowerCase(), root);
  try {
    return user !== undefined && disk.lstat(join(user.home, '.forward')) !== undefined;
  } catch {
    return false;
  }
}
