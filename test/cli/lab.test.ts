/** What can be typed in a lab, and the story that is told without a terminal. */
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { carryOut } from '../../src/cli/lab-commands.ts';
import { UserError } from '../../src/core/errors.ts';
import type { Lab } from '../../src/daemon/lab.ts';
import { newLab } from '../daemon/new-lab.ts';
import { cleanUpAfterwards } from '../daemon/when-done.ts';
import { BIN } from '../e2e/program.ts';

cleanUpAfterwards();

let lab: Lab;
beforeAll(async () => {
  lab = await newLab();
});

async function type(...lines: string[]): Promise<string> {
  const said: string[] = [];
  for (const line of lines) await carryOut(lab, line, (text = '') => said.push(text));
  return said.join('\n');
}

describe('commands', () => {
  it('send, mail', async () => {
    expect(await type('send lee dl@qq.com Hello there')).toMatch(/^linux102\.example\.com says: 250 2\.0\.0 /);
    expect(await type('mail dl@qq.com')).toMatch(/^ {2}1 .* lee@linux102\.example\.com .* Hello there$/);
    expect(await type('mail dl@qq 1')).toContain('\nSubject: Hello there\n');
    expect(await type('mail dongliang@163.com')).toBe('No mail for dongliang at 163.com');
  });

  it('down, queue, later, up', async () => {
    const waiting = await type('down qq.com', 'send lee dl@qq.com', 'queue');
    expect(waiting).toMatch(/dl@qq\.com: tried once, again in 1m: qq\.com \[127\.0\.0\.102\]: Connection refused$/);
    expect(await type('later 1h', 'up qq.com', 'later 1h', 'queue')).toMatch(/Nothing waits\.$/);
    expect((await type('mail dl@qq.com')).split('\n')).toHaveLength(2);
  });

  it('fault, log', async () => {
    expect(await type('fault qq.com 550 5.7.1 go away', 'send lee dl@qq.com')).toContain('now says 550 5.7.1 go away');
    expect(await type('log')).toMatch(/failed .*to=dl@qq\.com status=5\.7\.1/);
    expect(await type('fault qq.com')).toBe('qq.com is well');
  });

  it('help, quit, nothing', async () => {
    expect(await type('help')).toContain('moves the clock');
    expect(await carryOut(lab, 'quit', () => undefined)).toBe(false);
    expect(await type('', '   ')).toBe('');
  });

  it.each([
    ['dance', /no command dance; there are send, mail/],
    ['constructor', /no command constructor/],
    ['send', /who\?/],
    ['send lee', /to whom\?/],
    ['send lee a@b@c@', /./],
    ['down', /which host\? linux102\.example\.com, qq\.com, 163\.com/],
    ['down moon', /no host moon/],
    ['later', /how much later\?/],
    ['later soon', /how much later\?/],
    ['mail gone@qq.com', /qq\.com has no user gone; there are root, dl/],
    ['mail dl@qq.com 99', /dl has \d+ messages/],
    ['fault qq.com 200 ok', /silent, or 451/],
  ])('%s', async (line, reason) => {
    const error = await type(line).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message: expect.stringMatching(reason) });
  });
});

it('tells the same story each time, in seconds, and leaves nothing behind', () => {
  const tell = () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'lab'], { input: '', timeout: 50_000 });
    expect({ status, err: stderr.toString() }).toEqual({ status: 0, err: '' });
    return stdout.toString();
  };
  const story = tell();
  expect(story).toContain('Warning: message still undelivered');
  expect(story).toContain('Status: 4.4.7');
  expect(tell()).toBe(story);
});
