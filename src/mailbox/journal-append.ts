/**
 * Appends to a file so that after a crash at any point all of it is there, or nothing.
 *
 * What is appended goes by stretches of some MiB, so that its length need not be known beforehand. For each stretch
 * (`|` stands for a sync):
 *
 *     where it begins and ends, and its first octets, to the journal | make the file that much longer | write |
 *
 * The file is made longer in one operation, before anything is written. So after a crash it ends where the last stretch
 * ends or where the one before ends, and the first octets tell which; what other programs appended after the crash
 * starts there, and is kept when the rest is taken out again.
 */
import { reasonOf } from '../core/errors.ts';
import {
  APPEND_HEAD,
  APPEND_SLOT,
  type AppendRecord,
  aligned,
  clearJournal,
  encodeAppend,
  FIRST,
  type FoundStep,
  HEADER,
  type JournalFile,
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

/** A stretch ends with the part that makes it this long. */
const STRETCH = 8 << 20;

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
  let slotsAt = 0;
  let at = oldSize;
  let number = 0;
  const id = newId();
  try {
    for (const batch of stretches(parts, stretch)) {
      const length = batch.reduce((sum, part) => sum + part.length, 0);
      if (journal === undefined) {
        journal = openJournal(context, path, stat);
        const payload = encodeAppend(identify(disk, path, stat), oldSize);
        writeRecord(journal, FIRST, { tag: 'append', id, number, from: 0, to: 0, journaled: false }, [payload]);
        slotsAt = aligned(FIRST + HEADER + payload.length);
      }
      const header = { tag: 'step', id, number, from: at, to: at + length, journaled: false } as const;
      writeRecord(journal, slotAt({ kind: 'append', slotsAt, slot: APPEND_SLOT }, number), header, [headOf(batch)]);
      disk.sync(journal.fd);
      disk.truncate(fd, at + length);
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

function* stretches(parts: Iterable<Uint8Array>, limit: number): Generator<Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let length = 0;
  for (const part of parts) {
    batch.push(part);
    length += part.length;
    if (length < limit) continue;
    yield batch;
    batch = [];
    length = 0;
  }
  if (length > 0) yield batch;
}

function headOf(parts: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(APPEND_HEAD);
  let length = 0;
  for (const part of parts) {
    const some = part.subarray(0, head.length - length);
    head.set(some, length);
    length += some.length;
  }
  return head.subarray(0, length);
}

/**
 * Undoes an append that was not acknowledged; what others appended behind it is kept. False when another program wrote
 * the file anew meanwhile: then nothing is done.
 */
export function undoAppend(journal: JournalFile, fd: number, record: AppendRecord, size: number): boolean {
  const step = readStep(journal, record);
  if (step === undefined) return true;
  const { number, from, to } = step.header;
  const before = number === 0 ? undefined : readStep(journal, record, number - 1);
  if (size < from || (number > 0 && (before === undefined || !beginsLike(journal, fd, before, size, false))))
    return false;
  const end = beginsLike(journal, fd, step, size, true) ? Math.min(size, to) : from;
  takeOut(journal, fd, record, record.oldSize, end, size);
  return true;
}

/** Whether a stretch is in the file; `unsure`: perhaps not all of it, zeros instead. */
function beginsLike(journal: JournalFile, fd: number, step: FoundStep, size: number, unsure: boolean): boolean {
  const { disk } = journal;
  const { from, length } = step.header;
  const head = new Uint8Array(length);
  disk.read(journal.fd, head, step.at + HEADER);
  const now = new Uint8Array(Math.max(0, Math.min(length, size - from)));
  disk.read(fd, now, from);
  if (!unsure && now.length < length) return false;
  return now.every((byte, i) => byte === head[i] || (unsure && byte === 0));
}
