// I11: a folder of tables that its group may write makes sendmail refuse to work, in words that few understand.
import { chmodSync } from 'node:fs';
import { expect, test } from 'vitest';
import { realDisk } from '../../src/core/files.ts';
import { checkPermissions } from '../../src/daemon/permissions.ts';
import { openTables } from '../../src/daemon/tables.ts';
import { DEFAULT_OPTIONS } from '../../src/rules/rules.ts';
import { newFolder } from '../daemon/folder.ts';

test('it works, and says which path it is and what to type', () => {
  const folder = newFolder();
  folder.write('etc/mail/access', 'spam.test REJECT\n');
  chmodSync(folder.path('etc/mail'), 0o775);
  const faults: unknown[] = [];
  const tables = openTables({
    paths: folder.paths,
    options: DEFAULT_OPTIONS,
    onChange: () => undefined,
    onFault: (found) => faults.push(...found),
    poll: 0,
  });
  expect(tables.rules.access.entries.size).toBe(1);
  expect(faults).toEqual([]);
  expect(checkPermissions(realDisk, folder.paths, [])).toMatchObject([
    {
      file: folder.path('etc/mail'),
      level: 'warning',
      reason: 'can be written by its group',
      remedy: `chmod g-w ${folder.path('etc/mail')}`,
    },
  ]);
  tables.close();
});
