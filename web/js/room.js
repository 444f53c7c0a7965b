// The room on the page: draws the session's state into tiles, lists and panels, once a frame at most.
// Knows: session, local media and the views. Does not know: messages, SDP, devices.

import { Chat } from './chat.js';
import { byId, colourOf, copy, icon, initials, make } from './dom.js';
import { drawFigures, tileLine } from './figures.js';
import { Grid } from './grid.js';
import { animateMeter, LevelMeter } from './level.js';
import { drawBanner, toast } from './notices.js';
import { Panels } from './panels.js';
import { bindPickers, bindSpeaker } from './picker.js';
import { recall } from './settings.js';
import { StatsReader } from './stats.js';
import { Toolbar } from './toolbar.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./roster.js').TileModel} TileModel */
/** @typedef {import('./grid.js').GridEntry} GridEntry */

const SPEAKING = 0.02; // of full scale, as the RTP audio-level extension tells it
const OWN_SPEAKING = 0.45; // of the ear's scale of LevelMeter
const LEVELS_EVERY_MS = 200;
const STATS_EVERY_MS = 1000;

export class RoomView {
  #session;
  #local;
  #panels;
  #chat;
  #toolbar;
  #grid;
  #link;
  #meter = new LevelMeter();
  #stats = new StatsReader();
  #drawing = false;
  #speaker = recall('speaker');

