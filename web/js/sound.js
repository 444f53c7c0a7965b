// The sound of a tile. When its track is exchanged for another the old one plays on until sound of the new one
// arrives: no gap. Knows: audio elements. Does not know: whose sound it is.

import { make } from './dom.js';
import { setTrack, trackOf } from './picture.js';

const LOOK_EVERY_MS = 40;
const MOVES = 3; // looks at which something new had been played
const PATIENCE_MS = 4000;
const OVERLAP_MS = 60; // both are heard: the new one takes a moment to reach the loudspeaker

export class Sound {
  element = make('audio', { autoplay: true });
  #host;
  #handlers;
  /** @type {HTMLAudioElement | null} */
  #next = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;

  /** @param {HTMLElement} host @param {{changed: () => void, blocked: () => void}} handlers  blocked: the browser waits for a click */
  constructor(host, handlers) {
    this.#host = host;
    this.#handlers = handlers;
    host.append(this.element);
  }

  /** @param {MediaStreamTrack | null} track @param {RTCRtpReceiver | null} receiver  of the track, null: it is silent now */
  play(track, receiver) {
    if (this.#next && trackOf(this.#next) === track) return;
    this.#dropNext();
    const before = trackOf(this.element);
    if (before === track) return;
    if (track && receiver && before?.readyState === 'live') this.#exchange(track, receiver);
    else if (setTrack(this.element, track)) this.listen();
  }

  /** @param {MediaStreamTrack} track @returns {boolean} whether it is what is heard */
  plays(track) {
    return this.#next === null && trackOf(this.element) === track;
  }

  /** Lets it be heard. */
  listen() {
    if (!this.element.srcObject) return;
    this.element.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.#handlers.blocked();
    });
  }

  close() {
    this.#dropNext();
    setTrack(this.element, null);
  }

  /** @param {MediaStreamTrack} track @param {RTCRtpReceiver} receiver */
  #exchange(track, receiver) {
    const next = make('audio', { autoplay: true });
    this.#next = next;
    next.muted = true;
    if ('setSinkId' in next) void next.setSinkId(this.element.sinkId).catch(() => {});
    setTrack(next, track);
    this.#host.append(next);
    void next.play().catch(() => {});
    const since = performance.now();
    let last = -1;
    let moves = 0;
    this.#watch = setInterval(() => {
      const played = receiver.getSynchronizationSources()[0]?.rtpTimestamp ?? -1;
      if (played !== -1 && played !== last) moves++;
      last = played;
      if (moves < MOVES && performance.now() - since < PATIENCE_MS) return;
      clearInterval(this.#watch);
      this.#next = null;
      const old = this.element;
      this.element = next;
      next.muted = false;
      setTimeout(() => {
        old.remove();
        setTrack(old, null);
      }, OVERLAP_MS);
      this.listen();
      this.#handlers.changed();
    }, LOOK_EVERY_MS);
  }

  #dropNext() {
    clearInterval(this.#watch);
    if (!this.#next) return;
    setTrack(this.#next, null);
    this.#next.remove();
    this.#next = null;
  }
}
