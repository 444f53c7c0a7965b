// One RTCPeerConnection to one other participant: perfect negotiation (W3C webrtc-pc section 10.7), tracks, channels.
// Knows: SDP, candidates, which m-line carries which publication. Does not know: rooms, or whom to call again (mesh.js).

import { Emitter } from './emitter.js';
import { limitVideo } from './publishing.js';

/** @typedef {import('./announcing.js').Announced} Announced */
/** @typedef {import('./types.js').SignalData} SignalData */
/** @typedef {{transceiver: RTCRtpTransceiver, publication: string}} Outgoing */
/** @typedef {'chat' | 'files'} Label */

const CONNECT_TIMEOUT_MS = 15_000;
const DISCONNECTED_MS = 6000; // of silence: the network is gone, not slow

/** @extends {Emitter<{up: void, failed: Error, media: void, open: Label, data: {label: Label, data: string | ArrayBuffer}}>} */
export class Call extends Emitter {
  pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
  /** Names this connection in signals; the one who is called learns it from the offer. */
  id;
  #calling;
  #polite;
  #send;
  /** @type {Promise<void>} */
  #queue = Promise.resolve();
  /** Those that came before the description. @type {(RTCIceCandidateInit | null)[]} */
  #early = [];
  /** What the other side sends: publication by mid. @type {Record<string, string>} */
  #tracks = {};
  /** @type {Announced[]} */
  #wanted = [];
  /** @type {Map<string, Outgoing>} */
  #outgoing = new Map();
  /** @type {Map<Label, RTCDataChannel>} */
  #channels = new Map();
  #streams = { person: new MediaStream(), screen: new MediaStream() }; // tracks of one stream are played in step
  #closed = false;
  #timer;

  /**
   * @param {{id: string, calling: boolean, polite: boolean, send: (data: SignalData) => void}} options
   *   calling: this side makes the first offer
   */
  constructor({ id, calling, polite, send }) {
    super();
    this.id = id;
    this.#calling = calling;
    this.#polite = polite;
    this.#send = send;
    const { pc } = this;
    pc.onnegotiationneeded = () => this.#do(() => this.#offer());
    pc.onicecandidate = ({ candidate }) => send({ call: this.id, candidate: candidate?.toJSON() ?? null });
    pc.onconnectionstatechange = () => this.#state();
    pc.ondatachannel = ({ channel }) => this.#channel(channel);
    this.#timer = setTimeout(() => this.#fail('No way to the other was found.'), CONNECT_TIMEOUT_MS);
    if (!calling) return;
    for (const label of ['chat', 'files']) this.#channel(pc.createDataChannel(label, { ordered: true }));
  }

  get connected() {
    return this.pc.connectionState === 'connected';
  }

  /** Called, but not answered yet. */
  get waiting() {
    return this.#calling && this.pc.remoteDescription === null;
  }

  /** @param {Announced[]} wanted  what is to be sent from now on */
  update(wanted) {
    this.#wanted = wanted;
    this.#do(() => this.#attach());
  }

  /** @param {SignalData} data */
  signal(data) {
    const { description, tracks } = data;
    if (description) this.#do(() => this.#described(description, tracks ?? {}));
    else if (data.candidate !== undefined) this.#do(() => this.#candidate(data.candidate ?? null));
  }

  /** @param {SignalData} data @returns {boolean} whether it is an offer of another connection than this one */
  isOther({ call, description }) {
    if (description?.type !== 'offer') return false;
    if (call !== undefined && this.id !== '' && call !== this.id) return true;
    const known = fingerprint(this.pc.remoteDescription?.sdp);
    return known !== '' && known !== fingerprint(description.sdp);
  }

