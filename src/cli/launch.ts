/**
 * Starts the program: loads the chunks of dist/ from V8's code cache, which halves the time to the first line.
 *
 * `start.js` holds what every start needs, other chunks are files of their own; `./start.js#PATH` stands for a module in
 * it. A cache that V8 refuses (another version, other flags) or that is missing costs time and nothing else.
 * Modules of node that are slow to load and seldom used are loaded when something of them is.
 * With TMAIL_WRITE_CODE_CACHE set, as the build does, the cache is written when the program ends: by then it holds
 * the functions that were compiled lazily.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

type Chunk = (exports: unknown, require: unknown, module: unknown, filename: string, dirname: string) => void;

/** Of the CommonJS module that this becomes: made already, while one of our own would have to be. */
declare const require: (name: string) => unknown;

const dist = import.meta.dirname;
const loaded = new Map<string, { exports: unknown }>();
const scripts = new Map<string, Script>();

/** Each takes 1 to 8 ms to load, more than all chunks of ours, and most sessions need none of them. */
const SLOW = new Set(
  ['child_process', 'crypto', 'dns', 'http', 'net', 'readline', 'stream', 'tls', 'worker_threads', 'zlib'].map(
    (name) => `node:${name}`,
  ),
);

/** Stands for a module until something of it is asked for. */
function whenUsed(name: string): unknown {
  type Exports = Record<string | symbol, unknown>;
  let actual: Exports | undefined;
  const exports = () => (actual ??= require(name) as Exports);
  return new Proxy(
    {},
    {
      get: (_, key) => exports()[key],
      ownKeys: () => Reflect.ownKeys(exports()),
      getOwnPropertyDescriptor: (_, key) => ({ value: exports()[key], enumerable: true, configurable: true }),
    },
  );
}

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function load(name: string): unknown {
  if (!name.startsWith('./')) return SLOW.has(name) ? whenUsed(name) : require(name);
  const [fileName = '', part] = name.split('#', 2);
  const module = loaded.get(fileName) ?? run(fileName);
  return part === undefined ? module.exports : (module.exports as Record<string, unknown>)[part];
}

function run(name: string): { exports: unknown } {
  const module = { exports: {} };
  loaded.set(name, module);
  const file = join(dist, name);
  const cachedData = readCache(`${file}.cache`);
  // The files hold functions already: to put them together here would copy them. All are ASCII, esbuild escapes the rest.
  const source = readFileSync(file, 'latin1');
  const script = new Script(source, { filename: file, ...(cachedData === undefined ? {} : { cachedData }) });
  scripts.set(file, script);
  (script.runInThisContext() as Chunk)(module.exports, load, module, file, dist);
  return module;
}

if (process.env.TMAIL_WRITE_CODE_CACHE !== undefined) {
  process.on('exit', () => {
    for (const [file, script] of scripts) writeFileSync(`${file}.cache`, script.createCachedData());
  });
}
load('./start.js');
