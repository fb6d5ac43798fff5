/**
 * `tmail explain ADDRESS`: what would become of a message, step by step, with the line of each rule that had a say.
 */
import { EX, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { type End, type Explanation, explain, traceLines } from '../daemon/explain.ts';
import { systemResolver } from '../daemon/resolver.ts';
import { daemonSettings } from '../daemon/settings.ts';
import { faultText, isError, readTables, tablePaths, usersOnly } from '../daemon/tables.ts';
import { createWorld, type World } from '../daemon/world.ts';
import { isFault, type Path, parseIp, parsePath, pathAddress } from '../message/path.ts';
import { verdictText } from '../rules/expect.ts';
import type { Question } from '../rules/relay.ts';
import { type Source, type TraceStep, where } from '../rules/table.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import { configOf, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

/** Milliseconds that somebody at a terminal waits for one answer of a silent name server. */
const DNS_LIMIT = 3_000;

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  if (operands.length === 0) throw new UserError('explain which address?', EX.usage);
  const recipients = operands.map((text) => pathOf(text, 'address'));
  const sender = pathOf(textOf(values, 'from') ?? '<>', '--from');
  const config = await configOf(invocation);
  const settings = daemonSettings(config);
  const { root } = settings.paths;
  const files = tablePaths(settings.paths);
  const { rules, faults } = readTables(realDisk, files, settings.rules, usersOnly(root));
  const errors = faults.filter(isError);
  if (errors.length > 0) {
    for (const fault of errors) printError(faultText(fault));
    printError('a daemon that starts now will not use these tables; one that runs goes on with those before');
    return EX.config;
  }
  const resolver = systemResolver({ limit: DNS_LIMIT });
  const world = createWorld({ root, resolver, rules: () => rules });
  const client = await clientOf(values, world);
  for (const recipient of recipients) {
    const question: Question = { client, sender, recipient, user: textOf(values, 'auth') };
    const found = await explain(question, { settings, rules, world, resolver });
    printText(values.json === true ? `${JSON.stringify(toObject(found))}\n` : describe(found));
  }
  return EX.ok;
}

function pathOf(text: string, what: string): Path {
  const path = parsePath(text);
  if (isFault(path)) throw new UserError(`${what} ${JSON.stringify(text)}: ${path.fault}`, EX.usage);
  return path;
}

async function clientOf(values: ParsedLine['values'], world: World): Promise<Question['client']> {
  const given = textOf(values, 'client') ?? '127.0.0.1';
  const address = parseIp(given.replace(/^\[(.*)\]$/, '$1').replace(/^ipv6:/i, ''));
  if (address === undefined) throw new UserError(`--client ${JSON.stringify(given)}: not an IP address`, EX.usage);
  const name = textOf(values, 'client-name') ?? (await world.clientName(address));
  return { address, name };
}

const INDENT = '  ';

function describe(found: Explanation): string {
  const { question, verdict, trace, expansion, ends } = found;
  const { client, sender, user } = question;
  const from = sender.local === '' ? '<>' : pathAddress(sender);
  const login = user === undefined ? '' : `, authenticated as ${user}`;
  const name = client.name === undefined ? '' : ` (${client.name})`;
  const by = verdict.at === undefined ? verdict.rule : `${verdict.rule}, ${where(verdict.at)}`;
  const lines = [
    `${pathAddress(question.recipient)} from ${from}, client ${client.address}${name}${login}`,
    'may it come?',
    ...traceLines(trace).map((line) => INDENT + line),
    ...verdict.tags.map((tag) => `${INDENT}the message will say: ${tag}`),
    `${INDENT}=> ${verdictText(verdict)}, by ${by}`,
    ...(expansion === undefined || expansion.trace.length === 0
      ? []
      : ['whom does it stand for?', ...traceLines(expansion.trace).map((line) => INDENT + line)]),
    'where does it end?',
    ...ends.flatMap(endLines),
  ];
  return `${lines.map(visible).join('\n')}\n`;
}

const WORDS: Readonly<Record<End['kind'], string>> = {
  mailbox: 'mailbox',
  maildir: 'Maildir',
  file: 'file',
  program: 'program',
  remote: 'to another host:',
  refused: 'refused:',
  discarded: 'discarded:',
};

function endLines({ kind, path, place, at, notes, trace }: End): string[] {
  const rule = at === undefined ? '' : ` (${where(at)})`;
  return [
    ...traceLines(trace).map((line) => INDENT + line),
    `${INDENT}=> ${path.join(' -> ')}: ${WORDS[kind]} ${place}${rule}`,
    ...notes.map((note) => `${INDENT}   ${note}`),
  ];
}

/** The object of `--json`. */
function toObject({ question, verdict, trace, expansion, ends }: Explanation): object {
  const { client, sender, recipient, user } = question;
  return {
    recipient: pathAddress(recipient),
    sender: pathAddress(sender),
    client: client.address,
    client_name: client.name ?? null,
    user: user ?? null,
    verdict: verdict.kind,
    reply: verdict.refusal ?? null,
    quarantine: verdict.quarantine ?? null,
    rule: verdict.rule,
    at: placeOf(verdict.at),
    detail: verdict.detail ?? null,
    tags: verdict.tags,
    trace: [...trace, ...(expansion?.trace ?? [])].map(stepObject),
    ends: ends.map((end) => ({
      kind: end.kind,
      path: end.path,
      place: end.place,
      at: placeOf(end.at),
      notes: end.notes,
      trace: end.trace.map(stepObject),
    })),
  };
}

function placeOf(at: Source | undefined): string | null {
  return at === undefined ? null : where(at);
}

function stepObject({ rule, result, key, at, text }: TraceStep): object {
  return { rule, result, key: key ?? null, at: placeOf(at), text: text ?? null };
}
