/**
 * What `tmail [options] [operands]` asks for: mailx's options as a table, and a pure decision what they mean together.
 *
 * Marks in the help: (B) BSD, (S) s-nail; the rest is POSIX mailx or this program's own.
 */
import { EX, UserError } from '../core/errors.ts';
import { listOf, type OptionRow, type ParsedLine, textOf } from './command-line.ts';

/** Options that every way of calling tmail takes. */
export const COMMON_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--root <dir>',
    help: 'everything lies below DIR: users, mailboxes, queue (also TMAIL_ROOT)',
    value: 'folder',
  },
  { flags: '--config <file>', help: 'read FILE for /etc/tmail/tmail.toml', value: 'file' },
];

export const READ_OPTIONS: readonly OptionRow[] = [
  { flags: '-u <user>', help: 'read the system mailbox of USER', value: 'user' },
  { flags: '-f', help: 'read the FILE named as operand, or $MBOX or ~/mbox; nothing is moved out of it' },
  { flags: '-e', help: 'print nothing; exit status 0 when there is mail, else 1' },
  { flags: '-H', help: 'print the headers and leave; operands after FILE select messages' },
  { flags: '-N', help: 'no headers at the start' },
  { flags: '-R', help: 'read-only: change nothing (S)' },
  { flags: '--json', help: 'print one JSON object a line for each message and leave' },
  { flags: '--json=headers', help: 'the same without the texts' },
  { flags: '--line', help: 'line mode on any terminal' },
];

export const SEND_OPTIONS: readonly OptionRow[] = [
  { flags: '-s, --subject <subject>', help: 'subject', value: 'none' },
  { flags: '-r <from>', help: 'sender (B)', value: 'none' },
  { flags: '-c <list>', help: 'copies to these, separated by commas (B)', many: true, value: 'user' },
  { flags: '-b <list>', help: 'blind copies to these (B)', many: true, value: 'user' },
  {
    flags: '-a <header>',
    help: "add a header, 'Name: value' (B); a file name is attached (S)",
    many: true,
    value: 'file',
  },
  { flags: '-A <file>', help: 'attach FILE', many: true, value: 'file' },
  {
    flags: '--compat <program>',
    help: 'what -a means: a header (bsd, gnu), a file (s-nail); else its looks decide',
    value: 'none',
  },
  { flags: '-E', help: 'do not send an empty message (B)' },
  { flags: '-F', help: "keep a copy in a file named after the first recipient's login name" },
  { flags: '-t', help: 'take recipients and subject from the header of what is read (S)' },
];

export const SESSION_OPTIONS: readonly OptionRow[] = [
  { flags: '-n', help: 'do not read /etc/tmail.rc and /etc/mail.rc' },
  { flags: '-i', help: 'ignore interrupts' },
  { flags: '-~', help: 'obey ~ escapes though standard input is no terminal (S)' },
  { flags: '-I', help: 'the same as -~ (B)' },
  {
    flags: '-S <variable>',
    help: 'set a variable, NAME=VALUE, after the startup files (S)',
    many: true,
    value: 'none',
  },
  { flags: '-v, --verbose', help: 'say how a message is handed on' },
  { flags: '-V, --version', help: 'print the version' },
];

export const MAILX_OPTIONS: readonly OptionRow[] = [
  ...READ_OPTIONS,
  ...SEND_OPTIONS,
  ...SESSION_OPTIONS,
  ...COMMON_OPTIONS,
];

/** What holds for reading and for sending. */
export interface SessionChoices {
  /** Skip the system's startup file. */
  readonly noSystemRc: boolean;
  readonly ignoreInterrupts: boolean;
  readonly escapes: boolean;
  readonly verbose: boolean;
  /** `NAME=VALUE`, `NAME` or `noNAME`, in order. */
  readonly set: readonly string[];
  readonly from: string | undefined;
}

export interface ReadRequest extends SessionChoices {
  readonly kind: 'session' | 'headers' | 'exists' | 'json';
  /** The system mailbox of whom; undefined: $MAIL or the caller's. Only when `file` is undefined. */
  readonly user: string | undefined;
  /** `-f`: '' stands for $MBOX or ~/mbox. */
  readonly file: string | undefined;
  /** Message list for `headers` and `json`; empty: all. */
  readonly list: readonly string[];
  readonly json: 'whole' | 'headers' | undefined;
  readonly noHeaders: boolean;
  readonly readOnly: boolean;
  readonly lineMode: boolean;
}

export interface SendRequest extends SessionChoices {
  readonly kind: 'send';
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string | undefined;
  /** -a: headers and files as they come. */
  readonly added: readonly string[];
  /** --compat: what -a means. */
  readonly compat: 'bsd' | 'gnu' | 's-nail' | undefined;
  /** -A */
  readonly attachments: readonly string[];
  readonly skipEmpty: boolean;
  readonly recordByName: boolean;
  /** -t */
  readonly fromMessage: boolean;
}

export type MailxRequest =
  | ReadRequest
  | SendRequest
  | { readonly kind: 'version' }
  | { readonly kind: 'help'; readonly text: string };

