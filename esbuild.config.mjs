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
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { build, transform } from 'esbuild';

const top = dirname(fileURLToPath(import.meta.url));
process.chdir(top);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const target = 'node20.19';
const common = {
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  target,
  minifySyntax: true,
  minifyWhitespace: true,
  external: ['koffi'],
  define: {
    'process.env.NODE_ENV': '"production"',
    'import.meta.dirname': '__dirname',
    'import.meta.url': '__filename',
    TMAIL_VERSION: JSON.stringify(version),
  },
  logLevel: 'warning',
};
const MAIN = 'src/cli/main.ts';

/**
 * What is run to fill the code cache: [arguments, standard input]. BOX and ROOT stand for a mailbox and a mail system.
 *
 * Reading a cache costs by its size, so the module that every start loads keeps only what COMMON sessions called; the
 * OTHERS are for the chunks that are loaded when they are needed.
 */
const OTHERS = [
  [['--root', 'ROOT', '-N', '-u', 'lee'], 'h\n1\n\nt 2\nz\nf *\n/x\nd 3\nu 3\nd 3-4\ns 5 saved\nset\nx\n'],
  [['--root', 'ROOT', '-s', 'cache', 'dl'], 'Hello\n'],
  [['-n', '-f', 'BOX', '--json'], ''],
];
const COMMON = [
  [['-n', '-f', 'BOX'], 'h\np\nx\n'],
  [['-n', '-f', 'BOX'], 'x\n'],
];
/** Octets from which a mailbox has an index: sessions with one are common. */
const LARGE_BOX = 300_000;

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

/**
 * start.js: every module that main.ts imports statically, as one; what others need of it is exported under the module's
 * path. The rest: chunks of what is imported dynamically, which ask for `./start.js#PATH`.
 */
async function program() {
  const { metafile } = await build({ ...common, entryPoints: [MAIN], outdir: out, splitting: true, format: 'esm' });
  const { always, later, shared } = divide(metafile.inputs);
  const stdin = shared.map((path) => `export * as ${JSON.stringify(path)} from ${JSON.stringify(`./${path}`)};`);
  stdin.push(`import ${JSON.stringify(`./${MAIN}`)};`);
  const start = await build({
    ...common,
    stdin: { contents: stdin.join('\n'), resolveDir: top, sourcefile: 'start.ts' },
    outfile: join(out, 'start.js'),
    format: 'cjs',
    supported: { 'dynamic-import': false },
    plugins: [{ name: 'later', setup: (setup) => onImport(setup, 'dynamic-import', (path) => later.get(path)) }],
    minify: true,
  });
  writeChunk(join(out, 'start.js'), start.outputFiles[0].text);
  const rest = await build({
    ...common,
    entryPoints: [...later].map(([path, name]) => ({ in: path, out: name.replace(/^\.\/|\.js$/g, '') })),
    outdir: out,
    splitting: true,
    format: 'esm',
    chunkNames: 'chunk-[hash]',
    plugins: [
      {
        name: 'start',
        setup: (setup) => onImport(setup, undefined, (path) => (always.has(path) ? `./start.js#${path}` : undefined)),
      },
    ],
  });
  for (const { path, text } of rest.outputFiles) {
    const options = { format: 'cjs', platform: 'node', target, minify: true, supported: { 'dynamic-import': false } };
    writeChunk(path, (await transform(text, options)).code);
  }
}

/** As a function that launch.ts calls. */
function writeChunk(path, code) {
  writeFileSync(path, `(function(exports,require,module,__filename,__dirname){${code}\n})`);
}

/** Modules by when they are loaded: always; later, with the name of their file; and those of the former that the rest uses. */
function divide(inputs) {
  const always = new Set();
  const walk = (path) => {
    if (always.has(path)) return;
    always.add(path);
    for (const { path: next, kind, external } of inputs[path].imports)
      if (kind !== 'dynamic-import' && !external) walk(next);
  };
  walk(MAIN);
  const later = new Map();
  const shared = new Set();
  for (const [path, { imports }] of Object.entries(inputs)) {
    for (const { path: next, kind, external } of imports) {
      if (external) continue;
      if (always.has(next) ? !always.has(path) || kind === 'dynamic-import' : false) shared.add(next);
      if (kind === 'dynamic-import' && !always.has(next)) {
        const name = next.replace(/^.*node_modules\/|^src\//, '').replace(/\.[cm]?[jt]s$/, '');
        later.set(next, `./${name.replace(/[^\w.]+/g, '-')}.js`);
      }
    }
  }
  return { always, later, shared: [...shared].sort() };
}

/** Resolves imports as ever, but those of which `elsewhere` knows the place to that place. */
function onImport(setup, kind, elsewhere) {
  setup.onResolve({ filter: /./ }, async (args) => {
    if (args.pluginData === 'asked' || args.kind === 'entry-point' || (kind !== undefined && args.kind !== kind))
      return undefined;
    const { importer, namespace, resolveDir, kind: how } = args;
    const asking = { importer, namespace, resolveDir, kind: how, pluginData: 'asked' };
    const { path, external, errors } = await setup.resolve(args.path, asking);
    if (external || errors.length > 0) return undefined;
    const place = elsewhere(relative(top, path));
    return place === undefined ? undefined : { path: place, external: true };
  });
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
    writeFileSync(box, mail.toString().repeat(mail.length === 0 ? 0 : Math.ceil(LARGE_BOX / mail.length)));
    writeFileSync(join(home, 'spool'), mail);
    for (const [args, input] of OTHERS) run(args, input);
    rmSync(join(out, 'start.js.cache'), { force: true });
    for (const [args, input] of COMMON) run(args, input);
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
