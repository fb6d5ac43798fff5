/**
 * Tells whether a file is still the one that was read, and when not, whether something was only appended to it.
 * The change time counts too: mutt sets the modification time back when it has rewritten a mailbox.
 */
import type { Disk, FileStat } from '../core/files.ts';

export interface Fingerprint {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Hash of the first EDGE octets, and of the EDGE octets that end at `size`. */
  readonly head: number;
  readonly tail: number;
}

const EDGE = 4096;

/** Octets as a number below 2^53. Not cryptographic. */
export function hashOctets(bytes: Uint8Array): number {
  let h1 = 0x811c_9dc5;
  let h2 = 0x9e37_79b1;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i] ?? 0;
    h1 = Math.imul(h1 ^ c, 0x0100_0193);
    h2 = Math.imul((h2 + c) | 0, 0x85eb_ca6b);
    h2 ^= h2 >>> 15;
  }
  return (h1 >>> 0) * 0x20_0000 + (h2 >>> 11);
}

function edges(disk: Disk, fd: number, size: number): { head: number; tail: number } {
  const block = new Uint8Array(Math.min(EDGE, size));
  const head = hashOctets(block.subarray(0, disk.read(fd, block, 0)));
  if (size <= EDGE) return { head, tail: head };
  return { head, tail: hashOctets(block.subarray(0, disk.read(fd, block, size - EDGE))) };
}

/** The fingerprint of the open file, whose stat was taken before it was read. */
export function fingerprint(disk: Disk, fd: number, stat: FileStat): Fingerprint {
  const { dev, ino, size, mtimeNs, ctimeNs = mtimeNs } = stat;
  return { dev, ino, size, mtimeNs, ctimeNs, ...edges(disk, fd, size) };
}

/** The file has not been touched since. Costs nothing. */
export function sameFile(print: Fingerprint, stat: FileStat): boolean {
  return (
    print.size === stat.size &&
    print.mtimeNs === stat.mtimeNs &&
    print.ctimeNs === (stat.ctimeNs ?? stat.mtimeNs) &&
    print.ino === stat.ino &&
    print.dev === stat.dev
  );
}

/** The file is larger, and begins and goes on to the old end as it did: something was appended. */
export function onlyAppended(print: Fingerprint, disk: Disk, fd: number, stat: FileStat): boolean {
  if (print.ino !== stat.ino || print.dev !== stat.dev || stat.size <= print.size) return false;
  const { head, tail } = edges(disk, fd, print.size);
  return head === print.head && tail === print.tail;
}
