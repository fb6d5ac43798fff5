/** Reads the rows of a file, whatever kind of mbox it is; says clearly when it is none. */
import { UserError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';
import { isOneMessage } from './file-kind.ts';
import { kernelFor } from './kernel.ts';
import type { Location } from './mailbox.ts';
import { addWhole, isMmdf, scanMmdf } from './mmdf.ts';
import { RowBit, type Rows } from './rows.ts';
import { NotMbox, type Source, scanInto } from './scan.ts';

/** What c-client (pine, UW imapd) puts first into its mailboxes; the others must not show it. */
const PSEUDO = /^Subject:[^\n]*FOLDER INTERNAL DATA/im;
const PSEUDO_FIELD = /^X-IMAP(base)?:/im;
const PSEUDO_LOOK = 4096;

/**
 * Adds the rows of the first `size` octets of an open file from `from` on (0, or the start of a message) to `rows`.
 * Throws a UserError that shows the first line when the file is no mbox.
 */
export function readRows(disk: Disk, location: Location, fd: number, size: number, rows: Rows, from: number): void {
  const source: Source = { read: (into, position) => disk.read(fd, into, position) };
  if (location.kind === 'message' || (location.kind === 'compressed' && isOneMessage(startOf(source, size)))) {
    if (size > 0) addWhole(rows, source, 0, 0, size);
    return;
  }
  if (from === 0 && isMmdf(source)) {
    scanMmdf(rows, source, size);
    return;
  }
  const before = rows.length;
  try {
    scanInto(rows, kernelFor(size - from), source, size, from);
  } catch (error) {
    if (!(error instanceof NotMbox)) throw error;
    const line = Buffer.from(error.line)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 60);
    throw new UserError(`${location.path} is not a mailbox: its first line is "${line}"`);
  }
  if (before === 0 && rows.length > 0 && isPseudo(rows, source)) rows.setBits(0, rows.bits(0) | RowBit.pseudo);
}

function startOf(source: Source, size: number): Uint8Array {
  const start = new Uint8Array(Math.min(size, 65536));
  source.read(start, 0);
  return start;
}

function isPseudo(rows: Rows, source: Source): boolean {
  const bytes = Buffer.alloc(Math.min(rows.headerSize(0), PSEUDO_LOOK));
  source.read(bytes, rows.start(0));
  const header = bytes.toString('latin1');
  return PSEUDO.test(header) && PSEUDO_FIELD.test(header);
}
