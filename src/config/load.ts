/**
 * Finds out what is in force: the command line, else tmail.toml, else the default, each with where it came from.
 *
 * A missing file means the defaults and costs one failed open; the TOML parser is loaded only for a file that is there.
 * A fault in the file is a ConfigError with its line: a configuration that is only half understood is not used.
 */
import { readFileSync, statSync } from 'node:fs';
import { hostname as machineName } from 'node:os';
import { resolve } from 'node:path';
import { ConfigError, EX, errnoOf, reasonOf, UserError } from '../core/errors.ts';
import { DEFAULT_LISTEN, type Listen, listenAt, readListen } from './listen.ts';
import {
  DAEMON_SECTIONS,
  type OptionName,
  type OptionValue,
  optionNamed,
  optionOf,
  optionsIn,
  SECTIONS,
  type SettledName,
} from './options.ts';
import { below, type SystemPaths, systemPaths } from './paths.ts';
import { type AnyValue, isHostName, readValue, writtenFrom } from './values.ts';

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
  readonly set: ReadonlyMap<OptionName, Setting<AnyValue>>;
  /** At least one; unix paths are below the root folder. */
  readonly listen: readonly Listen[];
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
  const fromFile = text === undefined ? NOTHING : await readFileText(file, text);
  const set = new Map<OptionName, Setting<AnyValue>>([...fromFile.entries, ...fromCommandLine(sources.commandLine)]);
  const listen = fromFile.listen.length === 0 ? DEFAULT_LISTEN : fromFile.listen.map((one) => rooted(one, root.value));
  const config = { root, paths: { ...defaults, config: file, ...pathsOf(set, root.value) }, set, listen };
  return { ...config, hostname: hostnameOf(set) };
}

/** The value of an option; undefined when it is not set. */
export function optionValue<N extends OptionName>(config: Config, name: N): OptionValue<N> | undefined {
  // The loader has let in only what has the option's type.
  return config.set.get(name)?.value as OptionValue<N> | undefined;
}

/** What is in force for an option that always has a value. */
export function settled<N extends SettledName>(config: Config, name: N): OptionValue<N> {
  const value = optionValue(config, name);
  if (value !== undefined) return value;
  const option = optionOf(name);
  const reading = readValue(option, option.initial);
  if ('mustBe' in reading) throw new Error(`the default of ${name} must be ${reading.mustBe}`);
  return reading.value as OptionValue<N>;
}

