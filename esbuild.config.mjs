// Builds dist/: the scan kernel (AssemblyScript to WebAssembly), the program as lazily loaded CommonJS chunks,
// and V8's code cache for the chunks that a session needs. `npm ci` runs this through `prepare`.
//
// Why two steps for the program: only esbuild's ESM output can be split into shared chunks, and only CommonJS can be
// compiled from a code cache on Node 20. So it is split first, and each chunk is then turned into CommonJS.
//
// Everything is made in a folder of its own that takes the place of dist/ when it is whole: a program that runs
// meanwhile, or a build that fails, finds the old one.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { build, transform } from 'esbuild';

const top = dirname(fileURLToPath(import.meta.url));
process.chdir(top);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const target = 'node20.19';
/** What is run to fill the code cache: [arguments, standard input]. BOX and ROOT stand for a mailbox and a mail system. */
const SESSIONS = [
  [['--root', 'ROOT', '-N', '-u', 'lee'], 'h\n1\n\nt 2\nz\nf *\n/x\nd 3\nu 3\nd 3-4\ns 5 saved\nset\nx\n'],
  [['-n', '-f', 'BOX'], 'h\np\nn\nd\nq\n'],
  [['-n'], 'h\nq\n'],
  [['-n'], 'p 1\nd 2\nq\n'],
  [['--root', 'ROOT', '-s', 'cache', 'dl'], 'Hello\n'],
  [['-n', '-H'], ''],
  [['-n', '-H', '-f', 'BOX'], ''],
  [['-n', '-f', 'BOX', '--json'], ''],
];

if (process.argv[2] === 'man') {
  await manual();
  process.exit();
}
const out = mkdtempSync(join(top, '.dist-'));
try {
  await kernel();
  await program();
  await launcher();
  codeCache();
  takePlace();
} finally {
  rmSync(out, { recursive: true, force: true });
}

/** Other users may run what root built, whatever umask it was built with. */
function takePlace() {
  chmodSync(out, 0o755);
  for (const name of readdirSync(out)) chmodSync(join(out, name), 0o644);
  const old = `${out}.old`;
  if (existsSync('dist')) renameSync('dist', old);
  renameSync(out, 'dist');
  rmSync(old, { recursive: true, force: true });
}

async function kernel() {
  const args = [
    'src/mailbox/scan-kernel.ts',
    '--outFile',
    join(relative(top, out), 'scan-kernel.wasm'),
    '-O3',
    '--noAssert',
  ];
  args.push('--runtime', 'stub', '--enable', 'simd', '--importMemory', '--initialMemory', '1', '--noExportMemory');
  const { error, stderr } = await asc.main(args);
  if (error) throw new Error(`scan kernel: ${error.message}\n${stderr}`);
}

async function program() {
  const { outputFiles, metafile } = await build({
    entryPoints: { main: 'src/cli/main.ts' },
    outdir: out,
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target,
    minifySyntax: true,
    minifyWhitespace: true,
    chunkNames: '[name]-[hash]',
    external: ['koffi'],
    define: {
      'process.env.NODE_ENV': '"production"',
      'import.meta.dirname': '__dirname',
      'import.meta.url': '__filename',
      TMAIL_VERSION: JSON.stringify(version),
    },
    logLevel: 'warning',
  });
  const always = loadedAtStart(metafile);
  const pack = [];
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, {
      format: 'cjs',
      platform: 'node',
      target,
      minify: true,
      supported: { 'dynamic-import': false },
    });
    if (!always.has(path)) writeFileSync(path, code);
    else pack.push(`${JSON.stringify(`./${basename(path)}`)}(exports,require,module,__filename,__dirname){${code}\n}`);
  }
  writeFileSync(join(out, 'start.js'), `({${pack.join(',\n')}})`);
}

/** The chunks that every start loads: one file of them all is read faster than thirty. */
function loadedAtStart({ outputs }) {
  const found = new Set();
  const walk = (path) => {
    const absolute = join(top, path);
    if (found.has(absolute)) return;
    found.add(absolute);
    for (const { path: next, kind, external } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && !external) walk(next);
    }
  };
  walk(Object.keys(outputs).find((path) => outputs[path].entryPoint === 'src/cli/main.ts'));
  return found;
}

async function launcher() {
  await build({
    entryPoints: ['src/cli/launch.ts'],
    outfile: join(out, 'launch.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target,
    define: { 'import.meta.dirname': '__dirname' },
    logLevel: 'warning',
  });
}

/** Runs sessions on small mailboxes, so that the functions V8 compiles only when they are called are in the cache too. */
function codeCache() {
  const home = mkdtempSync(join(tmpdir(), 'tmail-build-'));
  const root = join(home, 'root');
  const box = join(home, 'box');
  const run = (args, input) => {
    const env = {
      PATH: process.env.PATH,
      TERM: 'dumb',
      LANG: 'C.UTF-8',
      HOME: home,
      MAIL: join(home, 'spool'),
      TMAIL_WRITE_CODE_CACHE: '1',
    };
    const words = args.map((word) => (word === 'ROOT' ? root : word === 'BOX' ? box : word));
    const { status, signal, stderr } = spawnSync(process.execPath, [join(out, 'launch.cjs'), ...words], {
      env,
      input,
      cwd: home,
      timeout: 60_000,
    });
    if (status === 70 || status === null)
      console.error(`code cache: tmail ${words.join(' ')}: ${status ?? signal} ${stderr}`);
  };
  try {
    run(['demo', '--print', '--dir', root], '');
    const mail = existsSync(join(root, 'var/mail/lee')) ? readFileSync(join(root, 'var/mail/lee')) : '';
    writeFileSync(box, mail);
    writeFileSync(join(home, 'spool'), mail);
    for (const [args, input] of SESSIONS) run(args, input);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  if (!existsSync(join(out, 'start.js.cache'))) throw new Error('no code cache was written');
}

/** Writes the manual, which is made from the program's tables: `npm run man`. */
async function manual() {
  const folder = mkdtempSync(join(top, '.dist-'));
  try {
    const outfile = join(folder, 'man.mjs');
    await build({
      entryPoints: ['src/cli/man.ts'],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      define: { TMAIL_VERSION: JSON.stringify(version) },
    });
    const { manPage } = await import(outfile);
    writeFileSync('man/tmail.1', manPage());
  } finally {
    rmSync(folder, { recursive: true });
  }
}
