import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { COMPLETION_SCRIPTS } from '../../src/cli/completion.ts';
import { SUBCOMMANDS } from '../../src/cli/subcommands.ts';

const dir = mkdtempSync(join(tmpdir(), 'tmail-completion-'));
writeFileSync(join(dir, 'letter one.txt'), '');
writeFileSync(join(dir, 'box'), '');
mkdirSync(join(dir, 'boxes'));
afterAll(() => rmSync(dir, { recursive: true }));

const script = (shell: string) => COMPLETION_SCRIPTS[shell]?.() ?? '';
const runs = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;

/** What bash offers for the last of these words. */
function offered(...words: readonly string[]): string[] {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const commands = `${script('bash')}
compopt() { :; }
COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1}
_tmail
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', commands], { cwd: dir, encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter(Boolean);
}

const cases: readonly [words: string[], some: string[], none: string[]][] = [
  [['tmail', ''], ['send', 'demo', 'fsck', 'root'], ['box']],
  [['tmail', 'se'], ['send'], ['demo']],
  [['tmail', 'dl', 'se'], [], ['send']],
  [['tmail', '-'], ['-f', '-u', '--json', '--json=headers', '--root', '-~'], ['--repair']],
  [['tmail', '--js'], ['--json', '--json=headers'], ['-f']],
  [
    ['tmail', '-f', ''],
    ['box', 'boxes', 'letter one.txt'],
    ['root', 'send'],
  ],
  [['tmail', '-nf', 'b'], ['box', 'boxes'], ['root']],
  [['tmail', '-u', 'ro'], ['root'], []],
  [['tmail', '-s', ''], [], ['root', 'box']],
  [['tmail', '-A', 'le'], ['letter one.txt'], []],
  [['tmail', '--root', 'b'], ['boxes'], ['box']],
  [['tmail', '--root', 'boxes', 'se'], ['send'], []],
  [['tmail', '--root', '=', 'boxes', 'se'], ['send'], []],
  [['tmail', '--root', '=', 'b'], ['boxes'], ['box']],
  [['tmail', 'send', 'ro'], ['root'], []],
  [['tmail', 'send', '--subj'], ['--subject'], []],
  [['tmail', 'fsck', 'b'], ['box', 'boxes'], []],
  [['tmail', 'fsck', '--re'], ['--repair'], []],
  [['tmail', 'completion', ''], ['bash', 'zsh', 'fish'], ['root']],
  [['tmail', '--root', 'boxes', 'completion', 'z'], ['zsh'], ['bash']],
];

test.each(cases)('bash completes %j', (words, some, none) => {
  const words_ = offered(...words);
  expect(words_).toEqual(expect.arrayContaining(some));
  expect(words_.filter((word) => none.includes(word))).toEqual([]);
});

test.each(Object.keys(COMPLETION_SCRIPTS))('the script for %s names every subcommand', (shell) => {
  const text = script(shell);
  expect(SUBCOMMANDS.filter(({ name }) => !text.includes(name))).toEqual([]);
});

test.skipIf(!runs('zsh'))('zsh accepts its script', () => {
  expect(spawnSync('zsh', ['-n'], { input: script('zsh'), encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

test.skipIf(!runs('fish'))('fish accepts its script, and completes', () => {
  const file = join(dir, 'tmail.fish');
  writeFileSync(file, script('fish'));
  const check = spawnSync('fish', ['--no-config', '--no-execute', file], { encoding: 'utf8' });
  expect(check).toMatchObject({ status: 0, stderr: '' });
  const commands = `source ${file}; complete -C 'tmail se'; complete -C 'tmail completion '; complete -C 'tmail --js'`;
  const { stdout } = spawnSync('fish', ['--no-config', '-c', commands], { encoding: 'utf8', cwd: dir });
  expect(stdout).toMatch(/^send\t/m);
  expect(stdout).toMatch(/^fish$/m);
  expect(stdout).toMatch(/^--json\t/m);
});
