/**
 * The content of a message as it comes in: where it ends, and whether it is fit to be kept.
 *
 * `DotReader` finds the end: only CR LF . CR LF ends DATA (RFC 5321 4.1.1.4), whatever surrounds a lone CR or LF, and takes
 * away the dots that were added (4.5.2). `ContentCheck` gets the bytes (of DATA or BDAT chunks) and gives them out again in
 * pieces as canonical content: every line ends with CR LF, the header ends where it ends. It holds at most one line's
 * first 128 bytes; pieces are views of what came in, to be copied by whoever keeps them past the call.
 *
 * A fault (bare CR or LF, too big, too many hops) is found, named and kept; the rest is read over to the true end, since
 * to answer early would make the rest of the message into commands.
 */
import { REPLIES, type Reply } from './reply.ts';

const CR = 13;
const LF = 10;
const DOT = 46;
const COLON = 58;
const SP = 32;
const TAB = 9;
const CRLF = Buffer.from('\r\n');
const CRLF_DOT = Buffer.from('\r\n.');
const SPACE = Buffer.from(' ');

export interface ContentLimits {
  /** Bytes of a message. */
  readonly size: number;
  /** Bytes of the header. */
  readonly header: number;
  /** Bytes of one line, without its end. RFC 5321 4.5.3.1.6 says 998; more is taken, since cutting loses mail. */
  readonly line: number;
  /** Received fields (RFC 5321 6.3). */
  readonly hops: number;
}

/** What to do with a CR or LF alone: name it and refuse, or make it CR LF (LF) or a blank (CR). Neither ever ends a message. */
export type BareNewline = 'refuse' | 'convert';

/** What was learnt on the way. */
export interface ContentFacts {
  /** Bytes given out. */
  readonly size: number;
  readonly headerSize: number;
  /** Received fields. */
  readonly hops: number;
  /** Any byte above 127: without 8BITMIME at the next hop it must be encoded. */
  readonly eightBit: boolean;
  readonly eightBitHeader: boolean;
  /** Length of the longest line without its end. */
  readonly longestLine: number;
  /** Which of the fields in NOTED are there, in lower case. */
  readonly fields: ReadonlySet<string>;
  /** There was no header at all: an empty line was put before the text. */
  readonly bare: boolean;
}

const NOTED = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'date',
  'message-id',
  'return-path',
  'delivered-to',
  'resent-from',
  'resent-date',
  'resent-message-id',
  'dkim-signature',
  'list-id',
  'auto-submitted',
]);

/** A name longer than this is no field name, so no more of a line needs to be held. */
const MAX_HEAD = 128;

/** Where we are in a header line; in `rest` its kind is known and bytes pass. */
type At = 'start' | 'name' | 'afterName' | 'unixFrom' | 'rest';

export class ContentCheck {
  fault: Reply | undefined;

  private readonly limits: ContentLimits;
  private readonly bare: BareNewline;
  private readonly emit: (bytes: Uint8Array) => void;
  private size = 0;
  private line = 1;
  private lineLength = 0;
  private longest = 0;
  private heldCr = false;
  private bits = 0;
  private inHeader = true;
  private headerSize = 0;
  private headerBits = 0;
  private hops = 0;
  private at: At = 'start';
  private readonly head = Buffer.allocUnsafe(MAX_HEAD);
  private headLength = 0;
  private sawField = false;
  private bareText = false;
  private readonly fields = new Set<string>();

  constructor(limits: ContentLimits, bare: BareNewline, emit: (bytes: Uint8Array) => void) {
    this.limits = limits;
    this.bare = bare;
    this.emit = emit;
  }

  /** Takes bytes `from` to `to` of a buffer, dots already taken away. */
  write(bytes: Uint8Array, from: number, to: number): void {
    let i = from;
    while (i < to && this.fault === undefined) {
      const c = bytes[i];
      if (this.heldCr) {
        this.heldCr = false;
        if (c === LF) {
          this.endLine();
          i++;
        } else {
          this.bareCr();
        }
      } else if (c === CR) {
        this.heldCr = true;
        i++;
      } else if (c === LF) {
        if (this.bare === 'refuse') this.fault = REPLIES.bareNewline('LF', this.line);
        else this.endLine();
        i++;
      } else {
        i = this.text(bytes, i, to);
      }
    }
  }

