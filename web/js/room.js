// The room on the page: draws the session's state into tiles, lists and panels, once a frame at most.
// Knows: session, local media and the views. Does not know: messages, SDP, devices.

import { Chat } from './chat.js';
import { byId, copy, make } from './dom.js';
import { allPlays, entryOf, ownEntries, playing } from './entries.js';
import { FileRows } from './filerows.js';
import { drawFigures, tileLine } from './figures.js';
import { Grid } from './grid.js';
import { animateMeter, LevelMeter } from './level.js';
import { drawBanner, dropToasts, toast } from './notices.js';
import { Panels } from './panels.js';
import { drawPeople } from './people.js';
import { bindPickers, bindSpeaker } from './picker.js';
import { recall } from './settings.js';
import { StatsReader } from './stats.js';
import { Toolbar } from './toolbar.js';
import { TopologyView } from './topology.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** Where a link can be opened: everywhere on the network, on this machine, in this browser. @typedef {'network' | 'machine' | 'browser'} Reach */

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
  #topology;
  #link;
  #reach;
  #meter = new LevelMeter();
  #stats = new StatsReader();
  #drawing = false;
  #speaker = recall('speaker');

  /**
   * @param {Session} session
   * @param {LocalMedia} local
   * @param {import('./files.js').Files} files
   * @param {string} link  to give to others
   * @param {Reach} reach  where it can be opened
   */
  constructor(session, local, files, link, reach) {
    this.#session = session;
    this.#local = local;
    this.#link = link;
    this.#reach = reach;
    byId('room', HTMLElement).hidden = false;
    byId('room-name', HTMLElement).textContent = session.room;
    this.#panels = new Panels((open) => this.#panelChanged(open));
    this.#chat = new Chat((text, to) => session.chat(text, to));
    new FileRows(files, this.#chat, session);
    this.#topology = new TopologyView(session, local);
    this.#toolbar = new Toolbar(local, { leave: () => session.leave(), panels: this.#panels });
    this.#grid = new Grid(byId('grid', HTMLElement), this.#inviteCard(), {
      blocked: () => (byId('unblock', HTMLElement).hidden = false),
      repinned: () => this.draw(),
      changed: () => this.draw(),
    });
    byId('copy-link', HTMLButtonElement).onclick = () => this.#copyLink();
    byId('unblock', HTMLButtonElement).onclick = () => this.#unblock();
    this.#bindSettings();
    this.#listen();
    setInterval(() => this.#levels(), LEVELS_EVERY_MS);
    setInterval(() => this.#measuring && this.figures(), STATS_EVERY_MS);
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

  /** @returns {Promise<import('./stats.js').Figures | null>} of now; also shown, if a panel for them is open */
  async figures() {
    const { media } = this.#session;
    if (!media) return null;
    const figures = await this.#stats.read(media.links());
    this.#topology.told(figures);
    if (this.#panels.open === 'topology') this.#topology.draw();
    if (this.#panels.open === 'stats') {
      drawFigures(figures, this.#trackRows());
      for (const [key, tile] of this.#grid.tiles) tile.figures(tileLine(figures.tracks.get(this.#videoTrack(key))));
    }
    return figures;
  }

  /** Figures are wanted: by a panel, or by others who may have one open. */
  get #measuring() {
    return ['stats', 'topology'].includes(this.#panels.open) || this.#session.media?.path === 'mesh';
  }

  #listen() {
    const session = this.#session;
    session.on('room', () => this.draw());
    session.on('slots', () => this.draw());
    session.on('path', () => this.draw());
    session.on('state', () => {
      drawBanner(session);
      if (session.state === 'left') this.#grid.clear();
      this.draw();
    });
    session.on('arrived', (name) => session.topology !== 'broadcast' && toast(`${name} joined`));
    session.on('departed', ({ name, reason }) => {
      if (session.topology === 'broadcast') return;
      if (reason === 'left') toast(`${name} left`);
      else if (reason !== 'replaced') toast(`${name} lost the connection`);
    });
    session.on('trouble', toast);
    session.on('chat', ({ from, text, at, to }) => {
      const name = session.roster.participants.get(from)?.name ?? 'Somebody';
      const author = to ? `${name}, to you alone` : name;
      this.#chat.add({ author, text, at, own: false });
      if (this.#panels.open !== 'chat') toast(`${author}: ${text.length > 80 ? `${text.slice(0, 79)}…` : text}`, 'chat');
    });
    for (const name of ['online', 'offline']) window.addEventListener(name, () => drawBanner(session));
    this.#local.on('change', () => this.draw());
  }

  #draw() {
    const session = this.#session;
    this.#toolbar.draw(session.role);
    this.#meter.listen(this.#local.sources.microphone.track);
    document.body.dataset.topology = session.topology;
    document.body.dataset.role = session.role;
    document.body.dataset.path = session.media?.path ?? '';
    if (session.state === 'left') return;
    const others = this.#tileModels().map((model) => entryOf(session, model));
    const watched = session.role === 'publisher' && session.roster.participants.size > 0;
    const alone = others.length === 0 && !watched && session.me !== ''; // before the welcome nobody knows
    this.#grid.update([...ownEntries(session, this.#local), ...others], alone);
    this.#applySpeaker();
    this.#chat.people(session.roster.participants);
    drawPeople(session, this.#local);
  }

  #tileModels() {
    const { media, roster } = this.#session;
    return roster.tiles(media?.path ?? 'sfu');
  }

  /** Who speaks, five times a second; and whether a move to another path is complete. */
  #levels() {
    const { media } = this.#session;
    this.#grid.tiles
      .get('me/camera')
      ?.speaking(this.#local.live('microphone') && this.#meter.level() > OWN_SPEAKING);
    for (const model of this.#tileModels()) {
      const { publication, received } = playing(media, model, 'audio');
      const heard = publication !== null && !publication.muted;
      const level = heard ? (received?.receiver.getSynchronizationSources()[0]?.audioLevel ?? 0) : 0;
      this.#grid.tiles.get(model.key)?.speaking(level > SPEAKING);
    }
    if (media?.moving && allPlays(this.#session, (key, track) => this.#grid.tiles.get(key)?.plays(track) ?? false)) media.settle();
  }

  /** @returns {{label: string, track: string}[]} */
  #trackRows() {
    const { media, roster } = this.#session;
    if (!media) return [];
    const rows = media.sending().map(({ source, link, figures }) => {
      const to = roster.participants.get(link)?.name;
      return { label: to ? `You: ${source} to ${to}` : `You: ${source}`, track: figures };
    });
    for (const model of this.#tileModels()) {
      const video = playing(media, model, 'video').received;
      const audio = playing(media, model, 'audio').received;
      if (video) rows.push({ label: `${model.name}: ${model.source}`, track: video.figures });
      if (audio) rows.push({ label: `${model.name}: sound`, track: audio.figures });
    }
    return rows;
  }

  /** @param {string} key  a tile's @returns {string} the trackKey of its picture */
  #videoTrack(key) {
    const { media } = this.#session;
    if (key.startsWith('me/')) return media?.sending().find(({ source }) => key === `me/${source}`)?.figures ?? '';
    const model = this.#tileModels().find((one) => one.key === key);
    return (model && playing(media, model, 'video').received?.figures) ?? '';
  }

  /** @param {string} open */
  #panelChanged(open) {
    this.#chat.shown(open === 'chat');
    if (open === 'chat') dropToasts('chat');
    if (open === 'stats' || open === 'topology') void this.figures();
    if (open !== 'stats') for (const tile of this.#grid.tiles.values()) tile.figures('');
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
    const next = { network: 'Send it to whom you want to meet.', machine: 'It works on this computer only.', browser: 'Open it in another tab.' };
    toast((await copy(this.#link)) ? `Link copied. ${next[this.#reach]}` : `The link: ${this.#link}`);
  }

  /** @param {boolean} publisher */
  #inviteWords(publisher) {
    if (this.#reach === 'browser') return 'Open this link in another tab of this browser:';
    return publisher ? 'Whoever opens this link sees and hears you:' : 'Whoever opens this link is in the room with you:';
  }

  #inviteCard() {
    if (this.#session.role === 'viewer') {
      return make(
        'div',
        { class: 'invite', 'data-testid': 'invite' },
        make('h2', {}, 'Nothing is broadcast now'),
        make('p', {}, 'Stay here: it is shown as soon as it begins.'),
      );
    }
    const button = make('button', { class: 'primary', type: 'button', 'data-testid': 'invite-copy' }, 'Copy link');
    button.onclick = () => this.#copyLink();
    const publisher = this.#session.role === 'publisher';
    return make(
      'div',
      { class: 'invite', 'data-testid': 'invite' },
      make('h2', {}, publisher ? 'Nobody watches yet' : 'Nobody else is here yet'),
      make('p', {}, this.#inviteWords(publisher)),
      make('code', {}, this.#link),
      button,
      ...(this.#reach === 'machine' ? [onlyHere()] : []),
    );
  }
}

/** Why nobody else can follow the link, and what to do about it. */
function onlyHere() {
  const options = ['--host 0.0.0.0', '--tls self-signed'].flatMap((option) => [' ', make('span', { class: 'nowrap' }, option)]);
  return make('p', { class: 'help' }, 'Only this computer can open it. For others, start the server with', ...options);
}
