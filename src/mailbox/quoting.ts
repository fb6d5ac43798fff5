/**
 * mboxrd quoting: body lines that look like From_ lines get a `>`, and those that had some already get one more, so that
 * taking one off gives the body back byte for byte.
 *
 * Which messages of a mailbox are quoted so cannot be seen from their bodies: other programs quote otherwise, or not at
 * all. So a message that was changed by quoting says it in its header, in a field that goes with it to every file and
 * every user; content without it is shown as it is stored.
 */

/** The field that says it; written by `quoteFrom`, taken away by `unquoteFrom`. */
export const QUOTING_FIELD = 'X-Mbox-Quoting';
const FIELD_LINE = /^x-mbox-quoting:[ \t]*mboxrd[ \t]*\r?$/i;

const LF = 10;
const latin1 = (b: Uint8Array): Buffer => Buffer.from(b.buffer, b.byteOffset, b.byteLength);

/** Octets of the header, the empty line included; all when there is none. */
export function headerSizeOf(content: Uint8Array): number {
  let p = 0;
  while (p < content.length) {
    if (content[p] === LF) return p + 1;
    if (content[p] === 13 && content[p + 1] === LF) return p + 2;
    const next = content.indexOf(LF, p);
    if (next < 0) break;
    p = next + 1;
  }
  return content.length;
}

/** Where lines of the form `>*From ` start, from `at` on. What follows a NUL counts as a line: the scanner takes it for one. */
function* fromLines(b: Buffer, at: number): Generator<number> {
  for (let p = b.indexOf('From ', at); p >= 0; p = b.indexOf('From ', p + 5)) {
    let start = p;
    while (start > at && b[start - 1] === 62) start--;
    if (start === at || b[start - 1] === LF || b[start - 1] === 0) yield start;
  }
}

/** The content as it must be stored: quoted and marked when a body line needs it; else the same bytes. */
export function quoteFrom(content: Uint8Array): Uint8Array {
  const b = latin1(content);
  const bodyAt = headerSizeOf(content);
  const lines = [...fromLines(b, bodyAt)];
  if (lines.length === 0) return content;
  const crlf = bodyAt > 1 && b[bodyAt - 2] === 13;
  const marked = markerLine(b, bodyAt) !== undefined;
  const emptyAt = bodyAt - (crlf ? 2 : 1);
  const pieces: Uint8Array[] = [b.subarray(0, emptyAt)];
  if (!marked) pieces.push(Buffer.from(`${QUOTING_FIELD}: mboxrd${crlf ? '\r\n' : '\n'}`));
  let at = emptyAt;
  for (const line of lines) {
    pieces.push(b.subarray(at, line), Buffer.from('>'));
    at = line;
  }
  pieces.push(b.subarray(at));
  return Buffer.concat(pieces);
}

function markerLine(b: Buffer, headerEnd: number): { from: number; to: number } | undefined {
  for (let p = 0; p < headerEnd; ) {
    let next = b.indexOf(LF, p);
    if (next < 0 || next >= headerEnd) next = headerEnd - 1;
    if ((b[p] === 120 || b[p] === 88) && FIELD_LINE.test(b.toString('latin1', p, next)))
      return { from: p, to: next + 1 };
    p = next + 1;
  }
  return undefined;
}

/** Undoes `quoteFrom`; content that is not marked comes back as it is. */
export function unquoteFrom(content: Uint8Array): Uint8Array {
  const b = latin1(content);
  const bodyAt = headerSizeOf(content);
  const marker = markerLine(b, bodyAt);
  if (marker === undefined) return content;
  const pieces: Uint8Array[] = [b.subarray(0, marker.from)];
  let at = marker.to;
  for (const line of fromLines(b, bodyAt)) {
    if (b[line] !== 62) continue;
    pieces.push(b.subarray(at, line));
    at = line + 1;
  }
  pieces.push(b.subarray(at));
  return Buffer.concat(pieces);
}
