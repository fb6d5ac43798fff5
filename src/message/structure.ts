/**
 * The MIME tree of a message as byte ranges in its content (RFC 2045, RFC 2046). Nothing is copied or decoded.
 *
 * One pass over the content, without recursion: a line that begins with `--` is looked up among the open boundaries, so
 * that neither deep nesting nor many parts cost more than their length. A boundary that never comes, comes too early
 * or is another's beginning does no harm: what cannot be split stays one part. Limits: MAX_DEPTH levels and MAX_PARTS
 * parts; what lies beyond stays whole in the last part that was split off.
 */
import { type Field, findField, parseHeader } from './header.ts';
import { parseValue, type Value, withoutComments } from './parameters.ts';
import { fromBase64, fromQuotedPrintable, fromUuencode } from './transfer.ts';
import { decodeField } from './words.ts';

export interface Part {
  /** `text/plain`, lower case; what RFC 2045 5.2 says where it is missing or cannot be read. */
  readonly type: string;
  /** Of Content-Type, by lower-case name, decoded. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Content-Transfer-Encoding, lower case; '' when there is none. */
  readonly encoding: string;
  /** Content-Disposition: `attachment`, `inline`, or '' when there is none. */
  readonly disposition: string;
  readonly dispositionParameters: ReadonlyMap<string, string>;
  /** Content-ID without its brackets, '' when there is none. */
  readonly id: string;
  readonly description: string;
  /** First octet of the part's header in the content. */
  readonly start: number;
  /** First octet of its body. */
  readonly bodyStart: number;
  /** Behind the last octet of its body; the line end before a boundary is not part of it. */
  readonly end: number;
  /** The parts of a multipart; empty for a leaf, and for a multipart in which no boundary was found. */
  readonly parts: readonly Part[];
  /** The message in a message/rfc822 part, when it is not encoded. */
  readonly message: Part | undefined;
}

export const MAX_DEPTH = 100;
export const MAX_PARTS = 10_000;
/** RFC 2046 5.1.1 allows 70; mailers have written longer ones. */
const LONGEST_BOUNDARY = 10_000;

/** A part while its end is not known. */
type Growing = { -readonly [Key in keyof Part]: Part[Key] } & { parts: Growing[]; message: Growing | undefined };

interface Open {
  readonly part: Growing;
  /** Of a multipart whose closing line has not come yet. */
  boundary: string | undefined;
}

/** The tree of a whole message: header, empty line, body. `hints` are charsets for undeclared 8-bit text in names. */
export function parseStructure(content: Uint8Array, hints: readonly string[] = []): Part {
  return new Walk(Buffer.from(content.buffer, content.byteOffset, content.byteLength), hints).run();
}

class Walk {
  readonly #content: Buffer;
  readonly #hints: readonly string[];
  /** From the message down to the part that the current octet is in. */
  readonly #open: Open[] = [];
  /** Index in #open of the multiparts with that boundary, innermost last. */
  readonly #boundaries = new Map<string, number[]>();
  #count = 0;

  constructor(content: Buffer, hints: readonly string[]) {
    this.#content = content;
    this.#hints = hints;
  }

