/** What a dialogue cannot show: questions that stay open, the end of a connection, what a question holds. */
import { describe, expect, it } from 'vitest';
import { reply } from '../../src/smtp/reply.ts';
import { type Action, DEFAULT_CONFIG, type Question, type SmtpConfig, SmtpSession } from '../../src/smtp/session.ts';

const CONFIG: SmtpConfig = { ...DEFAULT_CONFIG, hostname: 'host.test', version: '1', date: () => 'now' };
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const said = (actions: readonly Action[]): string =>
  actions
    .map((action) => (action.kind === 'send' ? Buffer.from(action.bytes).toString() : `<${action.kind}>`))
    .join('');
const asked = (actions: readonly Action[]): Question | undefined => {
  const action = actions.find((one) => one.kind === 'ask');
  return action?.kind === 'ask' ? action.question : undefined;
};

function open(config: SmtpConfig = CONFIG): SmtpSession {
  const session = new SmtpSession(config, { address: '192.0.2.1' });
  session.start();
  session.answer({ kind: 'ok' });
  return session;
}

describe('a question', () => {
  it('holds what comes after it, and only one is open', () => {
    const session = open();
    const actions = session.receive(bytes('EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c>\r\nNOOP\r\n'));
    expect(asked(actions)).toEqual({ kind: 'helo', verb: 'EHLO', name: 'a' });
    expect(session.holding).toBe(true);
    expect(session.receive(bytes('NOOP\r\n'))).toEqual([]);
    const mail = asked(session.answer({ kind: 'ok' }));
    expect(mail?.kind).toBe('mail');
    const rcpt = session.answer({ kind: 'ok' });
    expect(said(rcpt)).toBe('250 2.1.0 <a@b.test>... Sender ok\r\n<ask>');
    const rest = session.answer({ kind: 'reply', reply: reply(550, '5.7.1', '<c>... Access denied') });
    expect(said(rest)).toBe('<refused>550 5.7.1 <c>... Access denied\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n');
    expect(session.holding).toBe(false);
  });

  it('carries the whole envelope', () => {
    const session = open();
    session.receive(bytes('MAIL FROM:<a@b.test> SIZE=9 RET=HDRS ENVID=x+3Dy AUTH=a+40b.test BY=60;RT\r\n'));
    session.answer({ kind: 'ok' });
    session.receive(bytes('RCPT TO:<"C d"@Host.Test> NOTIFY=NEVER ORCPT=rfc822;c@x.test\r\n'));
    session.answer({ kind: 'ok' });
    const question = asked(session.receive(bytes('DATA\r\n')));
    expect(question).toMatchObject({
      kind: 'data',
      envelope: {
        sender: { local: 'a', domain: 'b.test', text: '<a@b.test>' },
        parameters: {
          size: 9,
          ret: 'HDRS',
          envid: 'x+3Dy',
          auth: 'a@b.test',
          deliverBy: { seconds: 60, mode: 'R', trace: true },
        },
        recipients: [
          { path: { local: 'C d', domain: 'host.test' }, parameters: { notify: [], orcpt: 'rfc822;c@x.test' } },
        ],
        warnings: ["host.test: [192.0.2.1] didn't use HELO protocol"],
      },
    });
  });

  it('at the end tells what is in the message', () => {
    const session = open();
    for (const line of ['MAIL FROM:<>', 'RCPT TO:<c>', 'DATA']) {
      session.receive(bytes(`${line}\r\n`));
      session.answer({ kind: 'ok' });
    }
    const question = asked(
      session.receive(bytes('Received: x\r\nFrom : a\r\nSubject: \xe9\r\n\r\n..\r\nlong line\r\n.\r\n')),
    );
    expect(question).toMatchObject({
      kind: 'end',
      facts: { size: 51, headerSize: 37, hops: 1, eightBit: true, eightBitHeader: true, longestLine: 11, bare: false },
    });
    expect(question?.kind === 'end' && [...question.facts.fields]).toEqual(['from']);
    expect(said(session.answer({ kind: 'reply', reply: reply(452, '4.3.1', 'full') }))).toBe(
      '<refused>452 4.3.1 full\r\n',
    );
    expect(session.busy).toBe(false);
  });

  it('that was never asked cannot be answered', () => {
    expect(() => open().answer({ kind: 'ok' })).toThrow('no question');
  });
});

