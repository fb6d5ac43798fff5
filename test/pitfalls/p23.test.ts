// An undeclared 8-bit subject reads right: by the charset of the body, by the user's locale, or by what it looks like.
import { describe, expect, test } from 'vitest';
import { readEnvelope } from '../../src/message/envelope.ts';
import { charsetsOfLocale } from '../../src/message/guess.ts';
import { messageObject } from '../../src/message/json.ts';
import { renderMessage } from '../../src/message/render.ts';

const octets = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');
const subject = (raw: string, more = '', hints: readonly string[] = []): string =>
  readEnvelope(Buffer.from(`From: lee@x.test\nSubject: ${raw}\n${more}\n`, 'latin1'), hints).subject;

const GBK = octets('b2e2cad4d3cabcfe'); // 测试邮件
const LATIN = 'Gr\xfc\xdfe aus K\xf6ln';

describe('P23', () => {
  test('by what it looks like', () => {
    expect(subject(GBK)).toBe('测试邮件');
    expect(subject(LATIN)).toBe('Grüße aus Köln');
    expect(subject(octets('cff0e8e2e5f2'))).toBe('Привет');
    expect(subject(octets('836583588367'))).toBe('テスト');
    expect(subject(Buffer.from('Grüße').toString('latin1'))).toBe('Grüße');
  });

  test('by the charset that the message declares', () => {
    expect(subject(octets('b0a1b3aa'), 'Content-Type: text/plain; charset=euc-kr\n')).toBe('가나');
    expect(subject(octets('b4fab8d5'), 'Content-Type: text/plain; charset="big5"\n')).toBe('測試');
  });

  test('by the charset that a part declares', async () => {
    const message = Buffer.from(
      [
        `Subject: ${octets('b0a1b3aa')}`,
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        '',
        octets('b0a1b3aa'),
        '--b',
        'Content-Type: text/plain; charset=euc-kr',
        '',
        octets('b0a1'),
        '--b--',
        '',
      ].join('\n'),
      'latin1',
    );
    expect(await renderMessage(message, { retained: new Set(['subject']) })).toEqual([
      'Subject: 가나',
      '',
      '가나',
      '',
      '가',
    ]);
    const facts = { number: 1, uid: 1, status: 'new', flags: [], content: message, size: 1, lines: 1, withBody: true };
    expect(messageObject(facts)).toMatchObject({ subject: '가나', text: '가나' });
  });

  test('by the order of the user', () => {
    expect(subject(octets('bae4c6e4'), '', charsetsOfLocale('ko_KR.UTF-8'))).toBe('뷰페');
    expect(subject(octets('bae4c6e4'), '', charsetsOfLocale('zh_CN.UTF-8'))).not.toBe('뷰페');
    expect(subject('\xbelu\xbbou\xe8k\xfd', '', charsetsOfLocale('cs_CZ.UTF-8'))).toBe('žluťoučký');
  });

  test('a parameter-style subject stays what it is', () => {
    expect(subject("*=utf-8''Gr%C3%BC%C3%9Fe")).toBe("*=utf-8''Gr%C3%BC%C3%9Fe");
  });
});
