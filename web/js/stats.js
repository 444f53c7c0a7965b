// Figures of one connection, from two looks at getStats: rates, loss, round trip, and each track's codec and size.
// Knows: WebRTC statistics. Does not know: who the tracks belong to, or how the figures are shown.

/**
 * @typedef {object} TrackFigures
 * @property {'audio' | 'video'} kind
 * @property {string} codec  e.g. "VP8", '' while unknown
 * @property {number} bps
 * @property {number} loss  share of packets lost since the look before, 0..1
 * @property {number} width  0 for audio
 * @property {number} height
 * @property {number} fps
 * @property {number} frames  decoded or encoded so far
 * @property {number} packets  received or sent so far
 */

/**
 * @typedef {object} Figures
 * @property {number} in_bps
 * @property {number} out_bps
 * @property {number} in_loss  0..1, over all tracks received
 * @property {number} out_loss  0..1, as the server reports it
 * @property {number | null} rtt_ms  null while unknown
 * @property {Map<string, TrackFigures>} tracks  by mid
 */

/** @typedef {{at: number, reports: Map<string, any>}} Look */

export class StatsReader {
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  /** @type {Look | null} */
  #before = null;

  /**
   * @param {RTCPeerConnection} pc  another than before starts afresh
   * @returns {Promise<Figures>} rates since the call before; zero at the first
   */
  async read(pc) {
    if (pc !== this.#pc) this.#before = null;
    this.#pc = pc;
    /** @type {Map<string, any>} */
    const reports = new Map();
    (await pc.getStats()).forEach((report, id) => reports.set(id, report));
    const now = { at: performance.now(), reports };
    const figures = compare(this.#before, now);
    this.#before = now;
    return figures;
  }
}

/** @param {Look | null} before @param {Look} now @returns {Figures} */
function compare(before, now) {
  const seconds = before ? (now.at - before.at) / 1000 : Infinity;
  /** @param {any} report @param {string} field @returns {number} since the look before */
  const delta = (report, field) => {
    const old = before?.reports.get(report.id)?.[field] ?? 0;
    return before ? Math.max(0, (report[field] ?? 0) - old) : 0;
  };
  /** @type {Figures} */
  const figures = { in_bps: 0, out_bps: 0, in_loss: 0, out_loss: 0, rtt_ms: null, tracks: new Map() };
  let lost = 0;
  let received = 0;
  for (const report of now.reports.values()) {
    if (report.type === 'inbound-rtp' || report.type === 'outbound-rtp') {
      const inbound = report.type === 'inbound-rtp';
      const bps = (8 * delta(report, inbound ? 'bytesReceived' : 'bytesSent')) / seconds;
      figures[inbound ? 'in_bps' : 'out_bps'] += bps;
      const trackLost = inbound ? delta(report, 'packetsLost') : 0;
      const trackReceived = inbound ? delta(report, 'packetsReceived') : 0;
      lost += trackLost;
      received += trackReceived;
      const remote = inbound ? null : now.reports.get(report.remoteId);
      const loss = inbound ? share(trackLost, trackReceived) : (remote?.fractionLost ?? 0);
      if (!inbound) figures.out_loss = Math.max(figures.out_loss, loss);
      figures.tracks.set(report.mid, track(report, now.reports, bps, loss, inbound));
    } else if (report.type === 'candidate-pair' && report.nominated && report.currentRoundTripTime !== undefined) {
      figures.rtt_ms = report.currentRoundTripTime * 1000;
    }
  }
  figures.in_loss = share(lost, received);
  return figures;
}

/** @param {number} lost @param {number} received */
function share(lost, received) {
  return lost + received > 0 ? lost / (lost + received) : 0;
}

/**
 * @param {any} report @param {Map<string, any>} reports
 * @param {number} bps @param {number} loss @param {boolean} inbound
 * @returns {TrackFigures}
 */
function track(report, reports, bps, loss, inbound) {
  return {
    kind: report.kind,
    codec: String(reports.get(report.codecId)?.mimeType ?? '').split('/')[1] ?? '',
    bps,
    loss,
    width: report.frameWidth ?? 0,
    height: report.frameHeight ?? 0,
    fps: report.framesPerSecond ?? 0,
    frames: (inbound ? report.framesDecoded : report.framesEncoded) ?? 0,
    packets: (inbound ? report.packetsReceived : report.packetsSent) ?? 0,
  };
}
