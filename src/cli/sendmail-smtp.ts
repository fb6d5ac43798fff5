/**
 * `sendmail -bs`: SMTP on standard input and output, for programs that would rather speak than call (alpine, scripts).
 *
 * The daemon's own machine and rules answer; what is accepted goes the way of all mail that is handed over by command
 * (outbox.ts). Input may have LF line ends, as people and scripts type them: they are CR LF before the machine sees them.
 */
import { EX, MailError, reasonOf, UserError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { systemResolver } from '../daemon/resolver.ts';
import { daemonSettings } from '../daemon/settings.ts';
import { readTables, tablePaths, usersOnly } from '../daemon/tables.ts';
import { createWorld, type World } from '../daemon/world.ts';
import { formatDate, localZone } from '../message/date.ts';
import { pathAddress } from '../message/path.ts';
import { decide, decideSender, type Verdict } from '../rules/relay.ts';
import type { Rules } from '../rules/rules.ts';
import { REPLIES } from '../smtp/reply.ts';
import {
  type Action,
  type Answer,
  DEFAULT_CONFIG,
  type Envelope,
  type Question,
  SmtpSession,
} from '../smtp/session.ts';
import { foundation, type Invocation, lazyOutbox, mailboxContext } from './services.ts';
import { printError, printText } from './stdio.ts';
import { prepareSubmission } from './submission.ts';

const LF = 0x0a;
const CR = 0x0d;
/** The caller itself, as `access` and the log know it: no address. */
const CLIENT = { address: '' };

interface Host {
  readonly rules: Rules;
  readonly world: World;
  /** Hands the message over; its reply. */
  readonly take: (envelope: Envelope, content: Uint8Array) => Promise<Answer>;
}

/** Speaks SMTP until QUIT or the end of input; exit status 0. `chunks`: standard input. */
export async function runSmtp(
  invocation: Invocation,
  chunks: AsyncIterable<Uint8Array> = process.stdin,
): Promise<number> {
  const base = await foundation(invocation);
  const settings = daemonSettings(base.config);
  const { root } = settings.paths;
  const { rules } = readTables(base.disk, tablePaths(settings.paths), settings.rules, usersOnly(root));
  const world = createWorld({ root, resolver: systemResolver({}), rules: () => rules });
  const outbox = lazyOutbox(base, mailboxContext(base, printError));
  const host: Host = {
    rules,
    world,
    async take(envelope, content) {
      const now = Date.now();
      const { message } = prepareSubmission(content, {
        recipientsFromHeader: false,
        sender: { name: base.user.fullName, address: pathAddress(envelope.sender) || base.user.name },
        hostname: base.hostname,
        now,
        zone: localZone(now),
      });
      const recipients = [...new Set(envelope.recipients.map(({ path }) => pathAddress(path)))];
      const from = pathAddress(envelope.sender);
      await outbox(message, { from, recipients }, { mta: undefined, verbose: false, explicitSender: true });
      return { kind: 'ok', id: now.toString(36).toUpperCase() };
    },
  };
  const session = new SmtpSession(
    {
      ...DEFAULT_CONFIG,
      hostname: base.hostname,
      version: VERSION,
      date: () => formatDate(Math.floor(Date.now() / 1000), localZone(Date.now())),
      limits: settings.limits,
    },
    CLIENT,
  );
  const driver = new Driver(session, host);
  await driver.carryOut(session.start());
  let last = 0;
  for await (const chunk of chunks) {
    await driver.carryOut(session.receive(withCr(chunk, last)));
    last = chunk.at(-1) ?? last;
    if (driver.closed) break;
  }
  await driver.carryOut(session.gone());
  return EX.ok;
}

/** With a CR before each LF that has none. `before`: the octet in front of the chunk. */
export function withCr(chunk: Uint8Array, before: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) {
    if ((at === 0 ? before : chunk[at - 1]) === CR) continue;
    parts.push(chunk.subarray(from, at), Buffer.of(CR));
    from = at;
  }
  return parts.length === 0 ? chunk : Buffer.concat([...parts, chunk.subarray(from)]);
}

class Driver {
  closed = false;
  readonly #session: SmtpSession;
  readonly #host: Host;
  #content: Uint8Array[] = [];

  constructor(session: SmtpSession, host: Host) {
    this.#session = session;
    this.#host = host;
  }

  async carryOut(actions: Action[]): Promise<void> {
    const pending = [...actions];
    for (let action = pending.shift(); action !== undefined; action = pending.shift()) {
      switch (action.kind) {
        case 'send':
          printText(Buffer.from(action.bytes).toString());
          break;
        case 'content':
          this.#content.push(action.bytes.slice());
          break;
        case 'abandon':
          this.#content = [];
          break;
        case 'close':
          this.closed = true;
          break;
        case 'ask':
          pending.push(...this.#session.answer(await this.#answer(action.question)));
          break;
        default:
          break;
      }
    }
  }

  async #answer(question: Question): Promise<Answer> {
    const { rules, world } = this.#host;
    switch (question.kind) {
      case 'mail': {
        const { sender } = question.envelope;
        const { verdict } = await world.settle(() => decideSender({ client: CLIENT, sender }, rules, world.lookups));
        return byVerdict(verdict);
      }
      case 'rcpt': {
        const asked = { client: CLIENT, sender: question.envelope.sender, recipient: question.recipient.path };
        return byVerdict((await world.settle(() => decide(asked, rules, world.lookups))).verdict);
      }
      case 'data':
        this.#content = [];
        return { kind: 'ok' };
      case 'end':
        return this.#take(question.envelope);
      case 'auth':
      case 'authResponse':
        return { kind: 'reply', reply: REPLIES.authNotOffered };
      default:
        return { kind: 'ok' };
    }
  }

  async #take(envelope: Envelope): Promise<Answer> {
    const content = Buffer.concat(this.#content);
    this.#content = [];
    try {
      return await this.#host.take(envelope, content);
    } catch (error) {
      if (!(error instanceof MailError || error instanceof UserError)) throw error;
      const temporary = error instanceof MailError && error.temporary;
      const reply = temporary ? { code: 451, status: '4.3.0' } : { code: 554, status: '5.0.0' };
      return { kind: 'reply', reply: { ...reply, text: reasonOf(error) } };
    }
  }
}

function byVerdict(verdict: Verdict | undefined): Answer {
  if (verdict?.kind !== 'refuse') return { kind: 'ok' };
  const { code = 550, status = '5.7.1', text = 'Access denied' } = verdict.refusal ?? {};
  return { kind: 'reply', reply: { code, status, text } };
}
