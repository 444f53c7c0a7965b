// In which encodings a picture is sent, and with which codec. Knows: sources, codecs, what browsers take.
// Does not know: connections, or which of the encodings anybody wants (publishing.js is told).

/**
 * What the link asks for: /r/blue?codec=vp9, /r/blue?codec=av1&svc=L3T3_KEY. '' = the browser's own choice.
 * @typedef {{codec: string, svc: string}} VideoWish  codec in capitals; svc: one scalable encoding instead of three
 */

/** @type {VideoWish} */
export const NO_WISH = { codec: '', svc: '' };

const CODECS = ['VP8', 'VP9', 'AV1', 'H264'];
const SCALABLE = ['VP9', 'AV1'];
const MODE = /^[LS][1-3]T[1-3](h|_KEY|_KEY_SHIFT)?$/;

/** A camera in three sizes, least first: a thumbnail, a tile, and a large picture of 720 lines. */
const CAMERA = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];
/** A screen in two speeds and one size: text at half the size can't be read, but five frames a second will do. */
const SCREEN = [
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 400_000, maxFramerate: 5 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 30 },
];

/** Upper bounds of one video's rate where it is sent once, in bits per second. */
export const MAX_BITRATE = { camera: 1_700_000, screen: 2_500_000 };

/** @param {URLSearchParams} query @returns {VideoWish} */
export function readWish(query) {
  const mode = query.get('svc') ?? '';
  const svc = MODE.test(mode) ? mode : '';
  const codec = CODECS.find((one) => one === query.get('codec')?.toUpperCase()) ?? '';
  return { codec: svc && !SCALABLE.includes(codec) ? 'VP9' : codec, svc };
}

/**
 * @param {boolean} isScreen @param {VideoWish} wish
 * @returns {RTCRtpEncodingParameters[]} in order of quality, the least first
 */
export function encodingsFor(isScreen, wish) {
  const several = isScreen ? SCREEN : CAMERA;
  if (!SCALABLE.includes(wish.codec)) return several.map((one) => ({ ...one }));
  // A browser that knows no scalability modes would send only the first of several encodings of these codecs.
  if (!knowsModes()) return [{ maxBitrate: MAX_BITRATE[isScreen ? 'screen' : 'camera'] }];
  if (wish.svc && !isScreen) return [scalable({ maxBitrate: MAX_BITRATE.camera }, wish.svc)];
  return several.map((one) => scalable(one, 'L1T3'));
}

/**
 * By how much a camera's picture is divided for each of its encodings. Chromium sends as many of them as it finds a
 * picture large enough for, the least first: of a small camera the last to be sent has to be the whole picture.
 * @param {MediaStreamTrack} track
 * @returns {number[]} 0: not worth sending
 */
export function scalesFor(track) {
  const { width = 1280, height = 720 } = track.getSettings();
  const lines = Math.min(width, height);
  return lines >= 540 ? [4, 2, 1] : lines >= 270 ? [2, 1, 0] : [1, 0, 0];
}

/** @param {string} sdp  an answer @returns {Set<string>} mids whose pictures the server takes in several encodings */
export function midsOfSeveral(sdp) {
  const sections = sdp.split(/^(?=m=)/m).filter((section) => /^a=simulcast:/m.test(section));
  return new Set(sections.map((section) => /^a=mid:(\S+)/m.exec(section)?.[1] ?? ''));
}

/** @param {RTCRtpEncodingParameters} encoding @param {string} scalabilityMode @returns {RTCRtpEncodingParameters} */
function scalable(encoding, scalabilityMode) {
  return /** @type {RTCRtpEncodingParameters} */ ({ ...encoding, scalabilityMode });
}

/** @param {RTCRtpTransceiver} transceiver @param {VideoWish} wish */
export function preferCodec(transceiver, { codec }) {
  if (!codec) return;
  const all = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  const chosen = all.filter(({ mimeType }) => mimeType.toUpperCase() === `VIDEO/${codec}`);
  if (chosen.length === 0) return;
  try {
    transceiver.setCodecPreferences([...chosen, ...all.filter((one) => !chosen.includes(one))]);
  } catch {
    // it cannot be asked for: the browser's own order stands
  }
}

/** @returns {boolean} whether this browser takes a scalability mode */
function knowsModes() {
  const probe = new RTCPeerConnection();
  try {
    const { sender } = probe.addTransceiver('video', { sendEncodings: [scalable({}, 'L1T3')] });
    return 'scalabilityMode' in (sender.getParameters().encodings[0] ?? {});
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
