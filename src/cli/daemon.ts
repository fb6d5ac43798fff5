/**
 * `tmail daemon`: the mail server in the foreground; started by root also each of its other processes (--part).
 */
import { loadConfig } from '../config/load.ts';
import { EX, UserError } from '../core/errors.ts';
import { type ParsedLine, textOf } from './command-line.ts';
import type { Invocation } from './services.ts';

type Part = 'keeper' | 'helper';

/** This program as another process of the daemon. A helper has work for one thread: each more makes changing ids slower. */
function self(part: Part): readonly [string, ...string[]] {
  const options = part === 'helper' ? ['--v8-pool-size=0'] : [];
  return [process.execPath, ...process.execArgv, ...options, process.argv[1] ?? 'tmail', 'daemon', `--part=${part}`];
}

export async function run({ root, config: file, env }: Invocation, { values }: ParsedLine): Promise<number> {
  const part = textOf(values, 'part');
  if (part !== undefined) return runPart(part, env);
  const config = await loadConfig({
    ...(root === undefined ? {} : { root }),
    ...(file === undefined ? {} : { file }),
    env,
  });
  const { runDaemon } = await import('../daemon/main.ts');
  return runDaemon(config, self);
}

async function runPart(part: string, env: Invocation['env']): Promise<number> {
  if (part === 'keeper' && process.send !== undefined) {
    const { runKeeper } = await import('../daemon/keeper.ts');
    return runKeeper(self('helper'));
  }
  const { settingsIn } = await import('../daemon/helpers.ts');
  const settings = settingsIn(env);
  if (part === 'helper' && settings !== undefined) {
    const { runHelper } = await import('../daemon/helper.ts');
    return runHelper(settings);
  }
  throw new UserError('--part is for the daemon, which starts its other processes itself', EX.usage);
}
