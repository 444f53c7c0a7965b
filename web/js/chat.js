// The chat panel: lines, unread count, writing, to all or to one. Knows: its elements. Does not know: how a line travels.

import { byId, make } from './dom.js';

const KEEP_LINES = 500;

export class Chat {
  #log = byId('chat-log', HTMLElement);
  #input = byId('chat-input', HTMLTextAreaElement);
  #to = byId('chat-to', HTMLSelectElement);
  #badge = byId('unread', HTMLElement);
  #unread = 0;
  #visible = false;
  #lastAuthor = '';

  /** @param {(text: string, to: string | null) => boolean} send  false if it could not be taken */
  constructor(send) {
    const submit = () => {
      const text = this.#input.value.trim();
      if (!text || !send(text, this.to)) return;
      this.#input.value = '';
      this.#grow();
      this.add({ author: `You${this.toWords}`, text, at: Date.now(), own: true });
    };
    byId('chat-form', HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      submit();
    };
    this.#input.onkeydown = (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      submit();
    };
    this.#input.oninput = () => this.#grow();
    this.clear();
  }

  /** Who is written to: a participant, or null for all. @returns {string | null} */
  get to() {
    return this.#to.value || null;
  }

  /** @returns {string} '' or whom it is for */
  get toWords() {
    return this.#to.value ? `, to ${this.#to.selectedOptions[0]?.textContent ?? ''} alone` : '';
  }

  /** @param {Map<string, import('./types.js').Participant>} participants  who can be written to */
  people(participants) {
    const wanted = [...participants.values()].map(({ id, name }) => ({ id, name }));
    const signature = JSON.stringify(wanted);
    if (this.#to.dataset.people === signature) return;
    this.#to.dataset.people = signature;
    const chosen = this.#to.value;
    const options = wanted.map(({ id, name }) => make('option', { value: id }, name));
    this.#to.replaceChildren(make('option', { value: '' }, 'Everyone'), ...options);
    this.#to.value = participants.has(chosen) ? chosen : '';
  }

  clear() {
    this.#log.replaceChildren(make('p', { class: 'empty' }, 'No messages yet. What is written here goes to those who are here now, and is kept nowhere.'));
    this.#lastAuthor = '';
    this.#count(0);
  }

  /** @param {boolean} visible */
  shown(visible) {
    this.#visible = visible;
    if (!visible) return;
    this.#count(0);
    this.#input.focus();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** @param {{author: string, text: string, at: number, own: boolean}} line  at: ms since 1970 */
  add({ author, text, at, own }) {
    const line = make('div', { class: own ? 'line own' : 'line', 'data-testid': 'chat-line' });
    if (author !== this.#lastAuthor) {
      const time = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
      line.append(make('div', { class: 'line-head' }, make('strong', {}, author), make('time', {}, time)));
    }
    line.append(make('p', {}, ...linked(text)));
    this.append(line, own);
    this.#lastAuthor = author;
  }

  /** @param {HTMLElement} row  a line, or something else between lines @param {boolean} own */
  append(row, own) {
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
    this.#log.querySelector('.empty')?.remove();
    this.#log.append(row);
    this.#lastAuthor = '';
    const lines = this.#log.querySelectorAll('.line');
    if (lines.length > KEEP_LINES) lines[0]?.remove();
    if (atEnd || own) this.#log.scrollTop = this.#log.scrollHeight;
    if (!this.#visible && !own) this.#count(this.#unread + 1);
  }

  /** @param {number} unread */
  #count(unread) {
    this.#unread = unread;
    this.#badge.hidden = unread === 0;
    this.#badge.textContent = unread > 99 ? '99+' : String(unread);
    const button = byId('chat-toggle', HTMLButtonElement);
    button.setAttribute('aria-label', unread ? `Chat, ${unread} unread` : 'Chat');
  }

  #grow() {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${Math.min(this.#input.scrollHeight, 140)}px`;
  }
}

/** Text with its web addresses as links. @param {string} text @returns {(Node | string)[]} */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]+)/).map((part, index) => {
    if (index % 2 === 0) return part;
    return make('a', { href: part, target: '_blank', rel: 'noopener noreferrer nofollow' }, part);
  });
}
