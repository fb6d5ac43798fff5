import { expect, it } from 'vitest';
import { message, newPlace, subjects } from '../mailbox/boxes.ts';

it('P19: the pseudo-message of an IMAP server is not shown, and not lost', async () => {
  const place = newPlace();
  const title = "DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";
  const fields = 'X-IMAP: 1740996000 0000000003\nStatus: RO\n';
  const pseudo = message(title, { fields, from: 'MAILER-DAEMON', body: 'internal\n' });
  place.write('box', pseudo + message('a') + message('b'));
  const box = await place.open('box');
  expect(subjects(box)).toEqual(['a', 'b']);
  await box.commit({
    remove: [0],
    prepend: [{ content: Buffer.from('Subject: c\n\nc\n'), sender: 'x', received: 0, quote: true }],
  });
  expect(place.read('box').startsWith(pseudo)).toBe(true);
  const again = await place.open('box');
  expect(subjects(again)).toEqual(['c', 'b']);
  await again.commit({ remove: [0, 1], whenEmpty: 'remove' });
  expect(place.read('box')).toBe(pseudo);
  box.close();
  again.close();
  // A letter that only talks about it is a letter; nothing of ours is ever put into the box.
  place.write('talk', message('a') + message(title));
  const talk = await place.open('talk');
  expect(talk.length).toBe(2);
  expect(talk.uidNext).toBe(3);
  talk.close();
  expect(place.read('talk')).toBe(message('a') + message(title));
  place.remove();
});
