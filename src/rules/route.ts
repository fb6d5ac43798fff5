/**
 * Where mail for a domain elsewhere goes: mailertable, then the smart host, then its own MX (RFC 5321 5.1).
 *
 * Pure: a Route names hosts; MX and address records are the transport's to look up. `[host]` means: no MX, the host itself.
 */
import { parseDomain } from '../message/path.ts';
import type { Rules } from './rules.ts';
import { type Entry, parseErrorText, type Refusal, type Source, type TraceStep } from './table.ts';

export interface NextHop {
  /** A host name, or an address without brackets. */
  readonly host: string;
  /** False: `[host]`, its addresses are used, not its MX. */
  readonly mx: boolean;
  readonly port: number | undefined;
}

export type Route =
  /** To these hosts, the first that answers. */
  | {
      readonly kind: 'smtp';
      readonly mailer: 'smtp' | 'esmtp' | 'relay' | 'lmtp';
      readonly hops: readonly NextHop[];
      readonly at?: Source;
    }
  /** To the MX of the domain itself. */
  | { readonly kind: 'mx'; readonly domain: string }
  /** mailertable `local:` or `local:user`: here after all. */
  | { readonly kind: 'local'; readonly user: string | undefined; readonly at: Source }
  | { readonly kind: 'error'; readonly refusal: Refusal; readonly at: Source }
  | { readonly kind: 'discard'; readonly at: Source };

/** The route of a domain that is not ours. An address literal goes to that address, or to the smart host. */
export function route(domain: string, rules: Rules, trace: TraceStep[] = []): Route {
  if (!domain.startsWith('[')) {
    const entry = mailerEntry(rules, domain, trace);
    if (entry !== undefined) return fromMailer(entry);
  }
  const { smartHost } = rules.options.relay;
  if (smartHost !== '') {
    trace.push({ rule: 'smart_host', result: 'hit', key: domain, text: smartHost });
    const { mailer, rest } = splitMailer(smartHost);
    return {
      kind: 'smtp',
      mailer:
        domain.startsWith('[') && mailer === ''
          ? 'esmtp'
          : mailer === 'lmtp' || mailer === 'smtp' || mailer === 'esmtp'
            ? mailer
            : 'relay',
      hops: parseHops(rest),
    };
  }
  trace.push({ rule: 'smart_host', result: 'pass' });
  if (domain.startsWith('[')) {
    return {
      kind: 'smtp',
      mailer: 'esmtp',
      hops: [{ host: domain.slice(1, -1).replace(/^ipv6:/, ''), mx: false, port: undefined }],
    };
  }
  return { kind: 'mx', domain };
}

/** `host`, then `.domain` for each domain above it, then `.`. */
function mailerEntry(rules: Rules, domain: string, trace: TraceStep[]): Entry | undefined {
  const keys = [domain];
  for (let at = domain.indexOf('.'); at >= 0; at = domain.indexOf('.', at + 1)) keys.push(domain.slice(at));
  keys.push('.');
  for (const key of keys) {
    const entry = rules.mailers.entries.get(key);
    trace.push({
      rule: 'mailertable',
      result: entry === undefined ? 'miss' : 'hit',
      key,
      ...(entry === undefined ? {} : { at: entry, text: entry.value }),
    });
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function splitMailer(value: string): { mailer: string; rest: string } {
  const found = /^(smtp|esmtp|relay|lmtp|local|error|discard):(.*)$/is.exec(value);
  return found === null
    ? { mailer: '', rest: value }
    : { mailer: (found[1] ?? '').toLowerCase(), rest: (found[2] ?? '').trim() };
}

function fromMailer(entry: Entry): Route {
  const { mailer, rest } = splitMailer(entry.value);
  const at = { file: entry.file, line: entry.line };
  if (mailer === 'error') return { kind: 'error', refusal: parseErrorText(rest) ?? UNAVAILABLE, at };
  if (mailer === 'discard') return { kind: 'discard', at };
  if (mailer === 'local') return { kind: 'local', user: rest === '' ? undefined : rest, at };
  return {
    kind: 'smtp',
    mailer: mailer === 'lmtp' || mailer === 'relay' || mailer === 'smtp' ? mailer : 'esmtp',
    hops: parseHops(rest),
    at,
  };
}

const UNAVAILABLE: Refusal = { code: 554, status: '5.3.0', text: 'Unavailable' };

/** `host`, `[host]`, `[IPv6:…]`, `host:port`, `host port`, and several between `:` or `,`. */
export function parseHops(text: string): NextHop[] {
  const hops: NextHop[] = [];
  for (const word of text.match(/\[[^\]]*\]|[^\s:,[\]]+/g) ?? []) {
    const last = hops.at(-1);
    if (/^\d{1,5}$/.test(word) && last !== undefined && last.port === undefined) {
      hops[hops.length - 1] = { ...last, port: Number(word) };
    } else if (word.startsWith('[')) {
      hops.push({
        host: word
          .slice(1, -1)
          .replace(/^ipv6:/i, '')
          .toLowerCase(),
        mx: false,
        port: undefined,
      });
    } else hops.push({ host: parseDomain(word) ?? word.toLowerCase(), mx: !/^[\d.]+$/.test(word), port: undefined });
  }
  return hops;
}
