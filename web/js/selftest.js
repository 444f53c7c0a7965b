// Two connections inside one page, and what can be seen of them: rates, frames, round trips. Knows: WebRTC.
// Does not know: the page that shows it.

/** What was found. `missing`: this browser or device has no such thing. @typedef {{verdict: 'pass' | 'fail' | 'missing', text: string}} Finding */

const CONNECT_MS = 8000;
const MEASURE_MS = 2500;
const DATA_BYTES = 4 * 1024 * 1024;
const CHUNK = 16 * 1024;
const BUFFER_HIGH = 256 * 1024;
const ECHOES = 10;

/** A pair of connections that call each other; `close` ends both. */
export class Pair {
  near = new RTCPeerConnection({ iceServers: [] });
  far = new RTCPeerConnection({ iceServers: [] });

  constructor() {
    this.near.onicecandidate = ({ candidate }) => void this.far.addIceCandidate(candidate ?? undefined).catch(() => {});
    this.far.onicecandidate = ({ candidate }) => void this.near.addIceCandidate(candidate ?? undefined).catch(() => {});
  }

  /** @returns {Promise<number>} milliseconds it took */
  async connect() {
    const begun = performance.now();
    await this.near.setLocalDescription();
    await this.far.setRemoteDescription(/** @type {RTCSessionDescription} */ (this.near.localDescription));
    await this.far.setLocalDescription();
    await this.near.setRemoteDescription(/** @type {RTCSessionDescription} */ (this.far.localDescription));
    await until(() => this.near.connectionState === 'connected' && this.far.connectionState === 'connected', CONNECT_MS, 'The two ends do not find each other.');
    return performance.now() - begun;
  }

  close() {
    this.near.close();
    this.far.close();
  }
}

/** @param {string} name  e.g. "VP8" @returns {RTCRtpCodec[]} as this browser sends and receives it, [] = not */
export function codecsOf(name) {
  const wanted = name.toLowerCase();
  /** @param {RTCRtpCapabilities | null} able */
  const has = (able) => (able?.codecs ?? []).filter(({ mimeType }) => mimeType.toLowerCase() === wanted);
  const kind = wanted.startsWith('audio') ? 'audio' : 'video';
  if (has(RTCRtpSender.getCapabilities(kind)).length === 0) return [];
  return has(RTCRtpReceiver.getCapabilities(kind));
}

/**
 * Sends a track in one codec through a pair and looks at what arrives.
 * @param {MediaStreamTrack} track
 * @param {string} mimeType  e.g. "video/VP8"
 * @param {(track: MediaStreamTrack) => void} received
 * @returns {Promise<Finding>}
 */
export async function testCodec(track, mimeType, received) {
  const codecs = codecsOf(mimeType);
  if (codecs.length === 0) return { verdict: 'missing', text: 'This browser does not have this codec.' };
  const pair = new Pair();
  try {
    const sender = pair.near.addTransceiver(track, { direction: 'sendonly' });
    sender.setCodecPreferences(codecs);
    pair.far.ontrack = ({ track: arrived }) => received(arrived);
    const took = await pair.connect();
    return await measure(pair, track.kind, mimeType, took);
  } finally {
    pair.close();
  }
}

/** @param {Pair} pair @param {string} kind @param {string} mimeType @param {number} took @returns {Promise<Finding>} */
async function measure(pair, kind, mimeType, took) {
  await until(async () => (count(await look(pair.far)) > 0), CONNECT_MS, 'Connected, but nothing arrives that could be decoded.');
  const before = await look(pair.far);
  await wait(MEASURE_MS);
  const now = await look(pair.far);
  const sent = await look(pair.near);
  const seconds = (now.at - before.at) / 1000;
  const bps = (8 * (now.inbound.bytesReceived - before.inbound.bytesReceived)) / seconds;
  const frames = (count(now) - count(before)) / seconds;
  if (frames <= 0) return { verdict: 'fail', text: 'It began, then nothing more arrived.' };
  const used = now.codec.toLowerCase();
  if (used && used !== mimeType.toLowerCase()) return { verdict: 'fail', text: `The browser chose ${now.codec} instead.` };
  const words = [`${Math.round(bps / 1000)} kbit/s`];
  if (kind === 'video') words.push(`${frames.toFixed(0)} frames/s`, `${now.inbound.frameWidth}×${now.inbound.frameHeight}`);
  if (kind === 'video' && sent.outbound?.encoderImplementation) words.push(sent.outbound.encoderImplementation);
  if (sent.rtt !== null) words.push(`round trip ${sent.rtt < 0.001 ? 'below 1' : Math.round(sent.rtt * 1000)} ms`);
  words.push(`connected in ${Math.round(took)} ms`);
  return { verdict: 'pass', text: words.join(' · ') };
}

