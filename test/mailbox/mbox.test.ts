import {
  appendFileSync,
  chmodSync,
  lstatSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MailError, UserError } from '../../src/core/errors.ts';
import { type Changes, Flag } from '../../src/mailbox/mailbox.ts';
import { latin1, message, newPlace, type Place, subjects } from './boxes.ts';

let place: Place;
beforeEach(() => {
  place = newPlace();
});
afterEach(() => place.remove());

const abc = (): string => message('a') + message('b', { fields: 'Status: O\n' }) + message('c');

describe('reading', () => {
  it('gives what the file holds', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    expect(subjects(box)).toEqual(['a', 'b', 'c']);
    const { flags, size, lines, headerSize, received, sender, keywords, gone } = box.info(1);
    expect({ flags, size, lines, headerSize, sender, keywords, gone }).toEqual({
      flags: Flag.old,
      size: 54,
      lines: 5,
      headerSize: 44,
      sender: 'ann@example.org',
      keywords: [],
      gone: false,
    });
    expect(received).toBe(new Date(2025, 2, 3, 10, 0, 0).getTime() / 1000);
    expect(latin1(box.content(1))).toBe('From: ann@example.org\nSubject: b\nStatus: O\n\ntext of b\n');
    expect(latin1(box.header(1))).toBe('From: ann@example.org\nSubject: b\nStatus: O\n\n');
    expect(latin1(box.head(1, 8))).toBe('From: an');
    expect(latin1(box.stored(1).fromLine)).toBe('From ann@example.org Mon Mar  3 10:00:00 2025');
    expect(() => box.info(3)).toThrow(RangeError);
    box.close();
  });

  it('reads keywords as dovecot writes them', async () => {
    place.write('box', message('a', { fields: 'X-Keywords: NonJunk $Forwarded    \n' }));
    const box = await place.open('box');
    expect(box.info(0).keywords).toEqual(['NonJunk', '$Forwarded']);
    box.close();
  });

  it('takes quoting off where this program put it on, and nowhere else', async () => {
    const body = '>From x\n>>From y\n';
    place.write('box', message('a', { fields: 'X-Mbox-Quoting: mboxrd\n', body }) + message('b', { body }));
    const box = await place.open('box');
    expect(latin1(box.content(0))).toBe('From: ann@example.org\nSubject: a\n\nFrom x\n>From y\n');
    expect(latin1(box.content(1))).toContain('\n>From x\n>>From y\n');
    expect(latin1(box.stored(0).content)).toContain('\n>From x\n>>From y\n');
    box.close();
  });

  it('never gives one message for another, whatever happened to the file', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    place.write('box', message('c') + message('b'));
    expect(latin1(box.content(2))).toContain('text of c');
    expect(latin1(box.content(1))).toContain('text of b');
    expect(() => box.content(0)).toThrow(MailError);
    expect(box.info(0).gone).toBe(true);
    box.close();
  });

  it('finds a message again that was not there for a moment', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    place.write('box', message('a'));
    expect((await box.refresh()).removed).toEqual([1, 2]);
    place.write('box', abc());
    expect(await box.refresh()).toEqual({ added: [], removed: [], flagged: [] });
    expect(latin1(box.content(2))).toContain('text of c');
    box.close();
  });

  it('sees a change that left size and modification time as they were', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    const { atime, mtime } = statSync(place.path('box'));
    place.write('box', abc().replace('Status: O', 'Status: R'));
    utimesSync(place.path('box'), atime, mtime);
    expect((await box.refresh()).flagged).toEqual([1]);
    expect(box.info(1).flags).toBe(Flag.read);
    box.close();
  });

  it('follows the path when another file was put there, or none', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    place.write('new', message('b') + message('d'));
    renameSync(place.path('new'), place.path('box'));
    expect(await box.refresh()).toEqual({ added: [3], removed: [0, 2], flagged: [1] });
    unlinkSync(place.path('box'));
    expect((await box.refresh()).removed).toEqual([1, 3]);
    expect(await box.refresh()).toEqual({ added: [], removed: [], flagged: [] });
    place.write('box', message('e'));
    expect((await box.refresh()).added).toEqual([4]);
    box.close();
  });

  it('hides the first message of c-client, and keeps it', async () => {
    const pseudo = message("DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA", { fields: 'X-IMAP: 1 3\n' });
    place.write('box', pseudo + abc());
    const box = await place.open('box');
    expect(subjects(box)).toEqual(['a', 'b', 'c']);
    await box.commit({ remove: [0, 1, 2], whenEmpty: 'remove' });
    expect(place.read('box')).toBe(pseudo);
    box.close();
  });
});

