// What the tiles show: one's own sources and the publications of the others, each on the path where it plays.
// Knows: session, local media, tiles' models. Does not know: elements.

import { pausedNote } from './quality.js';
import { pathOf } from './roster.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./media.js').Media} Media */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./roster.js').TileModel} TileModel */
/** @typedef {import('./grid.js').GridEntry} GridEntry */
/** @typedef {import('./types.js').Publication} Publication */
/** @typedef {import('./path.js').Received} Received */

/** A publication, and how it is received. @typedef {{publication: Publication | null, received: Received | null}} Playing */

/** @param {Session} session @param {LocalMedia} local @returns {GridEntry[]} what one sends, as others see it */
export function ownEntries(session, local) {
  if (session.role === 'viewer') return [];
  const { camera, screen } = local.sources;
  const common = { name: session.name, own: true, audioTrack: null, audioReceiver: null, note: '', paused: false, flow: null, pinned: false };
  /** @param {'camera' | 'screen'} source @param {MediaStreamTrack | null} videoTrack @param {boolean} micMuted @returns {GridEntry} */
  const entry = (source, videoTrack, micMuted) => ({
    key: `me/${source}`,
    participant: session.me,
    source,
    publication: '',
    live: videoTrack !== null,
    view: { ...common, source, micMuted, videoTrack, picture: videoTrack?.id ?? '' },
  });
  const entries = [entry('camera', camera.track, !local.live('microphone'))];
  if (screen.track) entries.push(entry('screen', screen.track, false));
  return entries;
}

/** @param {Session} session @param {TileModel} model @returns {GridEntry} */
export function entryOf(session, model) {
  const { key, participant, name, source } = model;
  const audio = playing(session.media, model, 'audio');
  const video = playing(session.media, model, 'video');
  const visible = video.publication !== null && !video.publication.muted;
  const paused = visible && video.received?.state === 'paused';
  const silent = audio.publication === null || audio.publication.muted;
  return {
    key,
    participant,
    source,
    publication: video.publication?.id ?? '',
    live: visible,
    view: {
      name,
      own: false,
      source,
      micMuted: source === 'camera' && silent,
      videoTrack: video.received?.receiver.track ?? null,
      audioTrack: audio.received?.receiver.track ?? null,
      audioReceiver: silent ? null : (audio.received?.receiver ?? null),
      picture: visible && video.received?.state === 'active' ? (video.publication?.id ?? '') : '',
      note: visible ? noteOf(video) : '',
      paused,
      flow: visible && !paused ? (video.received?.flow ?? null) : null,
      pinned: false,
    },
  };
}

/** Why there is no picture of what is published and not muted. @param {Playing} video @returns {string} '' = there is one, or will be soon */
function noteOf({ publication, received }) {
  if (received?.state === 'paused') return pausedNote(received.message, received.reason);
  if (received?.state !== 'unsupported-codec') return '';
  return received.message || `This browser cannot show ${publication?.codec || 'this kind of'} video.`;
}

/**
 * On the path in force, unless it only comes on the other one yet.
 * @param {Media | null} media @param {TileModel} model @param {'audio' | 'video'} kind
 * @returns {Playing}
 */
export function playing(media, model, kind) {
  const publication = model[kind];
  const received = publication && media ? media.received(publication.id) : null;
  const spare = model.spare[kind];
  if (!spare || !media || (received && received.state !== 'empty')) return { publication, received };
  const other = media.received(spare.id);
  return other ? { publication: spare, received: other } : { publication, received };
}

/**
 * Whether a move to another path is complete, as far as this page goes.
 * @param {Session} session
 * @param {(key: string, track: MediaStreamTrack) => boolean} plays  whether a tile plays a track by now
 * @param {(key: string) => boolean} inView  whether a tile's picture is received
 * @returns {boolean} whether everything comes, and plays, on the path in force
 */
export function allPlays({ media, roster }, plays, inView) {
  if (!media) return false;
  return roster.tiles(media.path).every((model) =>
    /** @type {const} */ (['audio', 'video']).every((kind) => {
      const publication = model[kind];
      if (!publication || (kind === 'video' && !inView(model.key))) return true;
      if (pathOf(publication) !== media.path) return false;
      const received = media.received(publication.id);
      if (!received || received.state === 'empty') return false;
      return publication.muted || received.state !== 'active' || plays(model.key, received.receiver.track);
    }),
  );
}
