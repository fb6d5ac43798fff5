/**
 * Delivery reports, written (RFC 3461, 3462, 3464; RFC 6533 for internationalized addresses).
 *
 * A report is a message from the null sender to the sender of the reported one: a few sentences for people, a
 * message/delivery-status for programs, and the message or its header. Texts that came from other hosts go through
 * `oneLine`: they must neither end a field nor reach a terminal as control characters.
 */

export type ReportKind = 'failed' | 'delayed' | 'delivered' | 'relayed';

export interface ReportedRecipient {
  readonly kind: ReportKind;
  /** Where it was to go in the end. */
  readonly address: string;
  /** As the sender wrote it in RCPT. */
  readonly original: string;
  /** `rfc822;lee@example.com`, as it came. */
  readonly orcpt?: string;
  /** `5.1.1` (RFC 3463). */
  readonly status: string;
  /** What happened, in words. */
  readonly text: string;
  /** The host whose words they are. */
  readonly host?: string;
}

export interface ReportInput {
  /** Name of this host. */
  readonly hostname: string;
  /** To whom: the sender of the reported message. */
  readonly to: string;
  /** Text that is in no other message: part of Message-ID and boundary. */
  readonly unique: string;
  /** The Date field of the report, ready made. */
  readonly date: string;
  /** The Date field of the arrival of the reported message. */
  readonly arrival: string;
  /** The Date field of the moment when we give up, for delays. */
  readonly willRetryUntil?: string;
  readonly envid?: string;
  readonly recipients: readonly ReportedRecipient[];
  /** The reported message, in blocks with CRLF line ends, or only its header. */
  readonly original: { readonly part: 'message' | 'header'; readonly blocks: () => Iterable<Uint8Array> };
  /** Addresses or header hold other than ASCII, and the receiver takes that (RFC 6533). */
  readonly utf8: boolean;
}

const SUBJECTS: Record<ReportKind, string> = {
  failed: 'Returned mail: see transcript for details',
  delayed: 'Warning: message still undelivered',
  delivered: 'Return receipt',
  relayed: 'Return receipt',
};

const SENTENCES: Record<ReportKind, string> = {
  failed: 'The following addresses had permanent fatal errors; the message was not delivered to them:',
  delayed: 'The message could not be delivered to these addresses yet. Nothing need be done: delivery is tried again.',
  delivered: 'The message was delivered to these addresses:',
  relayed: 'The message was passed on for these addresses, to hosts that may send no further report:',
};

/** The report in blocks with CRLF line ends. All recipients should be of one outcome: fail, wait, or arrived. */
export function* deliveryReport(input: ReportInput): Generator<Uint8Array> {
  const boundary = `report-${input.unique}`;
  const [first] = input.recipients;
  const subject = SUBJECTS[first?.kind ?? 'failed'];
  const statusType = input.utf8 ? 'message/global-delivery-status' : 'message/delivery-status';
  const originalType = input.original.part === 'message' ? 'message/rfc822' : 'text/rfc822-headers';
  const globalType = input.original.part === 'message' ? 'message/global' : 'message/global-headers';
  const lines = [
    `From: Mail Delivery Subsystem <MAILER-DAEMON@${input.hostname}>`,
    `To: <${oneLine(input.to)}>`,
    `Subject: ${subject}`,
    `Date: ${input.date}`,
    `Message-ID: <${input.unique}@${input.hostname}>`,
    // RFC 3834 5: nobody shall answer this automatically.
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    `\tboundary="${boundary}"`,
    '',
    'This is a MIME-encapsulated message.',
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    ...sentences(input),
    `--${boundary}`,
    `Content-Type: ${statusType}`,
    ...(input.utf8 ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    ...statusFields(input),
    `--${boundary}`,
    `Content-Type: ${input.utf8 ? globalType : originalType}`,
    '',
    '',
  ];
  yield Buffer.from(lines.join('\r\n'));
  yield* input.original.blocks();
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

function sentences({ hostname, recipients, arrival }: ReportInput): string[] {
  const lines = [`This is the mail system at ${hostname}. The message was received at ${arrival}.`, ''];
  const kinds = [...new Set(recipients.map(({ kind }) => kind))];
  for (const kind of kinds) {
    lines.push(SENTENCES[kind], '');
    for (const { original, address, text, host, ...one } of recipients) {
      if (one.kind !== kind) continue;
      lines.push(
        `<${oneLine(original)}>${address === original ? '' : ` (expanded from or sent to <${oneLine(address)}>)`}`,
      );
      lines.push(`    ${host === undefined ? '' : `${oneLine(host)} said: `}${oneLine(text)}`, '');
    }
  }
  return lines;
}

/** RFC 3464 2.2 and 2.3. */
function statusFields(input: ReportInput): string[] {
  const type = input.utf8 ? 'utf-8' : 'rfc822';
  const lines: string[] = [];
  if (input.envid !== undefined) lines.push(`Original-Envelope-Id: ${oneLine(input.envid)}`);
  lines.push(`Reporting-MTA: dns; ${input.hostname}`, `Arrival-Date: ${input.arrival}`, '');
  for (const one of input.recipients) {
    if (one.orcpt !== undefined) lines.push(`Original-Recipient: ${oneLine(one.orcpt)}`);
    lines.push(`Final-Recipient: ${type}; ${oneLine(one.address)}`, `Action: ${one.kind}`, `Status: ${one.status}`);
    if (one.host !== undefined) lines.push(`Remote-MTA: dns; ${oneLine(one.host)}`);
    lines.push(`Diagnostic-Code: ${one.host === undefined ? 'X-tmail' : 'smtp'}; ${oneLine(one.text)}`);
    if (one.kind === 'delayed' && input.willRetryUntil !== undefined)
      lines.push(`Will-Retry-Until: ${input.willRetryUntil}`);
    lines.push('');
  }
  return lines;
}

/** One line without control characters, cut well below the limit of a line (RFC 5322 2.1.1). */
function oneLine(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return clean.length <= 500 ? clean : `${clean.slice(0, 500)}...`;
}
