/**
 * Text in lines of so many cells: broken at blanks, between wide characters where there are none, and inside a word only
 * when it is longer than a line.
 */
import { cellWidth, prefix } from './text.ts';

/** Lines of at most `cells` cells (at least one cluster each), without the blanks at which they were broken. */
export function wrap(text: string, cells: number): string[] {
  const width = Math.max(1, cells);
  if (text.length <= width && cellWidth(text) <= width) return [text.trimEnd()];
  const lines: string[] = [];
  let line = '';
  let used = 0;
  const next = (): void => {
    lines.push(line.trimEnd());
    line = '';
    used = 0;
  };
  for (const piece of text.split(/(?<=[ ])(?=[^ ])/)) {
    let rest = piece;
    for (;;) {
      const size = cellWidth(rest.trimEnd());
      if (used + size <= width) {
        line += rest;
        used += cellWidth(rest);
        break;
      }
      // A wide word may begin on this line; a narrow one moves down whole, if it fits there.
      const wide = size > rest.trimEnd().length;
      if (used > 0 && !wide) {
        next();
        continue;
      }
      const end = prefix(rest, width - used);
      if (end === 0 && used > 0) {
        next();
        continue;
      }
      const taken = end === 0 ? firstCharacter(rest) : end;
      line += rest.slice(0, taken);
      rest = rest.slice(taken);
      next();
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line.trimEnd());
  return lines;
}

/** One cluster is wider than the line: it is put there all the same. */
const firstCharacter = (text: string): number => Math.max(1, prefix(text, 2));
