/** Only CR LF . CR LF ends a message: every other terminator, each with a second envelope behind it (no SMTP smuggling). */
import { describe, expect, it } from 'vitest';
import { Driver, newStage } from './play.ts';

const OPEN = 'EHLO a.test\r\nMAIL FROM:<lee>\r\nRCPT TO:<root>\r\nDATA\r\n';
const SECOND = 'MAIL FROM:<eve@evil.test>\r\nRCPT TO:<lee>\r\nDATA\r\nSubject: forged\r\n\r\nx';

const TERMINATORS: readonly [string, string][] = [
  ['LF . LF', '\n.\n'],
  ['LF . CRLF', '\n.\r\n'],
  ['LF . CR', '\n.\r'],
  ['CR . CR', '\r.\r'],
  ['CR . LF', '\r.\n'],
  ['CR . CRLF', '\r.\r\n'],
  ['CRLF . LF', '\r\n.\n'],
  ['CRLF . CR', '\r\n.\r'],
  ['CRLF . CR CR LF', '\r\n.\r\r\n'],
  ['CR CR LF . CRLF', '\r\r\n.\r\r\n'],
  ['LF CR . CRLF', '\n\r.\r\n'],
  ['CRLF NUL . CRLF', '\r\n\0.\r\n'],
  ['CRLF . NUL CRLF', '\r\n.\0\r\n'],
  ['CRLF . blank CRLF', '\r\n. \r\n'],
];

describe.each(TERMINATORS)('%s', (name, terminator) => {
  for (const bare of ['refuse', 'convert'] as const) {
    it(`is no end of a message (${bare})`, () => {
      const stage = newStage();
      stage.config = { ...stage.config, bareNewline: bare };
      const driver = new Driver(stage);
      driver.send(Buffer.from(`${OPEN}Subject: first\r\n\r\nbody${terminator}${SECOND}\r\n.\r\nQUIT\r\n`, 'latin1'));
      expect(driver.messages.length).toBeLessThanOrEqual(1);
      for (const message of driver.messages) {
        expect(message.from).toBe('<lee>');
        const text = message.content.toString('latin1');
        expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
        expect(text).toContain('MAIL FROM:<eve@evil.test>');
      }
      const bytes = terminator.replaceAll('\r\n', '');
      if (bare === 'refuse' && /[\r\n]/.test(bytes)) {
        expect(driver.messages).toEqual([]);
        expect(driver.output).toMatch(
          /\r\n554 5\.6\.0 Bare (CR|LF) in line \d+ of the message: lines must end with CR LF\r\n/,
        );
      } else expect(driver.messages.length, name).toBe(1);
    });
  }
});

it('names the line', () => {
  const driver = new Driver(newStage());
  driver.send(Buffer.from(`${OPEN}Subject: first\r\n\r\nbody\nmore\r\n.\r\nRSET\r\n`));
  expect(driver.output).toContain(
    '554 5.6.0 Bare LF in line 3 of the message: lines must end with CR LF\r\n250 2.0.0 Reset state',
  );
});
