/** MessageInfo of an mbox message: what the row says at once, what must be read or promised only when it is asked for. */
import { parseFromLine } from './from-line.ts';
import type { Flags, MessageInfo, Uid } from './mailbox.ts';
import type { Rows } from './rows.ts';
import { fieldLines } from './status.ts';

/** What costs something to know. */
export interface LookUps {
  uidOf(slot: number): Uid;
  keywordsAt(slot: number): readonly string[];
  fromLineAt(slot: number): Uint8Array;
  /** For messages without a From_ line. */
  envelopeOf(slot: number): { sender: string; received: number | undefined } | undefined;
}

export class RowInfo implements MessageInfo {
  readonly flags: Flags;
  readonly size: number;
  readonly lines: number;
  readonly headerSize: number;
  readonly gone = false;
  readonly #box: LookUps;
  readonly #slot: number;
  #envelope: { sender: string; received: number | undefined } | undefined;

  constructor(box: LookUps, slot: number, rows: Rows, row: number) {
    this.#box = box;
    this.#slot = slot;
    this.flags = rows.flags(row);
    this.size = rows.size(row);
    this.lines = rows.lines(row);
    this.headerSize = rows.headerSize(row);
  }

  get uid(): Uid {
    return this.#box.uidOf(this.#slot);
  }
  get keywords(): readonly string[] {
    return this.#box.keywordsAt(this.#slot);
  }
  get sender(): string {
    return this.#parsed().sender;
  }
  get received(): number | undefined {
    return this.#parsed().received;
  }

  #parsed(): { sender: string; received: number | undefined } {
    this.#envelope ??= this.#box.envelopeOf(this.#slot) ?? parseFromLine(this.#box.fromLineAt(this.#slot));
    return this.#envelope;
  }
}

/** What is left of a message that is gone. */
export class GoneInfo implements MessageInfo {
  readonly uid: Uid;
  readonly flags: Flags;
  readonly size: number;
  readonly lines: number;
  readonly headerSize: number;
  readonly keywords: readonly string[] = [];
  readonly received = undefined;
  readonly sender = '';
  readonly gone = true;

  constructor(rows: Rows, row: number) {
    this.uid = rows.uid(row) as Uid;
    this.flags = rows.flags(row);
    this.size = rows.size(row);
    this.lines = rows.lines(row);
    this.headerSize = rows.headerSize(row);
  }
}

/** Address in Return-Path, else the first one in From; '' when there is none. */
export function senderOf(header: Uint8Array): string {
  for (const name of ['return-path', 'from']) {
    const [line] = fieldLines(header, name);
    if (line === undefined) continue;
    const text = Buffer.from(header.subarray(line.value, line.end)).toString('utf8');
    const found = /<([^<>\s]*)>/.exec(text)?.[1] ?? /[^\s<>,]+@[^\s<>,]+/.exec(text)?.[0];
    if (found !== undefined) return found;
  }
  return '';
}
