/**
 * HTML of a message as text to read: paragraphs, lists, tables, quotes, links numbered and listed at the end.
 *
 * Scripts, styles and what the sender hid are left out; nothing is ever fetched: an image is its alternative text. Mail is
 * hostile, so there is no tree and no recursion: tokens come one by one, elements open beyond DEEPEST count as text
 * around them, and tables inside tables beyond DEEPEST_TABLE are paragraphs.
 */
import { Tokenizer } from 'htmlparser2';
import { visible } from '../core/text.ts';
import { columnsOf, laidOut, Sink } from './html-layout.ts';

/** More HTML than this (characters) is cut, and the text says so. */
const LONGEST = 4_000_000;
const DEEPEST = 200;
const DEEPEST_TABLE = 12;
/** Quotes and lists indent up to this many levels. */
const DEEPEST_INDENT = 12;
const MOST_LINKS = 2000;

/** Never text: what a reader does not show, or what only its author reads. */
const LEFT_OUT = new Set(
  'script style title template iframe object svg math canvas noembed noframes audio video select datalist'.split(' '),
);
const VOID = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '));
/** Begin and end on lines of their own; those with `true` also have an empty line around them. */
const BLOCKS: ReadonlyMap<string, boolean> = new Map([
  ...'p h1 h2 h3 h4 h5 h6 ul ol dl blockquote pre table figure hr'.split(' ').map((name) => [name, true] as const),
  ...(
    'div li dt dd tr caption address article aside center details summary fieldset figcaption footer form header main ' +
    'nav section legend option body thead tbody tfoot'
  )
    .split(' ')
    .map((name) => [name, false] as const),
]);
/** What a start tag ends when it is still open, up to the element that keeps them apart. */
const ENDS: ReadonlyMap<string, { readonly ends: readonly string[]; readonly within: readonly string[] }> = new Map([
  ['li', { ends: ['li'], within: ['ul', 'ol', 'table'] }],
  ['dt', { ends: ['dt', 'dd'], within: ['dl', 'table'] }],
  ['dd', { ends: ['dt', 'dd'], within: ['dl', 'table'] }],
  ['tr', { ends: ['tr'], within: ['table'] }],
  ['td', { ends: ['td', 'th'], within: ['tr', 'table'] }],
  ['th', { ends: ['td', 'th'], within: ['tr', 'table'] }],
  ['p', { ends: ['p'], within: ['div', 'td', 'th', 'li', 'blockquote', 'table'] }],
  ['option', { ends: ['option'], within: ['select'] }],
]);

interface Table {
  readonly rows: Sink[][];
  /** Holds another table or so many blocks that it is layout. */
  layout: boolean;
}

interface Element {
  readonly name: string;
  readonly hidden: boolean;
  readonly pre: boolean;
  /** What the lines inside are indented with. */
  readonly indent: string;
  /** Of a list: the number of the next item, or 0 for bullets. */
  counter: number;
  readonly href: string | undefined;
  readonly table: Table | undefined;
}

/** Lines of at most `cells` cells, all visible; the links of the text follow it. */
export function htmlLines(html: string, cells: number): string[] {
  const source = html.length > LONGEST ? html.slice(0, LONGEST) : html;
  const reader = new Reader(source, cells);
  const tokenizer = new Tokenizer({ xmlMode: false, decodeEntities: true }, reader);
  tokenizer.write(source);
  tokenizer.end();
  const lines = reader.finish();
  if (html.length > LONGEST) lines.push('', '[the rest of this HTML is too long to be shown]');
  return lines;
}

