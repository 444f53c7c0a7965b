// The picture of a tile. When its track is exchanged for another the old one stays until a frame of the new one has
// been drawn: no black between. Knows: video elements. Does not know: what the picture is of.

import { make } from './dom.js';

const PATIENCE_MS = 5000; // for the first frame of the track that takes over
const STALE_MS = 700; // so long the last frames of what a track carried before may come late

export class Picture {
  element = newVideo();
  #host;
  #changed;
  /** What is shown or awaited, '' = nothing. */
  #picture = '';
  /** The one that is to take over. @type {HTMLVideoElement | null} */
  #next = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;

  /** @param {HTMLElement} host  gets the class has-picture while there is one @param {() => void} changed  another element plays now */
  constructor(host, changed) {
    this.#host = host;
    this.#changed = changed;
    host.append(this.element);
  }

  /** @param {MediaStreamTrack | null} track @param {string} picture  what it carries; '' = nothing to show */
  show(track, picture) {
    if (this.#next && trackOf(this.#next) === track && picture !== '') return; // on its way
    this.#dropNext();
    const wanted = track ? picture : '';
    if (track && trackOf(this.element) !== track && wanted && this.#host.classList.contains('has-picture')) {
      this.#exchange(track, wanted);
      return;
    }
    const changed = setTrack(this.element, track);
    if (!changed && wanted === this.#picture) return;
    this.#picture = wanted;
    this.#host.classList.remove('has-picture');
    if (wanted === '') return;
    // The element still holds the last frame of what it showed before: wait for the first one of the new picture.
    const since = performance.now();
    afterFrame(this.element, since, () => {
      if (this.#picture === wanted && !this.#next) this.#host.classList.add('has-picture');
    });
  }

  /** @param {MediaStreamTrack} track @returns {boolean} whether it is what is seen */
  plays(track) {
    const drawn = document.hidden || this.#host.classList.contains('has-picture');
    return drawn && this.#next === null && trackOf(this.element) === track;
  }

  close() {
    this.#dropNext();
    setTrack(this.element, null);
  }

  /** @param {MediaStreamTrack} track @param {string} wanted */
  #exchange(track, wanted) {
    const next = newVideo();
    this.#next = next;
    setTrack(next, track);
    this.element.before(next); // below the old one, which hides it
    const takeOver = () => {
      if (this.#next !== next) return;
      this.#next = null;
      this.#picture = wanted;
      clearInterval(this.#watch);
      const old = this.element;
      this.element = next;
      old.remove();
      setTrack(old, null);
      this.#changed();
    };
    afterFrame(next, 0, takeOver);
    const since = performance.now();
    this.#watch = setInterval(() => {
      // A page in the background draws no frames: there it is enough that packets come.
      if ((document.hidden && !track.muted) || performance.now() - since > PATIENCE_MS) takeOver();
    }, 100);
  }

  #dropNext() {
    clearInterval(this.#watch);
    if (!this.#next) return;
    setTrack(this.#next, null);
    this.#next.remove();
    this.#next = null;
  }
}

function newVideo() {
  const video = make('video', { playsinline: true, autoplay: true, tabindex: '-1' });
  video.muted = true; // sound has its own element: a muted picture may always play
  return video;
}

/**
 * @param {HTMLVideoElement} video
 * @param {number} since  frames that arrived earlier are of somebody else, where the browser tells when they did
 * @param {() => void} act  may be called twice
 */
function afterFrame(video, since, act) {
  if (!('requestVideoFrameCallback' in video)) {
    /** @type {HTMLVideoElement} */ (video).addEventListener('playing', act, { once: true });
    return;
  }
  /** @type {VideoFrameRequestCallback} */
  const look = (now, { receiveTime }) => {
    if (receiveTime === undefined || receiveTime >= since || now - since > STALE_MS) {
      act();
      return;
    }
    video.requestVideoFrameCallback(look);
    setTimeout(act, STALE_MS); // a picture that stands still has no other frame
  };
  video.requestVideoFrameCallback(look);
}

/** @param {HTMLMediaElement} element @returns {MediaStreamTrack | null} */
export function trackOf(element) {
  return /** @type {MediaStream | null} */ (element.srcObject)?.getTracks()[0] ?? null;
}

/**
 * @param {HTMLMediaElement} element
 * @param {MediaStreamTrack | null} track
 * @returns {boolean} true if it is another track than before
 */
export function setTrack(element, track) {
  if (trackOf(element) === track) return false;
  element.srcObject = track ? new MediaStream([track]) : null;
  return true;
}
