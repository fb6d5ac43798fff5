/**
 * Cleaning up after whoever asks: a test, or a whole file that asks while it is collected or in beforeAll.
 *
 * Test files share their modules, so a hook that a helper registers when it is loaded would run for one of them only.
 */
import { afterAll, onTestFinished } from 'vitest';

const later: (() => Promise<void> | void)[] = [];

/** Runs `work` when the running test is done; outside of tests, when `cleanUp` is called. */
export function whenDone(work: () => Promise<void> | void): void {
  try {
    onTestFinished(work);
  } catch {
    later.push(work);
  }
}

/** Call it at the top of a file that makes things outside of its tests. */
export function cleanUpAfterwards(): void {
  afterAll(async () => {
    for (const work of later.splice(0).reverse()) await work();
  });
}
