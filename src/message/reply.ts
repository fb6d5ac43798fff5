/**
 * Whom a reply goes to, from whom it comes and what threads it: pure rules, tested by tables.
 *
 * `Reply-To` beats `From`; for a reply to all `Mail-Followup-To` beats both, since its author asked for it. The user's own
 * addresses are left out unless `metoo` is set or nobody would be left. The reply comes from the own address that the
 * message was sent to, so that a correspondent never meets an address that was not written to.
 */
import type { Address } from './address.ts';
import { isMessageId } from './fields.ts';

/** What the rules look at in the message that is answered. */
export interface Original {
  readonly from: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  /** Mail-Followup-To. */
  readonly followupTo: readonly Address[];
  /** Delivered-To and X-Original-To: where it arrived, when the header's lists do not say. */
  readonly deliveredTo: readonly Address[];
  readonly subject: string;
  readonly messageId: string | undefined;
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
}

/** The user's addresses. */
export interface Own {
  /** What new mail comes from. */
  readonly from: Address;
  /** The user's addresses: full ones, and bare names that hold for this host (the login name, `alternates`). */
  readonly addresses: readonly string[];
  /** Names of this host, lower case. */
  readonly hosts: readonly string[];
}

export interface Reply {
  readonly from: Address;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly subject: string;
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
}

interface Parts {
  readonly local: string;
  /** '' for a name of this host. */
  readonly domain: string;
}

function partsOf(address: string, hosts: readonly string[]): Parts {
  const lower = address.toLowerCase();
  const at = lower.lastIndexOf('@');
  if (at < 0) return { local: lower, domain: '' };
  const domain = lower.slice(at + 1);
  return { local: lower.slice(0, at), domain: hosts.includes(domain) ? '' : domain };
}

/** True for the user's own addresses, those with a `+detail` too. */
export function isOwn(own: Own, address: string): boolean {
  const { local, domain } = partsOf(address, own.hosts);
  return own.addresses.some((mine) => {
    const parts = partsOf(mine, own.hosts);
    return parts.domain === domain && (parts.local === local || local.startsWith(`${parts.local}+`));
  });
}

/** What makes two addresses the same recipient: letter case and the ways to name this host do not matter. */
export function addressKey(address: string, hosts: readonly string[]): string {
  const { local, domain } = partsOf(address, hosts);
  return domain === '' ? local : `${local}@${domain}`;
}

/** Each address once, in order, those in `taken` not at all; adds to `taken`. */
export function eachOnce(addresses: readonly Address[], hosts: readonly string[], taken: Set<string>): Address[] {
  return addresses.filter(({ address }) => {
    const key = addressKey(address, hosts);
    if (key === '' || taken.has(key)) return false;
    taken.add(key);
    return true;
  });
}

function sendersOf(original: Original): readonly Address[] {
  return original.replyTo.length > 0 ? original.replyTo : original.from;
}

/** The own address that a message was sent to; undefined when it is the usual one or none can be seen. */
export function addressedTo(original: Original, own: Own): Address | undefined {
  const usual = addressKey(own.from.address, own.hosts);
  const mine = [...original.to, ...original.cc, ...original.deliveredTo].filter(({ address }) => isOwn(own, address));
  if (mine.some(({ address }) => addressKey(address, own.hosts) === usual)) return undefined;
  // A bare login name is this host's way to write the usual address.
  const other = mine.find(({ address }) => address.includes('@') && partsOf(address, own.hosts).domain !== '');
  const local = mine.find(({ address }) => address.includes('+'));
  const found = other ?? local;
  return found?.address.includes('@') === true ? { name: own.from.name, address: found.address } : undefined;
}

/** `Re: ` once, whatever letter case and counter (`RE:`, `Re[2]:`) it has already. */
export function replySubject(subject: string): string {
  const text = oneLine(subject);
  return /^re(\[\d+\])?\s*:/i.test(text) ? text : `Re: ${text}`.trimEnd();
}

export function forwardSubject(subject: string): string {
  const text = oneLine(subject);
  return /^fwd?\s*:/i.test(text) ? text : `Fwd: ${text}`.trimEnd();
}

/**
 * Decoded text of a stranger's header may hold line ends, control characters and marks that turn the writing round: blanks
 * here, since it becomes a field again and is given to be edited on a terminal.
 */
export function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();
}

/** What the references of a reply are: those of the original and its own id (RFC 5322 3.6.4). */
export function threadOf(original: Original): Pick<Reply, 'inReplyTo' | 'references'> {
  const id = original.messageId !== undefined && isMessageId(original.messageId) ? [original.messageId] : [];
  const before =
    original.references.length > 0 || original.inReplyTo.length !== 1 ? original.references : original.inReplyTo;
  const references = [...new Set([...before.filter((other) => other !== id[0]), ...id])];
  return { inReplyTo: id, references };
}

/**
 * A reply to one or more messages: to the senders, and with `all` to the recipients as well.
 * Subject and thread come from the first. `to` is empty only when the messages name nobody at all.
 */
export function replyTo(
  originals: readonly [Original, ...Original[]],
  own: Own,
  how: { readonly all: boolean; readonly metoo: boolean },
): Reply {
  const [first] = originals;
  const followup = how.all ? originals.flatMap((one) => one.followupTo) : [];
  const senders = followup.length > 0 ? followup : originals.flatMap(sendersOf);
  const to = how.all && followup.length === 0 ? [...senders, ...originals.flatMap((one) => one.to)] : senders;
  const cc = how.all && followup.length === 0 ? originals.flatMap((one) => one.cc) : [];
  const others = (list: readonly Address[]) => (how.metoo ? list : list.filter(({ address }) => !isOwn(own, address)));
  const taken = new Set<string>();
  const lists = { to: eachOnce(others(to), own.hosts, taken), cc: eachOnce(others(cc), own.hosts, taken) };
  if (lists.to.length === 0) {
    // Only copies are left: they are whom it goes to. Nobody at all: a note to oneself.
    if (lists.cc.length > 0) {
      lists.to = lists.cc;
      lists.cc = [];
    } else lists.to = eachOnce(senders, own.hosts, taken);
  }
  return {
    from: addressedTo(first, own) ?? own.from,
    to: lists.to,
    cc: lists.cc,
    subject: replySubject(first.subject),
    ...threadOf(first),
  };
}

/** `On DATE, NAME wrote:` and the text behind `> `: the quotation that a reply can begin with. */
export function quotation(
  author: Address | undefined,
  date: string,
  lines: readonly string[],
  prefix: string,
): string[] {
  const who = author === undefined ? 'somebody' : oneLine(author.name) || author.address;
  return [`${date === '' ? '' : `On ${date}, `}${who} wrote:`, ...lines.map((line) => `${prefix}${line}`.trimEnd())];
}
