// The page before the room: its name, one's own name, devices with a live preview. Knows: the form and local media.
// Does not know: signaling; it only says when and as whom to join.

import { byId, dress, icon, make } from './dom.js';
import { animateMeter, LevelMeter } from './level.js';
import { bindPickers } from './picker.js';
import { recall, remember } from './settings.js';

/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./types.js').Topology} Topology */
/** @typedef {import('./types.js').Role} Role */

const ADJECTIVES = ['amber', 'blue', 'bright', 'calm', 'clear', 'early', 'gentle', 'green', 'kind', 'quiet', 'silver', 'warm'];
const NOUNS = ['birch', 'bridge', 'cedar', 'garden', 'harbour', 'island', 'lake', 'meadow', 'orchard', 'river', 'summit', 'window'];

/** @type {Record<Topology, string>} */
const EXPLAINED = {
  sfu: 'Everybody sends once, to the server, which passes it on. For any number of people.',
  mesh: 'Everybody sends to each other; no server sees sound or picture. Good for two to four.',
  auto: 'Two speak directly; from the third on the server carries the room, and nobody notices the change.',
  broadcast: 'You send, all others watch and listen.',
};

/**
 * @param {{room: string, name: string, local: LocalMedia, topology: Topology, role: Role, betweenTabs: boolean,
 *   join: (entry: {room: string, name: string, topology: Topology, role: Role}) => void}} options
 *   room is '' when the link names none
 */
export function showPrejoin({ room, name, local, topology, role, betweenTabs, join }) {
  const section = byId('prejoin', HTMLElement);
  const form = byId('prejoin-form', HTMLFormElement);
  const roomInput = byId('room-input', HTMLInputElement);
  const nameInput = byId('name-input', HTMLInputElement);
  const joinButton = byId('join', HTMLButtonElement);
  const topologySelect = byId('topology-select', HTMLSelectElement);

  roomInput.value = room || suggestRoom();
  nameInput.value = name || recall('name');
  topologySelect.value = topology;
  byId('room-field', HTMLElement).hidden = room !== '' && roomInput.checkValidity(); // the browser says what is wrong with it
  byId('topology-field', HTMLElement).hidden = room !== '' || betweenTabs;
  byId('other-pages', HTMLElement).hidden = room !== '' || betweenTabs;
  const draw = () => {
    const chosen = /** @type {Topology} */ (topologySelect.value);
    const words = wordsFor(room, chosen, role, betweenTabs);
    byId('prejoin-title', HTMLElement).textContent = words.title;
    byId('prejoin-lead', HTMLElement).textContent = words.lead;
    joinButton.textContent = words.button;
    byId('topology-help', HTMLElement).textContent = EXPLAINED[chosen];
  };
  topologySelect.onchange = draw;
  draw();
  byId('suggest', HTMLButtonElement).onclick = () => (roomInput.value = suggestRoom());
  const watches = room !== '' && role === 'viewer';
  section.classList.toggle('watches', watches);
  if (watches) {
    nameInput.required = false;
    nameInput.placeholder = 'Viewer';
  }
  bindPickers(local, {
    camera: byId('pre-camera-select', HTMLSelectElement),
    microphone: byId('pre-mic-select', HTMLSelectElement),
  });
  const stopPreview = bindPreview(local, section);

  form.onsubmit = (event) => {
    event.preventDefault();
    const chosenRoom = roomInput.value.trim();
    const chosenName = nameInput.value.trim() || (watches ? 'Viewer' : '');
    if (!chosenRoom || !chosenName) return;
    if (nameInput.value.trim()) remember('name', chosenName);
    stopPreview();
    const chosen = /** @type {Topology} */ (topologySelect.value);
    // Who starts a broadcast makes it; who follows the link of one watches.
    const chosenRole = room ? role : chosen === 'broadcast' ? 'publisher' : 'member';
    join({ room: chosenRoom, name: chosenName, topology: chosen, role: chosenRole });
  };
  section.hidden = false;
  (nameInput.value ? joinButton : nameInput).focus({ preventScroll: true });
}

/** @param {string} room @param {Topology} topology @param {Role} role @param {boolean} betweenTabs */
function wordsFor(room, topology, role, betweenTabs) {
  if (betweenTabs) {
    const lead = 'No server takes part: open this page in another tab of this browser, and the two tabs connect to each other.';
    return { title: room ? `Join ${room}` : 'A room between tabs', lead, button: room ? 'Join' : 'Create room' };
  }
  if (topology === 'broadcast' && room && role === 'viewer') {
    return { title: `Watch ${room}`, lead: 'You watch and listen. Your camera and microphone stay off.', button: 'Watch' };
  }
  if (topology === 'broadcast') {
    const lead = 'Check how you look and sound: whoever opens the link will see it.';
    return { title: room ? `Broadcast ${room}` : 'Start a broadcast', lead, button: 'Start broadcast' };
  }
  if (room) return { title: `Join ${room}`, lead: 'Check how you look and sound, then come in.', button: 'Join' };
  const lead = 'Choose a name for the room and share its link. Nothing to install, no account.';
  return { title: 'Start a room', lead, button: 'Create room' };
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
