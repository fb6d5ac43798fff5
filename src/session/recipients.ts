/**
 * Whom a letter goes to: what was typed as names, aliases of .mailrc spelled out, each recipient once.
 *
 * Names are separated by commas or blanks (`ann bob@example.net, "Carol B" <carol@example.net>`). A name without `@` is
 * an alias, else a user of this host. With `expandaddr`, names with a `/` or a leading `+` are files that get a copy and
 * `|command` is run with the message; without it they are refused, since addresses come out of strangers' mail as well.
 */
import { UserError } from '../core/errors.ts';
import { type Address, parseAddresses } from '../message/address.ts';
import { normalAddress, refuseLineEnds } from '../message/fields.ts';
import { addressKey, isOwn, type Own } from '../message/reply.ts';
import type { Services } from './io.ts';
import { expandAliases } from './names.ts';
import type { Settings } from './session.ts';
import { isSet } from './settings.ts';

/** Lists of names as they were typed. */
export interface Names {
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
}

export interface Recipients extends Names {
  /** Files that get a copy (`expandaddr`), as typed. */
  readonly files: readonly string[];
  /** Shell commands that get the message on standard input (`expandaddr`). */
  readonly commands: readonly string[];
}

/** Splits at commas outside quotes, comments and angle brackets. */
function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  let quoted = false;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === '\\') {
      part += char + (text[++i] ?? '');
      continue;
    }
    if (char === '"') quoted = !quoted;
    else if (!quoted && (char === '(' || char === '<')) depth++;
    else if (!quoted && (char === ')' || char === '>')) depth = Math.max(0, depth - 1);
    if (char === ',' && !quoted && depth === 0) {
      parts.push(part);
      part = '';
    } else part += char;
  }
  parts.push(part);
  return parts.map((one) => one.trim()).filter((one) => one !== '');
}

/** Names as a user types them. `|command` and names in quotes may hold blanks. A line end is refused: whatever stands
 *  behind it was not meant to be a name. */
export function parseNames(text: string): Address[] {
  refuseLineEnds('recipient', text);
  return splitAtCommas(text).flatMap((part) => {
    if (part.startsWith('|')) return [{ name: '', address: part }];
    if (/[<("]|:.*;$/.test(part)) return parseAddresses(part).filter(({ address }) => address !== '');
    return part.split(/\s+/).map((address) => ({ name: '', address }));
  });
}

/** The user's own addresses, by login name, `from` and `alternates`. `sender` beats the variable (`-r`). */
export function ownAddresses(services: Services, settings: Settings, sender?: string): Own {
  const { user, hostname } = services;
  const host = hostname.toLowerCase();
  const hosts = [...new Set([host, host.split('.')[0] ?? host, 'localhost', 'localhost.localdomain'])];
  const named = parseNames(sender ?? settings.variables.get('from') ?? '');
  const others = sender === undefined ? [] : parseNames(settings.variables.get('from') ?? '');
  const [first] = named;
  const from = first ?? { name: user.fullName, address: `${user.name}@${hostname}` };
  const mine = [...named, ...others].map(({ address }) => address);
  return { from, addresses: [user.name, ...mine, ...settings.alternates], hosts };
}

interface Found {
  readonly one: Address;
  /** It came out of an alias. */
  readonly member: boolean;
}

/** Spells out aliases (names.ts). What has a name beside its address is no alias. */
function spellOut(list: readonly Address[], settings: Settings): Found[] {
  return list.flatMap((one) => {
    if (one.name !== '') return [{ one, member: false }];
    const { addresses, fromAlias } = expandAliases(settings, [one.address]);
    return addresses.flatMap((text) => parseNames(text).map((found) => ({ one: found, member: fromAlias.has(text) })));
  });
}

function isFileName(address: string): boolean {
  return address.startsWith('+') || address.startsWith('./') || (address.includes('/') && !address.includes('@'));
}

/**
 * Everybody who gets the letter, each once, in the list that names them first. The user is taken out of groups unless
 * `metoo` is set or nobody else would be left. Throws a UserError for what cannot be a recipient.
 */
export function expandNames(names: Names, settings: Settings, own: Own): Recipients {
  const lists = [names.to, names.cc, names.bcc].map((list) => spellOut(list, settings));
  const files: string[] = [];
  const commands: string[] = [];
  const addresses = lists.map((list) =>
    list.filter(({ one }) => {
      const special = one.address.startsWith('|') || isFileName(one.address);
      if (special) (one.address.startsWith('|') ? commands : files).push(one.address);
      return !special;
    }),
  );
  if (files.length + commands.length > 0 && !isSet(settings, 'expandaddr')) {
    throw new UserError(`not an address: ${files[0] ?? commands[0]} (set expandaddr to send to files and commands)`);
  }
  const group = (found: Found) => found.member && isOwn(own, found.one.address);
  const others = addresses.map((list) => list.filter((found) => isSet(settings, 'metoo') || !group(found)));
  const kept = others.some((list) => list.length > 0) ? others : addresses;
  const taken = new Set<string>();
  const [to = [], cc = [], bcc = []] = kept.map((list) =>
    list.flatMap(({ one }) => {
      const key = addressKey(one.address, own.hosts);
      if (taken.has(key)) return [];
      taken.add(key);
      return [{ name: one.name, address: checked(one.address) }];
    }),
  );
  const everybody = to.length + cc.length + bcc.length + files.length + commands.length;
  if (everybody === 0 && names.to.length + names.cc.length + names.bcc.length > 0) {
    const first = [...names.to, ...names.cc, ...names.bcc][0]?.address;
    throw new UserError(`alias ${first} names nobody, or only itself: nothing sent`);
  }
  return { to, cc, bcc, files: [...new Set(files)], commands: [...new Set(commands)] };
}

/** A bare name that begins with a dash would be an option to some delivery program. */
function checked(address: string): string {
  if (/^-/.test(address) && !address.includes('@')) throw new UserError(`not a recipient: ${address}`);
  return normalAddress(address);
}
