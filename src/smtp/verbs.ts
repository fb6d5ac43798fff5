/**
 * THE table of verbs: for each, may it come now, does it parse, what is asked, what is replied. HELP is made from it.
 *
 * A handler sees the state and returns a Step; it changes nothing itself. RFC 5321 4.1.1, 4.1.4 (order of commands).
 */
import { parseAuth, parseBdat, parseHelo, parseMail, parseRcpt } from './command.ts';
import type { Envelope, Question, SessionFacts, SmtpConfig } from './question.ts';
import { REPLIES, type Reply, reply } from './reply.ts';

export interface VerbState {
  readonly config: SmtpConfig;
  readonly facts: SessionFacts;
  readonly envelope: Envelope | undefined;
  /** Chunks of the message came already. */
  readonly chunking: boolean;
  /** What the start of the chunked message was refused with: only RSET helps. */
  readonly chunkRefused: boolean;
}

/** What a command leads to. */
export type Step =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'ask'; readonly question: Question }
  /** The transaction ends, then the reply. */
  | { readonly kind: 'reset'; readonly reply: Reply }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'chunk'; readonly bytes: number; readonly last: boolean; readonly refusal?: Reply };

interface Verb {
  readonly usage: string;
  readonly help: string;
  /** Why it may not come now. */
  readonly bar?: (state: VerbState) => Reply | undefined;
  readonly step: (state: VerbState, rest: string, verb: string) => Step;
  /** Does not bring a message nearer. */
  readonly idle?: true;
}

const say = (reply: Reply): Step => ({ kind: 'reply', reply });
const ask = (question: Question): Step => ({ kind: 'ask', question });

function barMail(state: VerbState): Reply | undefined {
  const { config, facts, envelope } = state;
  if (envelope !== undefined) return REPLIES.senderAlready;
  if (facts.helo === undefined && (config.requireHelo || config.lmtp)) return REPLIES.heloFirst;
  if (config.requireTls && facts.tls === undefined) return REPLIES.tlsFirst;
  if (config.requireAuth && facts.user === undefined) return REPLIES.authRequired;
  return undefined;
}

/** Recipients are there, for DATA and BDAT. */
function barContent(state: VerbState): Reply | undefined {
  if (state.envelope === undefined) return REPLIES.needMailCommand;
  return state.envelope.recipients.length > 0 ? undefined : REPLIES.needRcpt;
}

function hello(state: VerbState, rest: string, verb: 'HELO' | 'EHLO' | 'LHLO'): Step {
  const { lmtp } = state.config;
  if (lmtp !== (verb === 'LHLO')) return say(REPLIES.wrongHello(verb, lmtp));
  if (rest === '') return say(REPLIES.heloDomain(verb));
  const name = parseHelo(rest);
  return name === undefined ? say(REPLIES.heloInvalid) : ask({ kind: 'helo', verb, name });
}

/** X-Authentication-Warning: whoever does not introduce himself is named in the message. */
function warnings(state: VerbState): string[] {
  if (state.facts.helo !== undefined) return [];
  return [`${state.config.hostname}: ${clientLabel(state.facts.client)} didn't use HELO protocol`];
}

/** `name [1.2.3.4]`, or `[1.2.3.4]` when there is no name. */
export function clientLabel(client: SessionFacts['client']): string {
  if (client.address === '') return client.name ?? 'localhost';
  const literal = client.address.includes(':') ? `[IPv6:${client.address}]` : `[${client.address}]`;
  return client.name === undefined ? literal : `${client.name} ${literal}`;
}

/** The lines of the EHLO reply. LIMITS: RFC 9422. */
export function extensions(state: VerbState): string[] {
  const { config, facts } = state;
  const mechanisms = facts.tls === undefined ? config.mechanisms.clear : config.mechanisms.tls;
  const lines = [
    'ENHANCEDSTATUSCODES',
    'PIPELINING',
    'CHUNKING',
    '8BITMIME',
    'SMTPUTF8',
    `SIZE ${config.limits.size}`,
    'DSN',
  ];
  if (config.etrn && !config.lmtp && !config.requireAuth) lines.push('ETRN');
  if (config.startTls && facts.tls === undefined) lines.push('STARTTLS');
  if (mechanisms.length > 0 && facts.user === undefined) lines.push(`AUTH ${mechanisms.join(' ')}`);
  if (facts.tls !== undefined) lines.push('REQUIRETLS');
  if (config.deliverBy !== undefined)
    lines.push(config.deliverBy === 0 ? 'DELIVERBY' : `DELIVERBY ${config.deliverBy}`);
  lines.push(`LIMITS RCPTMAX=${config.limits.recipients}`);
  if (config.expn) lines.push('EXPN');
  lines.push('HELP');
  return lines;
}

