// How this person's media goes: through the server, directly, or, for the moments of a move, both ways.
// Make before break: the old way ends when everything plays on the new one, here and at those who shared the old one.
// Knows: ways and the room's path. Does not know: SDP, tiles, or how to come back after a loss (session.js).

import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { Mesh } from './mesh.js';

/** @typedef {import('./types.js').MediaPath} MediaPath */
/** @typedef {import('./types.js').ServerEvent} ServerEvent */
/** @typedef {import('./roster.js').Roster} Roster */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./path.js').MediaWay & Emitter<import('./path.js').PathEvents>} Way */

const OTHERS_SETTLE_MS = 6000; // after we have settled: who has not told by then does not tell
const MOVE_MS = 20_000; // a move that takes longer ends the old way all the same
const AFTERGLOW_MS = 400; // the last swaps at the others' pages

/** @extends {Emitter<import('./path.js').PathEvents & {path: MediaPath}>} */
export class Media extends Emitter {
  /** The one in force. @type {MediaPath} */
  path;
  #link;
  #local;
  #roster;
  #wish;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Mesh | null} */
  #mesh = null;
  /** @type {import('./path.js').Watch} */
  #watching = { unseen: new Set(), loud: new Set(), most: Infinity };
  #settled = false;
  /** Others who play everything on the present path. @type {Set<string>} */
  #settledOthers = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #closed = false;

  /** @param {{link: Link, local: LocalMedia, roster: Roster, path: MediaPath, wish: import('./encodings.js').VideoWish}} options */
  constructor({ link, local, roster, path, wish }) {
    super();
    this.#link = link;
    this.#local = local;
    this.#roster = roster;
    this.#wish = wish;
    this.path = path;
  }

  /** Begins; after that `up` or `lost` will come. */
  start() {
    this.#way(this.path);
    this.show();
  }

  /** The way to the server, if there is one now. */
  get connection() {
    return this.#connection;
  }

  /** A move is going on: two ways are open. */
  get moving() {
    return this.#connection !== null && this.#mesh !== null;
  }

  /** The roster has changed. */
  show() {
    for (const way of this.#ways()) way.show(this.#roster);
    this.#maybeEnd();
  }

  update() {
    for (const way of this.#ways()) way.update();
  }

  /** What concerns media in what the server says. @param {ServerEvent} event  before the roster has heard of it */
  event(event) {
    if (event.type === 'slot') this.#connection?.slot(event);
    else if (event.type === 'unpublished') this.#connection?.forget(event.publication);
    else if (event.type === 'encodings') this.#connection?.encodings(event);
    else if (event.type === 'bandwidth') this.#connection?.bandwidth(event);
    else if (event.type === 'path') this.#move(event.path);
    else if (event.type === 'left') {
      for (const { id } of this.#roster.participants.get(event.participant)?.publications ?? []) this.#connection?.forget(id);
    } else if (event.type === 'signal') {
      if (event.data.settled) this.#othersSettled(event.from, event.data.settled);
      else this.#mesh?.signal(event.from, event.data);
    }
  }

  /** Which tiles are in view. @param {import('./path.js').Watch} watch */
  watch(watch) {
    this.#watching = watch;
    this.#connection?.watch(watch);
  }

  /** How pictures are seen. @param {ReadonlyMap<string, import('./types.js').View>} views  by publication */
  view(views) {
    this.#connection?.view(views);
  }

  /** @param {string} publication @returns {import('./path.js').Received | null} */
  received(publication) {
    return this.#connection?.received(publication) ?? this.#mesh?.received(publication) ?? null;
  }

  sending() {
    return this.#ways().flatMap((way) => way.sending());
  }

  links() {
    return this.#ways().flatMap((way) => way.links());
  }

  /** @param {string} text @param {string | null} to */
  chat(text, to) {
    return this.#present()?.chat(text, to) ?? false;
  }

  /** @param {Record<string, unknown>} message @param {string | null} to */
  tell(message, to) {
    return this.#present()?.tell(message, to) ?? false;
  }

  /** @param {string} participant */
  channel(participant) {
    return this.#present()?.channel(participant) ?? null;
  }

  /** @param {import('./types.js').Counters} counters */
  count(counters) {
    this.#mesh?.count(counters);
  }

  /** Everything there is to play plays on the path in force. */
  settle() {
    if (!this.moving || this.#settled) return;
    this.#settled = true;
    this.#mesh?.signalAll({ settled: this.path });
    this.#endIn(OTHERS_SETTLE_MS);
    this.#maybeEnd();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const way of this.#ways()) way.close();
    this.#connection = null;
    this.#mesh = null;
  }

  /** @returns {Way[]} */
  #ways() {
    return [this.#connection, this.#mesh].filter((way) => way !== null);
  }

  /** @returns {Way | null} */
  #present() {
    return this.path === 'sfu' ? this.#connection : this.#mesh;
  }

  /** Makes the way, unless it is there. @param {MediaPath} path */
  #way(path) {
    if (path === 'sfu' ? this.#connection : this.#mesh) return;
    /** @type {Way} */
    let way;
    if (path === 'sfu') {
      way = this.#connection = new Connection(this.#link, this.#local, this.#wish);
      this.#connection.watch(this.#watching);
    } else way = this.#mesh = new Mesh(this.#link, this.#local);
    for (const name of /** @type {const} */ (['up', 'slots', 'chat-open', 'chat', 'file', 'counters', 'bandwidth'])) {
      way.on(name, (/** @type {any} */ detail) => this.emit(name, detail));
    }
    way.on('lost', (error) => {
      if (path === this.path) this.emit('lost', error);
      else void this.#end();
    });
  }

  /** @param {MediaPath} path */
  #move(path) {
    if (path === this.path) return;
    this.path = path;
    this.#settled = false;
    this.#settledOthers.clear();
    this.#way(path);
    if (this.#mesh) this.#mesh.retiring = path !== 'mesh';
    this.show();
    this.update(); // a way that was to end and is wanted again
    this.#endIn(MOVE_MS);
    this.emit('path', path);
  }

  /** @param {string} from @param {MediaPath} path */
  #othersSettled(from, path) {
    if (path !== this.path) return;
    this.#settledOthers.add(from);
    this.#maybeEnd();
  }

  #maybeEnd() {
    if (!this.#settled || !this.moving) return;
    const waitFor = this.#mesh?.connected() ?? [];
    if (waitFor.every((id) => this.#settledOthers.has(id))) this.#endIn(AFTERGLOW_MS);
  }

  /** @param {number} ms */
  #endIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), ms);
  }

  /** Takes the old way down. */
  async #end() {
    clearTimeout(this.#timer);
    if (this.#closed || !this.moving) return;
    const old = /** @type {Way} */ (this.path === 'sfu' ? this.#mesh : this.#connection);
    if (this.path === 'sfu') this.#mesh = null;
    else this.#connection = null;
    await old.withdraw().catch(() => {}); // the link is lost: session.js comes back
    old.close();
    this.emit('slots', undefined);
  }
}
