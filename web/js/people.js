// The list of who is here. Knows: its elements, the session. Does not know: messages or media.

import { byId, colourOf, icon, initials, make } from './dom.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {{name: string, suffix: string, role: string, mic: boolean, camera: boolean, screen: boolean}} Person */

/** @param {Session} session @param {LocalMedia} local */
export function drawPeople(session, local) {
  const own = {
    name: session.name,
    suffix: ' (you)',
    role: session.role,
    mic: local.live('microphone'),
    camera: local.live('camera'),
    screen: local.live('screen'),
  };
  const others = [...session.roster.participants.values()].map((one) => {
    /** @param {string} source */
    const live = (source) => one.publications.some((publication) => publication.source === source && !publication.muted);
    const role = one.role ?? 'member';
    return { name: one.name, suffix: '', role, mic: live('microphone'), camera: live('camera'), screen: live('screen') };
  });
  const people = [own, ...others];
  byId('people-list', HTMLElement).replaceChildren(...people.map(row));
  byId('people-count', HTMLElement).textContent = String(people.length);
  const viewers = people.filter(({ role }) => role === 'viewer').length;
  byId('viewer-count', HTMLElement).hidden = session.topology !== 'broadcast';
  byId('viewers', HTMLElement).textContent = String(viewers);
  byId('viewers-word', HTMLElement).textContent = viewers === 1 ? 'viewer' : 'viewers';
  document.title = `${session.room} (${people.length}) – aiosfu`;
}

/** @param {Person} person */
function row({ name, suffix, role, mic, camera, screen }) {
  const avatar = make('span', { class: 'mini-avatar', 'aria-hidden': 'true' }, initials(name));
  avatar.style.backgroundColor = colourOf(name);
  const marks = make('span', { class: 'marks' });
  if (role === 'viewer') {
    marks.append('watches');
  } else {
    if (screen) marks.append(icon('screen'), make('span', { class: 'sr-only' }, 'shares a screen,'));
    marks.append(icon(mic ? 'mic' : 'mic-off'), make('span', { class: 'sr-only' }, mic ? 'microphone on,' : 'muted,'));
    marks.append(icon(camera ? 'camera' : 'camera-off'), make('span', { class: 'sr-only' }, camera ? 'camera on' : 'camera off'));
  }
  return make('li', { 'data-testid': 'person' }, avatar, make('span', { class: 'person-name' }, `${name}${suffix}`), marks);
}
