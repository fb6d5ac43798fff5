/**
 * The unprivileged side of helper.ts: work for helpers, shared out among those that there are.
 *
 * A helper gets one delivery at a time; lists and programs, which do not wait for each other, at any time. When one dies,
 * what it was doing is put off, and the keeper starts another.
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { errnoOf, MailError } from '../core/errors.ts';
import type { NewMessage } from '../mailbox/mailbox.ts';
import type { ListResult } from '../rules/expand.ts';
import type { ProgramEnd } from '../transport/program.ts';
import type { HelperSettings } from './helper.ts';
import { encodeFrame, type Frame, FrameReader, type HelperAnswer, type HelperRequest } from './helper-protocol.ts';
import type { Command } from './keeper.ts';

/** A mailbox by its user, or a file by who names it. */
export type AppendTarget =
  | { readonly do: 'mailbox'; readonly user: string }
  | { readonly do: 'file'; readonly path: string; readonly asUser?: string };

export interface Helpers {
  append(target: AppendTarget, messages: Iterable<NewMessage>): Promise<void>;
  program(
    program: { readonly command: string; readonly asUser?: string; readonly sender: string },
    content: Uint8Array,
  ): Promise<ProgramEnd>;
  forward(user: string): Promise<ListResult>;
  include(path: string, asUser?: string): Promise<ListResult>;
  /** Octets that may be appended at once, unless one message has more. */
  readonly most: number;
  /** Who hears what from now on; until then standard error does. */
  tell(listeners: Listeners): void;
  /** Lets the helpers end when they are done. Resolves when keeper and helpers are gone. */
  close(): Promise<void>;
}

export interface Listeners {
  /** What became known of a mailbox. */
  readonly notify: (text: string) => void;
  /** Something that the administrator should know. */
  readonly problem: (error: Error) => void;
}

/** For messages that go together. */
export const MOST_TOGETHER = 8 * 1024 * 1024;
/** Milliseconds that work waits for a helper. */
const PATIENCE = 30_000;
/** Helpers that a question is put to, when they die of it. */
const TRIES = 3;
/** Lists may be long. */
const LARGEST_ANSWER = 256 * 1024 * 1024;

/** The helper died, or there is none: nothing is known of what was asked of it. */
class HelperGone extends Error {
  override readonly name = 'HelperGone';
}

interface Waiting {
  readonly request: HelperRequest;
  readonly bodies: readonly Uint8Array[];
  readonly answered: (answer: HelperAnswer) => void;
  /** The helper died. */
  readonly lost: (error: Error) => void;
  readonly serial: boolean;
}

