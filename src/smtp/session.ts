/**
 * The SMTP and LMTP server machine: bytes in, actions out (RFC 5321, RFC 2033).
 *
 * Promises: no socket, timer, file or await; the same replies however the input is cut into pieces; one question open at a
 * time, further input held; memory bounded by the command limit plus what the driver hands over while `holding` is true
 * (it should stop reading then). It never throws on input. A wrong use by the driver (an answer to no question) does throw.
 */
import { decodeBase64, parseLine } from './command.ts';
import { BareEndWatch, ContentCheck, type ContentFacts, DotReader } from './data.ts';
import type { Action, Answer, Client, Envelope, Question, SessionFacts, SmtpConfig, TlsInfo } from './question.ts';
import { formatReply, isPositive, REPLIES, type Reply } from './reply.ts';
import { clientLabel, extensions, isOtherProtocol, type Step, VERBS, type VerbState } from './verbs.ts';

export type { MailParameters, RcptParameters } from './command.ts';
export type { ContentFacts } from './data.ts';
export * from './question.ts';
export type { Reply } from './reply.ts';
export { clientLabel } from './verbs.ts';

const LF = 10;
const CR = 13;
const NOTHING = Buffer.alloc(0);
const AUTH_LINE = 12288;
/** Small pieces of content are put together up to this many bytes. */
const PIECE = 4096;

type Phase =
  /** Nothing was said yet. */
  | 'new'
  | 'command'
  /** Refused at the door: only QUIT. */
  | 'barred'
  | 'auth'
  | 'data'
  | 'chunk'
  | 'tls'
  | 'closed';

export class SmtpSession {
  private readonly config: SmtpConfig;
  private readonly client: Client;
  private actions: Action[] = [];
  private input: Buffer = NOTHING;
  private at = 0;
  private phase: Phase = 'new';
  private question: Question | undefined;

  private helo: string | undefined;
  private extended = false;
  private tls: TlsInfo | undefined;
  private user: string | undefined;
  private envelope: Envelope | undefined;

  /** The rest of a command line that was too long is being skipped. */
  private skipping = false;
  /** The client has sent a CR at least once. */
  private sawCr = false;
  private lastCommand = '';
  private badCommands = 0;
  private badRecipients = 0;
  private idleCommands = 0;
  private authFailures = 0;

  private check: ContentCheck | undefined;
  private dots: DotReader | undefined;
  private bareEnd: BareEndWatch | undefined;
  private piece: Buffer[] = [];
  private pieceLength = 0;
  private chunkBytes = 0;
  private chunkLeft = 0;
  private chunkLast = false;
  /** What this chunk will be answered with, whatever is in it. */
  private chunkRefusal: Reply | undefined;
  private chunkRefused = false;

  constructor(config: SmtpConfig, client: Client, tls?: TlsInfo) {
    this.config = config;
    this.client = client;
    this.tls = tls;
  }

  /** The connection is open. Asks `connect`. */
  start(): Action[] {
    return this.act(() => this.ask({ kind: 'connect' }));
  }

  /** Bytes came. They may be kept until the next call: the caller must not change them. */
  receive(bytes: Uint8Array): Action[] {
    return this.act(() => {
      if (this.phase === 'closed' || this.phase === 'tls') return;
      if (this.phase === 'new' && this.config.refuseEarlyTalkers) {
        this.question = undefined;
        this.finalReply(REPLIES.earlyTalker(this.config.hostname));
        return;
      }
      const more = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.input = this.at >= this.input.length ? more : Buffer.concat([this.input.subarray(this.at), more]);
      this.at = 0;
    });
  }

  /** Decides the open question. */
  answer(answer: Answer): Action[] {
    const question = this.question;
    if (this.phase === 'closed') return [];
    if (question === undefined) throw new Error('an answer, but no question is open');
    return this.act(() => {
      this.question = undefined;
      this.settle(question, answer);
    });
  }

