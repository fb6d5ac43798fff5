/**
 * The privileged half of the daemon: does as another user what cannot be done otherwise, and nothing else.
 *
 * A daemon that root starts consists of these processes:
 *
 *     main      opens its ports, then gives root up for good; meets the network, reads mail, keeps the queue, decides
 *     keeper    root; starts helpers and starts them anew when they die, and can do nothing else (keeper.ts)
 *     helpers   root; append to mailboxes, run programs, read ~/.forward and lists, each time as the user concerned
 *
 * Main is what was started, so signals, exit status and kill -9 mean what they do for a daemon that is one process. It talks
 * to each helper over a socket of their own, which ends both ways when one of them dies: helpers end what they are doing and
 * then themselves, and main puts off what was not answered (4.3.0), so that the worst that happens is a second delivery.
 * Helpers are several, so that one who waits for a lock does not hold up the others.
 *
 * Main may have been taken over by whoever it talks to. So a request (helper-protocol.ts) names a user and never an id or the
 * place of a mailbox; files, programs and lists must be named by the alias file or the user's ~/.forward, which the helper
 * reads itself (named.ts), and programs allowed by the configuration. What a liar can still do is put mail into mailboxes.
 */
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { type SystemPaths, stateDir, stateDirsOf } from '../config/paths.ts';
import { EX, errnoOf, MailError, reasonOf } from '../core/errors.ts';
import { type Disk, realDisk } from '../core/files.ts';
import { actAs, actAsWhile, type Identity, identityOf, ROOT } from '../core/identity.ts';
import { lookUpUid, lookUpUser, type User } from '../core/users.ts';
import { type AppendOptions, appendMessages } from '../mailbox/append.ts';
import { createLocker } from '../mailbox/lock.ts';
import type { MailboxContext, NewMessage } from '../mailbox/mailbox.ts';
import { commandWords, type ProgramEnd, runToEnd } from '../transport/program.ts';
import {
  checkRequest,
  encodeFrame,
  type Frame,
  FrameReader,
  type HelperAnswer,
  type HelperRequest,
  type HelperRequestKind,
  type MessageFrame,
} from './helper-protocol.ts';
import { readForward, wayFault } from './lists.ts';
import { type Named, namedByAliases, namedByForward, nameKey } from './named.ts';
import { type LocalOptions, localSettings } from './settings.ts';

/** What a helper needs to know of the configuration: plain values, made before anything was read from outside. */
export interface HelperSettings {
  readonly paths: SystemPaths;
  readonly hostname: string;
  readonly local: LocalOptions;
  /** Milliseconds. */
  readonly lockTimeout: number;
  /** Octets of the largest request. */
  readonly largest: number;
  /** As whom programs run that no user named. */
  readonly programUser: string;
}

/** How identities are taken on. */
export interface Acting {
  readonly as: typeof actAs;
  readonly asWhile: typeof actAsWhile;
  readonly identityOf: typeof identityOf;
}

export interface Helper {
  /** Never throws. */
  handle(request: unknown, body: Uint8Array): Promise<HelperAnswer>;
  /** Resolves when no delivery is under way. */
  idle(): Promise<void>;
}

/** A mailbox whose lock is held longer is tried again by the queue; here others wait for their turn. */
const LONGEST_WAIT = 5_000;
/** Milliseconds that the alias file and the lists in it are believed to be as they were. */
const NAMED_KEPT = 2_000;
const SETPRIV = '/usr/bin/setpriv';

const REAL: Acting = { as: actAs, asWhile: actAsWhile, identityOf };

type Answering<R> = (request: R, body: Uint8Array, notes: string[]) => Promise<unknown>;
type Handlers = { readonly [K in HelperRequestKind]: Answering<Extract<HelperRequest, { do: K }>> };

