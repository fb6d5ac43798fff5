/**
 * Finds out what is in force: the command line, else tmail.toml, else the default, each with where it came from.
 *
 * A missing file means the defaults and costs one failed open; the TOML parser is loaded only for a file that is there.
 * A fault in the file is a ConfigError with its line: a configuration that is only half understood is not used.
 */
import { readFileSync, statSync } from 'node:fs';
import { hostname as machineName } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, EX, errnoOf, reasonOf, UserError } from '../core/errors.ts';
import {
  DAEMON_SECTIONS,
  faultOf,
  isHostName,
  isOption,
  OPTIONS,
  type OptionName,
  type OptionValue,
  optionsIn,
} from './options.ts';
import { type SystemPaths, systemPaths } from './paths.ts';

/** A value and where it came from: `default`, `command line`, `TMAIL_ROOT`, `/etc/tmail/tmail.toml:3`. */
export interface Setting<T> {
  readonly value: T;
  readonly origin: string;
}

export interface Config {
  readonly root: Setting<string>;
  /** Where everything lies, the options of `[paths]` applied. */
  readonly paths: SystemPaths;
  readonly hostname: Setting<string>;
  /** What was set, by name; an option that is not here has its default. */
  readonly set: ReadonlyMap<OptionName, Setting<string | number>>;
}

