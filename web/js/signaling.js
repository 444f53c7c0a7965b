// One signaling link: requests with their replies, events, and the proof that the other side still listens.
// Knows: message framing, request ids, ping. Does not know: rooms, media, or how to come back after a loss (session.js).

import { every } from './heartbeat.js';

/** @typedef {import('./types.js').ServerEvent} ServerEvent */

/**
 * What a session needs of a link, whatever carries it.
 * @typedef {object} Link
 * @property {(message: Record<string, unknown>) => Promise<any>} request  resolves with the reply, rejects with SignalingError or LinkLost
 * @property {(message: Record<string, unknown>) => void} notify  no reply wanted
 * @property {(everyMs: number) => void} beat  how often the other side wants to hear of us, if nothing else is to be said
 * @property {() => void} close
 */

/**
 * @typedef {object} LinkHandlers
 * @property {(event: ServerEvent) => void} event
 * @property {(reason: string) => void} lost  called once, never after `close`
 */

/** @typedef {(handlers: LinkHandlers) => Promise<Link>} OpenLink */

/** The server refused a request: stable `code`, human `message`. */
export class SignalingError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'SignalingError';
    this.code = code;
  }
}

/** The link is gone, and with it every answer that was awaited. */
export class LinkLost extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.name = 'LinkLost';
  }
}

const OPEN_TIMEOUT_MS = 8000;
const REQUEST_TIMEOUT_MS = 10000;
const PING_EVERY_MS = 5000;
const SILENCE_MS = 10_000; // without a word; counted in pings, not timed, so that a sleeping tab's late timer is no loss

/** @returns {string} the WebSocket address beside this page */
export function signalingUrl() {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/**
 * Opens a link over a WebSocket.
 * @param {string} url
 * @param {LinkHandlers} handlers
 * @returns {Promise<Link>}
 */
export function openWebSocket(url, handlers) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const timer = setTimeout(() => {
      socket.onclose = null;
      socket.close();
      reject(new LinkLost('The server did not answer.'));
    }, OPEN_TIMEOUT_MS);
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(new WebSocketLink(socket, handlers));
    };
    socket.onclose = () => {
      clearTimeout(timer);
      reject(new LinkLost('The server cannot be reached.'));
    };
  });
}

/** @implements {Link} */
class WebSocketLink {
  #socket;
  #handlers;
  #nextId = 1;
  #unanswered = 0;
  /** @type {Map<number, {resolve: (reply: any) => void, reject: (error: Error) => void, timer: ReturnType<typeof setTimeout>}>} */
  #waiting = new Map();
  #closed = false;
  #everyMs = PING_EVERY_MS;
  #stopPings;

  /** @param {WebSocket} socket @param {LinkHandlers} handlers */
  constructor(socket, handlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#end('The connection to the server was lost.');
    this.#stopPings = every(this.#everyMs, () => this.#ping());
  }

  /** @param {number} everyMs */
  beat(everyMs) {
    if (this.#closed || everyMs === this.#everyMs) return;
    this.#everyMs = everyMs;
    this.#stopPings();
    this.#stopPings = every(everyMs, () => this.#ping());
    this.#ping();
  }

  /** @param {Record<string, unknown>} message */
  request(message) {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new LinkLost('The connection to the server is closed.'));
        return;
      }
      const id = this.#nextId++;
      const timer = setTimeout(() => this.#end('The server did not answer in time.'), REQUEST_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      this.notify({ ...message, id });
    });
  }

  /** @param {Record<string, unknown>} message */
  notify(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#end(null);
  }

  #ping() {
    if (this.#unanswered * this.#everyMs >= SILENCE_MS) {
      this.#end('The server went silent.');
      return;
    }
    this.#unanswered++;
    this.notify({ type: 'ping', id: this.#nextId++ });
  }

  /** @param {unknown} data */
  #receive(data) {
    if (this.#closed || typeof data !== 'string') return;
    this.#unanswered = 0; // any word proves that the server is there
    const message = JSON.parse(data);
    if (message.type === 'pong') return;
    const waiting = this.#waiting.get(message.re);
    if (waiting) {
      clearTimeout(waiting.timer);
      this.#waiting.delete(message.re);
      if (message.type === 'error') waiting.reject(new SignalingError(message.code, message.message));
      else waiting.resolve(message);
    } else if (message.type === 'error') {
      console.warn(`server: ${message.code}: ${message.message}`);
    } else {
      this.#handlers.event(message);
    }
  }

  /** @param {string | null} reason  null: we closed it ourselves */
  #end(reason) {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopPings();
    this.#socket.onclose = null;
    this.#socket.close();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new LinkLost(reason ?? 'The connection was closed.'));
    }
    this.#waiting.clear();
    if (reason !== null) this.#handlers.lost(reason);
  }
}
