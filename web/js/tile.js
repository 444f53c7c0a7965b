// One tile: picture, sound, name, and why there is no picture. Knows: its elements. Does not know: rooms or connections.

import { colourOf, dress, icon, initials, make } from './dom.js';

/**
 * What a tile shows now.
 * @typedef {object} TileView
 * @property {string} name
 * @property {boolean} own
 * @property {'camera' | 'screen' | 'other'} source
 * @property {boolean} micMuted  shown beside the name
 * @property {MediaStreamTrack | null} videoTrack
 * @property {MediaStreamTrack | null} audioTrack  null for one's own
 * @property {string} picture  which publication the video track carries; '' = none, the avatar shows
 * @property {string} note  a sentence instead of the picture
 * @property {boolean} pinned
 */

export class Tile {
  element;
  video;
  audio;
  #avatar;
  #note;
  #name;
  #figures;
  #pin;
  /** The publication whose picture is shown or awaited. */
  #picture = '';

  /**
   * @param {string} participant
   * @param {'camera' | 'screen' | 'other'} source
   * @param {{pin: () => void, blocked: () => void}} handlers
   */
  constructor(participant, source, handlers) {
    this.video = make('video', { playsinline: true, autoplay: true, tabindex: '-1' });
    this.video.muted = true; // sound has its own element: a muted picture may always play
    this.audio = make('audio', { autoplay: true });
    this.#avatar = make('div', { class: 'avatar', 'aria-hidden': 'true' });
    this.#note = make('p', { class: 'tile-note', 'data-testid': 'tile-note', hidden: true });
    this.#name = make('div', { class: 'nameplate' });
    this.#figures = make('div', { class: 'tile-figures', hidden: true });
    this.#pin = make('button', { class: 'tile-button', type: 'button' });
    this.#pin.onclick = handlers.pin;
    const full = make('button', { class: 'tile-button', type: 'button' });
    dress(full, { icon: 'full', label: 'Full screen' });
    full.onclick = () => this.#fullScreen();
    this.element = make(
      'article',
      {
        class: `tile source-${source}`,
        'data-testid': 'tile',
        'data-participant': participant,
        'data-source': source,
      },
      this.#avatar,
      this.video,
      this.audio,
      this.#note,
      this.#name,
      this.#figures,
      make('div', { class: 'tile-actions' }, this.#pin, full),
    );
    this.blocked = handlers.blocked;
  }

  /** @param {TileView} view */
  update(view) {
    const { element } = this;
    const label = view.own ? (view.source === 'screen' ? 'Your screen' : `${view.name} (you)`) : nameOf(view);
    const title = `${label}${view.micMuted ? ', microphone muted' : ''}`;
    if (element.getAttribute('aria-label') !== title) {
      element.setAttribute('aria-label', title);
      element.setAttribute('role', 'group');
      this.#name.replaceChildren(...(view.micMuted ? [icon('mic-off')] : []), make('span', {}, label));
      this.#avatar.textContent = initials(view.name);
      this.#avatar.style.backgroundColor = colourOf(view.name);
    }
    element.classList.toggle('own', view.own);
    element.classList.toggle('mirrored', view.own && view.source === 'camera');
    element.classList.toggle('pinned', view.pinned);
    element.dataset.muted = String(view.micMuted);
    dress(this.#pin, { icon: 'pin', label: view.pinned ? 'Back to the grid' : 'Make large', pressed: view.pinned });
    this.#note.hidden = view.note === '';
    this.#note.textContent = view.note;
    this.#show(view);
    if (setTrack(this.audio, view.audioTrack)) this.listen();
  }

  /** Lets the sound be heard; says so if the browser waits for a click first. */
  listen() {
    if (!this.audio.srcObject) return;
    this.audio.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.blocked();
    });
  }

  /** @param {boolean} on */
  speaking(on) {
    this.element.classList.toggle('speaking', on);
  }

  /** @param {string} text  '' hides it */
  figures(text) {
    this.#figures.hidden = text === '';
    this.#figures.textContent = text;
  }

  /** @param {import('./layout.js').Rect} rect @param {boolean} large */
  place(rect, large) {
    const { style, classList } = this.element;
    style.left = `${rect.left}px`;
    style.top = `${rect.top}px`;
    style.width = `${rect.width}px`;
    style.height = `${rect.height}px`;
    classList.toggle('large', large);
    classList.toggle('small', rect.width < 220);
  }

  remove() {
    setTrack(this.video, null);
    setTrack(this.audio, null);
    this.element.remove();
  }

  /** @param {TileView} view */
  #show({ videoTrack, picture, note }) {
    const changed = setTrack(this.video, videoTrack);
    const wanted = note === '' && videoTrack ? picture : '';
    if (!changed && wanted === this.#picture) return;
    this.#picture = wanted;
    this.element.classList.remove('has-picture');
    if (wanted === '') return;
    // The element still holds the last frame of what it showed before: wait for the first one of the new picture.
    const reveal = () => this.element.classList.toggle('has-picture', this.#picture !== '');
    if ('requestVideoFrameCallback' in this.video) {
      this.video.requestVideoFrameCallback(() => this.#picture === wanted && reveal());
    } else {
      reveal();
    }
  }

  #fullScreen() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.element.requestFullscreen?.().catch(() => {});
  }
}

/** @param {TileView} view */
function nameOf({ name, source }) {
  return source === 'screen' ? `${name}’s screen` : name;
}

/**
 * @param {HTMLMediaElement} element
 * @param {MediaStreamTrack | null} track
 * @returns {boolean} true if it is another track than before
 */
function setTrack(element, track) {
  const stream = /** @type {MediaStream | null} */ (element.srcObject);
  if ((stream?.getTracks()[0] ?? null) === track) return false;
  element.srcObject = track ? new MediaStream([track]) : null;
  return true;
}
