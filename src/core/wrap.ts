/**
 * Text in lines of so many cells: broken at blanks, between wide characters where there are none, and inside a word only
 * when it is longer than a line.
 */
import { cellWidth, prefix } from './text.ts';
import { clusterAt, isPlain } from './width.ts';

/** Lines of at most `cells` cells (at least one cluster each), without the blanks at which they were broken. */
export function wrap(text: string, cells: number): string[] {
  const width = Math.max(1, cells);
  if (text.length <= width && isPlain(text)) return [text.trimEnd()];
  const lines: string[] = [];
  let line = '';
  let used = 0;
  const next = (): void => {
    lines.push(line.trimEnd());
    line = '';
    used = 0;
  };
  for (const piece of text.split(/(?<=[ ])(?=[^ ])/)) {
    const word = piece.trimEnd();
    for (let at = 0; ; ) {
      const end = longest(word, at, width - used);
      if (end === word.length) {
        line += piece.slice(at);
        used += cellWidth(piece.slice(at));
        break;
      }
      // A word of wide characters may begin on this line; another one moves down whole.
      if (used > 0 && (end === at || clusterAt(word, at).cells < 2)) {
        next();
        continue;
      }
      // One cluster alone may be wider than the line: it is put there all the same.
      const taken = end === at ? clusterAt(word, at).end : end;
      line += word.slice(at, taken);
      at = taken;
      if (at < word.length) next();
      else {
        used = width;
        break;
      }
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line.trimEnd());
  return lines;
}

/** Index behind the clusters from `at` that fit `cells` cells; looks no further than that. */
function longest(word: string, at: number, cells: number): number {
  const near = word.slice(at, at + cells);
  if (near.length < cells && isPlain(near)) return word.length;
  return at + prefix(at === 0 ? word : word.slice(at), cells);
}
