/**
 * Makes man/tmail.1 out of the tables of options, subcommands, commands, escapes and variables, so that what the manual
 * says is what the program does. mdoc(7); `npm run man` writes it, a test compares and has mandoc check it.
 */
import { LISTEN_KEYS } from '../config/listen.ts';
import { fallbackText, OPTIONS } from '../config/options.ts';
import type { Command } from '../session/command.ts';
import { COMMANDS } from '../session/commands.ts';
import { ESCAPES } from '../session/escapes.ts';
import { VARIABLES } from '../session/settings.ts';
import type { OptionRow } from './command-line.ts';
import { optionParts } from './completion.ts';
import { COMMON_OPTIONS, READ_OPTIONS, SEND_OPTIONS, SESSION_OPTIONS } from './mailx-options.ts';
import { SUBCOMMANDS } from './subcommands.ts';

/** Day of the last change of the manual's own text. */
const DATE = 'November 25, 2026';

/** Text that means itself to roff, wherever it stands in a line of text. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replace(/^([.'])/gm, '\\&$1')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replace(/(^|[\s("'[|])-/g, '$1\\-');
}

/** Words as one argument of a macro. */
function argument(text: string): string {
  // Punctuation at the end would be set apart from the word.
  const inner = escaped(text)
    .replaceAll('"', '""')
    .replace(/[.,:;?!)\]]$/, '$&\\&');
  // A macro would take a lone name of a macro, or punctuation, for what it is called.
  return /^[A-Z][a-z]$|^[.,:;()[\]?!|]$/.test(text)
    ? `"\\&${inner}"`
    : /[\s"]/.test(inner) || inner === ''
      ? `"${inner}"`
      : inner;
}

/** A sentence: the first letter large, a full stop at the end, broken into lines at the ends of sentences. */
function sentence(text: string): string {
  const whole = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return prose(/[.!?]$/.test(whole) ? whole : `${whole}.`);
}

