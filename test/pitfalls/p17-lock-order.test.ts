/** P17: one program takes fcntl and then the dotlock, another the dotlock and then fcntl: both waited for minutes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bundle, needs, start } from '../peers.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'p17-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Adds one to the number in the file ROUNDS times; holds the dotlock while it waits for fcntl. */
const dotlockThenFcntl = `
import fcntl, os, sys, time
path, rounds = sys.argv[1], int(sys.argv[2])
temporary = path + '.py'
print('ready', flush=True)
sys.stdin.read()
for i in range(rounds):
    open(temporary, 'w').write(str(os.getpid()))
    while True:
        try:
            os.link(temporary, path + '.lock')
            break
        except FileExistsError:
            time.sleep(0.001)
    with open(path, 'r+') as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        n = int(f.read())
        f.seek(0)
        f.write(str(n + 1))
        f.flush()
        fcntl.lockf(f, fcntl.LOCK_UN)
    os.unlink(path + '.lock')
    os.unlink(temporary)
`;

it('1000 rounds against the other order end, and the count is right', async (context) => {
  needs(context, 'python3');
  const child = join(folder, 'child.mjs');
  await bundle(join(import.meta.dirname, '../mailbox/lock-child.ts'), child);
  const box = join(folder, 'ann');
  writeFileSync(box, '0');
  const ours = start('node', [child, 'count', box, '1000']);
  const theirs = start('python3', ['-c', dotlockThenFcntl, box, '1000']);
  for (const peer of [ours, theirs]) expect(await peer.line()).toBe('ready');
  for (const peer of [ours, theirs]) peer.end();
  expect(await ours.done).toEqual({ status: 0, signal: null });
  expect(await theirs.done).toEqual({ status: 0, signal: null });
  expect(readFileSync(box, 'utf8')).toBe('2000');
  expect(readdirSync(folder).sort()).toEqual(['ann', 'child.mjs']);
});