class Reader {
  readonly #source: string;
  readonly #cells: number;
  readonly #elements: Element[] = [
    { name: '', hidden: false, pre: false, indent: '', counter: 0, href: undefined, table: undefined },
  ];
  readonly #sinks: Sink[] = [new Sink()];
  readonly #links: string[] = [];
  #tables = 0;
  #tag = '';
  #attribute = '';
  #value = '';
  #attributes = new Map<string, string>();
  #linkText = '';
  /** Text up to the next tag: entities come one by one, and joiners must be seen between their neighbours. */
  #pending = '';

  constructor(source: string, cells: number) {
    this.#source = source;
    this.#cells = cells;
  }

  get #top(): Element {
    return this.#elements[this.#elements.length - 1] as Element;
  }

  get #sink(): Sink {
    return this.#sinks[this.#sinks.length - 1] as Sink;
  }

  finish(): string[] {
    while (this.#elements.length > 1) this.#pop();
    this.#sink.end('', false);
    const lines = this.#sink.lines.flatMap((line) => laidOut(line, this.#cells));
    if (this.#links.length > 0) lines.push('', ...this.#links.map((href, at) => `[${at + 1}] ${visible(href)}`));
    return lines;
  }

  // Events of the tokenizer. Offsets are into the one chunk that is written.

  ontext(start: number, end: number): void {
    this.#pending += this.#source.slice(start, end);
  }
  ontextentity(codepoint: number): void {
    this.#pending += String.fromCodePoint(codepoint);
  }
  onopentagname(start: number, end: number): void {
    this.#flush();
    this.#tag = this.#source.slice(start, Math.min(end, start + 30)).toLowerCase();
    this.#attributes = new Map();
  }
  onattribname(start: number, end: number): void {
    this.#attribute = this.#source.slice(start, Math.min(end, start + 30)).toLowerCase();
  }
  onattribdata(start: number, end: number): void {
    if (this.#value.length < 10_000) this.#value += this.#source.slice(start, end);
  }
  onattribentity(codepoint: number): void {
    this.#value += String.fromCodePoint(codepoint);
  }
  onattribend(): void {
    if (this.#attributes.size < 100 && !this.#attributes.has(this.#attribute))
      this.#attributes.set(this.#attribute, this.#value);
    this.#value = '';
  }
  onopentagend(): void {
    this.#start(this.#tag, this.#attributes);
  }
  onselfclosingtag(): void {
    this.#start(this.#tag, this.#attributes);
    if (!VOID.has(this.#tag) && LEFT_OUT.has(this.#tag)) this.#close(this.#tag);
  }
  onclosetag(start: number, end: number): void {
    this.#flush();
    this.#close(
      this.#source
        .slice(start, Math.min(end, start + 30))
        .trim()
        .toLowerCase(),
    );
  }
  oncdata(): void {}
  oncomment(): void {}
  ondeclaration(): void {}
  onend(): void {
    this.#flush();
  }
  onprocessinginstruction(): void {}

  #flush(): void {
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    this.#text(text);
  }

  #text(raw: string): void {
    const { hidden, pre, href } = this.#top;
    if (hidden) return;
    const text = layoutCharactersOut(raw);
    if (href !== undefined && this.#linkText.length < 500) this.#linkText += text;
    if (pre) {
      this.#preformatted(text);
      return;
    }
    const collapsed = text.replace(/[ \t\r\n\f]+/g, ' ').replaceAll('\u00a0', ' ');
    this.#sink.add(
      this.#sink.atStart && collapsed.startsWith(' ') && !text.startsWith('\u00a0') ? collapsed.slice(1) : collapsed,
    );
  }

  #preformatted(text: string): void {
    const { indent } = this.#top;
    const [first = '', ...others] = text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').split('\n');
    this.#sink.add(first);
    for (const line of others) {
      if (this.#sink.lineEmpty) this.#sink.emptyLine(indent);
      else this.#sink.end(indent, true);
      this.#sink.add(line);
    }
  }

  #break(gap: boolean): void {
    this.#sink.end(this.#top.indent, this.#top.pre);
    if (gap) this.#sink.gap();
  }

  #start(name: string, attributes: ReadonlyMap<string, string>): void {
    const rule = ENDS.get(name);
    if (rule !== undefined) this.#endOpen(rule.ends, rule.within);
    const parent = this.#top;
    if (!parent.hidden) {
      const gap = BLOCKS.get(name);
      if (gap !== undefined) this.#break(gap);
      if (name === 'br') this.#lineBreak();
      else if (name === 'hr') this.#rule();
      else if (name === 'img') this.#image(attributes);
      else if (name === 'input')
        this.#sink.add(
          ['text', 'submit', 'button'].includes(attributes.get('type') ?? '')
            ? `[${attributes.get('value') ?? ''}]`
            : '',
        );
    }
    if (VOID.has(name) || this.#elements.length >= DEEPEST) return;
    this.#push(name, attributes, parent);
  }

  /** A second one in a row makes an empty line; more make no more. */
  #lineBreak(): void {
    if (this.#sink.lineEmpty) this.#sink.gap();
    this.#break(false);
  }

  #rule(): void {
    this.#sink.add('-'.repeat(Math.min(40, this.#cells)));
    this.#break(true);
  }

  #image(attributes: ReadonlyMap<string, string>): void {
    const alternative = (attributes.get('alt') ?? '').replace(/\s+/g, ' ').trim();
    if (alternative === '' || attributes.get('width') === '1' || attributes.get('height') === '1') return;
    this.#text(`[${alternative}]`);
  }

  #push(name: string, attributes: ReadonlyMap<string, string>, parent: Element): void {
    const hidden = parent.hidden || LEFT_OUT.has(name) || isHidden(attributes);
    let { indent } = parent;
    const deep = indent.length >= 2 * DEEPEST_INDENT;
    if (name === 'blockquote' && !deep) indent += '> ';
    else if (
      (name === 'dd' || ((name === 'ul' || name === 'ol') && parent.name !== '' && insideList(this.#elements))) &&
      !deep
    )
      indent += '  ';
    const table = name === 'table' && !hidden && this.#tables < DEEPEST_TABLE ? { rows: [], layout: false } : undefined;
    if (table !== undefined) {
      this.#tables++;
      for (const element of this.#elements) if (element.table !== undefined) element.table.layout = true;
    }
    const href = name === 'a' && !hidden ? linkTarget(attributes.get('href')) : parent.href;
    if (name === 'a') this.#linkText = '';
    const counter = name === 'ol' ? Number.parseInt(attributes.get('start') ?? '1', 10) || 1 : 0;
    this.#elements.push({
      name,
      hidden,
      pre: parent.pre || name === 'pre' || name === 'xmp' || name === 'listing',
      indent: table === undefined ? indent : '',
      counter,
      href,
      table,
    });
    if (hidden) return;
    if (name === 'li') this.#item();
    else if (name === 'tr') this.#table()?.rows.push([]);
    else if (name === 'td' || name === 'th') this.#cell();
  }

  #item(): void {
    const list = this.#elements.findLast(({ name }) => name === 'ul' || name === 'ol');
    this.#sink.mark(list !== undefined && list.name === 'ol' ? `${list.counter++}. ` : '* ');
  }

  /** The innermost table, if the current element is in its rows. */
  #table(): Table | undefined {
    return this.#elements.findLast(({ table }) => table !== undefined)?.table;
  }

  #cell(): void {
    const table = this.#table();
    if (table === undefined) return;
    if (table.rows.length === 0) table.rows.push([]);
    const cell = new Sink();
    table.rows[table.rows.length - 1]?.push(cell);
    this.#sinks.push(cell);
  }

  #close(name: string): void {
    if (name === 'br') this.#start('br', new Map());
    if (name === 'p' && !this.#elements.some((element) => element.name === 'p')) return;
    const at = this.#elements.findLastIndex((element) => element.name === name);
    if (at <= 0) return;
    // An end tag of something around a table does not close what is open in its cells.
    const barrier = this.#elements.findLastIndex(
      (element) => element.name === 'td' || element.name === 'th' || element.name === 'table',
    );
    if (at < barrier && !['table', 'tr', 'tbody', 'thead', 'tfoot', 'body', 'html'].includes(name)) return;
    while (this.#elements.length > at) this.#pop();
  }

  #endOpen(ends: readonly string[], within: readonly string[]): void {
    for (let at = this.#elements.length - 1; at > 0; at--) {
      const { name } = this.#elements[at] as Element;
      if (within.includes(name)) return;
      if (!ends.includes(name)) continue;
      while (this.#elements.length > at) this.#pop();
      return;
    }
  }

  #pop(): void {
    const element = this.#top;
    if (element.href !== undefined && element.name === 'a' && !element.hidden) this.#link(element.href);
    if (!element.hidden) {
      const gap = BLOCKS.get(element.name);
      if (gap !== undefined || element.name === 'td' || element.name === 'th') this.#break(gap === true);
    }
    const cell = (element.name === 'td' || element.name === 'th') && !element.hidden && this.#table() !== undefined;
    this.#elements.pop();
    if (cell && this.#sinks.length > 1) this.#sinks.pop();
    if (element.table !== undefined) {
      this.#tables--;
      this.#layOut(element.table);
    }
  }

  #link(href: string): void {
    const text = this.#linkText.replace(/\s+/g, ' ').trim();
    if (text === '' || text === href || `mailto:${text}` === href || href.replace(/^https?:\/\/|\/$/g, '') === text) {
      if (text !== '' || this.#sink.empty) return;
    }
    let number = this.#links.indexOf(href) + 1;
    if (number === 0) {
      if (this.#links.length >= MOST_LINKS) return;
      number = this.#links.push(href);
    }
    if (text !== '') this.#sink.add(`[${number}]`);
  }

  #takeCell({ lines }: Sink, indent: string): void {
    if (lines.length > 1) this.#sink.gap();
    this.#sink.take(lines, indent);
    if (lines.length > 1) this.#sink.gap();
  }

  /** Rows of short cells become columns; other tables are layout, read cell by cell. */
  #layOut({ rows, layout }: Table): void {
    const filled = rows
      .map((row) => row.filter((cell) => cell.lines.length > 0 || row.length > 1))
      .filter((row) => row.some((cell) => cell.lines.length > 0));
    const { indent } = this.#top;
    const grid = layout ? undefined : columnsOf(filled, this.#cells - indent.length);
    if (grid !== undefined)
      this.#sink.take(
        grid.map((text) => ({ first: '', rest: '', text, fixed: true })),
        indent,
      );
    else for (const cell of filled.flat()) this.#takeCell(cell, indent);
    this.#sink.gap();
  }
}

