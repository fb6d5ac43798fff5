/**
 * What the unprivileged half of the daemon may ask of the privileged one, and how it is put into bytes.
 *
 * A frame is two lengths (32 bits, big endian: of the JSON text and of the octets), a JSON object, and octets: the contents
 * of messages, one behind the other. JSON because its parser is made for hostile input. What does not parse, or is larger
 * than it may be, is no request but a fault of the other side: the connection ends.
 *
 * A request names users, never ids or places of mailboxes: those the helper finds out by itself.
 */
import { isUserName } from '../core/users.ts';

/** One message of an append; its octets are `octets` of the frame's, in order. */
export interface MessageFrame {
  readonly sender: string;
  /** Seconds since 1970. */
  readonly received: number;
  readonly octets: number;
}

export type HelperRequest =
  /** Append to the mailbox of a user: the system mailbox, or the Maildir that the configuration gives. */
  | { readonly do: 'mailbox'; readonly user: string; readonly messages: readonly MessageFrame[] }
  /** Append to a file that aliases or, with `asUser`, that user's ~/.forward name. */
  | {
      readonly do: 'file';
      readonly path: string;
      readonly asUser?: string;
      readonly messages: readonly MessageFrame[];
    }
  /** Run an allowed program that aliases or that user's ~/.forward name; the octets are its input. */
  | { readonly do: 'program'; readonly command: string; readonly asUser?: string; readonly sender: string }
  /** Read the ~/.forward of a user. */
  | { readonly do: 'forward'; readonly user: string }
  /** Read an :include: list that aliases or that user's ~/.forward name. */
  | { readonly do: 'include'; readonly path: string; readonly asUser?: string };

export type HelperRequestKind = HelperRequest['do'];

/** What came of a request; `notes`: what the log should know of it (a stale lock was removed). */
export type HelperAnswer =
  | { readonly ok: true; readonly notes: readonly string[]; readonly result?: unknown }
  | { readonly ok: false; readonly notes: readonly string[]; readonly error: string; readonly temporary: boolean };

export interface Frame {
  readonly head: unknown;
  readonly body: Uint8Array;
}

/** Bytes of a frame's JSON text. */
const LARGEST_HEAD = 1024 * 1024;
const LONGEST_TEXT = 4096;
const MOST_MESSAGES = 1000;

export function encodeFrame(head: object, bodies: readonly Uint8Array[] = []): Uint8Array[] {
  const text = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(text.length, 0);
  lengths.writeUInt32BE(
    bodies.reduce((sum, { length }) => sum + length, 0),
    4,
  );
  return [lengths, text, ...bodies];
}

/** Takes frames out of a stream of bytes. */
export class FrameReader {
  readonly #largestBody: number;
  readonly #largestHead: number;
  #chunks: Uint8Array[] = [];
  #have = 0;
  #want = 8;

  constructor(largestBody: number, largestHead = LARGEST_HEAD) {
    this.#largestBody = largestBody;
    this.#largestHead = largestHead;
  }

  /** The frames that are whole by now. @throws Error when the other side does not keep to the form. */
  take(bytes: Uint8Array): Frame[] {
    this.#chunks.push(bytes);
    this.#have += bytes.length;
    const frames: Frame[] = [];
    while (this.#have >= this.#want) {
      const [only = new Uint8Array(), ...more] = this.#chunks;
      const all =
        more.length === 0 ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(this.#chunks);
      const head = all.readUInt32BE(0);
      const body = all.readUInt32BE(4);
      if (head > this.#largestHead || body > this.#largestBody)
        throw new Error(`a frame of ${head} and ${body} octets`);
      const size = 8 + head + body;
      if (all.length >= size) {
        frames.push({ head: JSON.parse(all.toString('utf8', 8, 8 + head)), body: all.subarray(8 + head, size) });
        this.#chunks = [all.subarray(size)];
        this.#have = all.length - size;
        this.#want = 8;
      } else {
        this.#chunks = [all];
        this.#want = size;
      }
    }
    return frames;
  }
}

/** A request as it should be, or why it is none. `octets`: what came with it. */
export function checkRequest(head: unknown, octets: number): HelperRequest | string {
  if (typeof head !== 'object' || head === null) return 'no object';
  const given = head as Readonly<Record<string, unknown>>;
  const kind = given.do;
  const check = typeof kind === 'string' && Object.hasOwn(CHECKS, kind) ? CHECKS[kind as HelperRequestKind] : undefined;
  if (check === undefined) return `nobody knows how to ${JSON.stringify(kind)}`;
  const { fields, messages, body } = check;
  for (const [name, holds] of Object.entries(fields)) {
    if (!holds(given[name])) return `${kind}: ${name} cannot be ${JSON.stringify(given[name])?.slice(0, 100)}`;
  }
  for (const name of Object.keys(given)) {
    if (name !== 'do' && name !== 'id' && !Object.hasOwn(fields, name)) return `${kind} knows no ${name}`;
  }
  const expected = messages ? octetsOf(given.messages as readonly MessageFrame[]) : body ? octets : 0;
  if (expected !== octets) return `${kind}: ${octets} octets came, ${expected} were announced`;
  // Each field was looked at above, and there are no others.
  return given as unknown as HelperRequest;
}

function octetsOf(messages: readonly MessageFrame[]): number {
  return messages.reduce((sum, { octets }) => sum + octets, 0);
}

type Holds = (value: unknown) => boolean;

const isUser: Holds = (value) => typeof value === 'string' && isUserName(value);
const mayBeUser: Holds = (value) => value === undefined || isUser(value);
const isText: Holds = (value) =>
  typeof value === 'string' && value.length <= LONGEST_TEXT && !/[\u0000-\u001f\u007f]/.test(value);
const isPath: Holds = (value) => isText(value) && String(value).startsWith('/');
const isCount: Holds = (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const areMessages: Holds = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= MOST_MESSAGES &&
  value.every((one: unknown) => {
    if (typeof one !== 'object' || one === null || Object.keys(one).length !== 3) return false;
    const { sender, received, octets } = one as Readonly<Record<string, unknown>>;
    return isText(sender) && isCount(received) && isCount(octets);
  });

interface Check {
  readonly fields: Readonly<Record<string, Holds>>;
  /** The octets are those of `messages`. */
  readonly messages?: true;
  /** Any octets will do. */
  readonly body?: true;
}

const CHECKS: Readonly<Record<HelperRequestKind, Check>> = {
  mailbox: { fields: { user: isUser, messages: areMessages }, messages: true },
  file: { fields: { path: isPath, asUser: mayBeUser, messages: areMessages }, messages: true },
  program: { fields: { command: isText, asUser: mayBeUser, sender: isText }, body: true },
  forward: { fields: { user: isUser } },
  include: { fields: { path: isPath, asUser: mayBeUser } },
};
