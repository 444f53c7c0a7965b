// The one RTCPeerConnection to the server: sends what is on, receives what is wanted, carries the chat and files channels.
// Brings the server in line with the wanted state, one request at a time. Does not know: rooms, or how to come back
// after a loss; it says once that it is lost and is then replaced by a fresh one (session.js).

import { ask } from './ask.js';
import { Emitter } from './emitter.js';
import { trackKey } from './path.js';
import { Publishing } from './publishing.js';
import { Slots } from './slots.js';
import { Views } from './views.js';

/** @typedef {import('./types.js').Answer} Answer */
/** @typedef {import('./types.js').SlotMessage} SlotMessage */
/** @typedef {import('./roster.js').TileModel} TileModel */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./path.js').MediaWay} MediaWay */

const CONNECT_TIMEOUT_MS = 15000;
const CHECK_EVERY_MS = 1000;
const SILENT_CHECKS = 6; // seconds of `disconnected` without a byte: the network is gone, not slow
const REPORTS_EVERY_MS = 1000;
const SERVER = 'server';

/**
 * @extends {Emitter<import('./path.js').PathEvents>}
 * @implements {MediaWay}
 */
export class Connection extends Emitter {
  pc;
  #link;
  #publishing;
  #slots;
  #views;
  #chat;
  #files;
  #fresh = true;
  /** @type {TileModel[]} */
  #tiles = [];
  /** @type {import('./path.js').Watch} */
  #watching = { unseen: new Set(), loud: new Set(), most: Infinity };
  #dirty = false;
  #offerDue = false;
  #working = false;
  #closed = false;
  #up = false;
  #connectTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;

