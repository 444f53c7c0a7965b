// The card that stands where tiles will be: how others come into the room, or what viewers wait for.
// Knows: its words and elements. Does not know: when it is shown (grid.js).

import { copy, make } from './dom.js';
import { toast } from './notices.js';

/** Where a link can be opened: everywhere on the network, on this machine, in this browser. @typedef {'network' | 'machine' | 'browser'} Reach */

const NEXT = { network: 'Send it to whom you want to meet.', machine: 'It works on this computer only.', browser: 'Open it in another tab.' };

/** @param {string} link @param {Reach} reach */
export async function copyLink(link, reach) {
  toast((await copy(link)) ? `Link copied. ${NEXT[reach]}` : `The link: ${link}`);
}

/** @param {import('./types.js').Role} role @param {string} link  to give to others @param {Reach} reach  where it can be opened */
export function inviteCard(role, link, reach) {
  if (role === 'viewer') {
    return make(
      'div',
      { class: 'invite', 'data-testid': 'invite' },
      make('h2', {}, 'Nothing is broadcast now'),
      make('p', {}, 'Stay here: it is shown as soon as it begins.'),
    );
  }
  const button = make('button', { class: 'primary', type: 'button', 'data-testid': 'invite-copy' }, 'Copy link');
  button.onclick = () => copyLink(link, reach);
  const publisher = role === 'publisher';
  return make(
    'div',
    { class: 'invite', 'data-testid': 'invite' },
    make('h2', {}, publisher ? 'Nobody watches yet' : 'Nobody else is here yet'),
    make('p', {}, words(publisher, reach)),
    make('code', {}, link),
    button,
    ...(reach === 'machine' ? [onlyHere()] : []),
  );
}

/** @param {boolean} publisher @param {Reach} reach */
function words(publisher, reach) {
  if (reach === 'browser') return 'Open this link in another tab of this browser:';
  return publisher ? 'Whoever opens this link sees and hears you:' : 'Whoever opens this link is in the room with you:';
}

/** Why nobody else can follow the link, and what to do about it. */
function onlyHere() {
  const options = ['--host 0.0.0.0', '--tls self-signed'].flatMap((option) => [' ', make('span', { class: 'nowrap' }, option)]);
  return make('p', { class: 'help' }, 'Only this computer can open it. For others, start the server with', ...options);
}
