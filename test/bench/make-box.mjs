// Writes a made-up mbox for measurements: node make-box.mjs FILE [MESSAGES [OCTETS]]
// The same numbers give the same file, octet for octet. Default: 100,000 messages, 1,073,741,824 octets.
import { closeSync, openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Pseudo-random numbers in [0, 1), mulberry32. */
function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const WORDS =
  'the of and to mail host user disk tape backup from letter server room garden river please thanks report tuesday list question answer kernel update restart noodles lunch minutes ticket queue relay message folder'.split(
    ' ',
  );
const PEOPLE = [
  'ann',
  'bob',
  'carol',
  'dongliang',
  'dl',
  'erika',
  'fritz',
  'gustavo',
  'hanako',
  'ivan',
  'root',
  'olga',
];
const HOSTS = ['linux102.example.com', 'garden.example.org', 'example.net', 'books.example.com', 'school.example.cn'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const POOL = 1 << 20;

/** A megabyte of text in lines; bodies are cut out of it at line ends. */
function textPool(next) {
  const lines = [];
  let size = 0;
  while (size < POOL) {
    let line = next() < 0.15 ? '> ' : next() < 0.02 ? '>From ' : '';
    const want = next() < 0.1 ? 0 : 20 + next() * 55;
    while (line.length < want) line += `${WORDS[Math.floor(next() * WORDS.length)]} `;
    lines.push(line.trimEnd());
    size += line.length + 1;
  }
  return `${lines.join('\n')}\n`;
}

function base64Pool(next) {
  const bytes = Buffer.alloc(Math.floor(POOL * 0.74));
  for (let i = 0; i < bytes.length; i++) bytes[i] = next() * 256;
  return `${bytes.toString('base64').replace(/.{76}/g, '$&\n')}\n`;
}

function cut(pool, next, size) {
  const from = pool.indexOf('\n', Math.floor(next() * Math.max(1, pool.length - size - 200))) + 1;
  return pool.slice(from, pool.indexOf('\n', Math.min(pool.length - 1, from + size)) + 1);
}

/** Writes the mbox and returns its size. */
export function makeBox(file, messages = 100_000, octets = 2 ** 30, seed = 1) {
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const text = textPool(next);
  const blob = base64Pool(next);
  const fd = openSync(file, 'w');
  const start = Date.UTC(2019, 0, 1) / 1000;
  let written = 0;
  let batch = [];
  let batchSize = 0;
  const flush = () => {
    const bytes = Buffer.from(batch.join(''), 'latin1');
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    written += bytes.length;
    batch = [];
    batchSize = 0;
  };
  for (let i = 0; i < messages; i++) {
    const d = new Date((start + i * 2000) * 1000);
    const two = (n) => String(n).padStart(2, '0');
    const clock = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
    const month = MONTHS[d.getUTCMonth()];
    const year = d.getUTCFullYear();
    const person = pick(PEOPLE);
    const from = `${person}@${pick(HOSTS)}`;
    const reply = next() < 0.4 && i > 10;
    const subject = `${reply ? 'Re: ' : ''}${pick(WORDS)} ${pick(WORDS)} ${pick(WORDS)} ${i + 1}`;
    const attached = next() < 0.12;
    const head =
      `From ${from} ${DAYS[d.getUTCDay()]} ${month} ${String(d.getUTCDate()).padStart(2)} ${clock} ${year}\n` +
      `Return-Path: <${from}>\n` +
      `Received: from mail.example.net (mail.example.net [192.0.2.${i % 250}])\n\tby linux102.example.com with ESMTP id ${i.toString(36)}\n\tfor <lee@linux102.example.com>; ${DAYS[d.getUTCDay()]}, ${d.getUTCDate()} ${month} ${year} ${clock} +0000\n` +
      `From: ${person[0].toUpperCase()}${person.slice(1)} Example <${from}>\n` +
      `To: lee@linux102.example.com\n` +
      `Subject: ${subject}\n` +
      `Date: ${DAYS[d.getUTCDay()]}, ${d.getUTCDate()} ${month} ${year} ${clock} +0000\n` +
      `Message-ID: <${i}.${Math.floor(next() * 1e9)}@example.net>\n` +
      (reply
        ? `In-Reply-To: <${i - 7}.0@example.net>\nReferences: <${i - 9}.0@example.net>\n <${i - 7}.0@example.net>\n`
        : '') +
      `MIME-Version: 1.0\n` +
      `Content-Type: ${attached ? `multipart/mixed; boundary="=_${i}"` : 'text/plain; charset=utf-8'}\n` +
      `Status: ${i < messages - 20 ? 'RO' : 'O'}\n\n`;
    // What is left is shared out evenly, so that the whole has the size asked for.
    const share = (octets - written - batchSize) / (messages - i);
    const size = Math.max(80, (attached ? share : share * (0.5 + next())) - head.length - 60);
    const body = attached
      ? `--=_${i}\nContent-Type: text/plain\n\n${cut(text, next, 300)}\n--=_${i}\nContent-Type: application/octet-stream; name="f.bin"\nContent-Transfer-Encoding: base64\n\n${cut(blob, next, size - 450)}--=_${i}--\n`
      : cut(text, next, size);
    const message = `${head}${body}\n`;
    batch.push(message);
    batchSize += message.length;
    if (batchSize > 4 << 20) flush();
  }
  flush();
  closeSync(fd);
  return written;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [file, messages, octets] = process.argv.slice(2);
  if (file === undefined || file.startsWith('-')) {
    console.error('usage: node make-box.mjs FILE [MESSAGES [OCTETS]]');
    process.exit(2);
  }
  console.log(`${file}: ${makeBox(file, Number(messages ?? 100_000), Number(octets ?? 2 ** 30))} octets`);
}
