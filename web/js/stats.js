// Figures of all connections, from two looks at getStats: rates, loss, round trip, and each track's codec and size.
// Knows: WebRTC statistics. Does not know: who the tracks belong to, or how the figures are shown.

import { trackKey } from './path.js';

/**
 * @typedef {object} TrackFigures
 * @property {'audio' | 'video'} kind
 * @property {string} codec  e.g. "VP8", '' while unknown
 * @property {number} bps
 * @property {number} loss  share of packets lost since the look before, 0..1
 * @property {number} width  0 for audio
 * @property {number} height
 * @property {number} fps
 * @property {number} frames  decoded or encoded so far, in all its encodings
 * @property {number} packets  received or sent so far
 */

/**
 * One connection as a whole.
 * @typedef {object} LinkFigures
 * @property {string} id  who is at its other end
 * @property {number} in_bps  everything inside the encryption: media, repair, feedback, data
 * @property {number} out_bps
 * @property {number | null} rtt_ms  null while unknown
 */

/**
 * @typedef {object} Figures
 * @property {number} in_bps  media only
 * @property {number} out_bps
 * @property {number} in_loss  0..1, over all tracks received
 * @property {number} out_loss  0..1, as the other side reports it
 * @property {number | null} rtt_ms  the longest of all connections; null while unknown
 * @property {number} encodes  pictures and sounds that are being encoded, each as often as it is
 * @property {number} decodes
 * @property {number} cpu  share of one core that coding pictures takes, as far as the browser tells
 * @property {LinkFigures[]} links
 * @property {Map<string, TrackFigures>} tracks  by trackKey
 */

/** @typedef {{at: number, reports: Map<string, any>}} Look */

export class StatsReader {
  /** @type {Map<RTCPeerConnection, Look>} */
  #before = new Map();

  /**
   * @param {import('./path.js').PathLink[]} links
   * @returns {Promise<Figures>} rates since the call before; zero at the first of a connection
   */
  async read(links) {
    /** @type {Map<RTCPeerConnection, Look>} */
    const looks = new Map();
    /** @type {Figures} */
    const total = {
      in_bps: 0, out_bps: 0, in_loss: 0, out_loss: 0, rtt_ms: null, encodes: 0, decodes: 0, cpu: 0, links: [], tracks: new Map(),
    };
    const counts = { lost: 0, received: 0 };
    await Promise.all(
      links.map(async ({ id, pc }) => {
        /** @type {Map<string, any>} */
        const reports = new Map();
        (await pc.getStats()).forEach((report, name) => reports.set(name, report));
        const now = { at: performance.now(), reports };
        looks.set(pc, now);
        add(total, counts, id, this.#before.get(pc) ?? null, now);
      }),
    );
    total.in_loss = share(counts.lost, counts.received);
    this.#before = looks;
    return total;
  }
}

/** @param {Figures} total @param {{lost: number, received: number}} counts @param {string} id @param {Look | null} before @param {Look} now */
function add(total, counts, id, before, now) {
  const seconds = before ? (now.at - before.at) / 1000 : Infinity;
  /** @param {any} report @param {string} field @returns {number} since the look before */
  const delta = (report, field) => {
    const old = before?.reports.get(report.id)?.[field] ?? 0;
    return before ? Math.max(0, (report[field] ?? 0) - old) : 0;
  };
  /** @type {LinkFigures} */
  const link = { id, in_bps: 0, out_bps: 0, rtt_ms: null };
  total.links.push(link);
  for (const report of now.reports.values()) {
    if (report.type === 'inbound-rtp' || report.type === 'outbound-rtp') {
      const inbound = report.type === 'inbound-rtp';
      const bps = (8 * delta(report, inbound ? 'bytesReceived' : 'bytesSent')) / seconds;
      total[inbound ? 'in_bps' : 'out_bps'] += bps;
      const lost = inbound ? delta(report, 'packetsLost') : 0;
      const received = inbound ? delta(report, 'packetsReceived') : 0;
      counts.lost += lost;
      counts.received += received;
      const remote = inbound ? null : now.reports.get(report.remoteId);
      const loss = inbound ? share(lost, received) : (remote?.fractionLost ?? 0);
      if (!inbound) total.out_loss = Math.max(total.out_loss, loss);
      if (bps > 0) total[inbound ? 'decodes' : 'encodes']++;
      total.cpu += delta(report, inbound ? 'totalDecodeTime' : 'totalEncodeTime') / seconds;
      const key = trackKey(id, report.mid);
      total.tracks.set(key, together(total.tracks.get(key), track(report, now.reports, bps, loss, inbound)));
    } else if (report.type === 'candidate-pair' && report.nominated && report.currentRoundTripTime !== undefined) {
      link.rtt_ms = report.currentRoundTripTime * 1000;
      total.rtt_ms = Math.max(total.rtt_ms ?? 0, link.rtt_ms);
    } else if (report.type === 'transport') {
      link.in_bps += (8 * delta(report, 'bytesReceived')) / seconds;
      link.out_bps += (8 * delta(report, 'bytesSent')) / seconds;
    }
  }
}

/** @param {number} lost @param {number} received */
function share(lost, received) {
  return lost + received > 0 ? lost / (lost + received) : 0;
}

/**
 * A picture in several encodings is one track: rates and counts of all, codec and size of the largest that flows.
 * @param {TrackFigures | undefined} one @param {TrackFigures} other
 * @returns {TrackFigures}
 */
function together(one, other) {
  if (!one) return other;
  const largest = other.bps > 0 && (one.bps === 0 || other.height >= one.height) ? other : one;
  return {
    ...largest,
    bps: one.bps + other.bps,
    loss: Math.max(one.loss, other.loss),
    frames: one.frames + other.frames,
    packets: one.packets + other.packets,
  };
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
