/**
 * A message as lines to read: its header fields, an empty line, its text, and what else is in it.
 *
 * Every line is harmless on a terminal. Plain messages are read at once; HTML needs its reader, which is loaded then, and
 * the answer is a promise. Whatever the message looks like, something readable comes out: what cannot be understood is
 * shown as it is.
 */
import { visible, visibleLines } from '../core/text.ts';
import { reflow } from './flowed.ts';
import { type Field, parseHeader, withLineFeeds } from './header.ts';
import { partText } from './part-text.ts';
import { deliveries, deliverySentence } from './report.ts';
import {
  declaredCharsets,
  decodedBody,
  fileName,
  isAttachment,
  isMessage,
  leaves,
  type Part,
  parseStructure,
} from './structure.ts';
import { decodeField } from './words.ts';

export interface RenderOptions {
  /** Of the terminal; undefined when there is none: reflowed text and HTML then get 80. */
  readonly columns?: number | undefined;
  /** Lower-case names of fields not to show. */
  readonly ignored?: ReadonlySet<string>;
  /** Lower-case names of the only fields to show, when it is not empty. */
  readonly retained?: ReadonlySet<string>;
  /** Every field, whatever is ignored or retained. */
  readonly allHeaders?: boolean;
  /** Charsets to try for undeclared 8-bit text (charsetsOfLocale). */
  readonly hints?: readonly string[];
}

/** Lines that are there, or HTML whose lines have to be made. */
type Block = { readonly lines: readonly string[]; readonly listing?: true } | { readonly html: string };

/** Encoded messages in encoded messages are opened this deep. */
const DEEPEST_MESSAGE = 8;
/** Cells of reflowed text on wide terminals: longer lines are hard to read. */
const WIDEST = 100;
/** Fields of a message inside a message. */
const NESTED_FIELDS = new Set(['from', 'to', 'cc', 'date', 'subject']);

/** The lines of a whole message; a promise only when there is HTML to be read. */
export function renderMessage(stored: Uint8Array, options: RenderOptions = {}): string[] | Promise<string[]> {
  const content = withLineFeeds(stored);
  const renderer = new Renderer(content, options, 0);
  const head = headerLines(content, { ...options, hints: renderer.hints });
  const blocks = renderer.body();
  return blocks.some((block) => 'html' in block) ? withHtml(head, blocks, options) : joined(head, blocks, () => []);
}

async function withHtml(head: readonly string[], blocks: readonly Block[], options: RenderOptions): Promise<string[]> {
  const { htmlLines } = await import('./html.ts');
  return joined(head, blocks, (html) => htmlLines(html, cellsOf(options)));
}

/** Header, empty line, and the blocks with an empty line between each two but lines of one list. */
function joined(
  head: readonly string[],
  blocks: readonly Block[],
  read: (html: string) => readonly string[],
): string[] {
  const lines = [...head, ''];
  let before: Block | undefined;
  for (const block of blocks) {
    const next = 'html' in block ? read(block.html) : block.lines;
    if (next.length === 0) continue;
    const listed = before !== undefined && 'listing' in before && 'listing' in block;
    if (before !== undefined && !listed) lines.push('');
    before = block;
    for (const line of next) lines.push(line);
  }
  return lines;
}

const cellsOf = ({ columns }: RenderOptions): number => Math.min(WIDEST, Math.max(20, columns ?? 80) - 1);

/**
 * Header fields as they are stored, decoded where they need it. Lines that are no field are shown too (text may have got
 * there by mistake), but not a From_ line.
 */
