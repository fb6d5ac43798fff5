/**
 * Acting as another user for a while: for a process that root started, and only there.
 *
 * Only the effective ids change, so root can be taken up again; what is done meanwhile is what that user may do. The real id
 * stays root's: the user can neither signal nor trace the process, and access(2), which asks the real id, must not be asked.
 * The ids belong to the whole process, so two pieces of work that wait for something must not be interleaved; a synchronous
 * one may come in between at any time. A process that cannot become who it should be ends at once.
 */
import { readFileSync } from 'node:fs';
import { EX } from './errors.ts';
import type { User } from './users.ts';

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; the group itself need not be among them. */
  readonly groups: readonly number[];
}

export const ROOT: Identity = { uid: 0, gid: 0, groups: [] };

let current = ROOT;

/** Does `work` as `who`. */
export function actAs<T>(who: Identity, work: () => T): T {
  const before = current;
  become(who);
  try {
    return work();
  } finally {
    become(before);
  }
}

/** The same for work that waits; the caller sees to it that there is one at a time. */
export async function actAsWhile<T>(who: Identity, work: () => Promise<T>): Promise<T> {
  const before = current;
  become(who);
  try {
    return await work();
  } finally {
    become(before);
  }
}

function become(who: Identity): void {
  if (who === current) return;
  try {
    const { seteuid, setegid, setgroups } = calls();
    if (current.uid !== 0) seteuid(0);
    setgroups([...who.groups]);
    setegid(who.gid);
    if (who.uid !== 0) seteuid(who.uid);
    current = who;
  } catch (error) {
    // Neither one nor the other: nothing may be done any more in this state.
    process.stderr.write(`tmail: cannot act as user ${who.uid}: ${String(error)}\n`);
    process.exit(EX.osError);
  }
}

function calls() {
  const { seteuid, setegid, setgroups, setuid, setgid } = process;
  if (!seteuid || !setegid || !setgroups || !setuid || !setgid) throw new Error('no users on this system');
  return { seteuid, setegid, setgroups, setuid, setgid };
}

/** A user with the groups that the system, or the root folder's etc/group, knows. Only root may ask the system. */
export function identityOf({ name, uid, gid }: Pick<User, 'name' | 'uid' | 'gid'>, root = ''): Identity {
  return { uid, gid, groups: root === '' ? systemGroups(name, gid) : groupsInFile(`${root}/etc/group`, name) };
}

/** All sources of NSS are asked by initgroups(3), which sets them: they are read back, and the old ones put in place. */
function systemGroups(name: string, gid: number): number[] {
  return actAs(ROOT, () => {
    const { getgroups, setgroups } = process;
    const { initgroups } = process as { initgroups?: (name: string, gid: number) => void };
    if (!initgroups || !getgroups || !setgroups) throw new Error('no groups on this system');
    try {
      initgroups(name, gid);
      return getgroups().filter((group) => group !== gid);
    } finally {
      setgroups([...ROOT.groups]);
    }
  });
}

function groupsInFile(file: string, name: string): number[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [, , gid = '', members = ''] = line.split(':');
    return /^\d{1,10}$/.test(gid) && members.trim().split(',').includes(name) ? [Number(gid)] : [];
  });
}

/**
 * Becomes `who` for good. Every way back to root is tried, and the kernel is asked for what is left.
 *
 * @throws Error when anything of root is left: then the process must end.
 */
export function dropTo(who: Identity): void {
  const { setuid, setgid, setgroups, seteuid, setegid } = calls();
  if (who.uid === 0) throw new Error('dropping root to become root');
  setgroups([...who.groups]);
  setgid(who.gid);
  setuid(who.uid);
  const ways = {
    setuid: () => setuid(0),
    seteuid: () => seteuid(0),
    setgroups: () => setgroups([0]),
    ...(who.gid === 0 ? {} : { setgid: () => setgid(0), setegid: () => setegid(0) }),
  };
  for (const [name, way] of Object.entries(ways)) {
    let refused = false;
    try {
      way();
    } catch {
      refused = true;
    }
    if (!refused) throw new Error(`root was given up, and ${name} takes it up again`);
  }
  const left = whatIsLeft(readFileSync('/proc/self/status', 'utf8'), who);
  if (left !== undefined) throw new Error(`root was given up, and the kernel says ${left}`);
}

/** The line of /proc/PID/status that shows other ids than `who` has, or rights beyond a user's; undefined: none does. */
export function whatIsLeft(status: string, { uid, gid, groups }: Identity): string | undefined {
  const four = [uid, gid].map((id) => [id, id, id, id].join(' '));
  const ours = new Set(['', String(gid), ...groups.map(String)]);
  const wanted: readonly (readonly [string, (value: string) => boolean])[] = [
    ['Uid', (value) => value === four[0]],
    ['Gid', (value) => value === four[1]],
    ['Groups', (value) => value.split(' ').every((one) => ours.has(one))],
    ['CapPrm', isNone],
    ['CapEff', isNone],
    ['CapAmb', isNone],
  ];
  const lines = new Map(
    status.split('\n').map((line) => {
      const [name = '', value = ''] = line.split(':');
      return [name, value.trim().replace(/\s+/g, ' ')];
    }),
  );
  for (const [name, holds] of wanted) {
    const value = lines.get(name);
    // Older kernels have no CapAmb.
    if (value === undefined ? name !== 'CapAmb' : !holds(value)) return `${name}: ${value ?? 'nothing'}`;
  }
  return undefined;
}

function isNone(capabilities: string): boolean {
  return /^0+$/.test(capabilities);
}
