/**
 * Appends to a file so that after a crash at any point all of it is there, or nothing.
 *
 * What is appended goes by stretches of some MiB, so that its length need not be known beforehand. For each stretch
 * (`|` stands for a sync):
 *
 *     what is written, and where, to the journal | write | next stretch … | clear
 *
 * The octets are written in order, and the file is never longer than what was written: programs that read a mailbox
 * without any lock (bsd-mailx does) see a part of the message then, and take the rest for new mail.
 *
 * After a crash what is found behind the old end is ours as far as it is what was to be written, or zeros. Where it
 * stops being that, another program went on, which is kept when the rest is taken out again. A mail program begins
 * with a From_ line, or an empty line in front of one: that decides where what it wrote looks like ours at first.
 */
import { reasonOf } from '../core/errors.ts';
import {
  type AppendRecord,
  aligned,
  clearJournal,
  encodeAppend,
  FIRST,
  type FoundStep,
  HEADER,
  type JournalFile,
  markBusy,
  newId,
  readStep,
  slotAt,
  writeRecord,
} from './journal-file.ts';
import {
  abandon,
  attempt,
  identify,
  interrupted,
  type JournalContext,
  openJournal,
  shorten,
  unchanged,
} from './journal-open.ts';
import { BlockWriter, takeOut } from './rewrite-run.ts';

/** Octets of one stretch. */
const STRETCH = 8 << 20;
/** More than what another program begins with. */
const SEPARATOR = 8;

/**
 * Appends `parts`, end to end, to `path`, open for writing as `fd`; durable when it returns the octets written. After a
 * crash all of it is there or nothing, once the next opener has called `recover` (journal.ts). The caller holds the write
 * locks, has called `recover`, and knows that the file has `oldSize` octets.
 * Throws a temporary MailError when it could not be done, or what `parts` throws; then nothing is left of it.
 */
export function appendBytes(
  context: JournalContext,
  path: string,
  fd: number,
  oldSize: number,
  parts: Iterable<Uint8Array>,
  stretch: number = STRETCH,
): number {
  const { disk } = context;
  const stat = disk.fstat(fd);
  if (stat.size !== oldSize) throw unchanged(path, 'another program has just changed it');
  let journal: JournalFile | undefined;
  const slot = aligned(HEADER + stretch);
  let slotsAt = 0;
  let at = oldSize;
  let number = 0;
  const id = newId();
  try {
    for (const batch of stretches(parts, stretch)) {
      const length = batch.reduce((sum, part) => sum + part.length, 0);
      if (journal === undefined) {
        journal = openJournal(context, path, stat);
        const payload = encodeAppend({ identity: identify(disk, path, stat), oldSize, slot });
        writeRecord(journal, FIRST, { tag: 'append', id, number, from: 0, to: 0, journaled: false }, [payload]);
        slotsAt = aligned(FIRST + HEADER + payload.length);
      }
      const header = { tag: 'step', id, number, from: at, to: at + length, journaled: false } as const;
      writeRecord(journal, slotAt({ kind: 'append', slotsAt, slot }, number), header, batch);
      if (number === 0) markBusy(journal);
      disk.sync(journal.fd);
      const out = new BlockWriter((bytes, place) => disk.write(fd, bytes, place), length);
      for (const part of batch) {
        out.put(at, part);
        at += part.length;
      }
      out.flush();
      disk.sync(fd);
      number++;
    }
    if (journal !== undefined) clearJournal(journal);
    return at - oldSize;
  } catch (error) {
    const begun = journal;
    if (begun === undefined) throw error;
    if (!attempt(() => shorten(disk, fd, oldSize))) throw interrupted(path, begun, error);
    abandon(begun);
    throw error instanceof Error && !('code' in error) ? error : unchanged(path, reasonOf(error), error);
  } finally {
    if (journal !== undefined) disk.close(journal.fd);
  }
}

/** The parts in batches of `limit` octets, the last one shorter; parts are cut where they do not fit. */
function* stretches(parts: Iterable<Uint8Array>, limit: number): Generator<Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let room = limit;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const some = part.subarray(at, at + room);
      batch.push(some);
      at += some.length;
      room -= some.length;
      if (room > 0) continue;
      yield batch;
      batch = [];
      room = limit;
    }
  }
  if (batch.length > 0) yield batch;
}

/**
 * Undoes an append that was not acknowledged; what others appended behind it is kept. False when another program wrote
 * the file anew meanwhile: then nothing is done.
 */
export function undoAppend(journal: JournalFile, fd: number, record: AppendRecord, size: number): boolean {
  const step = readStep(journal, record);
  if (step === undefined) return true;
  const { number, from } = step.header;
  if (size < from) return false;
  if (number > 0) {
    const before = readStep(journal, record, number - 1);
    if (before === undefined || !isWhole(journal, fd, before)) return false;
  }
  takeOut(journal, fd, record, record.oldSize, endOfOurs(journal, fd, step, size), size);
  return true;
}

/** Whether all of a stretch is in the file. */
function isWhole(journal: JournalFile, fd: number, step: FoundStep): boolean {
  const ours = new Uint8Array(step.header.length);
  const found = new Uint8Array(ours.length);
  journal.disk.read(journal.fd, ours, step.at + HEADER);
  return journal.disk.read(fd, found, step.header.from) === ours.length && Buffer.compare(ours, found) === 0;
}

/** Where what we wrote of a stretch ends. */
function endOfOurs(journal: JournalFile, fd: number, { header, at }: FoundStep, size: number): number {
  const { disk } = journal;
  const { from, length } = header;
  const ours = new Uint8Array(Math.min(length, size - from));
  disk.read(journal.fd, ours, at + HEADER);
  const found = Buffer.alloc(Math.min(length + SEPARATOR, size - from));
  disk.read(fd, found, from);
  const same = ours.findIndex((byte, i) => found[i] !== byte && found[i] !== 0);
  if (same === -1) {
    // All of it, unless a From_ line begins in it and goes on behind it.
    const line = found.lastIndexOf('From ', ours.length);
    return from + (line !== -1 && line > ours.length - 'From '.length ? line : ours.length);
  }
  if (/^\r?\n/.test(found.toString('latin1', same, same + 2))) return from + same;
  const line = found.lastIndexOf('From ', same);
  return from + (line === -1 ? same : line);
}
