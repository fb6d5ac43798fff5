/**
 * What the configuration itself names: files and programs that mail may go to, and lists that say so.
 *
 * The privileged half believes nobody else about that. It reads the alias file, or a user's ~/.forward, and the lists that
 * these include, with the checks of lists.ts, and looks whether what it was asked for is there.
 */
import { below, type SystemPaths } from '../config/paths.ts';
import { type Disk, readWhole } from '../core/files.ts';
import type { User } from '../core/users.ts';
import { type Member, parseAliases } from '../rules/aliases.ts';
import type { ListResult } from '../rules/expand.ts';
import { readForward, readInclude } from './lists.ts';

export interface Named {
  /** Each as `nameKey` has it. */
  readonly files: ReadonlySet<string>;
  readonly programs: ReadonlySet<string>;
  readonly includes: ReadonlyMap<string, ListResult>;
}

/** A path or command as it is written, and whose list names it; undefined: root's. */
export function nameKey(name: string, asUser: string | undefined): string {
  return `${asUser ?? ''}\n${name}`;
}

export interface NamedOptions {
  readonly disk: Disk;
  readonly paths: Pick<SystemPaths, 'root' | 'aliases'>;
  readonly user: (name: string) => User | undefined;
  /** Reads as that user; undefined: as root. */
  readonly as: <T>(user: User | undefined, work: () => T) => T;
}

/** Lists within lists; more is a loop in disguise. */
const MOST_LISTS = 10_000;

/** What the alias file names. */
export function namedByAliases(options: NamedOptions): Named {
  const { disk, paths, as } = options;
  const text = as(undefined, () => new TextDecoder().decode(readWhole(disk, paths.aliases)));
  const { aliases } = parseAliases(paths.aliases, text);
  return follow(
    options,
    undefined,
    [...aliases.values()].flatMap(({ members }) => members),
  );
}

/** What a user's ~/.forward names; nothing when it must not be used. */
export function namedByForward(options: NamedOptions, user: User): Named {
  const { disk, paths, as } = options;
  const list = as(user, () => readForward(user, paths.root, disk));
  return follow(options, user, 'members' in list ? list.members : []);
}

function follow(options: NamedOptions, first: User | undefined, members: readonly Member[]): Named {
  const { disk, paths, as, user } = options;
  const files = new Set<string>();
  const programs = new Set<string>();
  const includes = new Map<string, ListResult>();
  const waiting = [{ members, keeper: first }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { keeper } = next;
    for (const member of next.members) {
      if (member.kind === 'file') files.add(nameKey(member.path, keeper?.name));
      if (member.kind === 'program') programs.add(nameKey(member.command, keeper?.name));
      if (member.kind !== 'include') continue;
      const { path } = member;
      const key = nameKey(path, keeper?.name);
      if (includes.has(key) || includes.size >= MOST_LISTS) continue;
      const list = as(keeper, () => readInclude(below(paths.root, path), keeper, paths.root, disk));
      includes.set(key, list);
      if (!('members' in list)) continue;
      const owner = list.owner === undefined ? keeper : user(list.owner);
      // A list whose keeper is unknown would be root's.
      if (list.owner === undefined || owner !== undefined) waiting.push({ members: list.members, keeper: owner });
    }
  }
  return { files, programs, includes };
}