describe('commit', () => {
  it('changes what is named and nothing else', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    const { ino } = statSync(place.path('box'));
    const result = await box.commit({
      remove: [0],
      flags: new Map([
        [1, Flag.old | Flag.read],
        [2, Flag.old | Flag.flagged],
      ]),
    });
    expect(result).toEqual({ others: { added: [], removed: [], flagged: [] }, missing: [], kept: [] });
    expect(place.read('box')).toBe(
      message('b', { fields: 'Status: RO\n' }) + message('c', { fields: 'Status: O \nX-Status: F   \n' }),
    );
    expect(statSync(place.path('box')).ino).toBe(ino);
    expect(box.info(0).gone).toBe(true);
    expect(latin1(box.content(2))).toContain('text of c');
    expect(await box.refresh()).toEqual({ added: [], removed: [], flagged: [] });
    box.close();
  });

  it('writes flags over in place when there is room', async () => {
    place.write('box', message('a', { fields: 'Status: O \nX-Status:      \n' }) + message('b'));
    const box = await place.open('box');
    const { size } = statSync(place.path('box'));
    await box.commit({ flags: new Map([[0, Flag.old | Flag.read | Flag.answered]]) });
    expect(place.read('box')).toContain('Status: RO\nX-Status: A    \n');
    await box.commit({ flags: new Map([[0, 0]]) });
    expect(place.read('box')).toContain('Status:   \nX-Status:      \n');
    expect(statSync(place.path('box')).size).toBe(size);
    box.close();
  });

  it('keeps folding, CR LF, 8-bit octets, NULs and odd headers as they are', async () => {
    const odd = 'X-Odd: a\r\n\tb\xff\0\r\nNo field at all\r\n';
    place.write('box', message('a', { fields: odd, body: '\0\xfe\r\r\n' }).replaceAll(/(?<!\r)\n/g, '\r\n'));
    const before = place.read('box');
    const box = await place.open('box');
    await box.commit({ flags: new Map([[0, Flag.old]]) });
    expect(place.read('box')).toBe(before.replace('field at all\r\n', 'field at all\r\nStatus: O \r\n'));
    box.close();
  });

  it('gives a header that the file ended in a line end before it adds a field', async () => {
    place.write('box', 'From ann@example.org Mon Mar  3 10:00:00 2025\nSubject: a');
    place.write('bare', 'From ann@example.org Mon Mar  3 10:00:00 2025');
    for (const [name, rest] of [
      ['box', '\nSubject: a\nStatus: O \n'],
      ['bare', '\nStatus: O \n'],
    ] as const) {
      const box = await place.open(name);
      await box.commit({ flags: new Map([[0, Flag.old]]) });
      expect(place.read(name)).toBe(`From ann@example.org Mon Mar  3 10:00:00 2025${rest}`);
      box.close();
    }
  });

  it('leaves out a Content-Length that is not true, only where it writes the message anew', async () => {
    const lying = 'Content-Length: 99\nLines: 7\n';
    const right = 'Content-Length: 10\nLines: 1\n';
    place.write('box', ['a', 'b', 'c'].map((id, i) => message(id, { fields: i === 1 ? right : lying })).join(''));
    const box = await place.open('box');
    await box.commit({
      flags: new Map([
        [0, Flag.old],
        [1, Flag.old],
      ]),
    });
    expect(place.read('box')).toBe(
      message('a', { fields: 'Status: O \n' }) +
        message('b', { fields: `${right}Status: O \n` }) +
        message('c', { fields: lying }),
    );
    box.close();
  });

  it('replaces content, quoting what would begin a message', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    const content = 'Subject: new\nContent-Length: 3\n\nFrom me to you\nno end';
    await box.commit({ replace: new Map([[1, Buffer.from(content)]]), flags: new Map([[1, Flag.read]]) });
    expect(subjects(box)).toEqual(['a', 'new', 'c']);
    expect(latin1(box.content(1))).toBe('Subject: new\nStatus: R \n\nFrom me to you\nno end\n');
    expect(place.read('box')).toContain('\n>From me to you\nno end\n\nFrom ');
    box.close();
  });

  it('prepends, and adds From_ lines that begin messages wherever they stand', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    const patch = Buffer.from(`From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001`);
    const base = { sender: 'lee@a.test', received: 0, quote: false };
    const changes: Changes = {
      prepend: [
        { ...base, content: Buffer.from('Subject: x\n\nx\n') },
        { ...base, content: Buffer.from('Subject: y\n\nno end'), fromLine: patch },
      ],
      flags: new Map([[2, Flag.old]]),
    };
    await box.commit(changes);
    const again = await place.open('box');
    expect(subjects(again)).toEqual(['x', 'y', 'a', 'b', 'c']);
    expect(again.info(4).flags).toBe(Flag.old);
    expect(subjects(box)).toEqual(['a', 'b', 'c', 'x', 'y']);
    box.close();
    again.close();
  });

  it('says what others did before it changes anything, and stops when it is told to', async () => {
    place.write('box', abc());
    const box = await place.open('box');
    place.write('box', message('b') + message('c') + message('d'));
    const before = place.read('box');
    const seen: unknown[] = [];
    const stop = box.commit({
      remove: [0, 1],
      before(others) {
        seen.push(others);
        throw new Error('stop');
      },
    });
    await expect(stop).rejects.toThrow('stop');
    expect(seen).toEqual([{ added: [3], removed: [0], flagged: [1] }]);
    expect(place.read('box')).toBe(before);
    const result = await box.commit({ remove: [0, 1] });
    expect(result.missing).toEqual([0]);
    expect(subjects(box)).toEqual(['c', 'd']);
    box.close();
  });

  it('removes an empty mailbox or cuts it', async () => {
    for (const whenEmpty of ['remove', 'cut', undefined] as const) {
      place.write('box', abc());
      const box = await place.open('box');
      await box.commit({ remove: [0, 1, 2], ...(whenEmpty === undefined ? {} : { whenEmpty }) });
      const stat = statSync(place.path('box'), { throwIfNoEntry: false });
      expect(stat?.size).toBe(whenEmpty === 'remove' ? undefined : 0);
      expect((await box.refresh()).removed).toEqual([]);
      place.write('box', message('later'));
      await box.refresh();
      expect(subjects(box)).toEqual(['later']);
      box.close();
    }
  });

  it('leaves the times so that mail checkers see new mail, and only new mail', async () => {
    const isNew = (): boolean => statSync(place.path('box')).atimeMs < statSync(place.path('box')).mtimeMs;
    place.write('box', abc());
    const box = await place.open('box');
    await box.commit({ remove: [1] });
    expect(isNew()).toBe(true);
    const all = Flag.old | Flag.read;
    await box.commit({ flags: new Map([0, 2].map((slot) => [slot, all])) });
    expect(isNew()).toBe(false);
    box.close();
  });

  it('keeps modes', async () => {
    place.write('box', abc());
    chmodSync(place.path('box'), 0o640);
    const box = await place.open('box');
    await box.commit({ remove: [1] });
    expect(statSync(place.path('box')).mode & 0o777).toBe(0o640);
    box.close();
  });

  it('follows a symbolic link, and leaves it', async () => {
    place.write('real', abc());
    symlinkSync('real', place.path('box'));
    const box = await place.open('box');
    await box.commit({ remove: [0] });
    expect(lstatSync(place.path('box')).isSymbolicLink()).toBe(true);
    expect(place.read('real')).toBe(message('b', { fields: 'Status: O\n' }) + message('c'));
    box.close();
  });

  it('refuses when it was opened to be read only', async () => {
    place.write('one.eml', 'Subject: a\nFrom: ann@a.test\n\ntext\n');
    const box = await place.open('one.eml');
    expect(box.readOnly).toContain('single message');
    expect(latin1(box.stored(0).fromLine)).toMatch(/^From ann@a\.test /);
    await expect(box.commit({ remove: [0] })).rejects.toThrow(UserError);
    box.close();
  });
});