export const VERBS: Readonly<Record<string, Verb>> = {
  HELO: {
    usage: 'HELO <hostname>',
    help: 'Introduce yourself.',
    step: (state, rest) => hello(state, rest, 'HELO'),
    idle: true,
  },
  EHLO: {
    usage: 'EHLO <hostname>',
    help: 'Introduce yourself, and request extended SMTP mode.',
    step: (state, rest) => hello(state, rest, 'EHLO'),
    idle: true,
  },
  LHLO: {
    usage: 'LHLO <hostname>',
    help: 'Introduce yourself (LMTP).',
    step: (state, rest) => hello(state, rest, 'LHLO'),
    idle: true,
  },
  MAIL: {
    usage: 'MAIL FROM:<sender> [ <parameters> ]',
    help: 'Specifies the sender. Parameters are ESMTP extensions.',
    bar: barMail,
    step: (state, rest) => {
      const { config, facts } = state;
      const offered = { sizeLimit: config.limits.size, tls: facts.tls !== undefined, deliverBy: config.deliverBy };
      const parsed = parseMail(rest, offered);
      if ('refused' in parsed) return say(parsed.refused);
      const { sender, parameters } = parsed.ok;
      return ask({ kind: 'mail', envelope: { sender, parameters, recipients: [], warnings: warnings(state) } });
    },
  },
  RCPT: {
    usage: 'RCPT TO:<recipient> [ <parameters> ]',
    help: 'Specifies a recipient. Can be used any number of times.',
    bar: (state) => {
      if (state.envelope === undefined) return REPLIES.needMail;
      return state.chunking ? REPLIES.inTransaction('RCPT') : undefined;
    },
    step: ({ envelope, config }, rest) => {
      if (envelope === undefined) return say(REPLIES.needMail);
      const parsed = parseRcpt(rest, envelope.parameters.smtpUtf8 === true);
      if ('refused' in parsed) return say(parsed.refused);
      if (envelope.recipients.length >= config.limits.recipients) return say(REPLIES.tooManyRecipients);
      const { recipient: path, parameters } = parsed.ok;
      return ask({ kind: 'rcpt', envelope, recipient: { path, parameters } });
    },
  },
  DATA: {
    usage: 'DATA',
    help: 'Following text is collected as the message. End with a single dot.',
    bar: (state) => (state.chunking ? REPLIES.chunkAndData : barContent(state)),
    // Words after DATA are what humans type; sendmail takes no notice of them either.
    step: ({ envelope }) => (envelope === undefined ? say(REPLIES.needMailCommand) : ask({ kind: 'data', envelope })),
  },
  BDAT: {
    usage: 'BDAT <size> [ LAST ]',
    help: 'The next <size> bytes are a chunk of the message.',
    // Whatever is wrong with the order, the chunk itself must be read over (RFC 3030 2): so there is no bar here.
    step: (state, rest) => {
      if (rest === '') return say(REPLIES.argumentRequired);
      const chunk = parseBdat(rest);
      if (chunk === 'syntax') return say(REPLIES.scanning(rest));
      if (chunk === 'lost') return say(REPLIES.chunkLost(state.config.hostname));
      const refusal = state.chunkRefused ? REPLIES.afterLast : state.chunking ? undefined : barContent(state);
      return { kind: 'chunk', ...chunk, ...(refusal === undefined ? {} : { refusal }) };
    },
  },
  RSET: {
    usage: 'RSET',
    help: 'Resets the system.',
    step: () => ({ kind: 'reset', reply: REPLIES.reset }),
    idle: true,
  },
  NOOP: { usage: 'NOOP', help: 'Do nothing.', step: () => say(REPLIES.ok), idle: true },
  QUIT: { usage: 'QUIT', help: 'Exit SMTP.', step: ({ config }) => say(REPLIES.closing(config.hostname)) },
  HELP: { usage: 'HELP [ <topic> ]', help: 'This help.', step: (state, rest) => say(help(state, rest)), idle: true },
  VRFY: {
    usage: 'VRFY <recipient>',
    help: 'Verify an address.',
    step: ({ config }, rest) => {
      if (rest === '') return say(REPLIES.argumentRequired);
      return config.vrfy ? ask({ kind: 'vrfy', text: rest }) : say(REPLIES.cannotVerify);
    },
    idle: true,
  },
  EXPN: {
    usage: 'EXPN <recipient>',
    help: 'Expand an address: who is on that list?',
    step: ({ config }, rest) => {
      if (rest === '') return say(REPLIES.argumentRequired);
      return config.expn ? ask({ kind: 'expn', text: rest }) : say(REPLIES.cannotExpand);
    },
    idle: true,
  },
  ETRN: {
    usage: 'ETRN [ <hostname> | @<domain> ]',
    help: 'Run the queue for the specified host or domain.',
    bar: ({ config, envelope }) => {
      if (!config.etrn) return REPLIES.etrnOff;
      return envelope === undefined ? undefined : REPLIES.inTransaction('ETRN');
    },
    step: (_, rest) => (rest === '' ? say(REPLIES.parameterRequired) : ask({ kind: 'etrn', name: rest })),
    idle: true,
  },
  STARTTLS: {
    usage: 'STARTTLS',
    help: 'Start TLS negotiation.',
    bar: ({ config, facts, envelope }) => {
      if (facts.tls !== undefined) return REPLIES.tlsAlready;
      if (!config.startTls) return REPLIES.tlsNotAvailable;
      return envelope === undefined ? undefined : REPLIES.inTransaction('STARTTLS');
    },
    step: (_, rest) => (rest === '' ? { kind: 'startTls' } : say(REPLIES.noParameters)),
    idle: true,
  },
  AUTH: {
    usage: 'AUTH <mechanism> [ <initial response> ]',
    help: 'Log in.',
    bar: ({ config, facts, envelope }) => {
      if (facts.user !== undefined) return REPLIES.authAlready;
      if (envelope !== undefined) return REPLIES.inTransaction('AUTH');
      if (facts.tls === undefined && config.mechanisms.clear.length === 0 && config.mechanisms.tls.length > 0) {
        return REPLIES.tlsFirst;
      }
      return config.mechanisms.tls.length + config.mechanisms.clear.length === 0 ? REPLIES.authNotOffered : undefined;
    },
    step: ({ config, facts }, rest) => {
      const parsed = parseAuth(rest);
      if ('refused' in parsed) return say(parsed.refused);
      const { mechanism, initial } = parsed.ok;
      const offered = facts.tls === undefined ? config.mechanisms.clear : config.mechanisms.tls;
      if (offered.includes(mechanism)) return ask({ kind: 'auth', mechanism, initial });
      return say(config.mechanisms.tls.includes(mechanism) ? REPLIES.authNeedsTls : REPLIES.authUnknown(mechanism));
    },
    idle: true,
  },
};

