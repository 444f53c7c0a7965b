// Starts the page: reads the link, shows the form or joins at once, then hands over to session and room.
// Knows: the address bar and the life of the page. Does not know: how anything works inside.

import { byId } from './dom.js';
import { readWish } from './encodings.js';
import { Files } from './files.js';
import { LocalMedia } from './local.js';
import { drawEnd, toast } from './notices.js';
import { showPrejoin } from './prejoin.js';
import { RoomView } from './room.js';
import { Session } from './session.js';
import { recall } from './settings.js';
import { openWebSocket, signalingUrl } from './signaling.js';
import { openTabs } from './tabs.js';

/** @typedef {import('./types.js').Topology} Topology */
/** @typedef {import('./types.js').Role} Role */
/** What is to be entered, and as what. @typedef {{room: string, name: string, topology: Topology, role: Role}} Entry */
/** What the link says of pictures: how they are sent, and how many are shown (0: as many as fit).
 * @typedef {{wish: import('./encodings.js').VideoWish, tiles: number}} Pictures */

const NAME_MAX = 64;
const TILES_MOST = 49;
const DEVICES_WAIT_MS = 2000; // autojoin: devices that take longer are published when they come

/** The page without a server: tabs of this browser find each other. */
const BETWEEN_TABS = location.pathname.endsWith('/tabs.html');
/** @type {Topology[]} */
const TOPOLOGIES = ['sfu', 'mesh', 'auto', 'broadcast'];

/**
 * What the link asks for: /?room=blue or /r/blue, &topology=mesh, &name=Ada, &autojoin=1, &microphone=off, &camera=off;
 * /b/blue watches a broadcast, /b/blue?role=publisher makes one. &codec= and &svc= as in encodings.js; &tiles=6 shows
 * at most so many tiles at a time.
 */
function readLink() {
  const query = new URLSearchParams(location.search);
  const [, kind, named] = /^\/([rb])\/([^/]+)\/?$/.exec(location.pathname) ?? [];
  const wish = TOPOLOGIES.find((one) => one === query.get('topology')) ?? 'sfu';
  const topology = BETWEEN_TABS ? 'mesh' : kind === 'b' ? 'broadcast' : wish;
  const publishes = query.get('role') === 'publisher';
  /** @type {Role} */
  const role = topology !== 'broadcast' ? 'member' : publishes ? 'publisher' : 'viewer';
  return {
    room: (named ? decodeURIComponent(named) : (query.get('room') ?? '')).trim(),
    name: (query.get('name') ?? '').trim().slice(0, NAME_MAX),
    topology,
    role,
    wish: readWish(query),
    tiles: Math.min(TILES_MOST, Math.max(0, Number.parseInt(query.get('tiles') ?? '', 10) || 0)),
    autojoin: query.get('autojoin') === '1',
    wanted: {
      microphone: role !== 'viewer' && query.get('microphone') !== 'off',
      camera: role !== 'viewer' && query.get('camera') !== 'off',
    },
  };
}

/** @param {string} room @param {Topology} topology @returns {string} the address to give to others */
function linkTo(room, topology) {
  if (topology === 'broadcast') return `${location.origin}/b/${encodeURIComponent(room)}`;
  if (BETWEEN_TABS) return `${location.origin}${location.pathname}?room=${encodeURIComponent(room)}`;
  const wish = topology === 'sfu' ? '' : `?topology=${topology}`;
  return `${location.origin}/r/${encodeURIComponent(room)}${wish}`;
}

/** @param {import('./session.js').SessionState | 'prejoin'} state */
function showState(state) {
  document.body.dataset.state = state;
}

/** @param {LocalMedia} local @param {Entry} entry @param {Pictures} pictures */
function enter(local, { room, name, topology, role }, { wish, tiles }) {
  byId('prejoin', HTMLElement).hidden = true;
  const link = linkTo(room, topology);
  if (readLink().room !== room) history.replaceState(null, '', role === 'publisher' ? `${link}?role=publisher` : link);
  /** @type {import('./signaling.js').OpenLink} */
  const openLink = (handlers) => (BETWEEN_TABS ? openTabs(handlers) : openWebSocket(signalingUrl(), handlers));
  const session = new Session({ room, name, local, topology, role, wish, openLink });
  const files = new Files(session);
  const onlyHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  const reach = BETWEEN_TABS ? 'browser' : onlyHere ? 'machine' : 'network';
  const view = new RoomView(session, local, files, { link, reach, tiles });
  session.on('state', (state) => {
    showState(state);
    if (state === 'left' || session.role === 'viewer') local.close();
    if (state === 'joined' && session.role === 'viewer' && role !== 'viewer') {
      role = 'viewer'; // said once
      toast('This is a broadcast: you watch and listen.');
    }
    drawEnd(session, () => (state === 'left' ? location.reload() : session.retry()));
  });
  expose(session, local, view, files);
  window.addEventListener('pagehide', () => session.leave()); // others see it at once
  window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  keepAwake();
  void session.run();
}

