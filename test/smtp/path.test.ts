/** Envelope paths: what is printed is read back, nothing throws. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isFault, parseDomain, parseIp, parsePath, pathAddress, splitPath } from '../../src/message/path.ts';

it.each([
  ['<lee@Host.Test>', 'lee@host.test'],
  ['lee@host.test.', 'lee@host.test'],
  ['<"lee"@host.test>', 'lee@host.test'],
  ['<"a b"@host.test>', '"a b"@host.test'],
  ['<"a\\"b"@host.test>', '"a\\"b"@host.test'],
  ['<a\\@b@host.test>', '"a@b"@host.test'],
  ['<@a.test,@b.test:c@d.test>', 'c@d.test'],
  ['<>', ''],
  ['< lee >', 'lee'],
  ['lee', 'lee'],
  ['<lee@[IPv6:2001:DB8:0:0:0:0:0:1]>', 'lee@[ipv6:2001:db8::1]'],
  ['<lee@[IPv6:::ffff:192.0.2.1]>', 'lee@[192.0.2.1]'],
  ['<.lee.@host.test>', '".lee."@host.test'],
])('%s is %s', (text, wanted) => {
  const path = parsePath(text);
  expect('fault' in path ? path.fault : pathAddress(path)).toBe(wanted);
});

it.each([
  ['<lee', "Unbalanced '<'"],
  ['lee>', "Unbalanced '>'"],
  ['<"lee@host.test>', "Unbalanced '\"'"],
  ['<lee@>', 'Hostname required'],
  ['<@host.test>', 'User address required'],
  ['<""@host.test>', 'User address required'],
  ['<lee@host..test>', 'Invalid host name'],
  ['<lee@[300.1.1.1]>', 'Invalid host name'],
  ['<lee@[010.1.1.1]>', 'Invalid host name'],
  ['<a@b@c>', 'Invalid route address'],
  ['a,b', 'Invalid route address'],
  ['<a b@host.test>', 'Blank in address'],
  ['<a\u0007@host.test>', 'Illegal character in address'],
  ['<a\u202e@host.test>', 'Illegal character in address'],
  ['<lee>x', "Text after '>'"],
  [`<${'a'.repeat(2000)}@host.test>`, 'Path too long'],
])('%s: %s', (text, wanted) => {
  expect(parsePath(text)).toMatchObject({ fault: wanted });
});

it('what is printed is read back', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '@',
    '"',
    '\\',
    '<',
    '>',
    ' ',
    '.',
    ',',
    ':',
    '[',
    ']',
    'é',
    '%',
    '!',
    'host.test',
    '1',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = parsePath(pieces.join(''));
      if (isFault(path)) return;
      const again = parsePath(`<${pathAddress(path)}>`);
      expect(again).toMatchObject({ local: path.local, domain: path.domain });
      splitPath(pieces.join(''));
    }),
    { numRuns: 3000 },
  );
});

it('an address has one form', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const once = parseIp(text);
      expect(once).toBeDefined();
      expect(parseIp(once ?? '')).toBe(once);
      expect(parseDomain(`[IPv6:${text}]`)).toBe(once?.includes(':') === true ? `[ipv6:${once}]` : `[${once}]`);
    }),
  );
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(parseIp(`::ffff:${text}`)).toBe(text);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => void parseIp(text)));
});
