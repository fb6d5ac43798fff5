/**
 * Writing to standard output and error: synchronous and complete, so that what a session prints is out before it reads
 * the next command or starts a program.
 */
import { writeSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';

/** What a shell reports for a program that SIGPIPE ended. */
const READER_GONE = 128 + 13;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of `bytes`; waits while a pipe that does not block is full. Throws EPIPE and the like. */
function writeAll(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(sleeper, 0, 0, 5);
    }
  }
}

/** Whole lines for standard output. When nobody reads them any more the program ends, as SIGPIPE would end it: nothing
 *  of the session is carried out. */
export function writeOut(text: string): void {
  try {
    writeAll(1, Buffer.from(text.endsWith('\n') ? text : `${text}\n`));
  } catch (error) {
    if (errnoOf(error) === 'EPIPE') process.exit(READER_GONE);
    throw error;
  }
}

/** Whole lines for standard error. That nobody can be told is no reason to stop. */
export function writeErr(text: string): void {
  try {
    writeAll(2, Buffer.from(text.endsWith('\n') ? text : `${text}\n`));
  } catch {
    // The session goes on.
  }
}

/** Text without a line end: prompts. */
export function writePrompt(text: string): void {
  try {
    writeAll(1, Buffer.from(text));
  } catch (error) {
    if (errnoOf(error) === 'EPIPE') process.exit(READER_GONE);
    throw error;
  }
}