export interface ConfigSources {
  /** `--root DIR`. */
  readonly root?: string;
  /** `--config FILE`, taken as typed; it must exist. */
  readonly file?: string;
  /** `--set NAME=VALUE`, by name. */
  readonly commandLine?: ReadonlyMap<string, string>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * @throws ConfigError for a fault in the file.
 * @throws UserError for a root that is no folder, a file that cannot be read, a wrong option on the command line.
 */
export async function loadConfig(sources: ConfigSources = {}): Promise<Config> {
  const root = findRoot(sources);
  const defaults = systemPaths(root.value);
  const file = sources.file === undefined ? defaults.config : resolve(sources.file);
  const text = readConfig(file, sources.file !== undefined);
  const fromFile = text === undefined ? [] : await readOptions(file, text);
  const set = new Map<OptionName, Setting<string | number>>([...fromFile, ...fromCommandLine(sources.commandLine)]);
  const config = { root, paths: { ...defaults, config: file, ...pathsOf(set, root.value) }, set };
  return { ...config, hostname: hostnameOf(set) };
}

/** The value of an option; undefined when it is not set. */
export function optionValue<N extends OptionName>(config: Config, name: N): OptionValue<N> | undefined {
  // The loader has let in only what has the option's type.
  return config.set.get(name)?.value as OptionValue<N> | undefined;
}

function findRoot({ root, env = {} }: ConfigSources): Setting<string> {
  const given = root ?? env.TMAIL_ROOT ?? '';
  const origin = root !== undefined ? 'command line' : given !== '' ? 'TMAIL_ROOT' : 'default';
  if (given === '') {
    if (root !== undefined) throw new UserError('--root: the name of a folder is missing', EX.usage);
    return { value: '', origin };
  }
  const path = resolve(given);
  const stat = statSync(path, { throwIfNoEntry: false });
  const name = origin === 'TMAIL_ROOT' ? origin : '--root';
  if (stat === undefined) throw new UserError(`${name}: ${path}: No such folder`, EX.usage);
  if (!stat.isDirectory()) throw new UserError(`${name}: ${path}: Not a folder`, EX.usage);
  return { value: path === '/' ? '' : path, origin };
}

function readConfig(file: string, mustExist: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (!mustExist && (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR')) return undefined;
    throw new UserError(`${file}: ${reasonOf(error)}`, EX.config);
  }
}

type Entry = readonly [OptionName, Setting<string | number>];

async function readOptions(file: string, text: string): Promise<Entry[]> {
  const { parse, TomlError } = await import('smol-toml');
  let table: Record<string, unknown>;
  try {
    table = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigError(file, error.line, firstLine(error.message));
  }
  return Object.entries(table).flatMap(([key, value]) => {
    if (DAEMON_SECTIONS.has(key)) return [];
    if (optionsIn(key).length === 0) return [checked(file, text, '', key, value)];
    if (!isTable(value)) throw new ConfigError(file, lineOf(text, '', key), `${key} is a section: write [${key}]`);
    return Object.entries(value).map(([name, inner]) => checked(file, text, key, name, inner));
  });
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/^Invalid TOML document: /, '');
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function checked(file: string, text: string, section: string, key: string, value: unknown): Entry {
  const name = section === '' ? key : `${section}.${key}`;
  const line = lineOf(text, section, key);
  if (!isOption(name)) {
    const known = section === '' ? [...optionsIn(''), '[paths]', '[mailbox]'] : optionsIn(section);
    throw new ConfigError(file, line, `unknown option ${JSON.stringify(key)}; there are: ${known.join(', ')}`);
  }
  const fault = faultOf(OPTIONS[name].type, value);
  if (fault !== undefined || (typeof value !== 'string' && typeof value !== 'number')) {
    throw new ConfigError(file, line, `${key} must be ${fault}`);
  }
  return [name, { value, origin: `${file}:${line}` }];
}

/** The line, from 1, on which `key` of a section is set; 1 when it is written in a way that this does not see. */
function lineOf(text: string, section: string, key: string): number {
  const bare = (name: string) => name.replace(/["'\s]/g, '');
  let current = '';
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[+([^[\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) current = bare(header);
    const set = /^\s*([^=#]+?)\s*=/.exec(line)?.[1];
    if (set === undefined) continue;
    const name = current === '' ? bare(set) : `${current}.${bare(set)}`;
    if (name === (section === '' ? key : `${section}.${key}`) || name === section) return index + 1;
  }
  return 1;
}

function fromCommandLine(options: ReadonlyMap<string, string> = new Map()): Entry[] {
  return [...options].map(([name, text]) => {
    if (!isOption(name)) throw new UserError(`unknown option ${JSON.stringify(name)}`, EX.usage);
    const value = OPTIONS[name].type === 'seconds' && text.trim() !== '' ? Number(text) : text;
    const fault = faultOf(OPTIONS[name].type, value);
    if (fault !== undefined) throw new UserError(`${name} must be ${fault}`, EX.usage);
    return [name, { value, origin: 'command line' }];
  });
}

/** The options of `[paths]`, which are paths below the root like all others. */
function pathsOf(set: ReadonlyMap<OptionName, Setting<string | number>>, root: string): Partial<SystemPaths> {
  const paths: Record<string, string> = {};
  for (const [name, { value }] of set) {
    if (name.startsWith('paths.')) paths[name.slice('paths.'.length)] = join(root, '/', String(value));
  }
  return paths;
}

function hostnameOf(set: ReadonlyMap<OptionName, Setting<string | number>>): Setting<string> {
  const given = set.get('hostname');
  if (given !== undefined) return { value: String(given.value), origin: given.origin };
  return qualifiedName(machineName(), readHosts());
}

function readHosts(): string {
  try {
    return readFileSync('/etc/hosts', 'utf8');
  } catch {
    return '';
  }
}

/**
 * The fully qualified name of a machine that calls itself `name`, by the text of /etc/hosts. Never asks DNS, which may
 * be dead and then takes a minute; where nobody knows better the short name stays, and `localhost` stands for nonsense.
 */
export function qualifiedName(name: string, hosts: string): Setting<string> {
  if (!isHostName(name)) return { value: 'localhost', origin: 'default' };
  const machine = { value: name, origin: 'name of this machine' };
  if (name.includes('.')) return machine;
  for (const line of hosts.split('\n')) {
    const [, ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    if (!names.includes(name)) continue;
    // The first name is the canonical one; but "127.0.0.1 localhost.localdomain localhost box" says nothing about box.
    const full = names.find((other) => other.startsWith(`${name}.`)) ?? names.find((other) => other.includes('.'));
    if (full !== undefined && isHostName(full) && !full.startsWith('localhost.'))
      return { value: full, origin: '/etc/hosts' };
  }
  return machine;
}
