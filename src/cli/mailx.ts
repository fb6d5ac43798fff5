/**
 * Carries out what the mailx face was asked for.
 */
import { UserError } from '../core/errors.ts';
import type { ReadRequest, SendRequest } from './mailx-options.ts';
import type { Invocation } from './services.ts';

export async function runMailx(_invocation: Invocation, request: ReadRequest | SendRequest): Promise<number> {
  throw new UserError(`${request.kind}: not part of this build yet`);
}
