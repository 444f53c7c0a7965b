// The chat panel: lines, unread count, writing. Knows: its elements. Does not know: how a line travels.

import { byId, make } from './dom.js';

const KEEP_LINES = 500;

export class Chat {
  #log = byId('chat-log', HTMLElement);
  #input = byId('chat-input', HTMLTextAreaElement);
  #badge = byId('unread', HTMLElement);
  #unread = 0;
  #visible = false;
  #lastAuthor = '';

  /** @param {(text: string) => boolean} send  false if it could not be taken */
  constructor(send) {
    const submit = () => {
      const text = this.#input.value.trim();
      if (!text || !send(text)) return;
      this.#input.value = '';
      this.#grow();
      this.add('You', text, Date.now(), true);
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

  clear() {
    this.#log.replaceChildren(make('p', { class: 'empty' }, 'No messages yet. What is written here goes to everyone in the room and is kept nowhere.'));
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

  /** @param {string} author @param {string} text @param {number} at  ms since 1970 @param {boolean} own */
  add(author, text, at, own) {
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
    this.#log.querySelector('.empty')?.remove();
    const line = make('div', { class: own ? 'line own' : 'line', 'data-testid': 'chat-line' });
    if (author !== this.#lastAuthor) {
      const time = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
      line.append(make('div', { class: 'line-head' }, make('strong', {}, author), make('time', {}, time)));
    }
    this.#lastAuthor = author;
    line.append(make('p', {}, ...linked(text)));
    this.#log.append(line);
    while (this.#log.childElementCount > KEEP_LINES) this.#log.firstElementChild?.remove();
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