  /**
   * @param {Session} session
   * @param {LocalMedia} local
   * @param {string} link  to give to others
   */
  constructor(session, local, link) {
    this.#session = session;
    this.#local = local;
    this.#link = link;
    byId('room', HTMLElement).hidden = false;
    byId('room-name', HTMLElement).textContent = session.room;
    this.#panels = new Panels((open) => this.#panelChanged(open));
    this.#chat = new Chat((text) => session.chat(text));
    this.#toolbar = new Toolbar(local, { leave: () => session.leave(), panels: this.#panels });
    this.#grid = new Grid(byId('grid', HTMLElement), this.#inviteCard(), {
      blocked: () => (byId('unblock', HTMLElement).hidden = false),
      repinned: () => this.draw(),
    });
    byId('copy-link', HTMLButtonElement).onclick = () => this.#copyLink();
    byId('unblock', HTMLButtonElement).onclick = () => this.#unblock();
    this.#bindSettings();
    this.#listen();
    setInterval(() => this.#levels(), LEVELS_EVERY_MS);
    setInterval(() => this.#panels.open === 'stats' && this.figures(), STATS_EVERY_MS);
    this.draw();
  }

  get tiles() {
    return this.#grid.tiles;
  }

  /** Draws at the next frame what has changed by then. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  /** @returns {Promise<import('./stats.js').Figures | null>} of now; also shown, if the panel is open */
  async figures() {
    const { connection } = this.#session;
    if (!connection) return null;
    const figures = await this.#stats.read(connection.pc);
    if (this.#panels.open === 'stats') {
      drawFigures(figures, this.#trackRows());
      for (const [key, tile] of this.#grid.tiles) tile.figures(tileLine(figures.tracks.get(this.#videoMid(key))));
    }
    return figures;
  }

  #listen() {
    const session = this.#session;
    session.on('room', () => this.draw());
    session.on('slots', () => this.draw());
    session.on('state', () => {
      drawBanner(session);
      if (session.state === 'left') this.#grid.clear();
      this.draw();
    });
    session.on('arrived', (name) => toast(`${name} joined`));
    session.on('departed', ({ name, reason }) => {
      if (reason === 'left') toast(`${name} left`);
      else if (reason !== 'replaced') toast(`${name} lost the connection`);
    });
    session.on('trouble', toast);
    session.on('chat', ({ from, text, at }) => {
      const name = session.roster.participants.get(from)?.name ?? 'Somebody';
      this.#chat.add(name, text, at, false);
      if (this.#panels.open !== 'chat') toast(`${name}: ${text.length > 80 ? `${text.slice(0, 79)}…` : text}`);
    });
    for (const name of ['online', 'offline']) window.addEventListener(name, () => drawBanner(session));
    this.#local.on('change', () => this.draw());
  }

  #draw() {
    this.#toolbar.draw();
    this.#meter.listen(this.#local.sources.microphone.track);
    if (this.#session.state === 'left') return;
    this.#grid.update([...this.#ownEntries(), ...this.#session.roster.tiles().map((model) => this.#entry(model))]);
    this.#applySpeaker();
    this.#drawPeople();
  }

  /** @returns {GridEntry[]} what one sends, as others see it */
  #ownEntries() {
    const { camera, screen } = this.#local.sources;
    const common = { name: this.#session.name, own: true, audioTrack: null, pinned: false };
    const participant = this.#session.me;
    /** @type {GridEntry[]} */
    const entries = [
      {
        key: 'me/camera',
        participant,
        source: 'camera',
        view: {
          ...common,
          source: 'camera',
          micMuted: !this.#local.live('microphone'),
          videoTrack: camera.track,
          picture: camera.track ? camera.track.id : '',
          note: '',
        },
      },
    ];
    if (screen.track) {
      const view = { ...common, source: /** @type {const} */ ('screen'), micMuted: false };
      entries.push({
        key: 'me/screen',
        participant,
        source: 'screen',
        view: { ...view, videoTrack: screen.track, picture: screen.track.id, note: '' },
      });
    }
    return entries;
  }

  /** @param {TileModel} model @returns {GridEntry} */
  #entry({ key, participant, name, source, audio, video }) {
    const pair = this.#session.connection?.pair(key);
    const slot = pair?.video;
    const visible = video !== null && !video.muted;
    const unsupported = visible && slot?.state === 'unsupported-codec';
    return {
      key,
      participant,
      source,
      view: {
        name,
        own: false,
        source,
        micMuted: source === 'camera' && (audio === null || audio.muted),
        videoTrack: pair && video ? pair.video.transceiver.receiver.track : null,
        audioTrack: pair && audio ? pair.audio.transceiver.receiver.track : null,
        picture: visible && slot?.state === 'active' ? video.id : '',
        note: unsupported ? slot.message || `This browser cannot show ${video.codec ?? 'this kind of'} video.` : '',
        pinned: false,
      },
    };
  }

  #drawPeople() {
    const { roster, name } = this.#session;
    const own = {
      name: `${name} (you)`,
      mic: this.#local.live('microphone'),
      camera: this.#local.live('camera'),
      screen: this.#local.live('screen'),
    };
    const others = [...roster.participants.values()].map((one) => {
      /** @param {string} source */
      const live = (source) => one.publications.some((publication) => publication.source === source && !publication.muted);
      return { name: one.name, mic: live('microphone'), camera: live('camera'), screen: live('screen') };
    });
    const rows = [own, ...others].map((person) => {
      const avatar = make('span', { class: 'mini-avatar', 'aria-hidden': 'true' }, initials(person.name.replace(' (you)', '')));
      avatar.style.backgroundColor = colourOf(person.name.replace(' (you)', ''));
      const marks = make('span', { class: 'marks' });
      if (person.screen) marks.append(icon('screen'), make('span', { class: 'sr-only' }, 'shares a screen,'));
      marks.append(icon(person.mic ? 'mic' : 'mic-off'), make('span', { class: 'sr-only' }, person.mic ? 'microphone on,' : 'muted,'));
      marks.append(icon(person.camera ? 'camera' : 'camera-off'), make('span', { class: 'sr-only' }, person.camera ? 'camera on' : 'camera off'));
      return make('li', { 'data-testid': 'person' }, avatar, make('span', { class: 'person-name' }, person.name), marks);
    });
    byId('people-list', HTMLElement).replaceChildren(...rows);
    byId('people-count', HTMLElement).textContent = String(rows.length);
    document.title = `${this.#session.room} (${rows.length}) – aiosfu`;
  }

  /** Who speaks, five times a second. */
  #levels() {
    const { connection, roster } = this.#session;
    this.#grid.tiles
      .get('me/camera')
      ?.speaking(this.#local.live('microphone') && this.#meter.level() > OWN_SPEAKING);
    for (const { key, audio } of roster.tiles()) {
      const receiver = connection?.pair(key)?.audio.transceiver.receiver;
      const heard = audio !== null && !audio.muted;
      const level = heard ? (receiver?.getSynchronizationSources()[0]?.audioLevel ?? 0) : 0;
      this.#grid.tiles.get(key)?.speaking(level > SPEAKING);
    }
  }

  /** @returns {{label: string, mid: string}[]} */
  #trackRows() {
    const { connection, roster } = this.#session;
    if (!connection) return [];
    const rows = [...connection.sending()].map(([source, { mid }]) => ({ label: `You: ${source}`, mid: mid ?? '' }));
    for (const { key, name, source, audio, video } of roster.tiles()) {
      const pair = connection.pair(key);
      if (!pair) continue;
      if (video) rows.push({ label: `${name}: ${source}`, mid: pair.video.transceiver.mid ?? '' });
      if (audio) rows.push({ label: `${name}: sound`, mid: pair.audio.transceiver.mid ?? '' });
    }
    return rows;
  }

  /** @param {string} key  a tile's */
  #videoMid(key) {
    const { connection } = this.#session;
    if (key === 'me/camera') return connection?.sending().get('camera')?.mid ?? '';
    if (key === 'me/screen') return connection?.sending().get('screen')?.mid ?? '';
    return connection?.pair(key)?.video.transceiver.mid ?? '';
  }

  /** @param {string} open */
  #panelChanged(open) {
    this.#chat.shown(open === 'chat');
    if (open === 'stats') void this.figures();
    else for (const tile of this.#grid.tiles.values()) tile.figures('');
  }

  #bindSettings() {
    bindPickers(this.#local, {
      camera: byId('set-camera', HTMLSelectElement),
      microphone: byId('set-mic', HTMLSelectElement),
    });
    bindSpeaker(byId('set-speaker', HTMLSelectElement), byId('set-speaker-field', HTMLElement), (id) => {
      this.#speaker = id;
      this.#applySpeaker();
    });
    animateMeter(
      byId('set-meter', HTMLElement),
      () => this.#meter.level(),
      () => this.#panels.open === 'settings' && this.#local.live('microphone'),
    );
  }

  #applySpeaker() {
    for (const { audio } of this.#grid.tiles.values()) {
      if (!('setSinkId' in audio) || audio.sinkId === this.#speaker) continue;
      audio.setSinkId(this.#speaker).catch(() => {
        this.#speaker = ''; // it is gone: the system's own
      });
    }
  }

  #unblock() {
    byId('unblock', HTMLElement).hidden = true;
    for (const tile of this.#grid.tiles.values()) tile.listen();
  }

  async #copyLink() {
    toast((await copy(this.#link)) ? 'Link copied. Send it to whom you want to meet.' : `The link: ${this.#link}`);
  }

  #inviteCard() {
    const button = make('button', { class: 'primary', type: 'button', 'data-testid': 'invite-copy' }, 'Copy link');
    button.onclick = () => this.#copyLink();
    return make(
      'div',
      { class: 'invite', 'data-testid': 'invite' },
      make('h2', {}, 'Nobody else is here yet'),
      make('p', {}, 'Whoever opens this link is in the room with you:'),
      make('code', {}, this.#link),
      button,
    );
  }
}
