// One file on its way to one person, as fast as they take it. Knows: windows, channels. Does not know: who offers what.

import { PIECE, writePiece } from './fileframes.js';
import { Sha256 } from './sha256.js';

/** @typedef {'sending' | 'sent' | 'cancelled'} UploadState */
/** Where pieces go: a channel, and the receiver's id if it is to be named in them. @typedef {{channel: RTCDataChannel, receiver: string}} Route */

const WINDOW = 1024 * 1024; // bytes that the receiver hasn't acknowledged
const BUFFER_HIGH = 512 * 1024; // bytes that the network hasn't taken
const BUFFER_LOW = 128 * 1024;
const BLOCK = 512 * 1024; // read at once

export class Upload {
  /** @type {UploadState} */
  state = 'sending';
  /** Acknowledged bytes. */
  received = 0;
  #file;
  #id;
  #changed;
  /** Each pull starts a run, and ends the one before. */
  #run = 0;
  #wake = () => {};

  /** @param {string} id @param {Blob} file @param {() => void} changed */
  constructor(id, file, changed) {
    this.#id = id;
    this.#file = file;
    this.#changed = changed;
  }

  /**
   * The receiver asks for it, perhaps not for the first time.
   * @param {number} from  bytes that it has
   * @param {Route} route
   * @param {(sha256: string) => void} done
   */
  async pulled(from, route, done) {
    const run = ++this.#run;
    this.#wake();
    this.state = 'sending';
    this.received = from;
    this.#changed();
    const { channel, receiver } = route;
    const hash = new Sha256();
    for (let start = 0; start < this.#file.size; start += BLOCK) {
      const block = new Uint8Array(await this.#file.slice(start, start + BLOCK).arrayBuffer());
      hash.update(block);
      for (let at = Math.max(0, from - start); at < block.length; at += PIECE) {
        const offset = start + at;
        const data = block.subarray(at, at + PIECE);
        while (this.#run === run && offset + data.length - this.received > WINDOW) await this.#moved();
        if (this.#run === run) await drained(channel);
        if (this.#run !== run || channel.readyState !== 'open') return; // it will ask again
        channel.send(writePiece({ file: this.#id, participant: receiver, offset, data }));
      }
    }
    if (this.#run === run) done(hash.hex());
  }

  /** @param {number} received  bytes that have arrived, or been saved */
  acknowledged(received) {
    if (this.state === 'cancelled') return;
    this.received = Math.max(this.received, Math.min(received, this.#file.size));
    this.state = this.received === this.#file.size ? 'sent' : 'sending';
    this.#changed();
    this.#wake();
  }

  cancel() {
    if (this.state === 'sent') return;
    this.state = 'cancelled';
    this.#run++;
    this.#changed();
    this.#wake();
  }

  #moved() {
    return new Promise((resolve) => (this.#wake = () => resolve(undefined)));
  }
}

/** @param {RTCDataChannel} channel */
async function drained(channel) {
  if (channel.bufferedAmount < BUFFER_HIGH) return;
  channel.bufferedAmountLowThreshold = BUFFER_LOW;
  await new Promise((resolve) => {
    const go = () => {
      channel.removeEventListener('bufferedamountlow', go);
      channel.removeEventListener('close', go);
      resolve(undefined);
    };
    channel.addEventListener('bufferedamountlow', go);
    channel.addEventListener('close', go);
  });
}