function help({ config }: VerbState, rest: string): Reply {
  const topic = rest.toUpperCase();
  if (topic !== '') {
    const verb = Object.hasOwn(VERBS, topic) ? VERBS[topic] : undefined;
    if (verb === undefined) return REPLIES.helpUnknown(rest);
    return reply(214, '2.0.0', [verb.usage, `\t${verb.help}`, 'End of HELP info']);
  }
  const names = Object.keys(VERBS).filter(
    (name) => config.lmtp === (name === 'LHLO') || !/^(HELO|EHLO|LHLO)$/.test(name),
  );
  const rows: string[] = [];
  for (let i = 0; i < names.length; i += 5) rows.push(`\t${names.slice(i, i + 5).join('\t')}`);
  return reply(214, '2.0.0', [
    `This is tmail version ${config.version}`,
    'Topics:',
    ...rows,
    'For more info use "HELP <topic>".',
    'For local information send email to Postmaster at your site.',
    'End of HELP info',
  ]);
}

/** Verbs of other protocols: a browser or proxy was made to speak to us. */
export function isOtherProtocol(verb: string, rest: string): boolean {
  return /^(GET|POST|PUT|CONNECT|OPTIONS|DELETE|PATCH)$/.test(verb) && / HTTP\/\d/i.test(` ${rest}`);
}