  /** TLS is up after `startTls`: everything said before is forgotten (RFC 3207 4.2). */
  tlsStarted(info: TlsInfo): Action[] {
    return this.act(() => {
      this.tls = info;
      this.helo = undefined;
      this.extended = false;
      this.user = undefined;
      if (this.phase === 'tls') this.phase = 'command';
    });
  }

  /** The client was silent for too long. */
  timedOut(): Action[] {
    return this.end(REPLIES.idle(this.config.hostname));
  }

  /** We go. An open question is left alone: let its answer come first (a message at its end gets its 250), then call this. */
  shutDown(): Action[] {
    return this.end(REPLIES.shutdown(this.config.hostname));
  }

  /** The client is gone. */
  gone(): Action[] {
    return this.act(() => {
      if (this.phase === 'closed') return;
      this.abandon();
      this.phase = 'closed';
    });
  }

  /** While true, the driver should not read from the socket. */
  get holding(): boolean {
    return this.question !== undefined;
  }

  /** Content is being read: the longer time-out counts (RFC 5321 4.5.3.2). */
  get inContent(): boolean {
    return this.phase === 'data' || this.phase === 'chunk';
  }

  /** In the middle of a transaction. */
  get busy(): boolean {
    return this.envelope !== undefined || this.question !== undefined;
  }

  get facts(): SessionFacts {
    const base = this.config.lmtp ? 'LMTP' : this.extended ? 'ESMTP' : 'SMTP';
    const letters = base === 'SMTP' ? '' : `${this.tls === undefined ? '' : 'S'}${this.user === undefined ? '' : 'A'}`;
    return { client: this.client, helo: this.helo, protocol: base + letters, tls: this.tls, user: this.user };
  }

  /** Runs a change, then whatever input can be worked off, and hands out the actions. */
  private act(change: () => void): Action[] {
    change();
    this.run();
    this.flushPiece();
    const actions = this.actions;
    this.actions = [];
    return actions;
  }

  private end(reply: Reply): Action[] {
    return this.act(() => {
      if (this.phase === 'closed') return;
      this.question = undefined;
      this.finalReply(reply);
    });
  }

  private run(): void {
    while (this.question === undefined && this.phase !== 'closed' && this.phase !== 'tls') {
      const going = this.inContent ? this.readContent() : this.readLine();
      if (!going) break;
    }
    if (this.phase === 'closed' || this.phase === 'tls') this.input = NOTHING;
    if (this.input.length === 0) this.at = 0;
  }

  // ---- commands

  private readLine(): boolean {
    const limit = this.phase === 'auth' || isAuth(this.input, this.at) ? AUTH_LINE : this.config.limits.command;
    const end = this.input.indexOf(LF, this.at);
    const length = (end < 0 ? this.input.length : end) - this.at;
    if (end < 0) {
      if (length <= limit + 1) return false;
      this.noteCr(this.at, this.input.length);
      this.skipping = true;
      this.at = this.input.length;
      return false;
    }
    const from = this.at;
    this.at = end + 1;
    const crlf = end > from && this.input[end - 1] === CR;
    this.noteCr(from, end);
    const line = this.input.subarray(from, crlf ? end - 1 : end);
    if (this.skipping || line.length > limit) {
      this.skipping = false;
      if (this.phase === 'auth') this.phase = 'command';
      this.lastCommand = '(line too long)';
      this.bad(REPLIES.lineTooLong);
    } else if (this.phase === 'auth') this.authLine(line.toString('latin1'));
    else this.command(line);
    return true;
  }

  private noteCr(from: number, to: number): void {
    if (!this.sawCr) this.sawCr = this.input.subarray(from, to).includes(CR);
  }

  private command(bytes: Buffer): void {
    const { verb, rest, line } = parseLine(bytes);
    // A password may follow AUTH: never in the log.
    this.lastCommand = verb === 'AUTH' ? 'AUTH' : line;
    if (this.phase === 'barred' && verb !== 'QUIT') {
      this.bad({ code: 503, status: '5.5.1', text: `${this.config.hostname} takes no mail from you; say QUIT` });
      return;
    }
    const known = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    if (known === undefined) {
      if (isOtherProtocol(verb, rest)) this.finalReply(REPLIES.notSmtp(this.config.hostname, clientLabel(this.client)));
      else this.bad(REPLIES.unrecognized(line.trim()));
      return;
    }
    if (known.idle === true && ++this.idleCommands > this.config.limits.idleCommands) {
      this.finalReply(REPLIES.noProgress(this.config.hostname));
      return;
    }
    const state = this.state();
    const barred = known.bar?.(state);
    if (barred !== undefined) this.bad(barred);
    else this.take(known.step(state, rest, verb), verb);
  }

