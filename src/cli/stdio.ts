/**
 * Standard output and error of commands that are no session. Text goes out in full before anything else happens, so that
 * the program may end at once; when the reader goes away (`tmail -H | head -1`) it ends quietly.
 */
import { visible } from '../core/text.ts';
import { writeErr, writeOut } from '../line/output.ts';

/** Prints whole lines, ours or made visible already. Returns exit status 0, for `return printText(...)`. */
export function printText(text: string): number {
  writeOut(text);
  return 0;
}

/** One line on standard error; whatever it quotes (file names, names of people) cannot drive a terminal. */
export function printError(line: string): void {
  writeErr(visible(line));
}
