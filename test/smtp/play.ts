/**
 * Plays a dialogue file against the machine, without a socket.
 *
 * `C: line` is sent with CR LF; `C~ text` is sent as it is after \r \n \t \\ \xHH were undone. `S: line` is what must come
 * back, `*` standing for anything. `M: line` is a line of the last accepted message, `A: close` or `A: startTls` an action;
 * `A: tls` brings TLS up. `! name value` sets the stage (before the first C or S); `#` starts a comment.
 */
import type { Path } from '../../src/message/path.ts';
import { REPLIES, type Reply, reply } from '../../src/smtp/reply.ts';
import {
  type Action,
  type Answer,
  type Client,
  DEFAULT_CONFIG,
  type Question,
  type SmtpConfig,
  SmtpSession,
} from '../../src/smtp/session.ts';

export interface Stage {
  config: SmtpConfig;
  client: Client;
  /** `kind key` to reply, such as `rcpt far@away.test`. */
  answers: Map<string, Reply>;
}

const LOCAL = new Set(['linux102.example.com', '', 'localhost', '[127.0.0.1]']);
const USERS = new Set(['lee', 'root', 'dongliang', 'postmaster']);

export function newStage(): Stage {
  return {
    config: {
      ...DEFAULT_CONFIG,
      hostname: 'linux102.example.com',
      version: '0.1.0',
      date: () => 'Thu, 1 Jan 2026 12:00:00 +0000',
    },
    client: { address: '192.168.0.7', name: 'pc7.example.com' },
    answers: new Map(),
  };
}

/** A driver with a small host behind it. */
export class Driver {
  readonly session: SmtpSession;
  readonly messages: { from: string; to: string[]; content: Buffer }[] = [];
  output = '';
  doings: string[] = [];
  questions: Question[] = [];
  private readonly stage: Stage;
  private content: Buffer[] = [];
  private ids = 0;

  constructor(stage: Stage) {
    this.stage = stage;
    this.session = new SmtpSession(stage.config, stage.client);
    this.carryOut(this.session.start());
  }

  send(bytes: Uint8Array): void {
    this.carryOut(this.session.receive(bytes));
  }

  carryOut(actions: Action[]): void {
    for (const action of actions) {
      if (action.kind === 'send') this.output += Buffer.from(action.bytes).toString('utf8');
      else if (action.kind === 'content') this.content.push(Buffer.from(action.bytes));
      else if (action.kind === 'abandon') this.content = [];
      else if (action.kind === 'ask') {
        this.questions.push(action.question);
        this.carryOut(this.session.answer(this.decide(action.question)));
      } else if (action.kind !== 'refused') this.doings.push(action.kind);
    }
  }

  /** What the small host says. */
  decide(question: Question): Answer {
    const set =
      this.stage.answers.get(`${question.kind} ${keyOf(question)}`) ?? this.stage.answers.get(`${question.kind} *`);
    if (question.kind === 'end') {
      const content = Buffer.concat(this.content);
      this.content = [];
      if (set !== undefined && set.code >= 400) return { kind: 'reply', reply: set };
      const { envelope } = question;
      this.messages.push({ from: envelope.sender.text, to: envelope.recipients.map((r) => r.path.text), content });
      return { kind: 'ok', id: `Q${++this.ids}` };
    }
    if (set !== undefined) return { kind: 'reply', reply: set };
    if (question.kind === 'rcpt') return this.recipient(question.recipient.path);
    if (question.kind === 'auth')
      return question.initial === undefined
        ? { kind: 'challenge', challenge: Buffer.from('Username:') }
        : login(question.initial);
    if (question.kind === 'authResponse') return login(question.response);
    return { kind: 'ok' };
  }

  private recipient(path: Path): Answer {
    if (!LOCAL.has(path.domain)) return { kind: 'reply', reply: REPLIES.relayingDenied(path.text) };
    return USERS.has(path.local.toLowerCase())
      ? { kind: 'ok' }
      : { kind: 'reply', reply: REPLIES.userUnknown(path.text) };
  }
}

function login(bytes: Uint8Array): Answer {
  return Buffer.from(bytes).toString().includes('lee')
    ? { kind: 'authenticated', user: 'lee' }
    : { kind: 'reply', reply: reply(535, '5.7.0', 'authentication failed') };
}

function keyOf(question: Question): string {
  if (question.kind === 'rcpt') return question.recipient.path.text;
  if (question.kind === 'mail') return question.envelope.sender.text;
  if (question.kind === 'helo') return question.name;
  if (question.kind === 'vrfy' || question.kind === 'expn') return question.text;
  return '*';
}

/** What an `S:` line stands for. */
export function pattern(line: string): RegExp {
  return new RegExp(
    `^${line
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );
}

export interface Turn {
  kind: 'C' | 'S' | 'M' | 'A';
  /** Of C: bytes as Latin-1. */
  text: string;
  line: number;
}

export function readDialogue(text: string): { stage: Stage; turns: Turn[] } {
  const stage = newStage();
  const turns: Turn[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('! ')) setStage(stage, line.slice(2));
    else if (line.startsWith('C~ ')) turns.push({ kind: 'C', text: undoEscapes(line.slice(3)), line: index + 1 });
    else if (line.startsWith('C:'))
      turns.push({ kind: 'C', text: Buffer.from(`${line.slice(3)}\r\n`).toString('latin1'), line: index + 1 });
    else if (/^[SMA]:/.test(line))
      turns.push({ kind: line[0] as 'S' | 'M' | 'A', text: line.slice(3), line: index + 1 });
    else throw new Error(`line ${index + 1}: what is ${line}`);
  }
  return { stage, turns };
}

function undoEscapes(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|.)/gi, (_, code: string) => {
    if (code.startsWith('x') && code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { r: '\r', n: '\n', t: '\t' }[code] ?? code;
  });
}

function setStage(stage: Stage, line: string): void {
  const [name = '', ...rest] = line.split(' ');
  const value = rest.join(' ');
  if (name === 'client') {
    const [address = '', host] = rest;
    stage.client = { address, name: host };
  } else if (name === 'answer') {
    const found = /^(\S+ .*?) -> (\d{3}) (\d\.\d+\.\d+) (.*)$/.exec(value);
    if (found === null) throw new Error(line);
    stage.answers.set(found[1] ?? '', reply(Number(found[2]), found[3] ?? '', found[4] ?? ''));
  } else if (name.startsWith('limits.')) {
    stage.config = { ...stage.config, limits: { ...stage.config.limits, [name.slice(7)]: JSON.parse(value) } };
  } else stage.config = { ...stage.config, [name]: JSON.parse(value) };
}
