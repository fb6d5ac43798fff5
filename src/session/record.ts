/**
 * Where a copy of what was sent goes: `record`, or a file named after a correspondent (`followup`, `-F`).
 *
 * The path is worked out once, before the letter leaves, from the settings of that moment.
 */
import { isAbsolute, join, resolve } from 'node:path';
import { UserError } from '../core/errors.ts';
import { localPart } from '../message/address.ts';
import type { Services } from './io.ts';
import type { Settings } from './session.ts';
import { isSet } from './settings.ts';

/** The folder `folder` names, relative to the home folder; undefined when it is not set. */
function folderPath(settings: Settings, home: string): string | undefined {
  const folder = settings.variables.get('folder');
  if (folder === undefined || folder === '') return undefined;
  if (folder.startsWith('~/')) return join(home, folder.slice(2));
  return isAbsolute(folder) || folder.startsWith('./') ? resolve(folder) : join(home, folder);
}

/**
 * Path of the file for a copy; undefined when none is wanted. `name` is a correspondent's (see `recordName`), or a file that
 * is a recipient (`what` is 'file'); without it `record` counts. `outfolder` puts relative names into `folder`.
 * Throws a UserError for `+NAME` when `folder` is not set.
 */
export function recordPath(
  name: string | undefined,
  services: Pick<Services, 'user'>,
  settings: Settings,
  what: 'record' | 'file' = 'record',
): string | undefined {
  const wanted = name ?? settings.variables.get('record');
  if (wanted === undefined || wanted === '') return undefined;
  const { home } = services.user;
  if (wanted.startsWith('~/')) return join(home, wanted.slice(2));
  if (isAbsolute(wanted)) return wanted;
  const folder = folderPath(settings, home);
  if (wanted.startsWith('+')) {
    if (folder === undefined) throw new UserError(`${wanted}: "folder" is not set, nothing sent`);
    return join(folder, wanted.slice(1));
  }
  return what === 'record' && isSet(settings, 'outfolder') && folder !== undefined
    ? join(folder, wanted)
    : resolve(wanted);
}

/** A file name from a correspondent's address: its local part, and never a path, since strangers choose it. */
export function recordName(address: string): string {
  const local = localPart(address).replace(/^"|"$/g, '');
  return local.replace(/[/\x00-\x20\x7f~+&%#|]/g, '_').replace(/^\.+/, '_') || 'unknown';
}
