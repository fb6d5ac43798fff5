/**
 * A mail system in a temporary folder: users, tables, configuration.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { systemPaths } from '../../src/config/paths.ts';
import { daemonSettings } from '../../src/daemon/settings.ts';

const made: string[] = [];

afterAll(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A new root folder whose users are root, lee and dl. */
export function newFolder() {
  const root = mkdtempSync(join(tmpdir(), 'tmail-folder-'));
  made.push(root);
  const path = (...names: string[]) => join(root, ...names);
  /** Writes a file of the folder; those above it are made, mode 755. */
  const write = (name: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text);
    chmodSync(path(name), mode);
    return path(name);
  };
  const users = ['root', 'lee', 'dl'].map(
    (name, i) => `${name}:x:${1000 + i}:${1000 + i}:${name}:/home/${name}:/bin/sh`,
  );
  write('etc/passwd', `${users.join('\n')}\n`);
  for (const name of ['lee', 'dl']) mkdirSync(path('home', name), { recursive: true, mode: 0o755 });
  mkdirSync(path('etc/mail'));
  write('etc/tmail/tmail.toml', 'hostname = "linux102.example.com"\n');
  return {
    root,
    path,
    write,
    paths: systemPaths(root),
    async settings(toml?: string) {
      if (toml !== undefined) write('etc/tmail/tmail.toml', toml);
      return daemonSettings(await loadConfig({ root }));
    },
  };
}
