import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { processesHere } from '../../src/core/processes.ts';

describe('processes', () => {
  const here = processesHere();

  it('knows this one', () => {
    expect(here.alive(process.pid)).toBe(true);
    expect(here.name(process.pid)).toMatch(/^[\x20-\x7e]+$/);
    expect((here.started(process.pid) ?? Number.NaN) / 100).toBeLessThanOrEqual(here.uptime());
  });

  it('knows that one is gone', () => {
    const { pid } = spawnSync('true');
    expect(here.alive(pid)).toBe(false);
    expect(here.started(pid)).toBeUndefined();
    expect(here.name(pid)).toBe('');
  });

  it('knows those of others', () => {
    expect(here.alive(1)).toBe(true);
    expect(here.started(1)).toBeGreaterThanOrEqual(0);
  });

  it('knows the boot and the set of process numbers', () => {
    expect(here.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(here.pidNamespace).toMatch(/^\d+$/);
  });
});
