/**
 * How many terminal cells text takes, cluster by cluster (UAX 11, UAX 29 as far as terminals follow it).
 *
 * A cluster is what a terminal draws as one thing: a letter with its marks, an emoji sequence, a flag, a Hangul syllable
 * of jamo. It is never cut. Ambiguous width counts as narrow, as terminals do outside CJK legacy locales; an emoji made
 * wide by U+FE0F counts two, one made text by U+FE0E keeps what its base has (terminals without it are the rule).
 */

/** Wide and fullwidth ranges of EastAsianWidth.txt (Unicode 17), as base-36 `gap` or `gap+more` from the last end. */
const WIDE =
  '3cw+2n 3i3+1 e+1 5b+3 4 3 ei+1 m+1 r+7 h+b 18 b+5 4 e 9+1 i+1 6+1 9 6 m 8+1 2 5 3 8 5+1 t 10 2 5+2 2 1q+2 p f nw+1 ' +
  '1g 5 mj+p 2+2g d+5x r+26 3+2d 3+2u 6+16 2+2l 2+2d a+1b 2+13 9+mkc 4+1i wq+s hw+8mb 6l9+e7 lt+9 n+y 2+i 2+3 46+2n ' +
  '3k+6 m4a+4 c+6 a+5p6 11+x 2o+36 e+pd f+1e 5y6+3 2+6 2+1 2+88 a u+2 3 f+4 8+az 6bp+2e a+m 5n2 5n 5b 3+9 k 2a+2 e+17 ' +
  '5+8 8+1 f+5 4b+w d+8 2+1x 2+l d+16 5+4 d+g 4 4+1y 2 2+56 3+1q e+3 2+n j r+1 e 2f+2c 1d+1x 7 4+2 3+4 3+3 c+1 8+8 66 ' +
  '6+b 5 7w+1a 2+9 2+54 35+c 4+1y 2 4+h 2+c 4+b zq+1ekd 3+1ekd';

/** What a code point does to the cells of its cluster. */
const KIND = { unknown: 0, narrow: 1, wide: 2, mark: 3, spacingMark: 4, nothing: 5 } as const;

// Made when they are asked for: classes of Unicode take a millisecond, and most text is ASCII.
const mark = () => /[\p{Mn}\p{Me}]/u;
const spacingMark = () => /\p{Mc}/u;
const nothing = () => /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/u;
const pictograph = () => /\p{Extended_Pictographic}/u;

const PLANES_KEPT = 0x20000;
/** KIND by code point, filled as code points are met; most text meets few. */
let kinds: Uint8Array | undefined;
let wide: Uint32Array | undefined;

export interface Cluster {
  /** Index behind the cluster. */
  readonly end: number;
  readonly cells: number;
}

/** True when every character takes one cell and is its own cluster: printable ASCII. */
export function isPlain(text: string): boolean {
  return !/[^ -~]/.test(text);
}

/** The cluster that begins at `start` (below the length of the text). */
export function clusterAt(text: string, start: number): Cluster {
  const first = text.codePointAt(start) ?? 0;
  let end = start + sizeOf(first);
  if (isRegional(first) && isRegional(text.codePointAt(end) ?? 0)) return withMarks(text, end + 2, 2);
  if (isLeadingJamo(first)) return syllable(text, end);
  const kind = kindOf(first);
  let cells = kind === KIND.wide ? 2 : kind === KIND.narrow || kind === KIND.spacingMark ? 1 : 0;
  if (kind === KIND.narrow || kind === KIND.wide) {
    const emoji = emojiEnd(text, first, end);
    if (emoji > 0) {
      end = emoji;
      cells = 2;
    }
  }
  return withMarks(text, end, cells);
}

/** Adds the marks and joined characters that follow to a cluster. */
function withMarks(text: string, start: number, cells: number): Cluster {
  let end = start;
  let width = cells;
  while (end < text.length) {
    const code = text.codePointAt(end) ?? 0;
    if (code < 0x300) break;
    const kind = kindOf(code);
    const joins =
      kind === KIND.mark || kind === KIND.spacingMark || (kind === KIND.nothing && code !== 0x2028 && code !== 0x2029);
    if (!joins || isLeadingJamo(code)) break;
    if (kind === KIND.spacingMark) width++;
    end += sizeOf(code);
  }
  return { end, cells: width };
}

