/**
 * A name under which an attachment can be saved, made of the one that the sender gave it.
 */
import { visible } from '../core/text.ts';

/** Octets that file systems allow in one name. */
const LONGEST = 255;
/** Characters of a name that are looked at, from its end. */
const MOST_READ = 2000;
/** An ending longer than this is none. */
const LONGEST_ENDING = 20;

/**
 * One path component that stays in its folder, is not hidden, and shows its true ending: slashes and backslashes cut off
 * all before them, control and invisible characters become `_`, and a name that is too long loses its middle. Never
 * empty, never `.` or `..`.
 */
export function safeFileName(name: string, otherwise = 'attachment'): string {
  const last =
    name
      .slice(-MOST_READ)
      .split(/[/\\]/)
      .filter((piece) => !/^[\s.]*$/.test(piece))
      .pop() ?? '';
  const plain = Array.from(last, (character) =>
    visible(character) === character && !/[\p{C}\p{Z}:*?"<>|]/u.test(character)
      ? character
      : character === ' '
        ? ' '
        : '_',
  )
    .join('')
    .replace(/\s+/g, ' ')
    .replace(/^[\s.~-]+/, '')
    .replace(/[\s.]+$/, '');
  return shortened(plain === '' ? otherwise : plain);
}

function shortened(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST) return name;
  const dot = name.lastIndexOf('.');
  const ending = dot > 0 && Buffer.byteLength(name.slice(dot)) <= LONGEST_ENDING ? name.slice(dot) : '';
  let stem = '';
  let left = LONGEST - Buffer.byteLength(ending);
  for (const character of name.slice(0, name.length - ending.length)) {
    left -= Buffer.byteLength(character);
    if (left < 0) break;
    stem += character;
  }
  return stem + ending;
}
