/**
 * THE table of what can be typed in a lab.
 */
import { join } from 'node:path';
import { readDuration, showDuration } from '../config/values.ts';
import { UserError } from '../core/errors.ts';
import { readWhole, realDisk } from '../core/files.ts';
import { cut, pad, visible, visibleLines } from '../core/text.ts';
import { readEvent } from '../daemon/events.ts';
import type { Fault, Lab, LabHost } from '../daemon/lab.ts';
import { createLocker } from '../mailbox/lock.ts';
import { openMailbox } from '../mailbox/open.ts';
import { formatDate } from '../message/date.ts';
import { readEnvelope } from '../message/envelope.ts';
import { isFault, parsePath } from '../message/path.ts';
import type { QueueEntry } from '../queue/entry.ts';
import { SmtpConnection } from '../transport/smtp-client.ts';

type Say = (line?: string) => void;

interface LabCommand {
  /** What follows the name. */
  readonly operands: string;
  readonly help: string;
  readonly run: (lab: Lab, words: readonly string[], say: Say) => Promise<void> | void;
}

const COMMANDS: Readonly<Record<string, LabCommand>> = {
  send: { operands: 'FROM TO [SUBJECT]', help: 'sends a letter: send lee dl@qq.com Hello', run: send },
  mail: { operands: 'WHO [N]', help: 'lists the mail of a user, or prints message N', run: mail },
  queue: { operands: '[HOST]', help: 'shows what waits, and why', run: queue },
  down: { operands: 'HOST', help: 'ends the daemon of a host', run: (lab, [name]) => lab.down(hostOf(lab, name).name) },
  up: { operands: 'HOST', help: 'starts it again', run: (lab, [name]) => lab.up(hostOf(lab, name).name) },
  fault: {
    operands: 'HOST [silent | CODE TEXT]',
    help: 'lets a host say nothing, or 451 or 550 to all; without more: well again',
    run: fault,
  },
  later: { operands: 'TIME', help: 'moves the clock: later 30m, later 4h, later 5d', run: later },
  log: { operands: '[HOST]', help: 'shows the last lines of the log', run: log },
};

export const HELP = `
  Here:
${Object.entries(COMMANDS)
  .map(([name, { operands, help }]) => `    ${`${name} ${operands}`.padEnd(34)} ${help}`)
  .join('\n')}
    ${'quit'.padEnd(34)} ends the hosts
`;

/** Carries a line out; false when it says to leave. Throws a UserError that says what is wrong with it. */
export async function carryOut(lab: Lab, line: string, say: Say): Promise<boolean> {
  const [name = '', ...words] = line.trim().split(/\s+/);
  if (name === '') return true;
  if (/^(q|quit|exit)$/.test(name)) return false;
  if (name === 'help' || name === '?') {
    say(HELP);
    return true;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined)
    throw new UserError(`no command ${name}; there are ${Object.keys(COMMANDS).join(', ')}, quit`);
  await command.run(lab, words, say);
  return true;
}

function hostOf(lab: Lab, name: string | undefined): LabHost {
  const names = lab.hosts().map((host) => host.name);
  if (name === undefined) throw new UserError(`which host? ${names.join(', ')}`);
  const found = lab.hosts().find((host) => host.name === name.toLowerCase() || host.name.startsWith(`${name}.`));
  if (found === undefined) throw new UserError(`no host ${name}; there are ${names.join(', ')}`);
  return found;
}

/** The user and their host; a bare name is one of the first host. */
function personOf(lab: Lab, text: string | undefined): { readonly user: string; readonly host: LabHost } {
  if (text === undefined) throw new UserError('who? such as lee, or dl@qq.com');
  const [user = '', name] = text.split('@');
  return { user, host: name === undefined ? firstHost(lab) : hostOf(lab, name) };
}

function firstHost(lab: Lab): LabHost {
  const [host] = lab.hosts();
  if (host === undefined) throw new UserError('there are no hosts');
  return host;
}

async function send(lab: Lab, [from, to, ...subject]: readonly string[], say: Say): Promise<void> {
  const { user, host } = personOf(lab, from);
  if (to === undefined) throw new UserError('to whom? such as dl@qq.com');
  const path = parsePath(to);
  if (isFault(path)) throw new UserError(`${to}: ${path.fault}`);
  if (host.port === undefined) throw new UserError(`${host.name} is down`);
  const sender = `${user}@${host.name}`;
  const text = [
    `From: ${sender}`,
    `To: ${to}`,
    `Subject: ${subject.join(' ') || 'A letter'}`,
    `Date: ${formatDate(Math.floor(lab.now() / 1000), 0)}`,
    '',
    'This letter was sent in a lab.',
    '',
  ];
  const content = Buffer.from(text.join('\r\n'));
  const endpoint = { host: host.name, address: host.address, port: host.port, protocol: 'smtp', tls: 'none' } as const;
  const connection = await SmtpConnection.open(endpoint, 'lab.example');
  try {
    const { recipients } = await connection.send(letterTo(sender, to, content.length), [recipient(to)], () => [
      content,
    ]);
    for (const { code, lines } of recipients) say(`${host.name} says: ${code} ${visible(lines.join(' '))}`);
  } finally {
    connection.quit();
  }
  await lab.settle();
}

