/**
 * UIDs that outlive other programs' edits. Pure.
 *
 * A UID names one message for ever within one UIDVALIDITY, and UIDs ascend in mailbox order (RFC 9051 2.3.1.1). After
 * another program wrote the file anew, messages are found again by their identity (scan.ts). Those that are left keep
 * their UIDs when their order is the old one and what is new came behind; else UIDs can no longer ascend, and the
 * UIDVALIDITY rises.
 */

/**
 * For each new message, the old one that it is, or -1. `first` and `second` are identities in order; of several equal
 * ones the first goes with the first.
 */
export function matchByIdentity(oldOnes: ArrayLike<number>, newOnes: ArrayLike<number>): Int32Array {
  const result = new Int32Array(newOnes.length).fill(-1);
  // Most often one is the beginning of the other: that needs no table.
  let same = 0;
  const shorter = Math.min(oldOnes.length, newOnes.length);
  while (same < shorter && oldOnes[same] === newOnes[same]) {
    result[same] = same;
    same++;
  }
  if (same === newOnes.length) return result;
  const next = new Int32Array(oldOnes.length).fill(-1);
  const first = new Map<number, number>();
  for (let i = oldOnes.length - 1; i >= same; i--) {
    const identity = oldOnes[i] ?? 0;
    next[i] = first.get(identity) ?? -1;
    first.set(identity, i);
  }
  for (let i = same; i < newOnes.length; i++) {
    const identity = newOnes[i] ?? 0;
    const old = first.get(identity);
    if (old === undefined) continue;
    result[i] = old;
    const later = next[old] ?? -1;
    if (later < 0) first.delete(identity);
    else first.set(identity, later);
  }
  return result;
}

export interface UidState {
  readonly uidValidity: number;
  /** The UID that the next new message will get. */
  readonly uidNext: number;
}

/** UIDs of messages in mailbox order: `known` has those that are known already, 0 for a new message. */
export function assignUids(
  known: ArrayLike<number>,
  state: UidState,
  nowSeconds: number,
): UidState & { uids: Uint32Array } {
  const uids = new Uint32Array(known.length);
  let { uidValidity, uidNext } = state;
  let last = 0;
  let ascending = true;
  for (let i = 0; i < known.length && ascending; i++) {
    const uid = known[i] ?? 0;
    uids[i] = uid !== 0 ? uid : uidNext++;
    ascending = (uids[i] ?? 0) > last && (uid === 0 || uid < state.uidNext);
    last = uids[i] ?? 0;
  }
  if (!ascending || uidNext > 0xffff_fff0) {
    uidValidity = Math.max(uidValidity + 1, Math.floor(nowSeconds));
    uidNext = 1;
    for (let i = 0; i < uids.length; i++) uids[i] = uidNext++;
  }
  return { uidValidity, uidNext, uids };
}
