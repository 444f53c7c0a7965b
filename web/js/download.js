// One file that somebody offers: taken when wanted, put together, checked. Knows: pieces and their sum.
// Does not know: channels, or the page.

import { Sha256 } from './sha256.js';

/** @typedef {'offered' | 'receiving' | 'done' | 'damaged' | 'cancelled' | 'gone'} DownloadState */
/** @typedef {{file: string, from: string, name: string, size: number, mime: string, sha256?: string, to: string | null}} Offer */

const ACKNOWLEDGE_EVERY = 128 * 1024;
const STALLED_MS = 4000; // without a byte: asked for again, from where it stopped
const PART = 4 * 1024 * 1024; // pieces become a Blob, which the browser may keep on disk

export class Download {
  /** @type {DownloadState} */
  state = 'offered';
  received = 0;
  /** The whole of it, once it is done. @type {Blob | null} */
  blob = null;
  /** As received. */
  sha256 = '';
  #tell;
  #changed;
  #hash = new Sha256();
  /** @type {Blob[]} */
  #parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  #pieces = [];
  #inPieces = 0;
  #acknowledged = 0;
  #lastByte = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;

  /** @param {Offer} offer @param {(message: Record<string, unknown>) => void} tell  the one who offers it @param {() => void} changed */
  constructor(offer, tell, changed) {
    this.offer = offer;
    this.#tell = tell;
    this.#changed = changed;
  }

  get active() {
    return this.state === 'receiving';
  }

  /** Asks for it. */
  pull() {
    if (this.state === 'receiving' || this.state === 'done' || this.state === 'gone') return;
    this.#enter('receiving');
    this.received = this.#acknowledged = this.#inPieces = 0;
    this.#hash = new Sha256();
    this.#parts = [];
    this.#pieces = [];
    this.#ask();
    this.#watch = setInterval(() => performance.now() - this.#lastByte > STALLED_MS && this.#ask(), 500);
  }

  /** @param {number} offset @param {Uint8Array<ArrayBuffer>} data */
  piece(offset, data) {
    if (!this.active || offset !== this.received || offset + data.length > this.offer.size) return; // of an earlier attempt
    this.#lastByte = performance.now();
    this.#hash.update(data);
    this.#pieces.push(data);
    this.#inPieces += data.length;
    this.received += data.length;
    if (this.#inPieces >= PART) this.#pack();
    if (this.received - this.#acknowledged >= ACKNOWLEDGE_EVERY || this.received === this.offer.size) this.#acknowledge();
  }

  /** @param {string} sha256  as the sender has computed it */
  end(sha256) {
    if (!this.active || this.received !== this.offer.size) return;
    this.#pack();
    this.sha256 = this.#hash.hex();
    const whole = this.sha256 === sha256 && (!this.offer.sha256 || this.offer.sha256 === sha256);
    this.blob = whole ? new Blob(this.#parts, { type: 'application/octet-stream' }) : null;
    this.#parts = [];
    this.#acknowledge();
    this.#enter(whole ? 'done' : 'damaged');
  }

  cancel() {
    if (!this.active) return;
    this.#tell({ type: 'cancel', file: this.offer.file });
    this.#parts = [];
    this.#enter('cancelled');
  }

  /** Who offered it doesn't any more. */
  gone() {
    if (this.state === 'done' || this.state === 'gone') return;
    this.#parts = [];
    this.#enter('gone');
  }

  #ask() {
    this.#lastByte = performance.now();
    this.#tell({ type: 'pull', file: this.offer.file, received: this.received });
  }

  #acknowledge() {
    this.#acknowledged = this.received;
    this.#tell({ type: 'pulled', file: this.offer.file, received: this.received });
    this.#changed();
  }

  #pack() {
    this.#parts.push(new Blob(this.#pieces));
    this.#pieces = [];
    this.#inPieces = 0;
  }

  /** @param {DownloadState} state */
  #enter(state) {
    this.state = state;
    if (state !== 'receiving') clearInterval(this.#watch);
    this.#changed();
  }
}
