import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { listenAt, readListen } from '../../src/config/listen.ts';
import { loadConfig } from '../../src/config/load.ts';
import { isOption, OPTIONS, optionOf, SECTIONS } from '../../src/config/options.ts';
import { readValue, showValue } from '../../src/config/values.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { daemonSettings } from '../../src/daemon/settings.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'config-'));
  mkdirSync(join(root, 'etc/tmail'), { recursive: true });
});
afterAll(() => rmSync(root, { recursive: true }));

const names = Object.keys(OPTIONS).filter(isOption);
const written = fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.array(fc.string()), fc.anything());

it('reads any value of any option, or says what it must be', () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), written, (name, value) => {
      const reading = readValue(optionOf(name), value);
      if ('mustBe' in reading) return reading.mustBe !== '';
      // What was read can be written and read again.
      return 'value' in readValue(optionOf(name), JSON.parse(showValue(optionOf(name).type, reading.value)));
    }),
  );
});

it('reads any listener, or says which key is wrong', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('role', 'address', 'require_tls', 'x'), written),
      written,
      (block, text) => {
        for (const one of [readListen(block, 'here'), listenAt(text, 'here')]) {
          expect('reason' in one ? one.reason : one.origin).not.toBe('');
        }
      },
    ),
  );
});

const key = fc.oneof(fc.constantFrom(...names.map((name) => name.split('.').at(-1) ?? ''), 'listen'), fc.string());
const value = fc.oneof(
  fc.string().map((text) => JSON.stringify(text)),
  fc.constantFrom('1', '-1', '1e400', '{}', '[]', '[[]]', 'true', '"4h"', '1979-05-27', 'nan', ''),
);
const line = fc.oneof(
  fc.tuple(key, value).map(([name, text]) => `${name} = ${text}`),
  fc.constantFrom(
    ...SECTIONS.map((name) => `[${name}]`),
    '[[listen]]',
    '[auth]',
    'role = "mta"',
    'address = "127.0.0.1:0"',
  ),
  fc.string(),
);

it('fails on a file only with its line', async () => {
  const file = join(root, 'etc/tmail/tmail.toml');
  await fc.assert(
    fc.asyncProperty(fc.array(line), async (lines) => {
      writeFileSync(file, lines.join('\n'));
      try {
        daemonSettings(await loadConfig({ root }));
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        if (error instanceof ConfigError) expect([error.line > 0, error.message.includes('\n')]).toEqual([true, false]);
      }
    }),
    { numRuns: 300 },
  );
});