  /** The message is over: closes a last line without an end (BDAT), and checks what can only be known now. */
  finish(): ContentFacts {
    if (this.fault === undefined && this.heldCr) {
      this.heldCr = false;
      this.bareCr();
    }
    if (this.fault === undefined && (this.lineLength > 0 || this.headLength > 0)) this.endLine();
    if (this.fault === undefined && this.hops > this.limits.hops) {
      this.fault = REPLIES.tooManyHops(this.hops, this.limits.hops);
    }
    return {
      size: this.size,
      headerSize: this.headerSize,
      hops: this.hops,
      eightBit: this.bits > 127,
      eightBitHeader: this.headerBits > 127,
      longestLine: this.longest,
      fields: this.fields,
      bare: this.bareText,
    };
  }

  private out(bytes: Uint8Array): void {
    this.size += bytes.length;
    if (this.inHeader) this.headerSize += bytes.length;
    if (this.size > this.limits.size) this.fault = REPLIES.tooLarge(this.limits.size);
    else if (this.inHeader && this.headerSize > this.limits.header) {
      this.fault = REPLIES.headerTooLarge(this.limits.header);
    } else if (bytes.length > 0) this.emit(bytes);
  }

  /** A run without CR and LF; gives out the whole lines behind it too, the usual case. */
  private text(bytes: Uint8Array, from: number, to: number): number {
    let i = from;
    if (this.inHeader && this.at !== 'rest') {
      i = this.headBytes(bytes, i, to);
      if (i >= to || this.fault !== undefined) return i;
      const c = bytes[i];
      if (c === CR || c === LF) return i;
    }
    const start = i;
    let bits = 0;
    let lineStart = i - this.lineLength;
    for (;;) {
      let c = 0;
      while (i < to) {
        c = bytes[i] ?? 0;
        if (c === CR || c === LF) break;
        bits |= c;
        i++;
      }
      const length = i - lineStart;
      if (length > this.longest) this.longest = length;
      if (length > this.limits.line) {
        // Whatever limit was passed first is the one that is named, in any chunking.
        this.out(bytes.subarray(start, Math.max(start, lineStart + this.limits.line)));
        this.fault ??= REPLIES.textLineTooLong(this.line, this.limits.line);
        return to;
      }
      // In the body whole lines are taken in one run; in the header each line's name must be seen.
      if (this.inHeader || c !== CR || i + 1 >= to || bytes[i + 1] !== LF) break;
      i += 2;
      this.line++;
      lineStart = i;
    }
    this.lineLength = i - lineStart;
    this.bits |= bits;
    if (this.inHeader) this.headerBits |= bits;
    this.out(bytes.subarray(start, i));
    return i;
  }

  private endLine(): void {
    if (this.inHeader) {
      if (this.at === 'start') {
        this.out(CRLF);
        this.inHeader = false;
        this.nextLine();
        return;
      }
      if (this.at === 'unixFrom' && UNIX_FROM.test(this.head.toString('latin1', 0, this.headLength))) {
        // The separator of a mailbox that was sent as it lay: not part of the message.
        this.headLength = 0;
        this.nextLine();
        return;
      }
      if (this.at !== 'rest') this.startBody();
    }
    this.out(CRLF);
    this.nextLine();
  }

  private nextLine(): void {
    this.line++;
    this.lineLength = 0;
    this.at = 'start';
  }

  private bareCr(): void {
    if (this.bare === 'refuse') {
      this.fault = REPLIES.bareNewline('CR', this.line);
      return;
    }
    if (this.inHeader && this.at !== 'rest') this.headBytes(SPACE, 0, 1);
    else this.out(SPACE);
    this.lineLength++;
  }

  /** Collects the start of a header line until it is known what it is. */
  private headBytes(bytes: Uint8Array, from: number, to: number): number {
    let i = from;
    while (i < to && this.at !== 'rest' && this.inHeader) {
      const c = bytes[i] ?? 0;
      if (c === CR || c === LF) break;
      this.headByte(c);
      i++;
    }
    return i;
  }

  private headByte(c: number): void {
    this.lineLength++;
    this.headerBits |= c;
    this.bits |= c;
    this.head[this.headLength++] = c;
    const blank = c === SP || c === TAB;
    if (this.at === 'start') {
      if (blank) {
        if (this.sawField) this.passHead();
        else this.startBody();
      } else if (isNameByte(c)) this.at = 'name';
      else this.startBody();
    } else if (this.at === 'unixFrom') {
      if (c === COLON && this.head.toString('latin1', 0, this.headLength - 1).trimEnd() === 'From') this.field();
    } else if (this.at === 'name' || this.at === 'afterName') {
      if (c === COLON) this.field();
      else if (blank) this.at = !this.sawField && this.isFrom() ? 'unixFrom' : 'afterName';
      else if (this.at === 'afterName' || !isNameByte(c)) this.startBody();
    }
    if (this.headLength === MAX_HEAD && this.at !== 'rest') this.startBody();
  }

