/** Whatever is typed: nothing throws, and a line that is refused changes nothing. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EX } from '../../src/core/errors.ts';
import { COMMANDS, namesOf, parseCommand } from '../../src/session/commands.ts';
import { complete } from '../../src/session/complete.ts';
import type { Services } from '../../src/session/io.ts';
import { preview } from '../../src/session/preview.ts';
import { execute, newContext } from '../../src/session/run.ts';
import { fakeSession } from './fake-box.ts';
import { desk } from './letters.ts';

const MESSAGES = [
  { from: 'lee@x.example', subject: 'one', status: 'RO' },
  { from: 'bob@x.example', subject: 'two', status: 'O' },
  { subject: '=?UTF-8?B?5Lya6K6u57qq6KaB?=' },
  { subject: 'four' },
];

/** Commands that start programs, open mailboxes or write files have tests of their own. */
const OUTSIDE =
  /^(?:!|\||pipe|edit|visual|shell|cd|source|file|recover|save|copy|write|attach|mail|reply|followup|forward|resend)/i;

const word = fc.constantFrom(
  ...COMMANDS.flatMap((command) => (OUTSIDE.test(command.name) ? [] : [...namesOf(command), ...command.short])),
);
const piece = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '*',
    '1',
    '1-3',
    '4-2',
    '9',
    '0',
    ':n',
    ':z',
    '/two',
    'lee',
    '"',
    "'",
    '$',
    '-',
    'hold',
    'x=1',
    'list',
    '\\',
  ),
);
const line = fc.oneof(
  fc
    .tuple(word, fc.constantFrom('', ' '), fc.array(piece, { maxLength: 3 }))
    .map(([name, gap, rest]) => name + gap + rest.join(' ')),
  fc.array(piece, { maxLength: 3 }).map((pieces) => pieces.join(' ')),
);

function context(typed: string[]) {
  const base = desk({ interactive: false });
  const errors: string[] = [];
  const services: Services = {
    ...base.services,
    io: { ...base.services.io, err: (text) => errors.push(text), out: (text) => typed.push(text) },
  };
  return {
    context: { ...newContext(services, { escapes: false, sending: false }), session: fakeSession(MESSAGES) },
    errors,
  };
}

test('no line throws, and one that is refused leaves every mark as it was', async () => {
  await fc.assert(
    fc.asyncProperty(line, async (text) => {
      const out: string[] = [];
      const { context: state, errors } = context(out);
      const before = state.session.marks.slice();
      const parsed = parseCommand(text);
      if ('command' in parsed && OUTSIDE.test(parsed.command.name)) return;
      await execute(state, text);
      expect(state.session.count).toBe(MESSAGES.length);
      if (errors.length > 0) expect([...state.session.marks]).toEqual([...before]);
      for (const shown of [...out, ...errors]) expect(shown).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
    }),
    { numRuns: 400 },
  );
});

test('previews and completions come for every line and touch nothing', () => {
  fc.assert(
    fc.property(line, (text) => {
      const { context: state } = context([]);
      const { session } = state;
      const shown = preview(text, state);
      if (shown.kind === 'error') {
        expect(shown.column).toBeGreaterThan(0);
        expect(shown.column).toBeLessThanOrEqual(text.length + 1);
      }
      expect(complete(text, state).candidates.every((one) => one.startsWith(complete(text, state).word))).toBe(true);
      expect(state.session).toBe(session);
    }),
    { numRuns: 300 },
  );
});

test('what a preview promises is what the command does', async () => {
  const { context: state } = context([]);
  expect(preview('d 1-3', state)).toEqual({ kind: 'messages', numbers: [1, 2, 3], text: '3 messages, 2 unread' });
  expect(preview('d 1 9', state)).toMatchObject({ kind: 'error', column: 5 });
  expect(preview('d4-2', state)).toMatchObject({ kind: 'error', column: 2 });
  expect(preview('  fo0 ', state)).toMatchObject({ kind: 'error', column: 5 });
  expect(preview('frob', state)).toMatchObject({ kind: 'error', column: 1 });
  expect(preview('s 2 "my file"', state)).toMatchObject({ kind: 'messages', numbers: [2] });
  expect(preview('set hold', state)).toEqual({ kind: 'none' });
  await execute(state, 'd 1-3');
  expect(preview('u *', state)).toMatchObject({ kind: 'messages', numbers: [1, 2, 3] });
  expect(state.failed ? EX.failure : EX.ok).toBe(EX.ok);
});
