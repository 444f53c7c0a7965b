// The statistics panel and the line of figures on each tile. Knows: figures and elements. Does not know: where they come from.

import { byId, make, rate } from './dom.js';

/** @typedef {import('./stats.js').Figures} Figures */
/** @typedef {import('./stats.js').TrackFigures} TrackFigures */

/**
 * @param {Figures} figures
 * @param {{label: string, track: string}[]} rows  tracks in use (by trackKey), with the words for them
 */
export function drawFigures(figures, rows) {
  const totals = [
    ['Receiving', rate(figures.in_bps)],
    ['Sending', rate(figures.out_bps)],
    ['Lost, receiving', percent(figures.in_loss)],
    ['Lost, sending', percent(figures.out_loss)],
    ['Round trip', figures.rtt_ms === null ? '–' : `${Math.round(figures.rtt_ms)} ms`],
  ];
  byId('stats-totals', HTMLElement).replaceChildren(
    ...totals.map(([name, value]) => make('div', {}, make('dt', {}, name ?? ''), make('dd', {}, value ?? ''))),
  );
  const lines = rows.flatMap(({ label, track: key }) => {
    const track = figures.tracks.get(key);
    if (!track) return [];
    return make(
      'tr',
      {},
      make('th', { scope: 'row' }, label, make('small', {}, describeTrack(track))),
      make('td', {}, rate(track.bps)),
      make('td', {}, percent(track.loss)),
    );
  });
  byId('stats-tracks', HTMLElement).replaceChildren(...lines);
}

/** @param {TrackFigures | undefined} video @returns {string} the line on a tile */
export function tileLine(video) {
  return video && video.bps > 0 ? `${describeTrack(video)} · ${rate(video.bps)}` : '';
}

/** @param {TrackFigures} track */
function describeTrack({ kind, codec, width, height, fps }) {
  if (kind === 'audio' || width === 0) return codec;
  return `${width}×${height} · ${Math.round(fps)} fps · ${codec}`;
}

/** @param {number} share */
function percent(share) {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}
