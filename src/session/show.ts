/**
 * Commands that show: headers, from, z, next, print, top, more, size, =.
 *
 * What is shown comes out of hostile bytes: rows pass through core/text.ts, message text through message/render.ts,
 * which makes it visible. Printing a message makes it read and current.
 */
import { EX, UserError } from '../core/errors.ts';
import { renderMessage } from '../message/render.ts';
import { isOwn } from '../message/reply.ts';
import type { CommandContext } from './command.ts';
import { headerRow, type RowLayout } from './header-row.ts';
import { ownAddresses } from './recipients.ts';
import { select, slotsOf } from './select.ts';
import {
  apply,
  contentOf,
  defaultMessage,
  hasMark,
  isPresent,
  isUntouched,
  Mark,
  nearest,
  type Session,
} from './session.ts';
import { isSet, numberOf, variable } from './settings.ts';
import { words } from './words/en.ts';

/** Rows for these messages. */
export function headerRows(context: CommandContext, numbers: readonly number[]): string[] {
  const { io, now } = context.services;
  const { session } = context;
  const own = isSet(session.settings, 'showto') ? ownAddresses(context.services, session.settings) : undefined;
  const layout: RowLayout = {
    columns: io.columns,
    now: now(),
    own: own === undefined ? undefined : (address) => isOwn(own, address),
  };
  return numbers.map((number) => headerRow(session, number, layout));
}

/** Headers on one screen: `screen`, else what the terminal holds beside prompt and a line or two. */
function screenSize(context: CommandContext): number {
  return Math.max(numberOf(context.session.settings, 'screen', context.services.io.rows - 4), 1);
}

/** Numbers of all messages that are there; screens are counted off from the first. */
function presentNumbers(session: Session): number[] {
  const numbers: number[] = [];
  for (let slot = 0; slot < session.count; slot++) if (isPresent(session, slot)) numbers.push(slot + 1);
  return numbers;
}

interface Screen {
  readonly numbers: readonly number[];
  /** From 0. */
  readonly index: number;
  readonly last: number;
}

/** The screen `away` screens from the one with message `number`, within what there is. */
function screenWith(context: CommandContext, number: number, away = 0): Screen {
  const { session } = context;
  const size = screenSize(context);
  // At the start of a session all are there, and 100,000 of them need not be gone through.
  const all = isUntouched(session) ? undefined : presentNumbers(session);
  const total = all?.length ?? session.count;
  const found = all === undefined ? Math.max(number - 1, 0) : all.findIndex((n) => n >= number);
  const at = found < 0 || found >= total ? total - 1 : found;
  const last = Math.max(Math.ceil(total / size) - 1, 0);
  const index = Math.min(Math.max(Math.floor(Math.max(at, 0) / size) + away, 0), last);
  const first = index * size;
  if (all !== undefined) return { numbers: all.slice(first, first + size), index, last };
  const numbers = Array.from({ length: Math.max(0, Math.min(size, total - first)) }, (_, i) => first + i + 1);
  return { numbers, index, last };
}

/** Rows, or with `set json` an object a line. */
export async function printRows(context: CommandContext, numbers: readonly number[]): Promise<void> {
  if (isSet(context.session.settings, 'json')) (await import('./objects.ts')).printObjects(context, numbers, true);
  else if (numbers.length > 0) context.services.io.out(headerRows(context, numbers).join('\n'));
}

/** The screenful with message N, which becomes current, or with the current message. */
export async function runHeaders(context: CommandContext, argument: string): Promise<void> {
  const { session } = context;
  if (argument !== '') {
    const [number = session.dot] = select(context, argument, 'any');
    const screen = screenWith(context, number);
    context.session = { ...session, dot: isPresent(session, number - 1) ? number : (screen.numbers[0] ?? session.dot) };
    await printRows(context, screen.numbers);
    return;
  }
  const { numbers } = screenWith(context, session.dot);
  if (numbers.length === 0) throw new UserError(words.noApplicable(''));
  await printRows(context, numbers);
}

/** `z`, `z+`, `z-`, each with how many screens; the first message of the new screen becomes current. */
export function screenStep(sign: 1 | -1) {
  return async (context: CommandContext, argument: string): Promise<void> => {
    const { forward, many } = steps(argument, sign);
    const here = screenWith(context, context.session.dot);
    if (forward && here.index === here.last) throw new UserError(words.lastScreen);
    if (!forward && here.index === 0) throw new UserError(words.firstScreen);
    const { numbers } = screenWith(context, context.session.dot, forward ? many : -many);
    context.session = { ...context.session, dot: numbers[0] ?? context.session.dot };
    await printRows(context, numbers);
  };
}

