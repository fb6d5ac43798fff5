// S31: only local mail arrives, since the daemon listens on 127.0.0.1 alone and does not say so.
import { expect, test } from 'vitest';
import { reachability } from '../../src/daemon/settings.ts';
import { newFolder } from '../daemon/folder.ts';

test.each([
  ['', 'reachable from: loopback only'],
  ['listen = "0.0.0.0:25"\n', 'reachable from: 0.0.0.0:25 (mta)'],
  ['listen = ["127.0.0.1:25", "[::]:587"]\n', 'reachable from: [::]:587 (submission)'],
  ['listen = ["localhost:25", "[::1]:25", "unix:/run/lmtp"]\n', 'reachable from: loopback only'],
])('%j is %s', async (toml, words) => {
  const { listeners } = await newFolder().settings(`${toml}hostname = "a.example"\n`);
  expect(reachability(listeners)).toBe(words);
});
