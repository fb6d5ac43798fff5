/**
 * The layers of the program, kept by reading the imports: nothing imports upwards or in a circle, and nothing but
 * core/files.ts writes to the disk.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** What a folder may import besides itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ['core'],
  message: ['core'],
  auth: ['core'],
  mailbox: ['core', 'message'],
  rules: ['core', 'message'],
  smtp: ['core', 'message', 'auth'],
  pop3: ['core', 'message', 'auth'],
  imap: ['core', 'message', 'auth'],
  queue: ['core', 'message'],
  transport: ['core', 'message', 'mailbox', 'queue', 'smtp'],
  session: ['core', 'config', 'message', 'mailbox'],
  line: ['core', 'session', 'message', 'mailbox'],
  tui: ['core', 'session', 'message', 'mailbox'],
  daemon: ['core', 'config', 'message', 'mailbox', 'rules', 'auth', 'smtp', 'pop3', 'imap', 'queue', 'transport'],
  cli: [
    'core',
    'config',
    'message',
    'mailbox',
    'rules',
    'auth',
    'smtp',
    'queue',
    'transport',
    'session',
    'line',
    'tui',
    'daemon',
  ],
};

/** Files that call writing functions of node:fs themselves, and why that is right. */
const WRITERS: Readonly<Record<string, string>> = {
  'core/files.ts': 'the one place that writes',
  'cli/launch.ts': "writes V8's code cache at build time, before anything of the program is loaded",
  'cli/demo.ts': 'makes a temporary folder with a name of its own; everything in it is written through Disk',
  'cli/lab.ts': 'makes and removes a temporary folder with a name of its own',
  'line/editor.ts': 'keeps the lines that were typed; they are no mail, and losing them does no harm',
  'session/shell.ts': 'makes and removes a temporary folder for the editor',
  'daemon/control.ts': 'sets the mode of its socket, of which there is no descriptor',
  'line/output.ts': 'writes to standard output and error',
};

const WRITING =
  /\b(?:write(?:v|File)?(?:Sync)?|append(?:File)?Sync|createWriteStream|rename(?:Sync)?|unlink(?:Sync)?|rm(?:dir)?Sync|mkdir(?:temp)?Sync|mkdtempSync|f?truncateSync|linkSync|symlinkSync|f?chmodSync|f?chownSync|f?utimesSync|f(?:data)?syncSync|copyFileSync|cpSync)\b/i;

interface Import {
  readonly from: string;
  readonly what: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && entry.name !== 'scan-kernel.ts' ? [path] : [];
  });
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const code = withoutComments(text);
  for (const m of code.matchAll(/^(?:import|export)\s+(type\s+)?([^'";]*?\sfrom\s+)?'([^']+)'/gm)) {
    const names = m[2] ?? '';
    const onlyTypes =
      /^\s*\{/.test(names) && [...names.matchAll(/[{,]\s*(type\s)?\s*\w/g)].every((name) => name[1] !== undefined);
    found.push({ from: m[3] ?? '', what: names, typeOnly: m[1] !== undefined || onlyTypes, lazy: false });
  }
  for (const m of code.matchAll(/import\(\s*'([^']+)'\s*\)/g)) {
    found.push({ from: m[1] ?? '', what: '', typeOnly: false, lazy: true });
  }
  return found;
}

const files = new Map(
  sources(SRC).map((path) => {
    const text = readFileSync(path, 'utf8');
    return [relative(SRC, path), { text, imports: importsOf(text) }] as const;
  }),
);

function target(file: string, from: string): string {
  return normalize(join(dirname(file), from));
}

test('the imports are read right', () => {
  const sample =
    "import a, { type B } from './a.ts';\nimport type { C } from './c.ts';\nimport { type D } from './d.ts';\n";
  expect(importsOf(sample).map(({ from, typeOnly }) => [from, typeOnly])).toEqual([
    ['./a.ts', false],
    ['./c.ts', true],
    ['./d.ts', true],
  ]);
  expect(importsOf("const x = await import('./x.ts'); // import('./no.ts')")).toHaveLength(1);
  expect(files.size).toBeGreaterThan(20);
});

test('every folder is a layer that has a place', () => {
  const folders = new Set([...files.keys()].map((file) => file.split('/')[0] ?? ''));
  expect([...folders].filter((folder) => !(folder in LAYERS))).toEqual([]);
});

test('nothing imports upwards', () => {
  const wrong: string[] = [];
  for (const [file, { imports }] of files) {
    const layer = file.split('/')[0] ?? '';
    for (const { from } of imports) {
      if (!from.startsWith('.')) continue;
      const other = target(file, from).split('/')[0] ?? '';
      if (other !== layer && !LAYERS[layer]?.includes(other)) wrong.push(`${file} imports ${from}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('every import of ours names a file that is there, with its ending', () => {
  const wrong: string[] = [];
  for (const [file, { imports }] of files) {
    for (const { from } of imports) {
      if (!from.startsWith('.')) continue;
      if (!files.has(target(file, from)) && !from.endsWith('.json')) wrong.push(`${file}: ${from}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('nothing imports in a circle', () => {
  const edges = new Map(
    [...files].map(([file, { imports }]) => [
      file,
      imports.filter((i) => i.from.startsWith('.') && !i.typeOnly && !i.lazy).map((i) => target(file, i.from)),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].join(' > '));
    if (at >= 0 || done.has(file)) return;
    for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) walk(file, []);
  expect(circles).toEqual([]);
});

test('only core/files.ts writes to the disk', () => {
  const wrong: string[] = [];
  for (const [file, { text, imports }] of files) {
    if (file in WRITERS) continue;
    const fs = imports.filter(({ from, typeOnly }) => /^node:fs(\/promises)?$/.test(from) && !typeOnly);
    for (const { what, from } of fs) {
      const whole = /\*\s+as\s+(\w+)|^\s*(\w+)\s+from/.exec(what);
      const name = whole?.[1] ?? whole?.[2];
      const used =
        name === undefined
          ? what
          : [...withoutComments(text).matchAll(new RegExp(`\\b${name}\\.(\\w+)`, 'g'))].map((m) => m[1]).join(' ');
      if (WRITING.test(used) || from.endsWith('promises')) wrong.push(`${file}: ${used.trim()}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** Loaded at the start of a session, these would cost more than the whole session (each takes 5 to 100 ms). */
const HEAVY = [
  'mailparser',
  'nodemailer',
  'koffi',
  'iconv-lite',
  'chardet',
  'htmlparser2',
  'smol-toml',
  'ink',
  'react',
  'blessed',
];

test('a session in line mode loads no heavy library at its start', () => {
  const reached = new Map<string, string>();
  const walk = (file: string, by: string): void => {
    if (reached.has(file)) return;
    reached.set(file, by);
    for (const { from, typeOnly, lazy } of files.get(file)?.imports ?? []) {
      if (!typeOnly && !lazy && from.startsWith('.')) walk(target(file, from), file);
    }
  };
  walk('cli/main.ts', '');
  const wrong: string[] = [];
  for (const file of reached.keys()) {
    for (const { from, typeOnly, lazy } of files.get(file)?.imports ?? []) {
      const name = from.startsWith('@') ? from : (from.split('/')[0] ?? '');
      if (!typeOnly && !lazy && HEAVY.includes(name))
        wrong.push(`${file} imports ${from}, loaded by ${reached.get(file)}`);
    }
  }
  expect(wrong).toEqual([]);
});
