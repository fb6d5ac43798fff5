/**
 * Delivery reports as a sentence (RFC 3464): what became of a message, for whom, and why.
 */
import { fieldText, parseHeader } from './header.ts';

export interface Delivery {
  readonly recipient: string;
  /** `failed`, `delayed`, `delivered`, `relayed`, `expanded`, or what else was written; lower case. */
  readonly action: string;
  /** `5.1.1` (RFC 3463), '' when there is none. */
  readonly status: string;
  /** What the other side said, without its codes; '' when there is none. */
  readonly reason: string;
}

const MOST = 1000;

/** The recipients of a message/delivery-status body. Fields of the message as a whole are passed over. */
export function deliveries(body: Uint8Array): Delivery[] {
  const found: Delivery[] = [];
  for (let at = 0; at < body.length && found.length < MOST; ) {
    const header = parseHeader(body.subarray(at));
    at += Math.max(1, header.size);
    const recipient = fieldText(header, 'final-recipient') ?? fieldText(header, 'original-recipient');
    if (recipient === undefined) continue;
    found.push({
      recipient: recipient.replace(/^\s*[\w-]+\s*;\s*/, '').trim(),
      action: (fieldText(header, 'action') ?? '').toLowerCase().split(/[\s(]/)[0] ?? '',
      status: /\d\.\d{1,3}\.\d{1,3}/.exec(fieldText(header, 'status') ?? '')?.[0] ?? '',
      reason: reasonOf(fieldText(header, 'diagnostic-code') ?? ''),
    });
  }
  return found;
}

/** `smtp; 550 5.1.1 <x>: user unknown` gives `<x>: user unknown`. */
function reasonOf(diagnostic: string): string {
  return diagnostic
    .replace(/^\s*[\w-]+\s*;\s*/, '')
    .replace(/^(?:\d{3}[ -])?\s*(?:\d\.\d{1,3}\.\d{1,3}\s+)?/, '')
    .trim();
}

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['failed', 'could not be delivered to'],
  ['delayed', 'has not been delivered yet to'],
  ['delivered', 'was delivered to'],
  ['relayed', 'was passed on, to a host that sends no reports, for'],
  ['expanded', 'was delivered to the members of'],
]);

/** One sentence a recipient. */
export function deliverySentence({ recipient, action, status, reason }: Delivery): string {
  const why = reason !== '' ? reason : (STATUS.get(status) ?? '');
  const code = status === '' || why.includes(status) ? '' : ` (${status})`;
  return `The message ${SENTENCES.get(action) ?? `was ${action || 'handled'} for`} ${recipient}${why === '' ? '' : `: ${why}`}${code}`;
}

/** RFC 3463 3, for reports that give a code and no words. */
const STATUS: ReadonlyMap<string, string> = new Map([
  ['4.2.2', 'mailbox full'],
  ['4.4.1', 'no answer from host'],
  ['4.4.7', 'delivery time expired'],
  ['5.1.1', 'user unknown'],
  ['5.1.2', 'host unknown'],
  ['5.2.1', 'mailbox disabled'],
  ['5.2.2', 'mailbox full'],
  ['5.2.3', 'message too long'],
  ['5.3.4', 'message too big'],
  ['5.4.4', 'no route to host'],
  ['5.4.6', 'mail loop'],
  ['5.7.1', 'delivery not allowed'],
]);
