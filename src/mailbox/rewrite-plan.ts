/**
 * How a file is changed in place: which bytes move where, in which order, and in which steps. Pure; journal.ts carries
 * it out.
 *
 * The new content is described by pieces. Bytes that keep their place are not touched. The others are *segments*, put
 * into an order in which each may be written without harming one that is still to be read:
 *
 * - segments that move down (or are new bytes), by ascending place, then
 * - segments that move up, and new bytes in front of such, by descending place.
 *
 * (A segment that moves down ends, at its new place, before the old place of every later one that moves up begins, and
 * begins after the old place of every earlier one ends: so the two groups do not meet.)
 *
 * All segments laid end to end in that order are the *work*, counted in octets; a *step* is a stretch of it. When the
 * places a step writes to hold nothing that the step itself or a later one must still read, it can be done again after
 * a crash from the file alone. Else its data must be in the journal first. The room that deletions leave grows as the
 * work goes on, so that only the first steps of a compaction need the journal.
 */

/** A piece of the new content: `keep` is a range of the old file, `from` inclusive, `to` exclusive. The kept ranges of
 *  a description ascend and do not overlap. */
export type Piece =
  | { readonly kind: 'keep'; readonly from: number; readonly to: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** Where bytes to be written come from: the file before the change, or new bytes number `index` at `offset`. */
export type Source =
  | { readonly kind: 'file'; readonly at: number }
  | { readonly kind: 'new'; readonly index: number; readonly offset: number };

/** Bytes to be written: to `to`, `length` of them. */
export interface Slice {
  readonly to: number;
  readonly length: number;
  readonly source: Source;
}

interface Segment extends Slice {
  /** Where it begins in the work. */
  start: number;
}

export interface Plan {
  readonly oldSize: number;
  readonly newSize: number;
  /** Lengths of the pieces in order, as they are kept in the journal. */
  readonly pieces: readonly PieceShape[];
  readonly segments: readonly Readonly<Segment>[];
  /** Octets of work of segments that go by ascending place; the rest goes by descending place. */
  readonly ascending: number;
  /** Octets of all work. */
  readonly work: number;
}

/** A piece without its bytes; `length` of new bytes. */
export type PieceShape =
  | { readonly kind: 'keep'; readonly from: number; readonly to: number }
  | { readonly kind: 'new'; readonly length: number };

export interface Step {
  /** Stretch of the work, `from` inclusive, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** The bytes it moves must be in the journal before it is begun. */
  readonly journaled: boolean;
}

/** Octets: how the steps are cut. */
export interface StepLimits {
  /** Work up to here is one journaled step: cheaper than the syncs that more steps cost. */
  readonly small: number;
  /** A step that needs no journal is taken when it is at least this long. */
  readonly free: number;
  /** The most that one step puts into the journal. */
  readonly journal: number;
}

export const STEP_LIMITS: StepLimits = { small: 4 << 20, free: 8 << 20, journal: 32 << 20 };

/** The shapes of pieces, empty ones left out and neighbours that belong together made one. */
export function shapesOf(pieces: readonly Piece[]): PieceShape[] {
  const shapes: PieceShape[] = [];
  for (const piece of pieces) {
    const last = shapes.at(-1);
    if (piece.kind === 'keep') {
      if (piece.from === piece.to) continue;
      if (last?.kind === 'keep' && last.to === piece.from) {
        shapes[shapes.length - 1] = { kind: 'keep', from: last.from, to: piece.to };
      } else shapes.push(piece);
    } else if (piece.bytes.length > 0) shapes.push({ kind: 'new', length: piece.bytes.length });
  }
  return shapes;
}

/** Plans the change; throws a RangeError when the pieces do not fit a file of `oldSize` octets. */
export function planRewrite(oldSize: number, pieces: readonly PieceShape[]): Plan {
  const all: Segment[] = [];
  let place = 0;
  let read = 0;
  let index = 0;
  for (const piece of pieces) {
    const length = piece.kind === 'keep' ? piece.to - piece.from : piece.length;
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError('a piece of a rewrite has no length');
    let source: Source;
    if (piece.kind === 'keep') {
      if (!(piece.from >= read && piece.to <= oldSize))
        throw new RangeError('the pieces of a rewrite do not fit the file');
      read = piece.to;
      source = { kind: 'file', at: piece.from };
    } else source = { kind: 'new', index: index++, offset: 0 };
    all.push({ to: place, length, source, start: 0 });
    place += length;
  }
  const up = goesUp(all);
  const segments = all.filter((segment, i) => up[i] === 0 && !stays(segment));
  const ascending = segments.reduce((sum, { length }) => sum + length, 0);
  for (let i = all.length - 1; i >= 0; i--) {
    const segment = all[i];
    if (segment !== undefined && up[i] === 1) segments.push(segment);
  }
  let work = 0;
  for (const segment of segments) {
    segment.start = work;
    work += segment.length;
  }
  return { oldSize, newSize: place, pieces, segments, ascending, work };
}

function stays(slice: Slice): boolean {
  return slice.source.kind === 'file' && slice.source.at === slice.to;
}

/** Which slices belong to those that go by descending place: moves up, and new bytes in front of one. */
function goesUp(slices: readonly Slice[]): Uint8Array {
  const up = new Uint8Array(slices.length);
  let next = false;
  for (let i = slices.length - 1; i >= 0; i--) {
    const slice = slices[i];
    if (slice === undefined) continue;
    if (slice.source.kind === 'file') next = slice.to > slice.source.at;
    up[i] = next ? 1 : 0;
  }
  return up;
}

/** The first segment that ends behind `work`. */
function segmentAt(plan: Plan, work: number): number {
  let low = 0;
  let high = plan.segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const segment = plan.segments[middle];
    if (segment !== undefined && segment.start + segment.length <= work) low = middle + 1;
    else high = middle;
  }
  return low;
}

