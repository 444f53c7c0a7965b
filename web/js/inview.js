// What is in view of a room: which tiles, how large, how good; tells the media side, so that what is seen is what is
// sent. Knows: pages, grid, who speaks. Does not know: how anything is drawn (grid.js) or told to the server (views.js).

import { Pager } from './pager.js';
import { capacity, Pages } from './pages.js';
import { Seen } from './seen.js';

/** @typedef {import('./grid.js').Grid} Grid */
/** @typedef {import('./grid.js').GridEntry} GridEntry */
/** @typedef {import('./speaking.js').Speaking} Speaking */
/** @typedef {import('./types.js').Quality} Quality */
/** @typedef {import('./media.js').Media} Media */

export class InView {
  #pages = new Pages();
  #pager;
  #seen;
  #speaking;
  #most;
  #changed;
  /** What was chosen, by key; not there: auto. @type {Map<string, Quality>} */
  #qualities = new Map();
  /** @type {GridEntry[]} */
  #absent = [];

  /** @param {Speaking} speaking @param {number} most  tiles on one page, 0: as many as fit @param {() => void} changed */
  constructor(speaking, most, changed) {
    this.#speaking = speaking;
    this.#most = most;
    this.#changed = changed;
    this.#seen = new Seen(changed);
    this.#pager = new Pager({ turn: (by) => this.turn(by), call: (key) => this.#call(key) });
  }

  /** @param {import('./tile.js').Tile} tile */
  added(tile) {
    this.#seen.watch(tile);
  }

  /** @param {import('./tile.js').Tile} tile */
  removed(tile) {
    this.#seen.unwatch(tile);
  }

  /** @param {number} by  pages */
  turn(by) {
    this.#pages.turn(by);
    this.#changed();
  }

  /** To the first page, where what is made large is. */
  toFront() {
    this.#pages.turn(-Infinity);
  }

  /** @param {string} key @returns {Quality} the best that is wanted */
  quality(key) {
    return this.#qualities.get(key) ?? 'auto';
  }

  /** @param {string} key @param {Quality} quality */
  choose(key, quality) {
    this.#qualities.set(key, quality);
    this.#changed();
  }

  /**
   * @param {GridEntry[]} entries  all there is, in order of arrival
   * @param {Grid} grid
   * @param {Media | null} media
   * @returns {string[]} keys of the tiles in view, in order
   */
  arrange(entries, grid, media) {
    const { space, pinned } = grid;
    const keys = new Set(entries.map(({ key }) => key));
    this.#speaking.keep(keys);
    for (const key of this.#qualities.keys()) if (!keys.has(key)) this.#qualities.delete(key);
    // Where everybody sends to everybody all is received anyway.
    const served = media?.path !== 'mesh';
    const most = !served || space.width === 0 ? Infinity : this.#most || capacity(space);
    const claims = entries.map(({ key, source, live, view }) => ({
      key,
      fixed: view.own || source === 'screen' || key === pinned,
      spoke: this.#speaking.last(key),
      picture: live,
    }));
    const order = this.#pages.arrange(claims, most);
    this.#absent = entries.filter(({ key }) => !order.includes(key));
    media?.watch({ unseen: new Set(this.#absent.map(({ key }) => key)), loud: this.#speaking.loud(), most });
    this.drawSpeakers();
    return order;
  }

  /** @returns {boolean} somebody who speaks had better come into view */
  get misses() {
    return this.#pages.page === 0 && this.#absent.some(({ key, view }) => !view.own && this.#speaking.now.has(key));
  }

  /** Those out of view, and whether they speak. */
  drawSpeakers() {
    const { page, count } = this.#pages;
    const rows = this.#absent.filter(({ view }) => !view.own).map(({ key, view }) => ({ key, name: view.name, speaking: this.#speaking.now.has(key) }));
    this.#pager.draw(page, count, rows);
  }

  /** @param {Grid} grid  as it is placed now @param {boolean} covered  a panel lies over it @param {Media | null} media */
  tell(grid, covered, media) {
    /** @type {Map<string, import('./types.js').View>} */
    const views = new Map();
    for (const { key, publication } of grid.shown) {
      const tile = grid.tiles.get(key);
      if (!tile || publication === '') continue;
      views.set(publication, { ...this.#seen.of(tile, covered), pinned: key === grid.pinned, quality: this.quality(key) });
    }
    media?.view(views);
  }

  /** @param {string} key  of somebody out of view */
  #call(key) {
    this.#speaking.call(key);
    this.toFront();
    this.#changed();
  }
}