  private state(): VerbState {
    return {
      config: this.config,
      facts: this.facts,
      envelope: this.envelope,
      chunking: this.check !== undefined || this.chunkRefused,
      chunkRefused: this.chunkRefused,
    };
  }

  private take(step: Step, verb: string): void {
    switch (step.kind) {
      case 'reply':
        if (isPositive(step.reply)) this.say(step.reply);
        else if (verb === 'RCPT') this.refuseRecipient(step.reply);
        else this.bad(step.reply);
        return;
      case 'ask':
        this.ask(step.question);
        return;
      case 'reset':
        this.abandon();
        this.say(step.reply);
        return;
      case 'startTls':
        this.say(REPLIES.readyForTls);
        this.actions.push({ kind: 'startTls' });
        // What came after STARTTLS in clear must not be taken for part of the protected session (RFC 3207 4.2).
        this.phase = 'tls';
        return;
      case 'chunk':
        this.startChunk(step.bytes, step.last, step.refusal);
        return;
    }
  }

  private ask(question: Question): void {
    this.question = question;
    this.flushPiece();
    this.actions.push({ kind: 'ask', question });
  }

  private say(reply: Reply): void {
    if (!isPositive(reply)) this.actions.push({ kind: 'refused', command: this.lastCommand, reply });
    const utf8 = this.envelope?.parameters.smtpUtf8 === true;
    this.actions.push({ kind: 'send', bytes: formatReply(reply, utf8) });
    if (reply.code === 221 || reply.code === 421 || reply.code === 521) this.close();
  }

  private close(): void {
    this.abandon();
    this.phase = 'closed';
    this.actions.push({ kind: 'close' });
  }

  private finalReply(reply: Reply): void {
    this.say(reply);
    if (this.phase !== 'closed') this.close();
  }

  /** A refusal that counts against the client. */
  private bad(reply: Reply): void {
    if (++this.badCommands > this.config.limits.badCommands) {
      this.finalReply(REPLIES.tooManyBadCommands(this.config.hostname));
    } else this.say(reply);
  }

  private refuseRecipient(reply: Reply): void {
    if (reply.code >= 500 && ++this.badRecipients > this.config.limits.badRecipients) {
      this.finalReply(REPLIES.tooManyBadRecipients(this.config.hostname));
    } else this.say(reply);
  }

  /** Forgets the transaction. */
  private abandon(): void {
    this.piece = [];
    this.pieceLength = 0;
    if (this.envelope !== undefined) this.actions.push({ kind: 'abandon' });
    this.forget();
  }

  private forget(): void {
    this.envelope = undefined;
    this.check = undefined;
    this.dots = undefined;
    this.bareEnd = undefined;
    this.chunkRefused = false;
    this.chunkRefusal = undefined;
  }

  // ---- answers

