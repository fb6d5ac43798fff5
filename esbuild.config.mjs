// Builds dist/: the scan kernel (AssemblyScript to WebAssembly), the program as lazily loaded CommonJS chunks,
// and V8's code cache for the chunks that a session needs. `npm ci` runs this through `prepare`.
//
// Why two steps for the program: only esbuild's ESM output can be split into shared chunks, and only CommonJS can be
// compiled from a code cache on Node 20. So it is split first, and each chunk is then turned into CommonJS.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { build, transform } from 'esbuild';

const top = dirname(fileURLToPath(import.meta.url));
process.chdir(top);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const target = 'node20.19';
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');

await kernel();
await program();
await launcher();
codeCache();

async function kernel() {
  const args = ['src/mailbox/scan-kernel.ts', '--outFile', 'dist/scan-kernel.wasm', '-O3', '--noAssert'];
  args.push('--runtime', 'stub', '--enable', 'simd', '--importMemory', '--initialMemory', '1', '--noExportMemory');
  const { error, stderr } = await asc.main(args);
  if (error) throw new Error(`scan kernel: ${error.message}\n${stderr}`);
}

async function program() {
  const { outputFiles } = await build({
    entryPoints: { main: 'src/cli/main.ts' },
    outdir: 'dist',
    bundle: true,
    splitting: true,
    write: false,
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
      TMAIL_VERSION: JSON.stringify(version),
    },
    logLevel: 'warning',
  });
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, {
      format: 'cjs',
      platform: 'node',
      target,
      minifyWhitespace: true,
      supported: { 'dynamic-import': false },
    });
    writeFileSync(path, code);
  }
}

async function launcher() {
  await build({
    entryPoints: ['src/cli/launch.ts'],
    outfile: 'dist/launch.cjs',
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target,
    define: { 'import.meta.dirname': '__dirname' },
    logLevel: 'warning',
  });
}

/** Runs a session on a small mailbox, so that the functions it compiles lazily are in the cache too. */
function codeCache() {
  const env = { ...process.env, TMAIL_WRITE_CODE_CACHE: '1', TERM: 'dumb', HOME: join(top, 'dist') };
  execFileSync(process.execPath, ['dist/launch.cjs', '--version'], { env, input: '', stdio: ['pipe', 'ignore', 'inherit'] });
}