/**
 * The end of the emoji sequence whose first code point `first` ends at `end`, or 0 when the cluster is none or has only
 * that code point: made wide by U+FE0F, skin tones, keycaps, tags, and members joined by U+200D.
 */
function emojiEnd(text: string, first: number, end: number): number {
  const next = text.charCodeAt(end);
  const keycapBase = (first >= 0x30 && first <= 0x39) || first === 0x23 || first === 0x2a;
  if (keycapBase) {
    const after = next === 0xfe0f ? end + 1 : end;
    return text.charCodeAt(after) === 0x20e3 ? after + 1 : 0;
  }
  if (first < 0xa9 || Number.isNaN(next)) return 0;
  if (next !== 0xfe0f && next !== 0x200d && next !== 0xd83c && next !== 0xdb40) return 0;
  if (!pictograph().test(String.fromCodePoint(first))) return 0;
  let at = end;
  for (;;) {
    if (text.charCodeAt(at) === 0xfe0f) at++;
    else if (isSkinTone(text.codePointAt(at) ?? 0)) at += 2;
    else if (isTag(text.codePointAt(at) ?? 0)) at += 2;
    else if (text.charCodeAt(at) === 0x200d) {
      const joined = text.codePointAt(at + 1) ?? 0;
      if (joined < 0xa9 || !pictograph().test(String.fromCodePoint(joined))) break;
      at += 1 + sizeOf(joined);
    } else break;
  }
  return at === end ? 0 : at;
}

/** Conjoining jamo: a leading consonant takes two cells, the vowels and finals behind it none (UAX 29 GB6 to GB8). */
function syllable(text: string, start: number): Cluster {
  let end = start;
  while (isVowelOrFinalJamo(text.charCodeAt(end))) end++;
  return withMarks(text, end, 2);
}

function kindOf(code: number): number {
  if (code >= PLANES_KEPT) return classify(code);
  kinds ??= new Uint8Array(PLANES_KEPT);
  const known = kinds[code] ?? KIND.unknown;
  if (known !== KIND.unknown) return known;
  const kind = classify(code);
  kinds[code] = kind;
  return kind;
}

function classify(code: number): number {
  if (code >= 0x20 && code < 0x7f) return KIND.narrow;
  const character = String.fromCodePoint(code);
  if (mark().test(character) && !isVowelOrFinalJamo(code)) return KIND.mark;
  if (nothing().test(character) && !isLeadingJamo(code)) return KIND.nothing;
  if (spacingMark().test(character)) return KIND.spacingMark;
  return isWide(code) ? KIND.wide : KIND.narrow;
}

function isWide(code: number): boolean {
  wide ??= readRanges(WIDE);
  let low = 0;
  let high = wide.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (code < (wide[2 * middle] ?? 0)) high = middle - 1;
    else if (code > (wide[2 * middle + 1] ?? 0)) low = middle + 1;
    else return true;
  }
  return false;
}

function readRanges(packed: string): Uint32Array {
  const pieces = packed.split(' ');
  const ranges = new Uint32Array(pieces.length * 2);
  let at = 0;
  for (const [index, piece] of pieces.entries()) {
    const [gap = '', more = '0'] = piece.split('+');
    at += Number.parseInt(gap, 36);
    ranges[2 * index] = at;
    at += Number.parseInt(more, 36);
    ranges[2 * index + 1] = at;
  }
  return ranges;
}

const sizeOf = (code: number): number => (code > 0xffff ? 2 : 1);
const isRegional = (code: number): boolean => code >= 0x1f1e6 && code <= 0x1f1ff;
const isSkinTone = (code: number): boolean => code >= 0x1f3fb && code <= 0x1f3ff;
const isTag = (code: number): boolean => code >= 0xe0020 && code <= 0xe007f;
const isLeadingJamo = (code: number): boolean =>
  (code >= 0x1100 && code <= 0x115f) || (code >= 0xa960 && code <= 0xa97c);
const isVowelOrFinalJamo = (code: number): boolean =>
  (code >= 0x1160 && code <= 0x11ff) || (code >= 0xd7b0 && code <= 0xd7fb);
