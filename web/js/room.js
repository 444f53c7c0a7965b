// The room on the page: draws the session's state into tiles, lists and panels, once a frame at most.
// Knows: session, local media and the views. Does not know: messages, SDP, devices.

import { BandwidthView } from './bandwidth.js';
import { Chat } from './chat.js';
import { byId } from './dom.js';
import { allPlays, entryOf, ownEntries, playing } from './entries.js';
import { FileRows } from './filerows.js';
import { drawFigures, tileLine } from './figures.js';
import { Grid } from './grid.js';
import { InView } from './inview.js';
import { copyLink, inviteCard } from './invite.js';
import { animateMeter, LevelMeter } from './level.js';
import { drawBanner, dropToasts, toast } from './notices.js';
import { Panels } from './panels.js';
import { drawPeople } from './people.js';
import { bindPickers, bindSpeaker } from './picker.js';
import { figures, why } from './quality.js';
import { recall } from './settings.js';
import { Speaking } from './speaking.js';
import { StatsReader } from './stats.js';
import { TileMenu } from './tilemenu.js';
import { Toolbar } from './toolbar.js';
import { TopologyView } from './topology.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */

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
  #bandwidth = new BandwidthView();
  #speaking;
  #inView;
  #menu;
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
   * @param {{link: string, reach: import('./invite.js').Reach, tiles: number}} options
   *   link: to give to others; reach: where it can be opened; tiles: shown at most at a time, 0 = as many as fit
   */
  constructor(session, local, files, { link, reach, tiles }) {
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
    this.#speaking = new Speaking(session, () => (local.live('microphone') ? this.#meter.level() : 0));
    const inView = (this.#inView = new InView(this.#speaking, tiles, () => this.draw()));
    this.#menu = new TileMenu((key, choice) => this.#chosen(key, choice));
    this.#toolbar = new Toolbar(local, { leave: () => session.leave(), panels: this.#panels, turn: (by) => inView.turn(by) });
    this.#grid = new Grid(byId('grid', HTMLElement), inviteCard(session.role, link, reach), {
      blocked: () => (byId('unblock', HTMLElement).hidden = false),
      changed: () => this.draw(),
      menu: (key, button) => this.#openMenu(key, button),
      added: (tile) => inView.added(tile),
      removed: (tile) => inView.removed(tile),
    });
    byId('copy-link', HTMLButtonElement).onclick = () => copyLink(this.#link, this.#reach);
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

  get bandwidth() {
    return this.#bandwidth.latest;
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
    session.on('media', () => this.#draw());
    session.on('room', () => this.draw());
    session.on('slots', () => this.draw());
    session.on('path', () => this.draw());
    session.on('speakers', () => this.#levels());
    session.on('bandwidth', (report) => {
      this.#bandwidth.told(report);
      this.draw();
    });
    session.on('state', () => {
      drawBanner(session);
      if (session.state !== 'joined') this.#bandwidth.reset();
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
    const entries = [...ownEntries(session, this.#local), ...others];
    this.#grid.update(entries, this.#inView.arrange(entries, this.#grid, session.media), alone);
    this.#inView.tell(this.#grid, this.#panels.covers, session.media);
    this.#drawMenu();
    if (this.#panels.open === 'bandwidth') this.#drawBandwidth();
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
    const { tiles } = this.#grid;
    this.#speaking.look(this.#tileModels());
    for (const [key, tile] of tiles) tile.speaking(this.#speaking.now.has(key));
    this.#inView.drawSpeakers();
    if (this.#inView.misses) this.draw();
    /** @param {string} key */
    const inView = (key) => tiles.get(key)?.element.hidden === false;
    if (media?.moving && allPlays(this.#session, (key, track) => tiles.get(key)?.plays(track) ?? false, inView)) media.settle();
  }

  /** @param {string} key @param {HTMLElement} button */
  #openMenu(key, button) {
    const view = this.#menuView(key);
    if (view) this.#menu.toggle(key, button, view);
  }

  #drawMenu() {
    if (this.#menu.open === '') return;
    const view = this.#menuView(this.#menu.open);
    if (view) this.#menu.update(view);
    else this.#menu.close();
  }

  /** @param {string} key @returns {import('./tilemenu.js').MenuView | null} null: there is no such tile in view */
  #menuView(key) {
    const entry = this.#grid.shown.find((one) => one.key === key);
    const tile = this.#grid.tiles.get(key);
    if (!entry || !tile) return null;
    const { name, source, flow, note } = entry.view;
    const quality = this.#inView.quality(key);
    return {
      title: source === 'screen' ? `${name}’s screen` : name,
      figures: flow ? figures(flow) : '',
      why: flow ? why(flow, name, this.#bandwidth.latest?.estimate_bps ?? 0, quality) : note,
      quality,
      floating: document.pictureInPictureEnabled ? document.pictureInPictureElement === tile.video : null,
    };
  }

  /** @param {string} key @param {import('./types.js').Quality | 'float'} choice */
  #chosen(key, choice) {
    if (choice === 'float') void this.#grid.tiles.get(key)?.float();
    else this.#inView.choose(key, choice);
  }

  #drawBandwidth() {
    const { media } = this.#session;
    const rows = this.#grid.shown.flatMap(({ key, view: { name, source, own, flow } }) =>
      own || !flow ? [] : [{ label: source === 'screen' ? `${name}’s screen` : name, name, flow, quality: this.#inView.quality(key) }],
    );
    this.#bandwidth.draw(media?.path !== 'mesh', rows, media?.connection?.pictures() ?? []);
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
    this.draw(); // a panel may lie over the tiles, and holds what is drawn while it is open
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
}