export function createHelper(settings: HelperSettings, acting = REAL, disk = realDisk, now = Date.now): Helper {
  const { paths } = settings;
  const { root } = paths;
  const local = localSettings(settings.local);
  let turn: Promise<void> = Promise.resolve();
  let notes: string[] = [];
  let named: { readonly until: number; readonly value: Named } | undefined;
  const notify = (text: string) => notes.push(text);
  const timeoutMs = Math.min(settings.lockTimeout, LONGEST_WAIT);
  // No dotlockfile(1): as a child of ours it could be root.
  const locker = createLocker({ disk, hostname: settings.hostname, now, notify, timeoutMs, helper: null });

  const lookUp = (name: string) => acting.as(ROOT, () => lookUpUser(name, root));
  const user = (name: string): User => {
    const found = lookUp(name);
    if (found === undefined) throw refused(`there is no user ${name}`);
    return found;
  };
  const as = <T>(who: User | undefined, work: () => T): T =>
    acting.as(who === undefined ? ROOT : acting.identityOf(who, root), work);
  const naming = { disk, paths, user: lookUp, as };

  /** Looks whether `is` holds for what the alias file names, or the ~/.forward of `asUser`. */
  function find<T>(asUser: string | undefined, is: (named: Named) => T | undefined | false): T | undefined {
    const known = named !== undefined && named.until > now() ? is(named.value) : undefined;
    if (known) return known;
    if (asUser !== undefined) {
      const own = is(namedByForward(naming, user(asUser)));
      if (own) return own;
    }
    named = { value: namedByAliases(naming), until: now() + NAMED_KEPT };
    return is(named.value) || undefined;
  }

  /** One delivery after the other, each with the state folder of `who`. */
  function append(
    who: User,
    identity: Identity,
    path: string,
    messages: readonly NewMessage[],
    options: AppendOptions,
    told: string[],
  ): Promise<void> {
    const work = async () => {
      notes = told;
      await acting.asWhile(identity, async () => {
        const context: MailboxContext = contextOf(disk, paths, who, now, notify, locker);
        await appendMessages(context, path, messages, options);
      });
    };
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  const handlers: Handlers = {
    async mailbox({ user: name, messages }, body, told) {
      const who = user(name);
      const maildir = local.maildirOf(name);
      const identity = acting.identityOf(who, root);
      const news = messagesOf(messages, body);
      if (maildir !== undefined) {
        await append(who, identity, join(who.home, maildir), news, { mode: 0o600 }, told);
        return;
      }
      const path = join(paths.spool, name);
      if (local.quota !== undefined && (disk.stat(path)?.size ?? 0) >= local.quota) {
        throw new MailError(`${name}... mailbox is full`, { temporary: true });
      }
      const spool = disk.stat(paths.spool);
      // Debian's spool belongs to a group of its own, which mail programs need for the lock, and mailboxes of mode 660 get.
      const shared = spool !== undefined && (spool.mode & 0o020) !== 0 && spool.gid !== 0 ? spool.gid : undefined;
      const groups = shared === undefined ? identity.groups : [...identity.groups, shared];
      const mode = local.mailboxMode;
      const gid = (mode & 0o070) !== 0 && shared !== undefined ? shared : who.gid;
      const options = { mode, owner: { uid: who.uid, gid } };
      makeMailbox(disk, acting, { ...identity, groups }, path, options);
      await append(who, { ...identity, groups }, path, news, options, told);
    },
    async file({ path: written, asUser, messages }, body, told) {
      if (!find(asUser, ({ files }) => files.has(nameKey(written, asUser)))) throw refused(`nothing names ${written}`);
      const path = join(root, written);
      const who = asUser === undefined ? acting.as(ROOT, () => keeperOf(disk, path, root)) : user(asUser);
      const options = { mode: 0o600, owner: { uid: who.uid, gid: who.gid } };
      await append(who, acting.identityOf(who, root), path, messagesOf(messages, body), options, told);
    },
    async program({ command, asUser, sender }, body): Promise<ProgramEnd> {
      const [file, ...args] = commandWords(command) ?? [];
      if (file === undefined || !local.programs.has(file)) throw refused(`${file ?? command} is no program for mail`);
      if (!find(asUser, ({ programs }) => programs.has(nameKey(command, asUser)))) {
        throw refused(`nothing names the program ${command}`);
      }
      const who = user(asUser ?? settings.programUser);
      if (who.uid === 0) throw refused(`${file}: programs do not get mail as root`);
      const { groups } = acting.identityOf(who, root);
      const ids = [`--reuid=${who.uid}`, `--regid=${who.gid}`, `--groups=${[who.gid, ...groups].join(',')}`];
      const inGroups = groups.length > 0 && disk.stat(SETPRIV) !== undefined ? [SETPRIV, ...ids, '--'] : undefined;
      return runToEnd(
        file,
        args,
        { user: who, limit: local.programLimit },
        { sender, content: body },
        {
          asRoot: (work) => acting.as(ROOT, work),
          ...(inGroups === undefined ? {} : { inGroups: inGroups as [string, ...string[]] }),
        },
      );
    },
    async forward({ user: name }) {
      const who = user(name);
      return as(who, () => readForward(who, root, disk));
    },
    async include({ path, asUser }) {
      const list = find(asUser, ({ includes }) => includes.get(nameKey(path, asUser)));
      if (list === undefined) throw refused(`nothing includes ${path}`);
      return list;
    },
  };

  return {
    async handle(head, body) {
      const told: string[] = [];
      try {
        const request = checkRequest(head, body.length);
        if (typeof request === 'string') throw refused(request);
        // The table has for each kind the handler of that kind.
        const result = await (handlers[request.do] as Answering<HelperRequest>)(request, body, told);
        return { ok: true, notes: told, ...(result === undefined ? {} : { result }) };
      } catch (error) {
        const temporary = error instanceof MailError ? error.temporary : true;
        return { ok: false, notes: told, error: reasonOf(error), temporary };
      }
    },
    idle: () => turn,
  };
}

/** A request that cannot be right now. The table or ~/.forward it came from may have changed, so the mail waits. */
function refused(why: string): MailError {
  return new MailError(why, { temporary: true });
}

function messagesOf(frames: readonly MessageFrame[], body: Uint8Array): NewMessage[] {
  let at = 0;
  return frames.map(({ sender, received, octets }) => {
    const content = body.subarray(at, at + octets);
    at += octets;
    return { content, sender, received, quote: true };
  });
}

function contextOf(
  disk: Disk,
  paths: SystemPaths,
  who: User,
  now: () => number,
  notify: (text: string) => void,
  locker: MailboxContext['locker'],
): MailboxContext {
  try {
    const own = stateDir(who, {}, paths, disk);
    return { disk, locker, stateDir: own, stateDirsOf: stateDirsOf(own, paths, disk), now, notify };
  } catch (error) {
    // Somebody can mend that while the mail waits.
    throw new MailError(reasonOf(error), { temporary: true, cause: error });
  }
}

/** In a folder where only root can make files, root makes the mailbox; everything else its user does. */
function makeMailbox(
  disk: Disk,
  acting: Acting,
  identity: Identity,
  path: string,
  { mode, owner }: { readonly mode: number; readonly owner: { readonly uid: number; readonly gid: number } },
): void {
  if (disk.lstat(path) !== undefined) return;
  const folder = disk.stat(dirname(path));
  if (folder === undefined || folder.uid !== 0 || identity.uid === 0) return;
  if ((folder.mode & 0o002) !== 0 || ((folder.mode & 0o020) !== 0 && identity.groups.includes(folder.gid))) return;
  acting.as(ROOT, () => {
    let fd: number;
    try {
      fd = disk.open(path, 'exclusive', 0o600);
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return;
      throw new MailError(`${path}: ${reasonOf(error)}`, { temporary: true, cause: error });
    }
    try {
      disk.chown(fd, owner.uid, owner.gid);
      disk.chmod(fd, mode);
    } finally {
      disk.close(fd);
    }
  });
}

/**
 * As whom a file is written that the administrator's tables name: as its owner, or that of the folder that it will be made
 * in. Nobody else may be able to put another file in its place.
 */
function keeperOf(disk: Disk, path: string, root: string): User {
  const folder = dirname(path);
  const there = disk.lstat(path) ?? disk.stat(folder);
  if (there === undefined) throw new MailError(`${folder} does not exist`, { temporary: true });
  const { uid, gid } = there;
  const known = lookUpUid(uid, root);
  const who = known ?? { name: String(uid), fullName: '', uid, gid, home: '/nonexistent', shell: '/bin/sh' };
  const fault = wayFault(disk, path, root, who);
  if (fault !== undefined) throw new MailError(`mail cannot go to ${path}: ${fault}`, { temporary: true });
  return { ...who, gid };
}

/** A helper's life: answers what comes over descriptor 3 until that ends. Resolves with the exit status. */
export function runHelper(settings: HelperSettings): Promise<number> {
  process.title = 'tmail: helper';
  process.umask(0o022);
  process.chdir('/');
  process.stderr.on('error', () => undefined);
  process.setgroups?.([...ROOT.groups]);
  // Whoever is told to end tells us, when all is done.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  const helper = createHelper(settings);
  const frames = new FrameReader(settings.largest);
  const socket = new Socket({ fd: 3, readable: true, writable: true });
  const busy = new Set<Promise<void>>();
  const answer = async ({ head, body }: Frame) => {
    const id = typeof head === 'object' && head !== null && 'id' in head ? head.id : undefined;
    const answered = await helper.handle(head, body);
    if (!socket.writable) return;
    socket.cork();
    for (const bytes of encodeFrame({ id, ...answered })) socket.write(bytes);
    socket.uncork();
  };
  return new Promise((resolve) => {
    const end = (status: number) => {
      socket.destroy();
      // What was begun is ended: a lock is given back, a program waited for.
      void Promise.all(busy).then(() => resolve(status));
    };
    socket.on('error', () => socket.destroy());
    socket.on('close', () => end(EX.ok));
    socket.on('data', (bytes) => {
      try {
        for (const frame of frames.take(bytes)) {
          const work = answer(frame).finally(() => busy.delete(work));
          busy.add(work);
        }
      } catch (error) {
        process.stderr.write(`tmail: helper: ${reasonOf(error)}\n`);
        end(EX.software);
      }
    });
  });
}
