/** What the storm test and its child agree on. */
import type { NewMessage } from '../../src/mailbox/mailbox.ts';

export { randomFrom } from '../core/sim-disk.ts';

export interface Operation {
  readonly kind: 'append' | 'remove' | 'flags';
  readonly numbers: readonly number[];
}

/** Octets of the body of a message: from nothing to some blocks. */
export function size(number: number): number {
  return (Math.imul(number + 1, 2_654_435_761) >>> 0) % 30_000;
}

export function bodyOf(number: number): string {
  const line = `line of message ${number}\n`;
  return line.repeat(Math.floor(size(number) / line.length) + 1);
}

export function letter(number: number): NewMessage {
  const content = Buffer.from(`From: ann@example.org\nSubject: n${number}\n\n${bodyOf(number)}`);
  return { content, sender: 'ann@example.org', received: 1_767_268_800, quote: true };
}

export function numberOf(header: Uint8Array): number {
  return Number(/^Subject: n(\d+)/m.exec(Buffer.from(header).toString())?.[1] ?? -1);
}
