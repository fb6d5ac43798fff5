/** A mail system in a temporary folder for tests of sending: lines are typed, messages are caught. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import type { Mailbox, MailboxContext, Uid } from '../../src/mailbox/mailbox.ts';
import type { CommandContext } from '../../src/session/command.ts';
import type { Envelope, Io, OutboxSettings, RunResult, Services } from '../../src/session/io.ts';
import { Interrupted } from '../../src/session/io.ts';
import { type SendOptions, sendMode } from '../../src/session/send.ts';
import { newSession, type Settings } from '../../src/session/session.ts';
import { initialSettings, setVariables } from '../../src/session/settings.ts';

/** Types Ctrl-C instead of a line. */
export const INTERRUPT = Symbol('Ctrl-C');
/** End of input, once (Ctrl-D); at the end of the lines it comes by itself. */
export const END = Symbol('Ctrl-D');
export type Typed = string | Uint8Array | typeof INTERRUPT | typeof END;

export interface Sent {
  readonly text: string;
  readonly header: string;
  readonly body: string;
  readonly envelope: Envelope;
  readonly how: OutboxSettings;
}

export interface Desk {
  readonly home: string;
  readonly services: Services;
  readonly sent: Sent[];
  /** What standard output and standard error got, line by line. */
  readonly out: string[];
  readonly err: string[];
  /** Prompts that were shown, with what was given to be edited. */
  readonly prompts: string[];
}

export interface DeskOptions {
  readonly lines?: readonly Typed[];
  readonly interactive?: boolean;
  readonly env?: Record<string, string>;
  /** What handing over does instead. */
  readonly outbox?: Services['outbox'];
  readonly home?: string;
}

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'letters-'));
  made.push(folder);
  return folder;
}

export function desk(options: DeskOptions = {}): Desk {
  const home = options.home ?? newFolder();
  const out: string[] = [];
  const err: string[] = [];
  const prompts: string[] = [];
  const sent: Sent[] = [];
  const lines = [...(options.lines ?? [])];
  const run = (command: string, args: readonly string[], input?: Uint8Array): RunResult => {
    const done = spawnSync(command, args, { input: input ?? '', cwd: home, stdio: ['pipe', 'pipe', 'inherit'] });
    return { status: done.status ?? 128, output: done.stdout };
  };
  const io: Io = {
    out: (text) => out.push(...text.split('\n')),
    err: (text) => err.push(...text.split('\n')),
    async readLine(prompt, preset) {
      if (prompt !== '') prompts.push(`${prompt}${preset ?? ''}`);
      const line = lines.shift();
      if (line === INTERRUPT) throw new Interrupted();
      return line === END || line === undefined ? undefined : Buffer.from(line as string | Uint8Array);
    },
    interactive: options.interactive ?? false,
    terminal: options.interactive ?? false,
    columns: 80,
    rows: 24,
    async page(text) {
      out.push(...text.split('\n'));
    },
    run: async (shell, command, how) => run(shell, ['-c', command], how?.input),
    exec: async ([command = '', ...args], how) => run(command, args, how?.input),
  };
  const mailbox: MailboxContext = {
    disk: realDisk,
    locker: { lock: async () => ({ release: () => {} }) },
    stateDir: join(home, 'state'),
    stateDirsOf: () => [join(home, 'state')],
    now: () => Date.UTC(2026, 2, 1, 12),
    notify: () => {},
  };
  const services: Services = {
    io,
    disk: realDisk,
    mailbox,
    user: { name: 'lee', fullName: 'Lee Wong', uid: 1000, gid: 1000, home },
    hostname: 'host.example',
    env: { HOME: home, SHELL: '/bin/sh', ...options.env },
    systemMailbox: (user) => join(home, 'spool', user),
    outbox:
      options.outbox ??
      (async (message, envelope, how) => {
        const text = Buffer.from(message).toString();
        const end = text.indexOf('\n\n');
        sent.push({ text, header: text.slice(0, end + 1), body: text.slice(end + 2), envelope, how });
        return { note: '' };
      }),
    now: () => Date.UTC(2026, 2, 1, 12),
  };
  return { home, services, sent, out, err, prompts };
}

/** Settings as an rc file makes them: `set` lines, aliases by name. */
export function settings(set = '', aliases: Record<string, string> = {}, alternates: readonly string[] = []): Settings {
  const made = setVariables(initialSettings(), set);
  const list = Object.entries(aliases).map(([name, members]) => [name, members.split(' ')] as const);
  return { ...made.settings, aliases: new Map(list), alternates };
}

const NOTHING: SendOptions = {
  to: ['bob@example.net'],
  cc: [],
  bcc: [],
  subject: 'hi',
  added: [],
  compat: undefined,
  attachments: [],
  skipEmpty: false,
  recordByName: false,
  fromMessage: false,
  escapes: false,
  verbose: false,
  from: undefined,
};

/** Send mode with these options; returns the exit status. */
export function send(at: Desk, options: Partial<SendOptions> = {}, set: Settings = settings()): Promise<number> {
  return sendMode(at.services, set, { ...NOTHING, ...options });
}

/** A session on made-up messages (header, empty line, body), the first one current. `~:` lines are collected. */
export function sessionAt(
  at: Desk,
  messages: readonly string[],
  set: Settings = settings(),
): CommandContext & { readonly executed: string[] } {
  const bytes = messages.map((text) => Buffer.from(text));
  const others = { added: [], removed: [], flagged: [] };
  const box: Mailbox = {
    location: { kind: 'mbox', path: '' },
    readOnly: undefined,
    length: messages.length,
    uidValidity: 1,
    uidNext: (messages.length + 1) as Uid,
    notes: [],
    info: (slot) => ({
      uid: (slot + 1) as Uid,
      flags: 0,
      keywords: [],
      size: bytes[slot]?.length ?? 0,
      lines: 1,
      headerSize: 0,
      received: 0,
      sender: 'envelope@sender.test',
      gone: false,
    }),
    header: (slot) => headerPart(bytes[slot]),
    content: (slot) => bytes[slot] ?? Buffer.of(),
    head: (slot, limit) => (bytes[slot] ?? Buffer.of()).subarray(0, limit),
    stored: (slot) => ({ fromLine: Buffer.from('From x'), content: bytes[slot] ?? Buffer.of() }),
    refresh: async () => others,
    commit: async () => ({ others, missing: [] }),
    close() {},
  };
  const executed: string[] = [];
  return {
    services: at.services,
    session: newSession(box, { system: true, name: '', settings: set }),
    history: [],
    escapes: true,
    failed: false,
    ended: undefined,
    lastShell: '',
    startup: false,
    sending: false,
    where: undefined,
    conditions: [],
    sourcing: 0,
    executed,
    execute: async (line) => {
      executed.push(line);
    },
  };
}

function headerPart(message: Buffer | undefined): Buffer {
  const all = message ?? Buffer.of();
  return all.subarray(0, all.indexOf('\n\n') + 2);
}
