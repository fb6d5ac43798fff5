/**
 * A message as one HTML page to open in a browser, with its own pictures in it and nothing else: no script runs, no form is
 * sent, nothing is fetched from anywhere, and what the message's HTML says stays inside its frame.
 *
 * mailparser puts the HTML and its pictures together. It refuses some hostile messages (too many fields, too deep a
 * nesting); then, and when there is no HTML, the page shows the text as renderMessage reads it.
 */
import { visible } from '../core/text.ts';
import { headerLines, renderMessage } from './render.ts';
import { leaves, parseStructure } from './structure.ts';

/** Nothing may be loaded; pictures and styles that are in the page itself may be used. */
const POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; form-action 'none'; base-uri 'none'";
const SHOWN = new Set(['from', 'to', 'cc', 'date', 'subject']);
/** HTML longer than this (octets of the message) is shown as text. */
const LONGEST = 50_000_000;

/** The page, UTF-8 when it is written. `hints` are charsets for undeclared 8-bit text. */
export async function messagePage(content: Uint8Array, hints: readonly string[] = []): Promise<string> {
  const head = headerLines(content, { retained: SHOWN, hints });
  const html = await assembled(content);
  const body = html === undefined ? await textOf(content, hints) : frame(html);
  const title = head.find((line) => /^subject:/i.test(line))?.replace(/^subject:\s*/i, '') ?? '';
  return [
    '<!DOCTYPE html>',
    `<html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<meta name="referrer" content="no-referrer">',
    `<title>${escaped(title)}</title>`,
    '<style>body{margin:1em;font-family:sans-serif}pre{white-space:pre-wrap}iframe{width:100%;height:85vh;border:0}</style></head>',
    `<body><pre>${escaped(head.join('\n'))}</pre><hr>`,
    body,
    '</body></html>',
    '',
  ].join('\n');
}

/** The message's HTML with its pictures as `data:` addresses; undefined when it has none or cannot be taken apart. */
async function assembled(content: Uint8Array): Promise<string | undefined> {
  if (content.length > LONGEST || !leaves(parseStructure(content)).some(({ type }) => type === 'text/html'))
    return undefined;
  try {
    const { simpleParser } = await import('mailparser');
    // Without these it makes text of the HTML as well, by recursion.
    const options = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true };
    const { html } = await simpleParser(Buffer.from(content.buffer, content.byteOffset, content.byteLength), options);
    return typeof html === 'string' && html.trim() !== '' ? html : undefined;
  } catch {
    return undefined;
  }
}

/** Sandboxed without scripts, forms and the right to leave; a link opens a new window. */
function frame(html: string): string {
  const policy = `<meta http-equiv="Content-Security-Policy" content="${POLICY}"><base target="_blank">`;
  return `<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="${escaped(policy + html)}"></iframe>`;
}

async function textOf(content: Uint8Array, hints: readonly string[]): Promise<string> {
  const lines = await renderMessage(content, { retained: new Set(['-']), hints });
  return `<pre>${escaped(lines.join('\n').trim())}</pre>`;
}

/** Text or an attribute's value in HTML. Controls that HTML does not allow are shown, never written. */
function escaped(text: string): string {
  return text.replace(/[&<>"']|[^\P{Cc}\t\n\r]/gu, (character) => ENTITIES.get(character) ?? visible(character));
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);
