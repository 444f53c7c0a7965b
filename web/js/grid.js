// The tiles on the page: makes, updates, removes and places them. Knows: tiles and the size of the area.
// Does not know: where views come from (room.js).

import { stageRects } from './layout.js';
import { Tile } from './tile.js';

/** @typedef {import('./tile.js').TileView} TileView */
/** @typedef {{key: string, participant: string, source: 'camera' | 'screen' | 'other', view: TileView}} GridEntry */

export class Grid {
  /** @type {Map<string, Tile>} */
  tiles = new Map();
  /** @type {GridEntry[]} */
  #entries = [];
  #element;
  #invite;
  #handlers;
  #pinned = '';
  /** Whether the card is wanted, beside or instead of tiles. */
  #inviting = false;

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} invite  card that stands beside one's own tile while nobody else is here, or alone while there is nothing to see
   * @param {{blocked: () => void, repinned: () => void, changed: () => void}} handlers
   */
  constructor(element, invite, handlers) {
    this.#element = element;
    this.#invite = invite;
    this.#handlers = handlers;
    element.append(invite);
    new ResizeObserver(() => this.#place()).observe(element);
  }

  /** @param {GridEntry[]} entries  all there is to show, in order @param {boolean} inviting  the card is shown */
  update(entries, inviting) {
    this.#inviting = inviting;
    const keys = new Set(entries.map(({ key }) => key));
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.remove();
      this.tiles.delete(key);
    }
    if (!keys.has(this.#pinned)) this.#pinned = '';
    for (const { key, participant, source, view } of entries) {
      const tile = this.tiles.get(key) ?? this.#add(key, participant, source);
      tile.element.dataset.participant = participant;
      tile.update({ ...view, pinned: key === this.#pinned });
    }
    this.#entries = entries;
    this.#place();
  }

  clear() {
    this.update([], false);
  }

  /** @param {string} key @param {string} participant @param {GridEntry['source']} source */
  #add(key, participant, source) {
    const tile = new Tile(participant, source, {
      pin: () => {
        this.#pinned = this.#pinned === key ? '' : key;
        this.#handlers.repinned();
      },
      blocked: this.#handlers.blocked,
      changed: this.#handlers.changed,
    });
    this.tiles.set(key, tile);
    this.#element.append(tile.element);
    return tile;
  }

  #place() {
    const area = { width: this.#element.clientWidth, height: this.#element.clientHeight };
    if (area.width === 0 || area.height === 0) return;
    const alone = this.#inviting;
    this.#invite.hidden = !alone;
    const large = this.#large();
    const small = this.#entries.filter(({ key }) => !large.has(key));
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
    if (this.#pinned) return new Set([this.#pinned]);
    return new Set(this.#entries.filter(({ source, view }) => source === 'screen' && !view.own).map(({ key }) => key));
  }
}
