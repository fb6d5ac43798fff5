/**
 * Answers the SMTP machine's questions from the rules, and takes accepted messages into the queue.
 *
 * What a client was told is kept: a recipient that was accepted is delivered, relayed, discarded by a named rule, or its
 * sender gets a report. The 250 after the final dot waits for the spool's sync.
 */
import type { Log } from '../core/log.ts';
import { VERSION } from '../core/version.ts';
import { formatDate } from '../message/date.ts';
import { pathAddress } from '../message/path.ts';
import type { Origin, QueueEntry, RecipientState } from '../queue/entry.ts';
import type { Incoming, Spool } from '../queue/spool.ts';
import { decide, decideClient, decideSender, type Verdict } from '../rules/relay.ts';
import type { Rules } from '../rules/rules.ts';
import { REPLIES } from '../smtp/reply.ts';
import {
  type Answer,
  type Client,
  type ContentFacts,
  clientLabel,
  type Envelope,
  type Question,
  type Recipient,
  type SessionFacts,
  type SmtpSession,
} from '../smtp/session.ts';
import { event, targetsOf } from './events.ts';
import { type Expanded, expandRecipients, mergedOf } from './recipients.ts';
import type { Inbound } from './smtp-connection.ts';
import type { World } from './world.ts';

export interface InboundOptions {
  readonly spool: Spool;
  readonly rules: () => Rules;
  readonly world: World;
  readonly hostname: string;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** An entry was committed: look at it. */
  readonly queued: (entry: QueueEntry) => void;
  /** ETRN: tries what waits for a domain. */
  readonly runQueueOf: (name: string) => void;
}

const IN_MESSAGE = /^(?:rcpt|data|bdat|end of message)\b/i;
const BEFORE_MAIL = /^(?:$|(?:helo|ehlo|lhlo)\b)/i;

interface Accepted {
  readonly recipient: Recipient;
  readonly verdict: Verdict;
}

/** What stands behind one connection. */
export function createInbound(options: InboundOptions, client: Client): Inbound {
  return new SmtpInbound(options, client);
}

class SmtpInbound implements Inbound {
  readonly #options: InboundOptions;
  readonly #client: Client;
  #accepted: Accepted[] = [];
  #incoming: Incoming | undefined;
  /** What the client has named so far, and the rule that spoke last against it: for the log. */
  #from: string | undefined;
  #to: string[] = [];
  #rule: string | undefined;
  /** The disk took no more of this message. */
  #failure: unknown;

  constructor(options: InboundOptions, client: Client) {
    this.#options = options;
    this.#client = client;
  }

  decide(question: Question, session: SmtpSession): Promise<Answer> | Answer {
    switch (question.kind) {
      case 'connect':
        return this.#connect();
      case 'mail':
        return this.#mail(question.envelope, session.facts);
      case 'rcpt':
        return this.#rcpt(question.envelope, question.recipient, session.facts);
      case 'data':
        return this.#data(question.envelope, session.facts);
      case 'end':
        return this.#end(question.envelope, question.facts, session.facts);
      case 'etrn':
        this.#options.runQueueOf(question.name);
        return {
          kind: 'reply',
          reply: { code: 250, status: '2.0.0', text: `Queuing for node ${question.name} started` },
        };
      case 'helo':
        return { kind: 'ok' };
      case 'auth':
      case 'authResponse':
        return { kind: 'reply', reply: REPLIES.authNotOffered };
      case 'vrfy':
        return { kind: 'reply', reply: REPLIES.cannotVerify };
      case 'expn':
        return { kind: 'reply', reply: REPLIES.cannotExpand };
    }
  }

