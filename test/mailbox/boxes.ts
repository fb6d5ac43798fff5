/** Mailboxes for tests: real files in folders of their own, and a context without real locks. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realDisk } from '../../src/core/files.ts';
import type { Mailbox, MailboxContext } from '../../src/mailbox/mailbox.ts';
import { locate, openMailbox } from '../../src/mailbox/open.ts';

export interface Place {
  readonly dir: string;
  readonly context: MailboxContext;
  /** What the context was told to say. */
  readonly said: string[];
  path(name: string): string;
  write(name: string, content: string | Uint8Array): string;
  /** Bytes as Latin-1, so that nothing is lost. */
  read(name: string): string;
  open(name: string): Promise<Mailbox>;
  remove(): void;
}

/** A new folder, with a context whose locks are always free. */
export function newPlace(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'tmail-box-'));
  const said: string[] = [];
  const context: MailboxContext = {
    disk: realDisk,
    locker: { lock: async () => ({ release() {} }) },
    stateDir: join(dir, 'state'),
    stateDirsOf: () => [],
    now: Date.now,
    notify: (text) => said.push(text),
  };
  const path = (name: string): string => join(dir, name);
  return {
    dir,
    context,
    said,
    path,
    write(name, content) {
      writeFileSync(path(name), typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
      return path(name);
    },
    read: (name) => readFileSync(path(name), 'latin1'),
    open: (name) => openMailbox(context, locate(context, path(name))),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** A message with From_ line and the empty line behind it; `fields` are whole lines. */
export function message(id: string, { fields = '', body = `text of ${id}\n`, from = 'ann@example.org' } = {}): string {
  return `From ${from} Mon Mar  3 10:00:00 2025\nFrom: ${from}\nSubject: ${id}\n${fields}\n${body}\n`;
}

export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Subjects of the messages that are there, by slot. */
export function subjects(box: Mailbox): string[] {
  const list: string[] = [];
  for (let slot = 0; slot < box.length; slot++) {
    if (box.info(slot).gone) continue;
    list.push(/^Subject: (.*?)\r?$/m.exec(latin1(box.header(slot)))?.[1] ?? '');
  }
  return list;
}
