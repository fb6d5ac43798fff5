// P34: servers refuse References over 998 octets, and any line over 998.
import { expect, test } from 'vitest';
import { runReply } from '../../src/session/send.ts';
import { desk, sessionAt } from '../session/letters.ts';

test('a reply at depth 60 with ids of 60 characters, and 200 people in Cc', async () => {
  const ids = Array.from({ length: 60 }, (_, i) => `<${String(i).padStart(31, 'i')}@${'h'.repeat(26)}>`);
  expect(ids[0]).toHaveLength(60);
  const people = Array.from({ length: 200 }, (_, i) => `"Person, No. ${i}" <person${i}@example.net>`);
  const message = [
    'From: ann@a.test',
    'To: lee',
    `Cc: ${people.join(',\n ')}`,
    'Subject: deep',
    `Message-ID: ${ids[59]}`,
    `References: ${ids.slice(0, 59).join('\n ')}`,
    '',
    'text',
    '',
  ].join('\n');
  const at = desk({ lines: ['answer', '~.'] });
  await runReply(sessionAt(at, [message]), '1');
  const header = at.sent[0]?.header ?? '';
  for (const line of header.split('\n')) expect(line.length).toBeLessThanOrEqual(78);
  expect(at.sent[0]?.envelope.recipients).toHaveLength(201);
  const references = /^References:((?:.*\n)(?:[ \t].*\n)*)/m.exec(header)?.[1]?.match(/<[^>]+>/g) ?? [];
  expect(references[0]).toBe(ids[0]);
  expect(references.at(-1)).toBe(ids[59]);
  expect(references.slice(1)).toEqual(ids.slice(60 - references.length + 1));
  expect(references.join(' ').length).toBeLessThan(998);
});