/** Starts the keeper; to be called while there is root to hand on. */
export function startHelpers([file, ...args]: Command, settings: HelperSettings): Helpers {
  const env = { ...process.env, ...environmentOf(settings) };
  const keeper = spawn(file, args, { stdio: ['pipe', 'ignore', 'inherit', 'ipc'], env });
  const print = (text: string) => process.stderr.write(`tmail: ${text}\n`);
  let listeners: Listeners = { notify: print, problem: ({ message }) => print(message) };
  const notify = (text: string) => listeners.notify(text);
  const problem = (error: Error) => listeners.problem(error);
  const helpers = new Set<HelperConnection>();
  const waiting = new Set<Waiting>();
  let closing = false;

  const dispatch = () => {
    for (const work of waiting) {
      const free = [...helpers].filter((one) => !work.serial || !one.delivering);
      const [best] = free.sort((a, b) => a.load - b.load);
      if (best === undefined) continue;
      waiting.delete(work);
      best.ask(work);
    }
  };

  const ask = (request: HelperRequest, bodies: readonly Uint8Array[] = []): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const serial = request.do === 'mailbox' || request.do === 'file';
      const reads = request.do === 'forward' || request.do === 'include';
      let tries = 1;
      const timer = setTimeout(() => {
        if (waiting.delete(work))
          reject(new HelperGone('no process is there that may do that; it is tried again later'));
      }, PATIENCE);
      const work: Waiting = {
        request,
        bodies,
        serial,
        answered: (answer) => {
          clearTimeout(timer);
          for (const note of answer.notes) notify(note);
          if (answer.ok) resolve(answer.result);
          else reject(new MailError(answer.error, { temporary: answer.temporary }));
          dispatch();
        },
        lost: (error) => {
          // To read twice does no harm; to deliver twice does, and a later attempt may know better.
          if (reads && tries++ < TRIES) {
            waiting.add(work);
            dispatch();
            return;
          }
          clearTimeout(timer);
          reject(error);
        },
      };
      waiting.add(work);
      dispatch();
    });

  keeper.on('message', (started: { readonly pid: number }, socket) => {
    if (!(socket instanceof Socket)) return;
    if (closing) {
      socket.destroy();
      return;
    }
    const helper = new HelperConnection(socket, started.pid, () => {
      helpers.delete(helper);
      if (!closing) problem(new Error(`helper ${started.pid} ended; what it was doing is tried again later`));
    });
    helpers.add(helper);
    dispatch();
  });
  keeper.stdin?.on('error', () => undefined);
  const gone = new Promise<void>((resolve) => {
    const over = (why: string) => {
      resolve();
      if (!closing) problem(new Error(`${why}: helpers that die are not replaced any more, restart the daemon`));
    };
    keeper.on('error', (error) => over(`the keeper of helpers cannot be started (${errnoOf(error) ?? error.message})`));
    keeper.on('exit', () => over('the keeper of helpers ended'));
  });

  return {
    most: MOST_TOGETHER,
    tell: (given) => {
      listeners = given;
    },
    async append(target, messages) {
      const all = [...messages];
      const frames = all.map(({ sender, received, content }) => ({ sender, received, octets: content.length }));
      await ask(
        { ...target, messages: frames },
        all.map(({ content }) => content),
      );
    },
    // The helper is our own program: what it answers has the type that it should have.
    program: (program, content) => ask({ do: 'program', ...program }, [content]) as Promise<ProgramEnd>,
    forward: (user) => ask({ do: 'forward', user }) as Promise<ListResult>,
    include: (path, asUser) =>
      ask({ do: 'include', path, ...(asUser === undefined ? {} : { asUser }) }) as Promise<ListResult>,
    async close() {
      closing = true;
      for (const helper of helpers) helper.end();
      keeper.stdin?.destroy();
      await gone;
    },
  };
}

class HelperConnection {
  readonly pid: number;
  readonly #socket: Socket;
  readonly #frames = new FrameReader(LARGEST_ANSWER, LARGEST_ANSWER);
  readonly #asked = new Map<number, Waiting>();
  #last = 0;

  constructor(socket: Socket, pid: number, gone: () => void) {
    this.#socket = socket;
    this.pid = pid;
    socket.on('data', (bytes) => {
      for (const frame of this.#frames.take(bytes)) this.#answered(frame);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      gone();
      const open = [...this.#asked.values()];
      this.#asked.clear();
      for (const { lost } of open) lost(new HelperGone('the process that was at it ended'));
    });
  }

  get load(): number {
    return this.#asked.size;
  }

  get delivering(): boolean {
    return [...this.#asked.values()].some(({ serial }) => serial);
  }

  ask(work: Waiting): void {
    const id = ++this.#last;
    this.#asked.set(id, work);
    this.#socket.cork();
    for (const bytes of encodeFrame({ id, ...work.request }, work.bodies)) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  end(): void {
    this.#socket.end();
  }

  #answered({ head }: Frame): void {
    const { id, ...answer } = head as HelperAnswer & { readonly id: number };
    const work = this.#asked.get(id);
    this.#asked.delete(id);
    work?.answered(answer as HelperAnswer);
  }
}

/** The settings as the keeper and its helpers find them in their environment. */
const VARIABLE = 'TMAIL_HELPER';

function environmentOf(settings: HelperSettings): Record<string, string> {
  // io_uring does work in the kernel with the rights of whoever set it up, whoever the process is now.
  return { UV_USE_IO_URING: '0', UV_THREADPOOL_SIZE: '1', [VARIABLE]: JSON.stringify(settings) };
}

/** What `environmentOf` made; undefined when this process was not started by a daemon. */
export function settingsIn(env: Readonly<Record<string, string | undefined>>): HelperSettings | undefined {
  const text = env[VARIABLE];
  return text === undefined ? undefined : (JSON.parse(text) as HelperSettings);
}
