/**
 * Standard output and error of commands that are no session: written in full before going on, so that the program may end
 * at once, and quiet when the reader went away (`tmail -H | head -1`).
 */
import { writeSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';
import { visible } from '../core/text.ts';

/** What a shell reports for a program that SIGPIPE ended. */
const READER_GONE = 141;

/** Writes all of `bytes`; ends the program when nobody reads any more. Waits when a pipe that does not block is full. */
function writeAll(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if (errnoOf(error) === 'EPIPE') process.exit(READER_GONE);
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Prints text that is ours or was made visible already. Returns exit status 0, for `return printText(...)`. */
export function printText(text: string): number {
  writeAll(1, Buffer.from(text));
  return 0;
}

export function printBytes(bytes: Uint8Array): void {
  writeAll(1, bytes);
}

/** One line on standard error; whatever it quotes (file names, names of people) cannot drive a terminal. */
export function printError(line: string): void {
  try {
    writeSync(2, `${visible(line)}\n`);
  } catch {
    // Nobody can be told that nobody can be told.
  }
}