/** @param {any} seen @returns {number} what came out of the decoder */
function count({ inbound }) {
  return inbound?.framesDecoded ?? inbound?.totalSamplesReceived ?? 0;
}

/** @param {RTCPeerConnection} pc */
async function look(pc) {
  /** @type {{at: number, inbound: any, outbound: any, codec: string, rtt: number | null}} */
  const seen = { at: performance.now(), inbound: null, outbound: null, codec: '', rtt: null };
  const reports = await pc.getStats();
  reports.forEach((report) => {
    if (report.type === 'inbound-rtp') seen.inbound = report;
    if (report.type === 'outbound-rtp') seen.outbound = report;
    if (report.type === 'candidate-pair' && report.nominated) seen.rtt = report.currentRoundTripTime ?? null;
  });
  if (seen.inbound?.codecId) seen.codec = /** @type {any} */ (reports).get(seen.inbound.codecId)?.mimeType ?? '';
  return seen;
}

/** Echoes, then as much data as goes through. @returns {Promise<Finding>} */
export async function testData() {
  const pair = new Pair();
  try {
    const channel = pair.near.createDataChannel('test');
    channel.binaryType = 'arraybuffer';
    /** @type {Promise<RTCDataChannel>} */
    const arrives = new Promise((resolve) => (pair.far.ondatachannel = (event) => resolve(event.channel)));
    await pair.connect();
    const far = await arrives;
    await until(() => channel.readyState === 'open' && far.readyState === 'open', CONNECT_MS, 'The channel does not open.');
    const trip = await echo(channel, far);
    const { wrong, bps } = await flood(channel, far);
    if (wrong) return { verdict: 'fail', text: 'Data arrived, but not as it was sent.' };
    return { verdict: 'pass', text: `round trip ${trip.toFixed(1)} ms · ${(bps / 1e6).toFixed(0)} Mbit/s over ${DATA_BYTES / 1024 / 1024} MiB, unchanged` };
  } finally {
    pair.close();
  }
}

/** @param {RTCDataChannel} near @param {RTCDataChannel} far @returns {Promise<number>} milliseconds of one round trip */
async function echo(near, far) {
  far.onmessage = ({ data }) => far.send(data);
  const begun = performance.now();
  for (let index = 0; index < ECHOES; index++) {
    near.send(String(index));
    await new Promise((resolve) => (near.onmessage = resolve));
  }
  return (performance.now() - begun) / ECHOES;
}

/** @param {RTCDataChannel} near @param {RTCDataChannel} far @returns {Promise<{wrong: boolean, bps: number}>} */
async function flood(near, far) {
  let arrived = 0;
  let wrong = false;
  far.binaryType = 'arraybuffer';
  far.onmessage = ({ data }) => {
    const words = new Uint32Array(data);
    wrong ||= words[0] !== arrived / CHUNK || words.at(-1) !== arrived / CHUNK;
    arrived += data.byteLength;
  };
  const begun = performance.now();
  near.bufferedAmountLowThreshold = BUFFER_HIGH / 2;
  for (let sent = 0; sent < DATA_BYTES; sent += CHUNK) {
    if (near.bufferedAmount > BUFFER_HIGH) await new Promise((resolve) => (near.onbufferedamountlow = resolve));
    near.send(new Uint32Array(CHUNK / 4).fill(sent / CHUNK));
  }
  await until(() => arrived >= DATA_BYTES, CONNECT_MS, 'Not all data arrives.');
  return { wrong, bps: (8 * arrived) / ((performance.now() - begun) / 1000) };
}

/** @param {() => boolean | Promise<boolean>} done @param {number} ms @param {string} complaint */
async function until(done, ms, complaint) {
  const deadline = performance.now() + ms;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(complaint);
    await wait(30);
  }
}

/** @param {number} ms */
function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
