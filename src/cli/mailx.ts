/**
 * Carries out what the mailx face was asked for: a session, a look at a mailbox, or a letter to send.
 */
import { join } from 'node:path';
import { MailError } from '../core/errors.ts';
import { lineIo } from '../line/line.ts';
import type { Services } from '../session/io.ts';
import { runSession, sendContext } from '../session/run.ts';
import type { ReadRequest, SendRequest, SessionChoices } from './mailx-options.ts';
import { type Foundation, foundation, type Invocation, sessionServices } from './services.ts';

/** Returns the exit status. */
export async function runMailx(invocation: Invocation, request: ReadRequest | SendRequest): Promise<number> {
  const base = await foundation(invocation, request.kind === 'send' ? undefined : request.user);
  const services = servicesFor(base, request);
  if (request.kind !== 'send') return runSession(services, { ...request, systemRc: base.paths.startup });
  const context = await sendContext(services, { ...request, systemRc: base.paths.startup });
  const { sendMode } = await import('../session/send.ts');
  return sendMode(services, context.session.settings, request, context);
}

function servicesFor(base: Foundation, { ignoreInterrupts }: SessionChoices): Services {
  const io = lineIo({ env: base.env, ignoreInterrupts, historyFile: () => historyFile(services) });
  const services = sessionServices(base, io);
  return services;
}

/** Where the lines typed at the prompt are kept; nowhere when the user has no folder for state. */
function historyFile({ mailbox }: Services): string | undefined {
  try {
    return join(mailbox.stateDir, 'history');
  } catch (error) {
    if (error instanceof MailError) return undefined;
    throw error;
  }
}
