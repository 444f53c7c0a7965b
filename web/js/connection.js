// The one RTCPeerConnection of a session: sends what is on, receives what is wanted, carries the chat channel.
// Brings the server in line with the wanted state, one request at a time. Does not know: rooms, or how to come back
// after a loss; it says once that it is lost and is then replaced by a fresh one (session.js).

import { Emitter } from './emitter.js';
import { Publishing } from './publishing.js';
import { SignalingError } from './signaling.js';
import { Slots } from './slots.js';

/** @typedef {import('./types.js').Answer} Answer */
/** @typedef {import('./types.js').SlotMessage} SlotMessage */
/** @typedef {import('./roster.js').TileModel} TileModel */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./signaling.js').Link} Link */

const CONNECT_TIMEOUT_MS = 15000;
const CHECK_EVERY_MS = 1000;
const SILENT_CHECKS = 6; // seconds of `disconnected` without a byte: the network is gone, not slow
const ATTEMPTS = 4; // of a request the server finds too many; waits 1, 2, 3 s between

/** @extends {Emitter<{up: void, lost: Error, slots: void, 'chat-open': void, chat: any}>} */
export class Connection extends Emitter {
  pc;
  #link;
  #publishing;
  #slots;
  #chat;
  /** @type {TileModel[]} */
  #tiles = [];
  #dirty = false;
  #offerDue = false;
  #working = false;
  #closed = false;
  #up = false;
  #connectTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;

  /** @param {Link} link @param {LocalMedia} local */
  constructor(link, local) {
    super();
    this.#link = link;
    this.pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
    this.pc.onconnectionstatechange = () => this.#connectionState();
    this.pc.oniceconnectionstatechange = () => this.#iceState();
    this.#publishing = new Publishing(this.pc, local);
    this.#slots = new Slots(this.pc);
    this.#chat = this.pc.createDataChannel('chat', { ordered: true });
    this.#chat.onopen = () => this.emit('chat-open', undefined);
    this.#chat.onmessage = ({ data }) => this.#received(data);
    this.#connectTimer = setTimeout(
      () => this.#fail(new Error('Signaling works, but no media path to the server: its UDP port may be blocked.')),
      CONNECT_TIMEOUT_MS,
    );
  }

  /** @param {TileModel[]} tiles  what is to be received, from now on */
  show(tiles) {
    this.#tiles = tiles;
    this.update();
  }

  /** Something wanted has changed: settles it, after what is under way. */
  update() {
    this.#dirty = true;
    if (!this.#working) void this.#work();
  }

  /** @param {string} publication  is no more */
  forget(publication) {
    this.#slots.forget(publication);
  }

  /** @param {SlotMessage} message */
  slot(message) {
    const slot = this.#slots.byMid(message.mid);
    if (!slot || message.publication !== slot.wanted) return; // of something no longer wanted there
    slot.state = message.state;
    slot.message = message.message ?? '';
    this.emit('slots', undefined);
  }

  /** @param {string} key  a tile's @returns {import('./slots.js').Pair | undefined} */
  pair(key) {
    return this.#slots.pair(key);
  }

  /** @returns {ReturnType<Publishing['transceivers']>} */
  sending() {
    return this.#publishing.transceivers();
  }

  /** @param {string} text @returns {boolean} false while the channel is not open */
  chat(text) {
    if (this.#chat.readyState !== 'open') return false;
    this.#chat.send(JSON.stringify({ type: 'chat', text }));
    return true;
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#connectTimer);
    clearInterval(this.#watch);
    this.pc.close();
  }

  async #work() {
    this.#working = true;
    try {
      while (this.#dirty && !this.#closed) {
        this.#dirty = false;
        await this.#settle();
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#working = false;
    }
  }

  async #settle() {
    this.#slots.assign(this.#tiles);
    if (await this.#publishing.prepare()) this.#offerDue = true;
    if (this.#closed) return;
    if (this.#offerDue || this.#slots.unnegotiated().length > 0) await this.#offer();
    else await this.#point();
    await Promise.all(this.#publishing.takeMutes().map((mute) => this.#ask({ type: 'mute', ...mute })));
  }

  async #offer() {
    await this.pc.setLocalDescription();
    const publish = this.#publishing.entries();
    const receive = this.#slots.entries();
    const sdp = this.pc.localDescription?.sdp;
    /** @type {Answer | null} */
    const answer = await this.#ask({ type: 'offer', sdp, publish, receive });
    if (this.#closed) return;
    if (!answer) {
      // A publication we named went away meanwhile; its `unpublished` came first, so what we want now is sound.
      await this.pc.setLocalDescription({ type: 'rollback' });
      this.update();
      return;
    }
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    this.#offerDue = false;
    this.#publishing.answered(publish, answer.publish);
    for (const { mid, publication } of receive) {
      const slot = this.#slots.byMid(mid);
      if (slot) Object.assign(slot, { told: publication, negotiated: true });
    }
    for (const { mid, publication, state } of answer.receive) this.slot({ type: 'slot', mid, publication, state });
    this.emit('slots', undefined);
  }

  async #point() {
    await Promise.all(
      this.#slots.astray().map(async (slot) => {
        const publication = (slot.told = slot.wanted);
        const reply = await this.#ask({ type: 'point', mid: slot.transceiver.mid, publication });
        if (reply) this.slot(reply);
        else this.forget(/** @type {string} */ (publication));
      }),
    );
    this.emit('slots', undefined);
  }

  /**
   * @param {Record<string, unknown>} message
   * @returns {Promise<any>} the reply; null if it named a publication that is no more
   */
  async #ask(message) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#link.request(message);
      } catch (error) {
        if (!(error instanceof SignalingError)) throw error;
        if (error.code === 'unknown-publication') return null;
        if (error.code !== 'too-many-requests' || attempt === ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, attempt * 1000));
      }
    }
  }

  #connectionState() {
    if (this.pc.connectionState === 'connected' && !this.#up) {
      this.#up = true;
      clearTimeout(this.#connectTimer);
      this.emit('up', undefined);
    } else if (this.pc.connectionState === 'failed') {
      this.#fail(new Error('The media connection failed.'));
    }
  }

  #iceState() {
    clearInterval(this.#watch);
    if (this.pc.iceConnectionState === 'failed') this.#fail(new Error('The media connection failed.'));
    if (this.pc.iceConnectionState !== 'disconnected') return;
    let silent = 0;
    let before = -1;
    const check = async () => {
      const bytes = await bytesReceived(this.pc);
      silent = bytes === before ? silent + 1 : 0;
      before = bytes;
      if (silent >= SILENT_CHECKS) this.#fail(new Error('The network does not answer.'));
    };
    void check();
    this.#watch = setInterval(check, CHECK_EVERY_MS);
  }

  /** @param {Error} error */
  #fail(error) {
    if (this.#closed) return;
    this.close();
    this.emit('lost', error);
  }

  /** @param {unknown} data */
  #received(data) {
    if (typeof data === 'string') this.emit('chat', JSON.parse(data));
  }
}

/** @param {RTCPeerConnection} pc @returns {Promise<number>} over all media and data */
async function bytesReceived(pc) {
  let bytes = 0;
  (await pc.getStats()).forEach((report) => {
    if (report.type === 'transport') bytes += report.bytesReceived ?? 0;
  });
  return bytes;
}
