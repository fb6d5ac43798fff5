/** What is left of root after it was given up; the giving up itself is tested with real processes (daemon/privileges.test.ts). */
import { expect, it } from 'vitest';
import { whatIsLeft } from '../../src/core/identity.ts';

const who = { uid: 101, gid: 102, groups: [8] };

function status(changes: Readonly<Record<string, string>> = {}): string {
  const lines = {
    Name: 'node',
    Uid: '101\t101\t101\t101',
    Gid: '102\t102\t102\t102',
    Groups: '8 102 ',
    CapInh: '00000000a80425fb',
    CapPrm: '0000000000000000',
    CapEff: '0000000000000000',
    CapBnd: '00000000a80425fb',
    CapAmb: '0000000000000000',
    ...changes,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}:\t${value}\n`)
    .join('');
}

it('nothing', () => {
  expect(whatIsLeft(status(), who)).toBeUndefined();
  expect(whatIsLeft(status({ Groups: '' }), who)).toBeUndefined();
  expect(whatIsLeft(status().replace(/CapAmb.*\n/, ''), who)).toBeUndefined();
});

it.each([
  ['a saved id', { Uid: '101\t101\t0\t101' }],
  ['an id for files', { Uid: '101\t101\t101\t0' }],
  ['the real id', { Uid: '0\t101\t101\t101' }],
  ['a saved group', { Gid: '102\t102\t0\t102' }],
  ['a group', { Groups: '0 8' }],
  ['a capability', { CapPrm: '0000000000000400' }],
  ['one that programs get', { CapAmb: '0000000000000400' }],
])('%s', (_, change) => {
  const [name = ''] = Object.keys(change);
  expect(whatIsLeft(status(change), who)).toMatch(new RegExp(`^${name}: `));
});

it('what cannot be read counts as left', () => {
  expect(whatIsLeft('', who)).toBe('Uid: nothing');
});