function usage(text: string): UserError {
  return new UserError(text, EX.usage);
}

/** A line end in what becomes a header would let a subject add recipients. */
function refuseLineEnds(what: string, values: readonly (string | undefined)[]): void {
  for (const value of values) {
    if (value !== undefined && /[\r\n\0]/.test(value)) {
      throw usage(`${what} has a line end in it, which would begin another header field: refused, nothing sent`);
    }
  }
}

/** Whose meaning of `-a` counts; undefined: it goes by its looks. */
function compatOf(values: ParsedLine['values']): SendRequest['compat'] {
  const compat = textOf(values, 'compat');
  if (compat === undefined || compat === 'bsd' || compat === 'gnu' || compat === 's-nail') return compat;
  throw usage(`--compat is bsd, gnu or s-nail, not ${JSON.stringify(compat)}`);
}

/** What is asked for. Throws UserError (status 2) when the options contradict each other. */
export function decideMailx({ values, operands, help }: ParsedLine): MailxRequest {
  if (help !== undefined) return { kind: 'help', text: help };
  if (values.version) return { kind: 'version' };
  const choices = choicesOf(values);
  refuseLineEnds('the sender (-r)', [choices.from]);
  const reading = ['u', 'f', 'e', 'H', 'json', 'json=headers', 'R'].find((name) => values[name] !== undefined);
  const sending = ['subject', 'c', 'b', 'a', 'A', 'E', 'F', 't'].find((name) => values[name] !== undefined);
  if (reading !== undefined && sending !== undefined) {
    throw usage(`${dashed(reading)} reads mail and ${dashed(sending)} sends it: give one of them`);
  }
  if (reading === undefined && (operands.length > 0 || sending !== undefined))
    return sendRequest(values, operands, choices);
  return readRequest(values, operands, choices);
}

/** The values of SESSION_OPTIONS and -r. */
export function choicesOf(values: ParsedLine['values']): SessionChoices {
  return {
    noSystemRc: values.n === true,
    ignoreInterrupts: values.i === true,
    escapes: values['~'] === true || values.I === true,
    verbose: values.verbose === true,
    set: listOf(values, 'S'),
    from: textOf(values, 'r'),
  };
}

function dashed(name: string): string {
  return name === 'subject' ? '-s' : name.length === 1 ? `-${name}` : `--${name}`;
}

function readRequest(values: ParsedLine['values'], operands: readonly string[], choices: SessionChoices): ReadRequest {
  const file = values.f === true ? (operands[0] ?? '') : undefined;
  const user = textOf(values, 'u');
  if (file !== undefined && user !== undefined) throw usage('-f names a file and -u a user: give one of them');
  const json = values['json=headers'] === true ? 'headers' : values.json === true ? 'whole' : undefined;
  const kind = values.e === true ? 'exists' : json !== undefined ? 'json' : values.H === true ? 'headers' : 'session';
  const list = file === undefined ? operands : operands.slice(1);
  if (list.length > 0 && kind !== 'headers' && kind !== 'json') {
    const extra = JSON.stringify(list[0]);
    if (file === undefined)
      throw usage(`-${user === undefined ? 'e' : 'u'} reads mail, ${extra} would be a recipient: give one of them`);
    throw usage(`-f takes one file; ${extra} is one too many`);
  }
  return {
    ...choices,
    kind,
    user,
    file,
    list,
    // -H shows a summary: with --json that is the headers.
    json: json !== undefined && values.H === true ? 'headers' : json,
    noHeaders: values.N === true,
    readOnly: values.R === true,
    lineMode: values.line === true,
  };
}

/** A message to send, from the values of SEND_OPTIONS; also for `tmail send`. */
export function sendRequest(
  values: ParsedLine['values'],
  operands: readonly string[],
  choices: SessionChoices,
): SendRequest {
  const subject = textOf(values, 'subject');
  const added = listOf(values, 'a');
  const request: SendRequest = {
    ...choices,
    kind: 'send',
    to: operands,
    cc: listOf(values, 'c'),
    bcc: listOf(values, 'b'),
    subject,
    added,
    compat: compatOf(values),
    attachments: listOf(values, 'A'),
    skipEmpty: values.E === true,
    recordByName: values.F === true,
    fromMessage: values.t === true,
  };
  refuseLineEnds('the subject (-s)', [subject]);
  refuseLineEnds('a recipient', [...request.to, ...request.cc, ...request.bcc]);
  refuseLineEnds('a header (-a)', added);
  if (request.to.length === 0 && !request.fromMessage) {
    throw usage('whom shall it go to? Name at least one recipient, as in: tmail -s "subject" dongliang');
  }
  if (request.to.some((name) => name.trim() === '')) throw usage('a recipient is empty: nothing sent');
  return request;
}

/** A request to read the caller's system mailbox, with nothing else chosen. */
export function plainRequest(kind: ReadRequest['kind']): ReadRequest {
  return { ...readRequest({}, [], choicesOf({})), kind };
}
