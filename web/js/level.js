// How loud a microphone is, for meters and for "you are speaking". Knows: Web Audio. Does not know: elements.

export class LevelMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {{track: MediaStreamTrack, node: MediaStreamAudioSourceNode, analyser: AnalyserNode} | null} */
  #source = null;
  #samples = new Float32Array(512);

  /** @param {MediaStreamTrack | null} track  listens to this one from now on */
  listen(track) {
    if (this.#source?.track === track) return;
    this.#source?.node.disconnect();
    this.#source = null;
    if (!track) return;
    this.#context ??= new AudioContext();
    const node = this.#context.createMediaStreamSource(new MediaStream([track]));
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = this.#samples.length;
    node.connect(analyser);
    this.#source = { track, node, analyser };
  }

  /** @returns {number} 0..1, about the ear's scale: -60 dB is 0 */
  level() {
    if (!this.#source || !this.#context) return 0;
    // Until the first click or key browsers keep audio contexts asleep.
    if (this.#context.state === 'suspended' && navigator.userActivation?.hasBeenActive) void this.#context.resume();
    this.#source.analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    const decibel = 10 * Math.log10(sum / this.#samples.length + 1e-9);
    return Math.min(1, Math.max(0, 1 + decibel / 60));
  }
}

/**
 * Shows a level in a meter element while `wanted` says so.
 * @param {HTMLElement} element  holds one element, the bar
 * @param {() => number} level
 * @param {() => boolean} wanted
 */
export function animateMeter(element, level, wanted) {
  const bar = /** @type {HTMLElement} */ (element.firstElementChild);
  let shown = 0;
  const frame = () => {
    const now = wanted() ? level() : 0;
    shown = now > shown ? now : shown * 0.85 + now * 0.15; // up at once, down gently
    bar.style.transform = `scaleX(${shown.toFixed(3)})`;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
