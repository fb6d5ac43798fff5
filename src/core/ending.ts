/**
 * What must not be left behind when the process ends: a lock file, a terminal in raw mode.
 *
 * `atEnding` registers a synchronous piece of work for every end that lets one work: return from main, process.exit,
 * an uncaught error, and death by SIGHUP, SIGINT or SIGTERM as long as nobody else handles that signal (then the process
 * goes on, and so does what is registered). Nothing is installed while nothing is registered.
 */

type Work = () => void;

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
const registered = new Set<Work>();
let watching = false;

/** Registers `work`; the returned function takes it back. What `work` throws at the end is ignored. */
export function atEnding(work: Work): () => void {
  registered.add(work);
  watch();
  return () => {
    registered.delete(work);
    if (registered.size === 0) unwatchSoon();
  };
}

function runAll(): void {
  for (const work of registered) {
    registered.delete(work);
    try {
      work();
    } catch {
      // The process ends; there is nobody left to tell.
    }
  }
}

/** Dies of the signal as if nobody had caught it. */
function dieOf(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  runAll();
  process.removeListener(signal, dieOf);
  process.kill(process.pid, signal);
}

function watch(): void {
  if (watching) return;
  watching = true;
  process.on('exit', runAll);
  for (const signal of SIGNALS) process.on(signal, dieOf);
}

/**
 * A signal that came during a synchronous stretch reaches its listener when the event loop turns; a listener removed
 * before that would swallow it. Two turns, since the first may have asked for events before the signal came.
 */
function unwatchSoon(): void {
  setImmediate(() => setImmediate(unwatch));
}

function unwatch(): void {
  if (!watching || registered.size > 0) return;
  watching = false;
  process.removeListener('exit', runAll);
  for (const signal of SIGNALS) process.removeListener(signal, dieOf);
}