/** A mailbox as a list: what the file must come to. */
interface Model {
  id: string;
  flags: number;
  body: string;
}

const stored = ({ id, flags, body }: Model): string =>
  message(id, {
    fields:
      ((flags & 3) !== 0 ? `Status: ${(flags & 1) !== 0 ? 'R' : ''}${(flags & 2) !== 0 ? 'O' : ''}\n` : '') +
      ((flags & 8) !== 0 ? 'X-Status: F\n' : ''),
    body,
  });

/** What a simple reader finds: subject, letters, body. */
function parse(text: string): string[] {
  const parts = text.split(/(?:^|\n\n)From \S+ Mon Mar {2}3 10:00:00 2025\n/).slice(1);
  return parts.map((part) => {
    const [, header = '', body = ''] = /^(.*?(?:\n|$))(?:\n(.*)|$)$/s.exec(part) ?? [];
    const letters = [...header.matchAll(/^(?:X-)?Status:(.*)$/gm)].map(([, value = '']) => value.trim()).join('');
    return `${/^Subject: (.*)$/m.exec(header)?.[1]} ${[...letters].sort().join('')} ${body.trimEnd()}`;
  });
}

const shown = ({ id, flags, body }: Model): string =>
  `${id} ${((flags & 8) !== 0 ? 'F' : '') + ((flags & 2) !== 0 ? 'O' : '') + ((flags & 1) !== 0 ? 'R' : '')} ${body.trimEnd()}`;

