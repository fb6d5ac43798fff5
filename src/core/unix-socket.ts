/**
 * Paths of UNIX sockets. The kernel takes 107 bytes; a longer path is reached through a descriptor of its folder, so that a
 * mail system may live in a folder as deep as it likes.
 */
import { basename, dirname } from 'node:path';
import { type Disk, realDisk } from './files.ts';

const LONGEST = 107;

/** Calls `use` with a path that the kernel takes, for binding or connecting; it holds until what `use` returned is settled. */
export async function withSocketPath<T>(
  path: string,
  use: (path: string) => T | Promise<T>,
  disk: Disk = realDisk,
): Promise<T> {
  if (Buffer.byteLength(path) <= LONGEST) return use(path);
  const fd = disk.open(dirname(path), 'read');
  try {
    return await use(`/proc/self/fd/${fd}/${basename(path)}`);
  } finally {
    disk.close(fd);
  }
}
