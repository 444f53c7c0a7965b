// Slots: pairs of receive m-lines (one audio, one video, the same sync word) that tiles are put into and taken out of.
// Knows: which pair is free, which tile sits where, and what the server was told. Does not know: how to tell it (connection.js).

/** @typedef {import('./roster.js').TileModel} TileModel */
/** @typedef {import('./types.js').SlotState} SlotState */
/** @typedef {import('./types.js').ReceiveEntry} ReceiveEntry */

/**
 * One receive m-line.
 * @typedef {object} Slot
 * @property {RTCRtpTransceiver} transceiver
 * @property {string} sync
 * @property {boolean} negotiated  the server knows this m-line
 * @property {string | null} wanted  publication it is to show
 * @property {string | null} told  publication the server was last told
 * @property {SlotState} state  what the server says of it
 * @property {string} message  the server's sentence, when it cannot be shown
 */

/** @typedef {{tile: string | null, audio: Slot, video: Slot}} Pair */

/** Pairs kept ready beyond those in use, so that the next to join costs no offer. */
const SPARE_PAIRS = 2;

export class Slots {
  /** @type {Pair[]} */
  #pairs = [];
  #pc;

  /** @param {RTCPeerConnection} pc */
  constructor(pc) {
    this.#pc = pc;
  }

  /**
   * Gives every tile that has something to receive a pair, and makes more pairs if they run out.
   * @param {TileModel[]} tiles
   */
  assign(tiles) {
    const wanted = new Map(tiles.filter(({ audio, video }) => audio || video).map((tile) => [tile.key, tile]));
    for (const pair of this.#pairs) if (pair.tile !== null && !wanted.has(pair.tile)) pair.tile = null;
    for (const key of wanted.keys()) if (!this.pair(key)) this.#free().tile = key;
    if (this.#pairs.length === 0) this.#grow(0);
    for (const pair of this.#pairs) {
      const tile = pair.tile === null ? undefined : wanted.get(pair.tile);
      want(pair.audio, tile?.audio?.id ?? null);
      want(pair.video, tile?.video?.id ?? null);
    }
  }

  /** @param {string} tile @returns {Pair | undefined} */
  pair(tile) {
    return this.#pairs.find((pair) => pair.tile === tile);
  }

  /** @param {string} publication @returns {Slot | undefined} */
  showing(publication) {
    return this.#slots().find(({ wanted }) => wanted === publication);
  }

  /** @returns {Slot[]} slots the server has not heard of: they need an offer */
  unnegotiated() {
    return this.#slots().filter(({ negotiated }) => !negotiated);
  }

  /** @returns {Slot[]} slots that show something else than is wanted: they need a `point` */
  astray() {
    return this.#slots().filter(({ wanted, told }) => wanted !== told);
  }

  /** @returns {ReceiveEntry[]} the whole wanted state, for an offer */
  entries() {
    return this.#slots().map(({ transceiver, wanted, sync }) => ({
      mid: transceiver.mid ?? '',
      publication: wanted,
      sync,
    }));
  }

  /** @param {string} mid @returns {Slot | undefined} */
  byMid(mid) {
    return this.#slots().find(({ transceiver }) => transceiver.mid === mid);
  }

  /** @param {string} publication  the server emptied every slot that showed it */
  forget(publication) {
    for (const slot of this.#slots()) {
      if (slot.told === publication) Object.assign(slot, { told: null, state: 'empty', message: '' });
    }
  }

  #slots() {
    return this.#pairs.flatMap(({ audio, video }) => [audio, video]);
  }

  #free() {
    return this.#pairs.find(({ tile }) => tile === null) ?? this.#grow(1);
  }

  /** @param {number} more  pairs needed beyond the spare ones */
  #grow(more) {
    const first = this.#pairs.length;
    for (let index = first; index < first + more + SPARE_PAIRS; index++) {
      this.#pairs.push({
        tile: null,
        audio: this.#slot('audio', `tile${index}`),
        video: this.#slot('video', `tile${index}`),
      });
    }
    return /** @type {Pair} */ (this.#pairs[first]);
  }

  /** @param {'audio' | 'video'} kind @param {string} sync @returns {Slot} */
  #slot(kind, sync) {
    const transceiver = this.#pc.addTransceiver(kind, { direction: 'recvonly' });
    return { transceiver, sync, negotiated: false, wanted: null, told: null, state: 'empty', message: '' };
  }
}

/** @param {Slot} slot @param {string | null} publication */
function want(slot, publication) {
  if (slot.wanted === publication) return;
  slot.wanted = publication;
  slot.state = 'empty';
  slot.message = '';
}
