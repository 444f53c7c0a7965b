// Tells the server how large each picture is on this page and whether anybody can see it, so that it sends what is
// seen and no more. In bulk, a moment after a change, only what has changed; what comes into view is told at once.
// Knows: slots and what the server was told. Does not know: elements (seen.js).

import { SignalingError } from './signaling.js';

/** @typedef {import('./types.js').View} View */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./slots.js').Slots} Slots */

const SETTLE_MS = 150; // a window being resized changes with every frame
const AGAIN_MS = 1000;
const MOST = 256; // entries in one message

export class Views {
  #link;
  #slots;
  /** By publication. @type {ReadonlyMap<string, View>} */
  #wanted = new Map();
  /** By mid, what the server knows. @type {Map<string, View>} */
  #told = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** It knows no views: an older one. */
  #deaf = false;

  /** @param {Link} link @param {Slots} slots */
  constructor(link, slots) {
    this.#link = link;
    this.#slots = slots;
  }

  /** @param {ReadonlyMap<string, View>} views  all there are, by publication */
  want(views) {
    this.#wanted = views;
    const changes = this.#changes();
    if (changes.length === 0) return;
    const appears = changes.some(({ mid, visible }) => visible && this.#told.get(mid)?.visible === false);
    // Timers of a page in the background are late, and there is nothing to wait for.
    if (appears || document.hidden) this.flush();
    else this.#later(SETTLE_MS);
  }

  /** Tells now what has changed. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const slots = this.#changes().slice(0, MOST);
    if (slots.length === 0 || this.#deaf) return;
    for (const { mid, ...view } of slots) this.#told.set(mid, view);
    this.#link.request({ type: 'view', slots }).catch((error) => {
      if (!(error instanceof SignalingError)) return; // the link is lost, and this connection with it
      if (error.code === 'unknown-type') this.#deaf = true;
      if (error.code !== 'too-many-requests') return;
      for (const { mid } of slots) this.#told.delete(mid);
      this.#later(AGAIN_MS);
    });
  }

  /** @returns {Record<string, View>} by mid, as the server was told */
  get told() {
    return Object.fromEntries(this.#told);
  }

  close() {
    clearTimeout(this.#timer);
    this.#deaf = true;
  }

  /** @param {number} ms */
  #later(ms) {
    this.#timer ??= setTimeout(() => this.flush(), ms);
  }

  #changes() {
    return this.#slots.videos().flatMap(({ transceiver: { mid }, negotiated, wanted }) => {
      const view = wanted === null ? undefined : this.#wanted.get(wanted);
      if (!negotiated || mid === null || !view || same(view, this.#told.get(mid))) return [];
      return { mid, ...view };
    });
  }
}

/** @param {View} view @param {View | undefined} other */
function same(view, other) {
  return (
    other !== undefined &&
    view.width === other.width &&
    view.height === other.height &&
    view.visible === other.visible &&
    view.pinned === other.pinned &&
    view.quality === other.quality
  );
}
