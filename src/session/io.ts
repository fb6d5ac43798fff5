/**
 * What a session needs from the face it is shown by, and from the command line that wired it.
 *
 * Line mode, the screen and tests each bring an `Io`. Text given to `out` and `err` has been made safe already
 * (core/text.ts); raw message bytes leave only through `raw`, and only when standard output is no terminal.
 */
import type { Disk } from '../core/files.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';

/** Thrown by `readLine` when the user interrupts (Ctrl-C): the command or the letter under way is abandoned. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export interface RunResult {
  /** Exit status, or 128 + signal number. */
  readonly status: number;
  /** Standard output when it was captured. */
  readonly output: Uint8Array;
}

export interface Io {
  /** Whole lines for standard output; a missing final line end is added. */
  out(text: string): void;
  /** Whole lines for standard error. */
  err(text: string): void;
  /** Next line without its end, or undefined at the end of input. The prompt and the preset (text to edit) are for
   *  terminals only. Bytes, since a body line may be in any charset. */
  readLine(prompt: string, preset?: string): Promise<Uint8Array | undefined>;
  /** What Tab offers and what a line would do; a face that cannot show it leaves it alone. */
  assist?(assistant: Assistant | undefined): void;
  /** Standard input is a terminal: questions are asked, prompts shown. */
  readonly interactive: boolean;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  readonly columns: number;
  readonly rows: number;
  /** Shows long text through a pager when the face has one; else as `out`. `pager` is the command, already chosen. */
  page(text: string, pager: string): Promise<void>;
  /** Runs a shell command (`shell -c command`) with the terminal handed over; all earlier output is complete before. */
  run(shell: string, command: string, options?: { input?: Uint8Array; capture?: boolean }): Promise<RunResult>;
  /** Runs an editor or a mail program without a shell in between. */
  exec(argv: readonly string[], options?: { input?: Uint8Array; capture?: boolean }): Promise<RunResult>;
}

/** Knows the command language for a face that helps while a line is typed. */
export interface Assistant {
  /** What may stand in the place of the last word of `line`, and that word. */
  complete(line: string): { readonly candidates: readonly string[]; readonly word: string };
}

/** Who sits there. */
export interface User {
  readonly name: string;
  /** The full name of the passwd entry (GECOS up to the first comma), '' when none. */
  readonly fullName: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface Envelope {
  /** Sender address, '' for the null sender. */
  readonly from: string;
  /** Bare addresses (`lee`, `dl@example.com`), each once. */
  readonly recipients: readonly string[];
  /** Wishes for reports (RFC 3461); undefined: as usual. */
  readonly dsn?: ReportWishes;
}

export interface ReportWishes {
  /** When; empty: never. */
  readonly notify?: readonly ('success' | 'failure' | 'delay')[];
  /** How much of the message comes back. */
  readonly ret?: 'full' | 'hdrs';
  /** What the reports shall name. */
  readonly envid?: string;
}

/** What became of a message that was handed over; durable when it is returned. */
export interface Handover {
  /** One line for the user when there is something to say ("queued: no daemon runs here"), else ''. */
  readonly note: string;
}

/** Hands a finished message on; throws a MailError or UserError when it could not be done (and nothing was sent). */
export type Outbox = (message: Uint8Array, envelope: Envelope, how: OutboxSettings) => Promise<Handover>;

/** The variables that choose the way out (spec of s-nail's `mta`, POSIX `sendmail`). */
export interface OutboxSettings {
  /** `sendmail` or `mta`: a program's path, or smtp://, smtps://, submission:// URL; undefined: tmail's own way. */
  readonly mta: string | undefined;
  readonly verbose: boolean;
  /** The user named the sender (`-r`, `from`): a delivery program is told it with `-f`. */
  readonly explicitSender?: boolean;
}

/** What the session is given by the command line. */
export interface Services {
  readonly io: Io;
  readonly disk: Disk;
  readonly mailbox: MailboxContext;
  readonly user: User;
  /** Fully qualified name of this host. */
  readonly hostname: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the system mailbox of a user. */
  readonly systemMailbox: (user: string) => string;
  readonly outbox: Outbox;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}
