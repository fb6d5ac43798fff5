import { expect, test } from 'vitest';
import { readSendmailArguments, type SendmailRequest } from '../../src/cli/sendmail.ts';
import { UserError } from '../../src/core/errors.ts';

const plain: SendmailRequest = {
  mode: 'send',
  recipients: [],
  fromHeader: false,
  ignoreDots: false,
  from: undefined,
  fullName: undefined,
  verbose: false,
};

const calls: readonly [who: string, args: string, request: Partial<SendmailRequest>][] = [
  [
    'vixie cron',
    '-i -FCronDaemon -B8BITMIME -oem lee',
    { ignoreDots: true, fullName: 'CronDaemon', recipients: ['lee'] },
  ],
  [
    'git send-email',
    '-i lee@example.com dl@example.com',
    { ignoreDots: true, recipients: ['lee@example.com', 'dl@example.com'] },
  ],
  [
    'git send-email with an envelope sender',
    '-f dl@example.com -i lee',
    { from: 'dl@example.com', ignoreDots: true, recipients: ['lee'] },
  ],
  ['php', '-t -i', { fromHeader: true, ignoreDots: true }],
  ['mutt', '-oem -oi -- lee dl', { ignoreDots: true, recipients: ['lee', 'dl'] }],
  [
    'mutt with use_envelope_from',
    '-oem -oi -f lee@example.com -- dl',
    { ignoreDots: true, from: 'lee@example.com', recipients: ['dl'] },
  ],
  ['joined letters', '-tiv', { fromHeader: true, ignoreDots: true, verbose: true }],
  [
    'joined with a value at the end',
    '-tif dl@example.com',
    { fromHeader: true, ignoreDots: true, from: 'dl@example.com' },
  ],
  ['a null sender', '-f <> lee', { from: '', recipients: ['lee'] }],
  ['a sender in brackets', '-f<dl@example.com> lee', { from: 'dl@example.com', recipients: ['lee'] }],
  ['the last sender counts', '-f a -r b lee', { from: 'b', recipients: ['lee'] }],
  ['options after recipients', 'lee -i', { ignoreDots: true, recipients: ['lee'] }],
  ['a list with commas', 'lee,dl', { recipients: ['lee', 'dl'] }],
  [
    'DSN wishes',
    '-N failure,success -R hdrs -V id lee',
    { recipients: ['lee'], dsn: { notify: ['success', 'failure'], ret: 'hdrs', envid: 'id' } },
  ],
  ['no reports at all', '-Nnever lee', { recipients: ['lee'], dsn: { notify: [] } }],
  ['SMTP on standard input', '-bs', { mode: 'smtp' }],
  ['a question where mail would end', '-bv lee dl@qq.com', { mode: 'verify', recipients: ['lee', 'dl@qq.com'] }],
  ['old delivery modes', '-odb -OErrorMode=m -bm -Am lee', { recipients: ['lee'] }],
  ['an address that begins with a dash', '-- -lee@example.com', { recipients: ['-lee@example.com'] }],
  ['mailq', '-bp', { mode: 'mailq' }],
  ['newaliases', '-bi', { mode: 'newaliases' }],
  ['a queue run', '-q', { mode: 'run', run: { all: true } }],
  ['a queue run, told about', '-v -q', { mode: 'run', run: { all: true }, verbose: true }],
  ['a queue run for a domain', '-qR@qq.com', { mode: 'run', run: { domain: 'qq.com' } }],
  ['a queue run for a message', '-qI0MB2K4J7T', { mode: 'run', run: { ids: ['0MB2K4J7T'] } }],
];

test.each(calls)('reads the call of %s', (_who, args, request) => {
  expect(readSendmailArguments(args.split(' '))).toEqual({ ...plain, ...request });
});

const wrong: readonly [what: string, args: readonly string[], status: number, reason: RegExp][] = [
  ['an unknown option', ['-Z'], 64, /no option -Z/],
  ['a value that is missing', ['-f'], 64, /-f needs a value/],
  ['an unknown mode', ['-bz'], 64, /no mode -bz/],
  ['an unknown wish', ['-N', 'sometimes', 'lee'], 64, /-N sometimes: never, or some of/],
  ['an unknown part', ['-R', 'half', 'lee'], 64, /-R half: full or hdrs/],
  ['a queue run now and then', ['-q15m'], 69, /-q15m is not done by command: the tmail daemon/],
  ['a queue run for a sender', ['-qSlee'], 69, /-qSlee is not done by command/],
  ['a daemon', ['-bd', '-q15m'], 69, /tmail daemon/],
  ['a line end in a recipient', ['lee\nBcc: eve@example.com'], 64, /line end/],
  ['a line end in the sender', ['-f', 'lee\nX: y', 'dl'], 64, /line end/],
  ['a line end in the name', ['-F', 'Lee\rX: y', 'dl'], 64, /line end/],
];

test.each(wrong)('refuses %s', (_what, args, status, reason) => {
  let error: unknown;
  try {
    readSendmailArguments(args);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(UserError);
  expect(error).toMatchObject({ status, message: expect.stringMatching(reason) });
});
