/** A process that ends in the way its argument says, with something registered that prints "tidy". */
import { existsSync, writeSync } from 'node:fs';
import { atEnding } from '../../src/core/ending.ts';

const [way = '', file = ''] = process.argv.slice(2);
const say = (text: string) => void writeSync(1, `${text}\n`);
const forget = atEnding(() => say('tidy'));

const WAYS: Record<string, () => void> = {
  return: () => {},
  exit: () => process.exit(3),
  throw() {
    throw new Error('on purpose');
  },
  wait: () => void process.stdin.resume(),
  forgotten() {
    forget();
    process.exit(0);
  },
  handled() {
    process.on('SIGTERM', () => say('handled'));
    process.stdin.resume();
  },
  /** The signal comes during a synchronous stretch, at whose end nothing is registered any more. */
  busy() {
    say('busy');
    while (!existsSync(file));
    forget();
    process.stdin.resume();
  },
};

say('started');
WAYS[way]?.();
