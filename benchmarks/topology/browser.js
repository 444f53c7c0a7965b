// Runs in each page before its own scripts: a small camera, all connections within reach, and `count()`.
(() => {
  const connections = new Set();
  let opened = 0;
  let first = 0;
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...given) {
      super(...given);
      opened ||= performance.now();
      connections.add(this);
    }
    close() {
      connections.delete(this);
      super.close();
    }
  };
  const media = navigator.mediaDevices;
  const open = media.getUserMedia.bind(media);
  media.getUserMedia = (wanted) => {
    const small = { width: { ideal: 640 }, height: { ideal: 360 } };
    return open(wanted?.video ? { ...wanted, video: { ...(wanted.video === true ? {} : wanted.video), ...small } } : wanted);
  };
  const watch = setInterval(() => {
    for (const video of document.querySelectorAll('[data-testid=tile]:not(.own) video')) {
      if (!video.getVideoPlaybackQuality().totalVideoFrames) continue;
      first = performance.now();
      clearInterval(watch);
      return;
    }
  }, 5);

  const senders = () => [...connections].flatMap((connection) => connection.getSenders()).filter((one) => one.track?.kind === 'video');

  /** Let no stream have more than `bitrate` bits per second. */
  const limit = async (bitrate) => {
    for (const sender of senders()) {
      const parameters = sender.getParameters();
      for (const encoding of parameters.encodings) encoding.maxBitrate = bitrate;
      await sender.setParameters(parameters).catch(() => {});
    }
  };

  /** Sums over all connections since they began. */
  const count = async () => {
    const sum = { connections: 0, bytesOut: 0, packetsOut: 0, bytesIn: 0, packetsIn: 0, encoded: 0, streamsOut: 0, streamBytes: 0,
      streamPackets: 0, decoded: 0, streamsIn: 0, received: 0, lost: 0, frozen: 0, first: first && first - opened, at: performance.now() };
    for (const connection of connections) {
      if (connection.connectionState !== 'connected') continue;
      sum.connections += 1;
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'transport') {
          sum.bytesOut += report.bytesSent;
          sum.packetsOut += report.packetsSent;
          sum.bytesIn += report.bytesReceived;
          sum.packetsIn += report.packetsReceived;
        } else if (report.type === 'outbound-rtp' && report.kind === 'video') {
          sum.streamsOut += 1;
          sum.encoded += report.framesEncoded;
          sum.streamBytes += report.bytesSent + report.headerBytesSent;
          sum.streamPackets += report.packetsSent;
        } else if (report.type === 'inbound-rtp' && report.kind === 'video') {
          sum.streamsIn += 1;
          sum.decoded += report.framesDecoded;
          sum.received += report.packetsReceived;
          sum.lost += report.packetsLost;
          sum.frozen += report.totalFreezesDuration;
        }
      }
    }
    return sum;
  };
  window.bench = { count, limit };
})();
