// The sending half of a connection: one send-only transceiver per source that has a track.
// Knows: which m-line carries which source and what the server was told of it. Does not know: devices, offers, rooms.

/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./types.js').PublishEntry} PublishEntry */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {keyof LocalMedia['sources']} OwnSource */

/**
 * @typedef {object} Sender
 * @property {RTCRtpTransceiver} transceiver
 * @property {string | null} publication  the server's id, null until an answer names it
 * @property {boolean} published  the m-line is, or is to be, in the offer's publish list
 * @property {boolean} toldMuted  what the server was last told
 */

/** Upper bounds of one video's rate, in bits per second; the bandwidth estimate decides below them. */
export const MAX_BITRATE = { camera: 1_700_000, screen: 2_500_000 };

export class Publishing {
  #pc;
  #local;
  /** @type {Map<OwnSource, Sender>} */
  #senders = new Map();
  // Tracks of one stream share a clock at the receiver: lips stay in sync.
  #person = new MediaStream();
  #display = new MediaStream();

  /** @param {RTCPeerConnection} pc @param {LocalMedia} local */
  constructor(pc, local) {
    this.#pc = pc;
    this.#local = local;
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
      if (sender.transceiver.sender.track !== track) await sender.transceiver.sender.replaceTrack(track);
      // A camera that is off stays published (muted); a screen that ends is published no more.
      const published = track !== null || (sender.published && !source.startsWith('screen'));
      if (published !== sender.published) {
        sender.published = published;
        sender.publication = null;
        sender.transceiver.direction = published ? 'sendonly' : 'inactive';
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

  /** @param {PublishEntry[]} sent @param {{mid: string, publication: string}[]} answered */
  answered(sent, answered) {
    for (const sender of this.#senders.values()) {
      const entry = sent.find(({ mid }) => mid === sender.transceiver.mid);
      if (!entry) continue;
      sender.toldMuted = entry.muted;
      sender.publication = answered.find(({ mid }) => mid === entry.mid)?.publication ?? null;
    }
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
    const transceiver = this.#pc.addTransceiver(track, {
      direction: 'sendonly',
      streams: [isScreen ? this.#display : this.#person],
      sendEncodings: track.kind === 'video' ? [{ maxBitrate: MAX_BITRATE[isScreen ? 'screen' : 'camera'] }] : undefined,
    });
    if (track.kind === 'video') void limitVideo(transceiver.sender, isScreen);
    return { transceiver, publication: null, published: true, toldMuted: false };
  }
}

/**
 * When bandwidth is short a screen keeps its sharpness, a face its movement balanced with it.
 * @param {RTCRtpSender} sender @param {boolean} isScreen
 * @param {number} [maxBitrate]  bits per second
 */
export async function limitVideo(sender, isScreen, maxBitrate) {
  try {
    const parameters = /** @type {RTCRtpSendParameters & {degradationPreference?: string}} */ (sender.getParameters());
    parameters.degradationPreference = isScreen ? 'maintain-resolution' : 'balanced';
    if (maxBitrate) for (const encoding of parameters.encodings) encoding.maxBitrate = maxBitrate;
    await sender.setParameters(parameters);
  } catch {
    // the browser has no such wish: its own choice stands
  }
}
