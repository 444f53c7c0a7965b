// Media without a server: a connection to every other participant of the room, who calls whom, and when to call again.
// Knows: participants, signals, announcements. Does not know: SDP (call.js), or the page.

import { Announcing } from './announcing.js';
import { Backoff } from './backoff.js';
import { Call } from './call.js';
import { Emitter } from './emitter.js';
import { trackKey } from './path.js';

/** @typedef {import('./types.js').SignalData} SignalData */
/** @typedef {import('./types.js').Counters} Counters */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./path.js').MediaWay} MediaWay */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./call.js').Label} Label */

/**
 * One other participant.
 * @typedef {object} Peer
 * @property {string} id
 * @property {boolean} earlier  was there before us: calls us, and its offer counts when two cross
 * @property {Call | null} call
 * @property {Backoff} backoff
 * @property {Record<Label, string[]>} waiting  messages until the channel is open
 */

const ALL_UP_MS = 8000; // who is not connected by then is not waited for
const CALLED_LATE_MS = 4000; // the other should have called by now
const CALLED_AGAIN_LATE_MS = 2000; // the same, after a connection has ended
const WAITING_MAX = 50;

/**
 * @extends {Emitter<import('./path.js').PathEvents>}
 * @implements {MediaWay}
 */
export class Mesh extends Emitter {
  /** Nobody is called any more: the room moves elsewhere. */
  retiring = false;
  #link;
  #announcing;
  /** @type {Map<string, Peer>} */
  #peers = new Map();
  #dirty = false;
  #working = false;
  #announced = false;
  #up = false;
  #closed = false;
  #upTimer = setTimeout(() => this.#isUp(), ALL_UP_MS);

  /** @param {Link} link @param {LocalMedia} local */
  constructor(link, local) {
    super();
    this.#link = link;
    this.#announcing = new Announcing(link, local);
    this.update();
  }

