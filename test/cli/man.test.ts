import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { manPage } from '../../src/cli/man.ts';
import { SUBCOMMANDS } from '../../src/cli/subcommands.ts';
import { COMMANDS } from '../../src/session/commands.ts';
import { ESCAPES } from '../../src/session/escapes.ts';
import { VARIABLES } from '../../src/session/settings.ts';

const file = join(import.meta.dirname, '../../man/tmail.1');
const has = (program: string) => ['/usr/bin', '/bin', '/usr/local/bin'].some((dir) => existsSync(join(dir, program)));

test('the manual in man/ is the one the tables make (npm run man writes it)', () => {
  expect(readFileSync(file, 'utf8')).toBe(manPage());
});

test.skipIf(!has('mandoc') && process.env.CI !== 'true')('mandoc finds nothing wrong with it', () => {
  const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'style', file], { encoding: 'utf8' });
  // What the operating system is called is the reader's business, and other pages may not be installed.
  const complaints = `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line !== '' && !/operating system|referenced manual not found|Mdocdate|mandoc\.db/.test(line));
  expect(complaints).toEqual([]);
});

test.skipIf(!has('mandoc') && process.env.CI !== 'true')('everything there is can be read in it', () => {
  const text = spawnSync('mandoc', ['-T', 'utf8', '-O', 'width=200', file], { encoding: 'utf8' })
    .stdout.replace(/.\x08/g, '')
    .replace(/\s+/g, ' ');
  const wanted = [
    ...COMMANDS.flatMap(({ name, help }) => [name, help]),
    ...ESCAPES.map(({ usage }) => usage),
    ...VARIABLES.map(({ name }) => name),
    ...SUBCOMMANDS.map(({ name, operands }) => `${name} ${operands}`.trim()),
  ];
  const inText = (what: string) => text.toLowerCase().includes(what.replace(/\s+/g, ' ').toLowerCase());
  expect(wanted.filter((what) => !inText(what))).toEqual([]);
});
