/** Every file of test/dialogue, played whole groups at once, one byte at a time, and all input in one piece. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Driver, pattern, readDialogue, type Turn } from './play.ts';

const FOLDER = join(import.meta.dirname, '../dialogue');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

function play(name: string, step: (driver: Driver, bytes: Buffer) => void): void {
  const { stage, turns } = readDialogue(readFileSync(join(FOLDER, name), 'utf8'));
  const driver = new Driver(stage);
  let pending = '';
  const flush = (): void => {
    if (pending !== '') step(driver, Buffer.from(pending, 'latin1'));
    pending = '';
  };
  let message = 0;
  for (const turn of turns) {
    if (turn.kind === 'C') {
      pending += turn.text;
      continue;
    }
    flush();
    message = compare(name, driver, turn, message);
  }
  flush();
  expect(driver.output, `${name}: more came than was expected`).toBe('');
}

function compare(name: string, driver: Driver, turn: Turn, message: number): number {
  const where = `${name}:${turn.line}`;
  if (turn.kind === 'S') {
    const end = driver.output.indexOf('\r\n');
    const line = end < 0 ? `(nothing) ${driver.output}` : driver.output.slice(0, end);
    driver.output = end < 0 ? '' : driver.output.slice(end + 2);
    if (!pattern(turn.text).test(line)) expect(line, where).toBe(turn.text);
  } else if (turn.kind === 'A' && turn.text === 'tls') {
    driver.carryOut(driver.session.tlsStarted({ version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' }));
  } else if (turn.kind === 'A') {
    expect(driver.doings.shift(), where).toBe(turn.text);
  } else {
    const content = driver.messages.at(-1)?.content.toString('latin1') ?? '(no message)';
    expect(content.split('\r\n')[message], where).toBe(Buffer.from(turn.text).toString('latin1'));
    return message + 1;
  }
  return 0;
}

describe.each(files)('%s', (name) => {
  it('whole', () => play(name, (driver, bytes) => driver.send(bytes)));
  it('one byte at a time', () =>
    play(name, (driver, bytes) => {
      for (const byte of bytes) driver.send(Buffer.from([byte]));
    }));
  it('all in one piece', () => {
    const { stage, turns } = readDialogue(readFileSync(join(FOLDER, name), 'utf8'));
    if (turns.some((turn) => turn.kind === 'A' && turn.text === 'tls')) return;
    const driver = new Driver(stage);
    const all = turns.filter((turn) => turn.kind === 'C').map((turn) => turn.text);
    driver.send(Buffer.from(all.join(''), 'latin1'));
    const expected = turns.filter((turn) => turn.kind === 'S').map((turn) => turn.text);
    const lines = driver.output.split('\r\n').slice(0, -1);
    expect(lines.length, name).toBe(expected.length);
    for (const [i, line] of lines.entries()) expect(line).toMatch(pattern(expected[i] ?? ''));
  });
});
