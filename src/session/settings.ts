/**
 * The variables of a session (POSIX mailx, "Variables"), and how `set` and `unset` read their arguments.
 *
 * All is values: a setting is changed by making new Settings. Environment variables of the same name are looked at when
 * a variable is not set (spec: HOME, MAIL, MBOX, DEAD, EDITOR, VISUAL, PAGER, LISTER, SHELL).
 */

import { splitWords } from './parse.ts';
import type { Settings } from './session.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface VariableRow {
  readonly name: string;
  /** One line of help; begins in lower case, no full stop. */
  readonly help: string;
  /** Value before any startup file; '' switches a binary one on. */
  readonly initial?: string;
  /** The environment gives it when it is not set. */
  readonly fromEnvironment?: true;
  /** Takes a value; others are on or off. */
  readonly value?: true;
}

/** Every variable that has a meaning. `set` takes other names as well: letters may use them with `~i`. */
export const VARIABLES: readonly VariableRow[] = [
  { name: 'append', help: 'mail goes to the end of mbox, not to its front' },
  { name: 'ask', help: 'ask for the subject (asksub)' },
  { name: 'askbcc', help: 'ask for blind copies' },
  { name: 'askcc', help: 'ask for copies' },
  { name: 'asksub', help: 'ask for the subject' },
  { name: 'autoprint', help: 'print the next message after delete, the last one after undelete' },
  { name: 'bang', help: '! in a shell command stands for the last one' },
  { name: 'cmd', help: 'command for pipe without a command', value: true },
  { name: 'crt', help: 'page messages longer than this many lines (or than the screen)', value: true },
  { name: 'DEAD', help: 'file for letters that were not sent', value: true, fromEnvironment: true },
  { name: 'debug', help: 'say what would be sent, send nothing' },
  { name: 'dot', help: 'a line of one dot ends a letter' },
  { name: 'EDITOR', help: 'editor of edit and ~e', value: true, fromEnvironment: true },
  { name: 'escape', help: 'first character of escapes in letters', value: true, initial: '~' },
  { name: 'expandaddr', help: 'recipients may be files and |commands' },
  { name: 'flipr', help: 'reply and Reply change places' },
  { name: 'folder', help: 'folder that +NAME is in', value: true },
  { name: 'from', help: 'sender address of letters', value: true },
  { name: 'header', help: 'print the headers at the start', initial: '' },
  { name: 'hold', help: 'what was read stays in the system mailbox' },
  { name: 'ignore', help: 'ignore interrupts while a letter is typed' },
  { name: 'ignoreeof', help: 'end of input ends neither session nor letter' },
  { name: 'indentprefix', help: 'put before lines by ~m', value: true },
  { name: 'json', help: 'headers, from and search print one JSON object a line' },
  { name: 'keep', help: 'an empty system mailbox is kept' },
  { name: 'keepsave', help: 'what was saved goes to mbox as well' },
  { name: 'LISTER', help: 'command that folders lists with', value: true, fromEnvironment: true },
  { name: 'MBOX', help: 'file for what was read', value: true, fromEnvironment: true },
  { name: 'metoo', help: 'do not take me out of groups' },
  { name: 'mta', help: 'delivery program, or smtp://HOST (S)', value: true },
  { name: 'onehop', help: 'for networks of old: has no effect' },
  { name: 'outfolder', help: 'record and its like are in folder' },
  { name: 'page', help: 'pipe puts a form feed behind each message' },
  { name: 'PAGER', help: 'command that pages', value: true, fromEnvironment: true },
  { name: 'prompt', help: 'prompt on a terminal', value: true, initial: '& ' },
  { name: 'quiet', help: 'no greeting, and no word about what became of the mail' },
  { name: 'record', help: 'file for copies of letters sent', value: true },
  { name: 'Replyall', help: 'reply and Reply change places (B)' },
  { name: 'save', help: 'letters that were abandoned go to DEAD', initial: '' },
  { name: 'screen', help: 'number of headers on a screen', value: true },
  { name: 'searchheaders', help: '/FIELD:TEXT searches in that header field' },
  { name: 'sendmail', help: 'delivery program', value: true },
  { name: 'sendwait', help: 'wait for the delivery program' },
  { name: 'SHELL', help: 'shell for commands', value: true, fromEnvironment: true },
  { name: 'showto', help: 'headers of letters by me show To' },
  { name: 'Sign', help: 'text for ~A', value: true },
  { name: 'sign', help: 'text for ~a', value: true },
  { name: 'toplines', help: 'lines that top prints', value: true, initial: '5' },
  { name: 'undo_keep', help: 'how long recover keeps what a session took out: 7d unless set, 12h, 0', value: true },
  { name: 'verbose', help: 'say how a letter is handed on' },
  { name: 'VISUAL', help: 'editor of visual and ~v', value: true, fromEnvironment: true },
];

