/**
 * `newaliases`: checks the alias file and says what is in it. Nothing is compiled: the file itself is what is read.
 *
 * Syntax as in aliases(5) of sendmail: `name: value, value...`; `#` begins a comment line; a line that begins with a
 * blank goes on with the one before. Exit status 78 (EX_CONFIG) when there is a fault, named as file:line.
 */
import { EX, UserError } from '../core/errors.ts';
import { readWhole } from '../core/files.ts';
import { visible } from '../core/text.ts';
import type { ParsedLine } from './command-line.ts';
import { foundation, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

interface AliasEntry {
  readonly name: string;
  readonly value: string;
  /** Of its first line, from 1. */
  readonly line: number;
}

export interface AliasCheck {
  readonly entries: readonly AliasEntry[];
  readonly faults: readonly { readonly line: number; readonly reason: string }[];
}

const ENTRY = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^\s:"#]+))\s*:\s*(.*)$/;

/** Reads an alias file: its entries, and what is wrong with it. */
export function checkAliases(text: string): AliasCheck {
  const entries: AliasEntry[] = [];
  const faults: { line: number; reason: string }[] = [];
  const first = new Map<string, number>();
  for (const { text: line, number } of logicalLines(text)) {
    const found = ENTRY.exec(line);
    if (found === null) {
      faults.push({
        line: number,
        reason: `${JSON.stringify(line.slice(0, 60))} is no alias: write NAME: RECIPIENT, ...`,
      });
      continue;
    }
    const entry = { name: found[1] ?? found[2] ?? '', value: (found[3] ?? '').trim(), line: number };
    const before = first.get(entry.name.toLowerCase());
    const reason =
      before === undefined ? faultOf(entry) : `${entry.name} is defined twice; the first time in line ${before}`;
    if (reason !== undefined) faults.push({ line: number, reason });
    if (before === undefined) first.set(entry.name.toLowerCase(), number);
    entries.push(entry);
  }
  return { entries, faults };
}

function faultOf({ name, value }: AliasEntry): string | undefined {
  if (value.replace(/[,\s]/g, '') === '') return `${name} has no recipient`;
  if ((value.match(/"/g)?.length ?? 0) % 2 === 1) return `${name}: a quotation mark is not closed`;
  return undefined;
}

function* logicalLines(text: string): Generator<{ text: string; number: number }> {
  let line = '';
  let begun = 0;
  let number = 0;
  for (const raw of text.split(/\r?\n/)) {
    number += 1;
    if (raw.startsWith('#')) continue;
    if (/^[ \t]/.test(raw) && begun > 0) {
      line += ` ${raw.trim()}`;
      continue;
    }
    if (begun > 0) yield { text: line, number: begun };
    begun = raw.trim() === '' ? 0 : number;
    line = raw;
  }
  if (begun > 0) yield { text: line, number: begun };
}

export async function run(invocation: Invocation, _line: ParsedLine): Promise<number> {
  const { disk, paths } = await foundation(invocation);
  const bytes = readWhole(disk, paths.aliases);
  if (bytes === undefined) {
    throw new UserError(
      `${paths.aliases}: No such file or directory; without it every name stands for itself`,
      EX.noInput,
    );
  }
  const { entries, faults } = checkAliases(new TextDecoder().decode(bytes));
  for (const { line, reason } of faults) printError(`${paths.aliases}:${line}: ${reason}`);
  if (faults.length > 0) return EX.config;
  const sizes = entries.map(({ value }) => Buffer.byteLength(value));
  const total = entries.reduce((sum, { name }, i) => sum + Buffer.byteLength(name) + (sizes[i] ?? 0), 0);
  const longest = Math.max(0, ...sizes);
  return printText(
    `${visible(paths.aliases)}: ${entries.length} aliases, longest ${longest} bytes, ${total} bytes total\n`,
  );
}
