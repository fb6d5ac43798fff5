import { mkdirSync, readdirSync, renameSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MailError, UserError } from '../../src/core/errors.ts';
import { Flag } from '../../src/mailbox/mailbox.ts';
import { compareBases, makeName, parseKeywords, parseName } from '../../src/mailbox/maildir-names.ts';
import { formatUidList, parseUidList } from '../../src/mailbox/maildir-uids.ts';
import { openMailbox } from '../../src/mailbox/open.ts';
import { latin1, newPlace, type Place, subjects } from './boxes.ts';

let place: Place;
beforeEach(() => {
  place = newPlace();
  for (const folder of ['new', 'cur', 'tmp']) mkdirSync(join(place.dir, 'md', folder), { recursive: true });
});
afterEach(() => place.remove());

const put = (name: string, subject: string): void =>
  writeFileSync(place.path(`md/${name}`), `From: ann@a.test\nSubject: ${subject}\n\ntext of ${subject}\n`);
const names = (): string[] =>
  ['new', 'cur'].flatMap((f) =>
    readdirSync(place.path(`md/${f}`))
      .sort()
      .map((n) => `${f}/${n}`),
  );

describe('maildir names', () => {
  it('hold flags', () => {
    expect(parseName('1.a:2,FS', 'cur')).toEqual({
      base: '1.a',
      flags: Flag.old | Flag.flagged | Flag.read,
      others: '',
    });
    expect(parseName('1.a', 'new')).toEqual({ base: '1.a', flags: 0, others: '' });
    expect(makeName(parseName('1.a:2,PSbRa', 'cur'))).toEqual({ folder: 'cur', name: '1.a:2,PRSab' });
    expect(makeName({ base: '1.a', flags: 0, others: '' })).toEqual({ folder: 'new', name: '1.a' });
    expect(['10.M5.h', '9.x', '10.M12.h', '10.M5.g'].sort(compareBases)).toEqual([
      '9.x',
      '10.M5.g',
      '10.M5.h',
      '10.M12.h',
    ]);
    expect(parseKeywords('0 Junk\n2 $Label1\nrubbish\n99 x\n')).toEqual(['Junk', undefined, '$Label1']);
  });

  it('have UIDs in a list that is whole or nothing', () => {
    const list = {
      uidValidity: 7,
      uidNext: 5,
      uids: new Map([
        ['1.a', 1],
        ['2.b c', 4],
      ]),
    };
    const text = formatUidList(list);
    expect(parseUidList(text)).toEqual(list);
    for (let n = 0; n < text.length; n++) expect(parseUidList(text.slice(0, n))).toBeUndefined();
    expect(parseUidList(text.replace('4 2.b', '5 2.b'))).toBeUndefined();
  });
});

describe('a Maildir', () => {
  it('is read in the order of delivery', async () => {
    put('new/20.c', 'c');
    put('cur/10.b:2,S', 'b');
    put('cur/5.a:2,', 'a');
    put('new/.hidden', 'x');
    utimesSync(place.path('md/cur/5.a:2,'), 99, 99);
    const box = await place.open('md');
    expect(subjects(box)).toEqual(['a', 'b', 'c']);
    const { flags, size, lines, headerSize, received, sender, uid } = box.info(0);
    expect({ flags, size, lines, headerSize, received, sender, uid }).toEqual({
      flags: Flag.old,
      size: 39,
      lines: 4,
      headerSize: 29,
      received: 99,
      sender: 'ann@a.test',
      uid: 1,
    });
    expect(box.info(2).flags).toBe(0);
    expect(latin1(box.stored(0).fromLine)).toMatch(/^From ann@a\.test .* 1970$/);
    box.close();
  });

  it('keeps UIDs over renames by others and sessions', async () => {
    put('cur/1.a:2,', 'a');
    put('new/2.b', 'b');
    const box = await place.open('md');
    expect([box.info(0).uid, box.info(1).uid]).toEqual([1, 2]);
    const validity = box.uidValidity;
    renameSync(place.path('md/new/2.b'), place.path('md/cur/2.b:2,S'));
    unlinkSync(place.path('md/cur/1.a:2,'));
    put('new/0.early', 'c');
    expect(latin1(box.content(1))).toContain('text of b');
    expect(() => box.content(0)).toThrow(MailError);
    box.close();
    const again = await place.open('md');
    expect(subjects(again)).toEqual(['b', 'c']);
    expect([again.uidValidity, again.info(0).uid, again.info(1).uid, again.uidNext]).toEqual([validity, 2, 3, 4]);
    again.close();
  });

  it('says what others did', async () => {
    put('cur/1.a:2,', 'a');
    put('cur/2.b:2,', 'b');
    const box = await place.open('md');
    renameSync(place.path('md/cur/1.a:2,'), place.path('md/cur/1.a:2,F'));
    unlinkSync(place.path('md/cur/2.b:2,'));
    put('new/3.c', 'c');
    expect(await box.refresh()).toEqual({ added: [2], removed: [1], flagged: [0] });
    expect(await box.refresh()).toEqual({ added: [], removed: [], flagged: [] });
    box.close();
  });

  it('changes flags and keywords by name, removes and replaces files', async () => {
    for (const n of [1, 2, 3, 4]) put(`new/${n}.x`, `s${n}`);
    writeFileSync(place.path('md/dovecot-keywords'), '0 Junk\n');
    const box = await place.open('md');
    unlinkSync(place.path('md/new/4.x'));
    const result = await box.commit({
      remove: [1, 3],
      flags: new Map([
        [0, Flag.old | Flag.read],
        [2, Flag.old],
      ]),
      keywords: new Map([[0, ['Work', 'Junk']]]),
      replace: new Map([[2, Buffer.from('Subject: other\n\nnew\n')]]),
    });
    expect(result).toEqual({ others: { added: [], removed: [3], flagged: [] }, missing: [3] });
    expect(names()[0]).toBe('cur/1.x:2,Sab');
    expect(names()[1]).toMatch(/^cur\/3\.x\.e\w+:2,$/);
    expect(names().length).toBe(2);
    expect(box.info(0).keywords).toEqual(['Junk', 'Work']);
    expect(latin1(box.content(2))).toBe('Subject: other\n\nnew\n');
    expect(box.info(1).gone).toBe(true);
    box.close();
  });

  it('stops when it is told to, before anything is changed', async () => {
    put('new/1.x', 'a');
    const box = await place.open('md');
    const stop = box.commit({
      remove: [0],
      before() {
        throw new Error('stop');
      },
    });
    await expect(stop).rejects.toThrow('stop');
    expect(names()).toEqual(['new/1.x']);
    expect(statSync(place.path('md/new/1.x')).size).toBeGreaterThan(0);
    box.close();
  });

  it('is read-only when it was opened so', async () => {
    const box = await openMailbox(place.context, { kind: 'maildir', path: place.path('md') }, { readOnly: true });
    await expect(box.commit({ remove: [] })).rejects.toThrow(UserError);
    box.close();
  });
});
