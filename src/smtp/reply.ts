/**
 * Replies: what the server says, and every wording of it.
 *
 * Promises: whatever text goes in, what goes out is lines of `CODE[- ]TEXT CRLF` of at most 512 bytes without control
 * characters (RFC 5321 4.5.3.1.5, 4.2), so that no address or table text can forge a second reply or drive a terminal.
 * The wordings are sendmail's where sendmail has one: people and scripts know them. Enhanced codes: RFC 3463, RFC 5248.
 */

export interface Reply {
  readonly code: number;
  /** Enhanced status code such as `5.7.1`; none in greetings, EHLO and 354. */
  readonly status?: string;
  readonly text: string | readonly string[];
}

export function reply(code: number, status: string, text: string | readonly string[]): Reply {
  return { code, status, text };
}

export const isPositive = (reply: Reply): boolean => reply.code < 400;

const MAX_LINE = 512;
const UNSAFE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const NOT_ASCII = /[^\u0000-\u007e]/gu;

/** The bytes of a reply. `utf8` only where the client asked for it (RFC 6531 3.6: SMTPUTF8 on MAIL, VRFY, EXPN). */
export function formatReply(reply: Reply, utf8 = false): Buffer {
  const prefix = reply.status === undefined ? '' : `${reply.status} `;
  const lines: string[] = [];
  for (const text of typeof reply.text === 'string' ? [reply.text] : reply.text) {
    const safe = clean(text, utf8);
    // A UTF-8 character has at most three bytes a UTF-16 unit.
    const width = MAX_LINE - 6 - prefix.length;
    if (safe.length * 3 <= width || Buffer.byteLength(safe) <= width) lines.push(safe);
    else lines.push(...wrap(safe, utf8 ? Math.floor(width / 3) : width));
  }
  if (lines.length === 0) lines.push('');
  let out = '';
  for (let i = 0; i < lines.length; i++) {
    out += `${reply.code}${i === lines.length - 1 ? ' ' : '-'}${prefix}${lines[i]}\r\n`;
  }
  return Buffer.from(out, utf8 ? 'utf8' : 'latin1');
}

function clean(text: string, utf8: boolean): string {
  const safe = text.replace(UNSAFE, '?');
  return utf8 ? safe : safe.replace(NOT_ASCII, '?');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    let cut = space > width / 2 ? space : width;
    // Never between the halves of a surrogate pair.
    if (/[\ud800-\udbff]/.test(rest[cut - 1] ?? '')) cut--;
    lines.push(rest.slice(0, cut));
    rest = rest.slice(space === cut ? cut + 1 : cut);
  }
  lines.push(rest);
  return lines;
}

/** What a client typed, cut in the middle as sendmail does, so that a reply stays a line. */
export function clip(text: string, max = 203): string {
  if (text.length <= max) return text;
  const half = Math.floor((max - 3) / 2);
  return `${text.slice(0, half)}...${text.slice(-half)}`;
}

/** Replies about an address start with it, as it was typed. */
function about(address: string, text: string): string {
  return `${clip(address)}... ${text}`;
}

