// A stay in a room, over as many links and media as it takes.
// Knows: joining, losing, coming back, leaving. Does not know: the page (it says what changed, others draw it).

import { Backoff } from './backoff.js';
import { Emitter } from './emitter.js';
import { NO_WISH } from './encodings.js';
import { LocalMedia } from './local.js';
import { Media } from './media.js';
import { Roster } from './roster.js';
import { LinkLost, SignalingError } from './signaling.js';

/** @typedef {import('./types.js').ServerEvent} ServerEvent */
/** @typedef {import('./types.js').Welcome} Welcome */
/** @typedef {import('./types.js').ChatLine} ChatLine */
/** @typedef {import('./types.js').LeaveReason} LeaveReason */
/** @typedef {import('./signaling.js').Link} Link */
/** @typedef {import('./signaling.js').OpenLink} OpenLink */
/** @typedef {'joining' | 'joined' | 'reconnecting' | 'left' | 'failed'} SessionState */

/**
 * @typedef {object} SessionEvents
 * @property {SessionState} state
 * @property {void} room  who is here, or what they publish or mute
 * @property {void} media  it is made and about to start: what is in view can be told first
 * @property {void} slots  what is received where
 * @property {string} arrived  a name
 * @property {{id: string, name: string, reason: LeaveReason}} departed
 * @property {ChatLine} chat
 * @property {string} trouble  a sentence for the person
 * @property {import('./types.js').MediaPath} path  where media goes from now on
 * @property {{from: string, data: string | ArrayBuffer}} file  of a files channel; from '' the server
 * @property {{from: string, counters: import('./types.js').Counters}} counters
 * @property {void} speakers
 * @property {import('./types.js').Bandwidth} bandwidth  of the link from the server
 */

/** Errors that another attempt would only repeat. */
const FATAL = new Set(['bad-room', 'bad-name', 'room-full', 'role-taken', 'not-allowed', 'bad-message', 'unknown-type']);
const FIRST_JOIN_GIVES_UP_MS = 20_000;
const REJOIN_GIVES_UP_MS = 300_000;
const MEDIA_FAILURES = 3; // in a row: signaling works, media never does
const OUTBOX_MAX = 50; // chat lines kept while there is no open channel
const BEAT_MS = 800; // where participants speak directly, silence for 2.5 s means gone

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
  /** The room's; until the first welcome the one that is wished for. @type {import('./types.js').Topology} */
  topology;
  /** @type {import('./types.js').Role} */
  role;
  /** In automatic rooms: from so many participants on the server is used. */
  threshold = 0;
  /** Who speaks now, in the server's ears; null where no server listens. @type {string[] | null} */
  speakers = null;
  /** @type {Media | null} */
  media = null;
  #openLink;
  #local;
  #wish;
  #secret = '';
  #backoff = new Backoff();
  #mediaFailures = 0;
  /** @type {{text: string, to: string | null}[]} */
  #outbox = [];
  #over = false;
  /** @type {Link | null} */
  #link = null;
  /** Ends the present attempt. @type {(error: Error) => void} */
  #lose = () => {};
  #online = () => this.retry();
  #localChanged = () => this.media?.update();

  /**
   * @param {{room: string, name: string, openLink: OpenLink, local: LocalMedia,
   *   topology?: import('./types.js').Topology, role?: import('./types.js').Role, wish?: import('./encodings.js').VideoWish}} options
   *   topology and role are wishes: a room that is there keeps its own
   */
  constructor({ room, name, openLink, local, topology = 'sfu', role = 'member', wish = NO_WISH }) {
    super();
    this.topology = topology;
    this.role = role;
    this.room = room;
    this.name = name;
    this.#openLink = openLink;
    this.#local = local;
    this.#wish = wish;
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

  /**
   * Sends a chat line, now or as soon as the channel is there.
   * @param {string} text
   * @param {string | null} [to]  a participant, null: all
   * @returns {boolean} false if too many wait already
   */
  chat(text, to = null) {
    if (this.#outbox.length >= OUTBOX_MAX) return false;
    this.#outbox.push({ text, to });
    this.#flush();
    return true;
  }

  /**
   * One link and its media, until either is lost.
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
    /** @type {Media | null} */
    let media = null;
    try {
      link = await this.#openLink({
        event: (event) => this.#event(event),
        lost: (reason) => this.#lose(new LinkLost(reason)),
      });
      this.#link = link;
      /** @type {Welcome} */
      const welcome = await Promise.race([lost, link.request(this.#joinMessage())]);
      this.#welcome(welcome);
      if (this.topology !== 'sfu') link.beat(BEAT_MS);
      media = this.#connect(link, joined, welcome.path ?? 'sfu');
      return await lost;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      link?.close();
      media?.close();
      this.media = null;
    }
  }

  #joinMessage() {
    const replaces = this.#secret ? { replaces: this.#secret } : {};
    const wish = this.topology === 'sfu' ? {} : { topology: this.topology };
    const role = this.role === 'member' ? {} : { role: this.role };
    return { type: 'join', room: this.room, name: this.name, ...wish, ...role, ...replaces };
  }

  /** @param {Welcome} welcome */
  #welcome({ participant, session, participants, topology, role, threshold }) {
    this.me = participant;
    this.#secret = session;
    this.topology = topology;
    this.role = role ?? 'member';
    this.threshold = threshold ?? 0;
    this.speakers = null;
    this.roster.replace(participants.filter(({ id }) => id !== participant));
  }

  /** @param {Link} link @param {() => void} joined @param {import('./types.js').MediaPath} path */
  #connect(link, joined, path) {
    const local = this.role === 'viewer' ? new LocalMedia() : this.#local; // viewers send nothing
    const media = new Media({ link, local, roster: this.roster, path, wish: this.#wish });
    media.on('up', joined);
    media.on('chat-open', () => this.#flush());
    media.on('chat', (message) => this.#chat(message));
    for (const name of /** @type {const} */ (['slots', 'path', 'file', 'counters', 'bandwidth'])) {
      media.on(name, (/** @type {any} */ detail) => this.emit(name, detail));
    }
    media.on('lost', (error) => {
      this.#mediaFailures++;
      this.#lose(error);
    });
    this.media = media;
    this.emit('media', undefined);
    media.start();
    this.emit('room', undefined);
    this.#flush();
    return media;
  }

  /** @param {ServerEvent} event */
  #event(event) {
    const who = 'participant' in event && typeof event.participant === 'string' ? event.participant : '';
    const name = this.roster.participants.get(who)?.name ?? '';
    if (event.type === 'bye') this.#bye(event.reason);
    this.media?.event(event);
    if (event.type === 'speakers') this.#speak(event.participants);
    if (!this.roster.apply(event)) return;
    this.media?.show();
    this.emit('room', undefined);
    if (event.type === 'joined') this.emit('arrived', event.participant.name);
    if (event.type === 'left') this.emit('departed', { id: who, name, reason: event.reason });
  }

  /** @param {string[]} participants */
  #speak(participants) {
    this.speakers = participants;
    this.emit('speakers', undefined);
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
    for (let line = this.#outbox[0]; line && this.media?.chat(line.text, line.to); line = this.#outbox[0]) this.#outbox.shift();
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
