/**
 * A message as it is put into another mailbox: its From_ line and bytes as they are, `Status` as this session sees it.
 */
import type { Flags, NewMessage } from '../mailbox/mailbox.ts';
import { headerSizeOf } from '../mailbox/quoting.ts';
import { applyEdits, statusEdits } from '../mailbox/status.ts';
import type { Session } from './session.ts';

/**
 * The message in `slot` with these flags. Its content is read when it is asked for, so that a list of many costs nothing.
 */
export function filed(session: Session, slot: number, flags: Flags): NewMessage {
  const { box } = session;
  const info = box.info(slot);
  const edited = session.edited.get(slot);
  const inMbox = box.location.kind === 'mbox' || box.location.kind === 'compressed';
  return {
    get content() {
      return withFlags(edited ?? box.stored(slot).content, flags);
    },
    get fromLine() {
      return box.stored(slot).fromLine;
    },
    sender: info.sender,
    received: info.received ?? 0,
    // What lies in an mbox is in the form of an mbox already.
    quote: edited !== undefined || !inMbox,
  };
}

/** The content with `Status` and `X-Status` for these flags; every other byte stays. */
export function withFlags(content: Uint8Array, flags: Flags): Uint8Array {
  const size = headerSizeOf(content);
  const header = content.subarray(0, size);
  const lf = header.indexOf(10);
  const edits = statusEdits(header, { flags }, lf > 0 && header[lf - 1] === 13);
  return edits.length === 0 ? content : Buffer.concat([applyEdits(header, edits), content.subarray(size)]);
}
