/** Reads byte ranges of an open file; small ones through a window, so that walking all headers is not one call each. */
import { MailError } from '../core/errors.ts';
import type { Disk } from '../core/files.ts';

const WINDOW = 256 * 1024;
const NONE = new Uint8Array(0);

export class FileReader {
  readonly #disk: Disk;
  #fd: number | undefined;
  #window = NONE;
  #at = 0;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** From now on reads this file, whose content may have changed; undefined: none. */
  use(fd: number | undefined): void {
    this.#fd = fd;
    this.#window = NONE;
  }

  /** Octets that lie near others that will be read: headers. The caller's own copy. */
  near(from: number, length: number): Uint8Array {
    if (length > WINDOW / 4) return this.read(from, length);
    const at = from - this.#at;
    if (at < 0 || at + length > this.#window.length) this.#fill(from);
    const start = from - this.#at;
    const bytes = this.#window.slice(start, start + length);
    if (bytes.length < length) throw shrunk();
    return bytes;
  }

  #fill(from: number): void {
    const window = this.#window.length === WINDOW ? this.#window : new Uint8Array(WINDOW);
    const n = this.#fd === undefined ? 0 : this.#disk.read(this.#fd, window, from);
    this.#window = n === WINDOW ? window : window.slice(0, n);
    this.#at = from;
  }

  /** Octets one after the other, in parts that are good only until `put` returns. */
  parts(from: number, length: number, put: (part: Uint8Array) => void): void {
    for (let done = 0; done < length; ) {
      const place = from + done;
      if (place < this.#at || place >= this.#at + this.#window.length) this.#fill(place);
      const start = place - this.#at;
      const part = this.#window.subarray(start, start + Math.min(length - done, this.#window.length - start));
      if (part.length === 0) throw shrunk();
      put(part);
      done += part.length;
    }
  }

  read(from: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (this.#fd === undefined || this.#disk.read(this.#fd, bytes, from) < length) throw shrunk();
    return bytes;
  }
}

function shrunk(): MailError {
  return new MailError('the mailbox became shorter while it was being read', { temporary: true });
}
