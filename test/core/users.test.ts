import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { userDatabase } from '../../src/core/libc.ts';
import { currentUser, isUserName, lookUpUid, lookUpUser, parsePasswd } from '../../src/core/users.ts';

const me = userInfo();

describe('users of the system', () => {
  it('are found by name and number', () => {
    const user = lookUpUser(me.username);
    expect(user).toMatchObject({ name: me.username, uid: me.uid, gid: me.gid, home: me.homedir });
    expect(lookUpUid(me.uid)?.uid).toBe(me.uid);
  });

  it('are the same by way of NSS', () => {
    const users = userDatabase();
    expect(users?.byName(me.username)).toMatchObject({ name: me.username, uid: me.uid, home: me.homedir });
    expect(users?.byUid(me.uid)?.uid).toBe(me.uid);
    expect(users?.byName('nobody-has-this-name')).toBeUndefined();
  });

  it.each(['nobody-has-this-name', '', '../root', 'a:b', '.', 'a b', 'a\nb'])('are not called %j', (name) => {
    expect(lookUpUser(name)).toBeUndefined();
  });
});

describe('parsePasswd', () => {
  it('reads a line', () => {
    expect(parsePasswd('lee:x:1000:100:Lee Ann,Room 1,,:/home/lee:/bin/zsh')).toEqual({
      name: 'lee',
      uid: 1000,
      gid: 100,
      gecos: 'Lee Ann,Room 1,,',
      home: '/home/lee',
      shell: '/bin/zsh',
    });
  });

  it.each(['', '#lee:x:1:1:::', '+::::::', '+lee:x:1:1:::', '-lee::::::', 'lee:x:a:1:::', 'lee', 'l/e:x:1:1:::'])(
    'takes %j for no user',
    (line) => expect(parsePasswd(line)).toBeUndefined(),
  );

  it('never throws, and finds only names that can be used', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (line) => {
        const entry = parsePasswd(`${line}:x:1:1:::`);
        expect(entry === undefined || isUserName(entry.name)).toBe(true);
      }),
    );
  });
});

describe('users of a root folder', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'users-'));
    mkdirSync(join(root, 'etc'));
    writeFileSync(
      join(root, 'etc/passwd'),
      'lee:x:4242:4243:Lee & Co,,,:/home/lee:/bin/sh\ndl:x:4244:4244::/home/dl:\nwei:x:4245:4245:王伟:../../up:/bin/sh\n',
    );
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('are the only ones, with homes below it', () => {
    const lee = lookUpUser('lee', root);
    expect(lee).toMatchObject({ name: 'lee', fullName: 'Lee Lee Co' });
    expect(lee?.home).toBe(join(root, 'home/lee'));
    expect(lookUpUser('root', root)).toBeUndefined();
  });

  it('have ids only when we are root', () => {
    const { uid, gid } = lookUpUser('lee', root) ?? {};
    expect({ uid, gid }).toEqual(me.uid === 0 ? { uid: 4242, gid: 4243 } : { uid: me.uid, gid: me.gid });
  });

  it('have a shell and a home whatever their line says', () => {
    expect(lookUpUser('dl', root)).toMatchObject({ fullName: '', shell: '/bin/sh' });
    expect(lookUpUser('wei', root)).toMatchObject({ fullName: '王伟', home: `${root}/` });
  });

  it('are those of the system where it has none', () => {
    rmSync(join(root, 'etc/passwd'));
    expect(lookUpUser(me.username, root)).toMatchObject({ name: me.username, home: me.homedir });
  });

  it('live there, whatever HOME says', () => {
    expect(currentUser({ LOGNAME: 'lee', HOME: '/elsewhere' }, root).home).toBe(join(root, 'home/lee'));
  });
});

describe('currentUser', () => {
  it('is named by LOGNAME, then USER', () => {
    expect(currentUser({ LOGNAME: 'ann', USER: 'bob', HOME: '/h' })).toMatchObject({ name: 'ann', home: '/h' });
    expect(currentUser({ USER: 'bob', HOME: '/h' }).name).toBe('bob');
    expect(currentUser({ LOGNAME: '', USER: 'bob' }).name).toBe('bob');
    expect(currentUser({ LOGNAME: '../bob' }).name).toBe(me.username);
  });

  it('has the rights of the process, whatever it is named', () => {
    expect(currentUser({ LOGNAME: 'daemon' })).toMatchObject({ name: 'daemon', uid: me.uid, gid: me.gid });
  });

  it('is known without an environment', () => {
    expect(currentUser({})).toMatchObject({ name: me.username, home: me.homedir });
  });
});
