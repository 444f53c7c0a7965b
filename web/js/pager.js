// The bar below the tiles of a room that has more than fit: pages to turn, and who is not in view as small avatars.
// Knows: its elements. Does not know: which tiles are in view, or why.

import { byId, colourOf, dress, initials, make } from './dom.js';

/** @typedef {{key: string, name: string, speaking: boolean}} Absent */

export class Pager {
  #bar = byId('pager', HTMLElement);
  #back = byId('page-back', HTMLButtonElement);
  #on = byId('page-on', HTMLButtonElement);
  #label = byId('page-label', HTMLElement);
  #list = byId('absent', HTMLElement);
  #call;

  /** @param {{turn: (by: number) => void, call: (key: string) => void}} handlers  call: bring somebody into view */
  constructor({ turn, call }) {
    this.#call = call;
    dress(this.#back, { icon: 'back', label: 'Previous page', key: 'Page Up' });
    dress(this.#on, { icon: 'on', label: 'Next page', key: 'Page Down' });
    this.#back.onclick = () => turn(-1);
    this.#on.onclick = () => turn(1);
  }

  /** @param {number} page @param {number} count @param {Absent[]} absent  who is heard only */
  draw(page, count, absent) {
    this.#bar.hidden = count < 2;
    if (count < 2) return;
    this.#back.disabled = page === 0;
    this.#on.disabled = page === count - 1;
    this.#label.textContent = `${page + 1} of ${count}`;
    const before = new Map([...this.#list.children].map((row) => [/** @type {HTMLElement} */ (row).dataset.key ?? '', row]));
    const rows = absent.map((one) => {
      const row = before.get(one.key) ?? this.#row(one);
      row.classList.toggle('speaking', one.speaking);
      return row;
    });
    const same = rows.length === before.size && rows.every((row, index) => this.#list.children[index] === row);
    if (!same) this.#list.replaceChildren(...rows);
  }

  /** @param {Absent} absent */
  #row({ key, name }) {
    const label = `Bring ${name} into view`;
    const button = make('button', { type: 'button', 'aria-label': label, title: name }, initials(name));
    button.style.backgroundColor = colourOf(name);
    button.onclick = () => this.#call(key);
    return make('li', { 'data-key': key, 'data-testid': 'absent' }, button);
  }
}
