// S23: a domain in both the local and the virtual class: all its users are "unknown".
import { expect, test } from 'vitest';
import { oneHost } from '../daemon/new-lab.ts';

test('such tables are refused, and both lines named', async () => {
  const files = { 'etc/mail/local-host-names': 'a.test\nb.test\n', 'etc/mail/virtual-domains': 'b.test\n' };
  await expect(oneHost('', files)).rejects.toMatchObject({
    message: expect.stringMatching(/virtual-domains:1: "b.test" is in .*local-host-names:2 too/),
    status: 78,
  });
});
