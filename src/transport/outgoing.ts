/**
 * Content as it leaves for another host: canonical CRLF line ends, never a bare CR or LF (RFC 5321 2.3.8), and for DATA with
 * dots stuffed and the final dot (RFC 5321 4.5.2). Whatever lies in the queue, the other side sees the end of a message
 * exactly once: nobody is helped to smuggle a second message past a host that reads line ends more loosely than we do.
 */

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** Blocks with every line end as CRLF; a bare CR or bare LF is a line end. The last line gets one when it has none. */
export function canonical(blocks: Iterable<Uint8Array>): Generator<Uint8Array> {
  return transform(blocks, false);
}

/** As `canonical`, with a dot put before each line that begins with one, and the line with the final dot. */
export function* stuffed(blocks: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield* transform(blocks, true);
  yield Buffer.from('.\r\n');
}

function* transform(blocks: Iterable<Uint8Array>, stuff: boolean): Generator<Uint8Array> {
  let lineBegins = true;
  let heldCr = false;
  for (const block of blocks) {
    // Each octet becomes two at most; a held CR comes on top.
    const out = Buffer.allocUnsafe(block.length * 2 + 2);
    let length = 0;
    const end = () => {
      out[length++] = CR;
      out[length++] = LF;
      lineBegins = true;
    };
    for (let at = 0; at < block.length; ) {
      if (heldCr) {
        heldCr = false;
        end();
        if (block[at] === LF) at++;
        continue;
      }
      const octet = block[at];
      if (octet === CR) {
        heldCr = true;
        at++;
      } else if (octet === LF) {
        end();
        at++;
      } else {
        if (lineBegins && stuff && octet === DOT) out[length++] = DOT;
        lineBegins = false;
        const stop = nextBreak(block, at);
        out.set(block.subarray(at, stop), length);
        length += stop - at;
        at = stop;
      }
    }
    if (length > 0) yield out.subarray(0, length);
  }
  if (heldCr || !lineBegins) yield Buffer.from('\r\n');
}

/** Where the next CR or LF is, or the end. */
function nextBreak(block: Uint8Array, from: number): number {
  const lf = block.indexOf(LF, from);
  const stop = lf < 0 ? block.length : lf;
  const cr = block.subarray(from, stop).indexOf(CR);
  return cr < 0 ? stop : from + cr;
}
