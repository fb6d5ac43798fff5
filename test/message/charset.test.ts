import fc from 'fast-check';
import iconv from 'iconv-lite';
import { describe, expect, test } from 'vitest';
import { decodeText } from '../../src/message/charset.ts';
import { charsetsOfLocale } from '../../src/message/guess.ts';

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const written = (text: string, charset: string): Uint8Array => iconv.encode(text, charset);

const CHINESE = '今天下午三点在会议室开会，请大家准时参加。';
const TAIWAN = '今天下午三點在會議室開會，請大家準時參加。';

describe('by label', () => {
  test.each([
    ['gb2312', written('你好，世界', 'gbk'), '你好，世界'],
    ['GB2312 with characters of GBK only', written('朱镕基', 'gbk'), '朱镕基'],
    ['gbk', written(CHINESE, 'gbk'), CHINESE],
    ['cp936', written(CHINESE, 'gbk'), CHINESE],
    ['gb18030', new Uint8Array([0x81, 0x30, 0x81, 0x30, 0xc4, 0xe3]), '\u0080你'],
    ['big5', written(TAIWAN, 'big5'), TAIWAN],
    ['ks_c_5601-1987', written('뷁 가나다', 'cp949'), '뷁 가나다'],
    ['cp949', written('가나다', 'cp949'), '가나다'],
    ['iso-2022-jp', latin1('\x1b$B$3$s\x1b(B!'), 'こん!'],
    ['iso-2022-jp', latin1('\x1b$B%F%9%H\x1b(B\x1b$B%F\x1b(B\x1b(B'), 'テストテ'],
    ['cp50220', latin1('\x1b$B$3$s\x1b(B!'), 'こん!'],
    ['x-sjis', written('テスト', 'shift_jis'), 'テスト'],
    ['cp932', written('テスト', 'shift_jis'), 'テスト'],
    ['euc-jp', written('世界人権', 'euc-jp'), '世界人権'],
    ['koi8-r', written('Привет', 'koi8-r'), 'Привет'],
    ['cp1251', written('Привет', 'windows-1251'), 'Привет'],
    ['win-1251', written('Привет', 'windows-1251'), 'Привет'],
    ['iso8859_2', written('žluťoučký', 'iso-8859-2'), 'žluťoučký'],
    ['ISO-8859-1', latin1('\x93quoted\x94 \xfc'), '“quoted” ü'],
    ['"utf-8"', Buffer.from('ü'), 'ü'],
    ['utf-8', Buffer.from('\ufeffü'), 'ü'],
    ['iso-8859-8-i', new Uint8Array([0xf9, 0xec]), 'של'],
    ['utf-16', new Uint8Array([0xfe, 0xff, 0x4f, 0x60]), '你'],
    ['utf-16', new Uint8Array([0xff, 0xfe, 0x60, 0x4f]), '你'],
    ['utf-16le', new Uint8Array([0x60, 0x4f]), '你'],
    ['utf-7', latin1('Gr+APwA3w-e, +Ti1lhw-! 1 +- 1'), 'Grüße, 中文! 1 + 1'],
    ['unicode-1-1-utf-7', latin1('+2D3eAA-'), '😀'],
    ['hz-gb-2312', latin1('This is ~{<:Ky2;~} ~~ ok~\n.'), 'This is 己所不 ~ ok.'],
    ['iso-2022-kr', latin1('\x1b$)C\x0e0!3*\x0f ab\n\x0e4Y\x0f'), '가나 ab\n다'],
    ['iso-2022-cn', latin1('\x1b$)A\x0eDc:C\x0f!'), '你好!'],
    ['cp437', new Uint8Array([0x81, 0xe1]), 'üß'],
    ['ibm850', new Uint8Array([0x81, 0xb5]), 'üÁ'],
    ['viscii', written('Tiếng Việt', 'viscii'), 'Tiếng Việt'],
    ['iso-8859-16', new Uint8Array([0xaa]), 'Ș'],
    ['us-ascii', latin1('plain'), 'plain'],
  ])('%s', (label, bytes, want) => {
    expect(decodeText(bytes, label)).toBe(want);
  });

  test('a label that is wrong, unknown or missing leads to a guess', () => {
    for (const label of [
      'us-ascii',
      'utf-8',
      'unknown-8bit',
      'no-such-charset',
      '',
      undefined,
      'hex',
      'base64',
      'replacement',
    ]) {
      expect(decodeText(written(CHINESE, 'gbk'), label), String(label)).toBe(CHINESE);
      expect(decodeText(Buffer.from(CHINESE), label), String(label)).toBe(CHINESE);
      expect(decodeText(latin1('Stra\xdfe nach M\xfcnchen'), label), String(label)).toBe('Straße nach München');
    }
  });
});

