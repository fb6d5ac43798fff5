/**
 * Where the daemon listens: `[[listen]]` blocks of tmail.toml.
 *
 * `listen = "0.0.0.0:25"`, or a list of such, at the top of the file is short for blocks whose roles follow from the ports.
 */
import { isIP } from 'node:net';
import { isHostName } from './values.ts';

/** Roles, and the port each has when none is given. */
export const ROLES = {
  mta: 25,
  submission: 587,
  submissions: 465,
  lmtp: 24,
  pop3: 110,
  pop3s: 995,
  imap: 143,
  imaps: 993,
  metrics: 9125,
} as const;
export type Role = keyof typeof ROLES;

export type ListenAddress =
  /** Port 0: any free one. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface Listen {
  readonly role: Role;
  readonly address: ListenAddress;
  /** undefined: as the role has it (submission asks for both), and `[smtp]`. */
  readonly requireTls: boolean | undefined;
  readonly requireAuth: boolean | undefined;
  readonly requireHelo: boolean | undefined;
  /** `default`, `/etc/tmail/tmail.toml:3`. */
  readonly origin: string;
}

/** Keys of a block, with one line each. */
export const LISTEN_KEYS = {
  role: 'What is spoken there: mta, submission, submissions, lmtp, pop3, pop3s, imap, imaps or metrics.',
  address: 'As "127.0.0.1:25", "[::1]:25", "0.0.0.0:25" for all, or "unix:/path"; port 0 is a free one.',
  require_tls: 'Take mail only under TLS; default: true for submission.',
  require_auth: 'Take mail only from clients that authenticated; default: true for submission and submissions.',
  require_helo: 'Refuse MAIL before HELO; default: as in [smtp].',
} as const;

export type ListenKey = keyof typeof LISTEN_KEYS;

/** Loopback only, until the administrator opens it: listening to the world is his decision. */
export const DEFAULT_LISTEN: readonly Listen[] = [
  {
    role: 'mta',
    address: { kind: 'tcp', host: '127.0.0.1', port: ROLES.mta },
    requireTls: undefined,
    requireAuth: undefined,
    requireHelo: undefined,
    origin: 'default',
  },
];

export function isRole(word: unknown): word is Role {
  return typeof word === 'string' && Object.hasOwn(ROLES, word);
}

/** A fault in a block, and the key it is about. */
export interface ListenFault {
  readonly key: string;
  readonly reason: string;
}

/** One block, a table as the TOML parser gives it. */
export function readListen(block: Readonly<Record<string, unknown>>, origin: string): Listen | ListenFault {
  for (const key of Object.keys(block)) {
    if (!Object.hasOwn(LISTEN_KEYS, key)) {
      return { key, reason: `unknown key ${JSON.stringify(key)}; there are: ${Object.keys(LISTEN_KEYS).join(', ')}` };
    }
  }
  const { role = 'mta', address } = block;
  if (!isRole(role)) return { key: 'role', reason: `role must be one of ${Object.keys(ROLES).join(', ')}` };
  const where = typeof address === 'string' ? parseListenAddress(address, ROLES[role]) : undefined;
  if (where === undefined) return { key: 'address', reason: `address must be a text in quotes ${LOOKS}` };
  const flags: Record<string, boolean | undefined> = {};
  for (const key of ['require_tls', 'require_auth', 'require_helo']) {
    const value = block[key];
    if (value !== undefined && typeof value !== 'boolean') return { key, reason: `${key} must be true or false` };
    flags[key] = value;
  }
  return {
    role,
    address: where,
    requireTls: flags.require_tls,
    requireAuth: flags.require_auth,
    requireHelo: flags.require_helo,
    origin,
  };
}

/** The short form: an address, whose port tells the role. */
export function listenAt(text: unknown, origin: string): Listen | ListenFault {
  const address = typeof text === 'string' ? parseListenAddress(text, ROLES.mta) : undefined;
  if (address === undefined) return { key: 'listen', reason: `listen must be a text in quotes ${LOOKS}` };
  const port = address.kind === 'tcp' ? address.port : ROLES.lmtp;
  const role = Object.keys(ROLES).find((name) => isRole(name) && ROLES[name] === port) ?? 'mta';
  return readListen({ role, address: text }, origin);
}

const LOOKS = 'like "127.0.0.1:25", "0.0.0.0:25" for all, "[::1]:25" or "unix:/run/tmail/lmtp"';

function parseListenAddress(text: string, usualPort: number): ListenAddress | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    return path.startsWith('/') && !path.includes('\0') ? { kind: 'unix', path } : undefined;
  }
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, bare = '', digits] = match;
  const port = digits === undefined ? usualPort : Number(digits);
  const host = bracketed ?? bare;
  const good = bracketed === undefined ? isIP(host) === 4 || isName(host) : isIP(host) > 0;
  return good && port <= 65_535 ? { kind: 'tcp', host, port } : undefined;
}

/** 300.1.1.1 is no name, although its letters are those of one. */
function isName(host: string): boolean {
  return isHostName(host) && !/^[\d.]+$/.test(host);
}

export function showListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
