/**
 * Starts the program: loads the chunks of dist/ from V8's code cache, which halves the time to the first line.
 *
 * A cache that V8 refuses (another version, other flags) or that is missing costs time and nothing else.
 * With TMAIL_WRITE_CODE_CACHE set, as the build does, the cache is written when the program ends: by then it holds
 * the functions that were compiled lazily.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';

type Wrapper = (exports: unknown, require: unknown, module: unknown, filename: string, dirname: string) => void;

const dist = import.meta.dirname;
const loaded = new Map<string, { exports: unknown }>();
const scripts = new Map<string, Script>();
const nodeRequire = createRequire(join(dist, 'launch.cjs'));

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function load(name: string): unknown {
  if (!name.startsWith('./')) return nodeRequire(name);
  const file = join(dist, name);
  const known = loaded.get(file);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(file, module);
  const cachedData = readCache(`${file}.cache`);
  const source = `(function(exports,require,module,__filename,__dirname){${readFileSync(file, 'utf8')}\n})`;
  const script = new Script(source, { filename: file, ...(cachedData === undefined ? {} : { cachedData }) });
  scripts.set(file, script);
  const wrapper = script.runInThisContext() as Wrapper;
  wrapper(module.exports, load, module, file, dist);
  return module.exports;
}

if (process.env.TMAIL_WRITE_CODE_CACHE !== undefined) {
  process.on('exit', () => {
    for (const [file, script] of scripts) writeFileSync(`${file}.cache`, script.createCachedData());
  });
}
load('./main.js');
