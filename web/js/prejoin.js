// The page before the room: its name, one's own name, devices with a live preview. Knows: the form and local media.
// Does not know: signaling; it only says when and as whom to join.

import { byId, dress, icon, make } from './dom.js';
import { animateMeter, LevelMeter } from './level.js';
import { bindPickers } from './picker.js';
import { recall, remember } from './settings.js';

/** @typedef {import('./local.js').LocalMedia} LocalMedia */

const ADJECTIVES = ['amber', 'blue', 'bright', 'calm', 'clear', 'early', 'gentle', 'green', 'kind', 'quiet', 'silver', 'warm'];
const NOUNS = ['birch', 'bridge', 'cedar', 'garden', 'harbour', 'island', 'lake', 'meadow', 'orchard', 'river', 'summit', 'window'];

/**
 * @param {{room: string, name: string, local: LocalMedia, join: (room: string, name: string) => void}} options
 *   room is '' when the link names none
 */
export function showPrejoin({ room, name, local, join }) {
  const section = byId('prejoin', HTMLElement);
  const form = byId('prejoin-form', HTMLFormElement);
  const roomInput = byId('room-input', HTMLInputElement);
  const nameInput = byId('name-input', HTMLInputElement);
  const joinButton = byId('join', HTMLButtonElement);

  roomInput.value = room || suggestRoom();
  nameInput.value = name || recall('name');
  if (room) {
    byId('room-field', HTMLElement).hidden = true;
    byId('prejoin-title', HTMLElement).textContent = `Join ${room}`;
    byId('prejoin-lead', HTMLElement).textContent = 'Check how you look and sound, then come in.';
    joinButton.textContent = 'Join';
  } else {
    joinButton.textContent = 'Create room';
  }
  byId('suggest', HTMLButtonElement).onclick = () => (roomInput.value = suggestRoom());
  bindPickers(local, {
    camera: byId('pre-camera-select', HTMLSelectElement),
    microphone: byId('pre-mic-select', HTMLSelectElement),
  });
  const stopPreview = bindPreview(local, section);

  form.onsubmit = (event) => {
    event.preventDefault();
    const chosenRoom = roomInput.value.trim();
    const chosenName = nameInput.value.trim();
    if (!chosenRoom || !chosenName) return;
    remember('name', chosenName);
    stopPreview();
    join(chosenRoom, chosenName);
  };
  section.hidden = false;
  (nameInput.value ? joinButton : nameInput).focus({ preventScroll: true });
}

/** @returns {string} e.g. "quiet-harbour-27" */
export function suggestRoom() {
  /** @param {string[]} words */
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${10 + Math.floor(Math.random() * 90)}`;
}

/**
 * @param {LocalMedia} local
 * @param {HTMLElement} section
 * @returns {() => void} lets go of the picture
 */
function bindPreview(local, section) {
  const video = byId('preview-video', HTMLVideoElement);
  const mic = byId('pre-mic', HTMLButtonElement);
  const camera = byId('pre-camera', HTMLButtonElement);
  const meter = new LevelMeter();
  mic.onclick = () => local.setMicrophone(!on('microphone'));
  camera.onclick = () => local.setCamera(!on('camera'));

  /** Wanted on, be it open, opening or failed. @param {'microphone' | 'camera'} device */
  const on = (device) => local.live(device) || local.opening.has(device);
  const draw = () => {
    const { microphone, camera: own } = local.sources;
    const stream = /** @type {MediaStream | null} */ (video.srcObject);
    if ((stream?.getVideoTracks()[0] ?? null) !== own.track) {
      video.srcObject = own.track ? new MediaStream([own.track]) : null;
    }
    meter.listen(microphone.track);
    dress(mic, {
      icon: on('microphone') ? 'mic' : 'mic-off',
      label: on('microphone') ? 'Join muted' : 'Turn the microphone on',
      off: !on('microphone'),
      busy: local.opening.has('microphone'),
    });
    dress(camera, {
      icon: on('camera') ? 'camera' : 'camera-off',
      label: on('camera') ? 'Join without camera' : 'Turn the camera on',
      off: !on('camera'),
      busy: local.opening.has('camera'),
    });
    mic.setAttribute('aria-pressed', String(!on('microphone')));
    camera.setAttribute('aria-pressed', String(!on('camera')));
    byId('preview-note', HTMLElement).textContent = note(local);
    drawProblems(local);
  };
  const unlisten = local.on('change', draw);
  animateMeter(
    byId('pre-meter', HTMLElement),
    () => meter.level(),
    () => local.live('microphone') && !section.hidden,
  );
  draw();
  return () => {
    unlisten();
    meter.listen(null);
    video.srcObject = null;
  };
}

/** @param {LocalMedia} local @returns {string} what stands in place of the picture */
function note(local) {
  if (local.sources.camera.track) return '';
  if (local.opening.size > 0) return 'Waiting for camera and microphone. Please allow them if the browser asks.';
  if (local.problems.camera) return local.problems.camera.title;
  return 'Camera is off';
}

/** @param {LocalMedia} local */
function drawProblems(local) {
  const { microphone, camera } = local.problems;
  const problems = [camera, microphone].filter((problem) => problem !== null);
  const distinct = problems.filter(({ title }, index) => problems.findIndex((other) => other.title === title) === index);
  const items = distinct.map(({ title, advice }) =>
    make('li', {}, icon('alert'), make('div', {}, make('strong', {}, title), ' ', advice)),
  );
  if (microphone && camera) items.push(make('li', { class: 'plain' }, 'You can join to watch, listen and chat.'));
  byId('pre-problems', HTMLElement).replaceChildren(...items);
}
