// A signaling link between tabs of one browser: the same messages as over the WebSocket, with no server at all.
// Each tab says over a BroadcastChannel, again and again, who it is and what it publishes; from that every other tab
// makes the events that a server would send. Knows: presence. Does not know: media.

import { every } from './heartbeat.js';
import { LinkLost, SignalingError } from './signaling.js';

/** @typedef {import('./types.js').Participant} Participant */
/** @typedef {import('./types.js').Publication} Publication */
/** @typedef {import('./types.js').AnnounceEntry} AnnounceEntry */
/** @typedef {import('./types.js').LeaveReason} LeaveReason */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./signaling.js').LinkHandlers} LinkHandlers */
/** What a tab says of itself. @typedef {{type: 'presence', id: string, name: string, since: number, publications: Publication[]}} Presence */
/** Another tab. @typedef {{presence: Presence, seen: number}} Neighbour */

const BEAT_MS = 500;
const GONE_MS = 2500; // of silence
const LISTEN_MS = 350; // for those who are there already

/** @param {LinkHandlers} handlers @returns {Promise<Link>} */
export async function openTabs(handlers) {
  if (!('BroadcastChannel' in window)) throw new LinkLost('This browser has no channels between its tabs.');
  return new TabsLink(handlers);
}

/** @implements {Link} */
class TabsLink {
  #handlers;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {Presence | null} */
  #own = null;
  #welcomed = false;
  /** @type {Map<string, Neighbour>} */
  #others = new Map();
  /** Publication ids by key. @type {Map<string, string>} */
  #ids = new Map();
  #stopBeats = () => {};

  /** @param {LinkHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** @param {Record<string, any>} message @returns {Promise<any>} */
  async request(message) {
    if (message.type === 'join') return this.#join(message.room, message.name);
    if (!this.#own || !this.#channel) throw new LinkLost('This tab has left the room.');
    if (message.type === 'announce') return this.#announce(message.publications);
    throw new SignalingError('not-allowed', 'Between tabs there is no server for this.');
  }

  /** @param {Record<string, any>} message */
  notify(message) {
    if (!this.#own) return;
    if (message.type === 'signal') this.#post({ type: 'signal', from: this.#own.id, to: message.to, data: message.data });
    if (message.type === 'leave') this.#post({ type: 'gone', id: this.#own.id });
  }

  /** Tabs beat by themselves. */
  beat() {}

  close() {
    if (this.#own) this.#post({ type: 'gone', id: this.#own.id });
    this.#stopBeats();
    this.#channel?.close();
    this.#channel = null;
    this.#own = null;
  }

  /** @param {string} room @param {string} name */
  async #join(room, name) {
    this.#own = { type: 'presence', id: `p_${uuid()}`, name, since: Date.now(), publications: [] };
    this.#channel = new BroadcastChannel(`aiosfu/${room}`);
    this.#channel.onmessage = ({ data }) => this.#received(data);
    this.#stopBeats = every(BEAT_MS, () => this.#beat());
    this.#post(this.#own);
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
    if (!this.#own) throw new LinkLost('This tab has left the room.');
    this.#welcomed = true;
    const others = [...this.#others.values()].map(({ presence }) => presence);
    const later = others.filter((one) => !this.#isEarlier(one));
    // Who came after us is told of once whoever asked has taken the welcome in.
    setTimeout(() => later.forEach((one) => this.#joined(one)), 0);
    return {
      type: 'welcome',
      ...{ participant: this.#own.id, session: '', room, topology: 'mesh', path: 'mesh', role: 'member' },
      participants: others.filter((one) => this.#isEarlier(one)).map((one) => this.#participant(one)),
    };
  }

  /** @param {AnnounceEntry[]} entries */
  #announce(entries) {
    const own = /** @type {Presence} */ (this.#own);
    own.publications = entries.map(({ key, kind, source, muted }) => {
      const id = this.#ids.get(key) ?? `t_${uuid()}`;
      this.#ids.set(key, id);
      return { id, kind, source, muted, codec: '', path: 'mesh' };
    });
    const keys = new Set(entries.map(({ key }) => key));
    for (const key of [...this.#ids.keys()]) if (!keys.has(key)) this.#ids.delete(key);
    this.#post(own);
    return { type: 'announced', publications: [...this.#ids].map(([key, publication]) => ({ key, publication })) };
  }

  #beat() {
    if (!this.#own) return;
    this.#post(this.#own);
    for (const [id, { seen }] of this.#others) if (performance.now() - seen > GONE_MS) this.#gone(id, 'timeout');
  }

  /** @param {any} message */
  #received(message) {
    const own = this.#own;
    if (!own) return;
    if (message.type === 'presence') this.#present(message);
    else if (message.type === 'gone') this.#gone(message.id, 'left');
    else if (message.type === 'signal' && message.to === own.id && this.#others.has(message.from)) {
      this.#handlers.event({ type: 'signal', from: message.from, data: message.data });
    }
  }

  /** @param {Presence} presence */
  #present(presence) {
    const known = this.#others.get(presence.id);
    this.#others.set(presence.id, { presence, seen: performance.now() });
    if (!known) {
      if (this.#own) this.#post(this.#own); // so that it needn't wait for the next beat
      if (this.#welcomed) this.#joined(presence);
      return;
    }
    if (!this.#welcomed) return;
    const participant = presence.id;
    const before = new Map(known.presence.publications.map((one) => [one.id, one]));
    const now = new Set(presence.publications.map(({ id }) => id));
    for (const id of before.keys()) if (!now.has(id)) this.#handlers.event({ type: 'unpublished', participant, publication: id });
    for (const publication of presence.publications) {
      const { id, muted } = publication;
      const old = before.get(id);
      if (!old) this.#handlers.event({ type: 'published', participant, publication: { ...publication } });
      else if (old.muted !== muted) this.#handlers.event({ type: 'muted', participant, publication: id, muted });
    }
  }

  /** @param {Presence} presence */
  #joined(presence) {
    this.#handlers.event({ type: 'joined', participant: this.#participant(presence) });
  }

  /** @param {string} id @param {LeaveReason} reason */
  #gone(id, reason) {
    if (this.#others.delete(id) && this.#welcomed) this.#handlers.event({ type: 'left', participant: id, reason });
  }

  /** @param {Presence} presence @returns {Participant} */
  #participant(presence) {
    const { id, name, publications } = presence;
    return { id, name, earlier: this.#isEarlier(presence), publications: publications.map((one) => ({ ...one })) };
  }

  /** Both sides must say the same of who was there first. @param {Presence} other */
  #isEarlier(other) {
    const own = /** @type {Presence} */ (this.#own);
    return other.since < own.since || (other.since === own.since && other.id < own.id);
  }

  /** @param {unknown} message */
  #post(message) {
    this.#channel?.postMessage(message);
  }
}

/** @returns {string} */
function uuid() {
  if ('randomUUID' in crypto) return crypto.randomUUID();
  const bytes = /** @type {Crypto} */ (crypto).getRandomValues(new Uint8Array(16)); // pages without https
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
