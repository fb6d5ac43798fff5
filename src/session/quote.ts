/**
 * Messages of the mailbox as text to put into a letter (`~f ~m`, forward). Loaded when it is asked for: a letter from a
 * pipe needs no renderer.
 */
import { renderMessage } from '../message/render.ts';
import { contentOf, type Session } from './session.ts';

/** The message as it is read, each line behind `prefix`; without ignored header fields unless `allHeaders`. */
export async function messageText(
  session: Session,
  number: number,
  how: { readonly prefix: string; readonly allHeaders: boolean },
): Promise<Uint8Array> {
  const { ignored, retained } = session.settings;
  const options = { columns: undefined, ignored, retained, allHeaders: how.allHeaders };
  const lines = await renderMessage(contentOf(session, number - 1), options);
  return Buffer.from(`${lines.map((line) => `${how.prefix}${line}`.trimEnd()).join('\n')}\n`);
}
