/**
 * Text on its way to a terminal: made harmless, measured, cut and padded.
 *
 * Whatever came from a message, a file name, a peer or an environment variable passes through `visible` or `visibleLines`
 * first. What could move the cursor, change the terminal, reorder or hide text becomes a mark that shows its code:
 * `\x1b`, `\u202e`, `\u{e0041}`, and `\t`, `\n`, `\r` in one line. A backslash itself stays, so that the result is
 * unchanged when it passes through again. Nothing is taken away, so that one sees what somebody tried.
 *
 * Invisible characters stay where writing needs them: joiners between Arabic or Indic letters and inside emoji,
 * variation selectors behind a character that has variants, the tags of a flag.
 */
import { clusterAt, isPlain } from './width.ts';

// Patterns are made when they are asked for: classes of Unicode take a millisecond, and most text is ASCII.

/** All that may have to be shown as a mark: controls, surrogates, separators, invisible and noncharacters. */
const suspect = () => /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{DI}\p{NChar}\u{fff9}-\u{fffb}]/gu;
/** Marks stacked on one letter beyond any language's need: they cover the lines above and below. */
const stacked = () => /(?<=\p{M}{8})\p{M}/gu;

const joinedScript = () =>
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Nko}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Myanmar}\p{Script=Khmer}\p{Script=Tibetan}\p{Script=Balinese}\p{Script=Javanese}]/u;
const pictograph = () => /\p{Extended_Pictographic}/u;
const han = () => /\p{Script=Han}/u;
const mongolian = () => /\p{Script=Mongolian}/u;

/** Text as one line without anything that acts on a terminal or hides; control characters become marks, tab and newline too. */
export function visible(text: string): string {
  return isPlain(text) ? text : marked(text, false);
}

/** The same for text of several lines: newlines and tabs stay, CRLF becomes a newline. */
export function visibleLines(text: string): string {
  if (!/[^\t\n -~]/.test(text)) return text;
  return marked(text.includes('\r\n') ? text.replaceAll('\r\n', '\n') : text, true);
}

/** Cells the text takes on a terminal. Control characters count nothing: make them visible first. */
export function cellWidth(text: string): number {
  if (isPlain(text)) return text.length;
  let cells = 0;
  for (let at = 0; at < text.length; ) {
    const cluster = clusterAt(text, at);
    cells += cluster.cells;
    at = cluster.end;
  }
  return cells;
}

/** At most `cells` cells of the text; what had to be cut ends in `…`. */
export function cut(text: string, cells: number): string {
  if (text.length <= cells && isPlain(text)) return text;
  if (cells <= 0) return '';
  const end = prefix(text, cells);
  if (end === text.length) return text;
  return `${text.slice(0, prefix(text, cells - 1))}…`;
}

/** The text, filled up with blanks to `cells` cells; on the left of it when `align` is 'right'. Longer text stays whole. */
export function pad(text: string, cells: number, align: 'left' | 'right' = 'left'): string {
  const missing = cells - cellWidth(text);
  if (missing <= 0) return text;
  return align === 'left' ? text + ' '.repeat(missing) : ' '.repeat(missing) + text;
}

/** Exactly `cells` cells: cut or filled up. */
export function column(text: string, cells: number, align: 'left' | 'right' = 'left'): string {
  return pad(cut(text, cells), cells, align);
}

/** Index behind the longest run of whole clusters from the start that takes at most `cells` cells. */
export function prefix(text: string, cells: number): number {
  let used = 0;
  let at = 0;
  while (at < text.length) {
    const cluster = clusterAt(text, at);
    used += cluster.cells;
    if (used > cells) break;
    at = cluster.end;
  }
  return at;
}

function marked(text: string, lines: boolean): string {
  const shown = text.replace(suspect(), (character: string, at: number) => {
    if (lines && (character === '\n' || character === '\t')) return character;
    return belongs(text, character.codePointAt(0) ?? 0, at, at + character.length) ? character : mark(character);
  });
  return /\p{M}{9}/u.test(shown) ? shown.replace(stacked(), mark) : shown;
}

/** True when an invisible character does there what it is for. */
function belongs(text: string, code: number, start: number, end: number): boolean {
  if (code === 0x200d) return betweenPictographs(text, start, end) || betweenLetters(text, start, end);
  if (code === 0x200c) return betweenLetters(text, start, end);
  if (code === 0xfe0e || code === 0xfe0f) return /[\d#*\p{Extended_Pictographic}]/u.test(before(text, start));
  if (code >= 0xfe00 && code <= 0xfe02) return han().test(before(text, start));
  if (code >= 0xe0100 && code <= 0xe01ef) return han().test(before(text, start));
  if ((code >= 0x180b && code <= 0x180d) || code === 0x180f) return mongolian().test(before(text, start));
  if (code === 0x115f) return isJamo(text.charCodeAt(end), 0x1160, 0x11a7);
  if (code === 0x1160) return isJamo(text.charCodeAt(start - 1), 0x1100, 0x115f);
  if (code >= 0xe0020 && code <= 0xe007f) return inFlag(text, start);
  return false;
}

function betweenPictographs(text: string, start: number, end: number): boolean {
  if (!pictograph().test(String.fromCodePoint(text.codePointAt(end) ?? 0))) return false;
  let last = before(text, start);
  for (let steps = 0, at = start; steps < 2 && /[\ufe0f\u{1f3fb}-\u{1f3ff}]/u.test(last); steps++) {
    at -= last.length;
    last = before(text, at);
  }
  return pictograph().test(last);
}

/** A joiner in a script that shapes its letters; nothing but a letter or mark on either side. */
function betweenLetters(text: string, start: number, end: number): boolean {
  return (
    joinedScript().test(before(text, start)) && joinedScript().test(String.fromCodePoint(text.codePointAt(end) ?? 0))
  );
}

/** Black flag, three to six tag letters, cancel tag: England, Scotland, Wales and their like. Tags elsewhere hide text. */
function inFlag(text: string, start: number): boolean {
  for (let at = start; at >= 2 && at >= start - 14; at -= 2) {
    const flag = /^\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{3,6}\u{e007f}/u.exec(text.slice(at - 2, at + 16));
    if (flag) return start < at - 2 + flag[0].length;
  }
  return false;
}

function before(text: string, at: number): string {
  if (at <= 0) return '';
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff && at >= 2 ? text.slice(at - 2, at) : text.slice(at - 1, at);
}

const isJamo = (code: number, first: number, last: number): boolean => code >= first && code <= last;

const NAMED: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function mark(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\u{${hex}}`;
}
