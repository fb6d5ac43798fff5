/**
 * The sendmail face: what cron, git and other programs call to hand a message over.
 */
import { UserError } from '../core/errors.ts';
import type { Invocation } from './services.ts';

export async function runSendmail(_invocation: Invocation): Promise<number> {
  throw new UserError('not part of this build yet');
}
