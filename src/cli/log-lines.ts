/**
 * Reads the daemon's log back, oldest lines first: what logrotate put away (`LOG.2.gz`, `LOG.1`, `LOG-20261125`), then the log.
 * A line at a time would cost a turn each, so lines come by the block.
 */
import { createReadStream, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { EX, errnoOf, MailError, reasonOf, UserError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { type LoggedEvent, readEvent } from '../daemon/events.ts';

const BLOCK = 1024 * 1024;

/** Files of the log, oldest first. `since`: those that were written last before it (milliseconds) are left out. */
export function logFiles(path: string, since = 0, disk: Disk = realDisk): string[] {
  const base = basename(path);
  let names: string[];
  try {
    names = readdirSync(dirname(path)).filter((name) => name.startsWith(base));
  } catch (error) {
    throw unreadable(path, error);
  }
  const rotated = names
    .map((name) => ({ name, age: ageOf(name.slice(base.length)) }))
    .filter((one): one is { name: string; age: number } => one.age !== undefined)
    .sort((a, b) => b.age - a.age)
    .map(({ name }) => join(dirname(path), name))
    .filter((file) => Number((disk.stat(file)?.mtimeNs ?? 0n) / 1_000_000n) >= since);
  return names.includes(base) ? [...rotated, path] : rotated;
}

/** The greater, the older; undefined when the file is no part of the log. */
function ageOf(ending: string): number | undefined {
  const counted = /^\.(\d{1,6})(?:\.gz)?$/.exec(ending)?.[1];
  if (counted !== undefined) return Number(counted);
  const dated = /^-(\d{8,14})(?:\.gz)?$/.exec(ending)?.[1];
  return dated === undefined ? undefined : -Number(dated.padEnd(14, '0')) / 1e6 + 1e9;
}

/** Lines without their line end, many at a time. A last line without one is not given: it is being written. */
export async function* linesOf(path: string, start = 0): AsyncGenerator<readonly string[]> {
  let rest = '';
  const file = createReadStream(path, { highWaterMark: BLOCK, start });
  const stream = path.endsWith('.gz')
    ? file.pipe((await import('node:zlib')).createGunzip({ chunkSize: BLOCK }))
    : file;
  file.on('error', (error) => stream.destroy(error));
  stream.setEncoding('utf8');
  try {
    for await (const text of stream as AsyncIterable<string>) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      yield lines;
    }
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    file.destroy();
  }
}

export interface LogReading {
  /** Only lines of which this says true are looked at. */
  readonly wanted?: (line: string) => boolean;
  readonly event: (logged: LoggedEvent) => void;
}

/** What reading met. */
export interface LogTally {
  lines: number;
  /** Lines that are no events. */
  foreign: number;
  /** Of these, lines in the maillog form. */
  maillog: number;
}

/** Reads whole files; adds to `tally`. */
export async function readLog(files: readonly string[], { wanted, event }: LogReading, tally: LogTally): Promise<void> {
  for (const file of files) {
    for await (const lines of linesOf(file))
      takeLines(lines, { ...(wanted === undefined ? {} : { wanted }), event }, tally);
  }
}

export function takeLines(lines: readonly string[], { wanted, event }: LogReading, tally: LogTally): void {
  for (const line of lines) {
    tally.lines += 1;
    if (wanted !== undefined && !wanted(line)) continue;
    const logged = readEvent(line);
    if (logged !== undefined) event(logged);
    else {
      tally.foreign += 1;
      if (MAILLOG.test(line)) tally.maillog += 1;
    }
  }
}

const MAILLOG = /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ tmail\[/;

/** Refuses a log that was written in the other form. */
export function checkTally(path: string, { maillog, foreign }: LogTally): void {
  if (maillog > 0 && maillog === foreign) {
    throw new UserError(
      `${path}: written in the form maillog, which cannot be read back; set log.format = "json"`,
      EX.failure,
    );
  }
}

function unreadable(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (code === undefined) return error;
  if (code.startsWith('Z')) return new MailError(`${path}: damaged: ${reasonOf(error)}`, { temporary: false });
  const remedy =
    code === 'ENOENT'
      ? '; no daemon has run here, or log.file says that it writes elsewhere'
      : code === 'EACCES'
        ? '; only root may read it'
        : '';
  return new UserError(`${path}: ${reasonOf(error)}${remedy}`, code === 'EACCES' ? EX.noPermission : EX.failure);
}

/** The log's own file, held open: what is written meanwhile can be read later, even when the file was renamed away. */
export class LogTail {
  readonly #path: string;
  readonly #disk: Disk;
  readonly #fd: number;
  readonly #decoder = new StringDecoder('utf8');
  #at = 0;
  #rest = '';

  constructor(path: string, disk: Disk = realDisk) {
    this.#path = path;
    this.#disk = disk;
    try {
      this.#fd = disk.open(path, 'read');
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  /** What was written since the last time. */
  read(reading: LogReading, tally: LogTally): void {
    const block = new Uint8Array(BLOCK);
    for (let size = BLOCK; size === BLOCK; ) {
      size = this.#disk.read(this.#fd, block, this.#at);
      this.#at += size;
      const lines = (this.#rest + this.#decoder.write(Buffer.from(block.subarray(0, size)))).split('\n');
      this.#rest = lines.pop() ?? '';
      takeLines(lines, reading, tally);
    }
  }

  /** Another file has its name now. */
  get replaced(): boolean {
    return this.#disk.stat(this.#path)?.ino !== this.#disk.fstat(this.#fd).ino;
  }

  close(): void {
    this.#disk.close(this.#fd);
  }
}
