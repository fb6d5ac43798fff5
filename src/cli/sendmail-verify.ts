/**
 * `sendmail -bv ADDRESS...`: says where mail for each address would end, and sends nothing. The daemon's own decisions
 * answer, as in `tmail explain`, which says why.
 */
import { EX } from '../core/errors.ts';
import { visible } from '../core/text.ts';
import { type End, explain } from '../daemon/explain.ts';
import { systemResolver } from '../daemon/resolver.ts';
import { daemonSettings } from '../daemon/settings.ts';
import { readTables, tablePaths, usersOnly } from '../daemon/tables.ts';
import { createWorld } from '../daemon/world.ts';
import { isFault, NULL_PATH, parsePath } from '../message/path.ts';
import { foundation, type Invocation } from './services.ts';
import { printText } from './stdio.ts';

/** Exit status 0 when all are deliverable, else that of sysexits.h for an unknown user. */
export async function verify(invocation: Invocation, addresses: readonly string[]): Promise<number> {
  const { config, disk } = await foundation(invocation);
  const settings = daemonSettings(config);
  const { root } = settings.paths;
  const { rules } = readTables(disk, tablePaths(settings.paths), settings.rules, usersOnly(root));
  const resolver = systemResolver({});
  const world = createWorld({ root, resolver, rules: () => rules });
  let good = true;
  for (const address of addresses) {
    const recipient = parsePath(address);
    if (isFault(recipient)) {
      printText(`${visible(address)}... ${recipient.fault}\n`);
      good = false;
      continue;
    }
    const question = { client: { address: '' }, sender: NULL_PATH, recipient };
    const { ends } = await explain(question, { settings, rules, world, resolver });
    for (const end of ends) {
      printText(`${visible(lineOf(end, address))}\n`);
      if (end.kind === 'refused') good = false;
    }
  }
  return good ? EX.ok : EX.noUser;
}

const MAILERS: Readonly<Record<Exclude<End['kind'], 'refused' | 'discarded'>, string>> = {
  mailbox: 'local',
  maildir: 'local',
  file: '*file*',
  program: 'prog',
  remote: 'esmtp',
};

/** As sendmail says it: `lee... deliverable: mailer local, user lee`. */
function lineOf({ kind, path, place }: End, asked: string): string {
  const name = path.at(-1) ?? asked;
  if (kind === 'discarded') return `${name}... deliverable: mailer discard`;
  if (kind === 'refused') return place.includes('... ') ? place.replace(/^\d{3} (?:\S+ )?/, '') : `${name}... ${place}`;
  const where = kind === 'remote' ? `host ${place}, user ${name}` : `user ${kind === 'program' ? place : name}`;
  return `${name}... deliverable: mailer ${MAILERS[kind]}, ${where}`;
}
