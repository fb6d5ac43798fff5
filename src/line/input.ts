/**
 * Lines from standard input, byte for byte, however long they are.
 *
 * A pipe or file is read in blocks, blocking. A terminal is read from a thread of the pool, so that signals are noticed
 * meanwhile, and can be read on after an end of file that was typed (Ctrl-D ends a letter, not the session).
 */
import { read, readSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';
import { exitAtOnce } from '../core/libc.ts';

const BLOCK = 65_536;
const LF = 10;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Splits what is read into lines. `read` answers 0 octets at the end of input. */
class LineSplitter {
  #held: Uint8Array[] = [];
  #rest: Uint8Array = new Uint8Array(0);

  /** The next line that is held completely, without its end. */
  take(): Uint8Array | undefined {
    const end = this.#rest.indexOf(LF);
    if (end < 0) {
      if (this.#rest.length > 0) this.#held.push(this.#rest);
      this.#rest = new Uint8Array(0);
      return undefined;
    }
    const line = Buffer.concat([...this.#held, this.#rest.subarray(0, end)]);
    this.#held = [];
    this.#rest = this.#rest.subarray(end + 1);
    return line;
  }

  add(bytes: Uint8Array): void {
    this.#rest = bytes;
  }

  /** At the end of input: a last line that has no end. */
  last(): Uint8Array | undefined {
    const line = this.#held.length === 0 ? undefined : Buffer.concat(this.#held);
    this.#held = [];
    return line;
  }
}

export interface LineReader {
  /** The next line without its end, or undefined at the end of input. */
  next(): Promise<Uint8Array | undefined>;
}

/** Lines of a pipe or file. */
export function pipeReader(fd: number): LineReader {
  const splitter = new LineSplitter();
  let ended = false;
  return {
    async next() {
      for (;;) {
        const line = splitter.take();
        if (line !== undefined) return line;
        if (ended) return splitter.last();
        const block = new Uint8Array(BLOCK);
        const got = readBlocking(fd, block);
        if (got === 0) ended = true;
        else splitter.add(block.subarray(0, got));
      }
    },
  };
}

function readBlocking(fd: number, block: Uint8Array): number {
  for (;;) {
    try {
      return readSync(fd, block, 0, block.length, null);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'EOF' || code === 'EBADF' || code === 'EIO') return 0;
      // Some other program made the pipe non-blocking.
      if (code === 'EAGAIN') Atomics.wait(sleeper, 0, 0, 20);
      else if (code !== 'EINTR') throw error;
    }
  }
}

/** Lines of a terminal in its own line discipline. `interrupted` ends a wait with its reason; what is typed after is kept. */
export function terminalReader(fd: number, interrupted: (stop: (reason: Error) => void) => () => void): LineReader {
  const splitter = new LineSplitter();
  // A read that an interrupt left behind: the next line typed is its result.
  let pending: Promise<Uint8Array> | undefined;
  const block = (): Promise<Uint8Array> => {
    pending ??= readLater(fd).finally(() => {
      pending = undefined;
    });
    return pending;
  };
  // An exit would wait for that read, and the user for the prompt of the shell.
  const leave = (status: number): void => {
    if (pending === undefined) return;
    for (const other of process.listeners('exit')) if (other !== leave) other(status);
    exitAtOnce(status);
  };
  process.on('exit', leave);
  return {
    async next() {
      for (;;) {
        const line = splitter.take();
        if (line !== undefined) return line;
        const bytes = await new Promise<Uint8Array>((resolve, reject) => {
          const forget = interrupted(reject);
          block().then(resolve, reject).finally(forget);
        });
        // Ctrl-D behind some text hands that over; on an empty line it is an end of input, for once.
        if (bytes.length === 0) return splitter.last();
        splitter.add(bytes);
      }
    },
  };
}

async function readLater(fd: number): Promise<Uint8Array> {
  const block = new Uint8Array(BLOCK);
  for (;;) {
    try {
      const got = await new Promise<number>((resolve, reject) => {
        read(fd, block, 0, block.length, null, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
      });
      return block.subarray(0, got);
    } catch (error) {
      const code = errnoOf(error);
      // A terminal that went away.
      if (code === 'EIO' || code === 'EOF' || code === 'EBADF') return new Uint8Array(0);
      if (code !== 'EAGAIN' && code !== 'EINTR') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
