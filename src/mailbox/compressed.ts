/**
 * Compressed mailboxes, gzip and zstd, for reading only.
 *
 * They are decompressed into a file of our own that has no name any more, and read like every other mbox: memory stays
 * bounded, and nothing is left behind however the program ends. Of a file that is damaged or cut off, what can be read
 * is shown, with a note.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import type { Location, MailboxContext } from './mailbox.ts';

type Compressed = Extract<Location, { kind: 'compressed' }>;

/** zlib of newer versions of node knows zstd. Asked when it is needed: zlib takes long to load. */
function zstdOfNode(): Transform | undefined {
  const zlib = process.getBuiltinModule('node:zlib') as unknown as { createZstdDecompress?: () => Transform };
  return zlib.createZstdDecompress?.();
}

/** The content of the file, in a nameless file that is open for reading, and what there is to say about it.
 *  Throws a UserError when nothing can be read from it, a MailError when there is no room for the content. */
export async function decompress(
  context: MailboxContext,
  location: Compressed,
): Promise<{ fd: number; size: number; notes: string[] }> {
  const { disk } = context;
  const fd = openNameless(context);
  let size = 0;
  try {
    try {
      for await (const chunk of contentOf(location)) {
        write(disk, fd, chunk, size, location.path);
        size += chunk.length;
      }
      return { fd, size, notes: [] };
    } catch (error) {
      if (error instanceof MailError || error instanceof UserError) throw error;
      const why = whyNot(error);
      if (size === 0) throw new UserError(`${location.path} cannot be decompressed: ${why}`);
      return { fd, size, notes: [`${location.path} is damaged (${why}): only its first ${size} octets are shown.`] };
    }
  } catch (error) {
    disk.close(fd);
    throw error;
  }
}

function write(disk: Disk, fd: number, bytes: Uint8Array, at: number, path: string): void {
  try {
    disk.write(fd, bytes, at);
  } catch (error) {
    throw new MailError(`${path} cannot be decompressed: ${reasonOf(error)}`, { temporary: true, cause: error });
  }
}

function whyNot(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/[^\x20-\x7e]/g, ' ');
}

/** A file without a name: below the state folder, since what /tmp holds may be memory. */
function openNameless({ disk, stateDir }: MailboxContext): number {
  const name = `tmail-${process.pid}-${randomBytes(8).toString('hex')}`;
  let reason: unknown;
  for (const folder of [join(stateDir, 'tmp'), tmpdir()]) {
    try {
      if (folder !== tmpdir()) disk.mkdir(folder, 0o700);
      const path = join(folder, name);
      const fd = disk.open(path, 'exclusive', 0o600);
      disk.unlink(path);
      return fd;
    } catch (error) {
      reason = error;
    }
  }
  throw new MailError(`no file can be made to decompress to: ${reasonOf(reason)}`, { temporary: true, cause: reason });
}

async function* contentOf({ path, coding }: Compressed): AsyncGenerator<Uint8Array> {
  const decoder = coding === 'gzip' ? createGunzip() : zstdOfNode();
  if (decoder === undefined) {
    yield* outputOf('zstd', ['-dc', '-q', '--', path], path);
    return;
  }
  const file = createReadStream(path);
  file.on('error', (error) => decoder.destroy(error));
  try {
    yield* file.pipe(decoder) as Readable & AsyncIterable<Uint8Array>;
  } finally {
    file.destroy();
  }
}

async function* outputOf(command: string, args: readonly string[], path: string): AsyncGenerator<Uint8Array> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    if (complaint.length < 500) complaint += text.toString('latin1');
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  ended.catch(() => {});
  try {
    yield* child.stdout as Readable & AsyncIterable<Uint8Array>;
  } finally {
    child.stdout.destroy();
  }
  try {
    const [status] = await ended;
    if (status !== 0) throw new Error(complaint.trim().split('\n')[0] || `${command} ended with status ${status}`);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new UserError(`${path} is compressed with zstd: install the program zstd to read it`);
  }
}
