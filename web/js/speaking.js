// Who speaks, and when each spoke last: the server's word where media goes through one, else the loudness of what is
// heard here. Knows: session, sounds. Does not know: elements.

import { playing } from './entries.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./roster.js').TileModel} TileModel */

const PAUSE_MS = 3000; // between words
const LOUD = 0.02; // of full scale, as the RTP audio-level extension tells it
const OWN_LOUD = 0.45; // of the ear's scale of LevelMeter

export class Speaking {
  /** Keys of the tiles of those who speak now. @type {Set<string>} */
  now = new Set();
  /** @type {Map<string, number>} */
  #spoke = new Map();
  #session;
  #ownLevel;

  /** @param {Session} session @param {() => number} ownLevel  of one's own microphone, 0 while it is off */
  constructor(session, ownLevel) {
    this.#session = session;
    this.#ownLevel = ownLevel;
  }

  /** @param {TileModel[]} models */
  look(models) {
    const { media, speakers, me } = this.#session;
    if (media?.path === 'sfu' && speakers !== null) {
      this.now = new Set(speakers.map((id) => (id === me ? 'me/camera' : `${id}/camera`)));
    } else {
      this.now = new Set(models.filter((model) => this.#isLoud(model)).map(({ key }) => key));
      if (this.#ownLevel() > OWN_LOUD) this.now.add('me/camera');
    }
    const at = performance.now();
    for (const key of this.now) this.#spoke.set(key, at);
  }

  /** @param {string} key  of a tile @returns {number} when, 0 = never */
  last(key) {
    return this.#spoke.get(key) ?? 0;
  }

  /** @returns {Set<string>} keys of those who speak, or have just spoken */
  loud() {
    const since = performance.now() - PAUSE_MS;
    return new Set([...this.#spoke.keys()].filter((key) => this.now.has(key) || this.last(key) > since));
  }

  /** As if somebody spoke now. @param {string} key */
  call(key) {
    this.#spoke.set(key, performance.now());
  }

  /** Forgets who is no longer here. @param {ReadonlySet<string>} keys  of all tiles */
  keep(keys) {
    for (const key of this.#spoke.keys()) if (!keys.has(key)) this.#spoke.delete(key);
  }

  /** @param {TileModel} model */
  #isLoud(model) {
    const { publication, received } = playing(this.#session.media, model, 'audio');
    if (publication === null || publication.muted) return false;
    return (received?.receiver.getSynchronizationSources()[0]?.audioLevel ?? 0) > LOUD;
  }
}
