// A sender's parameters, changed one change after the other: getParameters must be fresh, setParameters takes a while,
// and what is asked for meanwhile must not be lost. Knows: one RTCRtpSender. Does not know: why.

/** @typedef {RTCRtpSendParameters & {degradationPreference?: string}} Parameters */

const ATTEMPTS = 3; // a renegotiation in between makes the browser refuse
const AGAIN_MS = 50;

export class SenderParameters {
  #sender;
  /** @type {Promise<void>} */
  #queue = Promise.resolve();
  /** Which encodings are to be sent, by rid ('' = the only one); those not named are. @type {Map<string, boolean>} */
  #active = new Map();
  /** By how much the picture is divided for each encoding, 0 = none of it; empty = as they were made. @type {number[]} */
  #scales = [];
  /** Only the first is sent, and has no rid for the other side. */
  #reduced = false;

  /** @param {RTCRtpSender} sender */
  constructor(sender) {
    this.#sender = sender;
  }

  /**
   * @param {(parameters: Parameters) => boolean} edit  changes them in place; false: nothing is to be changed
   * @returns {Promise<void>} when it is in force, or the browser has refused: then all stays as it is
   */
  change(edit) {
    this.#queue = this.#queue.then(() => this.#apply(edit));
    return this.#queue;
  }

  /** @param {Record<string, boolean>} active  by rid; what is not named stays */
  activate(active) {
    for (const [rid, on] of Object.entries(active)) this.#active.set(rid, on);
    return this.#adjust();
  }

  /** @param {number[]} scales  of as many encodings; 0: it is not sent */
  fit(scales) {
    this.#scales = scales;
    return this.#adjust();
  }

  /**
   * The other side takes one encoding only. Browsers keep the first then, which is the small one: it becomes the whole.
   * @param {number} maxBitrate  bits per second
   */
  reduce(maxBitrate) {
    this.#scales = [];
    this.#reduced = true;
    void this.#adjust();
    return this.change(({ encodings }) => {
      if (encodings[0]) Object.assign(encodings[0], { scaleResolutionDownBy: 1, maxBitrate });
      return true;
    });
  }

  /** All encodings are to be sent, as at the beginning. */
  activateAll() {
    this.#active.clear();
    return this.#adjust();
  }

  /** @returns {{rid: string, active: boolean}[]} */
  encodings() {
    return this.#sender.getParameters().encodings.map(({ rid, active }) => ({ rid: rid ?? '', active: active !== false }));
  }

  #adjust() {
    return this.change(({ encodings }) => {
      const scales = encodings?.length === this.#scales.length ? this.#scales : [];
      let changed = false;
      encodings?.forEach((encoding, index) => {
        const scale = scales[index] ?? encoding.scaleResolutionDownBy;
        const rid = this.#reduced ? '' : (encoding.rid ?? '');
        const wanted = scale !== 0 && !(this.#reduced && index > 0) && (this.#active.get(rid) ?? true);
        changed ||= (encoding.active ?? true) !== wanted || (scale || 1) !== (encoding.scaleResolutionDownBy ?? 1);
        encoding.active = wanted;
        if (scale) encoding.scaleResolutionDownBy = scale;
      });
      return changed;
    });
  }

  /** @param {(parameters: Parameters) => boolean} edit */
  async #apply(edit) {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        const parameters = /** @type {Parameters} */ (this.#sender.getParameters());
        if (edit(parameters)) await this.#sender.setParameters(parameters);
        return;
      } catch {
        if (attempt < ATTEMPTS) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }
}
