/**
 * `tmail demo`: a mail system of made-up people in a folder of its own, to try everything on without a care.
 *
 * The folder is what --root takes: etc/passwd, etc/aliases, etc/tmail/tmail.toml, var/mail/USER, home/USER. Nothing
 * outside of it is read or written, no right is needed, and nothing is sent anywhere. It stays until somebody removes it.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { EX, UserError } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import { bareAddress, compose, type DemoMessage } from './demo-mail.ts';
import { LEE_MBOX, SPOOLS } from './demo-messages.ts';
import { runMailx } from './mailx.ts';
import { plainRequest, type ReadRequest } from './mailx-options.ts';
import type { Invocation } from './services.ts';
import { printText } from './stdio.ts';

const PEOPLE: readonly { name: string; fullName: string }[] = [
  { name: 'lee', fullName: 'Lee' },
  { name: 'dongliang', fullName: 'Dong Liang' },
  { name: 'dl', fullName: 'D. L.' },
];

const CONFIG = 'hostname = "linux102.example.com"\n';
const ALIASES = 'postmaster: root\nroot: lee\nteam: lee, dongliang, dl\n';
const MAILRC = `# What line mode reads at its start; \`set\` shows what is in force.
set append
set folder=mail
set indentprefix="> "
ignore received message-id mime-version content-transfer-encoding content-type status x-status x-mailer x-cron-env
alias team dongliang dl
alias anna "Anna Schröder <anna@garden.example.org>"
`;

/** ctime(3) in UTC, as in a From_ line. */
function fromDate(seconds: number): string {
  const [day = '', date = '', month = '', year = '', time = ''] = new Date(seconds * 1000).toUTCString().split(/,? /);
  return `${day} ${month} ${date.replace(/^0/, ' ')} ${time} ${year}`;
}

/** Messages as an mbox. `now` in seconds since 1970. */
export function demoBox(messages: readonly DemoMessage[], user: string, now: number): Uint8Array {
  const parts = messages.map((message) => {
    const received = Math.floor(now - message.hours * 3600);
    const content = compose(message, `${user}@linux102.example.com`, received).toString('latin1');
    const from = `From ${bareAddress(message.from)} ${fromDate(received)}\n`;
    return `${from}${content.replace(/^From /gm, '>From ')}${content.endsWith('\n') ? '' : '\n'}\n`;
  });
  return Buffer.from(parts.join(''), 'latin1');
}

function writeNew(disk: Disk, path: string, content: string | Uint8Array, mode: number): void {
  const fd = disk.open(path, 'exclusive', mode);
  try {
    disk.write(fd, Buffer.from(content), 0);
  } finally {
    disk.close(fd);
  }
}

/** Makes the mail system in `dir`, an empty folder. `now` in seconds since 1970. */
export function makeSandbox(disk: Disk, dir: string, now: number): void {
  const at = (...names: string[]) => join(dir, ...names);
  for (const folder of ['etc/tmail', 'etc/mail', 'var/mail', 'var/tmp', 'var/spool/tmail', 'var/lib/tmail', 'home']) {
    disk.mkdir(at(folder), 0o755);
  }
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  // All of them have the caller's ids: whoever made this may read and write every mailbox, and is lee.
  const passwd = PEOPLE.map(({ name, fullName }) => `${name}:x:${uid}:${gid}:${fullName}:/home/${name}:/bin/sh\n`);
  writeNew(disk, at('etc/passwd'), passwd.join(''), 0o644);
  writeNew(disk, at('etc/aliases'), ALIASES, 0o644);
  writeNew(disk, at('etc/tmail/tmail.toml'), CONFIG, 0o644);
  for (const { name } of PEOPLE) {
    disk.mkdir(at('home', name, 'mail'), 0o700);
    writeNew(disk, at('var/mail', name), demoBox(SPOOLS[name] ?? [], name, now), 0o600);
  }
  writeNew(disk, at('home/lee/.mailrc'), MAILRC, 0o600);
  writeNew(disk, at('home/lee/mbox'), demoBox(LEE_MBOX, 'lee', now), 0o600);
}

function chooseFolder(disk: Disk, wanted: string | undefined): string {
  if (wanted === undefined) return mkdtempSync(join(tmpdir(), 'tmail-demo-'));
  const dir = resolve(wanted);
  const there = disk.stat(dir);
  if (there !== undefined && there.kind !== 'directory')
    throw new UserError(`${dir}: is a file; name a new folder`, EX.usage);
  if (disk.list(dir).length > 0) throw new UserError(`${dir}: is not empty; name a new folder`, EX.usage);
  disk.mkdir(dir, 0o700);
  return dir;
}

function hints(tmail: string, dir: string): string {
  const root = `${tmail} --root ${dir}`;
  return `
This mail system lives in ${dir} and nowhere else. What to try next:

  ${root} -u lee
      reads lee's mail: h lists, 5 prints message 5, d deletes, q leaves, ? helps
  ${root} undo
      brings back what the last session deleted
  echo Hello | ${root} send dongliang
  ${root} -u dongliang
      sends mail, and reads it
  ${root} -H -u lee root
      prints the headers of what came from root
  rm -r ${dir}
      throws it all away
`;
}

/** How the user can call this program again: as it was called now. */
function callName(): string {
  const script = process.argv[1] ?? 'tmail';
  if (process.env.npm_command === 'exec') return 'npx tmail';
  return /(^|\/)(usr|opt|\.local)\/.*bin\/tmail$/.test(script) ? 'tmail' : visible(script);
}

export async function run(invocation: Invocation, { values }: ParsedLine): Promise<number> {
  const disk = realDisk;
  const dir = chooseFolder(disk, textOf(values, 'dir'));
  makeSandbox(disk, dir, Math.floor(Date.now() / 1000));
  const inside: Invocation = { ...invocation, root: dir, env: { ...invocation.env, LOGNAME: 'lee', USER: 'lee' } };
  const open = process.stdin.isTTY === true && process.stdout.isTTY === true && values.print !== true;
  const request: ReadRequest = { ...plainRequest(open ? 'session' : 'headers'), user: 'lee' };
  if (open)
    printText(
      `A mail system of made-up people, in ${visible(dir)}.\nThis is lee's mailbox: ? helps, x leaves all as it is.\n`,
    );
  const status = await runMailx(inside, request);
  printText(hints(callName(), visible(dir)));
  return status;
}
