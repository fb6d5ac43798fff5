/**
 * The tables in force: read from their files, read again when these change, replaced all together or not at all.
 *
 * A set with a fault is not put into force: the last good one stays, and the fault is reported as file:line. The same when an
 * `expect` line of the policy test file (`expect` in the folder of tables) fails with the new set. Files are watched by the
 * kernel, and looked at every few seconds where that is not to be had (NFS, too many watches).
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SystemPaths } from '../config/paths.ts';
import { EX, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, readWhole, realDisk } from '../core/files.ts';
import { lookUpUser } from '../core/users.ts';
import { checkTargets } from '../rules/expand.ts';
import { runExpectations } from '../rules/expect.ts';
import type { DecisionLookups } from '../rules/relay.ts';
import { buildRules, type RuleOptions, type Rules, type TableTexts } from '../rules/rules.ts';
import type { Fault } from '../rules/table.ts';

export interface Tables {
  /** Those in force; never changed, only replaced. */
  readonly rules: Rules;
  /** Reads all files again. Faults of level error mean that nothing was replaced. */
  reload(): readonly Fault[];
  /** Options of a configuration that was read again; they count from the next reload. */
  setOptions(options: RuleOptions): void;
  close(): void;
}

export interface TablesOptions {
  readonly paths: Pick<SystemPaths, 'root' | 'tables' | 'aliases'>;
  readonly options: RuleOptions;
  readonly disk?: Disk;
  /** A new set is in force. Not called for the first. */
  readonly onChange: (rules: Rules) => void;
  /** Errors (the set was not taken) or warnings. */
  readonly onFault: (faults: readonly Fault[]) => void;
  /** What the policy test file may ask; without it users are asked for and every domain exists. */
  readonly lookups?: DecisionLookups;
  /** Milliseconds between two looks at the files; 0: never, nor are they watched. */
  readonly poll?: number;
}

/** Names of files in the folder of tables, by what they hold. */
const FILES = {
  access: 'access',
  localHostNames: 'local-host-names',
  relayDomains: 'relay-domains',
  virtualDomains: 'virtual-domains',
  virtusertable: 'virtusertable',
  genericstable: 'genericstable',
  mailertable: 'mailertable',
} as const satisfies Partial<Record<keyof TableTexts, string>>;

/** Questions with their verdicts, run at every reload. */
const POLICY_TESTS = 'expect';

const POLL = 5_000;
/** An editor writes a file in several steps; read it when it is quiet. */
const QUIET = 150;

/** With more aliases, whether each leads anywhere is left to `newaliases` and `config check`: it would take seconds. */
const MOST_CHECKED = 5_000;

export type TablePaths = Readonly<Record<keyof typeof FILES | 'aliases' | 'expect', string>>;

export function tablePaths(paths: Pick<SystemPaths, 'tables' | 'aliases'>): TablePaths {
  const at = (name: string) => join(paths.tables, name);
  return {
    access: at(FILES.access),
    localHostNames: at(FILES.localHostNames),
    relayDomains: at(FILES.relayDomains),
    virtualDomains: at(FILES.virtualDomains),
    virtusertable: at(FILES.virtusertable),
    genericstable: at(FILES.genericstable),
    mailertable: at(FILES.mailertable),
    aliases: paths.aliases,
    expect: at(POLICY_TESTS),
  };
}

/**
 * Reads the tables and watches them.
 *
 * @throws UserError (78) when they have a fault at the start: there is no last good set then, and mail that was refused by
 *   half a table would be lost, while mail for a host that is down waits. All faults were given to `onFault` before.
 */
export function openTables(options: TablesOptions): Tables {
  return new OpenTables(options);
}

class OpenTables implements Tables {
  readonly #given: TablesOptions;
  readonly #disk: Disk;
  readonly #files: TablePaths;
  readonly #watchers: FSWatcher[] = [];
  #options: RuleOptions;
  #rules: Rules;
  /** Of the files as they were last read. */
  #print: string;
  #pollTimer: NodeJS.Timeout | undefined;
  #quietTimer: NodeJS.Timeout | undefined;

  constructor(given: TablesOptions) {
    this.#given = given;
    this.#options = given.options;
    this.#disk = given.disk ?? realDisk;
    this.#files = tablePaths(given.paths);
    this.#print = fingerprint(this.#disk, this.#files);
    const { rules, faults } = this.#read();
    this.#rules = rules;
    if (faults.length > 0) given.onFault(faults);
    const errors = faults.filter(isError);
    const [first] = errors;
    if (first !== undefined) {
      const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
      throw new UserError(`${faultText(first)}${more}`, EX.config);
    }
    if (given.poll !== 0) this.#watch();
  }

  get rules(): Rules {
    return this.#rules;
  }

