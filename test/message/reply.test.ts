import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddresses } from '../../src/message/address.ts';
import { addressField, idsField } from '../../src/message/fields.ts';
import {
  addressedTo,
  forwardSubject,
  isOwn,
  type Original,
  type Own,
  quotation,
  replySubject,
  replyTo,
  threadOf,
} from '../../src/message/reply.ts';

const OWN: Own = {
  from: { name: 'Lee Wong', address: 'lee@linux102.example.com' },
  addresses: ['lee', 'lee@work.example', 'lwong@home.example'],
  hosts: ['linux102.example.com', 'linux102', 'localhost'],
};

function original(fields: Record<string, string>): Original {
  const list = (name: string) => parseAddresses(fields[name] ?? '');
  const ids = (name: string) => fields[name]?.split(' ') ?? [];
  return {
    from: list('from'),
    replyTo: list('reply-to'),
    to: list('to'),
    cc: list('cc'),
    followupTo: list('mail-followup-to'),
    deliveredTo: list('delivered-to'),
    subject: fields.subject ?? 'Plan',
    messageId: fields['message-id'],
    inReplyTo: ids('in-reply-to'),
    references: ids('references'),
  };
}

const addresses = (list: readonly { address: string }[]) => list.map(({ address }) => address).join(' ');

describe('who gets a reply', () => {
  const plain = { from: 'Ann <ann@a.test>', to: 'bob@b.test', cc: 'carol@c.test' };
  test.each<[string, Record<string, string>, { all: boolean; metoo?: boolean }, string, string]>([
    ['all: author and recipients', plain, { all: true }, 'ann@a.test bob@b.test', 'carol@c.test'],
    ['sender only', plain, { all: false }, 'ann@a.test', ''],
    ['Reply-To beats From', { ...plain, 'reply-to': 'x@x.test' }, { all: false }, 'x@x.test', ''],
    [
      'Reply-To beats From, to all',
      { ...plain, 'reply-to': 'x@x.test' },
      { all: true },
      'x@x.test bob@b.test',
      'carol@c.test',
    ],
    ['several Reply-To', { ...plain, 'reply-to': 'x@x.test, y@y.test' }, { all: false }, 'x@x.test y@y.test', ''],
    ['Mail-Followup-To, to all', { ...plain, 'mail-followup-to': 'list@l.test' }, { all: true }, 'list@l.test', ''],
    [
      'Mail-Followup-To, sender only',
      { ...plain, 'mail-followup-to': 'list@l.test' },
      { all: false },
      'ann@a.test',
      '',
    ],
    [
      'the login name is left out',
      { ...plain, to: 'lee, bob@b.test' },
      { all: true },
      'ann@a.test bob@b.test',
      'carol@c.test',
    ],
    ['also at this host', { ...plain, to: 'LEE@Linux102.Example.COM' }, { all: true }, 'ann@a.test', 'carol@c.test'],
    ['alternates are left out', { ...plain, cc: 'lwong@home.example' }, { all: true }, 'ann@a.test bob@b.test', ''],
    [
      'own address with detail',
      { ...plain, cc: 'lwong+shop@home.example' },
      { all: true },
      'ann@a.test bob@b.test',
      '',
    ],
    [
      'a stranger of the same name stays',
      { ...plain, to: 'lee@b.test' },
      { all: true },
      'ann@a.test lee@b.test',
      'carol@c.test',
    ],
    ['metoo keeps me', { ...plain, to: 'lee' }, { all: true, metoo: true }, 'ann@a.test lee', 'carol@c.test'],
    [
      'each once',
      { from: 'ann@a.test', to: 'bob@b.test, ANN@a.test', cc: 'bob@B.test' },
      { all: true },
      'ann@a.test bob@b.test',
      '',
    ],
    ['own letter: to its recipients', { from: 'lee@work.example', to: 'bob@b.test' }, { all: true }, 'bob@b.test', ''],
    ['own letter with copies only', { from: 'lee', to: 'lee', cc: 'carol@c.test' }, { all: true }, 'carol@c.test', ''],
    ['nobody but me: me', { from: 'lee', to: 'lee' }, { all: true }, 'lee', ''],
    ['own letter, sender only', { from: 'lee@work.example', to: 'bob@b.test' }, { all: false }, 'lee@work.example', ''],
    ['nobody at all', {}, { all: true }, '', ''],
    [
      'groups',
      { from: 'ann@a.test', to: 'friends: bob@b.test, carol@c.test;' },
      { all: true },
      'ann@a.test bob@b.test carol@c.test',
      '',
    ],
  ])('%s', (_, fields, { all, metoo = false }, to, cc) => {
    const reply = replyTo([original(fields)], OWN, { all, metoo });
    expect([addresses(reply.to), addresses(reply.cc)]).toEqual([to, cc]);
  });

  test('several senders, each once', () => {
    const messages = ['ann@a.test', 'bob@b.test', 'ann@a.test'].map((from) =>
      original({ from, subject: `by ${from}` }),
    );
    const [first, ...others] = messages;
    if (first === undefined) throw new Error('no message');
    const reply = replyTo([first, ...others], OWN, { all: false, metoo: false });
    expect([addresses(reply.to), reply.subject]).toEqual(['ann@a.test bob@b.test', 'Re: by ann@a.test']);
  });

  test('none of mine in To or Cc, whatever they are', () => {
    const own = fc.constantFrom('lee', 'LEE@localhost', 'lee+x@work.example', 'lwong@home.example', 'lee@linux102');
    const other = fc.constantFrom('ann@a.test', 'bob@b.test', 'lee@else.test', 'lwong');
    const list = fc.array(fc.oneof(own, other), { maxLength: 6 }).map((all) => all.join(', '));
    fc.assert(
      fc.property(list, list, list, (from, to, cc) => {
        const reply = replyTo([original({ from, to, cc })], OWN, { all: true, metoo: false });
        const everybody = [...reply.to, ...reply.cc];
        const others = [from, to, cc].join(' ').match(/ann@|bob@|else|lwong(?!@)/) !== null;
        if (others) expect(everybody.filter(({ address }) => isOwn(OWN, address))).toEqual([]);
        expect(new Set(everybody.map(({ address }) => address.toLowerCase())).size).toBe(everybody.length);
      }),
    );
  });
});