  private settle(question: Question, answer: Answer): void {
    const given = answer.kind === 'reply' ? answer.reply : undefined;
    const refused = given !== undefined && !isPositive(given);
    switch (question.kind) {
      case 'connect':
        this.phase = refused ? 'barred' : 'command';
        this.say(
          given ?? REPLIES.greeting(this.config.hostname, this.config.version, this.config.date(), this.config.lmtp),
        );
        return;
      case 'helo':
        if (refused) {
          this.bad(given);
          return;
        }
        this.abandon();
        this.helo = question.name;
        this.extended = question.verb !== 'HELO';
        this.say(
          given ??
            REPLIES.hello(
              this.config.hostname,
              clientLabel(this.client),
              this.extended ? extensions(this.state()) : [],
            ),
        );
        return;
      case 'mail':
        if (refused) {
          this.bad(given);
          return;
        }
        this.envelope = question.envelope;
        this.chunkRefused = false;
        this.say(given ?? REPLIES.senderOk(question.envelope.sender.text));
        return;
      case 'rcpt':
        this.settleRecipient(question, given);
        return;
      case 'data':
        this.settleData(given);
        return;
      case 'end':
        this.settleEnd(question.envelope, answer);
        return;
      case 'auth':
      case 'authResponse':
        this.settleAuth(answer);
        return;
      case 'vrfy':
        this.say(given ?? REPLIES.cannotVerify);
        return;
      case 'expn':
        this.say(given ?? REPLIES.cannotExpand);
        return;
      case 'etrn':
        this.say(given ?? { code: 250, status: '2.0.0', text: `Queuing for node ${question.name} started` });
        return;
    }
  }

  private settleRecipient(question: Extract<Question, { kind: 'rcpt' }>, given: Reply | undefined): void {
    if (given !== undefined && !isPositive(given)) {
      this.refuseRecipient(given);
      return;
    }
    const { envelope, recipient } = question;
    this.envelope = { ...envelope, recipients: [...envelope.recipients, recipient] };
    this.say(given ?? REPLIES.recipientOk(recipient.path.text));
  }

  private settleData(given: Reply | undefined): void {
    const refused = given !== undefined && !isPositive(given);
    if (this.phase === 'chunk') {
      if (refused) this.chunkRefusal = given;
      else this.check = this.newCheck();
      return;
    }
    if (refused) {
      this.say(given);
      this.abandon();
      return;
    }
    this.phase = 'data';
    this.check = this.newCheck();
    const check = this.check;
    this.dots = new DotReader((bytes, from, to) => check.write(bytes, from, to));
    if (!this.sawCr) this.bareEnd = new BareEndWatch();
    this.say(given ?? REPLIES.startInput);
  }

  private settleEnd(envelope: Envelope, answer: Answer): void {
    const id = answer.kind === 'ok' ? (answer.id ?? '') : '';
    const one = answer.kind === 'reply' ? answer.reply : REPLIES.accepted(id);
    if (answer.kind === 'ok' || (answer.kind === 'reply' && isPositive(answer.reply))) this.idleCommands = 0;
    if (this.config.lmtp) {
      // RFC 2033 4.2: a reply for each accepted recipient, also when all are the same.
      const replies = answer.kind === 'each' ? answer.replies : [];
      for (let i = 0; i < envelope.recipients.length; i++) {
        this.say(replies[i] ?? one);
        if (this.isClosed()) return;
      }
      if (replies.some(isPositive)) this.idleCommands = 0;
    } else this.say(one);
    this.forget();
  }

  /** A method, since the compiler does not know that saying 421 closes. */
  private isClosed(): boolean {
    return this.phase === 'closed';
  }

  // ---- AUTH

  private settleAuth(answer: Answer): void {
    if (answer.kind === 'challenge') {
      this.phase = 'auth';
      this.actions.push({
        kind: 'send',
        bytes: Buffer.from(`334 ${Buffer.from(answer.challenge).toString('base64')}\r\n`),
      });
      return;
    }
    this.phase = 'command';
    if (answer.kind === 'authenticated') {
      this.user = answer.user;
      this.say(REPLIES.authenticated);
      return;
    }
    const reply = answer.kind === 'reply' ? answer.reply : REPLIES.trouble;
    if (reply.code === 535 && ++this.authFailures >= this.config.limits.authFailures) {
      this.finalReply(REPLIES.tooManyAuthFailures(this.config.hostname));
    } else this.say(reply);
  }

  private authLine(line: string): void {
    this.phase = 'command';
    // A password may be in there: never in the log.
    this.lastCommand = 'AUTH';
    if (line.trim() === '*') {
      this.say(REPLIES.authAborted);
      return;
    }
    const response = decodeBase64(line.trim());
    if (response === undefined) this.bad(REPLIES.authDecode);
    else this.ask({ kind: 'authResponse', response });
  }

