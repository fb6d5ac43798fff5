/**
 * Slots of an open mbox: which row each one is now. A slot keeps its meaning as long as the mailbox is open; rows are the
 * file as it is at the moment, and change when anybody changes the file.
 */
import type { MessageInfo, Others } from './mailbox.ts';
import { GoneInfo } from './mbox-info.ts';
import { RowBit, type Rows } from './rows.ts';

export class Slots {
  /** Row of each slot, -1 when gone; slot of each row, -1 when hidden. Undefined as long as no message has come or gone:
   *  then slot n is row n, or the next one when the first is hidden, and a large mailbox needs no tables. */
  #tables: { rowOf: number[]; slotOf: number[] } | undefined;
  #count = 0;
  #hidden = 0;
  readonly #gone = new Map<number, MessageInfo>();
  /** Slots that are gone by no doing of ours, by identity: they may come back (a file looked at while it was written). */
  readonly #lost = new Map<number, number[]>();
  /** Slots whose message may be another one, equal to it, that came later. */
  readonly #doubtful = new Set<number>();

  get length(): number {
    return this.#tables?.rowOf.length ?? this.#count;
  }

  /** The row of a slot, or -1. */
  rowOf(slot: number): number {
    if (this.#tables !== undefined) return this.#tables.rowOf[slot] ?? -1;
    return slot >= 0 && slot < this.#count ? slot + this.#hidden : -1;
  }

  /** The row of slot 0 as long as the others follow in order; undefined when slots need looking up. */
  get firstRow(): number | undefined {
    return this.#tables === undefined ? this.#hidden : undefined;
  }

  /**
   * The message was found again where mailboxes do not put one: behind one that it was before, or after it had been gone.
   * It may have been moved, or been removed and delivered once more; then it was never shown.
   */
  isDoubtful(slot: number): boolean {
    return this.#doubtful.has(slot);
  }

  /** What is left of a message that is gone. Throws a RangeError for a slot that never was. */
  goneAt(slot: number): MessageInfo {
    const info = this.#gone.get(slot);
    if (info === undefined) throw new RangeError(`no slot ${slot}`);
    return info;
  }

  /** One slot for each row that is shown, in order. (Only the first can be hidden.) */
  start(rows: Rows): void {
    this.#tables = undefined;
    this.#gone.clear();
    this.#lost.clear();
    this.#doubtful.clear();
    this.#hidden = rows.length > 0 && isHidden(rows, 0) ? 1 : 0;
    this.#count = rows.length - this.#hidden;
  }

  #makeTables(): { rowOf: number[]; slotOf: number[] } {
    const rowOf = Array.from({ length: this.#count }, (_, slot) => slot + this.#hidden);
    const slotOf = Array.from({ length: this.#count + this.#hidden }, (_, row) => row - this.#hidden);
    return { rowOf, slotOf };
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
    const { rowOf, slotOf: slotsBefore } = this.#tables ?? this.#makeTables();
    for (const slot of slotsBefore) if (slot >= 0) left.add(slot);
    const slotOf = new Array<number>(rows.length).fill(-1);
    this.#tables = { rowOf, slotOf };
    const place = (slot: number, row: number): void => {
      rowOf[slot] = row;
      slotOf[row] = slot;
    };
    const fresh: number[] = [];
    let highest = -1;
    for (let row = 0; row < rows.length; row++) {
      if (isHidden(rows, row)) continue;
      const old = match[row] ?? -1;
      const slot = old < 0 ? -1 : (slotsBefore[old] ?? -1);
      if (slot < 0) {
        fresh.push(row);
        continue;
      }
      left.delete(slot);
      place(slot, row);
      if (old < highest) this.#doubtful.add(slot);
      else highest = old;
      if (rows.flags(row) !== before.flags(old) || rows.keywords(row) !== before.keywords(old)) flagged.push(slot);
    }
    const back = fresh.map((row) => this.#comeBack(rows.identity(row)));
    for (const slot of left) {
      this.#leave(slot, before, rowOf[slot] ?? 0, final.has(slot));
      rowOf[slot] = -1;
      removed.push(slot);
    }
    for (const [i, row] of fresh.entries()) {
      const slot = back[i] ?? rowOf.length;
      if (slot === rowOf.length) added.push(slot);
      place(slot, row);
    }
    return { added, removed, flagged };
  }

  #leave(slot: number, before: Rows, row: number, final: boolean): void {
    this.#gone.set(slot, new GoneInfo(before, row));
    if (final) return;
    const identity = before.identity(row);
    const others = this.#lost.get(identity);
    if (others === undefined) this.#lost.set(identity, [slot]);
    else others.push(slot);
  }

  /** A slot that was lost and whose message is there again. */
  #comeBack(identity: number): number | undefined {
    const slot = this.#lost.get(identity)?.shift();
    if (slot !== undefined) {
      this.#gone.delete(slot);
      this.#doubtful.add(slot);
    }
    return slot;
  }
}

/** Kept in the file, but not shown. */
export function isHidden(rows: Rows, row: number): boolean {
  return (rows.bits(row) & RowBit.pseudo) !== 0;
}
