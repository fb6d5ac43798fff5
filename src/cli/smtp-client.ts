/**
 * Hands a message to an SMTP server named by a URL: `smtp://`, `submission://` (port 587, STARTTLS required) or
 * `smtps://` (port 465, TLS from the first byte), `[USER[:PASSWORD]@]HOST[:PORT]`, parts percent-encoded.
 *
 * Certificates are checked. A password is never sent in the clear, but to this host itself; it never appears in an error.
 * What the server says is made harmless before it is shown.
 */
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { SentMessageInfo } from 'nodemailer/lib/smtp-connection';
import { EX, MailError, UserError } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import type { Envelope } from '../session/io.ts';

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly secure: boolean;
  readonly startTls: 'required' | 'when offered' | 'never';
  readonly auth: { readonly user: string; readonly pass: string } | undefined;
}

const SCHEMES: Readonly<Record<string, { port: number; secure: boolean; startTls: SmtpServer['startTls'] }>> = {
  'smtp:': { port: 25, secure: false, startTls: 'when offered' },
  'submission:': { port: 587, secure: false, startTls: 'required' },
  'smtps:': { port: 465, secure: true, startTls: 'never' },
  'submissions:': { port: 465, secure: true, startTls: 'never' },
};

export function isSmtpUrl(text: string): boolean {
  return /^(smtps?|submissions?):\/\//i.test(text);
}

function isThisHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Reads the URL. User and password that it does not hold come from TMAIL_SMTP_USER and TMAIL_SMTP_PASSWORD. */
export function parseSmtpUrl(text: string, env: Readonly<Record<string, string | undefined>>): SmtpServer {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UserError('mta: not a URL of the form smtp://HOST:PORT', EX.usage);
  }
  const scheme = SCHEMES[url.protocol];
  if (scheme === undefined || url.hostname === '' || url.pathname.length > 1) {
    throw new UserError(`mta: ${url.protocol}//${url.host}: not of the form smtp://HOST:PORT`, EX.usage);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const user = decodeURIComponent(url.username) || env.TMAIL_SMTP_USER || '';
  const pass = decodeURIComponent(url.password) || env.TMAIL_SMTP_PASSWORD || '';
  const near = isThisHost(host) && url.protocol === 'smtp:';
  const startTls = near ? 'never' : user !== '' && scheme.startTls === 'when offered' ? 'required' : scheme.startTls;
  return {
    host,
    port: url.port === '' ? scheme.port : Number(url.port),
    secure: scheme.secure,
    startTls,
    auth: user === '' ? undefined : { user, pass },
  };
}

/** Delivers to every recipient or throws a MailError that says who got it and who did not. */
export async function sendBySmtp(
  server: SmtpServer,
  message: Uint8Array,
  envelope: Envelope,
  hostname: string,
): Promise<void> {
  const { default: Connection } = await import('nodemailer/lib/smtp-connection');
  const where = `${server.host}:${server.port}`;
  const connection = new Connection({
    host: server.host,
    port: server.port,
    secure: server.secure,
    requireTLS: server.startTls === 'required',
    ignoreTLS: server.startTls === 'never',
    name: hostname,
    connectionTimeout: 30_000,
    greetingTimeout: 30_000,
    socketTimeout: 300_000,
  });
  /** Turns one call with a callback into a promise; an error of the connection ends it too. */
  const step = <T>(call: (done: (error?: Error | null, value?: T | false) => void) => void): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      connection.once('error', reject);
      call((error, value) => {
        connection.removeListener('error', reject);
        if (error) reject(error);
        else resolve(value || undefined);
      });
    });
  try {
    await step((done) => connection.connect(done));
    if (server.auth !== undefined) await step((done) => connection.login({ ...server.auth }, done));
    const eightBit = message.some((byte) => byte > 0x7f);
    const info = await step<SentMessageInfo>((done) =>
      connection.send(
        {
          from: envelope.from === '' ? false : envelope.from,
          to: [...envelope.recipients],
          use8BitMime: eightBit,
          size: message.length,
        },
        Buffer.from(message),
        done,
      ),
    );
    await farewell(connection);
    if (info?.rejected !== undefined && info.rejected.length > 0) {
      const why = visible(info.rejectedErrors?.[0]?.message ?? 'refused');
      const got = (info.accepted ?? []).join(', ');
      throw new MailError(`${where} refused ${info.rejected.join(', ')} (${why}); it went to ${got}`, {
        temporary: false,
      });
    }
  } catch (error) {
    connection.on('error', () => {});
    connection.close();
    throw error instanceof MailError ? error : smtpError(where, error);
  }
}

/** Says QUIT and waits for the answer, a little: a program that ends at once resets the connection under the server. */
async function farewell(connection: SMTPConnection): Promise<void> {
  await new Promise<void>((resolve) => {
    connection.once('end', resolve);
    connection.once('error', () => resolve());
    setTimeout(resolve, 2000).unref();
    connection.quit();
  });
}

/** nodemailer's error as ours: a 4xx reply or a broken connection may work later. */
function smtpError(where: string, error: unknown): MailError {
  const code = error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : 0;
  const text = visible(error instanceof Error ? error.message : String(error));
  return new MailError(`${where}: ${text}`, { temporary: code < 500, cause: error });
}
