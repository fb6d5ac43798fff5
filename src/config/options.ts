/**
 * The table of configuration options: everything that tmail.toml and the command line can set, once.
 *
 * What an option is called, what it may hold and what it means is said here and nowhere else; the loader, the man page
 * and whatever shows the configuration read this table.
 */

/** `path`: absolute, below the root folder when there is one. `host`: a domain name. `seconds`: a number. */
export type OptionType = 'text' | 'path' | 'host' | 'seconds';

export interface Option {
  readonly type: OptionType;
  /** What holds when nothing is set, in words. */
  readonly fallback: string;
  /** One line. */
  readonly doc: string;
}

/** By name: `hostname` stands at the top of the file, `paths.spool` is `spool` in the section `[paths]`. */
export const OPTIONS = {
  hostname: {
    type: 'host',
    fallback: 'the name of the machine, made fully qualified by /etc/hosts',
    doc: 'Fully qualified name of this host.',
  },
  'paths.spool': { type: 'path', fallback: '/var/mail', doc: 'Folder of the system mailboxes.' },
  'paths.aliases': { type: 'path', fallback: '/etc/aliases', doc: 'File of aliases, sendmail syntax.' },
  'paths.tables': {
    type: 'path',
    fallback: '/etc/mail',
    doc: "Folder of sendmail's tables (access, virtusertable, ...).",
  },
  'paths.queue': { type: 'path', fallback: '/var/spool/tmail/queue', doc: 'Folder of mail on its way out, mode 700.' },
  'paths.submit': {
    type: 'path',
    fallback: '/var/spool/tmail/submit',
    doc: 'Folder of mail that was sent while no daemon ran.',
  },
  'paths.state': { type: 'path', fallback: '/var/lib/tmail', doc: "Folder of the daemon's own state." },
  'mailbox.lock_timeout': {
    type: 'seconds',
    fallback: '30',
    doc: 'How long to wait for the locks of a mailbox before giving up.',
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;
export type OptionValue<N extends OptionName> = (typeof OPTIONS)[N]['type'] extends 'seconds' ? number : string;

/** Sections that belong to the daemon, which checks them when it reads them. */
export const DAEMON_SECTIONS: ReadonlySet<string> = new Set([
  'listen',
  'limits',
  'queue',
  'relay',
  'rewrite',
  'auth',
  'tls',
]);

export function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** Names of options in a section (`paths`), or at the top (''). */
export function optionsIn(section: string): string[] {
  const prefix = section === '' ? '' : `${section}.`;
  return Object.keys(OPTIONS)
    .filter((name) => name.startsWith(prefix) && name.includes('.') === (section !== ''))
    .map((name) => name.slice(prefix.length));
}

/** Why `value` will not do for an option of this type, as the end of "must be ..."; undefined when it will. */
export function faultOf(type: OptionType, value: unknown): string | undefined {
  const good = CHECKS[type];
  return good.check(value) ? undefined : good.words;
}

interface Check {
  readonly words: string;
  readonly check: (value: unknown) => boolean;
}

const CHECKS: Record<OptionType, Check> = {
  text: { words: 'a text in quotes', check: (value) => typeof value === 'string' },
  path: {
    words: 'an absolute path in quotes, like "/var/mail"',
    check: (value) => typeof value === 'string' && value.startsWith('/') && !value.includes('\0'),
  },
  host: {
    words: 'a host name in quotes, like "mail.example.org"',
    check: (value) => typeof value === 'string' && isHostName(value),
  },
  seconds: {
    words: 'a number of seconds from 0 to 86400',
    check: (value) => typeof value === 'number' && value >= 0 && value <= 86_400,
  },
};

/** Letters, digits and hyphens in labels of at most 63, 253 in all (RFC 1123 2.1). */
export function isHostName(name: string): boolean {
  const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
  return name.length <= 253 && name.split('.').every((part) => label.test(part));
}
