/**
 * Whose turn it is within this process: callers that name the same thing queue up.
 */

/** By name: settles when the last one in the queue is done. */
const queues = new Map<string, Promise<void>>();

/**
 * Waits until everybody who asked for `name` before has called the function that they were given, and returns ours; it
 * may be called more than once. Undefined after `timeoutMs`.
 */
export async function takeTurn(name: string, timeoutMs: number): Promise<(() => void) | undefined> {
  const before = queues.get(name);
  let leave = () => {};
  const mine = new Promise<void>((done) => {
    leave = done;
  });
  const tail = before === undefined ? mine : before.then(() => mine);
  queues.set(name, tail);
  void tail.then(() => {
    if (queues.get(name) === tail) queues.delete(name);
  });
  if (before === undefined || (await settles(before, timeoutMs))) return leave;
  leave();
  return undefined;
}

async function settles(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((done) => {
    timer = setTimeout(() => done(false), timeoutMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
