// The call's buttons and keys. Knows: local media and the elements. Does not know: the connection.

import { canShareScreen } from './devices.js';
import { byId, dress } from './dom.js';
import { toast } from './notices.js';

/** @typedef {import('./local.js').LocalMedia} LocalMedia */

export class Toolbar {
  #local;
  #mute = byId('mute', HTMLButtonElement);
  #camera = byId('camera', HTMLButtonElement);
  #screen = byId('screen', HTMLButtonElement);

  /**
   * @param {LocalMedia} local
   * @param {{leave: () => void, panels: import('./panels.js').Panels, turn: (by: number) => void}} room  turn: the pages of tiles
   */
  constructor(local, { leave, panels, turn }) {
    this.#local = local;
    this.#mute.onclick = () => this.#toggleMicrophone();
    this.#camera.onclick = () => this.#toggleCamera();
    this.#screen.onclick = () => this.#toggleScreen();
    byId('leave', HTMLButtonElement).onclick = leave;
    /** @type {Record<string, () => void>} */
    const keys = {
      m: () => !this.#mute.hidden && this.#toggleMicrophone(),
      v: () => !this.#camera.hidden && this.#toggleCamera(),
      s: () => !this.#screen.hidden && this.#toggleScreen(),
      c: () => panels.toggle('chat'),
      p: () => panels.toggle('people'),
      i: () => panels.toggle('stats'),
      t: () => panels.toggle('topology'),
      b: () => panels.toggle('bandwidth'),
      pageup: () => turn(-1),
      pagedown: () => turn(1),
    };
    document.addEventListener('keydown', (event) => {
      if (byId('room', HTMLElement).hidden || byId('room', HTMLElement).inert) return;
      if (event.key === 'Escape') panels.close();
      const typing = event.target instanceof Element && event.target.closest('input, textarea, select');
      if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      const act = keys[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    });
    local.on('ended', (source) => {
      if (source === 'microphone') toast('Your microphone was disconnected.');
      if (source === 'camera') toast('Your camera was disconnected.');
      if (source === 'screen') toast('You stopped sharing your screen.');
    });
  }

  /** @param {import('./types.js').Role} role  viewers have nothing to switch */
  draw(role) {
    for (const button of [this.#mute, this.#camera]) button.hidden = role === 'viewer';
    this.#screen.hidden = role === 'viewer' || !canShareScreen(); // phones have no screen to share
    const local = this.#local;
    const mic = local.live('microphone');
    const camera = local.live('camera');
    const screen = local.live('screen');
    dress(this.#mute, {
      icon: mic ? 'mic' : 'mic-off',
      label: mic ? 'Mute the microphone' : 'Unmute the microphone',
      key: 'M',
      off: !mic,
      busy: local.opening.has('microphone'),
      pressed: !mic,
    });
    dress(this.#camera, {
      icon: camera ? 'camera' : 'camera-off',
      label: camera ? 'Turn the camera off' : 'Turn the camera on',
      key: 'V',
      off: !camera,
      busy: local.opening.has('camera'),
      pressed: !camera,
    });
    dress(this.#screen, {
      icon: 'screen',
      label: screen ? 'Stop sharing your screen' : 'Share your screen',
      key: 'S',
      pressed: screen,
    });
    this.#screen.classList.toggle('on', screen);
  }

  async #toggleMicrophone() {
    if (this.#local.opening.has('microphone')) return;
    await this.#local.setMicrophone(!this.#local.live('microphone'));
    this.#complain('microphone');
  }

  async #toggleCamera() {
    if (this.#local.opening.has('camera')) return;
    await this.#local.setCamera(!this.#local.live('camera'));
    this.#complain('camera');
  }

  async #toggleScreen() {
    if (this.#local.live('screen')) this.#local.stopScreen();
    else if (!(await this.#local.startScreen())) this.#complain('screen');
  }

  /** @param {'microphone' | 'camera' | 'screen'} kind */
  #complain(kind) {
    const problem = this.#local.problems[kind];
    if (problem && !this.#local.live(kind)) toast(`${problem.title}. ${problem.advice}`);
  }
}