describe('by guess', () => {
  test.each([
    ['gb18030', CHINESE],
    ['gb18030', '测试邮件'],
    ['gb18030', '会议纪要 2026'],
    ['gb18030', 'Re: 关于下周的安排'],
    ['big5', TAIWAN],
    ['big5', '測試郵件：會議記錄'],
    ['shift_jis', 'こんにちは、世界'],
    ['shift_jis', 'テストのお知らせ'],
    ['euc-jp', 'こんにちは、世界'],
    ['euc-kr', '안녕하세요, 감사합니다'],
    ['euc-kr', '회의 안내'],
    ['windows-1251', 'Привет, как дела?'],
    ['windows-1251', 'Счёт на оплату'],
    ['koi8-r', 'Привет, как дела?'],
    ['koi8-r', 'Пробное письмо'],
    ['windows-1252', 'Grüße aus Köln'],
    ['windows-1252', 'Formação, Verão'],
    ['windows-1252', 'Müller'],
    ['windows-1252', '´!'],
    ['windows-1252', 'café'],
    ['windows-1252', 'it’s “fine” – 5 €'],
  ])('%s: %s', (charset, text) => {
    expect(decodeText(written(text, charset), undefined)).toBe(text);
  });

  test('the hints decide what the octets do not', () => {
    const octets = written('가나', 'euc-kr');
    expect(decodeText(octets, undefined, ['euc-kr'])).toBe('가나');
    expect(decodeText(written('뷔페', 'euc-kr'), undefined)).not.toBe('뷔페');
    expect(decodeText(written('뷔페', 'euc-kr'), undefined, charsetsOfLocale('ko_KR.UTF-8'))).toBe('뷔페');
    expect(decodeText(written('žluťoučký kůň', 'iso-8859-2'), undefined, charsetsOfLocale('cs_CZ'))).toBe(
      'žluťoučký kůň',
    );
    expect(decodeText(written('Ελλάδα', 'windows-1253'), undefined, charsetsOfLocale('el_GR'))).toBe('Ελλάδα');
  });

  test('a hint does not make nonsense of clear text', () => {
    expect(decodeText(latin1('Andr\xe9 M\xfcller'), undefined, ['gb18030'])).toBe('André Müller');
    expect(decodeText(Buffer.from('Grüße'), undefined, ['gb18030'])).toBe('Grüße');
  });

  test('UTF-8 with a broken end stays UTF-8', () => {
    const bytes = Buffer.from('Юникод запрещён');
    expect(decodeText(bytes.subarray(0, -1), undefined)).toBe('Юникод запрещё\ufffd');
  });

  test('long text goes through chardet too', () => {
    const text = 'Žluťoučký kůň úpěl ďábelské ódy. Příliš žluťoučký kůň úpěl ďábelské ódy. '.repeat(6);
    expect(decodeText(written(text, 'iso-8859-2'), undefined)).toContain('ódy');
  });

  test('ISO-2022-JP without a label', () => {
    expect(decodeText(latin1('\x1b$B$3$s\x1b(B'), undefined)).toBe('こん');
  });
});

test('no octets and no label throw', () => {
  const labels = fc.oneof(
    fc.constantFrom(
      'utf-7',
      'hz',
      'iso-2022-kr',
      'iso-2022-cn',
      'iso-2022-jp',
      'utf-16',
      'gb18030',
      'cp437',
      'utf-8',
      undefined,
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), labels, (bytes, label) => {
      expect(typeof decodeText(bytes, label)).toBe('string');
    }),
    { numRuns: 1000 },
  );
});
