/**
 * The daemon's log: one typed event for each thing that happens, never prose, never a password or a body.
 *
 * A line is a JSON object with `time` and `event` first, so that `tmail trace` and `tmail audit` can read it back; or the
 * classic maillog form that people and scripts know from sendmail. Texts that came from outside are escaped by JSON or,
 * in maillog lines, made visible: no peer can forge a line or drive a terminal.
 */
import { type Disk, realDisk } from './files.ts';
import { visible } from './text.ts';

export type LogValue = string | number | boolean | readonly string[] | undefined;

/** What happened, by name, with its fields. `id` is the queue id where there is one. */
export interface LogEvent {
  readonly event: string;
  readonly id?: string;
  readonly [field: string]: LogValue;
}

export interface Log {
  /** It is in the file by the end of this turn of the event loop. */
  write(event: LogEvent): void;
  /** Opens the file anew: after it was renamed away (SIGUSR2). When it throws, the log goes on in the old file. */
  reopen(): void;
  close(): void;
}

export type LogForm = 'json' | 'maillog';

export interface LogOptions {
  /** The file, appended to; undefined: standard error. */
  readonly file: string | undefined;
  readonly form: LogForm;
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly disk?: Disk;
}

export function createLog(options: LogOptions): Log {
  const disk = options.disk ?? realDisk;
  let open = openFile(disk, options.file);
  const format = options.form === 'json' ? jsonLine : maillogLine;
  let lines = '';
  const flush = () => {
    if (lines === '') return;
    const bytes = Buffer.from(lines);
    lines = '';
    if (open === undefined) {
      process.stderr.write(bytes);
      return;
    }
    try {
      disk.write(open.fd, bytes, open.end);
      open.end += bytes.length;
    } catch {
      // A full disk must not stop the mail; the console is what is left.
      process.stderr.write(bytes);
    }
  };
  return {
    write(event) {
      // A busy server logs many events in one turn: one write for all.
      if (lines === '') setImmediate(flush);
      lines += `${format(event, options)}\n`;
    },
    reopen() {
      flush();
      const before = open;
      open = openFile(disk, options.file);
      if (before !== undefined) disk.close(before.fd);
    },
    close() {
      flush();
      if (open !== undefined) disk.close(open.fd);
      open = undefined;
    },
  };
}

function openFile(disk: Disk, file: string | undefined): { readonly fd: number; end: number } | undefined {
  if (file === undefined) return undefined;
  const fd = disk.open(file, 'create', 0o640);
  return { fd, end: disk.fstat(fd).size };
}

function jsonLine({ event, ...fields }: LogEvent, { now }: LogOptions): string {
  return JSON.stringify({ time: new Date(now()).toISOString(), event, ...fields });
}

/** `Nov 25 03:44:00 host tmail[12]: ID: event, name=value, name=value`. */
function maillogLine({ event, id, ...fields }: LogEvent, { now, hostname }: LogOptions): string {
  const date = new Date(now());
  const month = date.toLocaleString('en', { month: 'short' });
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
  const stamp = `${month} ${String(date.getDate()).padStart(2)} ${clock}`;
  const words = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${visible(String(value))}`],
  );
  const what = [event, ...words].join(', ');
  return `${stamp} ${hostname.split('.')[0]} tmail[${process.pid}]: ${id === undefined ? '' : `${id}: `}${what}`;
}