/** `3`, `+`, `- 2`: how many screens, and which way; a sign may stand apart from the z. */
function steps(argument: string, sign: 1 | -1): { forward: boolean; many: number } {
  const found = /^([+-]?)\s*(\d{0,9})$/.exec(argument);
  const many = found?.[2] === '' ? 1 : Number(found?.[2]);
  if (found === null || !(many >= 1)) throw new UserError(words.notANumber('z', argument), EX.failure);
  return { forward: found[1] === '' ? sign > 0 : found[1] === '+', many };
}

/** Rows of the messages of a list, deleted ones too when they are named; the last becomes current. */
export async function runFrom(context: CommandContext, argument: string): Promise<void> {
  const numbers = select(context, argument, 'any');
  const last = numbers.findLast((number) => isPresent(context.session, number - 1));
  context.session = { ...context.session, dot: last ?? context.session.dot };
  await printRows(context, numbers);
}

export async function runCurrent(context: CommandContext): Promise<void> {
  context.services.io.out(String(context.session.dot));
}

export async function runSize(context: CommandContext, argument: string): Promise<void> {
  const { box, edited } = context.session;
  const rows = select(context, argument).map((number) => {
    const size = edited.get(number - 1)?.length ?? box.info(number - 1).size;
    return `${number}: ${size}`;
  });
  context.services.io.out(rows.join('\n'));
}

export interface PrintOptions {
  /** All header fields, whatever is ignored or retained. */
  readonly all?: boolean;
  /** At most so many lines of the text below the header. */
  readonly top?: number;
  /** Through the pager, however short. */
  readonly paged?: boolean;
}

/** The text of a message as it is read: header, empty line, body. */
async function messageText(
  context: CommandContext,
  number: number,
  { all = false, top }: PrintOptions,
): Promise<string> {
  const { session } = context;
  const { ignored, retained } = session.settings;
  const lines = await renderMessage(contentOf(session, number - 1), {
    columns: context.services.io.terminal ? context.services.io.columns : undefined,
    ignored,
    retained,
    allHeaders: all,
    hints: session.charsets ?? [],
  });
  const body = lines.indexOf('') + 1;
  const shown = top === undefined ? lines : lines.slice(0, body + top);
  return [words.messageTitle(number), ...shown].join('\n');
}

/** Prints messages; those that were printed are read, and the last of them is current. */
export async function print(
  context: CommandContext,
  numbers: readonly number[],
  options: PrintOptions = {},
): Promise<void> {
  const { io, env } = context.services;
  const { settings } = context.session;
  const crt = io.terminal && isSet(settings, 'crt') ? numberOf(settings, 'crt', io.rows) : Infinity;
  const printed: number[] = [];
  try {
    for (const number of numbers) {
      const text = await messageText(context, number, options);
      const paged = io.terminal && (options.paged === true || text.split('\n').length > crt);
      if (paged) await io.page(text, variable(settings, env, 'PAGER') ?? 'more');
      else io.out(`${text}\n`);
      printed.push(number);
    }
  } finally {
    const read = { slots: slotsOf(printed), set: Mark.read | Mark.shown, clear: Mark.unread };
    context.session = apply(context.session, [read], printed.at(-1) ?? context.session.dot);
  }
}

export function printing(options: PrintOptions) {
  return async (context: CommandContext, argument: string): Promise<void> => {
    await print(context, select(context, argument), options);
  };
}

export async function runTop(context: CommandContext, argument: string): Promise<void> {
  const top = numberOf(context.session.settings, 'toplines', 5);
  await print(context, select(context, argument), { top });
}

/** Enter, `next`, `+`: the current message when it was not printed yet, else the one behind it; with a list, the next of it. */
export async function runNext(context: CommandContext, argument: string): Promise<void> {
  const { session } = context;
  const here = session.dot;
  const fresh = isPresent(session, here - 1) && !hasMark(session, here - 1, Mark.shown);
  if (argument !== '') {
    const numbers = select(context, argument);
    const next = numbers.find((number) => (fresh ? number >= here : number > here)) ?? numbers[0];
    if (next !== undefined) await print(context, [next]);
    return;
  }
  const next = fresh ? here : nearest(session, here, 1);
  if (next > 0) await print(context, [next]);
  else if (defaultMessage(session) === 0) throw new UserError(words.noApplicable(''));
  else context.services.io.out(words.atEnd);
}

/** `-`, `- N`: the previous message, N times. */
export async function runPrevious(context: CommandContext, argument: string): Promise<void> {
  const many = argument === '' ? 1 : Number(argument);
  if (!Number.isInteger(many) || many < 1) throw new UserError(words.notANumber('-', argument));
  let number = context.session.dot;
  for (let i = 0; i < many && number > 0; i++) number = nearest(context.session, number, -1);
  if (number === 0) throw new UserError(words.atBeginning);
  await print(context, [number]);
}
