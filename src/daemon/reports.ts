/**
 * Tells senders what became of their messages: reports are messages of their own in the queue (RFC 3461, RFC 3464).
 *
 * From the null sender, never in answer to it: what cannot be returned goes to postmaster once, and a report to postmaster
 * that fails too is only logged (RFC 5321 6.1).
 */
import type { Log } from '../core/log.ts';
import { formatDate } from '../message/date.ts';
import { deliveryReport, type ReportedRecipient, type ReportKind } from '../message/dsn.ts';
import { headerSize } from '../message/header.ts';
import { isFault, parsePath } from '../message/path.ts';
import type { QueueEntry, RecipientState } from '../queue/entry.ts';
import type { Reports, ScheduleSettings } from '../queue/schedule.ts';
import type { Spool } from '../queue/spool.ts';
import type { Rules } from '../rules/rules.ts';
import { event, targetsOf } from './events.ts';
import { commitGroups, zone } from './inbound.ts';
import { expandRecipients } from './recipients.ts';
import type { World } from './world.ts';

export interface ReporterOptions {
  readonly spool: Spool;
  readonly rules: () => Rules;
  readonly world: World;
  readonly hostname: string;
  readonly log: Log;
  readonly schedule: () => ScheduleSettings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A larger message is returned by its header alone, unless its sender asked for all of it (RET=FULL). */
const RETURN_LIMIT = 512 * 1024;
const POSTMASTER = 'postmaster';

/** Puts the reports into the queue; resolves with them when they are on stable storage. */
export function createReporter(
  options: ReporterOptions,
): (entry: QueueEntry, reports: Reports) => Promise<readonly QueueEntry[]> {
  return async (entry, { delayed, failed, succeeded }) => {
    if (entry.sender === '') return doubleBounce(options, entry, failed);
    const arrived = (status: string) => succeeded.filter((one) => one.status === status);
    const kinds: readonly (readonly [ReportKind, readonly RecipientState[]])[] = [
      ['failed', failed],
      ['delayed', delayed],
      ['delivered', arrived('delivered')],
      ['relayed', arrived('relayed')],
    ];
    const made: QueueEntry[] = [];
    for (const [kind, recipients] of kinds) {
      if (recipients.length > 0) made.push(...(await report(options, entry, entry.sender, kind, recipients)));
    }
    return made;
  };
}

async function doubleBounce(
  options: ReporterOptions,
  entry: QueueEntry,
  failed: readonly RecipientState[],
): Promise<readonly QueueEntry[]> {
  if (failed.length === 0) return [];
  if (failed.some(({ original }) => original === POSTMASTER)) {
    options.log.write(event('lost-report', { id: entry.id, reason: 'the report to postmaster cannot be delivered' }));
    return [];
  }
  return report(options, entry, POSTMASTER, 'failed', failed);
}

async function report(
  options: ReporterOptions,
  entry: QueueEntry,
  to: string,
  kind: ReportKind,
  recipients: readonly RecipientState[],
): Promise<readonly QueueEntry[]> {
  const { spool, rules, world, hostname, log, now, schedule } = options;
  const path = parsePath(to);
  if (isFault(path)) {
    log.write(event('lost-report', { id: entry.id, reason: `the sender ${to} is no address` }));
    return [];
  }
  const incoming = spool.begin();
  const utf8 = entry.smtputf8;
  const blocks = deliveryReport({
    hostname,
    to,
    unique: `${incoming.id}.${entry.id}`,
    date: dateOf(now()),
    arrival: dateOf(entry.received),
    willRetryUntil: dateOf(entry.received + schedule().returnAfter),
    ...(entry.envid === undefined ? {} : { envid: entry.envid }),
    recipients: recipients.map((one) => reported(kind, one, hostname)),
    original: originalOf(spool, entry, kind),
    utf8,
  });
  try {
    for (const block of blocks) incoming.add(block);
    const state: RecipientState = {
      address: to,
      original: to,
      status: 'queued',
      attempts: 0,
      nextTry: now(),
      warnings: 0,
    };
    const groups = await expandRecipients([{ parts: path, state }], rules(), world);
    const common = {
      received: now(),
      from: { protocol: 'internal', client: '' },
      body: entry.body,
      smtputf8: utf8,
      requireTls: false,
    };
    // A report has no other sender than `<>`, whatever list it goes to.
    const one = [{ owner: undefined, recipients: groups.flatMap((group) => group.recipients), merged: [] }];
    const entries = await commitGroups(spool, incoming, one, '', common);
    for (const made of entries) {
      log.write(event('report', { id: made.id, about: entry.id, kind, to, size: made.size, ...targetsOf(made) }));
    }
    return entries;
  } catch (error) {
    incoming.discard();
    throw error;
  }
}

function reported(
  kind: ReportKind,
  { address, original, orcpt, reason }: RecipientState,
  hostname: string,
): ReportedRecipient {
  const { status = '5.0.0', text = 'no reason is known', host } = reason ?? {};
  return {
    kind,
    address: addressOutside(address, original, hostname),
    original: addressOutside(original, original, hostname),
    status: kind === 'delayed' && status.startsWith('5') ? '4.0.0' : status,
    text,
    ...(orcpt === undefined ? {} : { orcpt }),
    ...(host === undefined ? {} : { host }),
  };
}

/** As the sender may know it: RFC 3464 2.3.2 wants an address, and files and commands here are nobody's business. */
function addressOutside(address: string, original: string, hostname: string): string {
  const known = /^[/|]/.test(address) ? original : address;
  return known.includes('@') ? known : `${known}@${hostname}`;
}

/** RFC 3461 4.3: RET counts for failures only; other reports carry the header. */
function originalOf(
  spool: Spool,
  entry: QueueEntry,
  kind: ReportKind,
): { readonly part: 'message' | 'header'; readonly blocks: () => Iterable<Uint8Array> } {
  const full = kind === 'failed' && entry.ret !== 'hdrs' && (entry.ret === 'full' || entry.size <= RETURN_LIMIT);
  if (full) return { part: 'message', blocks: () => spool.read(entry.id) };
  return { part: 'header', blocks: () => headerOf(spool.read(entry.id)) };
}

function* headerOf(blocks: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const block of blocks) {
    yield block.subarray(0, headerSize(block));
    return;
  }
}

function dateOf(milliseconds: number): string {
  return formatDate(Math.floor(milliseconds / 1000), zone(milliseconds));
}
