/**
 * The table of configuration options: everything that tmail.toml and the command line can set, once.
 *
 * What an option is called, what it may hold and what it means is said here and nowhere else; the loader, the man page
 * and whatever shows the configuration read this table. What a value of each type looks like is said in `values.ts`,
 * what a `[[listen]]` block holds in `listen.ts`.
 */
import type { OptionType, ValueOf } from './values.ts';

export interface Option {
  readonly type: OptionType;
  /** For type `choice`. */
  readonly choices?: readonly string[];
  /** What holds when nothing is set, as it would be written in the file. */
  readonly initial?: string | number | boolean | readonly string[];
  /** What holds when nothing is set, in words; made from `initial` where that is given. */
  readonly fallback?: string;
  /** Other spellings, at the top of the file: names that sendmail's users know. */
  readonly also?: readonly string[];
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

  'smtp.require_helo': {
    type: 'flag',
    initial: false,
    also: ['require_helo'],
    doc: 'Refuse MAIL from a client that has not said HELO or EHLO.',
  },
  'smtp.accept_unresolvable_domains': {
    type: 'flag',
    initial: true,
    also: ['accept_unresolvable_domains'],
    doc: 'Take mail from senders whose domain does not resolve, with a header that says so.',
  },
  'smtp.blacklist_recipients': {
    type: 'flag',
    initial: true,
    also: ['blacklist_recipients'],
    doc: 'Rules of access for recipients (To:) bind users of this host, too.',
  },
  'smtp.bare_newline': {
    type: 'choice',
    choices: ['refuse', 'convert'],
    initial: 'refuse',
    doc: 'What to do with a message that holds CR or LF alone; neither ever ends it.',
  },
  'smtp.refuse_early_talkers': {
    type: 'flag',
    initial: false,
    doc: 'Refuse clients that speak before they were greeted.',
  },
  'smtp.vrfy': { type: 'flag', initial: false, doc: 'Tell clients which users there are (VRFY).' },
  'smtp.expn': { type: 'flag', initial: false, doc: 'Tell clients who is on a list (EXPN).' },
  'smtp.etrn': { type: 'flag', initial: true, doc: 'Let clients ask for the queue of a domain to be tried (ETRN).' },

  'limits.message_size': {
    type: 'size',
    initial: '50M',
    also: ['max_message_size'],
    doc: 'Largest message that is taken, in octets; K, M and G are understood.',
  },
  'limits.header_size': { type: 'size', initial: '64K', doc: 'Largest header of a message.' },
  'limits.line_length': { type: 'size', initial: '64K', doc: 'Longest line of a message.' },
  'limits.recipients': { type: 'count', initial: 1000, doc: 'Most recipients of one message.' },
  'limits.hops': {
    type: 'count',
    initial: 30,
    also: ['max_hops'],
    doc: 'Received headers that a message may have; more of them mean that it goes round in circles.',
  },
  'limits.connections': { type: 'count', initial: 2000, doc: 'Most clients at once.' },
  'limits.connections_per_client': { type: 'count', initial: 100, doc: 'Most connections of one address at once.' },
  'limits.bad_recipients': { type: 'count', initial: 100, doc: 'Refused recipients that end a connection.' },
  'limits.bad_commands': { type: 'count', initial: 25, doc: 'Wrong commands that end a connection.' },
  'limits.idle_commands': { type: 'count', initial: 200, doc: 'Commands without a message that end a connection.' },
  'limits.auth_failures': { type: 'count', initial: 5, doc: 'Wrong passwords that end a connection.' },

  'queue.interval': {
    type: 'duration',
    initial: '1h',
    also: ['queue_interval'],
    doc: 'Longest wait between two attempts to deliver.',
  },
  'queue.warn_after': {
    type: 'durations',
    initial: '4h',
    also: ['warn_after'],
    doc: 'After which delay the sender is warned; several as ["5m", "4h"], none as [].',
  },
  'queue.return_after': {
    type: 'duration',
    initial: '5d',
    also: ['return_after'],
    doc: 'After which delay mail goes back to its sender.',
  },

  'relay.promiscuous': {
    type: 'flag',
    initial: false,
    also: ['promiscuous_relay'],
    doc: 'Relay for everybody: an open relay, which others will use and be blamed for with you.',
  },
  'relay.based_on_mx': {
    type: 'flag',
    initial: false,
    also: ['relay_based_on_mx'],
    doc: 'Relay to domains whose best MX is this host.',
  },
  'relay.loopback': { type: 'flag', initial: true, doc: 'Relay for programs on this host.' },
  'relay.sender_rules': {
    type: 'flag',
    initial: false,
    also: ['relay_mail_from'],
    doc: 'Relay for senders that access says RELAY for; anybody can claim to be one.',
  },
  'relay.hosts_only': {
    type: 'flag',
    initial: false,
    also: ['relay_hosts_only'],
    doc: 'Names in relay-domains do not cover what is below them.',
  },
  'relay.smart_host': {
    type: 'hop',
    initial: '',
    also: ['smart_host'],
    doc: 'Host that all mail for elsewhere goes to, as "mail.example.org", "[192.0.2.1]:587" or "lmtp:[host]".',
  },

