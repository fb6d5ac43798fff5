/**
 * What can go wrong, by whose doing.
 *
 * - A `UserError` was caused by what somebody typed or asked for: one line says what and what to do; exit status 1 or 2.
 * - A `ConfigError` is a `UserError` about a file: it names file and line.
 * - A `MailError` was caused by the world (disk, lock, network): `temporary` says whether trying again may help.
 * What only this program can cause is an assertion: it ends the process, never the mail.
 */

/** Exit statuses that other programs know (BSD sysexits.h). */
export const EX = {
  ok: 0,
  failure: 1,
  usage: 2,
  noInput: 66,
  noUser: 67,
  unavailable: 69,
  software: 70,
  osError: 71,
  cannotCreate: 73,
  ioError: 74,
  tempFail: 75,
  noPermission: 77,
  config: 78,
} as const;

export class UserError extends Error {
  override readonly name: string = 'UserError';
  /** Exit status when this ends the program. */
  readonly status: number;

  constructor(message: string, status: number = EX.failure) {
    super(message);
    this.status = status;
  }
}

export class ConfigError extends UserError {
  override readonly name = 'ConfigError';
  readonly file: string;
  readonly line: number;

  constructor(file: string, line: number, reason: string) {
    super(`${file}:${line}: ${reason}`, EX.config);
    this.file = file;
    this.line = line;
  }
}

export class MailError extends Error {
  override readonly name = 'MailError';
  readonly temporary: boolean;
  /** Exit status when this ends the program. */
  readonly status: number;

  constructor(message: string, options: { temporary: boolean; status?: number; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.temporary = options.temporary;
    this.status = options.status ?? (options.temporary ? EX.tempFail : EX.failure);
  }
}

/** The errno name (`ENOENT`) of what node:fs or a child process threw, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const REASONS: Record<string, string> = {
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
};

/** Why an operation failed, in the words of strerror(3), without node's repetition of path and call. */
export function reasonOf(error: unknown): string {
  const code = errnoOf(error);
  if (code !== undefined) return REASONS[code] ?? code;
  return error instanceof Error ? error.message : String(error);
}

/** Ends a switch over a union: a variant that was forgotten is a type error, and an assertion at run time. */
export function assertNever(value: never): never {
  throw new Error(`unexpected variant: ${JSON.stringify(value)}`);
}
