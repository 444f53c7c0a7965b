// Which tiles a person can see, and in how many physical pixels: hidden pages, panels over the tiles, full screen,
// picture in picture, tiles scrolled away. Knows: elements and the window. Does not know: the server (views.js).

/** @typedef {import('./tile.js').Tile} Tile */

export class Seen {
  /** Tiles that are scrolled away. @type {Set<Element>} */
  #away = new Set();
  #observer;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.#away.delete(target);
        else this.#away.add(target);
      }
      changed();
    });
    document.addEventListener('visibilitychange', changed);
    document.addEventListener('fullscreenchange', changed);
    for (const name of ['enterpictureinpicture', 'leavepictureinpicture']) document.addEventListener(name, changed);
    window.addEventListener('resize', changed); // also when the page is zoomed
  }

  /** @param {Tile} tile */
  watch({ element }) {
    this.#observer.observe(element);
  }

  /** @param {Tile} tile */
  unwatch({ element }) {
    this.#observer.unobserve(element);
    this.#away.delete(element);
  }

  /**
   * @param {Tile} tile  that is in view as far as the grid goes
   * @param {boolean} covered  a panel lies over all tiles
   * @returns {{width: number, height: number, visible: boolean}} of its picture, in physical pixels
   */
  of(tile, covered) {
    const floating = document.pictureInPictureElement === tile.video;
    const { width, height } = floating ? tile.floatingSize() : tile.pictureSize();
    const visible = floating || (!document.hidden && !covered && this.#inPlace(tile.element));
    return { width: physical(width), height: physical(height), visible };
  }

  /** @param {Element} element */
  #inPlace(element) {
    const full = document.fullscreenElement;
    if (full) return full === element || full.contains(element);
    return !this.#away.has(element);
  }
}

/** @param {number} pixels  of CSS @returns {number} */
function physical(pixels) {
  return Math.min(16384, Math.round(pixels * window.devicePixelRatio));
}
