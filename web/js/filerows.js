// Files in the chat panel: choosing, dropping, a row for each with its progress. Knows: elements and files.
// Does not know: how files travel.

import { amount, byId, icon, make } from './dom.js';
import { toast } from './notices.js';

/** @typedef {import('./files.js').Files} Files */
/** @typedef {import('./files.js').Share} Share */
/** @typedef {import('./download.js').Download} Download */
/** @typedef {import('./chat.js').Chat} Chat */
/** @typedef {import('./session.js').Session} Session */

/**
 * A row on the page.
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {HTMLElement} status
 * @property {HTMLProgressElement} progress
 * @property {HTMLElement} actions
 */

const DRAW_EVERY_MS = 150;

export class FileRows {
  #files;
  #chat;
  #session;
  /** @type {Map<Share | Download, Row>} */
  #rows = new Map();
  #due = false;

  /** @param {Files} files @param {Chat} chat @param {Session} session */
  constructor(files, chat, session) {
    this.#files = files;
    this.#chat = chat;
    this.#session = session;
    const input = byId('file-input', HTMLInputElement);
    byId('file-send', HTMLButtonElement).onclick = () => input.click();
    input.onchange = () => {
      this.#share([...(input.files ?? [])]);
      input.value = '';
    };
    this.#acceptDrops(byId('panel-chat', HTMLElement));
    files.on('share', (share) => {
      this.#add(share, share.file.name, share.file.size, `You${chat.toWords}`, true);
    });
    files.on('download', (download) => {
      const { offer } = download;
      const name = this.#nameOf(offer.from);
      this.#add(download, offer.name, offer.size, offer.to ? `${name}, to you alone` : name, false);
      if (byId('panel-chat', HTMLElement).hidden) toast(`${name} shares ${offer.name}${offer.to ? ' with you alone' : ''}`, 'chat');
    });
    files.on('change', () => this.#draw());
    files.on('refused', toast);
  }

  /** @param {string} id */
  #nameOf(id) {
    return this.#session.roster.participants.get(id)?.name ?? 'Somebody';
  }

  /** @param {File[]} files */
  #share(files) {
    for (const file of files) if (!this.#files.share(file, this.#chat.to)) toast('Not connected yet: please try again in a moment.');
  }

  /** @param {HTMLElement} panel */
  #acceptDrops(panel) {
    panel.addEventListener('dragover', (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      panel.classList.add('dropping');
    });
    for (const name of ['dragleave', 'drop']) panel.addEventListener(name, () => panel.classList.remove('dropping'));
    panel.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#share([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** @param {Share | Download} what @param {string} name @param {number} size @param {string} author @param {boolean} own */
  #add(what, name, size, author, own) {
    const progress = make('progress', { max: String(Math.max(1, size)), 'data-testid': 'file-progress', 'aria-label': `Progress of ${name}` });
    const status = make('p', { class: 'file-status', 'data-testid': 'file-status' });
    const actions = make('div', { class: 'file-actions' });
    const element = make(
      'div',
      { class: own ? 'file-row own' : 'file-row', 'data-testid': 'file-row', 'data-name': name },
      make('div', { class: 'line-head' }, make('strong', {}, author)),
      make('div', { class: 'file-name' }, icon('file'), make('span', {}, name), make('small', {}, amount(size))),
      progress,
      status,
      actions,
    );
    this.#rows.set(what, { element, status, progress, actions });
    this.#chat.append(element, own);
    this.#drawNow();
  }

  #draw() {
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => this.#drawNow(), DRAW_EVERY_MS);
  }

  #drawNow() {
    this.#due = false;
    for (const [what, row] of this.#rows) {
      if ('uploads' in what) this.#drawShare(what, row);
      else drawDownload(what, row);
    }
  }

  /** @param {Share} share @param {Row} row */
  #drawShare(share, row) {
    const uploads = [...share.uploads];
    const sending = uploads.filter(([, { state }]) => state === 'sending');
    const sent = uploads.filter(([, { state }]) => state === 'sent').length;
    const least = Math.min(...sending.map(([, { received }]) => received));
    row.progress.hidden = sending.length === 0;
    if (sending.length > 0) row.progress.value = least;
    const percent = (/** @type {number} */ received) => `${Math.floor((100 * received) / Math.max(1, share.file.size))} %`;
    const words = sending.map(([id, { received }]) => `${this.#nameOf(id)}: ${percent(received)}`);
    if (sent > 0) words.push(`downloaded by ${sent}`);
    if (share.ended) words.push('taken back');
    else if (words.length === 0) words.push('offered; nobody has downloaded it yet');
    row.status.textContent = words.join(' · ');
    row.element.dataset.state = share.ended ? 'ended' : sending.length > 0 ? 'sending' : sent > 0 ? 'sent' : 'offered';
    act(row, share.ended ? [] : [{ id: 'file-cancel', label: 'Take back', act: () => this.#files.end(share) }]);
  }
}

/** @param {Download} download @param {Row} row */
function drawDownload(download, row) {
  const { state, received, offer, blob } = download;
  row.element.dataset.state = state;
  row.progress.hidden = state !== 'receiving';
  row.progress.value = received;
  row.status.textContent = {
    offered: '',
    receiving: `${amount(received)} of ${amount(offer.size)}`,
    done: 'Complete, and the same as what was sent (SHA-256).',
    damaged: 'It did not arrive as it was sent. Please download it again.',
    cancelled: 'You stopped it.',
    gone: 'No longer offered.',
  }[state];
  if (state === 'done' && blob) {
    if (row.actions.querySelector('a')) return;
    const link = make('a', { class: 'file-button', 'data-testid': 'file-save', href: URL.createObjectURL(blob), download: offer.name }, 'Save');
    row.actions.replaceChildren(link);
    row.actions.dataset.acts = '';
    return;
  }
  if (state === 'receiving') act(row, [{ id: 'file-cancel', label: 'Cancel', act: () => download.cancel() }]);
  else if (state === 'gone') act(row, []);
  else act(row, [{ id: 'file-receive', label: state === 'offered' ? 'Download' : 'Download again', act: () => download.pull() }]);
}

/** @param {Row} row @param {{id: string, label: string, act: () => void}[]} wanted */
function act(row, wanted) {
  const signature = wanted.map(({ label }) => label).join();
  if (row.actions.dataset.acts === signature) return;
  row.actions.dataset.acts = signature;
  row.actions.replaceChildren(
    ...wanted.map(({ id, label, act: onclick }) => {
      const button = make('button', { type: 'button', class: 'file-button', 'data-testid': id }, label);
      button.onclick = onclick;
      return button;
    }),
  );
}
