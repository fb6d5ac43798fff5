// P43: mail from cron has no domain in From and To.
import { expect, test } from 'vitest';
import { prepareSubmission } from '../../src/cli/submission.ts';
import { desk, send, settings } from '../session/letters.ts';

const OPTIONS = {
  recipientsFromHeader: true,
  sender: { name: '', address: 'root@host.example' },
  hostname: 'host.example',
  now: 0,
  zone: 0,
};

function submitted(text: string): string {
  return Buffer.from(prepareSubmission(Buffer.from(text), OPTIONS).message).toString();
}

const CRON = 'From: root (Cron Daemon)\nTo: lee\nCc: ann@else.example, bob\nSubject: x\n\ntext\n';

test('names without a domain get this host’s, once', () => {
  const once = submitted(CRON);
  expect(once).toMatch(/^From: .*root@host\.example/m);
  expect(once).toMatch(/^To: lee@host\.example$/m);
  expect(once).toMatch(/^Cc: ann@else\.example, bob@host\.example$/m);
  expect(submitted(once)).toBe(once);
});

test('a letter of mail as well, unless the delivery program does it', async () => {
  const own = desk({ lines: ['text'] });
  await send(own, { to: ['lee'], cc: ['ann@else.example'] });
  expect(own.sent[0]?.header).toMatch(
    /^From: Lee Wong <lee@host\.example>\nTo: lee@host\.example\nCc: ann@else\.example$/m,
  );
  const program = desk({ lines: ['text'] });
  await send(program, { to: ['lee'] }, settings('sendmail=/usr/sbin/sendmail'));
  expect(program.sent[0]?.header).toMatch(/^To: lee$/m);
});
