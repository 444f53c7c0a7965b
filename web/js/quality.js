// What is to be said of a picture's quality: a short figure, bars, and one sentence that says why it is not better.
// Pure. Knows: what the server counts in a slot. Does not know: elements.

import { rate } from './dom.js';

/** @typedef {import('./types.js').SlotFlow} SlotFlow */
/** @typedef {import('./types.js').Quality} Quality */

/** @type {[Quality, string][]} */
export const QUALITIES = [
  ['auto', 'Automatic'],
  ['high', 'High'],
  ['medium', 'Medium'],
  ['low', 'Low, saves data'],
];
const SHARP = 0.75; // of the lines it is shown with
const FAIR = 0.4;

/**
 * @param {SlotFlow | null} flow
 * @param {number} height  physical pixels it is shown with
 * @returns {number} bars, 0 to 3: how sharp it looks
 */
export function bars(flow, height) {
  if (!flow || flow.height === 0 || flow.bps === 0) return 0;
  const share = height > 0 ? flow.height / height : 1;
  return share >= SHARP ? 3 : share >= FAIR ? 2 : 1;
}

/** @param {SlotFlow | null} flow @returns {string} e.g. "360p", '' while nothing comes */
export function short(flow) {
  return flow && flow.height > 0 && flow.bps > 0 ? `${flow.height}p` : '';
}

/** @param {SlotFlow} flow @returns {string} which encoding, and its rate */
export function figures(flow) {
  if (flow.bps === 0) return 'No picture flows now.';
  const encoding = flow.rid ? `, encoding ${flow.rid}` : '';
  const layers = flow.temporal > 0 || flow.spatial > 0 ? `, layer S${flow.spatial} T${flow.temporal}` : '';
  return `${flow.height > 0 ? `${flow.height} lines, ` : ''}${rate(flow.bps)}${encoding}${layers}`;
}

/**
 * Why the picture is no better.
 * @param {SlotFlow} flow
 * @param {string} name  whose
 * @param {number} estimate_bps  what the link to this page carries
 * @param {Quality} quality  that was chosen
 * @returns {string}
 */
export function why(flow, name, estimate_bps, quality) {
  switch (flow.limit) {
    case 'bandwidth':
      return flow.bps === 0
        ? `Your connection carries ${rate(estimate_bps)}: too little for this picture. Sound goes on.`
        : `Your connection carries ${rate(estimate_bps)}; this is the best picture that fits.`;
    case 'size':
      return 'Small tile: a small picture is enough.';
    case 'chosen':
      return `You chose ${quality === 'auto' ? 'a lower' : quality} quality.`;
    case 'source':
      return `${name}’s device sends no larger picture now.`;
    case 'hidden':
      return 'Nobody sees this picture, so it waits.';
    case 'last-n':
      return 'In this room the latest speakers are seen.';
    case 'nothing':
      return `${name}’s device sends no picture now.`;
    default:
      return 'The best picture there is.';
  }
}

/**
 * Why there is an avatar instead of a picture that is there to be seen.
 * @param {string} message  the server's own sentence, '' = none
 * @param {import('./types.js').SlotReason | null} reason
 */
export function pausedNote(message, reason) {
  if (reason === 'bandwidth') return 'Video paused: your connection is too slow for it. Sound goes on.';
  if (reason === 'last-n') return 'Video paused: this room shows those who spoke last.';
  return message || 'Video paused. Sound goes on.';
}
