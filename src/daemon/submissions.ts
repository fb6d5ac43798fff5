/**
 * Takes up what was handed over by command: the files of the submit queue (queue/submit.ts) become entries of the queue.
 *
 * Who owns a file is the only thing about it that its writer could not choose; it is who submitted. A file is removed when
 * its message is on stable storage in the queue; a crash in between takes it up twice rather than never.
 */
import { watch } from 'node:fs';
import { MailError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import type { Log } from '../core/log.ts';
import { lookUpUid } from '../core/users.ts';
import { VERSION } from '../core/version.ts';
import { formatDate } from '../message/date.ts';
import { isFault, parsePath, pathAddress } from '../message/path.ts';
import type { QueueEntry, RecipientState } from '../queue/entry.ts';
import type { Spool } from '../queue/spool.ts';
import {
  listSubmit,
  readSubmit,
  removeSubmit,
  type SubmitEntry,
  type SubmitId,
  setAsideSubmit,
} from '../queue/submit.ts';
import type { Rules } from '../rules/rules.ts';
import { canonical } from '../transport/outgoing.ts';
import { event, targetsOf } from './events.ts';
import { commitGroups, zone } from './inbound.ts';
import { expandRecipients, mergedOf, type ToExpand } from './recipients.ts';
import type { World } from './world.ts';

export interface SubmissionsOptions {
  readonly dir: string;
  readonly root: string;
  readonly spool: Spool;
  readonly rules: () => Rules;
  readonly world: World;
  readonly hostname: string;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly queued: (entry: QueueEntry) => void;
  readonly disk?: Disk;
}

export interface Submissions {
  /** Looks at the folder now; resolves when what was there is taken up. */
  take(): Promise<void>;
  close(): void;
}

export function watchSubmissions(options: SubmissionsOptions): Submissions {
  const disk = options.disk ?? realDisk;
  let running: Promise<void> = Promise.resolve();
  const take = () => {
    running = running.then(() => takeAll(disk, options));
    return running;
  };
  const watcher = watch(options.dir, () => void take());
  watcher.on('error', (error) => options.log.write({ event: 'problem', where: options.dir, reason: error.message }));
  return { take, close: () => watcher.close() };
}

async function takeAll(disk: Disk, options: SubmissionsOptions): Promise<void> {
  for (const id of listSubmit(disk, options.dir)) {
    try {
      await takeOne(disk, options, id);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      options.log.write({ event: 'problem', where: `${options.dir}/${id}`, reason });
      if (!(error instanceof MailError)) continue;
      if (error.temporary) return;
      setAsideSubmit(disk, options.dir, id);
    }
  }
}

async function takeOne(disk: Disk, options: SubmissionsOptions, id: SubmitId): Promise<void> {
  const submitted = readSubmit(disk, options.dir, id);
  if (submitted === undefined) return;
  const { spool, rules, world, log, now, queued } = options;
  const { message } = submitted;
  const user = lookUpUid(submitted.owner, options.root)?.name ?? String(submitted.owner);
  const header = { ...submitted.header, from: senderOf(submitted, user, options.hostname) };
  const incoming = spool.begin();
  try {
    incoming.add(
      Buffer.from(traceFields(options, incoming.id, user, header.from, claims(submitted, options.root)), 'utf8'),
    );
    for (const block of canonical([message])) incoming.add(block);
    const groups = await expandRecipients(recipientsOf(submitted, now()), rules(), world);
    const eightBit = message.some((octet) => octet > 127);
    const common = {
      received: now(),
      from: { protocol: 'submit', client: '', user },
      body: eightBit ? ('8bitmime' as const) : ('7bit' as const),
      smtputf8: [header.from, ...header.recipients].some((address) => /[^\u0000-\u007f]/.test(address)),
      requireTls: false,
      ...(header.ret === undefined ? {} : { ret: header.ret }),
      ...(header.envid === undefined ? {} : { envid: header.envid }),
    };
    const { size } = incoming;
    const entries = await commitGroups(spool, incoming, groups, header.from, common);
    for (const entry of entries) {
      const targets = targetsOf(entry);
      if (entry.id !== incoming.id) {
        log.write(event('split', { id: entry.id, of: incoming.id, from: entry.sender, ...targets }));
        continue;
      }
      const { from, recipients } = header;
      const merged = mergedOf(groups);
      const fields = { id: entry.id, from, size, protocol: 'submit', user, recipients, ...targets };
      log.write(event('accepted', { ...fields, ...(merged.length === 0 ? {} : { merged }) }));
    }
    removeSubmit(disk, options.dir, id);
    for (const entry of entries) queued(entry);
  } catch (error) {
    incoming.discard();
    throw error;
  }
}

/** The null sender or an address; what is neither would reach other hosts as it was typed, so it is not believed. */
function senderOf({ header }: SubmitEntry, user: string, hostname: string): string {
  if (header.from === '') return '';
  const path = parsePath(header.from);
  if (isFault(path)) return `${user}@${hostname}`;
  return path.domain === '' ? `${path.local}@${hostname}` : pathAddress(path);
}

/** What is no address is refused by a report, as it would be after an SMTP session that accepted it. */
function recipientsOf({ header }: SubmitEntry, now: number): ToExpand[] {
  return header.recipients.map((address) => {
    const state: RecipientState = {
      address,
      original: address,
      status: 'queued',
      attempts: 0,
      nextTry: now,
      warnings: 0,
      ...(header.notify === undefined ? {} : { notify: header.notify }),
    };
    const path = parsePath(address);
    if (!isFault(path)) return { parts: path, state: { ...state, address: pathAddress(path) } };
    return { parts: { local: address, domain: '' }, state };
  });
}

/** Who may claim to be anybody without a word about it: root and daemons (sendmail's trusted users). */
const MOST_TRUSTED_UID = 99;

/** Is it worth a word when this sender is not the one who wrote the file? In a root folder numbers mean nobody. */
function claims({ owner }: SubmitEntry, root: string): boolean {
  return root === '' && owner > MOST_TRUSTED_UID;
}

/** As sendmail writes them for mail that did not come over a connection. */
function traceFields(
  { hostname, now }: SubmissionsOptions,
  id: string,
  user: string,
  from: string,
  claims: boolean,
): string {
  const date = formatDate(Math.floor(now() / 1000), zone(now()));
  const received = `Received: (from ${user}@localhost)\r\n\tby ${hostname} (tmail/${VERSION}/Submit) id ${id};\r\n\t${date}\r\n`;
  if (!claims || from === '' || from.toLowerCase() === `${user}@${hostname}`.toLowerCase()) return received;
  return `${received}X-Authentication-Warning: ${hostname}: ${user} set sender to ${from} using -f\r\n`;
}
