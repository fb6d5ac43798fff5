/**
 * The lock on the queue folder: one process at a time works with it, or two would deliver everything twice.
 */
import { join } from 'node:path';
import type { Disk } from '../core/files.ts';
import { recordLocks } from '../core/libc.ts';

export interface QueueLock {
  /** However often it is called. */
  release(): void;
}

/** Undefined when another process has it. Where the system knows no record locks it is taken for free. */
export function lockQueue(disk: Disk, dir: string): QueueLock | undefined {
  const fd = disk.open(join(dir, 'lock'), 'create', 0o600);
  if (recordLocks()?.tryLock(fd, 'write') === 'held') {
    disk.close(fd);
    return undefined;
  }
  let held = true;
  return {
    release() {
      if (held) disk.close(fd);
      held = false;
    },
  };
}
