import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Disk, realDisk } from '../../src/core/files.ts';
import {
  type DraftLetter,
  keepDeadLetter,
  listDrafts,
  newDraftPath,
  readDraft,
  saveDraft,
} from '../../src/session/drafts.ts';
import { continueDraft, draftByNumber, unfinishedDrafts } from '../../src/session/resume.ts';
import { desk, newFolder, send, settings } from './letters.ts';

const LETTER: DraftLetter = {
  from: undefined,
  to: [{ name: 'Bob', address: 'bob@example.net' }],
  cc: [],
  bcc: [{ name: '', address: 'dave@d.test' }],
  subject: '计划',
  headers: [{ name: 'X-A', value: 'b' }],
  body: Buffer.from('text\nmore\n'),
  files: ['/tmp/a.txt'],
  inReplyTo: ['<a@x>'],
  references: ['<a@x>'],
};

describe('a draft', () => {
  test('comes back as it was', () => {
    const dir = newFolder();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (subject, body) => {
        const path = newDraftPath(realDisk, dir, 0);
        saveDraft(realDisk, path, { ...LETTER, subject, body }, 5);
        const entry = readDraft(realDisk, path);
        expect({ ...entry?.letter, body: [...(entry?.letter.body ?? [])] }).toEqual({
          ...LETTER,
          subject: JSON.parse(JSON.stringify(subject)),
          body: [...body],
        });
        expect([entry?.saved, entry?.pid]).toEqual([5, process.pid]);
      }),
      { numRuns: 40 },
    );
  });

  test.each(['', 'x', '{}\n', 'null\n', '{"version":1,"to":5,"from":"x","headers":[null],"files":{}}\ntext'])(
    'a file that is none never throws: %j',
    (content) => {
      const dir = newFolder();
      const path = newDraftPath(realDisk, dir, 0);
      writeFileSync(path, content);
      expect(listDrafts(realDisk, dir).length).toBeLessThanOrEqual(1);
    },
  );
});

describe('a letter that is typed on a terminal', () => {
  test('is there after a crash, up to the last line', async () => {
    const at = desk({ lines: ['one', '~c carol@c.test', 'two'], interactive: true });
    const path = join(at.home, 'state/drafts');
    const seen: string[] = [];
    const crash: Disk = {
      ...realDisk,
      rename(from, to) {
        realDisk.rename(from, to);
        if (to.startsWith(path)) seen.push(readFileSync(to, 'utf8'));
      },
    };
    await send({ ...at, services: { ...at.services, disk: crash } });
    expect(seen).toHaveLength(3);
    expect(seen[2]).toMatch(/carol@c\.test.*\none\ntwo\n$/);
    expect(listDrafts(realDisk, join(at.home, 'state'))).toEqual([]);
  });

  test('can be gone on with, and is gone when it was sent', async () => {
    const home = newFolder();
    const at = desk({ home, lines: ['the end', '~.'], interactive: true });
    const file = join(home, 'a.txt');
    writeFileSync(file, 'attached\n');
    const path = newDraftPath(realDisk, join(home, 'state'), 0);
    saveDraft(realDisk, path, { ...LETTER, files: [file, '/no/such'] }, 0);
    expect(await continueDraft(at.services, settings(), path)).toBe(0);
    expect(at.sent[0]?.body).toContain('text\nmore\nthe end\n');
    expect(at.sent[0]?.body).toContain('filename=a.txt');
    expect(at.sent[0]?.header).toMatch(/^X-A: b$/m);
    expect(at.sent[0]?.header).toMatch(/^In-Reply-To: <a@x>$/m);
    expect(at.sent[0]?.envelope.recipients).toEqual(['bob@example.net', 'dave@d.test']);
    expect(at.err.join()).toContain('/no/such');
    expect(readdirSync(join(home, 'state/drafts'))).toEqual([]);
  });

  test('one that another process is writing is left alone', async () => {
    const home = newFolder();
    const at = desk({ home });
    const path = newDraftPath(realDisk, join(home, 'state'), 0);
    saveDraft(realDisk, path, LETTER, 0);
    writeFileSync(path, readFileSync(path, 'utf8').replace(`"pid":${process.pid}`, `"pid":${process.ppid}`));
    await expect(continueDraft(at.services, settings(), path)).rejects.toThrow(`process ${process.ppid}`);
    expect(unfinishedDrafts(at.services)).toEqual([]);
    expect(draftByNumber(at.services, '1').path).toBe(path);
    for (const number of ['0', '2', 'x', '1.0'])
      expect(() => draftByNumber(at.services, number)).toThrow('no such draft');
  });
});

describe('dead.letter', () => {
  const where = (dir: string) => ({
    dead: join(dir, 'dead.letter'),
    stateDir: () => join(dir, 'state'),
    draft: undefined,
    now: 0,
  });

  test('a failed write leaves what was there', () => {
    const dir = newFolder();
    writeFileSync(join(dir, 'dead.letter'), 'old\n');
    const full: Disk = {
      ...realDisk,
      sync: () => {
        throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      },
    };
    const failing = { ...full, open: (path: string, how: 'read') => realDisk.open(path, how) } as Disk;
    expect(() => keepDeadLetter(failing, LETTER, where(dir))).toThrow('could not be kept anywhere');
    expect(readFileSync(join(dir, 'dead.letter'), 'utf8')).toBe('old\n');
  });

  test('nothing is written through a folder or device of that name', () => {
    const dir = newFolder();
    mkdirSync(join(dir, 'dead.letter'));
    const path = keepDeadLetter(realDisk, LETTER, where(dir));
    expect(readDraft(realDisk, path)?.letter.subject).toBe('计划');
  });
});
