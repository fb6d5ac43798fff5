/**
 * The ways out for a finished message: a delivery program, an SMTP server, or tmail's own way.
 *
 * The own way: while a daemon runs, all goes to its submit queue. Without one, users of this host get it straight into their
 * system mailbox (locked and synced, mailbox/append.ts); mail for elsewhere, for names that stand for others (aliases,
 * ~/.forward), and for mailboxes that may not be written, waits in the submit queue for the daemon. Every recipient is
 * looked at before anything is written, so an unknown name sends nothing at all. What is returned is on stable storage
 * for every recipient; a MailError says who got it when it could not be done for all.
 */
import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { appendMessages } from '../mailbox/append.ts';
import type { MailboxContext } from '../mailbox/mailbox.ts';
import { writeSubmit } from '../queue/submit.ts';
import type { Envelope, Handover, Outbox, OutboxSettings } from '../session/io.ts';
import { runDeliveryProgram } from './delivery-program.ts';
import { isSmtpUrl, parseSmtpUrl, sendBySmtp } from './smtp-client.ts';

/** A user of this host, as far as delivery goes. */
export interface LocalUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface OutboxOptions {
  readonly disk: Disk;
  readonly mailbox: MailboxContext;
  readonly hostname: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly systemMailbox: (user: string) => string;
  /** Undefined when there is no such user. */
  readonly lookUpUser: (name: string) => LocalUser | undefined;
  /** Does mail for this local name go to others, by an alias or ~/.forward? Not given: never. */
  readonly standsForOthers?: (name: string) => boolean;
  /** The system's submit queue, and the caller's own, where the former cannot be written. */
  readonly submitDirs: readonly string[];
  /** Does a daemon run, which takes up what is in the first of `submitDirs`? Undefined: that cannot be told. */
  readonly daemonRuns?: () => Promise<boolean | undefined>;
  /** Milliseconds that a daemon of which nothing is known has to show that it runs, by taking the message up. */
  readonly patience?: number;
  /** The installed delivery program, for mailboxes of others; undefined: none, or it is tmail itself. */
  readonly sendmailProgram: string | undefined;
  /** Effective user id; 0 may deliver to everybody. */
  readonly uid: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Names that RFC 5321 4.5.1 and custom want to exist on every host; their mail is root's unless such a user exists. */
const ROLES: Readonly<Record<string, string>> = { postmaster: 'root', 'mailer-daemon': 'root' };

export function createOutbox(options: OutboxOptions): Outbox {
  return async (message, envelope, how) => {
    if (envelope.recipients.length === 0) throw new UserError('no recipient', EX.usage);
    const { mta } = how;
    if (mta !== undefined && isSmtpUrl(mta)) {
      const server = parseSmtpUrl(mta, options.env);
      await sendBySmtp(server, message, qualified(envelope, options.hostname), options.hostname);
      return { note: '' };
    }
    if (mta !== undefined && mta !== '') return byProgram(options, message, envelope, how, mta);
    return ownWay(options, message, envelope, how);
  };
}

async function byProgram(
  options: OutboxOptions,
  message: Uint8Array,
  envelope: Envelope,
  how: OutboxSettings,
  program: string,
): Promise<Handover> {
  const said = await runDeliveryProgram(
    {
      program,
      sender: how.explicitSender === true ? envelope.from : undefined,
      recipients: envelope.recipients,
      verbose: how.verbose,
      env: options.env,
    },
    message,
  );
  return { note: how.verbose ? said : '' };
}

/** Addresses with a domain, as SMTP wants them: a bare name is one of this host. */
function qualified(envelope: Envelope, hostname: string): Envelope {
  const full = (address: string) => (address === '' || address.includes('@') ? address : `${address}@${hostname}`);
  return { ...envelope, from: full(envelope.from), recipients: envelope.recipients.map(full) };
}

/** Where each recipient's copy goes. */
export interface Plan {
  /** System mailboxes to append to, each once. */
  readonly mailboxes: readonly {
    readonly user: LocalUser;
    readonly path: string;
    readonly recipients: readonly string[];
  }[];
  /** Local recipients whose mailbox may not be written by this user. */
  readonly others: readonly string[];
  readonly elsewhere: readonly string[];
}

/** Sorts the recipients. Throws a UserError for names of this host that nobody has. */
export function planDelivery(
  options: Pick<OutboxOptions, 'hostname' | 'lookUpUser' | 'systemMailbox' | 'standsForOthers'>,
  recipients: readonly string[],
  mayWrite: (path: string) => boolean,
): Plan {
  const mailboxes = new Map<string, { user: LocalUser; path: string; recipients: string[] }>();
  const others: string[] = [];
  const elsewhere: string[] = [];
  const unknown: string[] = [];
  for (const recipient of recipients) {
    const name = localName(recipient, options.hostname);
    if (name === undefined) {
      elsewhere.push(recipient);
      continue;
    }
    if (options.standsForOthers?.(name) === true) {
      elsewhere.push(recipient);
      continue;
    }
    const user = findUser(options.lookUpUser, name);
    if (user === undefined) {
      unknown.push(recipient);
      continue;
    }
    const path = options.systemMailbox(user.name);
    const known = mailboxes.get(path);
    if (known !== undefined) known.recipients.push(recipient);
    else if (mayWrite(path)) mailboxes.set(path, { user, path, recipients: [recipient] });
    else others.push(recipient);
  }
  if (unknown.length > 0) {
    throw new UserError(`${unknown.join(', ')}: User unknown. Nothing was sent to anybody.`, EX.noUser);
  }
  return { mailboxes: [...mailboxes.values()], others, elsewhere };
}

/** The user part of an address of this host; undefined for other hosts. */
function localName(recipient: string, hostname: string): string | undefined {
  const at = recipient.lastIndexOf('@');
  if (at < 0) return recipient;
  const domain = recipient.slice(at + 1).toLowerCase();
  const host = hostname.toLowerCase();
  return [host, host.split('.')[0], 'localhost', 'localhost.localdomain'].includes(domain)
    ? recipient.slice(0, at)
    : undefined;
}

/** The user of that name, in lower case, without `+detail`, or the one who has the role. */
function findUser(lookUpUser: OutboxOptions['lookUpUser'], name: string): LocalUser | undefined {
  const plain = name.split('+')[0] ?? '';
  const names = new Set([name, name.toLowerCase(), plain, plain.toLowerCase(), ROLES[plain.toLowerCase()] ?? '']);
  for (const one of names) {
    const user = one === '' || /[/\0]/.test(one) ? undefined : lookUpUser(one);
    if (user !== undefined) return user;
  }
  return undefined;
}

function mayWriteBox(disk: Disk, path: string): boolean {
  try {
    accessSync(disk.stat(path) === undefined ? dirname(path) : path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function ownWay(
  options: OutboxOptions,
  message: Uint8Array,
  envelope: Envelope,
  how: OutboxSettings,
): Promise<Handover> {
  const { from } = qualified(envelope, options.hostname);
  const { recipients: all, dsn } = envelope;
  const whole = { from, recipients: all, ...(dsn === undefined ? {} : { dsn }) };
  const plan = planDelivery(options, all, (path) => mayWriteBox(options.disk, path));
  // A daemon knows more ways to deliver, logs what it does, and sends the reports that were wished for.
  if (dsn !== undefined || (await options.daemonRuns?.()) === true)
    return { note: await submit(options, message, whole) };
  const done: string[] = [];
  const notes: string[] = [];
  const queued: string[] = [...plan.elsewhere];
  try {
    for (const { user, path, recipients } of plan.mailboxes) {
      const failure = await deliverTo(options, user, path, message, from);
      if (failure === undefined) done.push(...recipients);
      else {
        queued.push(...recipients);
        notes.push(`${user.name}: ${failure}`);
      }
    }
    if (plan.others.length > 0) {
      const program = options.sendmailProgram;
      if (program === undefined) queued.push(...plan.others);
      else {
        await byProgram(options, message, { from, recipients: plan.others }, how, program);
        done.push(...plan.others);
      }
    }
    if (queued.length > 0) notes.push(await submit(options, message, { from, recipients: queued }));
  } catch (error) {
    throw partial(
      error,
      done,
      envelope.recipients.filter((one) => !done.includes(one)),
    );
  }
  return { note: notes.filter(Boolean).join('; ') };
}

/** Appends to a system mailbox; returns why it has to wait when it cannot be done now. */
async function deliverTo(
  options: OutboxOptions,
  user: LocalUser,
  path: string,
  message: Uint8Array,
  from: string,
): Promise<string | undefined> {
  const content = Buffer.concat([Buffer.from(`Return-Path: <${from}>\n`), message]);
  const received = Math.floor(options.now() / 1000);
  // Debian policy 11.6: a mailbox belongs to its user and group mail, which is the folder's, mode 660.
  const folder = options.disk.stat(dirname(path));
  const ownership =
    options.uid === 0 && folder !== undefined
      ? {
          mode: folder.gid === 0 ? 0o600 : 0o660,
          owner: { uid: user.uid, gid: folder.gid === 0 ? user.gid : folder.gid },
        }
      : { mode: 0o600 };
  try {
    await appendMessages(options.mailbox, path, [{ content, sender: from, received, quote: true }], ownership);
    return undefined;
  } catch (error) {
    if (errnoOf(error) === undefined && !(error instanceof MailError)) throw error;
    return reasonOf(error);
  }
}

/** Puts the message into the first submit queue that can be written; returns the word about it, '' when there is none to say. */
async function submit(options: OutboxOptions, message: Uint8Array, envelope: Envelope): Promise<string> {
  let last: unknown;
  for (const dir of options.submitDirs) {
    try {
      const { from, recipients, dsn } = envelope;
      const id = writeSubmit(options.disk, dir, { from, recipients, ...dsn }, message, options.now());
      return await fateOf(options, dir, id, envelope);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      last = error;
    }
  }
  throw new MailError(`cannot be queued in ${options.submitDirs.at(-1)}: ${reasonOf(last)}`, {
    temporary: true,
    cause: last,
  });
}

const PATIENCE = 500;

/** What becomes of a message in that submit queue. A daemon that runs takes it up at once from the system's folder. */
async function fateOf(
  { daemonRuns, submitDirs, disk, patience = PATIENCE }: OutboxOptions,
  dir: string,
  id: string,
  { recipients }: Envelope,
): Promise<string> {
  const queued = `queued for ${recipients.join(', ')} in ${dir}`;
  const [system] = submitDirs;
  const runs = await (daemonRuns?.() ?? false);
  if (runs === false) return `${queued}: no tmail daemon runs here, it goes out when one does`;
  if (dir === system) {
    if (runs === true || (await isTaken(disk, join(dir, id), patience))) return '';
    return `${queued}: it goes out when a tmail daemon takes it up`;
  }
  return `${queued}, where a tmail daemon does not look, since ${system} cannot be written; root can mend that with \`chmod 1733 ${system}\``;
}

async function isTaken(disk: Disk, path: string, patience: number): Promise<boolean> {
  const limit = Date.now() + patience;
  while (disk.lstat(path) !== undefined) {
    if (Date.now() > limit) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

function partial(error: unknown, done: readonly string[], rest: readonly string[]): unknown {
  if (done.length === 0 || !(error instanceof Error)) return error;
  const temporary = error instanceof MailError ? error.temporary : true;
  return new MailError(`${error.message}; delivered to ${done.join(', ')}, not to ${rest.join(', ')}`, {
    temporary,
    cause: error,
  });
}
