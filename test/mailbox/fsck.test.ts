import { existsSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { diagnose, repair } from '../../src/mailbox/fsck.ts';
import { message, newPlace, type Place, subjects } from './boxes.ts';

let place: Place;
beforeEach(() => {
  place = newPlace();
});
afterEach(() => place.remove());

const kinds = (name: string): string[] =>
  diagnose(place.context, place.path(name)).findings.map(({ kind, line }) => `${line} ${kind}`);

/** Repairs, checks the account against the files, and returns the subjects found then. */
async function repaired(text: string): Promise<string[]> {
  place.write('box', text);
  const target = place.path('new');
  const account = repair(place.context, place.path('box'), target);
  expect(place.read('box')).toBe(text);
  expect(account.input).toBe(text.length);
  expect(account.kept + account.added).toBe(account.output);
  expect(statSync(target).size).toBe(account.output);
  expect(isSubsequence(text.replace(/^[\r\n]+/, ''), place.read('new'))).toBe(true);
  const box = await place.open('new');
  try {
    expect(box.length).toBe(account.messagesAfter);
    return subjects(box);
  } finally {
    box.close();
  }
}

/** All of `part` is in `whole`, in order. */
function isSubsequence(part: string, whole: string): boolean {
  let at = 0;
  for (let i = 0; i < whole.length && at < part.length; i++) if (whole[i] === part[at]) at++;
  return at === part.length;
}

describe('fsck', () => {
  it('finds nothing wrong with a sound mailbox, and copies it', async () => {
    const text = message('a') + message('b', { fields: 'Content-Length: 10\nStatus: RO\n' });
    place.write('box', text);
    expect(diagnose(place.context, place.path('box'))).toMatchObject({ messages: 2, dialect: 'mbox', findings: [] });
    expect(await repaired(text)).toEqual(['a', 'b']);
    expect(place.read('new')).toBe(text);
  });

  it('names what is wrong, with the line', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((id) => message(id));
    place.write('glued', `${a?.slice(0, -1)}${b}`);
    expect(kinds('glued')).toEqual(['6 separator-glued']);
    place.write('stump', `${a}${b?.slice(1)}${c}`);
    expect(kinds('stump')).toEqual(['7 separator-damaged']);
    place.write('nuls', `${a}${'\0'.repeat(99)}\n\n${b}`);
    expect(kinds('nuls')).toEqual(['7 nul']);
    place.write('cut', `${a}${b?.slice(0, -3)}`);
    expect(kinds('cut')).toEqual(['11 no-line-end']);
    place.write('length', message('a', { fields: 'Content-Length: 7777\n' }));
    expect(kinds('length')).toEqual(['4 length']);
    place.write('undated', `${a}${b?.replace(/^From .*/, 'From ')}`);
    expect(kinds('undated')).toEqual(['7 separator-undated']);
    place.write('junk', message('a', { fields: 'no field here\nDate: today\n' }));
    expect(kinds('junk')).toEqual(['4 header-line']);
    place.write('open', message('a').replace('Subject: a\n\n', 'Subject: a\nDear Lee,\n'));
    expect(kinds('open')).toEqual(['4 header-end']);
    place.write('start', `\n\n${a}`);
    expect(kinds('start')).toEqual(['1 empty-start']);
    place.write('before', `some text\n\n${a}`);
    expect(kinds('before')).toEqual(['1 text-before']);
    place.write('mixed', `${a}${b?.replaceAll('\n', '\r\n')}`);
    expect(kinds('mixed')).toEqual(['7 mixed-line-ends']);
  });

  it('repairs it, and then nothing is wrong any more', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((id) => message(id));
    const texts = [
      `${a?.slice(0, -1)}${b}`,
      `${a}${b?.slice(1)}${c}`,
      `${a}${b?.slice(3)}`,
      `${a}${'\0'.repeat(99)}\n\n${b}`,
      `${a?.slice(0, -4)}${'\0'.repeat(99)}${b}`,
      `${a}${b?.slice(0, -3)}`,
      message('a', { fields: 'Content-Length: 7777\n' }),
      `${a}${b?.replace(/^From .*/, 'From ')}`,
      message('a', { fields: 'no field here\nDate: today\n' }),
      message('a').replace('Subject: a\n\n', 'Subject: a\nDear Lee,\n'),
      `\n\n${a}`,
      `\xef\xbb\xbf${a}`,
      `some text\n\n${a}`,
      'Subject: a\nFrom: ann@a.test\n\ntext\n',
      'nothing that looks like mail',
    ];
    for (const text of texts) {
      const found = await repaired(text);
      expect(kinds('new')).toEqual([]);
      for (const id of ['a', 'b', 'c']) if (text.includes(`Subject: ${id}`)) expect(found).toContain(id);
      place.remove();
      place = newPlace();
    }
  });

  it('keeps every octet of anything, and never throws', async () => {
    const part = fc.oneof(
      fc.constantFrom('From ann@a.test Mon Mar  3 10:00:00 2025', 'rom ann@a.test Mon Mar  3 10:00:00 2025', 'From -'),
      fc.constantFrom('From: x', 'Subject: s', '', '', 'text', '\0\0\0\0\0\0\0\0\0', 'Content-Length: 4', ' more'),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    const text = fc.array(fc.tuple(part, fc.constantFrom('\n', '\n', '\r\n', '')), { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(text, async (parts) => {
        const whole = parts.map(([line, end]) => line + end).join('');
        // Compressed files and MMDF are refused.
        if (/^(?:\x1f\x8b|\x28\xb5\x2f\xfd|\x01{4}\n)/.test(whole)) return;
        await repaired(whole);
        place.remove();
        place = newPlace();
      }),
      { numRuns: 200 },
    );
  });

  it('writes only to a file that is not there yet', () => {
    place.write('box', message('a'));
    place.write('new', 'precious');
    expect(() => repair(place.context, place.path('box'), place.path('new'))).toThrow(UserError);
    expect(place.read('new')).toBe('precious');
    expect(() => repair(place.context, place.path('none'), place.path('x'))).toThrow('No such file');
    expect(existsSync(place.path('x'))).toBe(false);
  });
});
