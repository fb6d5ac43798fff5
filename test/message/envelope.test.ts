import { describe, expect, test } from 'vitest';
import { readEnvelope } from '../../src/message/envelope.ts';

const envelope = (text: string) => readEnvelope(Buffer.from(text, 'latin1'));

describe('readEnvelope', () => {
  test('reads what a list of messages needs', () => {
    const found = envelope(
      [
        'From lee Mon Mar  3 10:00:00 2025',
        'Received: from a by b; Mon, 3 Mar 2025 10:00:00 +0000',
        'FROM: "Lee" <lee@example.org>',
        'Sender: list@example.org',
        'Reply-To : dl@example.org',
        'To: a@x.test,',
        '\tb@x.test',
        'Cc: c@x.test',
        'Bcc:',
        'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
        ' two',
        'Date: Mon, 3 Mar 2025 18:00:00 +0800',
        'Message-ID: <1 @ x . test>',
        'In-Reply-To: Your message <0@x.test>',
        'References: <a@x.test> <b@x.test>',
        ' <c@x.test>',
        '',
        'Subject: of the body',
        '',
      ].join('\n'),
    );
    expect(found.from).toEqual([{ name: 'Lee', address: 'lee@example.org' }]);
    expect(found.sender).toEqual([{ name: '', address: 'list@example.org' }]);
    expect(found.replyTo).toEqual([{ name: '', address: 'dl@example.org' }]);
    expect(found.to.map(({ address }) => address)).toEqual(['a@x.test', 'b@x.test']);
    expect(found.cc.map(({ address }) => address)).toEqual(['c@x.test']);
    expect(found.bcc).toEqual([]);
    expect(found.subject).toBe('Grüße two');
    expect(found.date).toEqual({ seconds: 1740996000, zone: 480 });
    expect(found.messageId).toBe('<1@x.test>');
    expect(found.inReplyTo).toEqual(['<0@x.test>']);
    expect(found.references).toEqual(['<a@x.test>', '<b@x.test>', '<c@x.test>']);
  });

  test('nothing there', () => {
    const found = envelope('');
    expect([found.from, found.subject, found.date, found.messageId, found.references]).toEqual([
      [],
      '',
      undefined,
      undefined,
      [],
    ]);
    expect(found.hasSubject).toBe(false);
    expect(envelope('Subject:\n').hasSubject).toBe(true);
  });

  test('the first of several fields counts, lists of receivers are joined', () => {
    const found = envelope(
      'Subject: first\nSubject: second\nTo: a@x.test\nTo: b@x.test\nFrom: a@x.test\nFrom: b@x.test\n',
    );
    expect(found.subject).toBe('first');
    expect(found.from).toEqual([{ name: '', address: 'a@x.test' }]);
    expect(found.to.map(({ address }) => address)).toEqual(['a@x.test', 'b@x.test']);
  });

  test('raw 8-bit fields are read in the charset of the body', () => {
    const found = envelope(
      'Subject: \xb0\xa1\nFrom: \xb0\xa1 <lee@x.test>\nContent-Type: text/plain;\n charset="EUC-KR"\n\n',
    );
    expect(found.subject).toBe('가');
    expect(found.from).toEqual([{ name: '가', address: 'lee@x.test' }]);
  });

  test('a message id without brackets is taken as it is', () => {
    expect(envelope('Message-Id: 201002191008.bar@x.test\n').messageId).toBe('201002191008.bar@x.test');
  });
});
