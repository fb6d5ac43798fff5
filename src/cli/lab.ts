/**
 * `tmail lab`: mail hosts on loopback to learn on (daemon/lab.ts), with commands to send, to take a host down and to move the
 * clock; without a terminal a short story, told in seconds, that ends by itself.
 *
 * Everything lies in one folder, which is thrown away at the end unless --dir named it. Nothing leaves this machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { EX, reasonOf, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { type Lab, type LabHost, startLab } from '../daemon/lab.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import { carryOut, HELP } from './lab-commands.ts';
import type { Invocation } from './services.ts';
import { printText } from './stdio.ts';

export async function run(_: Invocation, { values }: ParsedLine): Promise<number> {
  const wanted = textOf(values, 'dir');
  const dir = wanted === undefined ? mkdtempSync(join(tmpdir(), 'tmail-lab-')) : newFolder(resolve(wanted));
  const talking = process.stdin.isTTY === true && process.stdout.isTTY === true && values.story !== true;
  try {
    // A learner's clock goes on by itself; a story's moves only where it says so, so that it is always the same.
    const lab = await startLab(talking ? { dir } : { dir, start: STORY_BEGINS });
    try {
      await (talking ? talk(lab) : tell(lab));
    } finally {
      await lab.stop();
    }
  } finally {
    if (wanted === undefined) rmSync(dir, { recursive: true, force: true });
  }
  return EX.ok;
}

function newFolder(dir: string): string {
  if (realDisk.list(dir).length > 0) throw new UserError(`${dir}: is not empty; name a new folder`, EX.usage);
  realDisk.mkdir(dir, 0o700);
  return dir;
}

function say(line = ''): void {
  printText(`${line}\n`);
}

/** Takes commands until `quit` or the end of input. */
async function talk(lab: Lab): Promise<void> {
  say(`Three mail hosts in ${visible(lab.dir)}, which know one another and nobody else:`);
  say();
  for (const host of lab.hosts()) say(introduction(lab, host));
  say('What to try, here or in another window:');
  say();
  const [first] = lab.hosts();
  say(`  telnet ${first?.address} ${first?.port}`);
  say('      speaks SMTP by hand: mail from:<lee>, rcpt to:<dl@qq.com>, data, a line with a dot, quit');
  say(HELP);
  const input = createInterface({ input: process.stdin, output: process.stdout, prompt: 'lab> ' });
  input.prompt();
  for await (const line of input) {
    const going = await oneLine(lab, line);
    if (!going) break;
    input.prompt();
  }
  input.close();
}

function introduction(lab: Lab, { name, address, port, users }: LabHost): string {
  const root = `tmail --root ${visible(join(lab.dir, name))}`;
  return `  ${name}, at ${address} port ${port}, with ${users.join(', ')}\n      ${root} -u ${users.at(-1)}   reads mail there\n`;
}

/** Carries a line out; false when it says to leave. A wrong one is explained. */
async function oneLine(lab: Lab, line: string): Promise<boolean> {
  try {
    return await carryOut(lab, line, say);
  } catch (error) {
    say(visible(error instanceof UserError ? error.message : reasonOf(error)));
    return true;
  }
}

const STORY_BEGINS = Date.UTC(2026, 10, 25, 3, 44);

/** Text in words, and the commands that it is about. */
const STORY: readonly (readonly [text: string, commands: readonly string[]])[] = [
  [
    'lee at linux102.example.com writes to dl at qq.com. The letter goes from host to host.',
    ['send lee dl@qq.com Hello', 'mail dl@qq.com 1'],
  ],
  [
    'qq.com goes down. The next letter waits, and is tried again after 1, 2, 4 ... minutes.',
    ['down qq.com', 'send lee dl@qq.com Are you there?', 'queue', 'later 30m', 'queue'],
  ],
  ['qq.com is there again, and gets what waited for it.', ['up qq.com', 'later 1h', 'queue', 'mail dl@qq.com']],
  [
    'Down for long: lee is warned after 4 hours, and has the letter back after 5 days.',
    [
      'down qq.com',
      'send lee dl@qq.com Anybody?',
      'later 5h',
      'mail lee',
      'later 5d',
      'queue',
      'mail lee',
      'mail lee 2',
    ],
  ],
  ['Nobody of that name: lee hears of it at once.', ['up qq.com', 'send lee nobody@qq.com Who are you?', 'mail lee']],
];

async function tell(lab: Lab): Promise<void> {
  say('A story of three mail hosts (on a terminal, you write it yourself: tmail lab).');
  for (const [text, commands] of STORY) {
    say();
    say(`== ${text}`);
    for (const command of commands) {
      say();
      say(`lab> ${command}`);
      await oneLine(lab, command);
    }
  }
}