  setOptions(options: RuleOptions): void {
    this.#options = options;
  }

  reload(): readonly Fault[] {
    this.#print = fingerprint(this.#disk, this.#files);
    const { rules, faults } = this.#read();
    if (faults.length > 0) this.#given.onFault(faults);
    if (faults.some(isError)) return faults;
    this.#rules = rules;
    this.#given.onChange(rules);
    return faults;
  }

  close(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    clearInterval(this.#pollTimer);
    clearTimeout(this.#quietTimer);
  }

  #read(): { rules: Rules; faults: Fault[] } {
    const { lookups = usersOnly(this.#given.paths.root) } = this.#given;
    const { rules, faults } = readTables(this.#disk, this.#files, this.#options, lookups);
    const count = rules.aliases.aliases.size + rules.virtual.entries.size;
    if (count <= MOST_CHECKED && !faults.some(isError)) faults.push(...checkTargets(rules, lookups));
    return { rules, faults };
  }

  #watch(): void {
    const names = new Map<string, Set<string>>();
    for (const file of Object.values(this.#files)) {
      const folder = dirname(file);
      names.set(folder, (names.get(folder) ?? new Set()).add(basename(file)));
    }
    for (const [folder, files] of names) {
      try {
        // The folder, not the files: an editor puts a new file in the place of the old one.
        const watcher = watch(folder, { persistent: false }, (_, name) => {
          if (name === null || files.has(name)) this.#changed();
        });
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // Not there yet, or no more watches: looking now and then will do.
      }
    }
    this.#pollTimer = setInterval(() => {
      if (fingerprint(this.#disk, this.#files) !== this.#print) this.#changed();
    }, this.#given.poll ?? POLL);
    this.#pollTimer.unref();
  }

  /** Something changed: the files are read when they have been quiet for a moment. */
  #changed(): void {
    if (this.#quietTimer !== undefined) return;
    const before = fingerprint(this.#disk, this.#files);
    this.#quietTimer = setTimeout(() => {
      this.#quietTimer = undefined;
      if (fingerprint(this.#disk, this.#files) !== before) this.#changed();
      else if (before !== this.#print) this.reload();
    }, QUIET);
    this.#quietTimer.unref();
  }
}

/**
 * Reads all tables once, and asks the policy test file when nothing is wrong with them.
 * `instead`: the text of a file, which then is not read. Never throws.
 */
export function readTables(
  disk: Disk,
  files: TablePaths,
  options: RuleOptions,
  lookups: DecisionLookups,
  instead?: { readonly file: string; readonly text: string },
): { rules: Rules; faults: Fault[] } {
  const faults: Fault[] = [];
  const text = (file: string): string => {
    if (file === instead?.file) return instead.text;
    try {
      return new TextDecoder().decode(readWhole(disk, file));
    } catch (error) {
      faults.push({ file, line: 0, reason: reasonOf(error), level: 'error' });
      return '';
    }
  };
  const given = (file: string) => ({ file, text: text(file) });
  const built = buildRules(
    {
      access: given(files.access),
      localHostNames: given(files.localHostNames),
      relayDomains: given(files.relayDomains),
      virtualDomains: given(files.virtualDomains),
      virtusertable: given(files.virtusertable),
      genericstable: given(files.genericstable),
      mailertable: given(files.mailertable),
      aliases: given(files.aliases),
    },
    options,
  );
  faults.push(...built.faults);
  const expectations = text(files.expect);
  if (!faults.some(isError)) faults.push(...runExpectations(files.expect, expectations, built.rules, lookups));
  return { rules: built.rules, faults };
}

export function isError({ level }: Fault): boolean {
  return level === 'error';
}

/** `file:line: reason`; line 0 is the file as a whole. */
export function faultText({ file, line, reason, level }: Fault): string {
  const place = line === 0 ? file : `${file}:${line}`;
  return level === 'warning' ? `${place}: warning: ${reason}` : `${place}: ${reason}`;
}

/** The world as far as it is sure: a policy test must not depend on the mood of a name server. */
export function usersOnly(root: string): DecisionLookups {
  const known = new Map<string, string | false>();
  const find = (name: string) => lookUpUser(name, root)?.name;
  return {
    user(name) {
      const lower = name.toLowerCase();
      const found = known.get(name) ?? find(name) ?? (lower === name ? undefined : find(lower)) ?? false;
      known.set(name, found);
      return found;
    },
  };
}

/** Changes when any of the files does. */
function fingerprint(disk: Disk, files: TablePaths): string {
  return Object.values(files)
    .map((file) => {
      try {
        const stat = disk.stat(file);
        return stat === undefined ? '-' : `${stat.dev}.${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}`;
      } catch (error) {
        return reasonOf(error);
      }
    })
    .join(' ');
}
