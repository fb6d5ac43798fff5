/**
 * Line mode on terminals: dumb ones, where the terminal's own line discipline edits, and real ones with a line editor.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { has, letter, newHome } from './program.ts';
import { Terminal } from './terminal.ts';

const open: Terminal[] = [];
afterEach(() => {
  for (const terminal of open.splice(0)) terminal.close();
});

function start(TERM: string, args: readonly string[], size?: readonly [number, number]) {
  const home = newHome();
  home.write('spool/lee', letter('a') + letter('b', { body: 'Grüße, 你好, \u001b]0;owned\u0007!\n' }) + letter('c'));
  const terminal = new Terminal(home, args, { TERM }, size);
  open.push(terminal);
  return { home, terminal };
}

describe.skipIf(!has('tmux')).each(['dumb', 'xterm-256color'])('on a terminal called %s', (TERM) => {
  test('reads, deletes, quits', async () => {
    const { home, terminal } = start(TERM, ['-n']);
    const first = await terminal.until(/^&$/m);
    expect(first).toMatch(/^>N +1 Ann .* subject-a$/m);
    terminal.enter('2');
    expect(await terminal.until(/Grüße, 你好, .*\n&$/)).toContain('\\x1b]0;owned\\x07!');
    terminal.enter('d 1');
    terminal.enter('q');
    const last = await terminal.until(/\[status 0\]/);
    // Each command is shown once, behind its prompt.
    expect(last.match(/^& d 1$/gm)).toHaveLength(1);
    expect(home.read('spool/lee')).toMatch(/^From .*\n(?:.+\n)+Status: O *\n\nThis is the text of message c\.\n\n$/);
    expect(home.read('mbox')).toContain('Subject: subject-b');
  });

  test('asks for the subject, and sends what is typed up to Ctrl-D', async () => {
    const { home, terminal } = start(TERM, ['-n', '-S', 'ask', '-S', 'record=sent', '-S', 'sendmail=/bin/true', 'dl']);
    await terminal.until(/^Subject: ?$/m);
    terminal.enter('Noodles');
    terminal.enter('At twelve?');
    terminal.press('C-d');
    await terminal.until(/\[status 0\]/);
    expect(home.read('sent')).toMatch(/^Subject: Noodles\n(?:.+\n)*\nAt twelve\?\n/m);
  });

  test('Ctrl-C twice gives a letter up, and the shell is there at once', async () => {
    const { home, terminal } = start(TERM, ['-n', '-S', 'ask', '-S', 'sendmail=/bin/true', 'dl']);
    await terminal.until(/^Subject: ?$/m);
    terminal.enter('x');
    terminal.enter('never sent');
    await terminal.until(/never sent/);
    terminal.press('C-c');
    await terminal.until(/interrupt/i);
    terminal.press('C-c');
    await terminal.until(/\[status 1\]/);
    expect(home.read('dead.letter')).toBe('never sent\n');
  });

  test('Ctrl-C abandons the line, not the session', async () => {
    const { home, terminal } = start(TERM, ['-n', '-N']);
    await terminal.until(/^&$/m);
    terminal.type('d *');
    await terminal.until(/^& d \*$/m);
    terminal.press('C-c');
    await terminal.until(/Interrupt\n&$/);
    terminal.enter('x');
    await terminal.until(/\[status 0\]/);
    expect(home.read('spool/lee')).toContain('subject-a');
    expect(home.has('mbox')).toBe(false);
  });
});

describe.skipIf(!has('tmux'))('on a real terminal', () => {
  test('Tab completes and Up brings back the last line', async () => {
    const { terminal } = start('xterm', ['-n', '-N']);
    await terminal.until(/^&$/m);
    terminal.type('undel');
    terminal.press('Tab');
    await terminal.until(/^& undelete ?$/m);
    terminal.enter(' 1');
    await terminal.until(/\n&$/);
    terminal.press('Up');
    await terminal.until(/& undelete +1$/);
    terminal.press('C-c');
    terminal.enter('x');
    await terminal.until(/\[status 0\]/);
  });

  test('headers fit narrow and wide terminals', async () => {
    for (const size of [
      [40, 12],
      [140, 40],
    ] as const) {
      const { terminal } = start('xterm', ['-n'], size);
      const screen = await terminal.until(/^&$/m);
      const rows = screen.split('\n').filter((line) => /^[> ]N +\d/.test(line));
      expect(rows, screen).toHaveLength(3);
      expect(Math.max(...rows.map((row) => row.length))).toBeLessThanOrEqual(size[0]);
      terminal.enter('x');
      await terminal.until(/\[status 0\]/);
    }
  });

  test('the demo opens the mailbox of lee, and says what to try next', async () => {
    const home = newHome();
    const terminal = new Terminal(home, ['demo', '--dir', home.path('demo')], { TERM: 'xterm' }, [100, 60]);
    open.push(terminal);
    expect(await terminal.until(/^&$/m)).toContain('周末爬山');
    terminal.enter('q');
    await terminal.until(/\[status 0\]/);
    expect(terminal.screen).toMatch(/--root .*demo undo/);
  });
});
