// Cameras, microphones, loudspeakers and screens as the browser gives them, and one sentence per way it refuses.
// Knows: navigator.mediaDevices. Does not know: what becomes of a track (local.js).

/** @typedef {'microphone' | 'camera' | 'screen'} DeviceKind */

/**
 * @typedef {object} Problem
 * @property {string} title  short, fits a tile
 * @property {string} advice  what to do about it
 */

/** @typedef {{microphones: MediaDeviceInfo[], cameras: MediaDeviceInfo[], speakers: MediaDeviceInfo[]}} DeviceList */

const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** @returns {Problem | null} set when this page can have no device at all */
export function noDevices() {
  if (!navigator.mediaDevices?.getUserMedia) {
    return window.isSecureContext
      ? { title: 'No camera or microphone', advice: 'This browser gives pages no camera or microphone. You can still watch and listen.' }
      : {
          title: 'This page is not secure',
          advice:
            'Browsers give cameras and microphones to https:// pages and to localhost only. ' +
            'Open this page by https. You can still join to watch, listen and chat.',
        };
  }
  return null;
}

export function canShareScreen() {
  return Boolean(navigator.mediaDevices && 'getDisplayMedia' in navigator.mediaDevices);
}

/** @returns {Promise<DeviceList>} labels are empty until the person has allowed a device */
export async function listDevices() {
  const all = noDevices() ? [] : await navigator.mediaDevices.enumerateDevices();
  /** @param {MediaDeviceKind} kind */
  const of = (kind) => all.filter((device) => device.kind === kind);
  return { microphones: of('audioinput'), cameras: of('videoinput'), speakers: of('audiooutput') };
}

/**
 * Asks for microphone, camera or both in one question; what is missing or refused does not take the other along.
 * @param {{microphone: boolean, camera: boolean}} wanted
 * @param {{microphone: string, camera: string}} ids  preferred devices, '' = any
 * @returns {Promise<{tracks: MediaStreamTrack[], problems: {microphone?: Problem, camera?: Problem}}>}
 */
export async function openDevices(wanted, ids) {
  const impossible = noDevices();
  if (impossible) {
    return {
      tracks: [],
      problems: { ...(wanted.microphone && { microphone: impossible }), ...(wanted.camera && { camera: impossible }) },
    };
  }
  const audio = wanted.microphone && { ...MICROPHONE, ...exactly(ids.microphone) };
  const video = wanted.camera && { ...CAMERA, ...exactly(ids.camera) };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio, video });
    return { tracks: stream.getTracks(), problems: {} };
  } catch (error) {
    const unplugged = error instanceof Error && error.name === 'OverconstrainedError' && (ids.microphone || ids.camera);
    if (unplugged) return openDevices(wanted, { microphone: '', camera: '' });
    if (!(wanted.microphone && wanted.camera)) {
      const problem = describe(error, wanted.camera ? 'camera' : 'microphone');
      return { tracks: [], problems: wanted.camera ? { camera: problem } : { microphone: problem } };
    }
  }
  const first = await openDevices({ microphone: true, camera: false }, ids);
  const second = await openDevices({ microphone: false, camera: true }, ids);
  return { tracks: [...first.tracks, ...second.tracks], problems: { ...first.problems, ...second.problems } };
}

/** @returns {Promise<MediaStream>} a screen, a window or a tab, with its sound where the browser has it */
export function openScreen() {
  return navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: true });
}

/** Exactly this one: a wish (`ideal`) may lose against another device's better picture size. @param {string} id */
function exactly(id) {
  return id ? { deviceId: { exact: id } } : {};
}

/**
 * @param {unknown} error  what getUserMedia or getDisplayMedia rejected with
 * @param {DeviceKind} kind
 * @returns {Problem}
 */
export function describe(error, kind) {
  const name = error instanceof Error ? error.name : '';
  const it = kind === 'screen' ? 'screen' : kind;
  switch (name) {
    case 'NotFoundError':
    case 'OverconstrainedError':
      return { title: `No ${it} found`, advice: `Connect a ${it} and try again, or go on without.` };
    case 'NotAllowedError':
    case 'SecurityError':
      return {
        title: `No permission for the ${it}`,
        advice: `The browser or the system refuses the ${it}. Allow it by the icon in the address bar, then try again.`,
      };
    case 'NotReadableError':
    case 'AbortError':
      return {
        title: `The ${it} is busy or broken`,
        advice: `Another program may be using the ${it}. Close that program, then try again.`,
      };
    default:
      return { title: `The ${it} does not start`, advice: String(error instanceof Error ? error.message : error) };
  }
}
