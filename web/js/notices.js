// What the page says of itself: the banner (a state that lasts), toasts (things that happened), the end card.
// Knows: those elements and the words for session states. Does not know: how states come about.

import { byId, make } from './dom.js';

/** @typedef {import('./session.js').Session} Session */

const TOAST_MS = 4000;
const TOASTS_MAX = 3;

/** @param {string} text @param {string} [about]  for dropToasts */
export function toast(text, about = '') {
  const toasts = byId('toasts', HTMLElement);
  const element = make('p', { class: 'toast', 'data-about': about }, text);
  toasts.append(element);
  while (toasts.childElementCount > TOASTS_MAX) toasts.firstElementChild?.remove();
  setTimeout(() => element.remove(), TOAST_MS);
}

/** What is seen elsewhere by now. @param {string} about */
export function dropToasts(about) {
  for (const element of document.querySelectorAll(`.toast[data-about="${about}"]`)) element.remove();
}

/**
 * Connecting and reconnecting, and what to do about it.
 * @param {Session} session
 */
export function drawBanner(session) {
  const banner = byId('banner', HTMLElement);
  const action = byId('banner-action', HTMLButtonElement);
  const shown = session.state === 'joining' || session.state === 'reconnecting';
  banner.hidden = !shown;
  if (!shown) return;
  banner.dataset.state = session.state;
  const offline = !navigator.onLine;
  const lead = session.state === 'joining' ? 'Connecting…' : 'Reconnecting…';
  byId('banner-text', HTMLElement).textContent = offline
    ? 'This device is offline. You will be back in the room as soon as it is online.'
    : `${lead} ${session.reason}`.trim();
  action.hidden = session.reason === '';
  action.textContent = 'Try now';
  action.onclick = () => session.retry();
}

/**
 * The card over the page when the stay is over.
 * @param {Session} session
 * @param {() => void} again
 */
export function drawEnd(session, again) {
  const ended = byId('ended', HTMLElement);
  const was = ended.hidden;
  ended.hidden = session.state !== 'left' && session.state !== 'failed';
  byId('room', HTMLElement).inert = !ended.hidden;
  if (ended.hidden) return;
  const left = session.state === 'left';
  const advice = 'Check your network, then try again. If it goes on, the people who run this server can help.';
  const lost = session.refused ? 'You cannot be in this room' : 'No connection to the room';
  byId('ended-title', HTMLElement).textContent = left ? 'You left the room' : lost;
  byId('ended-text', HTMLElement).textContent = left
    ? 'Your camera and microphone are off.'
    : `${session.reason} ${session.refused ? '' : advice}`;
  const button = byId('again', HTMLButtonElement);
  button.textContent = left ? 'Rejoin' : 'Try again';
  button.onclick = again;
  if (was) button.focus();
}
