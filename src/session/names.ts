/**
 * Aliases: what names stand for.
 */
import type { Settings } from './session.ts';

/** The settings with addresses added to an alias (`alias NAME ADDRESS...`). */
export function addAlias(settings: Settings, name: string, addresses: readonly string[]): Settings {
  const aliases = new Map(settings.aliases);
  aliases.set(name, [...new Set([...(aliases.get(name) ?? []), ...addresses])]);
  return { ...settings, aliases };
}

export function removeAliases(settings: Settings, names: readonly string[]): Settings {
  const aliases = new Map(settings.aliases);
  for (const name of names) aliases.delete(name);
  return { ...settings, aliases };
}

/** What `alias` prints for one: a line that would make it. */
export function aliasLine(settings: Settings, name: string): string | undefined {
  const members = settings.aliases.get(name);
  return members === undefined ? undefined : `alias ${name} ${members.join(' ')}`;
}

export interface Expansion {
  /** Each once, in the order in which they were met. */
  readonly addresses: readonly string[];
  /** Members of some alias, not named directly: `metoo` decides about the sender among them. */
  readonly fromAlias: ReadonlySet<string>;
}

/**
 * Replaces aliases by what they stand for, nested ones too. A name met again on its own way stands for itself, so that
 * `alias lee lee@home.example lee` means the local lee; a backslash before a name keeps it from being expanded.
 */
export function expandAliases(settings: Settings, names: readonly string[]): Expansion {
  const addresses = new Set<string>();
  const fromAlias = new Set<string>();
  const expanded = new Set<string>();
  const expand = (name: string, inside: readonly string[]): void => {
    const members = settings.aliases.get(name);
    if (members === undefined || name.startsWith('\\')) {
      const address = name.startsWith('\\') ? name.slice(1) : name;
      addresses.add(address);
      if (inside.length > 0) fromAlias.add(address);
      return;
    }
    if (inside.includes(name)) {
      // A loop. The name is kept only where it says so itself; `one: two`, `two: one` stands for neither.
      if (inside.at(-1) === name) addresses.add(name);
      return;
    }
    if (expanded.has(name)) return;
    expanded.add(name);
    for (const member of members) expand(member, [...inside, name]);
  };
  for (const name of names) expand(name, []);
  return { addresses: [...addresses], fromAlias };
}
