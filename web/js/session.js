// A stay in a room, over as many links and connections as it takes.
// Knows: joining, losing, coming back, leaving. Does not know: the page (it says what changed, others draw it).

import { Backoff } from './backoff.js';
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { Roster } from './roster.js';
import { LinkLost, SignalingError } from './signaling.js';

/** @typedef {import('./types.js').ServerEvent} ServerEvent */
/** @typedef {import('./types.js').Welcome} Welcome */
/** @typedef {import('./types.js').ChatLine} ChatLine */
/** @typedef {import('./types.js').LeaveReason} LeaveReason */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./signaling.js').OpenLink} OpenLink */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {'joining' | 'joined' | 'reconnecting' | 'left' | 'failed'} SessionState */

/**
 * @typedef {object} SessionEvents
 * @property {SessionState} state
 * @property {void} room  who is here, or what they publish or mute
 * @property {void} slots  what is received where
 * @property {string} arrived  a name
 * @property {{name: string, reason: LeaveReason}} departed
 * @property {ChatLine} chat
 * @property {string} trouble  a sentence for the person
 */

/** Errors that another attempt would only repeat. */
const FATAL = new Set(['bad-room', 'bad-name', 'room-full', 'bad-message', 'unknown-type']);
const FIRST_JOIN_GIVES_UP_MS = 20_000;
const REJOIN_GIVES_UP_MS = 300_000;
const MEDIA_FAILURES = 3; // in a row: signaling works, media never does
const OUTBOX_MAX = 50; // chat lines kept while there is no open channel

/** @extends {Emitter<SessionEvents>} */
export class Session extends Emitter {
  /** @type {SessionState} */
  state = 'joining';
  /** Why it is reconnecting or has failed: a sentence. */
  reason = '';
  /** It failed because the server refuses, not because it cannot be reached. */
  refused = false;
  /** Own participant id, '' before the first welcome. */
  me = '';
  roster = new Roster();
  /** @type {Connection | null} */
  connection = null;
  #openLink;
  #local;
  #secret = '';
  #backoff = new Backoff();
  #mediaFailures = 0;
  /** @type {string[]} */
  #outbox = [];
  #over = false;
  /** @type {Link | null} */
  #link = null;
  /** Ends the present attempt. @type {(error: Error) => void} */
  #lose = () => {};
  #online = () => this.retry();
  #localChanged = () => this.connection?.update();

  /** @param {{room: string, name: string, openLink: OpenLink, local: LocalMedia}} options */
  constructor({ room, name, openLink, local }) {
    super();
    this.room = room;
    this.name = name;
    this.#openLink = openLink;
    this.#local = local;
  }

