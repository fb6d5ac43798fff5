/** A mailbox in memory for tests of what a session decides: it can be read, not changed. */
import { Flag, type Flags, type Mailbox, type Uid } from '../../src/mailbox/mailbox.ts';
import { newSession, type Session, type Settings } from '../../src/session/session.ts';
import { initialSettings, setVariables } from '../../src/session/settings.ts';

export interface FakeMessage {
  readonly from?: string;
  readonly subject?: string;
  /** Further header lines. */
  readonly header?: string;
  readonly body?: string;
  /** As in `Status`: '' new, `O`, `RO`. */
  readonly status?: string;
}

function flagsOf(status: string): Flags {
  return (status.includes('R') ? Flag.read : 0) | (status.includes('O') ? Flag.old : 0);
}

export function fakeBox(messages: readonly FakeMessage[], readOnly?: string): Mailbox {
  const headers = messages.map(({ from = 'ann@example.org', subject = 'x', header = '' }) =>
    Buffer.from(`From: ${from}\nSubject: ${subject}\n${header}\n`),
  );
  const contents = messages.map(({ body = 'text\n' }, slot) =>
    Buffer.concat([headers[slot] ?? Buffer.alloc(0), Buffer.from(body)]),
  );
  const at = <T>(list: readonly T[], slot: number): T => {
    const found = list[slot];
    if (found === undefined) throw new Error(`no slot ${slot}`);
    return found;
  };
  return {
    location: { kind: 'mbox', path: '/box' },
    readOnly,
    length: messages.length,
    uidValidity: 1,
    uidNext: (messages.length + 1) as Uid,
    notes: [],
    info: (slot) => ({
      uid: (slot + 1) as Uid,
      flags: flagsOf(at(messages, slot).status ?? ''),
      keywords: [],
      size: at(contents, slot).length,
      lines: at(contents, slot).toString().split('\n').length - 1,
      headerSize: at(headers, slot).length,
      received: 0,
      sender: 'envelope@example.org',
      gone: false,
    }),
    header: (slot) => at(headers, slot),
    content: (slot) => at(contents, slot),
    head: (slot, limit) => at(contents, slot).subarray(0, limit),
    stored: (slot) => ({ fromLine: Buffer.from('From x Thu Jan  1 00:00:00 1970'), content: at(contents, slot) }),
    refresh: async () => ({ added: [], removed: [], flagged: [] }),
    commit: async () => {
      throw new Error('this mailbox is not for changing');
    },
    close() {},
  };
}

export function settingsWith(set: string): Settings {
  return setVariables(initialSettings(), set).settings;
}

export function fakeSession(
  messages: readonly FakeMessage[],
  { system = true, set = '', dot }: { readonly system?: boolean; readonly set?: string; readonly dot?: number } = {},
): Session {
  const session = newSession(fakeBox(messages), { system, name: '/box', settings: settingsWith(set) });
  return dot === undefined ? session : { ...session, dot };
}
