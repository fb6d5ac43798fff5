/**
 * Message lists (`10-50`, `*`, `:u`, `/text`, names): parsed, then resolved, touching nothing.
 *
 *     list := term...            parted by blanks; between numbers a comma will do
 *     term := N | N-M | . | ^ | $ | + | - | * | /text | :types | address
 *
 * Numbers and ranges add up. What they select is narrowed by the other terms: by those with text (a name or a subject
 * must match, one of several will do) and by `:types` (one of the letters must hold). Without a number the others select
 * from all. Any malformed term, and any number that is not there, refuses the whole list: the command does nothing.
 */
import { Flag } from '../mailbox/mailbox.ts';
import { readEnvelope } from '../message/envelope.ts';
import { fieldTexts, parseHeader } from '../message/header.ts';
import { scanWords } from './parse.ts';
import { defaultMessage, hasMark, headerOf, isPresent, Mark, nearest, readState, type Session } from './session.ts';
import { words } from './words/en.ts';

/** A place that a number or one of `. ^ $ + -` names. */
export type Point = { readonly number: number } | { readonly sign: '.' | '^' | '$' | '+' | '-' };

export type Term = { readonly text: string; readonly column: number } & (
  | { readonly kind: 'point'; readonly at: Point }
  | { readonly kind: 'range'; readonly from: Point; readonly to: Point }
  | { readonly kind: 'all' }
  | { readonly kind: 'types'; readonly letters: string }
  | { readonly kind: 'search'; readonly wanted: string }
  | { readonly kind: 'address'; readonly wanted: string }
);

/** Why a list is refused: the term, and its column in the text given (from 1). */
export interface ListError {
  readonly message: string;
  readonly column: number;
  readonly text: string;
}

export type Parsed = { readonly terms: readonly Term[] } | { readonly error: ListError };

const POINT = '(?:\\d+|[.^$+-])';
const RANGE = new RegExp(`^(${POINT})-(${POINT})$`);
/** What begins like a number or a sign, and is neither an address (`123@qq.example`) nor well formed. */
const MALFORMED = /^(?:[.^$*+-].*|\d[\d.^$*+:/-]*)$/;

/** Reads a list. Numbers are not compared with any mailbox yet. */
export function parseList(text: string): Parsed {
  const terms: Term[] = [];
  for (const word of scanWords(text)) {
    for (const piece of pieces(word.text, word.quoted, word.start)) {
      const term = parseTerm(piece.text, piece.column, word.quoted);
      if ('message' in term) return { error: term };
      terms.push(term);
    }
  }
  return { terms };
}

/** A word at its commas, unless it is quoted or searches for text with a comma in it. */
function pieces(word: string, quoted: boolean, start: number): { text: string; column: number }[] {
  if (quoted || word.startsWith('/') || !word.includes(',')) return [{ text: word, column: start + 1 }];
  let column = start + 1;
  return word
    .split(',')
    .map((text) => {
      const piece = { text, column };
      column += text.length + 1;
      return piece;
    })
    .filter(({ text }) => text !== '');
}

function parseTerm(text: string, column: number, quoted: boolean): Term | ListError {
  const at = { text, column };
  if (text.startsWith('/')) {
    return text.length > 1 ? { ...at, kind: 'search', wanted: text.slice(1) } : { ...at, message: words.emptySearch };
  }
  if (quoted) return { ...at, kind: 'address', wanted: text };
  if (text === '*') return { ...at, kind: 'all' };
  if (/^\d+$/.test(text) || /^[.^$+-]$/.test(text)) return { ...at, kind: 'point', at: pointOf(text) };
  const range = RANGE.exec(text);
  if (range !== null) return { ...at, kind: 'range', from: pointOf(range[1] ?? ''), to: pointOf(range[2] ?? '') };
  if (text.startsWith(':')) {
    const bad = /[^norudfa]/.exec(text.slice(1));
    if (bad === null && text.length > 1) return { ...at, kind: 'types', letters: text.slice(1) };
    return { ...at, message: words.unknownType(text) };
  }
  if (MALFORMED.test(text)) return { ...at, message: words.malformedTerm(text) };
  return { ...at, kind: 'address', wanted: text };
}

function pointOf(text: string): Point {
  switch (text) {
    case '.':
    case '^':
    case '$':
    case '+':
    case '-':
      return { sign: text };
    default:
      return { number: Number(text) };
  }
}

/** Which messages can be meant: those that are there, the deleted ones (undelete), or both by name (from). */
export type Among = 'present' | 'deleted' | 'any';

export type Resolved = { readonly numbers: readonly number[] } | { readonly error: ListError };

type Test = (session: Session, slot: number) => boolean;

function isDeleted(session: Session, slot: number): boolean {
  return hasMark(session, slot, Mark.deleted) && !hasMark(session, slot, Mark.gone);
}

/** `:d` and numbers may name deleted messages; `^ $ + - *` and ranges go by the present ones. */
const AMONG: Readonly<Record<Among, { readonly step: Test; readonly named: Test }>> = {
  present: { step: isPresent, named: isPresent },
  deleted: { step: isDeleted, named: isDeleted },
  any: { step: isPresent, named: (session, slot) => isPresent(session, slot) || isDeleted(session, slot) },
};