const insideList = (elements: readonly Element[]): boolean =>
  elements.some(({ name }) => name === 'ul' || name === 'ol');

/** Addresses worth listing; never one that does something. */
function linkTarget(href: string | undefined): string | undefined {
  const target = href?.trim().replace(/[\s\u0000-\u001f]+/g, '') ?? '';
  return /^(?:https?|ftps?|mailto|news|tel|xmpp|irc|ircs|sip|webcal|geo|magnet|gopher|gemini):/i.test(target) &&
    target.length < 4000
    ? target
    : undefined;
}

/** What the sender hid from view: lines for a preview pane, tracking text. */
function isHidden(attributes: ReadonlyMap<string, string>): boolean {
  if (attributes.has('hidden')) return true;
  const style = attributes.get('style');
  return (
    style !== undefined &&
    /display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?![.\d]*[1-9])|max-height\s*:\s*0(?![.\d]*[1-9])/i.test(
      style,
    )
  );
}

/** Characters that only lay out a page: soft hyphens, fillers of preview lines, places for a break. */
function layoutCharactersOut(text: string): string {
  if (!/\u034f|[\u00ad\u200b-\u200d\u2060\ufeff]/.test(text)) return text;
  return text
    .replace(/\u034f|[\u00ad\u200b\u2060\ufeff]/g, '')
    .replace(/[\u200c\u200d](?=[\s\u200c\u200d]|$)|(?<=^|\s)[\u200c\u200d]/g, '');
}
