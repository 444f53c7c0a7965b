// How long to wait before the next attempt. Knows: numbers and a timer. Does not know: what is attempted.

const FIRST_MS = 500;
const LAST_MS = 8000;

/** 0.5, 1, 2, 4, 8, 8 ... seconds, each shortened at random by up to a fifth so that a room does not return as one wave. */
export class Backoff {
  #next = FIRST_MS;
  /** @type {(() => void) | null} */
  #wake = null;

  reset() {
    this.#next = FIRST_MS;
  }

  /** Waits its turn, or less when `hurry` is called. */
  async wait() {
    const delay = this.#next * (1 - Math.random() / 5);
    this.#next = Math.min(this.#next * 2, LAST_MS);
    await new Promise((resolve) => {
      const timer = setTimeout(() => this.hurry(), delay);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  /** Ends the wait now: the network is back, or a person pressed "try now". */
  hurry() {
    this.#wake?.();
    this.#wake = null;
  }
}
