/** A simulated disk with one file on it, and what the tests of the journal ask about it. */
import type { Piece } from '../../src/mailbox/journal.ts';
import { recover, rewrite } from '../../src/mailbox/journal.ts';
import type { JournalContext } from '../../src/mailbox/journal-open.ts';
import type { StepLimits } from '../../src/mailbox/rewrite-plan.ts';
import { SimDisk } from '../core/sim-disk.ts';

export const BOX = '/var/mail/lee';
export const JOURNAL = '/home/lee/state/journal/var%2Fmail%2Flee';

export function worldWith(content: string): SimDisk {
  const disk = new SimDisk();
  disk.put(BOX, content);
  disk.putFolder('/home/lee');
  return disk;
}

export function contextOn(disk: SimDisk): JournalContext {
  return { disk, stateDir: '/home/lee/state', stateDirsOf: () => ['/var/lib/tmail'], now: () => 1_700_000_000_000 };
}

export function keep(from: number, to: number): Piece {
  return { kind: 'keep', from, to };
}

export function fresh(text: string): Piece {
  return { kind: 'bytes', bytes: Buffer.from(text, 'latin1') };
}

/** What the content must be: the simple way. */
export function modelOf(old: string, pieces: readonly Piece[]): string {
  const part = (piece: Piece): string =>
    piece.kind === 'keep' ? old.slice(piece.from, piece.to) : Buffer.from(piece.bytes).toString('latin1');
  return pieces.map(part).join('');
}

export function rewriteOn(disk: SimDisk, pieces: readonly Piece[], limits?: StepLimits): void {
  const fd = disk.open(BOX, 'write');
  try {
    rewrite(contextOn(disk), BOX, fd, disk.fstat(fd).size, pieces, limits);
  } finally {
    disk.close(fd);
  }
}

export function recoverOn(disk: SimDisk): ReturnType<typeof recover> {
  const fd = disk.open(BOX, 'write');
  try {
    return recover(contextOn(disk), BOX, fd);
  } finally {
    disk.close(fd);
  }
}

/** The same disk again, to try something else on. */
export function copyOf(disk: SimDisk): SimDisk {
  return disk.afterCrash(() => 'lost');
}