/** Every wording of the server machine; `host` is our name. Rules and daemon use those of their steps too. */
export const REPLIES = {
  greeting: (host: string, version: string, date: string, lmtp: boolean): Reply => ({
    code: 220,
    text: `${host} ${lmtp ? 'LMTP' : 'ESMTP'} tmail/${version}; ${date}`,
  }),
  noService: (host: string): Reply => ({ code: 554, text: `${host} ESMTP not accepting messages` }),
  hello: (host: string, client: string, extensions: readonly string[]): Reply => ({
    code: 250,
    text: [`${host} Hello ${client}, pleased to meet you`, ...extensions],
  }),
  senderOk: (address: string): Reply => reply(250, '2.1.0', about(address, 'Sender ok')),
  recipientOk: (address: string): Reply => reply(250, '2.1.5', about(address, 'Recipient ok')),
  startInput: { code: 354, text: 'Enter mail, end with "." on a line by itself' } satisfies Reply,
  accepted: (id: string): Reply => reply(250, '2.0.0', `${id} Message accepted for delivery`),
  chunk: (bytes: number): Reply => reply(250, '2.0.0', `${bytes} octets received`),
  ok: reply(250, '2.0.0', 'OK'),
  reset: reply(250, '2.0.0', 'Reset state'),
  closing: (host: string): Reply => reply(221, '2.0.0', `${host} closing connection`),
  readyForTls: reply(220, '2.0.0', 'Ready to start TLS'),
  authenticated: reply(235, '2.0.0', 'OK Authenticated'),

  relayingDenied: (address: string): Reply => reply(550, '5.7.1', about(address, 'Relaying denied')),
  userUnknown: (address: string): Reply => reply(550, '5.1.1', about(address, 'User unknown')),
  accessDenied: (address: string): Reply => reply(550, '5.7.1', about(address, 'Access denied')),
  badAddress: (address: string, code: number, status: string, why: string): Reply =>
    reply(code, status, about(address, why)),
  needSmtpUtf8: (address: string): Reply => reply(553, '5.6.7', about(address, 'Address needs SMTPUTF8')),
  userRequired: (address: string): Reply => reply(553, '5.0.0', about(address, 'User address required')),
  domainRequired: (address: string): Reply => reply(553, '5.5.4', about(address, 'Domain name required')),

  unrecognized: (line: string): Reply => reply(500, '5.5.1', `Command unrecognized: "${clip(line)}"`),
  lineTooLong: reply(500, '5.5.2', 'Line too long'),
  scanning: (text: string): Reply => reply(501, '5.5.2', `Syntax error in parameters scanning "${clip(text)}"`),
  noParameters: reply(501, '5.5.2', 'Syntax error (no parameters allowed)'),
  argumentRequired: reply(501, '5.5.2', 'Argument required'),
  parameterRequired: reply(500, '5.5.2', 'Parameter required'),
  unknownParameter: (name: string): Reply => reply(555, '5.5.4', `${clip(name)} parameter unrecognized`),
  duplicateParameter: (name: string): Reply => reply(501, '5.5.0', `Duplicate ${name} parameter`),
  badArgument: (name: string, value: string): Reply => reply(501, '5.5.4', `Bad argument "${clip(value)}" to ${name}`),
  unknownBody: (value: string): Reply => reply(501, '5.5.4', `Unknown BODY type ${clip(value)}`),
  heloDomain: (verb: string): Reply => reply(501, '5.0.0', `${verb} requires domain address`),
  heloInvalid: reply(501, '5.0.0', 'Invalid domain name'),
  wrongHello: (verb: string, lmtp: boolean): Reply =>
    reply(500, '5.5.1', lmtp ? `${verb} is not LMTP, say LHLO` : 'This is SMTP: say HELO or EHLO'),
  heloFirst: reply(503, '5.0.0', 'Polite people say HELO first'),
  senderAlready: reply(503, '5.5.0', 'Sender already specified'),
  needMail: reply(503, '5.0.0', 'Need MAIL before RCPT'),
  needMailCommand: reply(503, '5.0.0', 'Need MAIL command'),
  needRcpt: reply(503, '5.0.0', 'Need RCPT (recipient)'),
  inTransaction: (verb: string): Reply => reply(503, '5.5.0', `${verb} not permitted during a mail transaction`),
  chunkAndData: reply(503, '5.5.0', 'BDAT and DATA cannot be mixed in one message'),
  afterLast: reply(503, '5.5.0', 'Need RSET after a refused chunk'),

  tooLarge: (limit: number): Reply => reply(552, '5.3.4', `Message exceeds maximum fixed size (${limit})`),
  headerTooLarge: (limit: number): Reply => reply(552, '5.6.0', `Headers too large (${limit} max)`),
  textLineTooLong: (line: number, limit: number): Reply =>
    reply(554, '5.6.0', `Line ${line} of the message is too long (${limit} bytes max)`),
  tooManyHops: (hops: number, limit: number): Reply => reply(554, '5.4.6', `Too many hops ${hops} (${limit} max)`),
  bareNewline: (what: 'CR' | 'LF', line: number): Reply =>
    reply(554, '5.6.0', `Bare ${what} in line ${line} of the message: lines must end with CR LF`),
  /** RFC 5321 4.1.1.4 forbids bare LF: to one who never sends a CR the end of a message would never be seen. */
  neverCrLf: (host: string): Reply =>
    reply(
      521,
      '5.5.2',
      `${host} Lines end with a bare LF here: a message can only end with CR LF . CR LF (netcat: use -C)`,
    ),
  tooManyRecipients: reply(452, '4.5.3', 'Too many recipients'),

  tlsFirst: reply(530, '5.7.0', 'Must issue a STARTTLS command first'),
  tlsAlready: reply(503, '5.5.1', 'TLS already in use'),
  tlsNotAvailable: reply(454, '4.3.3', 'TLS not available after start'),
  authRequired: reply(530, '5.7.0', 'Authentication required'),
  authAlready: reply(503, '5.5.0', 'Already Authenticated'),
  authMechanism: reply(501, '5.5.2', 'AUTH mechanism must be specified'),
  authUnknown: (name: string): Reply => reply(504, '5.3.3', `AUTH mechanism ${clip(name, 40)} not available`),
  authNeedsTls: reply(538, '5.7.11', 'Encryption required for requested authentication mechanism'),
  authDecode: reply(501, '5.5.4', 'Cannot decode AUTH parameter'),
  authAborted: reply(501, '5.0.0', 'AUTH aborted'),
  authNotOffered: reply(503, '5.3.3', 'AUTH not available'),

  cannotVerify: reply(252, '2.5.2', 'Cannot VRFY user; try RCPT to attempt delivery'),
  cannotExpand: reply(252, '2.5.2', 'Cannot EXPN list; try RCPT to attempt delivery'),
  etrnOff: reply(502, '5.7.0', 'Sorry, ETRN is not allowed here'),
  helpUnknown: (topic: string): Reply => reply(504, '5.3.0', `HELP topic "${clip(topic, 40)}" unknown`),

  tooManyBadCommands: (host: string): Reply => reply(421, '4.7.0', `${host} Too many bad commands; closing connection`),
  tooManyBadRecipients: (host: string): Reply =>
    reply(421, '4.7.0', `${host} Too many bad recipients; closing connection`),
  noProgress: (host: string): Reply =>
    reply(421, '4.7.0', `${host} Too many commands without a message; closing connection`),
  tooManyAuthFailures: (host: string): Reply =>
    reply(421, '4.7.0', `${host} Too many failed logins; closing connection`),
  notSmtp: (host: string, client: string): Reply => reply(421, '4.7.0', `${host} Rejecting open proxy ${client}`),
  earlyTalker: (host: string): Reply =>
    reply(554, '5.5.0', `${host} SMTP protocol error: you spoke before the greeting`),
  chunkLost: (host: string): Reply =>
    reply(421, '4.5.4', `${host} Cannot tell where that chunk ends; closing connection`),
  idle: (host: string): Reply => reply(421, '4.4.2', `${host} Timeout waiting for input; closing connection`),
  shutdown: (host: string): Reply => reply(421, '4.3.2', `${host} Service shutting down; closing connection`),
  tooManyConnections: (host: string): Reply => reply(421, '4.7.0', `${host} Too many connections; try again later`),
  trouble: reply(451, '4.3.0', 'Temporary system failure. Please try again later.'),
  diskFull: reply(452, '4.3.1', 'Insufficient disk space; try again later'),
} as const;
