// The menu of a tile: what is seen there, why it is no better, and the best that is wanted. One menu for all tiles,
// above everything, full screen too. Knows: its elements, keys. Does not know: tiles, or what a choice causes.

import { make } from './dom.js';
import { QUALITIES } from './quality.js';

/** @typedef {import('./types.js').Quality} Quality */
/** @typedef {{title: string, figures: string, why: string, quality: Quality, floating: boolean | null}} MenuView  floating: in a window of its own; null = it can't be */

const GAP = 6;
const MARGIN = 8;

export class TileMenu {
  /** Key of the tile it is open for, '' = closed. */
  open = '';
  #element = make('div', { class: 'tile-menu', popover: 'manual', 'data-testid': 'tile-menu', hidden: true });
  #title = make('p', { class: 'tile-menu-title', id: 'tile-menu-title' });
  #figures = make('p', { class: 'tile-menu-figures', 'data-testid': 'tile-menu-figures' });
  #why = make('p', { class: 'tile-menu-why', 'data-testid': 'tile-menu-why' });
  #items = make('div', { role: 'menu', 'aria-labelledby': 'tile-menu-title' });
  /** @type {HTMLElement | null} */
  #button = null;
  #choose;

  /** @param {(key: string, choice: Quality | 'float') => void} choose */
  constructor(choose) {
    this.#choose = choose;
    this.#element.append(this.#title, this.#figures, this.#why, this.#items);
    document.body.append(this.#element);
    this.#element.onkeydown = (event) => this.#key(event);
    document.addEventListener('pointerdown', ({ target }) => {
      const inside = target instanceof Node && (this.#element.contains(target) || this.#button?.contains(target));
      if (!inside) this.close();
    });
    window.addEventListener('resize', () => this.close());
  }

  /** @param {string} key @param {HTMLElement} button  that it belongs to @param {MenuView} view */
  toggle(key, button, view) {
    if (this.open === key) {
      this.close();
      return;
    }
    this.close();
    this.open = key;
    this.#button = button;
    button.setAttribute('aria-expanded', 'true');
    this.#items.replaceChildren(
      ...QUALITIES.map(([quality, label]) => item('menuitemradio', quality, label)),
      ...(view.floating === null ? [] : [item('menuitem', 'float', 'Picture in picture')]),
    );
    for (const one of this.#buttons()) one.onclick = () => this.#chosen(/** @type {Quality | 'float'} */ (one.dataset.choice));
    this.update(view);
    this.#element.hidden = false;
    this.#element.showPopover?.();
    this.#place(button.getBoundingClientRect());
    (this.#buttons().find((one) => one.getAttribute('aria-checked') === 'true') ?? this.#buttons()[0])?.focus();
  }

  /** @param {MenuView} view  of now */
  update({ title, figures, why, quality, floating }) {
    this.#title.textContent = title;
    this.#figures.textContent = figures;
    this.#figures.hidden = figures === '';
    this.#why.textContent = why;
    this.#why.hidden = why === '';
    for (const one of this.#buttons()) {
      const { choice } = one.dataset;
      if (choice === 'float') one.textContent = floating ? 'Back from picture in picture' : 'Picture in picture';
      else one.setAttribute('aria-checked', String(choice === quality));
    }
  }

  close() {
    if (this.open === '') return;
    this.open = '';
    const inside = this.#element.contains(document.activeElement);
    this.#button?.setAttribute('aria-expanded', 'false');
    if (inside) this.#button?.focus();
    this.#button = null;
    this.#element.hidePopover?.();
    this.#element.hidden = true;
  }

  /** @param {Quality | 'float'} choice */
  #chosen(choice) {
    const key = this.open;
    this.close();
    this.#choose(key, choice);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const buttons = this.#buttons();
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
    const to = moves[event.key];
    if (event.key === 'Escape' || event.key === 'Tab') this.close();
    else if (to !== undefined) buttons[(to + buttons.length) % buttons.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Above its button if there is room, else below; never out of the window. @param {DOMRect} button */
  #place(button) {
    const { offsetWidth: width, offsetHeight: height, style } = this.#element;
    const above = button.top - GAP - height;
    const top = above >= MARGIN ? above : Math.min(button.bottom + GAP, window.innerHeight - height - MARGIN);
    style.top = `${Math.max(MARGIN, top)}px`;
    style.left = `${Math.max(MARGIN, Math.min(button.right - width, window.innerWidth - width - MARGIN))}px`;
  }

  #buttons() {
    return [...this.#items.querySelectorAll('button')];
  }
}

/** @param {'menuitem' | 'menuitemradio'} role @param {string} choice @param {string} label */
function item(role, choice, label) {
  return make('button', { type: 'button', role, 'data-choice': choice, tabindex: '-1' }, label);
}