  run(): Part {
    const root = this.#enter(0, undefined);
    let at = this.#innermostBody();
    while (this.#boundaries.size > 0 && this.#count < MAX_PARTS) {
      const line = this.#nextDelimiter(at);
      if (line === undefined) break;
      this.#leaveDownTo(line.level, line.start);
      const multipart = this.#open[line.level];
      if (line.closes) this.#forget(line.level);
      else if (multipart !== undefined && this.#partFollows(line)) {
        const digest = multipart.part.type === 'multipart/digest';
        multipart.part.parts.push(this.#enter(line.end, digest ? 'message/rfc822' : undefined));
      }
      at = line.closes ? line.end : Math.max(line.end, this.#innermostBody());
    }
    for (const { part } of this.#open) part.end = this.#content.length;
    return root;
  }

  /** Boundary lines one behind the other separate nothing, and neither does one at the end. */
  #partFollows({ end, level }: Delimiter): boolean {
    return end < this.#content.length && (this.#content[end] !== 0x2d || this.#delimiterAt(end)?.level !== level);
  }

  /** Begins the part whose header is at `start`, and the message in it when it is one. */
  #enter(start: number, defaultType: string | undefined): Growing {
    const part = readPart(this.#content, start, this.#headerEnd(start), defaultType, this.#hints);
    this.#count++;
    const boundary = part.type.startsWith('multipart/') ? boundaryOf(part) : undefined;
    const open: Open = { part, boundary: this.#open.length < MAX_DEPTH ? boundary : undefined };
    this.#open.push(open);
    if (open.boundary !== undefined) {
      const same = this.#boundaries.get(open.boundary);
      if (same === undefined) this.#boundaries.set(open.boundary, [this.#open.length - 1]);
      else same.push(this.#open.length - 1);
    }
    const opaque =
      part.encoding === 'base64' || part.encoding === 'quoted-printable' || /^(?:x-)?uu/.test(part.encoding);
    if (isMessage(part) && !opaque && this.#open.length < MAX_DEPTH && this.#count < MAX_PARTS) {
      // Depth is bounded by MAX_DEPTH, and so is this call in itself.
      part.message = this.#enter(part.bodyStart, undefined);
    }
    return part;
  }

  #innermostBody(): number {
    return this.#open[this.#open.length - 1]?.part.bodyStart ?? 0;
  }

  /** Behind the header that begins at `start`: its empty line, or a boundary that comes before one. */
  #headerEnd(start: number): number {
    for (let at = start; at < this.#content.length; ) {
      if (this.#content[at] === 0x2d && this.#delimiterAt(at) !== undefined) return at;
      const newline = this.#content.indexOf(0x0a, at);
      const end = newline < 0 ? this.#content.length : newline + 1;
      if (this.#content[at] === 0x0a || (this.#content[at] === 0x0d && end - at <= 2)) return end;
      at = end;
    }
    return this.#content.length;
  }

  #nextDelimiter(from: number): Delimiter | undefined {
    if (from === 0 && this.#content[0] === 0x2d) {
      const first = this.#delimiterAt(0);
      if (first !== undefined) return first;
    }
    for (
      let at = this.#content.indexOf('\n--', Math.max(0, from - 1));
      at >= 0;
      at = this.#content.indexOf('\n--', at + 1)
    ) {
      const found = this.#delimiterAt(at + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The boundary line that begins at `start`, of the innermost multipart that has this boundary. */
  #delimiterAt(start: number): Delimiter | undefined {
    if (this.#content[start + 1] !== 0x2d || this.#boundaries.size === 0) return undefined;
    const newline = this.#content.indexOf(0x0a, start);
    const end = newline < 0 ? this.#content.length : newline + 1;
    if (end - start > LONGEST_BOUNDARY + 100) return undefined;
    const line = this.#content.toString('latin1', start + 2, end).trimEnd();
    const same = this.#boundaries.get(line);
    if (same !== undefined) return { start, end, level: same[same.length - 1] ?? 0, closes: false };
    if (!line.endsWith('--')) return undefined;
    const closed = this.#boundaries.get(line.slice(0, -2).trimEnd());
    return closed === undefined ? undefined : { start, end, level: closed[closed.length - 1] ?? 0, closes: true };
  }

  /** Ends all parts below the multipart at `level`, in front of a boundary line that begins at `lineStart`. */
  #leaveDownTo(level: number, lineStart: number): void {
    let end = lineStart;
    if (end > 0 && this.#content[end - 1] === 0x0a) end--;
    if (end > 0 && this.#content[end - 1] === 0x0d) end--;
    while (this.#open.length > level + 1) {
      this.#forget(this.#open.length - 1);
      const left = this.#open.pop();
      if (left !== undefined) left.part.end = Math.max(end, left.part.bodyStart);
    }
  }

  #forget(level: number): void {
    const open = this.#open[level];
    if (open?.boundary === undefined) return;
    const same = this.#boundaries.get(open.boundary) ?? [];
    if (same.length <= 1) this.#boundaries.delete(open.boundary);
    else
      this.#boundaries.set(
        open.boundary,
        same.filter((index) => index !== level),
      );
    open.boundary = undefined;
  }
}

interface Delimiter {
  readonly start: number;
  readonly end: number;
  readonly level: number;
  readonly closes: boolean;
}

function boundaryOf(part: Part): string | undefined {
  const boundary = part.parameters.get('boundary')?.trimEnd() ?? '';
  return boundary === '' || boundary.length > LONGEST_BOUNDARY ? undefined : boundary;
}

function readPart(
  content: Buffer,
  start: number,
  headerEnd: number,
  defaultType: string | undefined,
  hints: readonly string[],
): Growing {
  const header = parseHeader(content.subarray(start, headerEnd));
  const charsets = [...header.hints, ...hints];
  const contentType = parseValue(findField(header, 'content-type')?.value, charsets);
  const disposition = parseValue(findField(header, 'content-disposition')?.value, charsets);
  return {
    type: typeOf(contentType, defaultType),
    parameters: contentType.parameters,
    encoding: encodingOf(findField(header, 'content-transfer-encoding')),
    disposition: disposition.value,
    dispositionParameters: disposition.parameters,
    id: plainText(findField(header, 'content-id')).replace(/^<|>$/g, ''),
    description: plainText(findField(header, 'content-description')),
    start,
    bodyStart: start + bodyOffset(header.fields, headerEnd - start),
    end: content.length,
    parts: [],
    message: undefined,
  };
}

/**
 * Where the body begins, counted from the header. A header without a single field is none, but for a From_ line: its text
 * belongs to the body, so that nobody misses it.
 */
function bodyOffset([first, ...others]: readonly Field[], headerSize: number): number {
  if (first === undefined || [first, ...others].some(({ name }) => name !== '')) return headerSize;
  if (!isFromLine(first)) return 0;
  return others.length === 0 ? headerSize : first.raw.length;
}

const isFromLine = (field: Field): boolean =>
  Buffer.from(field.raw.subarray(0, 6)).toString('latin1').replace(/^>/, '').startsWith('From ');

const plainText = (field: Field | undefined): string => (field === undefined ? '' : decodeField(field.value));

/** RFC 2045 5.2: what is missing or malformed is plain text; with a file name it is rather a file. */
function typeOf({ value, parameters }: Value, defaultType = 'text/plain'): string {
  if (/^[^/]+\/[^/]+$/.test(value)) return value;
  if (/^multipart(?:\/|$)/.test(value)) return 'multipart/mixed';
  if (value === '' || value === 'text' || value === 'text/') return value === '' ? defaultType : 'text/plain';
  return parameters.has('name') ? 'application/octet-stream' : 'text/plain';
}

function encodingOf(field: Field | undefined): string {
  if (field === undefined) return '';
  const text = Buffer.from(field.value.subarray(0, 200)).toString('latin1');
  return /[^\s;"]+/.exec(withoutComments(text).toLowerCase())?.[0] ?? '';
}

/** True for parts that hold a message: `message/rfc822` and its kin for internationalized and news messages. */
export function isMessage({ type }: Part): boolean {
  return type === 'message/rfc822' || type === 'message/global' || type === 'message/news';
}

/** The leaves of the tree in order. A message/rfc822 part is one leaf, whatever is in it. */
export function leaves(part: Part): Part[] {
  const found: Part[] = [];
  const waiting: Part[] = [part];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.parts.length === 0) found.push(next);
    else for (let index = next.parts.length - 1; index >= 0; index--) waiting.push(next.parts[index] as Part);
  }
  return found;
}

/** The octets of a part's body as its author had them: transfer encoding undone, charset untouched. */
export function decodedBody(content: Uint8Array, part: Part): Uint8Array {
  const body = content.subarray(part.bodyStart, Math.max(part.bodyStart, part.end));
  if (part.encoding === 'base64')
    return fromBase64(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'));
  if (part.encoding === 'quoted-printable') return fromQuotedPrintable(body);
  if (/^(?:x-)?uu(?:e|encode|encoded)$/.test(part.encoding)) return fromUuencode(body);
  return body;
}

/** The file name that the sender gave a part, decoded, with whatever is in it; undefined when there is none. */
export function fileName(part: Part): string | undefined {
  return part.dispositionParameters.get('filename') || part.parameters.get('name') || undefined;
}

/** Charsets that the leaves name, each once: text in this message that names none is probably in one of them. */
export function declaredCharsets(all: readonly Part[]): string[] {
  const found = new Set<string>();
  for (const { parameters } of all.slice(0, 20)) {
    const charset = parameters.get('charset')?.trim().toLowerCase();
    if (charset !== undefined && charset !== '') found.add(charset);
  }
  return [...found].slice(0, 3);
}

/** True for a part to be listed and saved rather than read: marked so, with a file name, or no text. */
export function isAttachment(part: Part): boolean {
  if (part.parts.length > 0 || part.type.startsWith('multipart/')) return false;
  if (part.disposition === 'attachment' || fileName(part) !== undefined) return true;
  return !part.type.startsWith('text/') && !part.type.startsWith('message/');
}
