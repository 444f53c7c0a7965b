// What this person sends directly, as the others are told of it. Knows: sources and the ids the server gives them.
// Does not know: connections, or who is told.

import { ask } from './ask.js';

/** @typedef {import('./types.js').AnnounceEntry} AnnounceEntry */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {keyof LocalMedia['sources']} OwnSource */

/**
 * @typedef {object} Announced
 * @property {OwnSource} source
 * @property {'audio' | 'video'} kind
 * @property {MediaStreamTrack | null} track  null while it is off
 * @property {string} publication
 */

export class Announcing {
  #link;
  #local;
  #told = '';
  /** Publication ids by key, which is the source. @type {Map<string, string>} */
  #ids = new Map();

  /** @param {Link} link @param {LocalMedia} local */
  constructor(link, local) {
    this.#link = link;
    this.#local = local;
  }

  /** Tells what has changed, if anything has. */
  async settle() {
    await this.#announce(this.#wanted());
  }

  /** Nothing is sent directly any more. */
  async withdraw() {
    await this.#announce([]);
  }

  /** @returns {Announced[]} */
  sources() {
    return this.#entries()
      .filter(([source]) => this.#ids.has(source))
      .map(([source, { track }]) => ({ source, kind: kindOf(source), track, publication: this.#ids.get(source) ?? '' }));
  }

  /** @param {AnnounceEntry[]} publications */
  async #announce(publications) {
    const words = JSON.stringify(publications);
    if (words === this.#told || (publications.length === 0 && this.#told === '')) return;
    this.#told = words;
    const reply = await ask(this.#link, { type: 'announce', publications });
    this.#ids = new Map(reply.publications.map((/** @type {any} */ { key, publication }) => [key, publication]));
  }

  /** @returns {AnnounceEntry[]} a camera that is off stays published (muted); a screen that ends is published no more */
  #wanted() {
    return this.#entries()
      .filter(([source, { track }]) => track !== null || (this.#ids.has(source) && !source.startsWith('screen')))
      .map(([source]) => ({ key: source, kind: kindOf(source), source, muted: this.#muted(source) }));
  }

  #entries() {
    return /** @type {[OwnSource, import('./local.js').LocalSource][]} */ (Object.entries(this.#local.sources));
  }

  /** A device that is just being opened or exchanged counts as on. @param {OwnSource} source */
  #muted(source) {
    return !this.#local.live(source) && !this.#local.opening.has(source);
  }
}

/** @param {OwnSource} source @returns {'audio' | 'video'} */
function kindOf(source) {
  return source === 'microphone' || source === 'screen-audio' ? 'audio' : 'video';
}
