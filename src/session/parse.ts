/**
 * A command line taken apart: the command's word, its argument, and the argument's words with their quotes.
 *
 * Pure, and total: every line has a reading. Columns count UTF-16 units from 1.
 */

export interface SplitLine {
  /** Letters that lead the line, or one of `! | ? = # + -`, or `z+`, `z-`; '' when the line begins with a message list. */
  readonly word: string;
  /** The rest, without blanks around it. */
  readonly argument: string;
  /** Where the argument begins in the line. */
  readonly column: number;
}

/** Commands of one character that is no letter; what follows touches them. */
const SIGNS = new Set(['!', '|', '?', '=', '#']);

/** Finds the word of the command: `d10-50`, `p /text`, `!date`, `10`, `z-`. */
export function splitLine(line: string): SplitLine {
  const start = line.length - line.trimStart().length;
  const text = line.trim();
  const word = commandWord(text);
  const rest = text.slice(word.length);
  const argument = rest.trimStart();
  return { word, argument, column: start + word.length + (rest.length - argument.length) + 1 };
}

function commandWord(text: string): string {
  const first = text[0] ?? '';
  if (SIGNS.has(first)) return first;
  // `-` and `+` alone, or with how many; `+-$` and the like are lists.
  const step = /^[+-](?=\s*\d*$)/.exec(text);
  if (step !== null) return step[0];
  const screen = /^z[+-]/.exec(text);
  if (screen !== null) return screen[0];
  const letters = /^[A-Za-z]+/.exec(text);
  if (letters !== null) return letters[0];
  if (text === '' || /^[\d.^$*+:/-]/.test(text)) return '';
  return /^\S+/.exec(text)?.[0] ?? '';
}

export interface Word {
  /** Quotes taken off. */
  readonly text: string;
  /** Some of it was quoted. */
  readonly quoted: boolean;
  /** From 0, quotes included. */
  readonly start: number;
  readonly end: number;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/**
 * Words parted by blanks. `'...'` and `"..."` quote, anywhere in a word; a backslash quotes the next character, and in
 * double quotes `\n` and `\t` are line end and tab. A quote that is not closed goes to the end.
 */
export function scanWords(text: string): Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    const word = scanWord(text, at);
    words.push(word);
    at = word.end;
  }
  return words;
}

function scanWord(text: string, start: number): Word {
  let out = '';
  let quote = '';
  let quoted = false;
  let at = start;
  for (; at < text.length; at++) {
    const c = text[at] ?? '';
    if (quote === '' && /\s/.test(c)) break;
    if (c === quote) {
      quote = '';
    } else if (quote === '' && (c === '"' || c === "'")) {
      quote = c;
      quoted = true;
    } else if (c === '\\' && quote !== "'" && at + 1 < text.length) {
      const next = text[at + 1] ?? '';
      at += 1;
      if (quote === '') out += next;
      else out += ESCAPES[next] ?? (next === '"' || next === '\\' ? next : `\\${next}`);
    } else {
      out += c;
    }
  }
  return { text: out, quoted, start, end: at };
}

/** The words without their quotes. */
export function splitWords(text: string): string[] {
  return scanWords(text).map((word) => word.text);
}

/** `LIST FILE`: the last word is the file, undefined when there is none; what stands before it is the list. */
export function splitListAndFile(argument: string): { readonly list: string; readonly file: string | undefined } {
  const last = scanWords(argument).at(-1);
  if (last === undefined) return { list: '', file: undefined };
  return { list: argument.slice(0, last.start), file: last.text };
}
