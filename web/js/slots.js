// Slots: receive m-lines that tiles are put into and taken out of, made in pairs (one audio, one video, the same sync
// word). Sound is received of everybody; of pictures there is a pool that is pointed at the tiles in view.
// Knows: which slot is free, which tile sits where, and what the server was told. Does not know: how to tell it
// (connection.js), or which tiles are in view.

import { readLayers } from './extensions.js';

/** @typedef {import('./roster.js').TileModel} TileModel */
/** @typedef {import('./types.js').SlotState} SlotState */
/** @typedef {import('./types.js').ReceiveEntry} ReceiveEntry */
/** @typedef {import('./types.js').SlotFlow} SlotFlow */
/** @typedef {import('./types.js').SlotReason} SlotReason */
/** @typedef {'audio' | 'video'} Kind */

/**
 * One receive m-line.
 * @typedef {object} Slot
 * @property {RTCRtpTransceiver} transceiver
 * @property {string} sync
 * @property {string | null} tile  that sits in it
 * @property {boolean} negotiated  the server knows this m-line
 * @property {string | null} wanted  publication it is to show
 * @property {string | null} told  publication the server was last told
 * @property {SlotState} state  what the server says of it
 * @property {string} message  the server's sentence, when it cannot be shown
 * @property {SlotReason | null} reason  why it is paused
 * @property {SlotFlow | null} flow  what the server last counted in it
 */

/** Slots of each kind kept ready beyond those in use, so that the next to join costs no offer. */
const SPARE = 2;
/** @type {Pick<Slot, 'state' | 'message' | 'reason' | 'flow'>} */
const NOTHING = { state: 'empty', message: '', reason: null, flow: null };

export class Slots {
  /** @type {Record<Kind, Slot[]>} */
  #slots = { audio: [], video: [] };
  #pc;

  /** @param {RTCPeerConnection} pc */
  constructor(pc) {
    this.#pc = pc;
  }

  /**
   * Gives every tile that has something to receive its slots, and makes more if they run out.
   * @param {TileModel[]} tiles
   * @param {import('./path.js').Watch} watch  video slots are made up to its `most`
   */
  assign(tiles, { unseen, loud, most }) {
    const wanted = new Map(tiles.filter(({ audio, video }) => audio || video).map((tile) => [tile.key, tile]));
    for (const { tile, slot } of this.#seated()) {
      const gone = !wanted.has(tile) || (unseen.has(tile) && this.#slots.video.includes(slot));
      if (gone) slot.tile = null;
    }
    if (this.#slots.audio.length === 0) this.#begin(most);
    for (const key of wanted.keys()) {
      this.#seat('audio', key, !unseen.has(key), Infinity);
      if (!unseen.has(key)) this.#seat('video', key, true, most);
    }
    this.#pair(loud);
    for (const kind of /** @type {const} */ (['audio', 'video'])) {
      for (const slot of this.#slots[kind]) want(slot, wanted.get(slot.tile ?? '')?.[kind]?.id ?? null);
    }
  }

  /** @param {string} publication @returns {Slot | undefined} */
  showing(publication) {
    return this.#all().find(({ wanted }) => wanted === publication);
  }

  /** @returns {Slot[]} those of pictures */
  videos() {
    return this.#slots.video;
  }

  /** @returns {Slot[]} slots the server has not heard of: they need an offer */
  unnegotiated() {
    return this.#all().filter(({ negotiated }) => !negotiated);
  }

  /** @returns {Slot[]} slots that show something else than is wanted: they need a `point` */
  astray() {
    return this.#all().filter(({ wanted, told }) => wanted !== told);
  }

  /** @returns {ReceiveEntry[]} the whole wanted state, for an offer */
  entries() {
    return this.#all().map(({ transceiver, wanted, sync }) => ({
      mid: transceiver.mid ?? '',
      publication: wanted,
      sync,
    }));
  }

  /** @param {string} mid @returns {Slot | undefined} */
  byMid(mid) {
    return this.#all().find(({ transceiver }) => transceiver.mid === mid);
  }

  /** @param {string} publication  the server emptied every slot that showed it */
  forget(publication) {
    for (const slot of this.#all()) {
      if (slot.told === publication) Object.assign(slot, { told: null, ...NOTHING });
    }
  }

  #all() {
    return [...this.#slots.audio, ...this.#slots.video];
  }

  #seated() {
    return this.#all().flatMap((slot) => (slot.tile === null ? [] : [{ tile: slot.tile, slot }]));
  }

  /**
   * Who has come into view got a picture's slot that was free, of another pair than the sound's: sound and picture are
   * not played in step. The sound moves into the pair once nobody hears it move.
   * @param {ReadonlySet<string>} loud
   */
  #pair(loud) {
    for (const { tile, sync } of this.#slots.video) {
      const present = this.#slots.audio.find((slot) => slot.tile === tile);
      const partner = this.#slots.audio.find((slot) => slot.sync === sync);
      if (tile === null || !present || !partner || present === partner) continue;
      if (loud.has(tile) || loud.has(partner.tile ?? '')) continue;
      present.tile = partner.tile;
      partner.tile = tile;
    }
  }

  /** @param {number} most */
  #begin(most) {
    this.#grow('audio', SPARE);
    this.#grow('video', Math.min(SPARE, most));
  }

  /**
   * @param {Kind} kind @param {string} tile
   * @param {boolean} both  the tile needs a slot of the other kind too: it had better be of the same pair
   * @param {number} most
   */
  #seat(kind, tile, both, most) {
    const slots = this.#slots[kind];
    if (slots.some((slot) => slot.tile === tile)) return;
    const others = this.#slots[kind === 'audio' ? 'video' : 'audio'];
    const partner = others.find((slot) => slot.tile === tile)?.sync;
    const free = slots.filter((slot) => slot.tile === null);
    /** @param {Slot} slot @returns {boolean} */
    const halfFree = ({ sync }) => others.some((slot) => slot.sync === sync && slot.tile === null);
    const chosen = free.find(({ sync }) => sync === partner) ?? free.find((slot) => halfFree(slot) === both) ?? free[0];
    if (!chosen && slots.length >= most) return;
    const slot = chosen ?? this.#grow(kind, Math.min(1 + SPARE, most - slots.length));
    slot.tile = tile;
  }

  /** @param {Kind} kind @param {number} more @returns {Slot} the first of the new ones */
  #grow(kind, more) {
    const slots = this.#slots[kind];
    const first = slots.length;
    for (let index = first; index < first + more; index++) {
      const transceiver = this.#pc.addTransceiver(kind, { direction: 'recvonly' });
      if (kind === 'video') readLayers(transceiver);
      slots.push({ transceiver, sync: `tile${index}`, tile: null, negotiated: false, wanted: null, told: null, ...NOTHING });
    }
    return /** @type {Slot} */ (slots[first]);
  }
}

/** @param {Slot} slot @param {string | null} publication */
function want(slot, publication) {
  if (slot.wanted === publication) return;
  Object.assign(slot, { wanted: publication, ...NOTHING });
}
