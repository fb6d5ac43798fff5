// Measures the built tmail against the mail programs of this machine: node test/bench/run.mjs [--quick] [--runs N] [--keep]
// See README.md. Prints medians and ratios; judges nothing and changes nothing outside a temporary folder.
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBox } from './make-box.mjs';

const options = process.argv.slice(2);
const quick = options.includes('--quick');
const runs = Number(options[options.indexOf('--runs') + 1]) || (quick ? 3 : 7);
const tmail = join(import.meta.dirname, '../../bin/tmail');
const place = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'tmail-bench-'));
const home = join(place, 'home');
const big = join(place, 'big.mbox');
const small = join(place, 'small.mbox');
const work = join(place, 'work.mbox');
const index = join(home, '.local/state/tmail/index');

const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const env = {
  PATH: process.env.PATH,
  HOME: home,
  TERM: 'xterm',
  LANG: 'C.UTF-8',
  USER: 'lee',
  LOGNAME: 'lee',
  MAIL: join(home, 'spool'),
  COLUMNS: '80',
  LINES: '24',
  PAGER: 'cat',
};

/** Runs a program to its end; seconds and its peak memory in MiB. */
function measure({ argv, input = '' }) {
  const report = join(place, 'time');
  const begun = process.hrtime.bigint();
  const { status, error, stdout, stderr } = spawnSync('/usr/bin/time', ['-o', report, '-f', '%M', ...argv], {
    env,
    input,
    cwd: home,
    maxBuffer: 1 << 28,
    timeout: 300_000,
  });
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  if (error || status === null) throw new Error(`${argv.join(' ')}: ${error ?? 'was killed'}`);
  const peak = Number(readFileSync(report, 'utf8').trim().split('\n').at(-1)) / 1024;
  return { seconds, peak, status, output: `${stdout}${stderr}` };
}

