/** What a file is, by its first octets. Pure. */
import { fieldNameAt, isWellKnownField } from './from-line.ts';

/** How the file is compressed; undefined when it is not, or in a way we do not know. */
export function codingOf(head: Uint8Array): 'gzip' | 'zstd' | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  return undefined;
}

/** Whether it is an MMDF mailbox: each message stands between lines of four ^A. */
export function isMmdfStart(head: Uint8Array): boolean {
  return startsWith(head, 0, '\x01\x01\x01\x01\n');
}

/** Whether the file is one message without a From_ line: a header with a field of mail in it, or an empty header. */
export function isOneMessage(head: Uint8Array): boolean {
  let p = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  if (isFromLine(head, p) || isMmdfStart(head)) return false;
  const bodyFirst = head[p] === 10 || (head[p] === 13 && head[p + 1] === 10);
  while (head[p] === 10 || head[p] === 13 || head[p] === 0) p++;
  if (p >= head.length || isFromLine(head, p)) return false;
  if (bodyFirst) return true;
  let fields = 0;
  for (let lines = 0; p < head.length && lines < 200; lines++) {
    const lf = head.indexOf(10, p);
    const end = lf < 0 ? head.length : lf;
    if (end === p || (end === p + 1 && head[p] === 13)) break;
    if (head[p] !== 32 && head[p] !== 9) {
      const name = fieldNameAt(head, p, end + 1);
      if (isWellKnownField(name)) return true;
      if (name !== '') fields++;
      else if (fields === 0) return false;
    }
    p = end + 1;
  }
  return false;
}

/** A From_ line, and not the field `From :` with blanks before its colon. */
function isFromLine(head: Uint8Array, at: number): boolean {
  return startsWith(head, at, 'From ') && fieldNameAt(head, at, head.length) === '';
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}
