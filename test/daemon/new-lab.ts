/**
 * Labs for tests: made in temporary folders, ended and removed when the test is done.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, type LabHost, type LabOptions, type LabPlan, startLab } from '../../src/daemon/lab.ts';
import { whenDone } from './when-done.ts';

export const HERE = 'linux102.example.com';
/** 25 November 2026, 03:44 UTC. */
export const START = Date.UTC(2026, 10, 25, 3, 44);
export const HOUR = 3_600_000;

export async function newLab(plans?: readonly LabPlan[], parts?: LabOptions['parts']): Promise<Lab> {
  const dir = mkdtempSync(join(tmpdir(), 'tmail-lab-'));
  const lab = await startLab({
    dir,
    start: START,
    ...(plans === undefined ? {} : { plans }),
    ...(parts === undefined ? {} : { parts }),
  });
  whenDone(async () => {
    await lab.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return lab;
}

/** The tutorial's host alone, with lines of configuration and files of its own. */
export async function oneHost(toml = '', files: LabPlan['files'] = {}): Promise<{ lab: Lab; host: LabHost }> {
  const users = ['root', 'lee', 'dongliang', 'daemon'];
  const lab = await newLab([{ name: HERE, users, toml, files }]);
  return { lab, host: lab.host(HERE) };
}

/** The messages of a system mailbox as they lie there, From_ lines first; none when there is no mailbox. */
export function mailbox(host: LabHost, user: string): string[] {
  return messagesIn(join(host.root, 'var/mail', user));
}

export function messagesIn(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return [];
  }
  return text.split(/^(?=From )/m).filter((one) => one !== '');
}

/** Behind the first empty line. */
export function bodyOf(message: string): string {
  return message.slice(message.indexOf('\n\n') + 2);
}

/** The value of a field, unfolded; undefined when it is missing. */
export function field(message: string, name: string): string | undefined {
  const header = message.slice(0, message.indexOf('\n\n') + 1).replace(/\n[ \t]+/g, ' ');
  return new RegExp(`^${name}: (.*)$`, 'mi').exec(header)?.[1];
}

/** Events of the log of a host. */
export function events(host: LabHost, name: string): Record<string, unknown>[] {
  const lines = readFileSync(join(host.root, 'var/log/tmail.log'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === name);
}