  'rewrite.masquerade_as': {
    type: 'domain',
    initial: '',
    also: ['masquerade_as'],
    doc: 'Domain that senders of this host appear under.',
  },
  'rewrite.masquerade_envelope': {
    type: 'flag',
    initial: false,
    also: ['masquerade_envelope'],
    doc: 'Masquerade envelope senders, not only headers.',
  },
  'rewrite.masquerade_entire_domain': {
    type: 'flag',
    initial: false,
    also: ['masquerade_entire_domain'],
    doc: 'Names in masquerade_domains cover what is below them.',
  },
  'rewrite.masquerade_domains': {
    type: 'domains',
    initial: [],
    also: ['masquerade_domains'],
    doc: 'Domains to masquerade besides those of this host.',
  },
  'rewrite.exposed_users': {
    type: 'names',
    initial: ['root'],
    also: ['exposed_users'],
    doc: 'Users who are not masqueraded.',
  },
  'rewrite.always_add_domain': {
    type: 'flag',
    initial: false,
    also: ['always_add_domain'],
    doc: 'Add the domain to bare names in local mail, too.',
  },
  'rewrite.generics_domains': {
    type: 'domains',
    initial: [],
    also: ['generics_domains'],
    doc: 'Domains whose senders are looked up in genericstable.',
  },
  'rewrite.generics_entire_domain': {
    type: 'flag',
    initial: false,
    also: ['generics_entire_domain'],
    doc: 'Names in generics_domains cover what is below them.',
  },
  'rewrite.generics_envelope': {
    type: 'flag',
    initial: false,
    doc: 'Look up envelope senders in genericstable; masquerade_envelope does so, too.',
  },

  'local.programs': {
    type: 'programs',
    initial: [],
    doc: 'Programs that aliases and .forward may hand mail to, by their absolute paths.',
  },
  'local.program_timeout': { type: 'duration', initial: '5m', doc: 'How long such a program may run.' },
  'local.maildir': {
    type: 'text',
    initial: '',
    doc: 'Name of a Maildir in each home that mail goes to, such as "Maildir"; else the system mailbox.',
  },
  'local.maildir_users': { type: 'names', initial: ['*'], doc: 'Users to whom maildir applies; "*" for all.' },
  'local.quota': { type: 'size', initial: 0, doc: 'Octets that a system mailbox may have; 0 for no limit.' },
  'local.mailbox_mode': { type: 'mode', initial: '600', doc: 'Permissions of a new system mailbox, 600 or 660.' },

  'daemon.user': {
    type: 'text',
    initial: '',
    doc: 'As whom a daemon that root starts does everything but delivering; default: tmail if there is such a user, else daemon; "root" to stay root.',
  },

  'log.file': { type: 'path', fallback: '/var/log/tmail.log', doc: 'File of the log.' },
  'log.format': {
    type: 'choice',
    choices: ['json', 'maillog'],
    initial: 'json',
    doc: 'JSON lines, or as syslog had it.',
  },
} as const satisfies Record<string, Option>;

type Table = typeof OPTIONS;
export type OptionName = keyof Table;
export type OptionValue<N extends OptionName> = ValueOf<Table[N]['type']>;
/** Options that always have a value. */
export type SettledName = { [N in OptionName]: Table[N] extends { initial: unknown } ? N : never }[OptionName];

/** Sections that belong to parts of the daemon which check them when they read them. */
export const DAEMON_SECTIONS: ReadonlySet<string> = new Set(['auth', 'tls']);

export function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

export function optionOf(name: OptionName): Option {
  return OPTIONS[name];
}

const OTHER_NAMES: ReadonlyMap<string, OptionName> = new Map(
  Object.keys(OPTIONS)
    .filter(isOption)
    .flatMap((name) => (optionOf(name).also ?? []).map((other) => [other, name] as const)),
);

/** The option that is written so: by its own name, or another spelling. */
export function optionNamed(name: string): OptionName | undefined {
  return isOption(name) ? name : OTHER_NAMES.get(name);
}

/** What holds when nothing is set, in words. */
export function fallbackText({ initial, fallback }: Option): string {
  if (fallback !== undefined) return fallback;
  return initial === '' || (Array.isArray(initial) && initial.length === 0) ? 'none' : JSON.stringify(initial);
}

/** Names of options in a section (`paths`), or at the top (''). */
export function optionsIn(section: string): string[] {
  const prefix = section === '' ? '' : `${section}.`;
  return Object.keys(OPTIONS)
    .filter((name) => name.startsWith(prefix) && name.includes('.') === (section !== ''))
    .map((name) => name.slice(prefix.length));
}

/** Sections in the order of the table. */
export const SECTIONS: readonly string[] = [
  ...new Set(Object.keys(OPTIONS).flatMap((name) => (name.includes('.') ? [name.slice(0, name.indexOf('.'))] : []))),
];
