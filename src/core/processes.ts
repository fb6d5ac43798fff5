/**
 * What this machine knows about its processes: whether one is alive, since when, and what it is called.
 *
 * Where /proc is missing or hides things, the answer is "unknown" (undefined or ''), never an error.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { uptime } from 'node:os';
import { errnoOf } from './errors.ts';

export interface Processes {
  /** Changes with every start of the machine; '' when unknown. */
  readonly bootId: string;
  /** Names the set of process numbers that this process lives in (a container has its own); '' when unknown. */
  readonly pidNamespace: string;
  /** Seconds since the machine started. */
  uptime(): number;
  alive(pid: number): boolean;
  /** When a process was started, in hundredths of a second since the machine was; undefined when unknown. */
  started(pid: number): number | undefined;
  /** Its short name (`mutt`), safe to print; '' when unknown. */
  name(pid: number): string;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

/** Field 22 of /proc/PID/stat. The name in field 2 may hold blanks and brackets, so fields count from its last one. */
function started(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return field === undefined ? undefined : Number(field);
}

let here: Processes | undefined;

/** The processes of this machine. */
export function processesHere(): Processes {
  here ??= {
    bootId: read('/proc/sys/kernel/random/boot_id').trim(),
    pidNamespace: link('/proc/self/ns/pid').replace(/\D/g, ''),
    uptime,
    alive,
    started,
    name: (pid) =>
      read(`/proc/${pid}/comm`)
        .trim()
        .replace(/[^\x20-\x7e]/g, '?'),
  };
  return here;
}