  // ---- content

  private newCheck(): ContentCheck {
    return new ContentCheck(this.config.limits, this.config.bareNewline, (bytes) => this.give(bytes));
  }

  /** Gives content out, small pieces gathered. */
  private give(bytes: Uint8Array): void {
    if (bytes.length >= PIECE) {
      this.flushPiece();
      this.actions.push({ kind: 'content', bytes });
      return;
    }
    this.piece.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.pieceLength += bytes.length;
    if (this.pieceLength >= PIECE) this.flushPiece();
  }

  private flushPiece(): void {
    if (this.pieceLength === 0) return;
    const [first] = this.piece;
    const bytes = this.piece.length === 1 && first !== undefined ? first : Buffer.concat(this.piece, this.pieceLength);
    this.piece = [];
    this.pieceLength = 0;
    this.actions.push({ kind: 'content', bytes });
  }

  private readContent(): boolean {
    return this.phase === 'data' ? this.readData() : this.readChunk();
  }

  private readData(): boolean {
    if (this.dots === undefined || this.at >= this.input.length) return false;
    const watched = this.bareEnd?.feed(this.input, this.at);
    if (watched === 'end') {
      this.finalReply(REPLIES.neverCrLf(this.config.hostname));
      return false;
    }
    if (watched === 'cr') {
      this.bareEnd = undefined;
      this.sawCr = true;
    }
    this.at = this.dots.feed(this.input, this.at);
    if (!this.dots.ended) return false;
    this.phase = 'command';
    this.finishContent();
    return true;
  }

  private finishContent(): void {
    const { check, envelope } = this;
    if (check === undefined || envelope === undefined) return;
    const facts: ContentFacts = check.finish();
    this.lastCommand = 'end of message';
    if (check.fault === undefined) {
      this.ask({ kind: 'end', envelope, facts });
      return;
    }
    const fault = check.fault;
    const count = this.config.lmtp ? envelope.recipients.length : 1;
    this.abandon();
    for (let i = 0; i < count; i++) this.say(fault);
  }

  private startChunk(bytes: number, last: boolean, refusal: Reply | undefined): void {
    this.chunkBytes = bytes;
    this.chunkLeft = bytes;
    this.chunkLast = last;
    this.chunkRefusal = refusal;
    this.phase = 'chunk';
    if (refusal === undefined && this.check === undefined && this.envelope !== undefined) {
      this.ask({ kind: 'data', envelope: this.envelope });
    }
  }

  private readChunk(): boolean {
    const take = Math.min(this.chunkLeft, this.input.length - this.at);
    if (take > 0) {
      if (this.chunkRefusal === undefined) this.check?.write(this.input, this.at, this.at + take);
      this.at += take;
      this.chunkLeft -= take;
    }
    if (this.chunkLeft > 0) return false;
    this.phase = 'command';
    this.endChunk();
    return true;
  }

  /** RFC 3030 2: a refusal of any chunk is a refusal of the message; what follows is refused until RSET. */
  private endChunk(): void {
    const refusal = this.chunkRefusal ?? (this.chunkLast ? undefined : this.check?.fault);
    if (refusal !== undefined) {
      const hadEnvelope = this.envelope !== undefined && this.envelope.recipients.length > 0;
      if (hadEnvelope) {
        const { lmtp } = this.config;
        const count = lmtp && this.chunkLast ? (this.envelope?.recipients.length ?? 1) : 1;
        this.abandon();
        for (let i = 0; i < count; i++) this.say(refusal);
        this.chunkRefused = !this.chunkLast;
      } else if (this.chunkRefused) {
        this.chunkRefused = !this.chunkLast;
        this.say(refusal);
      } else this.bad(refusal);
      return;
    }
    if (this.chunkLast) this.finishContent();
    else this.say(REPLIES.chunk(this.chunkBytes));
  }
}

/** A line that begins with AUTH may be long. */
function isAuth(input: Buffer, at: number): boolean {
  return ((input[at] ?? 0) | 32) === 0x61 && /^auth\s/i.test(input.toString('latin1', at, at + 5));
}
