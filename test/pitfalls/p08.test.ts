import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { type Disk, realDisk } from '../../src/core/files.ts';
import { createLocker } from '../../src/mailbox/lock.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { message, newPlace, subjects } from '../mailbox/boxes.ts';

/** The folder of the mailbox cannot be written: no dotlock can be made there. */
const noFolder: Disk = {
  ...realDisk,
  open(path, how, mode) {
    if (how !== 'exclusive' && how !== 'create') return realDisk.open(path, how, mode);
    throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
  },
  link() {
    throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
  },
};

it('P08: a mailbox that cannot be locked for writing says so when it is opened, and is left alone', async () => {
  const place = newPlace();
  place.write('box', message('a') + message('b'));
  const before = place.read('box');
  const lockers = { disk: noFolder, hostname: hostname(), now: Date.now, notify: () => {}, helper: null };
  const without = { ...place.context, disk: noFolder, locker: createLocker({ ...lockers, records: null }) };
  const box = await openMailbox(without, { kind: 'mbox', path: place.path('box') });
  expect(subjects(box)).toEqual(['a', 'b']);
  expect(box.readOnly).toContain('.lock cannot be made (Permission denied)');
  await expect(box.commit({ remove: [0] })).rejects.toThrow(UserError);
  expect(place.read('box')).toBe(before);
  box.close();
  place.remove();
});