  /** @param {import('./roster.js').Roster} roster */
  show(roster) {
    for (const peer of [...this.#peers.values()]) if (!roster.participants.has(peer.id)) this.#part(peer);
    for (const { id, earlier } of this.retiring ? [] : roster.participants.values()) {
      if (!this.#peers.has(id)) this.#meet(id, earlier ?? false);
    }
    this.#check();
  }

  update() {
    this.#dirty = true;
    if (!this.#working) void this.#work();
  }

  /** @param {string} from @param {SignalData} data */
  signal(from, data) {
    const peer = this.#peers.get(from);
    if (!peer || this.#closed) return;
    if (data.description?.type === 'offer') {
      const { call } = peer;
      if (call?.waiting && !peer.earlier) return; // both called: ours counts
      if (!call || call.waiting || call.isOther(data)) this.#open(peer, false, data.call ?? '');
    }
    const { call } = peer;
    const stale = data.call !== undefined && call !== null && call.id !== '' && call.id !== data.call;
    if (!stale) call?.signal(data);
  }

  /** @param {SignalData} data  to everybody with whom there is a connection */
  signalAll(data) {
    for (const { id } of this.#peers.values()) this.#link.notify({ type: 'signal', to: id, data });
  }

  /** @returns {string[]} those who are connected with us */
  connected() {
    return [...this.#peers.values()].filter(({ call }) => call?.connected).map(({ id }) => id);
  }

  /** @param {string} publication @returns {import('./path.js').Received | null} */
  received(publication) {
    for (const { id, call } of this.#peers.values()) {
      const transceiver = call?.receiving(publication);
      if (!transceiver) continue;
      return { receiver: transceiver.receiver, figures: trackKey(id, transceiver.mid), state: 'active', message: '', reason: null, flow: null };
    }
    return null;
  }

  /** @returns {import('./path.js').Sent[]} */
  sending() {
    return [...this.#peers.values()].flatMap(({ id, call }) =>
      (call?.sending() ?? []).map(([source, { transceiver }]) => ({
        source: /** @type {import('./types.js').Source} */ (source),
        link: id,
        figures: trackKey(id, transceiver.mid),
      })),
    );
  }

  /** @returns {import('./path.js').PathLink[]} */
  links() {
    return [...this.#peers.values()].flatMap(({ id, call }) => (call ? [{ id, pc: call.pc }] : []));
  }

  /** @param {string} text @param {string | null} to */
  chat(text, to) {
    return this.#post('chat', to === null ? { type: 'chat', text } : { type: 'chat', text, to }, to);
  }

  /** @param {Record<string, unknown>} message @param {string | null} to */
  tell(message, to) {
    return this.#post('files', { ...message, to }, to);
  }

  /** @param {Counters} counters  of this page, for those who show them */
  count(counters) {
    const text = JSON.stringify({ type: 'counters', ...counters });
    for (const { call } of this.#peers.values()) call?.channel('chat')?.send(text);
  }

  /** @param {string} participant */
  channel(participant) {
    return this.#peers.get(participant)?.call?.channel('files') ?? null;
  }

  async withdraw() {
    await this.#announcing.withdraw();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#upTimer);
    for (const peer of [...this.#peers.values()]) this.#part(peer);
  }

  /** Announces first: a publication has its id before an offer names it. */
  async #work() {
    this.#working = true;
    try {
      while (this.#dirty && !this.#closed) {
        this.#dirty = false;
        await this.#announcing.settle();
        this.#announced = true;
        for (const peer of this.#peers.values()) {
          if (peer.call) peer.call.update(this.#announcing.sources());
          else if (!peer.earlier) this.#open(peer, true, newCallId());
        }
      }
    } catch (error) {
      if (!this.#closed) this.emit('lost', error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#working = false;
    }
  }

  /** @param {string} id @param {boolean} earlier */
  #meet(id, earlier) {
    /** @type {Peer} */
    const peer = { id, earlier, call: null, backoff: new Backoff(), waiting: { chat: [], files: [] } };
    this.#peers.set(id, peer);
    if (earlier) this.#callLater(peer, null);
    else if (this.#announced) this.#open(peer, true, newCallId());
  }

  /** @param {Peer} peer */
  #part(peer) {
    this.#peers.delete(peer.id);
    peer.call?.close();
    peer.call = null;
    peer.backoff.hurry();
    this.emit('slots', undefined);
  }

  /** @param {Peer} peer @param {boolean} calling @param {string} id  of the call */
  #open(peer, calling, id) {
    peer.call?.close();
    const send = (/** @type {SignalData} */ data) => this.#link.notify({ type: 'signal', to: peer.id, data });
    const call = new Call({ id, calling, polite: peer.earlier, send });
    peer.call = call;
    call.on('up', () => {
      peer.backoff.reset();
      this.#check();
      this.emit('slots', undefined);
    });
    call.on('media', () => this.emit('slots', undefined));
    call.on('open', (label) => this.#opened(peer, label));
    call.on('data', ({ label, data }) => this.#received(peer.id, label, data));
    call.on('failed', () => {
      if (peer.call !== call) return;
      peer.call = null;
      this.emit('slots', undefined);
      this.#callLater(peer, call);
    });
    call.update(this.#announcing.sources());
  }

  /**
   * Calls after a pause, unless there is a call by then. The older one calls; the newcomer only when that doesn't come.
   * @param {Peer} peer @param {Call | null} before
   */
  async #callLater(peer, before) {
    if (before && !peer.earlier) await peer.backoff.wait();
    else await new Promise((resolve) => setTimeout(resolve, before ? CALLED_AGAIN_LATE_MS : CALLED_LATE_MS));
    if (this.#closed || this.retiring || peer.call || this.#peers.get(peer.id) !== peer) return;
    this.#open(peer, true, newCallId());
  }

  /** @param {Label} label @param {Record<string, unknown>} message @param {string | null} to  null: all */
  #post(label, message, to) {
    const text = JSON.stringify(message);
    for (const { id, call, waiting } of this.#peers.values()) {
      if (to !== null && id !== to) continue;
      const channel = call?.channel(label);
      if (channel) channel.send(text);
      else if (waiting[label].length < WAITING_MAX) waiting[label].push(text);
    }
    return true;
  }

  /** @param {Peer} peer @param {Label} label */
  #opened(peer, label) {
    const channel = peer.call?.channel(label);
    if (!channel) return;
    for (const text of peer.waiting[label]?.splice(0) ?? []) channel.send(text);
  }

  /** @param {string} from @param {Label} label @param {string | ArrayBuffer} data */
  #received(from, label, data) {
    if (label === 'files') {
      this.emit('file', { from, data });
      return;
    }
    if (typeof data !== 'string') return;
    const message = JSON.parse(data);
    if (message.type === 'counters') this.emit('counters', { from, counters: message });
    else this.emit('chat', { ...message, from, at: Date.now() }); // who it is from, the connection tells
  }

  #check() {
    if ([...this.#peers.values()].every(({ call }) => call?.connected)) this.#isUp();
  }

  #isUp() {
    if (this.#up || this.#closed) return;
    this.#up = true;
    clearTimeout(this.#upTimer);
    this.emit('up', undefined);
  }
}

/** @returns {string} */
function newCallId() {
  return Math.random().toString(36).slice(2, 12);
}
