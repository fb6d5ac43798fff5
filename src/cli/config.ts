/**
 * `tmail config show` and `tmail config check`: what is in force and from where, and whether it will do.
 */
import { existsSync } from 'node:fs';
import { type Listen, type ListenKey, showListenAddress } from '../config/listen.ts';
import { type Config, settled } from '../config/load.ts';
import { isOption, OPTIONS, type OptionName, optionNamed, optionOf, type SettledName } from '../config/options.ts';
import { systemPaths } from '../config/paths.ts';
import { showValue } from '../config/values.ts';
import { EX, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import { visible } from '../core/text.ts';
import { checkPermissions, type Finding } from '../daemon/permissions.ts';
import { daemonSettings, reachability } from '../daemon/settings.ts';
import { faultText, isError, readTables, tablePaths, usersOnly } from '../daemon/tables.ts';
import { checkTargets } from '../rules/expand.ts';
import type { ParsedLine } from './command-line.ts';
import { configOf, type Invocation } from './services.ts';
import { printError, printText } from './stdio.ts';

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  const [what, ...names] = operands;
  const json = values.json === true;
  if (what === 'show') return show(await configOf(invocation), names, json);
  if (what === 'check' && names.length === 0) return check(await configOf(invocation), json);
  throw new UserError('write `tmail config show [NAME...]` or `tmail config check`', EX.usage);
}

/** One option in force. */
interface Line {
  readonly name: string;
  /** As it would be written in the file. */
  readonly shown: string;
  readonly origin: string;
}

function show(config: Config, names: readonly string[], json: boolean): number {
  const wanted: string[] = names.map((name) => {
    const known = name === 'root' || name === 'config' || name === 'listen' ? name : optionNamed(name);
    if (known !== undefined) return known;
    throw new UserError(`there is no option ${JSON.stringify(name)} (\`tmail config show\` lists them)`, EX.usage);
  });
  const lines = inForce(config).filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const text = json
    ? lines.map(({ name, shown, origin }) => JSON.stringify({ name, value: JSON.parse(shown), origin }))
    : lines.map(({ name, shown, origin }) => visible(`${name} = ${shown}  # ${origin}`));
  return printText(`${text.join('\n')}\n`);
}

function inForce(config: Config): Line[] {
  const { root, paths, hostname, listen } = config;
  const options = Object.keys(OPTIONS).filter(isOption);
  return [
    { name: 'root', shown: JSON.stringify(root.value === '' ? '/' : root.value), origin: root.origin },
    { name: 'config', shown: JSON.stringify(paths.config), origin: configOrigin(config) },
    { name: 'hostname', shown: JSON.stringify(hostname.value), origin: hostname.origin },
    ...listen.map((one): Line => ({ name: 'listen', shown: JSON.stringify(blockOf(one)), origin: one.origin })),
    ...options.filter((name) => name !== 'hostname').map((name) => lineOf(config, name)),
  ];
}

function configOrigin({ paths }: Config): string {
  const origin = paths.config === systemPaths(paths.root).config ? 'default' : 'command line';
  return existsSync(paths.config) ? origin : `${origin}, no such file`;
}

/** As the file has it; what is not set is left out. */
function blockOf(listen: Listen): Partial<Record<ListenKey, unknown>> {
  const { role, address, requireTls, requireAuth, requireHelo } = listen;
  return {
    role,
    address: showListenAddress(address),
    require_tls: requireTls,
    require_auth: requireAuth,
    require_helo: requireHelo,
  };
}

function lineOf(config: Config, name: OptionName): Line {
  const option = optionOf(name);
  const set = config.set.get(name);
  const value = inPaths(config, name) ?? set?.value ?? (isSettled(name) ? settled(config, name) : option.fallback);
  // A fallback in words, such as 30, is a value of its type here.
  const shown = option.type === 'seconds' ? String(value) : showValue(option.type, value ?? '');
  return { name, shown, origin: set?.origin ?? 'default' };
}

function isSettled(name: OptionName): name is SettledName {
  return optionOf(name).initial !== undefined;
}

/** Where a path really is: below the root folder. */
function inPaths({ paths }: Config, name: OptionName): string | undefined {
  const found = Object.entries(paths).find(([key]) => name === `paths.${key}`)?.[1];
  return typeof found === 'string' ? found : undefined;
}

/** Faults and findings on standard error, what is well on standard output. Status 78 when the daemon would not start. */
function check(config: Config, json: boolean): number {
  const settings = daemonSettings(config);
  const { paths, local, listeners, warnings } = settings;
  const lookups = usersOnly(paths.root);
  const { rules, faults } = readTables(realDisk, tablePaths(paths), settings.rules, lookups);
  const findings: Finding[] = [
    ...warnings.map((reason): Finding => ({ file: paths.config, line: 0, level: 'warning', reason })),
    ...faults,
    ...(faults.some(isError) ? [] : checkTargets(rules, lookups)),
    ...checkPermissions(realDisk, paths, local.programs),
  ];
  const bad = findings.some(isError);
  if (json) {
    printText(findings.map((finding) => `${JSON.stringify(objectOf(finding))}\n`).join(''));
    return bad ? EX.config : EX.ok;
  }
  for (const finding of findings) printError(findingText(finding));
  const entries = [rules.access, rules.virtual, rules.generics, rules.mailers, rules.localHosts, rules.relayDomains];
  const count = entries.reduce((sum, table) => sum + table.entries.size, 0);
  printText(
    [
      `${config.set.size === 0 ? 'defaults' : paths.config}: ${config.set.size} options set, host name ${config.hostname.value}`,
      `${paths.tables}: ${count} entries; ${paths.aliases}: ${rules.aliases.aliases.size} aliases`,
      reachability(listeners),
      bad ? 'the daemon cannot use these tables' : 'in order',
      '',
    ]
      .map(visible)
      .join('\n'),
  );
  return bad ? EX.config : EX.ok;
}

function findingText(finding: Finding): string {
  const text = faultText(finding);
  return finding.remedy === undefined ? text : `${text}; mend it with: ${finding.remedy}`;
}

function objectOf({ level, file, line, reason, remedy }: Finding): object {
  return { level, file, line: line === 0 ? null : line, reason, remedy: remedy ?? null };
}