  private isFrom(): boolean {
    return this.line === 1 && this.headLength === 5 && this.head.toString('latin1', 0, 4) === 'From';
  }

  private field(): void {
    const name = this.head
      .toString('latin1', 0, this.headLength - 1)
      .trimEnd()
      .toLowerCase();
    this.sawField = true;
    if (name === 'received') this.hops++;
    else if (NOTED.has(name)) this.fields.add(name);
    this.passHead();
  }

  private passHead(): void {
    const held = this.headLength;
    this.headLength = 0;
    this.at = 'rest';
    this.out(Buffer.from(this.head.subarray(0, held)));
  }

  /** The held line is text: the header is over, with the empty line that a human left out. */
  private startBody(): void {
    this.out(CRLF);
    this.inHeader = false;
    this.bareText = !this.sawField;
    this.passHead();
  }
}

const UNIX_FROM = /^From \S+ +(Mon|Tue|Wed|Thu|Fri|Sat|Sun) /;

/** RFC 5322 3.6.8: printable ASCII without the colon. */
function isNameByte(c: number): boolean {
  return c > 32 && c < 127 && c !== COLON;
}

/** Where we are between lines; `dot` and `dotCr` are held back, since they may belong to the end. */
type Dot = 'text' | 'cr' | 'lineStart' | 'dot' | 'dotCr';

export class DotReader {
  ended = false;
  private state: Dot = 'lineStart';
  private readonly sink: (bytes: Uint8Array, from: number, to: number) => void;

  /** `sink` is handed the content: a buffer and a range of it. */
  constructor(sink: (bytes: Uint8Array, from: number, to: number) => void) {
    this.sink = sink;
  }

  /** Reads from `from`; returns the offset behind what belongs to the message. */
  feed(bytes: Buffer, from: number): number {
    let i = from;
    let start = from;
    const to = bytes.length;
    const flush = (end: number): void => {
      if (end > start) this.sink(bytes, start, end);
    };
    while (i < to) {
      if (this.state === 'text') {
        const found = bytes.indexOf(CRLF_DOT, i);
        if (found < 0) {
          const last = bytes[to - 1];
          if (last === CR) this.state = 'cr';
          else if (last === LF && to - 2 >= i && bytes[to - 2] === CR) this.state = 'lineStart';
          i = to;
        } else {
          i = found + 2;
          this.state = 'lineStart';
        }
        continue;
      }
      const c = bytes[i];
      if (this.state === 'cr') {
        this.state = c === LF ? 'lineStart' : c === CR ? 'cr' : 'text';
        i++;
      } else if (this.state === 'lineStart') {
        if (c === DOT) {
          flush(i);
          this.state = 'dot';
          start = i + 1;
        } else this.state = c === CR ? 'cr' : 'text';
        i++;
      } else if (this.state === 'dot') {
        if (c === CR) {
          // Held back: it may belong to the end.
          this.state = 'dotCr';
          i++;
          start = i;
        } else {
          this.state = 'text';
          start = i;
        }
      } else {
        if (c === LF) {
          this.ended = true;
          return i + 1;
        }
        this.sink(CRLF, 0, 1);
        this.state = 'cr';
        start = i;
      }
    }
    flush(to);
    return to;
  }
}

/**
 * Watches a peer that has never sent a CR: the end it means to send, a lone dot between bare LFs, is none, and it would
 * wait for ever. To close the connection with the reason is safe; to take it as the end would not be.
 */
export class BareEndWatch {
  private tail: string;

  /** The line with DATA itself ended with a bare LF. */
  constructor() {
    this.tail = '\n';
  }

  /** 'cr': there is a CR after all, no need to watch. 'end': the lone dot came. */
  feed(bytes: Buffer, from: number): 'cr' | 'end' | undefined {
    for (let i = from; i < bytes.length; i++) {
      const c = bytes[i] ?? 0;
      if (c === CR) return 'cr';
      this.tail = (this.tail + String.fromCharCode(c)).slice(-3);
      if (this.tail === '\n.\n') return 'end';
    }
    return undefined;
  }
}