/** Text as lines of source: a new one for each sentence, none longer than 78. */
function prose(text: string): string {
  const sentences = text
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/([.;:?!]) (?=[A-Z“"(])/g, '$1\n');
  return sentences
    .split('\n')
    .map((line) =>
      escaped(line)
        .replace(/(.{1,78})(?: |$)/g, '$1\n')
        .trimEnd(),
    )
    .join('\n');
}

/** A definition list. */
function list(items: readonly (readonly [head: string, body: string])[], kind = '-tag -width Ds'): string[] {
  return [`.Bl ${kind}`, ...items.flatMap(([head, body]) => [`.It ${head}`, body]), '.El'];
}

function optionItem(row: OptionRow): readonly [string, string] {
  const { short, long, value } = optionParts(row);
  const flags = [short, long].filter((flag) => flag !== undefined).map((flag) => `Fl ${escaped(flag.slice(1))}`);
  const operand = value === undefined ? '' : ` Ar ${value}`;
  return [flags.join(' , ') + operand, sentence(row.help)];
}

const GROUPS: Readonly<Record<Command['group'], string>> = {
  reading: 'Reading',
  disposing: 'Disposing of messages',
  filing: 'Filing',
  sending: 'Sending',
  names: 'Names',
  settings: 'Settings',
  other: 'Other commands',
};

function commandItem({ name, aliases, short, usage, help, notInRc }: Command): readonly [string, string] {
  const names = [name, ...aliases].map((one) => `Ic ${argument(one)}`).join(' , ');
  const shorter = short.filter((one) => one !== name && !aliases.includes(one));
  const also = shorter.length === 0 ? '' : ` Pq ${shorter.map((one) => `Ic ${argument(one)}`).join(' , ')}`;
  const rest = usage === '' ? '' : ` Ar ${argument(usage)}`;
  return [`${names}${rest}${also}`, sentence(help) + (notInRc ? '\nNot allowed in startup files.' : '')];
}

function commandSections(): string[] {
  return (Object.keys(GROUPS) as Command['group'][]).flatMap((group) => {
    const rows = COMMANDS.filter((command) => command.group === group);
    return rows.length === 0 ? [] : [`.Ss ${GROUPS[group]}`, ...list(rows.map(commandItem))];
  });
}

const MESSAGE_LIST: readonly (readonly [string, string])[] = [
  ['Ar n', 'The message with this number.'],
  [
    'Ar n Ns \\- Ns Ar m',
    'All from one to the other; \\(ti. \\(ha $ + \\- may stand for a number.'.replace('\\(ti', ''),
  ],
  ['Li \\&.', 'The current message.'],
  ['Li \\(ha', 'The first.'],
  ['Li $', 'The last.'],
  ['Li +', 'The next that is not deleted.'],
  ['Li \\-', 'The one before that is not deleted.'],
  ['Li *', 'All that are not deleted.'],
  ['Ar address', 'All whose sender\\(aqs address has this in it, in any case of letters.'],
  ['Li / Ns Ar text', 'All with this text in the subject, in any case of letters.'],
  ['Li / Ns Ar field Ns Li \\&: Ns Ar text', 'All with this text in that header field (variable searchheaders).'],
  ['Li \\&: Ns Ar letters', 'n new, o old, r read, u unread, d deleted.\nSeveral letters may follow each other.'],
];

const JSON_KEYS: readonly (readonly [string, string])[] = [
  ['number', 'in the mailbox, from 1'],
  ['uid', 'stays with the message as long as uidvalidity stays'],
  ['status', 'new, unread or read'],
  ['flags', 'list of answered, flagged, draft, deleted, and keywords'],
  ['from, to, cc, sender, replyTo', 'lists of objects with name and address'],
  ['subject', 'decoded'],
  ['date', 'seconds since 1970; null when it cannot be read'],
  ['messageId', 'with its angle brackets; null when there is none'],
  ['size, lines', 'of the message as stored'],
  ['parts', 'leaves of the MIME tree; a message in the message counts as one'],
  ['attachments', 'file names, decoded, in order'],
  ['charset', 'of the first text part, in small letters; null when there is none'],
  ['text', 'that part, decoded; HTML as it is'],
];

/** Of `mailq` and `queue show`. */
const QUEUE_KEYS: readonly (readonly [string, string])[] = [
  ['id', 'of the message in the queue'],
  [
    'queue',
    "queue, or submit for what waits to be taken up; the latter has no keys from held on, but owner, its owner's number",
  ],
  ['state', 'queued, active while it is being tried, held, submitted'],
  ['size', 'in bytes'],
  ['submitted', 'when it came in, seconds since 1970'],
  ['from', 'sender of the envelope, empty for the null sender'],
  ['recipients', 'list of the addresses that still wait'],
  ['held', 'why it is held; null when it is not'],
  ['protocol, client, user', 'how it came in, from where, and whose it is where that is known'],
  [
    'targets',
    `list of all recipients, objects with address, original (as it was accepted), state (queued, delivered, relayed, failed,
    discarded), active, attempts, next (seconds since 1970), status (RFC 3463), reason, host, warnings`,
  ],
];

/** The events of the log, as `trace --json` prints them. */
const EVENTS: readonly (readonly [string, string])[] = [
  [
    'accepted',
    'from, size, client, protocol, user, recipients, rules (that let each in), targets (where it goes) and for (whom)',
  ],
  ['split', 'part of the message "of" that goes on under another sender'],
  ['report', 'to a sender, about a message, of a kind: failed, delayed, delivered, relayed'],
  [
    'delivered, relayed, deferred, failed, discarded',
    'what became of the target "to": mailer, host, status, reason, delay in seconds, attempts; rule where it was discarded',
  ],
  ['refused', 'what a client was told: client, command, code, text, and the rule that said so'],
  ['held, released', 'by an administrator or a rule'],
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['Ev HOME', 'The user\\(aqs folder.'],
  ['Ev LOGNAME , Ev USER', 'The user\\(aqs name, and so the system mailbox.'],
  ['Ev MAIL', 'The system mailbox, when it is not the one in the spool.'],
  ['Ev MAILRC', 'The startup file, instead of\n.Pa \\(ti/.mailrc .'],
  ['Ev MBOX , Ev DEAD , Ev EDITOR , Ev VISUAL , Ev PAGER , Ev LISTER , Ev SHELL', 'As the variables of these names.'],
  ['Ev COLUMNS , Ev LINES', 'Size of the terminal, where it cannot be asked.'],
  ['Ev TERM', 'When it is\n.Li dumb\nor not set, line mode is used on a terminal too.'],
  ['Ev TMAIL_ROOT', 'As\n.Fl \\-root .'],
  [
    'Ev XDG_STATE_HOME',
    'Where indexes, journals, drafts and what\n.Cm undo\nbrings back are kept, in a folder\n.Pa tmail .',
  ],
];

const FILES: readonly (readonly [string, string])[] = [
  ['Pa /var/mail/ Ns Ar USER', 'System mailboxes.'],
  ['Pa \\(ti/mbox', 'What was read in the system mailbox.'],
  ['Pa \\(ti/.mailrc', 'Startup file.'],
  ['Pa /etc/tmail.rc , Pa /etc/mail.rc', 'Startup file of the system: the first that is there.'],
  ['Pa \\(ti/dead.letter', 'The last letter that was not sent.'],
  [
    'Pa \\(ti/.local/state/tmail',
    'Indexes, journals, drafts, what\n.Cm undo\nbrings back.\nOnly the first can be thrown away without loss.',
  ],
  ['Pa /etc/tmail/tmail.toml', 'Configuration.\nWithout it the defaults hold.'],
  ['Pa /etc/aliases', 'Names for recipients, checked by\n.Cm newaliases .'],
  ['Pa /var/spool/tmail/queue', 'Mail that the daemon has accepted and not yet handed on.'],
  ['Pa /var/spool/tmail/submit', 'Mail that waits for a mail daemon.'],
  ['Pa /var/lib/tmail/statistics.json', 'What\n.Cm mailstats\nprints.'],
  ['Pa /var/log/tmail.log', 'The log of the daemon, read by\n.Cm trace\nand\n.Cm audit .'],
];

const EXITS: readonly (readonly [string, string])[] = [
  ['0', 'Done; mail was handed on and is on stable storage.'],
  ['1', 'No mail, no such file, or a message could not be handed on.'],
  ['2', 'Wrong usage.'],
  [
    '64\\(en78',
    'As in sysexits(3), when called as sendmail, and where a cause has a number there: 66 no such attachment, 67 no such user, 75 try again later, 78 a fault in a configuration file.',
  ],
  ['70', 'A fault in tmail itself.'],
];

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['Read the system mailbox:', 'tmail'],
  [
    'Look into a file, delete the tenth to the fiftieth message, leave:',
    "printf 'd 10-50\\eq\\en' | tmail -N -f old.mbox",
  ],
  ['Send what a program prints:', "df -h | tmail -s 'Disks' root"],
  ['Send a file and a copy:', 'tmail -s Minutes -c dl -A minutes.pdf dongliang < letter.txt'],
  ['Subjects of all unread mail, for a program:', 'tmail -H --json :u | jq -r .subject'],
  ['Try everything on a mail system in a folder:', 'tmail demo'],
];

/** The whole page. */
export function manPage(): string {
  const lines = [
    '.\\" Made from the tables in src by `npm run man`; changes belong there.',
    `.Dd ${DATE}`,
    '.Dt TMAIL 1',
    '.Os',
    '.Sh NAME',
    '.Nm tmail',
    '.Nd read and send mail in the manner of mailx',
    '.Sh SYNOPSIS',
    '.Nm',
    '.Op Fl HNRein~I',
    '.Op Fl u Ar user',
    '.Nm',
    '.Op Fl HNRein~I',
    '.Fl f',
    '.Op Ar file Op Ar messages',
    '.Nm',
    '.Op Fl EFitn~I',
    '.Op Fl s Ar subject',
    '.Op Fl a Ar header',
    '.Op Fl A Ar file',
    '.Op Fl c Ar list',
    '.Op Fl b Ar list',
    '.Op Fl r Ar from',
    '.Ar to ...',
    '.Nm',
    '.Ar subcommand',
    '.Op Ar argument ...',
    '.Sh DESCRIPTION',
    prose('Without recipients'),
    '.Nm',
    prose(`reads mail: the messages of a mailbox are listed, printed, deleted, filed and answered with the commands of mailx.
      With recipients it sends what standard input holds, or what is typed on a terminal.`),
    '.Pp',
    prose(`Nothing touches the mailbox before the session ends.
      Then it is changed as a whole: after a crash at any moment it holds the old messages or the new ones.
      Mail that arrives during a session is kept.
      What the last session deleted can be brought back with`),
    '.Nm Cm undo .',
    '.Pp',
    prose(
      'A mailbox is an mbox file, a Maildir folder, or an mbox compressed by gzip or zstd, which can only be read.',
    ),
    '.Pp',
    prose(
      'Called by the names mail, mailx or Mail it has no subcommands; as sendmail, mailq or newaliases it does what these do.',
    ),
    '.Ss Options for reading',
    ...list(READ_OPTIONS.map(optionItem)),
    '.Ss Options for sending',
    ...list(SEND_OPTIONS.map(optionItem)),
    '.Ss Options for both',
    ...list([...SESSION_OPTIONS, ...COMMON_OPTIONS].map(optionItem)),
    '.Pp',
    prose('Options may follow operands and be joined;'),
    '.Fl \\-',
    prose('ends them.'),
    '.Sh SUBCOMMANDS',
    prose('A subcommand is the first word. Mail for a user who is called like one is sent with'),
    '.Nm Cm send .',
    ...list(
      SUBCOMMANDS.map(({ name, operands, summary, options }) => [
        `Cm ${name}${
          operands === ''
            ? ''
            : ` ${operands
                .split(' ')
                .map((one) => `Ar ${argument(one)}`)
                .join(' ')}`
        }`,
        [sentence(summary), ...(options.length === 0 || name === 'send' ? [] : list(options.map(optionItem)))].join(
          '\n',
        ),
      ]),
    ),
    '.Sh MESSAGE LISTS',
    prose(`Commands that take messages take a list of these, separated by blanks.
      An empty list is the current message.
      A list with a mistake in it does nothing at all.`),
    ...list(MESSAGE_LIST, '-tag -width address'),
    '.Pp',
    prose('Addresses, texts and letters together with numbers narrow what the numbers name.'),
    '.Sh COMMANDS',
    prose('Any beginning of a name will do that no other command has; the short forms in brackets always win.'),
    ...commandSections(),
    '.Sh COMPOSING',
    prose(`The text of a letter ends with the end of input, or with a line of one dot when the variable dot is set.
      On a terminal, or with -~, a line that begins with a tilde is an escape:`),
    ...list(
      ESCAPES.map(({ usage, letters, help }) => [
        `Ic ${argument(usage)}${letters.length > 1 ? ` Pq also Ic ${argument(`~${letters[1] ?? ''}`)}` : ''}`,
        sentence(help),
      ]),
    ),
    '.Sh VARIABLES',
    prose('Set by set in a startup file or a session, or by -S; off unless said otherwise.'),
    ...list(
      VARIABLES.map(({ name, help, initial, value }) => [
        `Va ${name}${value ? ' Ns = Ns Ar value' : ''}`,
        [
          sentence(help),
          ...(initial === undefined
            ? []
            : [initial === '' ? 'On at the start.' : `At the start ${argument(`“${initial}”`).replaceAll('"', '')}.`]),
        ].join('\n'),
      ]),
    ),
    '.Sh JSON OUTPUT',
    prose('With --json each message is one line with an object of these keys; more may come, none will go.'),
    ...list(JSON_KEYS.map(([key, text]) => [`Li ${argument(key)}`, sentence(text)])),
    '.Pp',
    prose(
      'Control characters are always escaped. With --json=headers, and with -H, charset, parts, attachments and text are left out.',
    ),
    '.Pp',
    prose('mailq and queue show have these keys:'),
    ...list(QUEUE_KEYS.map(([key, text]) => [`Li ${argument(key)}`, sentence(text)])),
    '.Pp',
    prose('trace prints events of the log. Each has time (UTC), event, and where there is one the id of the message:'),
    ...list(EVENTS.map(([key, text]) => [`Li ${argument(key)}`, sentence(text)])),
    '.Pp',
    prose(`audit prints an object for each fault (fault, id, to, accepted), then one with the sums. A fault is lost, twice,
      unreported, untold or unnamed: no outcome, one too many, no report, nothing done, no rule.
      mailstats prints since (milliseconds since 1970) and mailers: prog, file, local, esmtp and relay, each with messagesFrom,
      bytesFrom, messagesTo, bytesTo, rejected and discarded.`),
    '.Sh CONFIGURATION',
    '.Pa /etc/tmail/tmail.toml',
    prose('may set these:'),
    ...list(
      Object.entries(OPTIONS).map(([name, option]) => [
        `Li ${name}`,
        `${sentence(option.doc)}\nDefault: ${escaped(fallbackText(option))}.`,
      ]),
    ),
    '.Pp',
    prose('Where the daemon listens is said by blocks that begin with [[listen]] and hold:'),
    ...list(Object.entries(LISTEN_KEYS).map(([key, doc]) => [`Li ${key}`, sentence(doc)])),
    '.Pp',
    prose(`Without any it listens on 127.0.0.1:25 only. listen = "0.0.0.0:25" at the top of the file is short for a block
      whose role follows from the port.`),
    '.Sh ENVIRONMENT',
    ...list(ENVIRONMENT),
    '.Sh FILES',
    ...list(FILES),
    '.Sh EXIT STATUS',
    ...list(
      EXITS.map(([status, text]) => [status, prose(text)]),
      '-tag -width 64-78',
    ),
    '.Sh EXAMPLES',
    ...EXAMPLES.flatMap(([text, command]) => [
      prose(text),
      `.Dl ${escaped(command).replaceAll('"', '\\(dq')}`,
      '.Pp',
    ]).slice(0, -1),
    '.Sh SEE ALSO',
    '.Xr aliases 5 ,',
    '.Xr mbox 5',
    '.Sh STANDARDS',
    prose(`The commands are those of mailx in POSIX.1, with what BSD and s-nail added where it is of use.
      Messages follow RFC 5322 and RFC 2045 to 2049, mailboxes RFC 4155 and what the programs that share them do.`),
  ];
  return `${lines.join('\n')}\n`;
}
