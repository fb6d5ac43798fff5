/**
 * `tmail daemon`: the mail server, in the foreground or not (detach.ts); started by root also each of its other processes
 * (--part).
 */
import { loadConfig } from '../config/load.ts';
import { pidFile } from '../config/paths.ts';
import { EX, UserError } from '../core/errors.ts';
import { realDisk } from '../core/files.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import type { Invocation } from './services.ts';
import { printText } from './stdio.ts';

type Part = 'keeper' | 'helper';

/** This program as another process of the daemon. A helper has work for one thread: each more makes changing ids slower. */
function self(part: Part): readonly [string, ...string[]] {
  const options = part === 'helper' ? ['--v8-pool-size=0'] : [];
  return [process.execPath, ...process.execArgv, ...options, process.argv[1] ?? 'tmail', 'daemon', `--part=${part}`];
}

export async function run({ root, config: file, env }: Invocation, { values }: ParsedLine): Promise<number> {
  const part = textOf(values, 'part');
  if (part !== undefined) return runPart(part, env);
  if (values['print-unit'] === true)
    return printText((await import('./detach.ts')).systemdUnit(process.argv[1] ?? 'tmail'));
  const config = await loadConfig({
    ...(root === undefined ? {} : { root }),
    ...(file === undefined ? {} : { file }),
    env,
  });
  if (values.detach === true) {
    const args = process.argv.slice(2).filter((word) => word !== '--detach');
    return (await import('./detach.ts')).detach(args, pidFile(config.paths), realDisk);
  }
  const { runDaemon } = await import('../daemon/main.ts');
  return runDaemon(config, self);
}

async function runPart(part: string, env: Invocation['env']): Promise<number> {
  const { settingsIn } = await import('../daemon/helpers.ts');
  const settings = settingsIn(env);
  if (part === 'keeper' && process.send !== undefined) {
    const { runKeeper } = await import('../daemon/keeper.ts');
    return runKeeper(self('helper'), settings === undefined ? undefined : pidFile(settings.paths));
  }
  if (part === 'helper' && settings !== undefined) {
    const { runHelper } = await import('../daemon/helper.ts');
    return runHelper(settings);
  }
  throw new UserError('--part is for the daemon, which starts its other processes itself', EX.usage);
}
