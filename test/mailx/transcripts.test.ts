/**
 * Sessions as files: what is typed, what is printed, and what lies on the disk afterwards.
 *
 *     title                      first line
 *     == mailbox [as -f]         messages, one a line: `a status=RO from=lee@x.example subject="A b" body="x\ny"`
 *     == mbox | file NAME        likewise; `== text NAME` is a file of text
 *     == rc                      lines of the startup file
 *     == session [-f] [-R] [-N]  lines typed begin with `& ` (`&` alone is Enter), standard error with `! `; others are
 *                                standard output. `*` stands for any text in them. `@deliver a` is another program.
 *     == end                     exit 0 / spool: a b / mbox: missing / file NAME: a / status spool a RO / text NAME has TEXT (`\n` in it)
 *
 * `{HOME}` is a folder of its own. To add a case, add a file.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { Services } from '../../src/session/io.ts';
import { runSession, type SessionOptions } from '../../src/session/run.ts';
import { desk, newFolder } from '../session/letters.ts';

const HERE = import.meta.dirname;

interface Section {
  readonly name: string;
  readonly args: readonly string[];
  readonly lines: readonly string[];
}

function sections(text: string): Section[] {
  const found: { name: string; args: string[]; lines: string[] }[] = [];
  for (const line of text.split('\n').slice(1)) {
    if (line.startsWith('== ')) {
      const [name = '', ...args] = line.slice(3).split(' ');
      found.push({ name, args, lines: [] });
    } else found.at(-1)?.lines.push(line);
  }
  return found.map((section) => ({ ...section, lines: section.lines.filter((line) => line !== '') }));
}

/** `a status=RO subject="A b"` as a message of an mbox. */
function message(line: string): string {
  const id = /^\S+/.exec(line)?.[0] ?? '';
  const values = new Map<string, string>();
  for (const [, key = '', quoted, plain] of line.matchAll(/(\w+)=(?:"([^"]*)"|(\S*))/g))
    values.set(key, quoted ?? plain ?? '');
  const value = (key: string, otherwise: string) =>
    (values.get(key) ?? otherwise).replaceAll('\\n', '\n').replaceAll('\\e', '\x1b');
  const header = [
    `From: ${value('from', 'Ann Sender <ann@example.org>')}`,
    `To: ${value('to', 'lee@example.org')}`,
    `Subject: ${value('subject', `subject-${id}`)}`,
    `Message-ID: <${id}@x.example>`,
    'Date: Mon, 02 Mar 2026 12:00:00 +0000',
    ...(values.has('header') ? [value('header', '')] : []),
    ...(values.has('status') ? [`Status: ${value('status', '')}`] : []),
  ];
  return `From ann@example.org Mon Mar  2 12:00:00 2026\n${header.join('\n')}\n\n${value('body', `text of ${id}`)}\n\n`;
}

function idsIn(path: string): string {
  if (!existsSync(path)) return 'missing';
  const text = readFileSync(path, 'latin1');
  return text === '' ? 'empty' : [...text.matchAll(/^Message-ID: <([^@>]+)@/gm)].map(([, id]) => id).join(' ');
}

function statusIn(path: string, id: string): string {
  const text =
    readFileSync(path, 'latin1')
      .split(/^(?=From )/m)
      .find((one) => one.includes(`Message-ID: <${id}@`)) ?? '';
  return /^Status: *(\w*)/m.exec(text)?.[1] ?? 'none';
}

const NOTHING: SessionOptions = {
  kind: 'session',
  user: undefined,
  file: undefined,
  list: [],
  json: undefined,
  noHeaders: false,
  readOnly: false,
  noSystemRc: true,
  ignoreInterrupts: false,
  escapes: false,
  verbose: false,
  set: [],
  from: undefined,
};

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** True when the printed line is what the file says, `*` standing for anything. */
function matches(printed: string, wanted: string): boolean {
  return new RegExp(`^${wanted.split('*').map(escapeRegExp).join('.*')}$`, 's').test(printed);
}

async function play(path: string): Promise<void> {
  const home = newFolder();
  const parts = sections(readFileSync(path, 'utf8').replaceAll(/(?<!\$)\{HOME\}/g, home));
  const spool = join(home, 'spool', 'lee');
  const pathOf = (name: string) => (name === 'spool' ? spool : name.startsWith('/') ? name : join(home, name));
  const session = parts.find(({ name }) => name === 'session');
  const asFile = session?.args.includes('-f') ?? false;
  const arriving = new Map<string, string>();
  for (const { name, args, lines } of parts) {
    const [file = ''] = args;
    const target = { mailbox: asFile ? 'box' : 'spool', mbox: 'mbox', file, text: file, rc: '.mailrc' }[name];
    if (name === 'arriving') for (const line of lines) arriving.set(line.split(' ')[0] ?? '', message(line));
    if (target === undefined) continue;
    mkdirSync(dirname(pathOf(target)), { recursive: true });
    const text = name === 'text' || name === 'rc' ? `${lines.join('\n')}\n` : lines.map(message).join('');
    writeFileSync(pathOf(target), text);
  }
  const typed = (session?.lines ?? []).filter((line) => line.startsWith('&')).map((line) => line.slice(2));
  const transcript: string[] = [];
  const base = desk({ home, env: { MAIL: spool, MBOX: join(home, 'mbox'), HOME: home } });
  const services: Services = {
    ...base.services,
    io: {
      ...base.services.io,
      out: (text) => transcript.push(...text.replace(/\n$/, '').split('\n')),
      err: (text) => transcript.push(...text.split('\n').map((line) => `! ${line}`)),
      async readLine() {
        let line = typed.shift();
        while (line?.startsWith('@deliver ')) {
          for (const id of line.split(' ').slice(1))
            appendFileSync(asFile ? pathOf('box') : spool, arriving.get(id) ?? '');
          transcript.push(`& ${line}`);
          line = typed.shift();
        }
        if (line !== undefined) transcript.push(line === '' ? '&' : `& ${line}`);
        return line === undefined ? undefined : Buffer.from(line);
      },
    },
  };
  const status = await runSession(services, {
    ...NOTHING,
    ...(asFile ? { file: pathOf('box') } : {}),
    readOnly: session?.args.includes('-R') ?? false,
    noHeaders: session?.args.includes('-N') ?? false,
  });
  const printed = transcript.map((line) => line.replaceAll(home, '~HOME~').trimEnd()).filter((line) => line !== '');
  const wanted = (session?.lines ?? []).map((line) => line.replaceAll(home, '~HOME~').trimEnd());
  const differs = printed.length !== wanted.length || printed.some((line, i) => !matches(line, wanted[i] ?? ''));
  if (differs) expect(printed.join('\n')).toBe(wanted.join('\n'));
  for (const line of parts.find(({ name }) => name === 'end')?.lines ?? []) check(line, status, pathOf);
}

function check(line: string, status: number, pathOf: (name: string) => string): void {
  const words = line.split(' ');
  const [first = '', second = '', third = '', ...rest] = words;
  if (first === 'exit') expect(`exit ${status}`).toBe(line);
  else if (first === 'status') expect(`status ${second} ${third} ${statusIn(pathOf(second), third)}`).toBe(line);
  else if (first === 'text')
    expect(readFileSync(pathOf(second), 'utf8'), line).toContain(rest.join(' ').replaceAll('\\n', '\n'));
  else {
    const name = first === 'file' ? second.replace(/:$/, '') : first.replace(/:$/, '');
    const ids = words.slice(first === 'file' ? 2 : 1).join(' ');
    expect(`${name}: ${idsIn(pathOf(name))}`).toBe(`${name}: ${ids}`);
  }
}

const files = readdirSync(HERE).filter((name) => name.endsWith('.t'));
test.each(files.map((name) => [basename(name, '.t'), name]))('%s', async (_, name) => {
  await play(join(HERE, name));
});
