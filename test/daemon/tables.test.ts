import { renameSync, unlinkSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { openTables, type Tables, type TablesOptions } from '../../src/daemon/tables.ts';
import type { Rules } from '../../src/rules/rules.ts';
import { DEFAULT_OPTIONS } from '../../src/rules/rules.ts';
import { type Fault, where } from '../../src/rules/table.ts';
import { newFolder } from './folder.ts';

const open: Tables[] = [];
afterEach(() => {
  for (const tables of open.splice(0)) tables.close();
});

/** Tables of a folder, and what they told: promises of the next change and the next faults. */
function watched(folder: ReturnType<typeof newFolder>, more: Partial<TablesOptions> = {}) {
  const faults: Fault[] = [];
  let changed: (rules: Rules) => void = () => undefined;
  let failed: (faults: readonly Fault[]) => void = () => undefined;
  const tables = openTables({
    paths: folder.paths,
    options: { ...DEFAULT_OPTIONS, hostname: 'linux102.example.com' },
    onChange: (rules) => changed(rules),
    onFault(found) {
      faults.push(...found);
      failed(found);
    },
    poll: 0,
    ...more,
  });
  open.push(tables);
  return {
    tables,
    faults,
    nextChange: () => new Promise<Rules>((resolve) => (changed = resolve)),
    nextFaults: () => new Promise<readonly Fault[]>((resolve) => (failed = resolve)),
  };
}

it('has rules without any file', () => {
  const { tables, faults } = watched(newFolder());
  expect(tables.rules.access.entries.size).toBe(0);
  expect(faults).toEqual([]);
});

it('reads every table', () => {
  const folder = newFolder();
  folder.write('etc/mail/access', 'Connect:10 RELAY\n');
  folder.write('etc/mail/virtusertable', 'a@virt.test lee\n');
  folder.write('etc/mail/genericstable', 'lee lee@out.test\n');
  folder.write('etc/mail/mailertable', 'far.test smtp:[192.0.2.1]\n');
  folder.write('etc/mail/local-host-names', 'virt.test\n');
  folder.write('etc/mail/relay-domains', 'back.test\n');
  folder.write('etc/mail/virtual-domains', 'other.test\n');
  folder.write('etc/aliases', 'root: lee\n');
  const { rules } = watched(folder).tables;
  const sizes = [rules.access, rules.virtual, rules.generics, rules.mailers, rules.localHosts, rules.relayDomains];
  expect(sizes.map(({ entries }) => entries.size)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(rules.virtualDomains.entries.has('other.test')).toBe(true);
  expect(rules.aliases.aliases.get('root')).toMatchObject({ file: folder.path('etc/aliases'), line: 1 });
});

it('does not begin with a fault', () => {
  const folder = newFolder();
  const aliases = folder.write('etc/aliases', 'root: lee\nnonsense\nmore nonsense\n');
  expect(() => watched(folder)).toThrow(`${aliases}:2: no "name:" at the start of "nonsense" (and 1 more)`);
});

it('keeps the last good set when one table has a fault, and says which line', () => {
  const folder = newFolder();
  folder.write('etc/aliases', 'root: lee\n');
  folder.write('etc/mail/access', 'Connect:10 RELAY\n');
  const { tables, faults } = watched(folder);
  const before = tables.rules;
  folder.write('etc/aliases', 'root: dl\n');
  const access = folder.write('etc/mail/access', 'Connect:10 RELAY\nConnect:11 PERHAPS\n');
  expect(tables.reload().map(where)).toEqual([`${access}:2`]);
  expect(tables.rules).toBe(before);
  expect(faults.map(where)).toEqual([`${access}:2`]);
  folder.write('etc/mail/access', 'Connect:10 RELAY\nConnect:11 RELAY\n');
  expect(tables.reload()).toEqual([]);
  expect(tables.rules.aliases.aliases.get('root')?.text).toBe('dl');
});

it('takes a set with a warning', () => {
  const folder = newFolder();
  const { tables, faults } = watched(folder);
  const table = folder.write('etc/mail/virtusertable', 'a@nowhere.test lee\n');
  expect(tables.reload().map(where)).toEqual([`${table}:1`]);
  expect(faults.map(({ level }) => level)).toEqual(['warning']);
  expect(tables.rules.virtual.entries.size).toBe(1);
});

it('warns of an alias to nobody', () => {
  const folder = newFolder();
  const aliases = folder.write('etc/aliases', 'a2: lee\na1: gone\n');
  const { faults } = watched(folder);
  expect(faults).toMatchObject([{ file: aliases, line: 2, level: 'warning', reason: expect.stringMatching(/"gone"/) }]);
});

it('refuses a name that is local and virtual, naming both lines', () => {
  const folder = newFolder();
  const local = folder.write('etc/mail/local-host-names', '# ours\nvirt.test\n');
  const virtual = folder.write('etc/mail/virtual-domains', 'virt.test\n');
  expect(() => watched(folder)).toThrow(`${virtual}:1: "virt.test" is in ${local}:2 too`);
});

it('refuses a set that fails the policy test', () => {
  const folder = newFolder();
  const test = folder.write(
    'etc/mail/expect',
    '# never an open relay\nexpect From:a@far.test To:b@far.test client=203.0.113.5 -> 550 5.7.1\nexpect To:lee -> deliver\n',
  );
  const { tables, faults } = watched(folder);
  folder.write('etc/mail/relay-domains', '203.0.113.0/24\n');
  expect(tables.reload().map(where)).toEqual([`${test}:2`]);
  expect(faults[0]?.reason).toMatch(/expected "550 5.7.1", got "relay by .*relay-domains:1"/);
  expect(tables.rules.relayDomains.entries.size).toBe(0);
});

it('says what cannot be read', () => {
  const folder = newFolder();
  const { tables } = watched(folder);
  folder.write('etc/mail/access/inner', '');
  expect(tables.reload()).toMatchObject([{ file: folder.path('etc/mail/access'), line: 0, reason: 'Is a directory' }]);
});

it('counts new options from the next reload', () => {
  const { tables } = watched(newFolder());
  tables.setOptions({ ...DEFAULT_OPTIONS, hostname: 'new.example.com' });
  tables.reload();
  expect(tables.rules.options.hostname).toBe('new.example.com');
});

it.each([
  ['written in place', (folder: ReturnType<typeof newFolder>) => folder.write('etc/mail/access', 'spam.test REJECT\n')],
  [
    'put in its place',
    (folder: ReturnType<typeof newFolder>) =>
      renameSync(folder.write('etc/mail/.access.new', 'spam.test REJECT\n'), folder.path('etc/mail/access')),
  ],
  ['removed', (folder: ReturnType<typeof newFolder>) => unlinkSync(folder.path('etc/mail/access'))],
])('notices a table that was %s', async (_, change) => {
  const folder = newFolder();
  folder.write('etc/mail/access', 'spam.test OK\n');
  const { tables, nextChange } = watched(folder, { poll: 50 });
  const changed = nextChange();
  change(folder);
  expect(await changed).toBe(tables.rules);
  expect(tables.rules.access.entries.get(' spam.test')?.value).not.toBe('OK');
});

it('notices a folder of tables that was not there', async () => {
  const folder = newFolder();
  const paths = { ...folder.paths, tables: folder.path('etc/later') };
  const { nextChange } = watched(folder, { paths, poll: 20 });
  const changed = nextChange();
  folder.write('etc/later/access', 'spam.test REJECT\n');
  expect((await changed).access.entries.size).toBe(1);
});

it('notices a fault as it is written', async () => {
  const folder = newFolder();
  const { tables, nextFaults } = watched(folder, { poll: 50 });
  const before = tables.rules;
  const failed = nextFaults();
  const access = folder.write('etc/mail/access', 'spam.test\n');
  expect((await failed).map(where)).toEqual([`${access}:1`]);
  expect(tables.rules).toBe(before);
});
