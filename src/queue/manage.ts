/**
 * What an administrator does to the queue: try now, hold, release, delete, return to sender.
 *
 * Each resolves when the change is on stable storage; a MailError (temporary) says that the disk did not let it.
 */
import type { QueueEntry, QueueId } from './entry.ts';
import type { Runner } from './run.ts';
import type { Outcome } from './schedule.ts';
import type { Spool } from './spool.ts';

export interface Managed {
  readonly spool: Pick<Spool, 'entries' | 'get' | 'update'>;
  readonly runner: Pick<Runner, 'consider' | 'conclude'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Tries the entries now, whatever they wait for; those that are held stay so. Returns how many will be tried. */
export async function retry({ spool, runner, now }: Managed, ids: Iterable<QueueId>): Promise<number> {
  return retryRecipients({ spool, runner, now }, ids, () => true);
}

/**
 * Tries what waits for a domain now (RFC 1985, ETRN): `example.com`, or `@example.com` for it and all below it.
 * Returns how many messages there are.
 */
export async function retryDomain(managed: Managed, name: string): Promise<number> {
  const below = name.startsWith('@');
  const wanted = (below ? name.slice(1) : name).toLowerCase().replace(/\.$/, '');
  const ids = [...managed.spool.entries()].map(({ id }) => id);
  return retryRecipients(managed, ids, (address) => {
    const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
    return address.includes('@') && (domain === wanted || (below && domain.endsWith(`.${wanted}`)));
  });
}

async function retryRecipients(
  { spool, runner, now }: Managed,
  ids: Iterable<QueueId>,
  wanted: (address: string) => boolean,
): Promise<number> {
  const changed: QueueEntry[] = [];
  for (const id of ids) {
    const entry = spool.get(id);
    if (entry === undefined || entry.held !== undefined) continue;
    let any = false;
    const recipients = entry.recipients.map((one) => {
      if (one.status !== 'queued' || !wanted(one.address)) return one;
      any = true;
      return { ...one, nextTry: Math.min(one.nextTry, now()) };
    });
    if (any) changed.push({ ...entry, recipients });
  }
  // One sync covers them all.
  await Promise.all(changed.map((entry) => spool.update(entry)));
  for (const { id } of changed) {
    const entry = spool.get(id);
    if (entry !== undefined) runner.consider(entry);
  }
  return changed.length;
}

/** Keeps an entry from being tried until it is released; an attempt under way goes on. False when there is no such entry. */
export async function hold({ spool }: Managed, id: QueueId, reason: string): Promise<boolean> {
  const entry = spool.get(id);
  if (entry === undefined) return false;
  await spool.update({ ...entry, held: reason });
  return true;
}

/** Lets a held entry go, now. False when there is no such entry, or it is not held. */
export async function release({ spool, runner, now }: Managed, id: QueueId): Promise<boolean> {
  const entry = spool.get(id);
  if (entry?.held === undefined) return false;
  const { held: _, ...rest } = entry;
  const recipients = entry.recipients.map((one) => ({ ...one, nextTry: Math.min(one.nextTry, now()) }));
  await spool.update({ ...rest, recipients });
  const free = spool.get(id);
  if (free !== undefined) runner.consider(free);
  return true;
}

/** Why a message is gone that was deleted by hand; the log has it as the rule of `discarded`. */
export const DELETED: Outcome = {
  kind: 'discarded',
  reason: { status: '2.0.0', text: 'deleted by the administrator' },
};

/** Takes a message out of the queue, and tells nobody. How many recipients that was, and how many are being tried just now. */
export function remove({ runner }: Managed, id: QueueId): ReturnType<Runner['conclude']> {
  return runner.conclude(id, DELETED);
}

/** Returns a message to its sender: each recipient that waits fails with this reason. */
export function bounce({ runner }: Managed, id: QueueId, text: string): ReturnType<Runner['conclude']> {
  return runner.conclude(id, { kind: 'failed', reason: { status: '5.0.0', text } });
}