describe('whom a reply comes from', () => {
  test.each<[string, Record<string, string>, string]>([
    ['the own address it was sent to', { to: 'lwong@home.example' }, 'lwong@home.example'],
    ['in Cc', { to: 'x@x.test', cc: 'Lee <lee@work.example>' }, 'lee@work.example'],
    ['with its detail', { to: 'lwong+shop@home.example' }, 'lwong+shop@home.example'],
    [
      'where it was delivered, when it came by a list',
      { to: 'list@l.test', 'delivered-to': 'lee@work.example' },
      'lee@work.example',
    ],
    ['the usual one when that is among them', { to: 'lwong@home.example, lee@linux102.example.com' }, ''],
    ['the usual one when nothing is known', { to: 'list@l.test' }, ''],
    ['the usual one for the login name', { to: 'lee' }, ''],
    ['never a stranger of the same name', { to: 'lee@else.test' }, ''],
  ])('%s', (_, fields, from) => {
    expect(addressedTo(original(fields), OWN)?.address ?? '').toBe(from);
  });
});

describe('subject and thread', () => {
  test.each([
    ['Plan', 'Re: Plan'],
    ['Re: Plan', 'Re: Plan'],
    ['RE: Plan', 'RE: Plan'],
    ['re : Plan', 're : Plan'],
    ['Re[2]: Plan', 'Re[2]: Plan'],
    ['Regards', 'Re: Regards'],
    ['', 'Re:'],
    ['Pay\nBcc: eve@e.test', 'Re: Pay Bcc: eve@e.test'],
  ])('%j is answered with %j', (subject, reply) => {
    expect(replySubject(subject)).toBe(reply);
  });

  test.each([
    ['Plan', 'Fwd: Plan'],
    ['Fwd: Plan', 'Fwd: Plan'],
    ['FW: Plan', 'FW: Plan'],
  ])('%j is forwarded as %j', (subject, forwarded) => {
    expect(forwardSubject(subject)).toBe(forwarded);
  });

  test.each<[string, Record<string, string>, string, string]>([
    ['the first answer', { 'message-id': '<a@x>' }, '<a@x>', '<a@x>'],
    ['a later one', { 'message-id': '<c@x>', references: '<a@x> <b@x>' }, '<c@x>', '<a@x> <b@x> <c@x>'],
    ['In-Reply-To stands for References', { 'message-id': '<c@x>', 'in-reply-to': '<b@x>' }, '<c@x>', '<b@x> <c@x>'],
    ['no id', { references: '<a@x>' }, '', '<a@x>'],
    ['an id that is none', { 'message-id': 'nonsense' }, '', ''],
  ])('%s', (_, fields, inReplyTo, references) => {
    const thread = threadOf(original(fields));
    expect([thread.inReplyTo.join(' '), thread.references.join(' ')]).toEqual([inReplyTo, references]);
  });

  test('quotes', () => {
    expect(quotation({ name: 'Ann', address: 'ann@a.test' }, 'Mon, 2 Mar 2026', ['a', '', 'b'], '> ')).toEqual([
      'On Mon, 2 Mar 2026, Ann wrote:',
      '> a',
      '>',
      '> b',
    ]);
  });
});

describe('long fields', () => {
  test('references keep the first and the newest within 998 octets, folded at 78', () => {
    const ids = Array.from({ length: 60 }, (_, i) => `<${String(i).padStart(30, 'x')}@${'y'.repeat(27)}>`);
    const field = idsField('References', ids) ?? '';
    const kept = field.match(/<[^>]+>/g) ?? [];
    expect(field.replaceAll('\n', '').length).toBeLessThanOrEqual(998);
    expect(kept[0]).toBe(ids[0]);
    expect(kept.slice(1)).toEqual(ids.slice(ids.length - kept.length + 1));
    expect(kept.length).toBeGreaterThan(10);
    for (const line of field.split('\n')) expect(line.length).toBeLessThanOrEqual(78);
  });

  test('200 recipients', () => {
    const list = Array.from({ length: 200 }, (_, i) => ({
      name: `Somebody Number ${i}`,
      address: `person${i}@example.net`,
    }));
    const field = addressField('Cc', list) ?? '';
    for (const line of field.split('\n')) expect(line.length).toBeLessThanOrEqual(78);
    expect(parseAddresses(field.slice(3).replaceAll('\n', ''))).toEqual(list);
  });
});