  /** Joins and stays until `leave`, or until it fails for good. */
  async run() {
    this.#over = false;
    window.addEventListener('online', this.#online);
    const unlisten = this.#local.on('change', this.#localChanged);
    this.#backoff.reset();
    this.#mediaFailures = 0;
    let since = performance.now(); // the last time all was well, or the start
    this.#enter(this.me ? 'reconnecting' : 'joining', this.reason);
    while (!this.#over) {
      const error = await this.#attempt(() => {
        this.#backoff.reset();
        this.#mediaFailures = 0;
        this.#enter('joined', '');
      });
      if (this.#over) break;
      if (this.state === 'joined') since = performance.now();
      const patience = this.me ? REJOIN_GIVES_UP_MS : FIRST_JOIN_GIVES_UP_MS;
      const hopeless = error instanceof SignalingError && FATAL.has(error.code);
      if (hopeless || this.#mediaFailures >= MEDIA_FAILURES || performance.now() - since > patience) {
        this.#over = true;
        this.refused = hopeless;
        this.#enter('failed', error.message);
        break;
      }
      this.#enter(this.me ? 'reconnecting' : 'joining', error.message);
      await this.#backoff.wait();
    }
    unlisten();
    window.removeEventListener('online', this.#online);
  }

  /** Tries again now instead of waiting, or anew after it has failed. */
  retry() {
    if (this.state === 'failed') void this.run();
    else this.#backoff.hurry();
  }

  leave() {
    if (this.#over && this.state !== 'failed') return;
    this.#over = true;
    this.#link?.notify({ type: 'leave' });
    this.#lose(new LinkLost('You left the room.'));
    this.#backoff.hurry();
    this.#enter('left', '');
  }

  /** Sends a chat line, now or as soon as the channel is there. @param {string} text @returns {boolean} false if too many wait already */
  chat(text) {
    if (this.#outbox.length >= OUTBOX_MAX) return false;
    this.#outbox.push(text);
    this.#flush();
    return true;
  }

  /**
   * One link, one connection, until either is lost.
   * @param {() => void} joined  called when media flows
   * @returns {Promise<Error>} why it ended
   */
  async #attempt(joined) {
    /** @type {Promise<never>} */
    const lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    lost.catch(() => {}); // may be refused before anybody waits for it
    /** @type {Link | null} */
    let link = null;
    /** @type {Connection | null} */
    let connection = null;
    try {
      link = await this.#openLink({
        event: (event) => this.#event(event),
        lost: (reason) => this.#lose(new LinkLost(reason)),
      });
      this.#link = link;
      /** @type {Welcome} */
      const welcome = await Promise.race([lost, link.request(this.#joinMessage())]);
      this.#welcome(welcome);
      connection = this.#connect(link, joined);
      return await lost;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      link?.close();
      connection?.close();
      this.connection = null;
    }
  }

  #joinMessage() {
    const replaces = this.#secret ? { replaces: this.#secret } : {};
    return { type: 'join', room: this.room, name: this.name, ...replaces };
  }

  /** @param {Welcome} welcome */
  #welcome({ participant, session, participants }) {
    this.me = participant;
    this.#secret = session;
    this.roster.replace(participants.filter(({ id }) => id !== participant));
  }

  /** @param {Link} link @param {() => void} joined */
  #connect(link, joined) {
    const connection = new Connection(link, this.#local);
    connection.on('up', joined);
    connection.on('slots', () => this.emit('slots', undefined));
    connection.on('chat-open', () => this.#flush());
    connection.on('chat', (message) => this.#chat(message));
    connection.on('lost', (error) => {
      this.#mediaFailures++;
      this.#lose(error);
    });
    this.connection = connection;
    connection.show(this.roster.tiles());
    this.emit('room', undefined);
    return connection;
  }

  /** @param {ServerEvent} event */
  #event(event) {
    const who = 'participant' in event && typeof event.participant === 'string' ? event.participant : '';
    const name = this.roster.participants.get(who)?.name ?? '';
    if (event.type === 'slot') this.connection?.slot(event);
    if (event.type === 'bye') this.#bye(event.reason);
    if (event.type === 'unpublished') this.connection?.forget(event.publication);
    if (event.type === 'left') {
      for (const { id } of this.roster.participants.get(who)?.publications ?? []) this.connection?.forget(id);
    }
    if (!this.roster.apply(event)) return;
    this.connection?.show(this.roster.tiles());
    this.emit('room', undefined);
    if (event.type === 'joined') this.emit('arrived', event.participant.name);
    if (event.type === 'left') this.emit('departed', { name, reason: event.reason });
  }

  /** @param {string} reason  the server closes right after it */
  #bye(reason) {
    if (reason === 'replaced') {
      // Somebody came back with our secret: this page is the old one, and must not take the place again.
      this.#over = true;
      this.refused = true;
      this.#enter('failed', 'You are in this room from another page now.');
      this.#secret = '';
    }
    this.#lose(new LinkLost(BYE[reason] ?? 'The server ended the connection.'));
  }

  #flush() {
    while (this.#outbox.length > 0 && this.connection?.chat(this.#outbox[0] ?? '')) this.#outbox.shift();
  }

  /** @param {any} message  of the chat channel */
  #chat(message) {
    if (message.type === 'chat') this.emit('chat', message);
    else if (message.type === 'error') this.emit('trouble', message.message);
  }

  /** @param {SessionState} state @param {string} reason */
  #enter(state, reason) {
    this.state = state;
    this.reason = reason;
    this.emit('state', state);
  }
}

/** @type {Record<string, string>} */
const BYE = {
  shutdown: 'The server is restarting.',
  'too-slow': 'This page could not keep up and was disconnected.',
  timeout: 'The media connection timed out.',
};
