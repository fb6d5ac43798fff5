/**
 * Which charset undeclared 8-bit text is in.
 *
 * UTF-8 proves itself; everything else is weighed: the text is read in each likely charset, and its characters are
 * judged by how a reader of that script would take them. Charsets that are hinted at (by the rest of the message, by
 * the user's locale) win unless the text speaks clearly against them. Long text is shown to chardet as well.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Decoder, decoderFor, decodeWestern } from './decoders.ts';

/** Enough to decide; also what bounds the time. */
const SAMPLE = 2048;
/** From here on chardet's statistics are worth loading it. */
const LONG = 64;
/** How much a hint counts, in the units of `weigh`, for the first hint; less for later ones. */
const HINT = 1;

const USUAL = ['gb18030', 'big5', 'shift_jis', 'euc-jp', 'euc-kr', 'windows-1251', 'koi8-r', 'windows-1252'];
/** For the charset that is likeliest where one octet is all there is to go by. */
const PRIOR: Readonly<Record<string, number>> = { 'windows-1252': 0.6 };

const COMMON = {
  /** Characters that fill Chinese text, simplified and traditional, and those of subjects and names. */
  han: new Set(
    '的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运測試郵請問樣這個們來為國說時會對於過發後裡種經麼學現當沒動還進樣實軍無與長機業兩間戰頭應產體話員數報務場計資區隊決馬書聽強則難權確傳師觀讓識帶導運您谢請复請订单价格通知会议测试邮件纪要附件发送公司先生小姐關係東京日本語文件',
  ),
  hangul: new Set(
    '이다는의에가을를하고지기로사시한리인도서어나자대해아그정스수있과일원니면부주라들만여전장보제은상구공위게조안우동신유모성국세마무선회등소적거내민비연경요습까입용학관오진트월년오영문결방발때물개분계행편당간실강저합산생심없중른반음명임록식더금치노양급화번직단법복천체남된처서말건감려남북출받송메테질답변요청안내확인감사',
  ),
  latin: new Set('éèàçêîôûâëïüöäßñáíóúãõåøæÉÖÜÄÅØÇÀÑìòùÿœŒ’‘“”–—…€°§«»¿¡ºª'),
};

/** The charsets to try first for a user of this locale (`zh_CN.UTF-8`, `ja`), best first. */
export function charsetsOfLocale(locale: string): readonly string[] {
  const [language = '', country = ''] = locale.split(/[_.@-]/);
  if (language === 'zh') return /^(?:TW|HK|MO)$/i.test(country) ? ['big5', 'gb18030'] : ['gb18030', 'big5'];
  return Object.hasOwn(BY_LANGUAGE, language) ? (BY_LANGUAGE[language] ?? []) : [];
}

const BY_LANGUAGE: Readonly<Record<string, readonly string[]>> = {
  ja: ['shift_jis', 'euc-jp'],
  ko: ['euc-kr'],
  ru: ['windows-1251', 'koi8-r'],
  uk: ['windows-1251', 'koi8-u'],
  be: ['windows-1251'],
  bg: ['windows-1251'],
  sr: ['windows-1250', 'windows-1251'],
  pl: ['iso-8859-2', 'windows-1250'],
  cs: ['iso-8859-2', 'windows-1250'],
  sk: ['windows-1250'],
  hu: ['iso-8859-2'],
  hr: ['windows-1250'],
  sl: ['windows-1250'],
  ro: ['iso-8859-2'],
  el: ['windows-1253'],
  tr: ['windows-1254'],
  he: ['windows-1255'],
  ar: ['windows-1256'],
  fa: ['windows-1256'],
  lt: ['windows-1257'],
  lv: ['windows-1257'],
  et: ['windows-1257'],
  vi: ['windows-1258', 'viscii'],
  th: ['windows-874'],
};

/** The text of octets in an unknown charset that is not valid UTF-8; `hints` are charset names, likeliest first. */
export function guessText(bytes: Uint8Array, hints: readonly string[]): string {
  if (looksLikeUtf8(bytes)) return new TextDecoder().decode(bytes);
  const sample = bytes.length > SAMPLE ? sampleOf(bytes) : bytes;
  let best: Decoder | undefined;
  let bestWeight = Number.NEGATIVE_INFINITY;
  for (const [name, bonus] of candidates(sample, hints)) {
    const decoder = decoderFor(name);
    if (decoder === undefined || decoder === 'ascii') continue;
    const weight = weigh(decoder(sample)) + bonus;
    if (weight > bestWeight) {
      best = decoder;
      bestWeight = weight;
    }
  }
  return (best ?? decodeWestern)(bytes);
}

