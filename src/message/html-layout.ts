/**
 * Lines of text laid out from HTML: what indents them, empty lines between blocks, tables as columns.
 */
import { cellWidth, visible } from '../core/text.ts';
import { wrap } from '../core/wrap.ts';

/** A table with longer rows than this is laid out as paragraphs. */
const MOST_COLUMNS = 12;

/** A line to come: text that is still to be wrapped, behind what indents it. */
export interface Line {
  readonly first: string;
  readonly rest: string;
  readonly text: string;
  readonly fixed: boolean;
}

/** Where text goes: the message, or one cell of a table. */
export class Sink {
  readonly lines: Line[] = [];
  /** Text of the line so far. In pieces: looking at the end of a growing string again and again would copy it each time. */
  #pieces: string[] = [];
  #last = '';
  #blank = true;
  #marker = '';
  /** An empty line is due before the next line. */
  #gap = false;

  add(text: string): void {
    if (text === '') return;
    this.#pieces.push(text);
    this.#last = text[text.length - 1] ?? '';
    if (this.#blank && /\S/.test(text)) this.#blank = false;
  }

  /** True where a blank would be one too many: at the start of a line, or behind another. */
  get atStart(): boolean {
    return this.#last === '' || this.#last === ' ';
  }

  get lineEmpty(): boolean {
    return this.#blank;
  }

  get empty(): boolean {
    return this.#blank && this.lines.length === 0;
  }

  /** What stands before the next line, once: a list's bullet. */
  mark(marker: string): void {
    this.#marker = marker;
  }

  /** Ends the line, if there is one. */
  end(indent: string, fixed: boolean): void {
    const whole = this.#pieces.join('');
    const text = fixed ? whole.trimEnd() : whole.trim();
    this.#pieces = [];
    this.#last = '';
    this.#blank = true;
    if (text === '') return;
    const marker = this.#marker;
    this.#marker = '';
    this.#put({ first: indent + marker, rest: indent + ' '.repeat(marker.length), text, fixed });
  }

  /** An empty line that counts, as in preformatted text. */
  emptyLine(indent: string): void {
    if (this.lines.length > 0) this.#put({ first: indent.trimEnd(), rest: indent, text: '', fixed: true });
  }

  gap(): void {
    this.#gap = true;
  }

  /** Takes over lines of a cell, indented. */
  take(lines: readonly Line[], indent: string): void {
    for (const line of lines) this.#put({ ...line, first: indent + line.first, rest: indent + line.rest });
  }

  #put(line: Line): void {
    const last = this.lines[this.lines.length - 1];
    if (this.#gap && last !== undefined && last.text !== '') {
      this.lines.push({ first: shared(last.rest, line.rest).trimEnd(), rest: line.rest, text: '', fixed: true });
    }
    this.#gap = false;
    this.lines.push(line);
  }
}

/** What two indents begin with: an empty line between quotes of the same level is part of them. */
function shared(one: string, other: string): string {
  let end = 0;
  while (end < one.length && one[end] === other[end]) end++;
  return one.slice(0, end);
}

/** A line as lines of at most `cells` cells, visible. */
export function laidOut({ first, rest, text, fixed }: Line, cells: number): string[] {
  const shown = visible(text);
  if (fixed) return [visible(first) + shown];
  return wrap(shown, Math.max(20, cells - cellWidth(first))).map((line, at) => (at === 0 ? first : rest) + line);
}

/** Rows of short cells as lines with columns one below the other; undefined when they do not fit `room` cells. */
export function columnsOf(rows: readonly (readonly Sink[])[], room: number): string[] | undefined {
  const count = Math.max(0, ...rows.slice(0, 10_000).map((row) => row.length));
  if (count < 2 || count > MOST_COLUMNS || rows.length > 10_000) return undefined;
  if (rows.some((row) => row.some(({ lines }) => lines.length > 1))) return undefined;
  const texts = rows.map((row) =>
    row.map(({ lines }) => (lines[0] === undefined ? '' : visible(lines[0].first + lines[0].text))),
  );
  const widths = Array.from({ length: count }, (_, at) => Math.max(...texts.map((row) => cellWidth(row[at] ?? ''))));
  if (widths.reduce((sum, width) => sum + width + 2, -2) > room) return undefined;
  return texts.map((row) =>
    row
      .map((text, at) => text + ' '.repeat((widths[at] ?? 0) - cellWidth(text)))
      .join('  ')
      .trimEnd(),
  );
}
