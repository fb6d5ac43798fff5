/**
 * `tmail send TO...`: the mailx face in send mode, under a name that no user can have.
 */
import type { ParsedLine } from './command-line.ts';
import { runMailx } from './mailx.ts';
import { choicesOf, sendRequest } from './mailx-options.ts';
import type { Invocation } from './services.ts';

export async function run(invocation: Invocation, { values, operands }: ParsedLine): Promise<number> {
  return runMailx(invocation, sendRequest(values, operands, choicesOf(values)));
}
