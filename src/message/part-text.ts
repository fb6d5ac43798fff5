/**
 * The text of a text part: transfer encoding and charset undone.
 */
import { decodeText } from './charset.ts';
import { decodedBody, type Part } from './structure.ts';

/** How far into HTML its own charset declaration is looked for (HTML 4.2.5.4 allows 1024 octets). */
const META = 2048;

/** The part's text as its author wrote it, line ends as sent. Without a label it is guessed, with `hints` first. */
export function partText(content: Uint8Array, part: Part, hints: readonly string[] = []): string {
  const body = decodedBody(content, part);
  const label = part.parameters.get('charset');
  const own = part.type === 'text/html' ? metaCharset(body) : undefined;
  if (label === undefined && own !== undefined) return decodeText(body, own, hints);
  return decodeText(body, label, own === undefined ? hints : [own, ...hints]);
}

function metaCharset(body: Uint8Array): string | undefined {
  const head = Buffer.from(body.subarray(0, META)).toString('latin1');
  return /<meta\b[^>]*charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(head)?.[1];
}