  content(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#incoming?.add(bytes);
    } catch (error) {
      this.#failure = error;
    }
  }

  abandon(): void {
    this.#incoming?.discard();
    this.#incoming = undefined;
    this.#failure = undefined;
    this.#accepted = [];
  }

  refused(command: string, code: number, text: string): void {
    const client = clientLabel(this.#client);
    const rule = this.#rule;
    this.#rule = undefined;
    // A command out of place, or one that does not parse, is not about the message before it.
    const inMessage = IN_MESSAGE.test(command) && code !== 503;
    const from = inMessage || (rule !== undefined && !BEFORE_MAIL.test(command)) ? this.#from : undefined;
    const recipients = inMessage && this.#to.length > 0 ? [...this.#to] : undefined;
    this.#options.log.write(
      event('refused', { client, from, recipients, command: command || 'connect', code, text, rule }),
    );
  }

  #refusal(verdict: Verdict): Answer {
    this.#rule = ruleOf(verdict);
    return refusal(verdict);
  }

  #connect(): Answer {
    const verdict = decideClient(this.#client, this.#options.rules());
    if (verdict?.kind !== 'refuse') return { kind: 'ok' };
    this.#rule = ruleOf(verdict);
    return { kind: 'reply', reply: REPLIES.noService(this.#options.hostname) };
  }

  async #mail({ sender }: Envelope, facts: SessionFacts): Promise<Answer> {
    this.abandon();
    this.#from = pathAddress(sender);
    this.#to = [];
    const { world, rules } = this.#options;
    const found = await world.settle(() =>
      decideSender({ client: this.#client, sender, user: facts.user }, rules(), world.lookups),
    );
    return found.verdict?.kind === 'refuse' ? this.#refusal(found.verdict) : { kind: 'ok' };
  }

  async #rcpt({ sender }: Envelope, recipient: Recipient, facts: SessionFacts): Promise<Answer> {
    const { world, rules } = this.#options;
    const question = { client: this.#client, sender, recipient: recipient.path, user: facts.user };
    const { verdict } = await world.settle(() => decide(question, rules(), world.lookups));
    if (verdict.kind === 'refuse') return this.#refusal(verdict);
    this.#accepted.push({ recipient, verdict });
    this.#to.push(pathAddress(recipient.path));
    return { kind: 'ok' };
  }

  #data(envelope: Envelope, facts: SessionFacts): Answer {
    this.#incoming = this.#options.spool.begin();
    this.#failure = undefined;
    this.content(Buffer.from(this.#traceFields(this.#incoming.id, envelope, facts), 'utf8'));
    return { kind: 'ok' };
  }

  /** Received (RFC 5321 4.4), and what the reader should know of the sender's claims. */
  #traceFields(id: string, { recipients, warnings }: Envelope, facts: SessionFacts): string {
    const { hostname, now } = this.#options;
    const [only] = recipients;
    const forWhom = recipients.length === 1 && only !== undefined ? `\r\n\tfor <${pathAddress(only.path)}>` : '';
    const tls = facts.tls === undefined ? '' : `\r\n\t(using ${facts.tls.version} with ${facts.tls.cipher})`;
    const received =
      `Received: from ${facts.helo ?? clientLabel(this.#client)} (${clientLabel(this.#client)})${tls}\r\n` +
      `\tby ${hostname} (tmail/${VERSION}) with ${facts.protocol} id ${id}${forWhom};\r\n` +
      `\t${formatDate(Math.floor(now() / 1000), zone(now()))}\r\n`;
    const tags = new Set(this.#accepted.flatMap(({ verdict }) => verdict.tags));
    const texts = [...warnings, ...[...tags].map((tag) => `${hostname}: ${tag}`)];
    return received + texts.map((text) => `X-Authentication-Warning: ${text}\r\n`).join('');
  }

  async #end(envelope: Envelope, content: ContentFacts, facts: SessionFacts): Promise<Answer> {
    const incoming = this.#incoming;
    const accepted = this.#accepted;
    const failure = this.#failure;
    this.#incoming = undefined;
    this.#accepted = [];
    if (incoming === undefined) throw new Error('the end of a message that did not begin');
    if (failure !== undefined) {
      incoming.discard();
      return noRoom(this.#options.log, failure);
    }
    try {
      return await this.#take(incoming, envelope, accepted, content, facts);
    } catch (error) {
      incoming.discard();
      return noRoom(this.#options.log, error);
    }
  }

  async #take(
    incoming: Incoming,
    envelope: Envelope,
    accepted: readonly Accepted[],
    content: ContentFacts,
    facts: SessionFacts,
  ): Promise<Answer> {
    const { spool, world, rules, log, now, queued } = this.#options;
    const { id } = incoming;
    const client = clientLabel(this.#client);
    const sender = pathAddress(envelope.sender);
    const taken = accepted.filter(({ verdict }) => verdict.kind !== 'discard');
    const { size } = incoming;
    // Written when the message is safe: what the log says was accepted, was.
    const logAccepted = (entry: Pick<QueueEntry, 'recipients'>, merged: readonly string[]) => {
      const recipients = accepted.map(({ recipient }) => pathAddress(recipient.path));
      const ways = accepted.map(({ verdict }) => ruleOf(verdict));
      const { helo, protocol, user } = facts;
      const targets = targetsOf(entry);
      log.write(
        event('accepted', {
          id,
          from: sender,
          size,
          client,
          helo,
          protocol,
          user,
          recipients,
          rules: ways,
          ...targets,
          ...(merged.length === 0 ? {} : { merged }),
        }),
      );
      for (const { recipient, verdict } of accepted) {
        if (verdict.kind === 'discard')
          log.write(event('discarded', { id, to: pathAddress(recipient.path), rule: ruleOf(verdict) }));
      }
    };
    if (taken.length === 0) {
      incoming.discard();
      logAccepted({ recipients: [] }, []);
      return { kind: 'ok', id };
    }
    const groups = await expandRecipients(
      taken.map(({ recipient, verdict }) => ({ parts: verdict.recipient, state: queuedState(recipient, now()) })),
      rules(),
      world,
    );
    const quarantine = taken.find(({ verdict }) => verdict.quarantine !== undefined)?.verdict.quarantine;
    const common = {
      received: now(),
      from: origin(facts, client),
      body: content.eightBit ? ('8bitmime' as const) : ('7bit' as const),
      smtputf8: envelope.parameters.smtpUtf8 === true && (content.eightBitHeader || !isAscii(sender, taken)),
      requireTls: envelope.parameters.requireTls === true,
      ...(envelope.parameters.ret === undefined ? {} : { ret: lower(envelope.parameters.ret) }),
      ...(envelope.parameters.envid === undefined ? {} : { envid: envelope.parameters.envid }),
      ...(quarantine === undefined ? {} : { held: quarantine }),
    };
    for (const entry of await commitGroups(spool, incoming, groups, sender, common)) {
      if (entry.id === id) logAccepted(entry, mergedOf(groups));
      else log.write(event('split', { id: entry.id, of: id, from: entry.sender, ...targetsOf(entry) }));
      if (quarantine !== undefined) log.write(event('held', { id: entry.id, reason: quarantine }));
      queued(entry);
    }
    return { kind: 'ok', id };
  }
}

/** One entry for each sender: an owner-LIST alias makes its own. All are durable when this resolves. */
export async function commitGroups(
  spool: Spool,
  incoming: Incoming,
  groups: readonly Expanded[],
  sender: string,
  common: Omit<QueueEntry, 'id' | 'size' | 'sender' | 'recipients'>,
): Promise<readonly QueueEntry[]> {
  const [first, ...others] = groups;
  if (first === undefined) throw new Error('a message without recipients');
  const entry = await spool.commit(incoming, {
    ...common,
    sender: first.owner ?? sender,
    recipients: first.recipients,
  });
  const entries = [entry];
  try {
    for (const { owner, recipients } of others) {
      const copy = spool.begin();
      for (const block of spool.read(entry.id)) copy.add(block);
      entries.push(await spool.commit(copy, { ...common, sender: owner ?? sender, recipients }));
    }
  } catch (error) {
    // The client will hear that nothing was taken; so be it.
    for (const { id } of entries) await spool.remove(id);
    throw error;
  }
  return entries;
}

/** The rule that decided, with its place when it stands in a file. */
function ruleOf({ rule, at }: Verdict): string {
  return at === undefined ? rule : `${rule} ${at.file}:${at.line}`;
}

function refusal(verdict: Verdict): Answer {
  const { code = 550, status = '5.7.1', text = 'Access denied' } = verdict.refusal ?? {};
  return { kind: 'reply', reply: { code, status, text } };
}

function noRoom(log: Log, error: unknown): Answer {
  log.write({ event: 'queue-failure', reason: error instanceof Error ? error.message : String(error) });
  return { kind: 'reply', reply: { code: 452, status: '4.3.1', text: 'Insufficient disk space; try again later' } };
}

function queuedState({ path, parameters }: Recipient, now: number): RecipientState {
  const notify = parameters.notify?.map(lower);
  return {
    address: pathAddress(path),
    original: pathAddress(path),
    status: 'queued',
    attempts: 0,
    nextTry: now,
    warnings: 0,
    ...(notify === undefined ? {} : { notify }),
    ...(parameters.orcpt === undefined ? {} : { orcpt: parameters.orcpt }),
  };
}

function origin(facts: SessionFacts, client: string): Origin {
  return { protocol: facts.protocol.toLowerCase(), client, ...(facts.user === undefined ? {} : { user: facts.user }) };
}

function isAscii(sender: string, accepted: readonly Accepted[]): boolean {
  const ascii = (text: string) => /^[\u0000-\u007f]*$/.test(text);
  return ascii(sender) && accepted.every(({ recipient }) => ascii(pathAddress(recipient.path)));
}

function lower<T extends string>(text: T): Lowercase<T> {
  return text.toLowerCase() as Lowercase<T>;
}

/** Minutes east of UTC here and then. */
export function zone(milliseconds: number): number {
  return -new Date(milliseconds).getTimezoneOffset();
}