  /** @param {string} publication @returns {RTCRtpTransceiver | undefined} that it is received on */
  receiving(publication) {
    return this.pc.getTransceivers().find(({ mid }) => mid !== null && this.#tracks[mid] === publication);
  }

  /** @returns {[string, Outgoing][]} by source */
  sending() {
    return [...this.#outgoing].filter(([, { publication }]) => publication !== '');
  }

  /** @param {Label} label @returns {RTCDataChannel | null} */
  channel(label) {
    const channel = this.#channels.get(label);
    return channel?.readyState === 'open' ? channel : null;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.pc.close();
  }

  /** One thing after the other. @param {() => Promise<void>} task */
  #do(task) {
    this.#queue = this.#queue
      .then(() => (this.#closed ? undefined : task()))
      .catch((error) => {
        if (!this.#closed) this.#fail(error instanceof Error ? error.message : String(error));
      });
  }

  async #offer() {
    // Not stable: an offer came in between. The browser asks again when that one is settled, if need be.
    if (this.pc.signalingState !== 'stable') return;
    await this.pc.setLocalDescription();
    this.#describe();
  }

  #describe() {
    if (this.#closed || !this.pc.localDescription) return;
    const { type, sdp } = this.pc.localDescription;
    /** @type {Record<string, string>} */
    const tracks = {};
    for (const [, { transceiver, publication }] of this.sending()) if (transceiver.mid) tracks[transceiver.mid] = publication;
    this.#send({ call: this.id, description: { type, sdp }, tracks });
  }

  /** @param {RTCSessionDescriptionInit} description @param {Record<string, string>} tracks */
  async #described(description, tracks) {
    const { pc } = this;
    const offered = description.type === 'offer';
    if (offered && pc.signalingState !== 'stable' && !this.#polite) return; // two offers crossed: ours counts
    if (!offered && pc.signalingState !== 'have-local-offer') return; // it answers what was rolled back
    await pc.setRemoteDescription(description);
    this.#tracks = tracks;
    for (const candidate of this.#early.splice(0)) await this.#candidate(candidate);
    if (offered) {
      await this.#attach();
      await pc.setLocalDescription();
      this.#describe();
    }
    if (!this.#closed) this.emit('media', undefined);
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  async #candidate(candidate) {
    if (!this.pc.remoteDescription) {
      this.#early.push(candidate);
      return;
    }
    try {
      await this.pc.addIceCandidate(candidate ?? undefined);
    } catch {
      // It belongs to an offer that was ignored or rolled back, or is of a kind this browser does not know.
    }
  }

  /** Brings the senders in line with what is wanted. Who is called waits for the offer: its m-lines serve both ways. */
  async #attach() {
    if (!this.#calling && !this.pc.remoteDescription) return;
    for (const wanted of this.#wanted) {
      const known = this.#outgoing.get(wanted.source);
      const transceiver = known?.transceiver ?? this.#transceiver(wanted);
      this.#outgoing.set(wanted.source, { transceiver, publication: wanted.publication });
      if (transceiver.sender.track !== wanted.track) await transceiver.sender.replaceTrack(wanted.track);
      if (this.#closed) return;
      if (!known?.publication) transceiver.direction = 'sendrecv';
      if (!known && wanted.kind === 'video') void limitVideo(transceiver.sender, wanted.source === 'screen');
    }
    for (const [source, outgoing] of this.#outgoing) {
      if (outgoing.publication === '' || this.#wanted.some((wanted) => wanted.source === source)) continue;
      outgoing.publication = '';
      await outgoing.transceiver.sender.replaceTrack(null);
      if (!this.#closed) outgoing.transceiver.direction = 'recvonly';
    }
  }

  /** @param {Announced} wanted @returns {RTCRtpTransceiver} one that the other side brought, else a new one */
  #transceiver({ kind, source }) {
    const stream = source.startsWith('screen') ? this.#streams.screen : this.#streams.person;
    const used = new Set([...this.#outgoing.values()].map(({ transceiver }) => transceiver));
    const free = this.pc
      .getTransceivers()
      .find((one) => one.receiver.track.kind === kind && !used.has(one) && one.direction !== 'stopped' && one.mid !== null);
    if (!free) return this.pc.addTransceiver(kind, { direction: 'sendrecv', streams: [stream] });
    free.sender.setStreams?.(stream);
    return free;
  }

  /** @param {RTCDataChannel} channel */
  #channel(channel) {
    const label = /** @type {Label} */ (channel.label);
    channel.binaryType = 'arraybuffer';
    this.#channels.set(label, channel);
    channel.onmessage = ({ data }) => this.emit('data', { label, data });
    channel.onclose = () => this.#fail('The other ended the connection.'); // known long before silence tells
    if (channel.readyState === 'open') this.emit('open', label);
    else channel.onopen = () => this.emit('open', label);
  }

  #state() {
    if (this.#closed) return;
    const state = this.pc.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.emit('up', undefined);
    } else if (state === 'disconnected') {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#fail('The other does not answer.'), DISCONNECTED_MS);
    } else if (state === 'failed' || state === 'closed') {
      this.#fail(`The connection ${state === 'failed' ? 'failed' : 'was closed'}.`);
    }
  }

  /** @param {string} reason */
  #fail(reason) {
    if (this.#closed) return;
    this.close();
    this.emit('failed', new Error(reason));
  }
}

/** @param {string | undefined} sdp @returns {string} of the certificate: each connection has its own */
function fingerprint(sdp) {
  return /^a=fingerprint:(.*)$/m.exec(sdp ?? '')?.[1]?.trim() ?? '';
}
