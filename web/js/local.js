// What this person sends: microphone, camera, screen, screen sound. One track per source, or none.
// Knows: on, off, muted, which device. Does not know: connections; whoever sends listens to `change`.

import { describe, openDevices, openScreen } from './devices.js';
import { Emitter } from './emitter.js';
import { recall, remember } from './settings.js';

/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./devices.js').Problem} Problem */
/** @typedef {{track: MediaStreamTrack | null, muted: boolean}} LocalSource */
/** @typedef {'microphone' | 'camera'} Device */

/** @extends {Emitter<{change: void, ended: Source}>} */
export class LocalMedia extends Emitter {
  /** @type {Record<'microphone' | 'camera' | 'screen' | 'screen-audio', LocalSource>} */
  sources = {
    microphone: { track: null, muted: false },
    camera: { track: null, muted: false },
    screen: { track: null, muted: false },
    'screen-audio': { track: null, muted: false },
  };
  /** @type {{microphone: Problem | null, camera: Problem | null, screen: Problem | null}} */
  problems = { microphone: null, camera: null, screen: null };
  /** Devices being opened right now. @type {Set<Source>} */
  opening = new Set();
  /** Preferred devices, '' = any. @type {Record<Device, string>} */
  chosen = { microphone: recall('microphone'), camera: recall('camera') };
  /** The latest wish per device wins over an answer that comes late. @type {Record<Device, number>} */
  #turn = { microphone: 0, camera: 0 };

  /** @param {Source} source @returns {boolean} true if others see or hear it */
  live(source) {
    const { track, muted } = this.sources[/** @type {keyof LocalMedia['sources']} */ (source)];
    return track !== null && !muted;
  }

  /**
   * Opens what is wanted and not yet open, in one question to the person.
   * @param {{microphone: boolean, camera: boolean}} wanted
   */
  async open(wanted) {
    const turns = { ...this.#turn };
    /** @type {Device[]} */
    const devices = ['microphone', 'camera'];
    for (const device of devices) {
      if (!wanted[device]) continue;
      turns[device] = ++this.#turn[device];
      this.opening.add(device);
    }
    this.emit('change', undefined);
    const { tracks, problems } = await openDevices(wanted, this.chosen);
    for (const device of devices) {
      if (!wanted[device] || this.#turn[device] !== turns[device]) continue;
      this.opening.delete(device);
      this.problems[device] = problems[device] ?? null;
    }
    for (const track of tracks) {
      const device = track.kind === 'audio' ? 'microphone' : 'camera';
      if (this.#turn[device] === turns[device]) this.#set(device, track);
      else track.stop(); // the person has changed their mind meanwhile
    }
    this.emit('change', undefined);
  }

  /** Mutes or unmutes; the device stays open so that unmuting is instant. @param {boolean} on */
  async setMicrophone(on) {
    const { microphone } = this.sources;
    microphone.muted = !on;
    if (microphone.track) microphone.track.enabled = on;
    this.emit('change', undefined);
    if (on && !microphone.track) await this.open({ microphone: true, camera: false });
  }

  /** Off stops the device, so that its light goes off. @param {boolean} on */
  async setCamera(on) {
    this.sources.camera.muted = !on;
    if (on) {
      await this.open({ microphone: false, camera: true });
    } else {
      this.#turn.camera++;
      this.opening.delete('camera');
      this.#set('camera', null);
      this.emit('change', undefined);
    }
  }

  /** Takes another device, at once if the present one is open. @param {Device} device @param {string} id */
  async choose(device, id) {
    this.chosen[device] = id;
    remember(device, id);
    const { track, muted } = this.sources[device];
    if (track || (!muted && this.problems[device])) {
      if (device === 'camera') this.#set('camera', null); // some cameras open only once
      await this.open({ microphone: device === 'microphone', camera: device === 'camera' });
    }
  }

  /** @returns {Promise<boolean>} false if the person chose none or the browser refused (see problems.screen) */
  async startScreen() {
    try {
      const stream = await openScreen();
      const [video] = stream.getVideoTracks();
      const [audio] = stream.getAudioTracks();
      if (video) video.contentHint = 'detail'; // text stays sharp, frames may be fewer
      this.#set('screen', video ?? null);
      this.#set('screen-audio', audio ?? null);
      this.problems.screen = null;
    } catch (error) {
      // Chromium says NotAllowedError also when the person closes the chooser: no problem to speak of.
      const dismissed = error instanceof Error && error.name === 'NotAllowedError';
      this.problems.screen = dismissed ? null : describe(error, 'screen');
    }
    this.emit('change', undefined);
    return this.sources.screen.track !== null;
  }

  stopScreen() {
    this.#set('screen', null);
    this.#set('screen-audio', null);
    this.emit('change', undefined);
  }

  /** Lets go of every device. */
  close() {
    this.#turn.microphone++;
    this.#turn.camera++;
    this.opening.clear();
    for (const source of Object.keys(this.sources)) this.#set(/** @type {keyof LocalMedia['sources']} */ (source), null);
    this.emit('change', undefined);
  }

  /** @param {keyof LocalMedia['sources']} source @param {MediaStreamTrack | null} track */
  #set(source, track) {
    const entry = this.sources[source];
    if (entry.track) {
      entry.track.onended = null;
      entry.track.stop();
    }
    entry.track = track;
    if (!track) return;
    if (source === 'microphone') track.enabled = !entry.muted;
    track.onended = () => this.#ended(source); // unplugged, or "stop sharing" of the browser
  }

  /** @param {keyof LocalMedia['sources']} source */
  #ended(source) {
    if (source === 'screen') this.#set('screen-audio', null);
    this.#set(source, null);
    if (source === 'microphone' || source === 'camera') this.sources[source].muted = true;
    this.emit('ended', source);
    this.emit('change', undefined);
  }
}
