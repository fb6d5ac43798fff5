/**
 * THE table of what `tmail WORD` does. Each is loaded when it is called for.
 *
 * A word counts as a subcommand only as the first argument (behind --root and --config); mail for a user of that name
 * goes out with `tmail -- demo` or `tmail send demo`.
 */
import type { LineSyntax, OptionRow, ParsedLine } from './command-line.ts';
import { COMMON_OPTIONS, MAILX_OPTIONS, SEND_OPTIONS, SESSION_OPTIONS } from './mailx-options.ts';
import type { Invocation } from './services.ts';

export interface Subcommand {
  readonly name: string;
  /** Operands, as in `tmail export [options] BOX TARGET`; '' when there are none. */
  readonly operands: string;
  /** One line of help; begins in lower case, no full stop. */
  readonly summary: string;
  readonly options: readonly OptionRow[];
  /** What completion offers for the operands. */
  readonly completes: 'file' | 'user' | 'none' | readonly string[];
  readonly load: () => Promise<{ run: (invocation: Invocation, line: ParsedLine) => Promise<number> }>;
}

export const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'send',
    operands: 'TO...',
    summary: 'send what standard input holds, or what is typed on a terminal',
    options: [...SEND_OPTIONS, ...SESSION_OPTIONS],
    completes: 'user',
    load: () => import('./send.ts'),
  },
  {
    name: 'daemon',
    operands: '',
    summary: 'be the mail server: take mail in over SMTP, queue, deliver and relay it, in the foreground',
    options: [
      { flags: '--detach', help: 'go on in the background, once it is ready' },
      { flags: '--print-unit', help: 'print a unit for systemd; start nothing' },
      { flags: '--part <part>', help: 'be another process of the daemon', value: 'none', hidden: true },
    ],
    completes: 'none',
    load: () => import('./daemon.ts'),
  },
  {
    name: 'demo',
    operands: '',
    summary: 'make a mail system of made-up people in a temporary folder and open a mailbox there',
    options: [
      { flags: '--dir <dir>', help: 'make it in DIR, which must be new or empty', value: 'folder' },
      { flags: '--print', help: 'print the headers and what to try next; open nothing' },
    ],
    completes: 'none',
    load: () => import('./demo.ts'),
  },
  {
    name: 'lab',
    operands: '',
    summary: 'run mail hosts of a made-up world on loopback, to learn and to try: take one down, move the clock',
    options: [
      { flags: '--dir <dir>', help: 'make it in DIR, which must be new or empty, and leave it there', value: 'folder' },
      { flags: '--story', help: 'tell a short story and end, as without a terminal' },
    ],
    completes: 'none',
    load: () => import('./lab.ts'),
  },
  {
    name: 'undo',
    operands: '[BOX]',
    summary: 'bring back what the last session deleted or moved out of the mailbox',
    options: [
      { flags: '-u <user>', help: 'in the system mailbox of USER', value: 'user' },
      { flags: '--list', help: 'only say what could be brought back' },
    ],
    completes: 'file',
    load: () => import('./recover.ts'),
  },
  {
    name: 'recover',
    operands: '[ID...]',
    summary: 'list what sessions took out of mailboxes in the last week, or bring back some of it',
    options: [{ flags: '--json', help: 'one JSON object a line' }],
    completes: 'none',
    load: () => import('./recover.ts'),
  },
  {
    name: 'fsck',
    operands: 'BOX...',
    summary: 'look for damage in mailboxes; exit status 1 when there is some',
    options: [
      {
        flags: '--repair <new>',
        help: 'write what can be read into NEW, a file that does not exist yet',
        value: 'file',
      },
      { flags: '--json', help: 'one JSON object a line for each finding' },
    ],
    completes: 'file',
    load: () => import('./fsck.ts'),
  },
  {
    name: 'export',
    operands: 'BOX TARGET [MESSAGES...]',
    summary:
      'copy messages into a new mbox, Maildir, folder of .eml or .html files or JSON file; nothing is overwritten',
    options: [
      {
        flags: '--format <format>',
        help: 'write mbox, maildir, eml, html or json; else the ending of TARGET says which',
        value: 'none',
      },
    ],
    completes: 'file',
    load: () => import('./export.ts'),
  },
  {
    name: 'drafts',
    operands: '[NUMBER]',
    summary: 'list drafts that were not sent, or go on with one',
    options: [{ flags: '--delete', help: 'throw the draft away' }],
    completes: 'none',
    load: () => import('./drafts.ts'),
  },
  {
    name: 'mailq',
    operands: '',
    summary: 'list mail that waits to be handed on; * is being tried, X is held',
    options: [{ flags: '--json', help: 'one JSON object a line' }],
    completes: 'none',
    load: () => import('./mailq.ts'),
  },
  {
    name: 'queue',
    operands: 'show|retry|hold|release|delete|bounce|run [ID...]',
    summary:
      'look at messages in the queue, try them now, hold them back, delete them, or return them to their senders',
    options: [
      {
        flags: '--reason <reason>',
        help: 'why it is held; what the sender is told when it is returned',
        value: 'none',
      },
      { flags: '--json', help: 'one JSON object a line' },
    ],
    completes: ['show', 'retry', 'hold', 'release', 'delete', 'bounce', 'run'],
    load: () => import('./queue.ts'),
  },
  {
    name: 'mailstats',
    operands: '',
    summary: 'print how many messages came in and went out, by mailer',
    options: [{ flags: '--json', help: 'all counts as one JSON object' }],
    completes: 'none',
    load: () => import('./mailstats.ts'),
  },
  {
    name: 'trace',
    operands: 'ID|ADDRESS|from ADDRESS|to ADDRESS',
    summary: 'say from the log what became of a message, or of mail from or to an address',
    options: [
      { flags: '--around <around>', help: 'only half an hour about this time: 9:00, "2026-11-25 9:00"', value: 'none' },
      { flags: '--json', help: 'the events of the log, one JSON object a line' },
    ],
    completes: ['from', 'to'],
    load: () => import('./trace.ts'),
  },
  {
    name: 'audit',
    operands: '',
    summary: 'prove from log and queue that nothing that was accepted is missing; exit status 1 when something is',
    options: [{ flags: '--json', help: 'a JSON object for each fault, and one for the sums' }],
    completes: 'none',
    load: () => import('./audit.ts'),
  },
  {
    name: 'explain',
    operands: 'ADDRESS...',
    summary: 'say step by step what would become of a message to ADDRESS, and which line of which file says so',
    options: [
      { flags: '--from <from>', help: 'whose message; default: the null sender', value: 'none' },
      { flags: '--client <client>', help: 'IP address that it comes from; default: 127.0.0.1', value: 'none' },
      { flags: '--client-name <client-name>', help: 'name of that client; default: what DNS says', value: 'none' },
      { flags: '--auth <auth>', help: 'user who authenticated', value: 'user' },
      { flags: '--json', help: 'one JSON object a line' },
    ],
    completes: 'user',
    load: () => import('./explain.ts'),
  },
  {
    name: 'config',
    operands: 'show|check [NAME...]',
    summary: 'show what is in force and from where; or check the configuration, all tables and permissions',
    options: [{ flags: '--json', help: 'one JSON object a line' }],
    completes: ['show', 'check'],
    load: () => import('./config.ts'),
  },
  {
    name: 'newaliases',
    operands: '',
    summary: 'check the alias file',
    options: [],
    completes: 'none',
    load: () => import('./newaliases.ts'),
  },
  {
    name: 'praliases',
    operands: '[NAME...]',
    summary: 'print aliases',
    options: [],
    completes: 'none',
    load: () => import('./newaliases.ts'),
  },
  {
    name: 'makemap',
    operands: '[TYPE] NAME',
    summary: 'check a table of /etc/mail; nothing needs to be made of it',
    options: [
      { flags: '-v', help: 'print the entries, too' },
      { flags: '-u', help: 'print the entries' },
      { flags: '-o', help: 'for habit', hidden: true },
      { flags: '-r', help: 'for habit', hidden: true },
      { flags: '-d', help: 'for habit', hidden: true },
      { flags: '-f', help: 'for habit', hidden: true },
      { flags: '-N', help: 'for habit', hidden: true },
    ],
    completes: 'file',
    load: () => import('./makemap.ts'),
  },
  {
    name: 'completion',
    operands: 'bash|zsh|fish',
    summary: 'print a completion script for the shell',
    options: [],
    completes: ['bash', 'zsh', 'fish'],
    load: () => import('./completion.ts'),
  },
  {
    name: 'help',
    operands: '[SUBCOMMAND]',
    summary: 'say how tmail or a subcommand is used',
    options: [],
    completes: 'none',
    load: () => import('./help.ts'),
  },
  {
    name: 'version',
    operands: '',
    summary: 'print the version',
    options: [],
    completes: 'none',
    load: () => import('./help.ts'),
  },
];

/** How a subcommand's command line is read. */
export function syntaxOf(subcommand: Subcommand): LineSyntax {
  return {
    name: `tmail ${subcommand.name}`,
    usage: ['[options]', subcommand.operands].join(' ').trim(),
    summary: subcommand.summary,
    options: [...subcommand.options, ...COMMON_OPTIONS],
  };
}

/** How mailx's own command line is read, under the name by which the program was called. */
export function mailxSyntax(calledAs: string): LineSyntax {
  return {
    name: calledAs,
    usage: '[options] [-f [FILE] | -u USER | TO...]',
    summary: 'Reads mail in the manner of mailx; with recipients it sends what standard input holds.',
    options: MAILX_OPTIONS,
    ...(calledAs === 'tmail' ? { more: subcommandHelp() } : {}),
  };
}

/** The list of subcommands below `tmail --help`. */
function subcommandHelp(): string {
  const width = Math.max(...SUBCOMMANDS.map(({ name, operands }) => name.length + operands.length + 1));
  const rows = SUBCOMMANDS.map(({ name, operands, summary }) => `  ${`${name} ${operands}`.padEnd(width)}  ${summary}`);
  return `Subcommands (as the first word):\n${rows.join('\n')}`;
}