/** For tests, embedding pages and the curious: the page's state as plain values. */
/** @param {Session} session @param {LocalMedia} local @param {RoomView} view @param {Files} files */
function expose(session, local, view, files) {
  Object.assign(window, {
    aiosfu: {
      session,
      local,
      get state() {
        return session.state;
      },
      get me() {
        return session.me;
      },
      get participants() {
        return [...session.roster.participants.values()];
      },
      get topology() {
        return session.topology;
      },
      get path() {
        return session.media?.path ?? null;
      },
      get role() {
        return session.role;
      },
      /** The connections, by who is at their other end. */
      get peers() {
        const links = session.media?.links() ?? [];
        return links.map(({ id, pc }) => ({ id, name: session.roster.participants.get(id)?.name ?? id, state: pc.connectionState, pc }));
      },
      /** The one to the server; else what all connections are together. */
      get connection() {
        const links = session.media?.links() ?? [];
        if (links.length === 1 && links[0]) return links[0].pc;
        return session.media && { getStats: () => allStats(links) };
      },
      files,
      get downloads() {
        return [...files.downloads.values()].map(({ offer, state, received, sha256, blob }) => ({ ...offer, state, received, sha256, blob }));
      },
      get tiles() {
        return [...view.tiles].map(([key, { element, video }]) => ({
          key,
          participant: element.dataset.participant,
          source: element.dataset.source,
          muted: element.dataset.muted === 'true',
          picture: element.classList.contains('has-picture'),
          shown: !element.hidden,
          speaking: element.classList.contains('speaking'),
          width: video.videoWidth,
          height: video.videoHeight,
          element,
          video,
        }));
      },
      /** What the server was told of how pictures are seen, by mid. */
      get views() {
        return session.media?.connection?.told ?? {};
      },
      /** One's own pictures, and which encodings of them are sent. */
      get pictures() {
        return session.media?.connection?.pictures() ?? [];
      },
      get bandwidth() {
        return view.bandwidth;
      },
      get speakers() {
        return session.speakers;
      },
      async stats() {
        const figures = await view.figures();
        return figures && { ...figures, tracks: Object.fromEntries(figures.tracks) };
      },
    },
  });
}

/** @param {import('./path.js').PathLink[]} links @returns {Promise<Map<string, any>>} like getStats of one connection */
async function allStats(links) {
  const reports = new Map();
  for (const { id, pc } of links) (await pc.getStats()).forEach((report, name) => reports.set(`${id}/${name}`, report));
  return reports;
}

/** A phone does not go to sleep in a call, where the browser can be asked so. */
function keepAwake() {
  const ask = () => {
    if (document.visibilityState === 'visible') navigator.wakeLock?.request('screen').catch(() => {});
  };
  document.addEventListener('visibilitychange', ask);
  ask();
}

async function start() {
  const { room, name, topology, role, wish, tiles, autojoin, wanted } = readLink();
  const pictures = { wish, tiles };
  const local = new LocalMedia();
  local.sources.microphone.muted = !wanted.microphone;
  local.sources.camera.muted = !wanted.camera;
  if (!('RTCPeerConnection' in window)) {
    byId('prejoin-lead', HTMLElement).textContent = 'This browser has no WebRTC, or it is switched off: it cannot join a room.';
    byId('prejoin', HTMLElement).hidden = false;
    byId('join', HTMLButtonElement).disabled = true;
    return;
  }
  const opened = wanted.microphone || wanted.camera ? local.open(wanted) : Promise.resolve();
  if (room && autojoin) {
    await Promise.race([opened, new Promise((resolve) => setTimeout(resolve, DEVICES_WAIT_MS))]);
    enter(local, { room, name: name || recall('name') || 'Guest', topology, role }, pictures);
  } else {
    showPrejoin({ room, name, local, topology, role, betweenTabs: BETWEEN_TABS, join: (entry) => enter(local, entry, pictures) });
  }
}

void start();
