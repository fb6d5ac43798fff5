/**
 * `tmail daemon`: the mail server in the foreground.
 */
import { loadConfig } from '../config/load.ts';
import { runDaemon } from '../daemon/main.ts';
import type { Invocation } from './services.ts';

export async function run({ root, config: file, env }: Invocation): Promise<number> {
  const config = await loadConfig({
    ...(root === undefined ? {} : { root }),
    ...(file === undefined ? {} : { file }),
    env,
  });
  return runDaemon(config);
}
