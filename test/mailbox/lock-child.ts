/**
 * A process that locks a mailbox with our locker.
 *
 *     hold FILE           locks for writing, prints "held", releases when standard input ends
 *     count FILE ROUNDS   prints "ready", waits for the end of standard input, then adds one to the number in FILE,
 *                         under a lock of its own each time
 *     add FILE            appends messages, under a lock of its own each, until standard input ends; prints "adding"
 *                         after the first, and at the end how many
 */
import { setTimeout } from 'node:timers/promises';
import { realDisk } from '../../src/core/files.ts';
import { createLocker, MovedError } from '../../src/mailbox/lock.ts';

const [what = '', file = '', rounds = '1'] = process.argv.slice(2);
const notify = (text: string) => void process.stdout.write(`${text}\n`);
const locker = createLocker({ disk: realDisk, hostname: 'box.example.org', now: Date.now, notify });

async function locked(work: (fd: number) => Promise<void> | void): Promise<void> {
  for (;;) {
    const fd = realDisk.open(file, 'create', 0o600);
    try {
      const lock = await locker.lock(file, fd, 'write');
      try {
        return await work(fd);
      } finally {
        lock.release();
      }
    } catch (error) {
      if (!(error instanceof MovedError)) throw error;
    } finally {
      realDisk.close(fd);
    }
  }
}

function read(fd: number): string {
  const bytes = Buffer.alloc(realDisk.fstat(fd).size);
  realDisk.read(fd, bytes, 0);
  return bytes.toString('latin1');
}

const WORK: Record<string, () => Promise<void>> = {
  hold: () =>
    locked(async () => {
      notify('held');
      for await (const _ of process.stdin);
    }),

  async count() {
    notify('ready');
    for await (const _ of process.stdin);
    for (let i = 0; i < Number(rounds); i++) {
      await locked((fd) => realDisk.write(fd, Buffer.from(String(Number(read(fd)) + 1)), 0));
    }
  },

  async add() {
    let more = true;
    process.stdin.on('end', () => (more = false)).resume();
    let count = 0;
    for (; more; count++) {
      const message = `From ann@a.test Thu Jan  1 12:00:00 2026\nFrom: ann@a.test\nSubject: added ${count}\n\nhello\n\n`;
      await locked((fd) => realDisk.write(fd, Buffer.from(message), realDisk.fstat(fd).size));
      if (count === 0) notify('adding');
      // Fast enough to get in everybody's way, and slow enough to keep the mailbox small.
      await setTimeout(2);
    }
    notify(String(count));
  },
};

await WORK[what]?.();
