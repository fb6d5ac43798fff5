import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle, start } from '../peers.ts';

let folder: string;
let child: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ending-'));
  child = join(folder, 'child.mjs');
  await bundle(join(import.meta.dirname, 'ending-child.ts'), child);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('what is registered for the end', () => {
  it.each([
    ['return', 0],
    ['exit', 3],
    ['throw', 1],
  ])('runs once at %s, which keeps its status', (way, status) => {
    const result = spawnSync('node', [child, way], { encoding: 'utf8' });
    expect(result).toMatchObject({ status, signal: null, stdout: 'started\ntidy\n' });
  });

  it.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)('runs at %s, of which the process still dies', async (signal) => {
    const peer = start('node', [child, 'wait']);
    expect(await peer.line()).toBe('started');
    peer.kill(signal);
    expect(await peer.line()).toBe('tidy');
    expect(await peer.line()).toBeUndefined();
    expect(await peer.done).toEqual({ status: null, signal });
  });

  it('does not run when it was taken back', () => {
    expect(spawnSync('node', [child, 'forgotten'], { encoding: 'utf8' }).stdout).toBe('started\n');
  });

  it('waits when somebody else handles the signal', async () => {
    const peer = start('node', [child, 'handled']);
    expect(await peer.line()).toBe('started');
    peer.kill('SIGTERM');
    expect(await peer.line()).toBe('handled');
    peer.end();
    expect(await peer.line()).toBe('tidy');
    expect(await peer.done).toEqual({ status: 0, signal: null });
  });

  it('swallows no signal that came while it was registered', async () => {
    const go = join(folder, 'go');
    const peer = start('node', [child, 'busy', go]);
    expect(await peer.line()).toBe('started');
    expect(await peer.line()).toBe('busy');
    peer.kill('SIGTERM');
    writeFileSync(go, '');
    expect(await peer.done).toEqual({ status: null, signal: 'SIGTERM' });
  });
});
