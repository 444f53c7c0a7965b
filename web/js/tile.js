// One tile: picture, sound, name, and why there is no picture. Knows: its elements. Does not know: rooms or connections.

import { colourOf, dress, icon, initials, make } from './dom.js';
import { Picture } from './picture.js';
import { Sound } from './sound.js';

/**
 * What a tile shows now.
 * @typedef {object} TileView
 * @property {string} name
 * @property {boolean} own
 * @property {'camera' | 'screen' | 'other'} source
 * @property {boolean} micMuted  shown beside the name
 * @property {MediaStreamTrack | null} videoTrack
 * @property {MediaStreamTrack | null} audioTrack  null for one's own
 * @property {RTCRtpReceiver | null} audioReceiver  of the track, while it isn't muted
 * @property {string} picture  which publication the video track carries; '' = none, the avatar shows
 * @property {string} note  a sentence instead of the picture
 * @property {boolean} pinned
 */

export class Tile {
  element;
  #picture;
  #sound;
  #avatar;
  #note;
  #name;
  #figures;
  #pin;

  /**
   * @param {string} participant
   * @param {'camera' | 'screen' | 'other'} source
   * @param {{pin: () => void, blocked: () => void, changed: () => void}} handlers  changed: another element plays now
   */
  constructor(participant, source, handlers) {
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
    );
    this.#picture = new Picture(this.element, handlers.changed);
    this.#sound = new Sound(this.element, handlers);
    this.element.append(this.#note, this.#name, this.#figures, make('div', { class: 'tile-actions' }, this.#pin, full));
  }

  get video() {
    return this.#picture.element;
  }

  get audio() {
    return this.#sound.element;
  }

  /** @param {MediaStreamTrack} track @returns {boolean} whether it is what is seen or heard here */
  plays(track) {
    return track.kind === 'video' ? this.#picture.plays(track) : this.#sound.plays(track);
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
    this.#picture.show(view.videoTrack, view.note === '' ? view.picture : '');
    this.#sound.play(view.audioTrack, view.audioReceiver);
  }

  /** Lets the sound be heard; says so if the browser waits for a click first. */
  listen() {
    this.#sound.listen();
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
    this.#picture.close();
    this.#sound.close();
    this.element.remove();
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