/** Runs a program on a terminal of its own until that shows `until`; seconds up to then. Its memory is not measured. */
function measureScreen({ argv, until }) {
  const command = argv.map((word) => `'${word}'`).join(' ');
  const begun = process.hrtime.bigint();
  const child = spawn('script', ['-qfc', command, '/dev/null'], {
    env,
    cwd: home,
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  return new Promise((resolve, reject) => {
    const patience = setTimeout(
      () => end(() => reject(new Error(`${command}: never showed ${until}: ${output.slice(-300)}`))),
      120_000,
    );
    let output = '';
    const end = (then) => {
      clearTimeout(patience);
      child.removeAllListeners();
      process.kill(-child.pid, 'SIGKILL');
      then();
    };
    child.stdout.on('data', (data) => {
      output += data;
      if (!until.test(output)) return;
      const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
      child.stdout.removeAllListeners();
      end(() => resolve({ seconds, peak: Number.NaN, status: 0, output }));
    });
    child.on('exit', () => end(() => reject(new Error(`${command}: ended early: ${output.slice(-300)}`))));
  });
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** All programs in turn, `runs` times, so that a slow minute of the machine hits all alike. */
async function compare(title, programs, { before = () => {}, rounds = runs } = {}) {
  console.log(`\n${title}`);
  const results = new Map(programs.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const program of programs) {
      before(program);
      const result = program.until ? await measureScreen(program) : measure(program);
      const seen = program.expect === undefined || program.expect(result);
      if (!seen) throw new Error(`${program.name} did not do its work:\n${result.output.slice(-500)}`);
      if (round >= 0) results.get(program.name).push(result);
    }
  }
  const summary = programs.map(({ name }) => ({
    name,
    seconds: median(results.get(name).map((r) => r.seconds)),
    peak: Math.max(...results.get(name).map((r) => r.peak)),
  }));
  for (const { name, seconds, peak } of summary) {
    console.log(
      `  ${name.padEnd(14)} ${(seconds * 1000).toFixed(0).padStart(7)} ms  ${Number.isNaN(peak) ? '' : `${peak.toFixed(0).padStart(6)} MiB`}`,
    );
  }
  return Object.fromEntries(summary.map((row) => [row.name, row]));
}

function ratio(name, value, goal) {
  console.log(`  ${name}: ${value.toFixed(2)} (goal: at most ${goal})`);
}

const node = { name: 'node -e 0', argv: [process.execPath, '-e', '0'] };
const readBox = (file) => ({
  name: 'tmail',
  argv: [process.execPath, tmail, '-n', '-f', file],
  input: 'x\n',
  expect: ({ output }) => /Example|example/.test(output),
});
const peers = (file) =>
  [
    { name: 'bsd-mailx', argv: ['bsd-mailx', '-n', '-f', file], input: 'x\n' },
    { name: 's-nail', argv: ['s-nail', '-n', '-R', '-f', file], input: 'x\n' },
    {
      name: 'mutt',
      argv: ['mutt', '-n', '-F', '/dev/null', '-R', '-f', file, '-e', `set folder=${home}`],
      until: /Msgs:/,
    },
    { name: 'alpine', argv: ['alpine', '-p', join(home, 'pinerc'), '-i', '-f', file], until: /opened with/ },
  ].filter(({ argv, name }) => has(argv[0]) || console.log(`${name} is not installed: left out`));

try {
  mkdirSync(home);
  // Answers alpine's question of the first start before it is asked.
  writeFileSync(join(home, 'pinerc'), 'last-version-used=9.99\nuser-domain=example.com\n');
  const messages = quick ? 10_000 : 100_000;
  const octets = quick ? 100 * 2 ** 20 : 2 ** 30;
  console.log(`making ${messages} messages, ${Math.round(octets / 2 ** 20)} MiB, in ${place}`);
  makeBox(big, messages, octets);
  makeBox(small, 1000, 4 * 2 ** 20);
  console.log(`node ${process.version}, ${runs} runs each, medians, whole processes`);

  const first = await compare('first headers of the large mailbox, no index', [readBox(big), ...peers(big)], {
    before: () => rmSync(index, { recursive: true, force: true }),
  });
  const others = Object.values(first).filter(({ name }) => name !== 'tmail');
  if (others.length > 0) {
    const fastest = others.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    ratio(`tmail to ${fastest.name}, the fastest`, first.tmail.seconds / fastest.seconds, 0.25);
  }
  ratio('peak memory in MiB', first.tmail.peak, 150);

  const again = await compare('first headers of the large mailbox, with the index', [readBox(big), node]);
  ratio('tmail to an empty node', again.tmail.seconds / again['node -e 0'].seconds, 1.5);

  const little = await compare('first headers of 1,000 messages', [readBox(small), node], { rounds: runs * 3 });
  ratio('tmail to an empty node', little.tmail.seconds / little['node -e 0'].seconds, 1.3);

  const half = messages / 2;
  const removed = ({ status }) => status === 0 && statSync(work).size < octets * 0.6;
  const deletion = (name, program) => ({
    name,
    argv: [...program, '-n', '-N', '-f', work],
    input: `d 1-${half}\nq\n`,
    expect: removed,
  });
  const deleting = [
    deletion('tmail', [process.execPath, tmail]),
    ...(has('bsd-mailx') ? [deletion('bsd-mailx', ['bsd-mailx'])] : []),
  ];
  const gone = await compare(`delete the first ${half} of the large mailbox and quit`, deleting, {
    rounds: Math.min(runs, 3),
    before() {
      copyFileSync(big, work);
      spawnSync('sync', ['-f', work]);
    },
  });
  ratio('peak memory in MiB', gone.tmail.peak, 150);
  if (gone['bsd-mailx']) ratio('tmail to bsd-mailx', gone.tmail.seconds / gone['bsd-mailx'].seconds, '1.00');
} finally {
  if (options.includes('--keep')) console.log(`kept: ${place}`);
  else if (existsSync(place)) rmSync(place, { recursive: true });
}
