/**
 * Slots of an open mbox: which row each one is now. A slot keeps its meaning as long as the mailbox is open; rows are the
 * file as it is at the moment, and change when anybody changes the file.
 */
import type { MessageInfo, Others } from './mailbox.ts';
import { GoneInfo } from './mbox-info.ts';
import { RowBit, type Rows } from './rows.ts';

export class Slots {
  /** Row of each slot, -1 when gone. */
  #rowOf: number[] = [];
  /** Slot of each row, -1 when hidden. */
  #slotOf: number[] = [];
  readonly #gone = new Map<number, MessageInfo>();
  /** Slots that are gone by no doing of ours, by identity: they may come back (a file looked at while it was written). */
  readonly #lost = new Map<number, number[]>();

  get length(): number {
    return this.#rowOf.length;
  }

  /** The row of a slot, or -1. */
  rowOf(slot: number): number {
    return this.#rowOf[slot] ?? -1;
  }

  /** What is left of a message that is gone. Throws a RangeError for a slot that never was. */
  goneAt(slot: number): MessageInfo {
    const info = this.#gone.get(slot);
    if (info === undefined) throw new RangeError(`no slot ${slot}`);
    return info;
  }

  /** One slot for each row that is shown, in order. */
  start(rows: Rows): void {
    this.#rowOf = [];
    this.#slotOf = [];
    this.#gone.clear();
    this.#lost.clear();
    for (let row = 0; row < rows.length; row++) this.#slotOf.push(isHidden(rows, row) ? -1 : this.#rowOf.push(row) - 1);
  }

  /**
   * The file has other rows now. `match` has, for each new row, the old one that it is, or -1; slots in `final` were
   * removed by ourselves. Returns what became of the slots.
   */
  follow(before: Rows, rows: Rows, match: Int32Array, final: ReadonlySet<number>): Others {
    const added: number[] = [];
    const removed: number[] = [];
    const flagged: number[] = [];
    const left = new Set<number>();
    for (const slot of this.#slotOf) if (slot >= 0) left.add(slot);
    const slotsBefore = this.#slotOf;
    this.#slotOf = new Array<number>(rows.length).fill(-1);
    const fresh: number[] = [];
    for (let row = 0; row < rows.length; row++) {
      if (isHidden(rows, row)) continue;
      const old = match[row] ?? -1;
      const slot = old < 0 ? -1 : (slotsBefore[old] ?? -1);
      if (slot < 0) {
        fresh.push(row);
        continue;
      }
      left.delete(slot);
      this.#place(slot, row);
      if (rows.flags(row) !== before.flags(old) || rows.keywords(row) !== before.keywords(old)) flagged.push(slot);
    }
    const back = fresh.map((row) => this.#comeBack(rows.identity(row)));
    for (const slot of left) {
      this.#leave(slot, before, final.has(slot));
      removed.push(slot);
    }
    for (const [i, row] of fresh.entries()) {
      const slot = back[i] ?? this.#rowOf.length;
      if (slot === this.#rowOf.length) added.push(slot);
      this.#place(slot, row);
    }
    return { added, removed, flagged };
  }

  #place(slot: number, row: number): void {
    this.#rowOf[slot] = row;
    this.#slotOf[row] = slot;
  }

  #leave(slot: number, before: Rows, final: boolean): void {
    const row = this.#rowOf[slot] ?? 0;
    this.#gone.set(slot, new GoneInfo(before, row));
    this.#rowOf[slot] = -1;
    if (final) return;
    const identity = before.identity(row);
    const others = this.#lost.get(identity);
    if (others === undefined) this.#lost.set(identity, [slot]);
    else others.push(slot);
  }

  /** A slot that was lost and whose message is there again. */
  #comeBack(identity: number): number | undefined {
    const slot = this.#lost.get(identity)?.shift();
    if (slot !== undefined) this.#gone.delete(slot);
    return slot;
  }
}

/** Kept in the file, but not shown. */
export function isHidden(rows: Rows, row: number): boolean {
  return (rows.bits(row) & RowBit.pseudo) !== 0;
}
