// The sending half of a connection: one send-only transceiver per source that has a track, pictures in several encodings.
// Knows: which m-line carries which source and what the server was told of it. Does not know: devices, offers, rooms.

import { encodingsFor, MAX_BITRATE, midsOfSeveral, preferCodec, scalesFor } from './encodings.js';
import { SenderParameters } from './parameters.js';

/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./types.js').PublishEntry} PublishEntry */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {keyof LocalMedia['sources']} OwnSource */

/**
 * @typedef {object} Sender
 * @property {RTCRtpTransceiver} transceiver
 * @property {SenderParameters} parameters
 * @property {boolean} several  a picture in more encodings than one
 * @property {string | null} publication  the server's id, null until an answer names it
 * @property {boolean} published  the m-line is, or is to be, in the offer's publish list
 * @property {boolean} toldMuted  what the server was last told
 */

export class Publishing {
  #pc;
  #local;
  #wish;
  /** @type {Map<OwnSource, Sender>} */
  #senders = new Map();
  /** Encodings wanted of publications whose answer is not worked off yet. @type {Map<string, Record<string, boolean>>} */
  #early = new Map();
  // Tracks of one stream share a clock at the receiver: lips stay in sync.
  #person = new MediaStream();
  #display = new MediaStream();

  /** @param {RTCPeerConnection} pc @param {LocalMedia} local @param {import('./encodings.js').VideoWish} wish */
  constructor(pc, local, wish) {
    this.#pc = pc;
    this.#local = local;
    this.#wish = wish;
  }

  /**
   * Brings the senders in line with what is on.
   * @returns {Promise<boolean>} true if that takes an offer
   */
  async prepare() {
    let offer = false;
    for (const [name, { track }] of Object.entries(this.#local.sources)) {
      const source = /** @type {OwnSource} */ (name);
      const sender = this.#senders.get(source);
      if (!sender) {
        if (track) this.#senders.set(source, this.#add(source, track));
        offer ||= track !== null;
        continue;
      }
      if (sender.transceiver.sender.track !== track) {
        await sender.transceiver.sender.replaceTrack(track);
        if (track && source === 'camera' && sender.several) void sender.parameters.fit(scalesFor(track));
      }
      // A camera that is off stays published (muted); a screen that ends is published no more.
      const published = track !== null || (sender.published && !source.startsWith('screen'));
      if (published !== sender.published) {
        sender.published = published;
        sender.publication = null;
        sender.transceiver.direction = published ? 'sendonly' : 'inactive';
        if (published && track?.kind === 'video') void sender.parameters.activateAll(); // nobody has said otherwise of the new one
        offer = true;
      }
    }
    return offer;
  }

  /** @returns {PublishEntry[]} the whole wanted state, for an offer */
  entries() {
    return [...this.#senders]
      .filter(([, { published }]) => published)
      .map(([source, sender]) => ({
        mid: sender.transceiver.mid ?? '',
        source,
        muted: this.#muted(source),
      }));
  }

  /** @param {PublishEntry[]} sent @param {{mid: string, publication: string}[]} answered @param {string} sdp  the answer */
  answered(sent, answered, sdp) {
    const severalTaken = midsOfSeveral(sdp);
    for (const [source, sender] of this.#senders) {
      const entry = sent.find(({ mid }) => mid === sender.transceiver.mid);
      if (!entry) continue;
      sender.toldMuted = entry.muted;
      sender.publication = answered.find(({ mid }) => mid === entry.mid)?.publication ?? null;
      if (sender.several && !severalTaken.has(entry.mid)) {
        sender.several = false;
        void sender.parameters.reduce(MAX_BITRATE[source.startsWith('screen') ? 'screen' : 'camera']);
      }
      const early = this.#early.get(sender.publication ?? '');
      if (early) void sender.parameters.activate(early);
    }
    this.#early.clear();
  }

  /** @param {string} publication @param {Record<string, boolean>} active  which encodings anybody takes, by rid */
  activate(publication, active) {
    const sender = [...this.#senders.values()].find((one) => one.publication === publication);
    if (sender) void sender.parameters.activate(active);
    else this.#early.set(publication, { ...this.#early.get(publication), ...active });
  }

  /** @returns {{source: OwnSource, encodings: {rid: string, active: boolean}[]}[]} the pictures, and what is sent of them */
  pictures() {
    const published = [...this.#senders].filter(([, { published, transceiver }]) => published && transceiver.sender.track?.kind === 'video');
    return published.map(([source, { parameters }]) => ({ source, encodings: parameters.encodings() }));
  }

  /** @returns {{publication: string, muted: boolean}[]} what the server is to be told; takes it as told */
  takeMutes() {
    /** @type {{publication: string, muted: boolean}[]} */
    const mutes = [];
    for (const [source, sender] of this.#senders) {
      const muted = this.#muted(source);
      if (!sender.published || sender.publication === null || sender.toldMuted === muted) continue;
      sender.toldMuted = muted;
      mutes.push({ publication: sender.publication, muted });
    }
    return mutes;
  }

  /** @returns {Map<OwnSource, RTCRtpTransceiver>} what is being sent */
  transceivers() {
    const published = [...this.#senders].filter(([, sender]) => sender.published);
    return new Map(published.map(([source, { transceiver }]) => [source, transceiver]));
  }

  /** A device that is just being opened or exchanged counts as on. @param {OwnSource} source */
  #muted(source) {
    return !this.#local.live(source) && !this.#local.opening.has(source);
  }

  /** @param {OwnSource} source @param {MediaStreamTrack} track @returns {Sender} */
  #add(source, track) {
    const isScreen = source.startsWith('screen');
    const isVideo = track.kind === 'video';
    const encodings = isVideo ? encodingsFor(isScreen, this.#wish) : undefined;
    const transceiver = this.#pc.addTransceiver(track, {
      direction: 'sendonly',
      streams: [isScreen ? this.#display : this.#person],
      sendEncodings: encodings,
    });
    const parameters = new SenderParameters(transceiver.sender);
    if (isVideo) {
      preferCodec(transceiver, this.#wish);
      void parameters.change((all) => preferSharpness(all, isScreen));
      if (!isScreen) void parameters.fit(scalesFor(track));
    }
    const several = (encodings?.length ?? 0) > 1;
    return { transceiver, parameters, several, publication: null, published: true, toldMuted: false };
  }
}

/**
 * When bandwidth is short a screen keeps its sharpness, a face its movement balanced with it.
 * @param {import('./parameters.js').Parameters} parameters @param {boolean} isScreen
 */
function preferSharpness(parameters, isScreen) {
  parameters.degradationPreference = isScreen ? 'maintain-resolution' : 'balanced';
  return true;
}

/**
 * For a picture that is sent once, directly.
 * @param {RTCRtpSender} sender @param {boolean} isScreen
 */
export function limitVideo(sender, isScreen) {
  return new SenderParameters(sender).change((parameters) => {
    for (const encoding of parameters.encodings) encoding.maxBitrate = MAX_BITRATE[isScreen ? 'screen' : 'camera'];
    return preferSharpness(parameters, isScreen);
  });
}
