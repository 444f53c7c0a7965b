// One tile: picture, sound, name, and why there is no picture. Knows: its elements. Does not know: rooms or connections.

import { colourOf, dress, icon, initials, make } from './dom.js';
import { Picture } from './picture.js';
import { bars, short } from './quality.js';
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
 * @property {boolean} paused  the note stands below the avatar, not instead of it
 * @property {import('./types.js').SlotFlow | null} flow  what the server sends of it
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
  #quality = make('button', { class: 'tile-quality', type: 'button', 'data-testid': 'tile-quality', 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
  /** Its window, once it has been in one. @type {PictureInPictureWindow | null} */
  #floating = null;
  #changed;
  #rect = { width: 0, height: 0 };

  /**
   * @param {string} participant
   * @param {'camera' | 'screen' | 'other'} source
   * @param {{pin: () => void, menu: (button: HTMLElement) => void, blocked: () => void, changed: () => void}} handlers
   *   changed: another element plays now
   */
  constructor(participant, source, handlers) {
    this.#changed = handlers.changed;
    this.#avatar = make('div', { class: 'avatar', 'aria-hidden': 'true' });
    this.#note = make('p', { class: 'tile-note', 'data-testid': 'tile-note', hidden: true });
    this.#name = make('div', { class: 'nameplate' });
    this.#figures = make('div', { class: 'tile-figures', hidden: true });
    this.#pin = make('button', { class: 'tile-button', type: 'button' });
    this.#pin.onclick = handlers.pin;
    this.#quality.append(bar(), bar(), bar(), make('span'));
    this.#quality.onclick = () => handlers.menu(this.#quality);
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
    const foot = make('div', { class: 'tile-foot' }, this.#name, this.#quality);
    this.element.append(this.#note, foot, this.#figures, make('div', { class: 'tile-actions' }, this.#pin, full));
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
    element.classList.toggle('paused', view.paused);
    this.#drawQuality(view);
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
    this.#rect = rect;
    const { style, classList } = this.element;
    style.left = `${rect.left}px`;
    style.top = `${rect.top}px`;
    style.width = `${rect.width}px`;
    style.height = `${rect.height}px`;
    classList.toggle('large', large);
    classList.toggle('small', rect.width < 220);
  }

  /** @returns {{width: number, height: number}} CSS pixels that the picture is drawn with, parts cut off at the edges included */
  pictureSize() {
    const { video } = this;
    const whole = document.fullscreenElement === this.element;
    const { width, height } = whole ? { width: window.innerWidth, height: window.innerHeight } : this.#rect;
    const aspect = video.videoHeight > 0 ? video.videoWidth / video.videoHeight : 16 / 9;
    const fits = getComputedStyle(video).objectFit === 'contain' ? Math.min : Math.max;
    const drawn = fits(width, height * aspect);
    return { width: drawn, height: drawn / aspect };
  }

  /** In a window of its own. */
  floatingSize() {
    return this.#floating ?? this.pictureSize();
  }

  /** Into a window of its own, or back; where the browser has such. */
  async float() {
    try {
      if (document.pictureInPictureElement === this.video) {
        await document.exitPictureInPicture();
        return;
      }
      const floating = await this.video.requestPictureInPicture();
      this.#floating = floating;
      floating.onresize = () => this.#changed();
    } catch {
      // the browser has none, or does not want it now
    }
  }

  remove() {
    this.#picture.close();
    this.#sound.close();
    this.element.remove();
  }

  /** @param {TileView} view */
  #drawQuality({ name, own, flow, paused }) {
    const button = this.#quality;
    button.hidden = own || (!flow && !paused);
    if (button.hidden) return;
    const sharpness = bars(flow, this.pictureSize().height * window.devicePixelRatio);
    const text = paused ? '' : short(flow);
    button.dataset.bars = String(sharpness);
    button.dataset.limit = paused ? 'bandwidth' : (flow?.limit ?? '');
    const label = button.querySelector('span');
    if (label && label.textContent !== text) label.textContent = text;
    const title = `Quality of ${name}’s picture: ${paused ? 'paused' : text || 'nothing comes'}. Choose`;
    if (button.title !== title) button.setAttribute('aria-label', (button.title = title));
  }

  #fullScreen() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.element.requestFullscreen?.().catch(() => {});
  }
}

function bar() {
  return make('i', { 'aria-hidden': 'true' });
}

/** @param {TileView} view */
function nameOf({ name, source }) {
  return source === 'screen' ? `${name}’s screen` : name;
}
