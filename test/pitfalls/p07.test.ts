import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { locate } from '../../src/mailbox/open.ts';
import { newPlace } from '../mailbox/boxes.ts';

it('P07: a FIFO, socket or device is refused at once', async () => {
  const place = newPlace();
  execFileSync('mkfifo', [place.path('fifo')]);
  const server = createServer();
  await new Promise<void>((done) => server.listen(place.path('socket'), done));
  for (const path of [place.path('fifo'), place.path('socket'), '/dev/zero']) {
    expect(() => locate(place.context, path)).toThrow(UserError);
    expect(() => locate(place.context, path)).toThrow(/is not a mailbox but a FIFO, socket or device/);
  }
  await new Promise((done) => server.close(done));
  place.remove();
});
