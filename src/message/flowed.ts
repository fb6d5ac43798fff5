/**
 * format=flowed (RFC 3676): paragraphs that the sender's lines were broken from, put together and broken anew.
 */
import { wrap } from '../core/wrap.ts';

/** Paragraphs deeper than this are quoted by nobody; the marks beyond are text. */
const DEEPEST = 100;

/**
 * Lines of at most `cells` cells. Quoted ones begin with their `>` marks and a blank. `delSp`: the blank that marks a soft
 * break goes with it, as for languages without blanks. Lines that were not flowed stay as long as they are.
 */
export function reflow(text: string, { delSp, cells }: { readonly delSp: boolean; readonly cells: number }): string[] {
  const out: string[] = [];
  let open: { depth: number; pieces: string[] } | undefined;
  const close = (): void => {
    if (open !== undefined) put(out, open.depth, open.pieces.join(''), cells);
    open = undefined;
  };
  for (const line of text.split('\n')) {
    const { depth, content } = unquoted(line);
    const signature = content === '-- ';
    if (open !== undefined && (open.depth !== depth || signature)) close();
    if (signature || !content.endsWith(' ')) {
      if (open === undefined) out.push(quoted(depth, content));
      else {
        open.pieces.push(content);
        close();
      }
      continue;
    }
    open ??= { depth, pieces: [] };
    open.pieces.push(delSp ? content.slice(0, -1) : content);
  }
  close();
  return out;
}

/** RFC 3676 4.5: first the quote marks, then the blank that was stuffed in. */
function unquoted(line: string): { depth: number; content: string } {
  let depth = 0;
  while (depth < DEEPEST && line[depth] === '>') depth++;
  const content = line.slice(depth);
  return { depth, content: content.startsWith(' ') ? content.slice(1) : content };
}

const quoted = (depth: number, content: string): string =>
  depth === 0 ? content : `${'>'.repeat(depth)} ${content}`.trimEnd();

function put(out: string[], depth: number, paragraph: string, cells: number): void {
  const room = Math.max(20, cells - (depth === 0 ? 0 : depth + 1));
  for (const line of wrap(paragraph, room)) out.push(quoted(depth, line));
}
