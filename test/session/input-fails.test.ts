/** Standard input that cannot be read: the session ends, says so, and nothing is carried out. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runSession } from '../../src/session/run.ts';
import { desk } from './letters.ts';

const MESSAGE = 'From ann@example.org Mon Mar  2 12:00:00 2026\nFrom: ann@example.org\n\ntext\n\n';

test.each(['EISDIR', 'EIO'])('%s', async (code) => {
  const at = desk({});
  const spool = join(at.home, 'spool');
  writeFileSync(spool, MESSAGE + MESSAGE);
  const lines = ['d 1'];
  const readLine = async (): Promise<Uint8Array> => {
    const line = lines.shift();
    if (line === undefined) throw Object.assign(new Error(`${code}: read`), { code, syscall: 'read' });
    return Buffer.from(line);
  };
  const services = { ...at.services, env: { ...at.services.env, MAIL: spool }, io: { ...at.services.io, readLine } };
  const status = await runSession(services, {
    kind: 'session',
    user: undefined,
    file: undefined,
    list: [],
    json: undefined,
    noHeaders: true,
    readOnly: false,
    noSystemRc: true,
    ignoreInterrupts: false,
    escapes: false,
    verbose: false,
    set: [],
    from: undefined,
  });
  expect(status).toBe(1);
  expect(at.err.join('\n')).toContain('the mailbox stays as it was');
  expect(readFileSync(spool, 'utf8')).toBe(MESSAGE + MESSAGE);
});