describe('the end', () => {
  function inData(): SmtpSession {
    const session = open();
    for (const line of ['MAIL FROM:<>', 'RCPT TO:<c>', 'DATA']) {
      session.receive(bytes(`${line}\r\n`));
      session.answer({ kind: 'ok' });
    }
    session.receive(bytes('Subject: x\r\n'));
    return session;
  }

  it('of the client abandons the message', () => {
    const session = inData();
    expect(said(session.gone())).toBe('<abandon>');
    expect(session.receive(bytes('.\r\n'))).toEqual([]);
    expect(session.gone()).toEqual([]);
  });

  it('by silence says so', () => {
    expect(said(inData().timedOut())).toBe(
      '<refused>421 4.4.2 host.test Timeout waiting for input; closing connection\r\n<abandon><close>',
    );
  });

  it('by a shutdown says so, and a late answer changes nothing', () => {
    const session = open();
    session.receive(bytes('MAIL FROM:<>\r\n'));
    expect(said(session.shutDown())).toBe(
      '<refused>421 4.3.2 host.test Service shutting down; closing connection\r\n<close>',
    );
    expect(session.answer({ kind: 'ok' })).toEqual([]);
    expect(session.shutDown()).toEqual([]);
  });

  it('at the door: 421 closes, 554 leaves QUIT', () => {
    const session = new SmtpSession(CONFIG, { address: '192.0.2.1' });
    session.start();
    expect(said(session.answer({ kind: 'reply', reply: reply(421, '4.7.0', 'too many') }))).toBe(
      '<refused>421 4.7.0 too many\r\n<close>',
    );
  });
});

it('who speaks before the greeting is refused, if it is wanted', () => {
  const session = new SmtpSession({ ...CONFIG, refuseEarlyTalkers: true }, { address: '192.0.2.1' });
  session.start();
  expect(said(session.receive(bytes('HELO a\r\n')))).toBe(
    '<refused>554 5.5.0 host.test SMTP protocol error: you spoke before the greeting\r\n<close>',
  );
  const patient = new SmtpSession(CONFIG, { address: '192.0.2.1' });
  patient.start();
  expect(patient.receive(bytes('NOOP\r\n'))).toEqual([]);
  expect(said(patient.answer({ kind: 'ok' }))).toBe('220 host.test ESMTP tmail/1; now\r\n250 2.0.0 OK\r\n');
});

it('no password reaches the log', () => {
  const config = { ...CONFIG, mechanisms: { clear: ['PLAIN'], tls: ['PLAIN'] } };
  const session = open(config);
  session.receive(bytes('AUTH PLAIN c2VjcmV0\r\n'));
  const refused = session.answer({ kind: 'reply', reply: reply(535, '5.7.0', 'authentication failed') });
  expect(JSON.stringify(refused.filter((action) => action.kind === 'refused'))).not.toContain('c2VjcmV0');
});

it('TLS forgets what was said before', () => {
  const session = open({ ...CONFIG, startTls: true });
  session.receive(bytes('EHLO a\r\n'));
  session.answer({ kind: 'ok' });
  expect(session.facts).toMatchObject({ helo: 'a', protocol: 'ESMTP' });
  expect(said(session.receive(bytes('STARTTLS\r\nEHLO evil\r\n')))).toBe('220 2.0.0 Ready to start TLS\r\n<startTls>');
  expect(session.tlsStarted({ version: 'TLSv1.3', cipher: 'x' })).toEqual([]);
  expect(session.facts).toMatchObject({ helo: undefined, protocol: 'SMTP' });
  session.receive(bytes('EHLO a\r\n'));
  session.answer({ kind: 'ok' });
  expect(session.facts.protocol).toBe('ESMTPS');
});
