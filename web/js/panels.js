// The side panels: one open at a time, by its button or key, closed by Esc. Knows: buttons with data-panel.
// Does not know: what panels hold.

import { byId, icon, make } from './dom.js';

export class Panels {
  /** The open one, '' = none. */
  open = '';
  #changed;

  /** @param {(open: string) => void} changed */
  constructor(changed) {
    this.#changed = changed;
    for (const button of this.#buttons()) {
      const name = button.dataset.panel ?? '';
      button.setAttribute('aria-expanded', 'false');
      button.setAttribute('aria-controls', `panel-${name}`);
      button.onclick = () => this.toggle(name);
      const close = make('button', { class: 'icon-button', 'aria-label': 'Close', title: 'Close (Esc)' }, icon('close'));
      close.onclick = () => this.close();
      this.#panel(name).querySelector('header')?.append(close);
    }
  }

  /** @param {string} name */
  toggle(name) {
    if (this.open === name) this.close();
    else this.#show(name);
  }

  /** @returns {boolean} the open one lies over everything else, as on small windows */
  get covers() {
    return this.open !== '' && getComputedStyle(this.#panel(this.open)).position === 'fixed';
  }

  /** Closes what is open and gives the focus back to its button. */
  close() {
    const button = this.#buttons().find(({ dataset }) => dataset.panel === this.open);
    const inside = this.open !== '' && this.#panel(this.open).contains(document.activeElement);
    this.#show('');
    if (inside) button?.focus();
  }

  /** @param {string} name */
  #show(name) {
    this.open = name;
    for (const button of this.#buttons()) {
      const own = button.dataset.panel ?? '';
      this.#panel(own).hidden = own !== name;
      button.setAttribute('aria-expanded', String(own === name));
    }
    document.body.classList.toggle('panel-open', name !== '');
    this.#changed(name);
  }

  #buttons() {
    return /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll('button[data-panel]')]);
  }

  /** @param {string} name */
  #panel(name) {
    return byId(`panel-${name}`, HTMLElement);
  }
}
