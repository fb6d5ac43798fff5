/**
 * What a command is. THE table of them is commands.ts; parsing, help, completion, previews and the man page are made from it.
 */
import type { Copies } from './copies.ts';
import type { Services } from './io.ts';
import type { Session } from './session.ts';

/** A change that `undo` can take back. */
export interface Step {
  /** The command line that made it. */
  readonly line: string;
  readonly before: Session;
  readonly after: Session;
}

/** An `if` that is open. */
export interface Condition {
  /** This branch holds: its commands are run. */
  readonly holds: boolean;
  /** It lies in a branch that does not hold. */
  readonly outside: boolean;
  /** `else` has been met. */
  readonly other: boolean;
}

/** The state that commands work on: one holder for the life of a session; `session` is replaced, never changed. */
export interface CommandContext {
  readonly services: Services;
  session: Session;
  /** What `undo` takes back, newest last. */
  history: Step[];
  /** `~` escapes are obeyed: standard input is a terminal, or `-~`. */
  readonly escapes: boolean;
  /** Set when a message could not be handed on: the exit status will be 1. */
  failed: boolean;
  /** How the session ends, once a command said so. */
  ended: 'quit' | 'exit' | undefined;
  /** The last shell command: what `!` stands for when `bang` is set. */
  lastShell: string;
  /** A startup file is being read: some commands are not allowed. */
  startup: boolean;
  /** The program sends one message and holds no mailbox (`if s`). */
  readonly sending: boolean;
  /** `file:line` of what is being run, to lead its errors; undefined for what is typed. */
  where: string | undefined;
  conditions: readonly Condition[];
  /** How many `source` commands are open. */
  sourcing: number;
  /** Of messages that go to mbox at the end, should others take them away. */
  copies?: Copies;
  /** Runs one command line, as if it had been typed (`source`, `~:`). Tells its errors; never throws. */
  execute(line: string): Promise<void>;
}

/** What the rest of the line is to a command. */
export type ArgumentKind =
  | 'none'
  /** A message list; empty means the current message. */
  | 'list'
  /** A message list, then a file name. */
  | 'list-file'
  /** A message list, then a shell command. */
  | 'list-shell'
  /** One message list or nothing, but deleted messages can be named too (undelete, from). */
  | 'list-deleted'
  /** Words with quotes. */
  | 'words'
  /** The rest as it is. */
  | 'text'
  | 'number'
  | 'file';

export interface Command {
  readonly name: string;
  /** Other full names that mean the same (`type` for print, `file` for folder). */
  readonly aliases: readonly string[];
  /** Short forms that always win over longer names with the same beginning (`d`, `dp`, `s`). */
  readonly short: readonly string[];
  readonly argument: ArgumentKind;
  /** The argument as shown in help, `[msglist]`; '' when none. */
  readonly usage: string;
  /** One line of help. */
  readonly help: string;
  /** Group in help and man page. */
  readonly group: 'reading' | 'disposing' | 'filing' | 'sending' | 'names' | 'settings' | 'other';
  /** Not allowed in startup files (POSIX mailx, "Start-Up"). */
  readonly notInRc?: boolean;
  /** Works without messages: an empty mailbox does not refuse it. */
  readonly run: (context: CommandContext, argument: string) => Promise<void>;
}
