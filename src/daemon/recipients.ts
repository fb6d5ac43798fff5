/**
 * From accepted recipients to those that the queue delivers to: aliases, lists and ~/.forward expanded, each target once.
 *
 * How a target stands in RecipientState.address: `lee` (a user of this host, nothing further to look up), `/file`,
 * `|command`, `local@domain` (elsewhere). What could not be expanded becomes a recipient with its refusal, so that the
 * sender of an accepted message always hears of it.
 */
import { type Path, pathAddress } from '../message/path.ts';
import type { RecipientState } from '../queue/entry.ts';
import { type ExpansionTarget, expand } from '../rules/expand.ts';
import type { Rules } from '../rules/rules.ts';
import type { World } from './world.ts';

export interface ToExpand {
  readonly parts: Pick<Path, 'local' | 'domain'>;
  /** As it was accepted. */
  readonly state: RecipientState;
}

/** Recipients that share an envelope sender. */
export interface Expanded {
  /** The sender from here on, when an `owner-LIST` alias says so. */
  readonly owner: string | undefined;
  readonly recipients: readonly RecipientState[];
  /** Accepted recipients who stand for nobody but those that are there already, for another's sake. */
  readonly merged: readonly string[];
}

export async function expandRecipients(
  accepted: readonly ToExpand[],
  rules: Rules,
  world: World,
): Promise<readonly Expanded[]> {
  const groups = new Map<string | undefined, RecipientState[]>();
  const seen = new Set<string>();
  const merged: string[] = [];
  const put = (owner: string | undefined, state: RecipientState) => {
    const key = `${state.address}\n${state.asUser ?? ''}`;
    if (seen.has(key)) return;
    seen.add(key);
    const group = groups.get(owner);
    if (group === undefined) groups.set(owner, [state]);
    else group.push(state);
  };
  for (const { parts, state } of accepted) {
    const before = seen.size;
    const { targets, problems } = await world.settle(() => expand([parts], rules, world.lookups));
    for (const target of targets) put(target.owner, { ...state, ...addressOf(target) });
    for (const { address, refusal } of problems) {
      put(undefined, { ...state, address, refusal: { status: refusal.status, text: refusal.text } });
    }
    if (targets.length === 0 && problems.length === 0) {
      // RFC 3463 3.3: a mailing list expansion problem. Nobody would ever hear of the message.
      put(undefined, { ...state, refusal: { status: '5.2.4', text: `${state.original}... the list names nobody` } });
    }
    if (seen.size === before) merged.push(state.original);
  }
  return [...groups].map(([owner, recipients], index) => ({ owner, recipients, merged: index === 0 ? merged : [] }));
}

/** The merged of all groups. */
export function mergedOf(groups: readonly Expanded[]): readonly string[] {
  return groups.flatMap(({ merged }) => merged);
}

function addressOf(target: ExpansionTarget): Pick<RecipientState, 'address'> & Partial<RecipientState> {
  switch (target.kind) {
    case 'user':
      return { address: target.detail === undefined ? target.user : `${target.user}+${target.detail}` };
    case 'file':
      return { address: target.file, ...(target.asUser === undefined ? {} : { asUser: target.asUser }) };
    case 'program':
      return { address: `|${target.command}`, ...(target.asUser === undefined ? {} : { asUser: target.asUser }) };
    case 'remote':
      return { address: pathAddress(target) };
  }
}