function rooted(listen: Listen, root: string): Listen {
  const { address } = listen;
  return address.kind === 'tcp' ? listen : { ...listen, address: { ...address, path: below(root, address.path) } };
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

type Entry = readonly [OptionName, Setting<AnyValue>];

interface FileContents {
  readonly entries: readonly Entry[];
  readonly listen: readonly Listen[];
}

const NOTHING: FileContents = { entries: [], listen: [] };

async function readFileText(file: string, text: string): Promise<FileContents> {
  const { parse, TomlError } = await import('smol-toml');
  let table: Record<string, unknown>;
  try {
    table = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigError(file, error.line, firstLine(error.message));
  }
  const source = { file, text };
  const { listen, ...rest } = table;
  const entries = Object.entries(rest).flatMap(([key, value]) => readSection(source, key, value));
  return { entries: onlyOnce(source, entries), listen: readListeners(source, listen) };
}

interface Source {
  readonly file: string;
  readonly text: string;
}

function readSection(source: Source, key: string, value: unknown): Entry[] {
  if (DAEMON_SECTIONS.has(key)) return [];
  if (!SECTIONS.includes(key)) return [readEntry(source, '', key, value)];
  if (!isTable(value)) {
    throw new ConfigError(source.file, lineOf(source.text, '', key), `${key} is a section: write [${key}]`);
  }
  return Object.entries(value).map(([name, inner]) => readEntry(source, key, name, inner));
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/^Invalid TOML document: /, '');
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function readEntry({ file, text }: Source, section: string, key: string, written: unknown): Entry {
  const name = optionNamed(section === '' ? key : `${section}.${key}`);
  const line = lineOf(text, section, key);
  if (name === undefined) {
    const sections = [...SECTIONS.map((known) => `[${known}]`), '[[listen]]'];
    const known = section === '' ? [...optionsIn(''), ...sections] : optionsIn(section);
    throw new ConfigError(file, line, `unknown option ${JSON.stringify(key)}; there are: ${known.join(', ')}`);
  }
  const reading = readValue(optionOf(name), written);
  if ('mustBe' in reading) throw new ConfigError(file, line, `${key} must be ${reading.mustBe}`);
  return [name, { value: reading.value, origin: `${file}:${line}` }];
}

/** An option may be set under one of its spellings, not under two. */
function onlyOnce({ file }: Source, entries: readonly Entry[]): readonly Entry[] {
  const seen = new Map<OptionName, string>();
  for (const [name, { origin }] of entries) {
    const before = seen.get(name);
    if (before !== undefined) {
      const line = Number(origin.slice(file.length + 1));
      throw new ConfigError(file, line, `${name} is set in ${before}, too`);
    }
    seen.set(name, origin);
  }
  return entries;
}

/** `[[listen]]` blocks, or the short form. */
function readListeners({ file, text }: Source, written: unknown): Listen[] {
  if (written === undefined) return [];
  const line = lineOf(text, '', 'listen');
  const items: unknown[] = Array.isArray(written) ? written : [written];
  if (items.length === 0) throw new ConfigError(file, line, 'listen is empty: a daemon must listen somewhere');
  return items.map((item, nth) => {
    const blockLine = isTable(item) ? lineOf(text, 'listen', '', nth) : line;
    const listen = isTable(item) ? readListen(item, `${file}:${blockLine}`) : listenAt(item, `${file}:${blockLine}`);
    if (!('reason' in listen)) return listen;
    throw new ConfigError(file, isTable(item) ? lineOf(text, 'listen', listen.key, nth) : line, listen.reason);
  });
}

/**
 * The line, from 1, on which `key` of the nth block of a section is set (of the block itself for the key ''); that of its
 * header, or 1, when it is written in a way that this does not see.
 */
function lineOf(text: string, section: string, key: string, nth = 0): number {
  const bare = (name: string) => name.replace(/["'\s]/g, '');
  let current = '';
  let headerLine = 1;
  let block = -1;
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[+([^[\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) {
      current = bare(header);
      if (current === section) {
        block += 1;
        if (block === nth) headerLine = index + 1;
      }
    }
    const set = /^\s*([^=#]+?)\s*=/.exec(line)?.[1];
    if (set === undefined) continue;
    const name = current === '' ? bare(set) : `${current}.${bare(set)}`;
    const inBlock = block === nth || block < 0;
    if (name === (section === '' ? key : `${section}.${key}`) && inBlock) return index + 1;
    if (name === section) return index + 1;
  }
  return headerLine;
}

function fromCommandLine(options: ReadonlyMap<string, string> = new Map()): Entry[] {
  return [...options].map(([written, text]) => {
    const name = optionNamed(written);
    if (name === undefined) throw new UserError(`unknown option ${JSON.stringify(written)}`, EX.usage);
    const option = optionOf(name);
    const reading = readValue(option, writtenFrom(option.type, text));
    if ('mustBe' in reading) throw new UserError(`${name} must be ${reading.mustBe}`, EX.usage);
    return [name, { value: reading.value, origin: 'command line' }];
  });
}

/** The options of `[paths]`, which are paths below the root like all others. */
function pathsOf(set: ReadonlyMap<OptionName, Setting<AnyValue>>, root: string): Partial<SystemPaths> {
  const paths: Record<string, string> = {};
  for (const [name, { value }] of set) {
    if (name.startsWith('paths.')) paths[name.slice('paths.'.length)] = below(root, String(value));
  }
  return paths;
}

function hostnameOf(set: ReadonlyMap<OptionName, Setting<AnyValue>>): Setting<string> {
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