const anyFlags = fc.constantFrom(0, 1, 2, 3, 8, 10, 11);
const anyModel = fc.record({
  flags: anyFlags,
  body: fc.constantFrom('x\n', '\nFrom here on\n\n\n', '', '\0\n', 'long\n'.repeat(50)),
});
const anyStep = fc.record({
  foreign: fc.constantFrom('none', 'append', 'drop', 'flag', 'shuffle'),
  pick: fc.nat(),
  remove: fc.array(fc.nat(), { maxLength: 3 }),
  flags: fc.array(fc.tuple(fc.nat(), anyFlags), { maxLength: 3 }),
});

describe('a mailbox that others change too', () => {
  it('comes to what a list of messages comes to', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyModel, { minLength: 1, maxLength: 8 }),
        fc.array(anyStep, { minLength: 1, maxLength: 5 }),
        async (start, steps) => {
          let list: Model[] = start.map((one) => ({ ...one, id: `m${number++}` }));
          place.write('box', list.map(stored).join(''));
          const box = await place.open('box');
          const known = list.map(({ id }) => id);
          let shuffled = false;
          try {
            for (const step of steps) {
              list = foreign(list, step.foreign, step.pick, () => `m${number++}`);
              const flagged = new Map(step.flags.map(([slot, flags]) => [slot % known.length, flags]));
              const removed = step.remove.map((slot) => slot % known.length);
              const { kept = [] } = await box.commit({ remove: removed, flags: flagged });
              // What changed its place may have come anew: it is left. Else all is done that is asked for.
              shuffled ||= step.foreign === 'shuffle';
              if (!shuffled) expect(kept).toEqual([]);
              const gone = new Set(removed.filter((slot) => !kept.includes(slot)).map((slot) => known[slot]));
              list = list.filter(({ id }) => !gone.has(id));
              for (const [slot, flags] of flagged) {
                list = list.map((one) => (one.id === known[slot] ? { ...one, flags } : one));
              }
              for (const { id } of list) if (!known.includes(id)) known.push(id);
              expect(parse(place.read('box'))).toEqual(list.map(shown));
              expect(subjects(box).sort()).toEqual(list.map(({ id }) => id).sort());
            }
          } finally {
            box.close();
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  /** Another program does something to the file. */
  function foreign(list: readonly Model[], what: string, pick: number, newId: () => string): Model[] {
    const at = list.length === 0 ? 0 : pick % list.length;
    switch (what) {
      case 'append': {
        const one = { id: newId(), flags: 0, body: 'new\n' };
        appendFileSync(place.path('box'), Buffer.from(stored(one), 'latin1'));
        return [...list, one];
      }
      case 'drop':
        return rewrite(list.filter((_, i) => i !== at));
      case 'flag':
        return rewrite(list.map((one, i) => (i === at ? { ...one, flags: 11 } : one)));
      case 'shuffle':
        return rewrite([...list.slice(at), ...list.slice(0, at)]);
      default:
        return [...list];
    }
  }

  function rewrite(list: Model[]): Model[] {
    writeFileSync(place.path('box'), Buffer.from(list.map(stored).join(''), 'latin1'));
    return list;
  }
});