function recipient(address: string): QueueEntry['recipients'][number] {
  return { address, original: address, status: 'queued', attempts: 0, nextTry: 0, warnings: 0 };
}

/** What the client needs to know of a message. */
function letterTo(sender: string, to: string, size: number): QueueEntry {
  return {
    id: 'lab' as QueueEntry['id'],
    sender,
    recipients: [recipient(to)],
    size,
    received: 0,
    from: { protocol: 'internal', client: '' },
    body: '7bit',
    smtputf8: /[^\u0000-\u007f]/.test(sender + to),
    requireTls: false,
  };
}

async function mail(lab: Lab, [who, number]: readonly string[], say: Say): Promise<void> {
  const { user, host } = personOf(lab, who);
  if (!host.users.includes(user))
    throw new UserError(`${host.name} has no user ${user}; there are ${host.users.join(', ')}`);
  const path = join(host.root, 'var/mail', user);
  if (realDisk.stat(path) === undefined) {
    say(`No mail for ${user} at ${host.name}`);
    return;
  }
  const notify = (text: string) => say(visible(text));
  const state = join(host.root, 'var/lib/tmail');
  const locker = createLocker({ disk: realDisk, hostname: host.name, now: Date.now, notify });
  const context = { disk: realDisk, locker, stateDir: state, stateDirsOf: () => [state], now: lab.now, notify };
  const box = await openMailbox(context, { kind: 'mbox', path }, { readOnly: true });
  try {
    if (number === undefined) {
      for (let slot = 0; slot < box.length; slot++) say(rowOf(slot + 1, box.header(slot)));
      return;
    }
    const slot = Number(number) - 1;
    if (!(slot >= 0 && slot < box.length)) throw new UserError(`${user} has ${box.length} messages`);
    say(visibleLines(Buffer.from(box.content(slot)).toString().trimEnd()));
  } finally {
    box.close();
  }
}

function rowOf(number: number, header: Uint8Array): string {
  const { from, subject, date } = readEnvelope(header);
  const when = date === undefined ? '' : new Date(date.seconds * 1000).toISOString().slice(5, 16).replace('T', ' ');
  const who = visible(from[0]?.address ?? '');
  return `${String(number).padStart(3)}  ${when}  ${pad(cut(who, 34), 34)}  ${cut(visible(subject), 50)}`;
}

function queue(lab: Lab, [name]: readonly string[], say: Say): void {
  const hosts = name === undefined ? lab.hosts() : [hostOf(lab, name)];
  let waiting = 0;
  for (const host of hosts) {
    for (const entry of host.daemon?.entries() ?? []) {
      waiting += 1;
      say(
        `${host.name}  ${entry.id}  from ${visible(entry.sender || '<>')}, ${showSpan(lab.now() - entry.received)} old`,
      );
      for (const { address, status, attempts, nextTry, reason } of entry.recipients) {
        if (status !== 'queued') continue;
        const next = showSpan(Math.max(0, nextTry - lab.now()));
        say(
          `    ${visible(address)}: tried ${attempts === 1 ? 'once' : `${attempts} times`}, again in ${next}: ${visible(reason?.text ?? '')}`,
        );
      }
    }
  }
  if (waiting === 0) say('Nothing waits.');
}

/** To the minute. */
function showSpan(milliseconds: number): string {
  return showDuration(Math.round(milliseconds / 60_000) * 60_000);
}

async function fault(lab: Lab, [name, ...words]: readonly string[], say: Say): Promise<void> {
  const host = hostOf(lab, name);
  const text = words.join(' ');
  if (text !== '' && text !== 'silent' && !/^[45]\d\d /.test(text))
    throw new UserError('silent, or 451 or 550 and a text');
  const what: Fault | undefined =
    text === '' ? undefined : text === 'silent' ? { kind: 'silent' } : { kind: 'answer', text };
  await lab.fault(host.name, what);
  say(
    what === undefined
      ? `${host.name} is well`
      : `${host.name} now ${text === 'silent' ? 'says nothing' : `says ${text}`}`,
  );
}

async function later(lab: Lab, [time]: readonly string[], say: Say): Promise<void> {
  const span = readDuration(time ?? '');
  if (span === undefined) throw new UserError('how much later? 30m, 4h, 5d');
  await lab.later(span);
  say(`It is ${formatDate(Math.floor(lab.now() / 1000), 0)}`);
}

const LAST_LINES = 20;

function log(lab: Lab, [name]: readonly string[], say: Say): void {
  const host = name === undefined ? firstHost(lab) : hostOf(lab, name);
  const bytes = readWhole(realDisk, join(host.root, 'var/log/tmail.log')) ?? new Uint8Array();
  for (const line of Buffer.from(bytes).toString().trimEnd().split('\n').slice(-LAST_LINES)) {
    const read = readEvent(line);
    if (read === undefined) continue;
    const { time, event, id = '', ...fields } = read;
    const words = ['from', 'to', 'status', 'reason'].flatMap((key) =>
      fields[key] === undefined ? [] : `${key}=${fields[key]}`,
    );
    say(
      visible(`${time.slice(5, 19).replace('T', ' ')}  ${pad(event, 10)} ${pad(id, 10)} ${words.join(' ')}`.trimEnd()),
    );
  }
}