export function headerLines(content: Uint8Array, options: RenderOptions): string[] {
  const { ignored, retained, allHeaders = false, hints = [] } = options;
  const header = parseHeader(content);
  if (header.fields.every(({ name }) => name === '')) return [];
  const charsets = [...header.hints, ...hints];
  const lines: string[] = [];
  for (const field of header.fields) {
    const name = field.name.toLowerCase();
    const kept = retained !== undefined && retained.size > 0 ? retained.has(name) : ignored?.has(name) !== true;
    if (name === '' ? isFromLine(field) : !allHeaders && !kept) continue;
    for (const line of fieldLines(field, charsets)) lines.push(line);
  }
  return lines;
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
const isFromLine = ({ raw }: Field): boolean => /^>?From /.test(latin1(raw.subarray(0, 6)));

/** As folded by the sender when it is plain; on one line when it had to be decoded. */
function fieldLines(field: Field, hints: readonly string[]): string[] {
  const raw = latin1(field.raw).replace(/\r?\n$/, '');
  if (!/[^\x00-\x1a\x1c-\x7f]|=\?/.test(raw))
    return visibleLines(raw)
      .split('\n')
      .filter((line) => line.trim() !== '');
  const value = visible(decodeField(field.value, hints));
  return [field.name === '' ? value : `${visible(field.name)}: ${value}`];
}

class Renderer {
  /** Charsets for text that names none. */
  readonly hints: readonly string[];
  readonly #content: Uint8Array;
  readonly #options: RenderOptions;
  readonly #root: Part;
  readonly #depth: number;
  /** Number of each attachment, as `attachments` counts them. */
  readonly #numbers = new Map<Part, number>();

  constructor(content: Uint8Array, options: RenderOptions, depth: number) {
    this.#content = content;
    this.#options = options;
    this.#depth = depth;
    this.#root = parseStructure(content, options.hints);
    const all = leaves(this.#root);
    this.hints = [...declaredCharsets(all), ...(options.hints ?? [])];
    if (depth === 0) for (const part of all.filter(isAttachment)) this.#numbers.set(part, this.#numbers.size + 1);
  }

  body(): Block[] {
    return this.#blocks(this.#root, true);
  }

  /** The tree is at most MAX_DEPTH deep (structure.ts), and so are these calls. */
  #blocks(part: Part, sole = false): Block[] {
    if (part.parts.length > 0) return this.#multipart(part);
    if (isMessage(part)) return this.#message(part);
    if (part.type.startsWith('multipart/')) return [this.#plain(part)];
    if (part.type === 'text/html' && part.disposition !== 'attachment')
      return [...this.#listed(part), this.#html(part)];
    if (part.type.startsWith('text/') && (sole || part.disposition !== 'attachment')) {
      return part.type === 'text/calendar' ? this.#listing(part) : [...this.#listed(part), this.#plain(part)];
    }
    if (/^application\/(?:x-)?pkcs7-mime$/.test(part.type))
      return [{ lines: [smimeSentence(part)] }, ...this.#listing(part)];
    if (part.type === 'message/delivery-status') return [{ lines: this.#deliveries(part) }];
    if (part.type.startsWith('message/') && !isAttachment(part)) return [this.#plain(part)];
    return this.#listing(part);
  }

  #multipart(part: Part): Block[] {
    switch (part.type) {
      case 'multipart/alternative':
        return this.#alternative(part);
      case 'multipart/related':
        return this.#related(part);
      case 'multipart/signed':
        return [
          ...this.#blocks(part.parts[0] as Part),
          { lines: [signedSentence(part)] },
          ...part.parts.slice(2).flatMap((one) => this.#blocks(one)),
        ];
      case 'multipart/encrypted':
        return [
          { lines: ['[encrypted with PGP/MIME: save the last attachment and give it to gpg]'] },
          ...part.parts.slice(1).flatMap((one) => this.#listing(one)),
        ];
      case 'multipart/report':
        return this.#report(part);
      default:
        return part.parts.flatMap((one) => this.#blocks(one));
    }
  }

  /** Plain text if it says anything, else HTML, else the last that can be read (RFC 2046 5.1.4); files are listed. */
  #alternative(part: Part): Block[] {
    const plain = part.parts.find((one) => one.type === 'text/plain' && /\S/.test(this.#text(one)));
    const chosen =
      plain ??
      part.parts.findLast((one) => leaves(one).some(({ type }) => type === 'text/html')) ??
      part.parts.findLast(isReadable) ??
      part.parts[0];
    const others = part.parts
      .filter((one) => one !== chosen)
      .flatMap(leaves)
      .filter((one) => one.type === 'text/calendar' || (isAttachment(one) && one.id === ''));
    return [...(chosen === undefined ? [] : this.#blocks(chosen)), ...others.flatMap((one) => this.#listing(one))];
  }

  /** The root with its pictures: those that the text shows need no mention (RFC 2387). */
  #related(part: Part): Block[] {
    const start = part.parameters.get('start')?.replace(/^<|>$/g, '');
    const root = part.parts.find(({ id }) => id !== '' && id === start) ?? part.parts[0];
    const others = part.parts.filter(
      (one) => one !== root && (one.disposition === 'attachment' || !one.type.startsWith('image/')),
    );
    return [...(root === undefined ? [] : this.#blocks(root)), ...others.flatMap((one) => this.#blocks(one))];
  }

  #report(part: Part): Block[] {
    const status = part.parts.find(
      ({ type }) => type === 'message/delivery-status' || type === 'message/global-delivery-status',
    );
    const sentences = status === undefined ? [] : this.#deliveries(status);
    const others = part.parts
      .filter((one) => one !== status)
      .flatMap((one) => (isMessage(one) ? this.#returned(one) : this.#blocks(one)));
    return [{ lines: sentences }, ...others];
  }

  #deliveries(part: Part): string[] {
    const found = deliveries(decodedBody(this.#content, part));
    return found.length === 0 ? this.#plainLines(part) : found.map((delivery) => visible(deliverySentence(delivery)));
  }

  /** Of a message that came back, what identifies it. */
  #returned(part: Part): Block[] {
    const lines = headerLines(decodedBody(this.#content, part), { retained: NESTED_FIELDS });
    return lines.length === 0 ? [] : [{ lines: ['[the message that was sent]', ...lines] }];
  }

  #message(part: Part): Block[] {
    const title = this.#listed(part);
    const head = title.length > 0 ? title : [{ lines: ['[attached message]'] }];
    const inner = decodedBody(this.#content, part);
    const lines = headerLines(inner, {
      retained: NESTED_FIELDS,
      hints: this.hints,
    });
    const titled: Block[] = [{ lines: [...head.flatMap((block) => ('lines' in block ? block.lines : [])), ...lines] }];
    if (part.message !== undefined) return [...titled, ...this.#blocks(part.message)];
    if (this.#depth >= DEEPEST_MESSAGE) return [...titled, this.#plain(part)];
    return [...titled, ...new Renderer(inner, this.#options, this.#depth + 1).body()];
  }

  #text(part: Part): string {
    return partText(this.#content, part, this.hints);
  }

  #plain(part: Part): Block {
    return { lines: this.#plainLines(part) };
  }

  #plainLines(part: Part): string[] {
    const text = withoutEmptyEnd(visibleLines(this.#text(part)));
    if (text === '') return [];
    const flowed = part.type === 'text/plain' && part.parameters.get('format')?.trim().toLowerCase() === 'flowed';
    if (!flowed) return text.split('\n');
    return reflow(text, {
      delSp: part.parameters.get('delsp')?.trim().toLowerCase() === 'yes',
      cells: Math.min(cellsOf(this.#options), 79),
    });
  }

  #html(part: Part): Block {
    return { html: this.#text(part) };
  }

  /** The line of a part with a file name, before its text. */
  #listed(part: Part): Block[] {
    return isAttachment(part) ? this.#listing(part) : [];
  }

  /** `[2: report.pdf, application/pdf, 12 kB]`, with the number by which `attachments` knows it. */
  #listing(part: Part): Block[] {
    if (part.parts.length > 0) return leaves(part).flatMap((one) => this.#listing(one));
    const number = this.#numbers.get(part);
    const pieces = [fileName(part) ?? part.description, part.type, sizeText(decodedSize(this.#content, part))].filter(
      (piece) => piece !== '',
    );
    return [{ lines: [`[${number === undefined ? '' : `${number}: `}${visible(pieces.join(', '))}]`], listing: true }];
  }
}

/** Without the empty lines at its end. */
function withoutEmptyEnd(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === '\n') end--;
  return text.slice(0, end);
}

const isReadable = (part: Part): boolean =>
  leaves(part).some(({ type, disposition }) => type.startsWith('text/') && disposition !== 'attachment');

function signedSentence(part: Part): string {
  const protocol = part.parameters.get('protocol')?.toLowerCase() ?? '';
  return protocol.includes('pkcs7')
    ? '[signed with S/MIME; the signature was not checked]'
    : '[signed with PGP/MIME; the signature was not checked]';
}

function smimeSentence(part: Part): string {
  const signed = part.parameters.get('smime-type')?.toLowerCase() === 'signed-data';
  return signed
    ? '[signed with S/MIME: the text is inside the signature]'
    : '[encrypted with S/MIME: save it and give it to openssl cms or gpgsm]';
}

/** Octets below which the exact size is worth decoding for. */
const SMALL = 1_000_000;

function decodedSize(content: Uint8Array, part: Part): number {
  const stored = part.end - part.bodyStart;
  if (part.encoding !== 'base64' || stored < SMALL) return decodedBody(content, part).length;
  return Math.round((stored / 78) * 57);
}

/** `512 bytes`, `2 kB`, `1.5 MB`: in thousands, as disks and mail limits count. */
export function sizeText(octets: number): string {
  if (octets < 1000) return octets === 1 ? '1 byte' : `${octets} bytes`;
  if (octets < 999_500) return `${Math.round(octets / 1000)} kB`;
  const megabytes = octets / 1_000_000;
  return `${megabytes < 10 ? megabytes.toFixed(1) : Math.round(megabytes)} MB`;
}