  /** @param {Link} link @param {LocalMedia} local @param {import('./encodings.js').VideoWish} wish */
  constructor(link, local, wish) {
    super();
    this.#link = link;
    this.pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
    this.pc.onconnectionstatechange = () => this.#connectionState();
    this.pc.oniceconnectionstatechange = () => this.#iceState();
    this.#publishing = new Publishing(this.pc, local, wish);
    this.#slots = new Slots(this.pc);
    this.#views = new Views(link, this.#slots);
    this.#chat = this.pc.createDataChannel('chat', { ordered: true });
    this.#chat.onopen = () => this.emit('chat-open', undefined);
    this.#chat.onmessage = ({ data }) => typeof data === 'string' && this.emit('chat', JSON.parse(data));
    this.#files = this.pc.createDataChannel('files', { ordered: true });
    this.#files.binaryType = 'arraybuffer';
    this.#files.onmessage = ({ data }) => this.emit('file', { from: '', data });
    this.#connectTimer = setTimeout(
      () => this.#fail(new Error('Signaling works, but no media path to the server: its UDP port may be blocked.')),
      CONNECT_TIMEOUT_MS,
    );
  }

  /** @param {import('./roster.js').Roster} roster */
  show(roster) {
    this.#tiles = roster.tiles('sfu', true);
    this.update();
  }

  /** @param {import('./path.js').Watch} watch */
  watch(watch) {
    const { unseen, most } = this.#watching;
    this.#watching = watch;
    const same = most === watch.most && unseen.size === watch.unseen.size && [...unseen].every((key) => watch.unseen.has(key));
    if (!same && this.#tiles.length > 0) this.update();
  }

  /** @param {ReadonlyMap<string, import('./types.js').View>} views  by publication */
  view(views) {
    this.#views.want(views);
  }

  /** @param {import('./types.js').Encodings} message */
  encodings({ publication, encodings }) {
    this.#publishing.activate(publication, Object.fromEntries(encodings.map(({ rid, active }) => [rid, active])));
  }

  /** @param {import('./types.js').Bandwidth} message */
  bandwidth(message) {
    for (const flow of message.slots) {
      const slot = this.#slots.byMid(flow.mid);
      if (slot) slot.flow = flow;
    }
    this.emit('bandwidth', message);
  }

  /** What is sent of each picture. */
  pictures() {
    return this.#publishing.pictures();
  }

  /** What the server was told of the slots, by mid. */
  get told() {
    return this.#views.told;
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
    slot.reason = message.reason ?? null;
    this.emit('slots', undefined);
  }

  /** @param {string} publication @returns {import('./path.js').Received | null} */
  received(publication) {
    const slot = this.#slots.showing(publication);
    if (!slot) return null;
    const { receiver, mid } = slot.transceiver;
    const { state, message, reason, flow } = slot;
    return { receiver, figures: trackKey(SERVER, mid), state, message, reason, flow };
  }

  /** @returns {import('./path.js').Sent[]} */
  sending() {
    const transceivers = [...this.#publishing.transceivers()];
    return transceivers.map(([source, { mid }]) => ({ source, link: SERVER, figures: trackKey(SERVER, mid) }));
  }

  links() {
    return [{ id: SERVER, pc: this.pc }];
  }

  /** @param {string} text @param {string | null} to @returns {boolean} false while the channel is not open */
  chat(text, to) {
    if (this.#chat.readyState !== 'open') return false;
    this.#chat.send(JSON.stringify(to === null ? { type: 'chat', text } : { type: 'chat', text, to }));
    return true;
  }

  /** @param {Record<string, unknown>} message @param {string | null} to */
  tell(message, to) {
    if (this.#files.readyState !== 'open') return false;
    this.#files.send(JSON.stringify({ ...message, to }));
    return true;
  }

  channel() {
    return this.#files.readyState === 'open' ? this.#files : null;
  }

  /** A closed connection publishes nothing. */
  async withdraw() {}

  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#connectTimer);
    clearInterval(this.#watch);
    this.#views.close();
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
    this.#slots.assign(this.#tiles, this.#watching);
    if (await this.#publishing.prepare()) this.#offerDue = true;
    if (this.#closed) return;
    if (this.#offerDue || this.#slots.unnegotiated().length > 0) await this.#offer();
    else {
      this.#views.flush(); // before it is pointed: the size of what is to come
      await this.#point();
    }
    await Promise.all(this.#publishing.takeMutes().map((mute) => ask(this.#link, { type: 'mute', ...mute })));
  }

  async #offer() {
    await this.pc.setLocalDescription();
    const publish = this.#publishing.entries();
    const receive = this.#slots.entries();
    const sdp = this.pc.localDescription?.sdp;
    /** @type {Answer | null} */
    const answer = await ask(this.#link, { type: 'offer', sdp, publish, receive, ...(this.#fresh && { fresh: true }) });
    if (this.#closed) return;
    if (!answer) {
      // A publication we named went away meanwhile; its `unpublished` came first, so what we want now is sound.
      await this.pc.setLocalDescription({ type: 'rollback' });
      this.update();
      return;
    }
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    this.#offerDue = false;
    this.#fresh = false;
    this.#publishing.answered(publish, answer.publish, answer.sdp);
    for (const { mid, publication } of receive) {
      const slot = this.#slots.byMid(mid);
      if (slot) Object.assign(slot, { told: publication, negotiated: true });
    }
    this.#views.flush();
    for (const { mid, publication, state } of answer.receive) this.slot({ type: 'slot', mid, publication, state });
    this.emit('slots', undefined);
  }

  async #point() {
    await Promise.all(
      this.#slots.astray().map(async (slot) => {
        const publication = (slot.told = slot.wanted);
        const reply = await ask(this.#link, { type: 'point', mid: slot.transceiver.mid, publication });
        if (reply) this.slot(reply);
        else this.forget(/** @type {string} */ (publication));
      }),
    );
    this.emit('slots', undefined);
  }

  async #askReports() {
    try {
      await this.#link.request({ type: 'reports', every_ms: REPORTS_EVERY_MS });
    } catch {
      // an older server reports nothing; a lost link is noticed elsewhere
    }
  }

  #connectionState() {
    if (this.pc.connectionState === 'connected' && !this.#up) {
      this.#up = true;
      clearTimeout(this.#connectTimer);
      this.emit('up', undefined);
      void this.#askReports();
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
}

/** @param {RTCPeerConnection} pc @returns {Promise<number>} over all media and data */
async function bytesReceived(pc) {
  let bytes = 0;
  (await pc.getStats()).forEach((report) => {
    if (report.type === 'transport') bytes += report.bytesReceived ?? 0;
  });
  return bytes;
}
