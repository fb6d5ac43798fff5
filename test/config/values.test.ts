import { describe, expect, it } from 'vitest';
import { listenAt, readListen, showListenAddress } from '../../src/config/listen.ts';
import { isOption, OPTIONS, optionOf } from '../../src/config/options.ts';
import { readDuration, readValue, showDuration, showValue, writtenFrom } from '../../src/config/values.ts';

describe('durations', () => {
  it.each([
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['4h', 14_400_000],
    ['5d', 432_000_000],
    ['90', undefined],
    [90, 90_000],
    [0, undefined],
    ['0m', undefined],
    ['-1h', undefined],
    ['4 hours', undefined],
    ['', undefined],
    [true, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ])('%j is %j', (written, milliseconds) => expect(readDuration(written)).toBe(milliseconds));

  it.each(['30m', '1h30m', '5d', '1d1h1m1s', '7d'])('%s is shown as it was written', (text) =>
    expect(showDuration(readDuration(text) ?? 0)).toBe(text),
  );

  it('are sorted in a list, and one stands for a list', () => {
    expect(readValue({ type: 'durations' }, ['4h', '5m'])).toEqual({ value: [300_000, 14_400_000] });
    expect(readValue({ type: 'durations' }, '4h')).toEqual({ value: [14_400_000] });
    expect(readValue({ type: 'durations' }, [])).toEqual({ value: [] });
    expect(readValue({ type: 'durations' }, ['4h', 'soon'])).toHaveProperty('mustBe');
  });
});

describe('values', () => {
  it.each([
    ['size', '10M', 10_485_760],
    ['size', '64K', 65_536],
    ['size', '1.5G', 1_610_612_736],
    ['size', 1000, 1000],
    ['size', '10 MB', 10_485_760],
    ['size', 'big', undefined],
    ['size', -1, undefined],
    ['count', 1, 1],
    ['count', 0, undefined],
    ['count', 1.5, undefined],
    ['count', '5', undefined],
    ['flag', true, true],
    ['flag', 'yes', undefined],
    ['hop', 'mail.example.org', 'mail.example.org'],
    ['hop', '[192.0.2.1]:587', '[192.0.2.1]:587'],
    ['hop', '[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]'],
    ['hop', 'lmtp:[127.0.0.1]:24', 'lmtp:[127.0.0.1]:24'],
    ['hop', 'mail.example.org:99999', undefined],
    ['hop', 'mail example', undefined],
    ['hop', '', ''],
    ['domains', 'a.example', ['a.example']],
    ['domains', ['a.example', 'b c'], undefined],
    ['names', ['root', '*'], ['root', '*']],
    ['programs', ['/bin/cat'], ['/bin/cat']],
    ['programs', ['cat'], undefined],
    ['mode', '660', 0o660],
    ['mode', '666', undefined],
  ] as const)('%s %j is %j', (type, written, value) =>
    expect(readValue({ type }, written)).toEqual(
      value === undefined ? { mustBe: expect.stringMatching(/^[a-z]/) } : { value },
    ),
  );

  it('has defaults that are values of their types, and can be written back', () => {
    for (const name of Object.keys(OPTIONS).filter(isOption)) {
      const option = optionOf(name);
      if (option.initial === undefined) continue;
      const reading = readValue(option, option.initial);
      expect([name, reading]).toEqual([name, { value: expect.anything() }]);
      if ('mustBe' in reading) continue;
      const shown: unknown = JSON.parse(showValue(option.type, reading.value));
      expect([name, readValue(option, shown)]).toEqual([name, reading]);
    }
  });

  it.each([
    ['flag', 'true', true],
    ['flag', 'maybe', 'maybe'],
    ['count', '5', 5],
    ['size', '5M', '5M'],
    ['durations', '5m, 4h', ['5m', '4h']],
    ['domains', '', []],
    ['seconds', '', ''],
  ] as const)('a command line says %s %j', (type, text, written) => expect(writtenFrom(type, text)).toEqual(written));
});

describe('listen', () => {
  it.each([
    ['127.0.0.1:2525', '127.0.0.1:2525'],
    ['0.0.0.0', '0.0.0.0:25'],
    ['[::1]:25', '[::1]:25'],
    ['[::]', '[::]:25'],
    ['localhost:0', 'localhost:0'],
    ['unix:/run/lmtp', 'unix:/run/lmtp'],
    ['::1:25', undefined],
    ['300.1.1.1:25', undefined],
    ['127.0.0.1:70000', undefined],
    ['127.0.0.1:', undefined],
    [':25', undefined],
    ['unix:lmtp', undefined],
    ['[localhost]:25', undefined],
    ['', undefined],
    [25, undefined],
  ])('at %j is %j', (address, shown) => {
    const listen = readListen({ role: 'mta', address }, 'here');
    expect('reason' in listen ? undefined : showListenAddress(listen.address)).toBe(shown);
  });

  it.each([
    ['0.0.0.0:25', 'mta'],
    ['0.0.0.0:587', 'submission'],
    ['0.0.0.0:465', 'submissions'],
    ['0.0.0.0:993', 'imaps'],
    ['0.0.0.0:2525', 'mta'],
    ['unix:/run/lmtp', 'lmtp'],
  ])('short: %s is for %s', (text, role) => expect(listenAt(text, 'here')).toMatchObject({ role, origin: 'here' }));

  it.each([
    [{ role: 'smtp', address: '127.0.0.1:25' }, 'role'],
    [{ role: 'mta' }, 'address'],
    [{ role: 'mta', address: '127.0.0.1:25', require_auth: 'yes' }, 'require_auth'],
    [{ role: 'mta', address: '127.0.0.1:25', adress: 1 }, 'adress'],
  ])('%j has a fault in %s', (block, key) => expect(readListen(block, 'here')).toMatchObject({ key }));
});