/** UTF-8 with a few broken places: cut off, or with a foreign word. */
function looksLikeUtf8(bytes: Uint8Array): boolean {
  let good = 0;
  let bad = 0;
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const size = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    let length = 1;
    while (length < size && ((bytes[at + length] ?? 0) & 0xc0) === 0x80) length++;
    if (size > 1 && length === size && lead < 0xf5) good++;
    else bad++;
    at += length;
  }
  return good >= 3 && good >= 4 * bad;
}

/** The lines that hold the most, so that a long English preface does not decide. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  let from = bytes.findIndex((byte) => byte >= 0x80);
  if (from > 0) from = Math.max(0, bytes.lastIndexOf(0x0a, from));
  return bytes.subarray(from, from + SAMPLE);
}

function candidates(sample: Uint8Array, hints: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of USUAL) found.set(name, PRIOR[name] ?? 0);
  if (highOctets(sample) >= LONG) {
    const name = detect(sample);
    if (name !== undefined) found.set(name, 0.5);
  }
  let bonus = HINT;
  for (const hint of hints) {
    const name = hint.toLowerCase();
    if (decoderFor(name) === undefined || /^(?:utf-|us-ascii)/.test(name)) continue;
    found.set(name, Math.max(found.get(name) ?? 0, bonus));
    bonus *= 0.75;
  }
  return found;
}

function highOctets(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte >= 0x80) count++;
  return count;
}

let chardet: { detect(bytes: Uint8Array): string | null } | undefined;

function detect(sample: Uint8Array): string | undefined {
  try {
    chardet ??= createRequire(join(import.meta.dirname, 'guess.cjs'))('chardet') as NonNullable<typeof chardet>;
    const name = chardet.detect(sample)?.toLowerCase();
    return name === undefined || /^(?:utf-|ascii)/.test(name) ? undefined : name;
  } catch {
    return undefined;
  }
}

/** How much like writing the non-ASCII characters of a text look: about 2 for good text, below 0 for nonsense. */
function weigh(text: string): number {
  let sum = 0;
  let count = 0;
  let before = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0x80) {
      sum += weightOf(character, code, before);
      count++;
    } else if (/[\u0370-\u0fff\u3400-\u9fff]/.test(before) && /[a-z]/i.test(character))
      sum -= before < '\u1000' ? 2 : 0.8;
    before = character;
  }
  return count === 0 ? 0 : sum / count;
}

function weightOf(character: string, code: number, before: string): number {
  if (code === 0xfffd || code < 0xa0) return -6;
  if (code >= 0xe000 && code <= 0xf8ff) return -4;
  if (code < 0x250) return latin(character, before);
  if (code >= 0x400 && code < 0x460) return cyrillic(code, before);
  if (code >= 0x3040 && code <= 0x30ff) return 2;
  if (code >= 0xac00 && code <= 0xd7a3) return COMMON.hangul.has(character) ? 2 : 0.4;
  if (code >= 0x4e00 && code <= 0x9fff) return (COMMON.han.has(character) ? 2 : 0.7) - (/[a-z]/.test(before) ? 0.8 : 0);
  if (code >= 0x3000 && code <= 0x3002) return 1.5;
  if (code >= 0xff01 && code <= 0xff5e) return 1;
  if (code >= 0xff61 && code <= 0xff9f) return -0.5;
  // Cyrillic letters of few languages: more often another charset's signs.
  if (code >= 0x460 && code < 0x530) return 0;
  if (/\p{L}/u.test(character)) {
    if (/[a-z]/i.test(before) && code < 0x1000) return -1.5;
    return /\p{Lu}/u.test(character) && /\p{Ll}/u.test(before) ? -1.5 : 1;
  }
  return COMMON.latin.has(character) ? 0.5 : -1;
}

/** Accented letters stand alone between plain ones; many in a row are another charset's octets. */
function latin(character: string, before: string): number {
  const afterHigh = before >= '\u0080';
  if (!/\p{L}/u.test(character))
    return COMMON.latin.has(character) && !/[a-z]/i.test(before) ? 0.5 : afterHigh ? -1.5 : -0.5;
  if (/\p{Lu}/u.test(character) && /[a-z]/.test(before)) return -1;
  if (afterHigh) return COMMON.latin.has(before) && !/\p{Lu}/u.test(character) ? 0 : -1;
  return COMMON.latin.has(character) ? 1.8 : 0.8;
}

/** KOI8-R and windows-1251 have upper and lower case in each other's place: capitals inside a word tell. */
function cyrillic(code: number, before: string): number {
  if (/[a-z]/i.test(before)) return -1.5;
  const small = code >= 0x430 && code <= 0x44f;
  if (small) return 2;
  if (code === 0x451) return 1.5;
  const capital = code >= 0x410 && code <= 0x42f;
  if (capital) return before >= '\u0430' && before <= '\u044f' ? -2 : 1.2;
  return 0;
}
