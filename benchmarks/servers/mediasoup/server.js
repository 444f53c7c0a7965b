// A plain forwarding server on mediasoup: a router for each room, a WebRTC transport for each participant.
// Driven by mediasoup.py with one JSON object a line on stdin, answered with one a line on stdout:
// {"id", "method": "join" | "watch", ...} -> {"id", "result"} or {"id", "error"}.
'use strict';

const mediasoup = require('mediasoup');
const readline = require('node:readline');

const CODECS = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2, preferredPayloadType: 111 },
  {
    kind: 'video', mimeType: 'video/VP8', clockRate: 90000, preferredPayloadType: 96,
    rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }],
  },
];

const rooms = new Map(); // name -> {router, participants: name -> {transport, producers}}
let worker, webRtcServer;

async function room(name) {
  if (!rooms.has(name))
    rooms.set(name, (async () => ({
      router: await worker.createRouter({ mediaCodecs: CODECS }), participants: new Map(),
    }))());
  return rooms.get(name);
}

async function watch(place, participant, publishers) {
  for (const publisher of publishers)
    for (const producer of place.participants.get(publisher).producers) {
      // What this client takes: no retransmission stream, no estimate of bandwidth (so nothing is paused for it).
      const kind = { ...CODECS.find((codec) => codec.kind === producer.kind) };
      const consumer = await participant.transport.consume({
        producerId: producer.id, rtpCapabilities: { codecs: [kind], headerExtensions: [] }, paused: false,
      });
      participant.consumers.push(consumer);
    }
}

const methods = {
  async join({ room: roomName, name, dtlsParameters, producers, watch: publishers }) {
    const place = await room(roomName);
    const transport = await place.router.createWebRtcTransport({ webRtcServer, enableUdp: true, enableTcp: false });
    const participant = { transport, producers: [], consumers: [] };
    place.participants.set(name, participant);
    await transport.connect({ dtlsParameters });
    for (const { kind, rtpParameters } of producers)
      participant.producers.push(await transport.produce({ kind, rtpParameters }));
    await watch(place, participant, publishers);
    const { iceParameters, iceCandidates } = transport;
    return { iceParameters, iceCandidates, dtlsParameters: transport.dtlsParameters };
  },
  async watch({ room: roomName, name, watch: publishers }) {
    const place = await room(roomName);
    await watch(place, place.participants.get(name), publishers);
    return {};
  },
};

async function main() {
  const [host, port] = process.argv[2].split(':');
  worker = await mediasoup.createWorker({ logLevel: 'warn' });
  worker.on('died', () => process.exit(1));
  const where = { protocol: 'udp', ip: host, port: Number(port) };
  webRtcServer = await worker.createWebRtcServer({ listenInfos: [where] });
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say({ id: 0, result: { version: mediasoup.version } });
  readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const { id, method, ...fields } = JSON.parse(line);
    try {
      say({ id, result: await methods[method](fields) });
    } catch (error) {
      say({ id, error: String(error) });
    }
  }).on('close', () => { worker.close(); process.exit(0); });
  process.on('SIGTERM', () => { worker.close(); process.exit(0); });
}

main();
