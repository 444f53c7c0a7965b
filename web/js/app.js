// Starts the page: reads the link, shows the form or joins at once, then hands over to session and room.
// Knows: the address bar and the life of the page. Does not know: how anything works inside.

import { byId } from './dom.js';
import { LocalMedia } from './local.js';
import { drawEnd } from './notices.js';
import { showPrejoin } from './prejoin.js';
import { RoomView } from './room.js';
import { Session } from './session.js';
import { recall } from './settings.js';
import { openWebSocket, signalingUrl } from './signaling.js';

const NAME_MAX = 64;
const DEVICES_WAIT_MS = 2000; // autojoin: devices that take longer are published when they come

/** What the link asks for: /?room=blue or /r/blue, &name=Ada, &autojoin=1, &microphone=off, &camera=off. */
function readLink() {
  const query = new URLSearchParams(location.search);
  const path = /^\/r\/([^/]+)\/?$/.exec(location.pathname);
  return {
    room: (path?.[1] ? decodeURIComponent(path[1]) : (query.get('room') ?? '')).trim(),
    name: (query.get('name') ?? '').trim().slice(0, NAME_MAX),
    autojoin: query.get('autojoin') === '1',
    wanted: { microphone: query.get('microphone') !== 'off', camera: query.get('camera') !== 'off' },
  };
}

/** @param {string} room @returns {string} the address to give to others */
function linkTo(room) {
  return `${location.origin}/?room=${encodeURIComponent(room)}`;
}

/** @param {import('./session.js').SessionState | 'prejoin'} state */
function showState(state) {
  document.body.dataset.state = state;
}

/** @param {LocalMedia} local @param {string} room @param {string} name */
function enter(local, room, name) {
  byId('prejoin', HTMLElement).hidden = true;
  if (readLink().room !== room) history.replaceState(null, '', linkTo(room));
  const session = new Session({ room, name, local, openLink: (handlers) => openWebSocket(signalingUrl(), handlers) });
  const view = new RoomView(session, local, linkTo(room));
  session.on('state', (state) => {
    showState(state);
    if (state === 'left') local.close();
    drawEnd(session, () => (state === 'left' ? location.reload() : session.retry()));
  });
  expose(session, local, view);
  window.addEventListener('pagehide', () => session.leave()); // others see it at once
  window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  keepAwake();
  void session.run();
}

/** For tests, embedding pages and the curious: the page's state as plain values. */
/** @param {Session} session @param {LocalMedia} local @param {RoomView} view */
function expose(session, local, view) {
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
      get connection() {
        return session.connection?.pc ?? null;
      },
      get tiles() {
        return [...view.tiles].map(([key, { element, video }]) => ({
          key,
          participant: element.dataset.participant,
          source: element.dataset.source,
          muted: element.dataset.muted === 'true',
          picture: element.classList.contains('has-picture'),
          width: video.videoWidth,
          height: video.videoHeight,
          element,
          video,
        }));
      },
      async stats() {
        const figures = await view.figures();
        return figures && { ...figures, tracks: Object.fromEntries(figures.tracks) };
      },
    },
  });
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
  const { room, name, autojoin, wanted } = readLink();
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
    enter(local, room, name || recall('name') || 'Guest');
  } else {
    showPrejoin({ room, name, local, join: (chosenRoom, chosenName) => enter(local, chosenRoom, chosenName) });
  }
}

void start();