function shifted(source: Source, by: number): Source {
  return source.kind === 'file'
    ? { kind: 'file', at: source.at + by }
    : { kind: 'new', index: source.index, offset: source.offset + by };
}

/** What a stretch of the work writes, by ascending place. */
export function slicesOf(plan: Plan, from: number, to: number): Slice[] {
  const ascending: Slice[] = [];
  const descending: Slice[] = [];
  for (let i = segmentAt(plan, from); i < plan.segments.length; i++) {
    const segment = plan.segments[i];
    if (segment === undefined || segment.start >= to) break;
    const begin = Math.max(from, segment.start) - segment.start;
    const end = Math.min(to, segment.start + segment.length) - segment.start;
    if (segment.start < plan.ascending) ascending.push(part(segment, begin, end));
    else descending.push(part(segment, segment.length - end, segment.length - begin));
  }
  if (descending.length === 0) return ascending;
  return [...ascending, ...descending.reverse()].sort((a, b) => a.to - b.to);
}

function part(slice: Slice, begin: number, end: number): Slice {
  if (begin === 0 && end === slice.length) return slice;
  return { to: slice.to + begin, length: end - begin, source: shifted(slice.source, begin) };
}

/** The step that begins at `from`. */
export function nextStep(plan: Plan, from: number, limits: StepLimits): Step {
  const rest = plan.work - from;
  if (rest <= Math.min(limits.small, limits.journal)) return { from, to: plan.work, journaled: true };
  const free = from < plan.ascending ? freeAscending(plan, from) : freeDescending(plan, from);
  if (free >= limits.free || free === rest) return { from, to: from + free, journaled: false };
  return { from, to: from + Math.min(rest, limits.journal), journaled: true };
}

/** How much work from here on writes only to places below every byte that is still to be moved. */
function freeAscending(plan: Plan, from: number): number {
  let unread = Number.POSITIVE_INFINITY;
  let free = 0;
  const first = segmentAt(plan, from);
  for (let i = first; i < plan.segments.length; i++) {
    const segment = plan.segments[i];
    if (segment === undefined || segment.start >= plan.ascending) break;
    if (segment.source.kind !== 'file') continue;
    unread = segment.source.at + Math.max(0, from - segment.start);
    break;
  }
  for (let i = first; i < plan.segments.length; i++) {
    const segment = plan.segments[i];
    if (segment === undefined || segment.start >= plan.ascending) break;
    const begin = Math.max(0, from - segment.start);
    const room = unread - (segment.to + begin);
    const length = segment.length - begin;
    if (room < length) return free + Math.max(0, room);
    free += length;
  }
  return free;
}

/** The same for moves up: only to places above every byte that is still to be moved. */
function freeDescending(plan: Plan, from: number): number {
  let unread = Number.NEGATIVE_INFINITY;
  let free = 0;
  const first = segmentAt(plan, from);
  for (let i = first; i < plan.segments.length; i++) {
    const segment = plan.segments[i];
    if (segment === undefined) break;
    if (segment.source.kind !== 'file') continue;
    unread = segment.source.at + segment.length - Math.max(0, from - segment.start);
    break;
  }
  for (let i = first; i < plan.segments.length; i++) {
    const segment = plan.segments[i];
    if (segment === undefined) break;
    const begin = Math.max(0, from - segment.start);
    const room = segment.to + segment.length - begin - unread;
    const length = segment.length - begin;
    if (room < length) return free + Math.max(0, room);
    free += length;
  }
  return free;
}

/** True when nothing of a stretch of the work has to be read from the file. */
export function needsNoSource(plan: Plan, step: Step): boolean {
  if (step.journaled) return true;
  for (let i = segmentAt(plan, step.from); i < plan.segments.length; i++) {
    const segment = plan.segments[i];
    if (segment === undefined || segment.start >= step.to) break;
    if (segment.source.kind === 'file') return false;
  }
  return true;
}
