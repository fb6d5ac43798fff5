/** Chooses and loads the scan kernel: WebAssembly for large files, plain TypeScript for small ones or when it is missing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROW_SIZE } from './rows.ts';
import { type Kernel, plainKernel } from './scan-plain.ts';

/** What the kernel exports; see scan-kernel.ts. */
interface Exports {
  find: Kernel['find'];
  walk: Kernel['walk'];
  hash: Kernel['hash'];
  messages(from: number, to: number, base: number, out: number): number;
}

/** The part of WebAssembly that is used; node's types leave the constructors to the DOM's. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}
const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/** Where the buffer begins in the kernel's memory. */
const BUFFER = 1024;
/** The kernel reads up to so many octets behind what it looks at. */
const SLACK = 64;
/** Octets that `messages` writes rows to, behind the buffer: room for 4096. */
const ROWS = 4096 * ROW_SIZE;
/** Octets of the buffer: the largest that stays in the processor's cache while it is filled and read. */
const CHUNK = 1 << 20;
/** Below this, compiling the kernel costs more than it saves. */
const WORTH_IT = 32 * 1024;
/** The smallest buffer a scan can work with. */
const LEAST = 16 * 1024;

let compiled: object | null | undefined;

function load(): object | null {
  // dist/ when bundled; src/mailbox/ when run from source, as tests do.
  for (const at of ['scan-kernel.wasm', '../../dist/scan-kernel.wasm']) {
    try {
      return new engine.Module(readFileSync(join(import.meta.dirname, at)));
    } catch {
      // Not built, or this node knows no SIMD: the plain kernel does the same.
    }
  }
  return null;
}

/** The WebAssembly kernel with a buffer of `size` octets; undefined when it cannot be had. */
export function wasmKernel(size: number): Kernel | undefined {
  if (compiled === undefined) compiled = load();
  if (compiled === null) return undefined;
  const out = Math.ceil((size + SLACK) / 8) * 8;
  const pages = Math.ceil((BUFFER + out + ROWS) / 65536);
  const memory = new engine.Memory({ initial: pages });
  const { find, walk, hash, messages } = new engine.Instance(compiled, { env: { memory } }).exports as Exports;
  return {
    buffer: Buffer.from(memory.buffer, BUFFER, size),
    state: new Int32Array(memory.buffer, 0, 16),
    find,
    walk,
    hash,
    messages(from, to, base) {
      const count = messages(from, to, base, out);
      return new Uint8Array(memory.buffer, BUFFER + out, count * ROW_SIZE);
    },
  };
}

/** A kernel for scanning `size` octets. */
export function kernelFor(size: number): Kernel {
  if (size >= WORTH_IT) {
    const kernel = wasmKernel(Math.min(size, CHUNK));
    if (kernel !== undefined) return kernel;
  }
  return plainKernel(Math.min(Math.max(size, LEAST), CHUNK));
}