const LINES = { form: /^\d{1,9}$/, what: 'a number of lines' };

/** What values must look like, where another would be a mistake. */
const CHECKS: Readonly<Record<string, { readonly form: RegExp; readonly what: string }>> = {
  screen: LINES,
  toplines: LINES,
  undo_keep: { form: /^\d{1,6}[hdw]?$/, what: 'a time like 7d, 12h or 0' },
};

const ROWS = new Map(VARIABLES.map((row) => [row.name, row]));

/** Settings before any startup file is read. */
export function initialSettings(): Settings {
  const initial = VARIABLES.flatMap(({ name, initial }) => (initial === undefined ? [] : [[name, initial] as const]));
  return {
    variables: new Map(initial),
    aliases: new Map(),
    alternates: [],
    ignored: new Set(),
    retained: new Set(),
  };
}

/** The value of a variable, or of the environment variable that stands for it; undefined when there is none. */
export function variable(settings: Settings, env: Environment, name: string): string | undefined {
  const value = settings.variables.get(name);
  if (value !== undefined) return value;
  const fromEnvironment = ROWS.get(name)?.fromEnvironment ? env[name] : undefined;
  return fromEnvironment === '' ? undefined : fromEnvironment;
}

export function isSet(settings: Settings, name: string): boolean {
  return settings.variables.has(name);
}

/** The number a variable holds; `otherwise` when it is not set or holds none. */
export function numberOf(settings: Settings, name: string, otherwise: number): number {
  const value = settings.variables.get(name) ?? '';
  return /^\d{1,9}$/.test(value) ? Number(value) : otherwise;
}

const DAYS: Readonly<Record<string, number>> = { h: 1 / 24, d: 1, w: 7 };

/** Days for which what a session took out of a mailbox can be brought back; undefined: as usual. */
export function undoDays(settings: Settings): number | undefined {
  const [, count, unit = 'd'] = /^(\d+)([hdw])?$/.exec(settings.variables.get('undo_keep') ?? '') ?? [];
  return count === undefined ? undefined : Number(count) * (DAYS[unit] ?? 1);
}

function withVariable(settings: Settings, name: string, value: string | undefined): Settings {
  const variables = new Map(settings.variables);
  if (value === undefined) variables.delete(name);
  else variables.set(name, value);
  return { ...settings, variables };
}

/** What `set` and `unset` came to: new settings, and one line for each argument that made no sense. */
export interface SettingsChange {
  readonly settings: Settings;
  readonly errors: readonly string[];
}

/** `set NAME NAME=VALUE noNAME ...`; quotes may stand anywhere in a value, several on one line. */
export function setVariables(settings: Settings, argument: string): SettingsChange {
  const errors: string[] = [];
  let next = settings;
  for (const word of splitWords(argument)) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) {
      errors.push(`set: ${JSON.stringify(word)} does not begin with the name of a variable`);
    } else if (equals >= 0) {
      const row = ROWS.get(name);
      const value = word.slice(equals + 1);
      const check = CHECKS[name];
      if (check !== undefined && !check.form.test(value)) {
        errors.push(`set: ${name} is ${check.what}, not ${JSON.stringify(value)}`);
      } else {
        next = withVariable(next, name, row?.value || row === undefined ? value : '');
      }
    } else if (/^no./.test(name) && !ROWS.has(name)) {
      next = withVariable(next, name.slice(2), undefined);
    } else {
      next = withVariable(next, name, '');
    }
  }
  return { settings: next, errors };
}

/** `unset NAME...`. A name that is not set is fine. */
export function unsetVariables(settings: Settings, argument: string): Settings {
  return splitWords(argument).reduce((next, name) => withVariable(next, name, undefined), settings);
}

/** What `set` alone prints: a line for each variable that is set, by name. */
export function listVariables(settings: Settings): string[] {
  const rows = [...settings.variables].sort(([a], [b]) => (a < b ? -1 : 1));
  return rows.map(([name, value]) => (value === '' ? name : `${name}=${quoteValue(value)}`));
}

function quoteValue(value: string): string {
  if (/^[\w@%+:,./~-]+$/.test(value)) return value;
  return value.includes('"') && !value.includes("'") ? `'${value}'` : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