/** Numbers of the messages that a list selects, ascending, each once. Never empty: an empty selection is an error. */
export function resolveList(session: Session, terms: readonly Term[], among: Among = 'present'): Resolved {
  const { step, named } = AMONG[among];
  if (terms.length === 0) {
    const number = defaultMessage(session, step);
    return number > 0 ? { numbers: [number] } : nothing('', 1);
  }
  const chosen = new Uint8Array(session.count);
  const places = terms.filter((term) => term.kind === 'point' || term.kind === 'range' || term.kind === 'all');
  for (const term of places) {
    const error = choose(session, term, chosen, step, named);
    if (error !== undefined) return { error };
  }
  const texts = terms.filter((term) => term.kind === 'address' || term.kind === 'search');
  const types = terms.filter((term) => term.kind === 'types');
  // `:d` reaches deleted messages where a command can have them.
  const reach = types.some(({ letters }) => letters.includes('d')) ? named : step;
  if (places.length === 0) for (let slot = 0; slot < session.count; slot++) if (reach(session, slot)) chosen[slot] = 1;
  const narrow = [typesTest(types.map(({ letters }) => letters).join('')), textsTest(session, texts)];
  const numbers: number[] = [];
  for (let slot = 0; slot < session.count; slot++) {
    if (chosen[slot] === 1 && narrow.every((test) => test(session, slot))) numbers.push(slot + 1);
  }
  if (numbers.length > 0) return { numbers };
  const first = terms[0];
  return nothing(terms.map(({ text }) => text).join(' '), first?.column ?? 1);
}

function nothing(text: string, column: number): { readonly error: ListError } {
  return { error: { message: words.noApplicable(text), column, text } };
}

/** Marks in `chosen` what a number, a range or `*` names. */
function choose(session: Session, term: Term, chosen: Uint8Array, step: Test, named: Test): ListError | undefined {
  const { text, column } = term;
  switch (term.kind) {
    case 'all':
      for (let slot = 0; slot < session.count; slot++) if (step(session, slot)) chosen[slot] = 1;
      return undefined;
    case 'point': {
      const number = locate(session, term.at, step);
      if (typeof number === 'string') return { message: number, column, text };
      if (named(session, number - 1)) chosen[number - 1] = 1;
      // Ranges leave out what is deleted; whoever names it means something that cannot be.
      else if (named === isPresent) return { message: whyNot(session, number), column, text };
      return undefined;
    }
    case 'range': {
      const from = locate(session, term.from, step);
      const to = locate(session, term.to, step);
      for (const end of [from, to]) if (typeof end === 'string') return { message: end, column, text };
      if (from > to) return { message: words.reversedRange(text), column, text };
      for (let slot = Number(from) - 1; slot < Number(to); slot++) if (step(session, slot)) chosen[slot] = 1;
      return undefined;
    }
    default:
      return undefined;
  }
}

function whyNot(session: Session, number: number): string {
  return hasMark(session, number - 1, Mark.gone) ? words.messageGone(number) : words.messageDeleted(number);
}

/** The number of a place, or why there is none. */
function locate(session: Session, point: Point, step: Test): number | string {
  if ('number' in point) {
    if (point.number >= 1 && point.number <= session.count) return point.number;
    return words.noSuchMessage(point.number, session.count);
  }
  const found = {
    '.': () => (session.dot >= 1 && session.dot <= session.count ? session.dot : 0),
    '^': () => nearest(session, 0, 1, step),
    $: () => nearest(session, session.count + 1, -1, step),
    '+': () => nearest(session, session.dot, 1, step),
    '-': () => nearest(session, session.dot, -1, step),
  }[point.sign]();
  return found > 0 ? found : words.noMessageThere(point.sign);
}

const TYPES: Readonly<Record<string, Test>> = {
  n: (session, slot) => readState(session, slot) === 'new',
  o: (session, slot) => readState(session, slot) !== 'new' && !hasMark(session, slot, Mark.read),
  r: (session, slot) => readState(session, slot) === 'read',
  u: (session, slot) => readState(session, slot) !== 'read',
  d: isDeleted,
  f: (session, slot) =>
    hasMark(session, slot, Mark.flagged) ||
    ((session.box.info(slot).flags & Flag.flagged) !== 0 && !hasMark(session, slot, Mark.unflagged)),
  a: (session, slot) => hasMark(session, slot, Mark.answered) || (session.box.info(slot).flags & Flag.answered) !== 0,
};

function typesTest(letters: string): Test {
  if (letters === '') return () => true;
  const tests = [...new Set(letters)].flatMap((letter) => TYPES[letter] ?? []);
  return (session, slot) => tests.some((test) => test(session, slot));
}

function textsTest(session: Session, terms: readonly Term[]): Test {
  const byField = session.settings.variables.has('searchheaders');
  const tests = terms.flatMap((term) => {
    if (term.kind === 'address') return addressTest(term.wanted);
    return term.kind === 'search' ? searchTest(term.wanted, byField) : [];
  });
  if (tests.length === 0) return () => true;
  return (session, slot) => tests.some((test) => test(session, slot));
}

/** A part of an address in From, else Sender, else of the envelope sender; letter case ignored. */
function addressTest(wanted: string): Test {
  const part = wanted.toLowerCase();
  return (session, slot) => {
    const { from, sender } = readEnvelope(headerOf(session, slot), session.charsets);
    const senders = (from.length > 0 ? from : sender).map(({ address }) => address);
    if (senders.length === 0) senders.push(session.box.info(slot).sender);
    return senders.some((address) => address.toLowerCase().includes(part));
  };
}

/** Text in the subject; with `searchheaders`, `field:text` looks in that field. */
function searchTest(wanted: string, byField: boolean): Test {
  const named = byField ? /^([!-9;-~]+):(.*)$/s.exec(wanted) : null;
  const field = named?.[1] ?? 'subject';
  const part = (named?.[2] ?? wanted).toLowerCase();
  return (session, slot) => {
    const header = headerOf(session, slot);
    const texts =
      named === null ? [readEnvelope(header, session.charsets).subject] : fieldTexts(parseHeader(header), field);
    return texts.some((text) => text.toLowerCase().includes(part));
  };
}
