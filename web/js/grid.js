// The tiles on the page: makes, updates, removes and places them. Knows: tiles and the size of the area.
// Does not know: where views come from (room.js), or which tiles are in view (pages.js).

import { stageRects } from './layout.js';
import { Tile } from './tile.js';

/** @typedef {import('./tile.js').TileView} TileView */
/**
 * What is to be shown in a tile.
 * @typedef {object} GridEntry
 * @property {string} key
 * @property {string} participant
 * @property {'camera' | 'screen' | 'other'} source
 * @property {string} publication  of its picture, '' = none or one's own
 * @property {boolean} live  there is a picture to see, once it is received
 * @property {TileView} view
 */

/** A tile that is out of view is heard only. */
const UNSEEN = { videoTrack: null, picture: '', note: '', paused: false, flow: null };

export class Grid {
  /** @type {Map<string, Tile>} */
  tiles = new Map();
  /** Those in view, in order. @type {GridEntry[]} */
  shown = [];
  #element;
  #invite;
  #handlers;
  /** Key of the tile that was made large, '' = none. */
  pinned = '';
  /** Whether the card is wanted, beside or instead of tiles. */
  #inviting = false;

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} invite  card that stands beside one's own tile while nobody else is here, or alone while there is nothing to see
   * @param {{blocked: () => void, changed: () => void, menu: (key: string, button: HTMLElement) => void,
   *   added: (tile: Tile) => void, removed: (tile: Tile) => void}} handlers  changed: what is drawn, or where
   */
  constructor(element, invite, handlers) {
    this.#element = element;
    this.#invite = invite;
    this.#handlers = handlers;
    element.append(invite);
    new ResizeObserver(() => {
      this.#place();
      handlers.changed();
    }).observe(element);
  }

  /** @returns {{width: number, height: number}} what tiles and the bar below them share, in CSS pixels */
  get space() {
    const { clientWidth: width, clientHeight: height } = this.#element.parentElement ?? this.#element;
    return { width, height };
  }

  /**
   * @param {GridEntry[]} entries  all there is
   * @param {string[]} order  keys of those in view; of the others only the sound is played
   * @param {boolean} inviting  the card is shown
   */
  update(entries, order, inviting) {
    this.#inviting = inviting;
    const keys = new Set(entries.map(({ key }) => key));
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.remove();
      this.#handlers.removed(tile);
      this.tiles.delete(key);
    }
    if (!keys.has(this.pinned)) this.pinned = '';
    const places = new Map(order.map((key, index) => [key, index]));
    this.shown = entries
      .filter(({ key }) => places.has(key))
      .sort((one, other) => (places.get(one.key) ?? 0) - (places.get(other.key) ?? 0));
    for (const { key, participant, source, view } of entries) {
      const tile = this.tiles.get(key) ?? this.#add(key, participant, source);
      const inView = places.has(key);
      tile.element.dataset.participant = participant;
      tile.element.hidden = !inView;
      tile.update({ ...view, ...(!inView && UNSEEN), pinned: key === this.pinned });
    }
    this.#place();
  }

  clear() {
    this.update([], [], false);
  }

  /** @param {string} key @param {string} participant @param {GridEntry['source']} source */
  #add(key, participant, source) {
    const tile = new Tile(participant, source, {
      pin: () => {
        this.pinned = this.pinned === key ? '' : key;
        this.#handlers.changed();
      },
      menu: (button) => this.#handlers.menu(key, button),
      blocked: this.#handlers.blocked,
      changed: this.#handlers.changed,
    });
    this.tiles.set(key, tile);
    this.#element.append(tile.element);
    this.#handlers.added(tile);
    return tile;
  }

  #place() {
    const area = { width: this.#element.clientWidth, height: this.#element.clientHeight };
    if (area.width === 0 || area.height === 0) return;
    const alone = this.#inviting;
    this.#invite.hidden = !alone;
    const large = this.#large();
    const small = this.shown.filter(({ key }) => !large.has(key));
    const rects = stageRects(large.size, small.length + (alone ? 1 : 0), area);
    [...large].forEach((key, index) => this.#move(key, rects.large[index], true));
    small.forEach(({ key }, index) => this.#move(key, rects.small[index], false));
    const inviteRect = rects.small.at(-1);
    if (alone && inviteRect) {
      const { style } = this.#invite;
      for (const side of /** @type {const} */ (['left', 'top', 'width', 'height'])) style[side] = `${inviteRect[side]}px`;
    }
  }

  /** @param {string} key @param {import('./layout.js').Rect | undefined} rect @param {boolean} large */
  #move(key, rect, large) {
    if (rect) this.tiles.get(key)?.place(rect, large);
  }

  /** The pinned tile, else every screen of somebody else, else one's own screen stays among the small ones. */
  #large() {
    if (this.shown.some(({ key }) => key === this.pinned)) return new Set([this.pinned]);
    return new Set(this.shown.filter(({ source, view }) => source === 'screen' && !view.own).map(({ key }) => key));
  }
}
