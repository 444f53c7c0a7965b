// Which tiles are in view when there are more than fit: on the first page those who matter now, on the others the
// rest. Who is in view keeps the place; who speaks and is not takes the place of whoever has been silent longest.
// Pure. Knows: keys and claims. Does not know: elements, media.

/**
 * @typedef {object} Claim
 * @property {string} key
 * @property {boolean} fixed  always on the first page: oneself, screens, what is pinned
 * @property {number} spoke  when last, on any clock; 0 = never
 * @property {boolean} picture  there is one to see
 */

/** A page of twelve: on a laptop tiles are still wide enough to know a face. Phones show half of it. */
const MOST = 12;
const MOST_SMALL = 6;
const SMALL = 440; // CSS pixels, the shorter side of the space

/** @param {{width: number, height: number}} space @returns {number} how many tiles one page holds */
export function capacity({ width, height }) {
  return Math.min(width, height) < SMALL ? MOST_SMALL : MOST;
}

export class Pages {
  page = 0;
  count = 1;
  /** Keys on the first page, each in its place. @type {string[]} */
  #places = [];

  /**
   * @param {Claim[]} all  in order of arrival
   * @param {number} most  tiles on one page
   * @returns {string[]} keys in view, in order
   */
  arrange(all, most) {
    const keys = all.map(({ key }) => key);
    if (keys.length <= most) {
      this.page = 0;
      this.count = 1;
      this.#places = keys;
      return keys;
    }
    this.#places = this.#places.filter((key) => keys.includes(key));
    // Who turns the pages looks at somebody: nobody is moved from one to another meanwhile.
    if (this.page === 0) this.#compete(all, most);
    const rest = keys.filter((key) => !this.#places.includes(key));
    this.count = 1 + Math.ceil(rest.length / most);
    this.page = Math.min(this.page, this.count - 1);
    if (this.page === 0) return this.#places;
    return rest.slice((this.page - 1) * most, this.page * most);
  }

  /** @param {number} by  pages forward, negative: back */
  turn(by) {
    this.page = Math.max(0, Math.min(this.count - 1, this.page + by));
  }

  /** @param {Claim[]} all @param {number} most */
  #compete(all, most) {
    const claims = new Map(all.map((claim) => [claim.key, claim]));
    /** @param {string} key @returns {Claim} */
    const of = (key) => /** @type {Claim} */ (claims.get(key));
    // sort is stable: of equals the first to come stays the first
    const waiting = all.filter(({ key }) => !this.#places.includes(key)).sort((one, other) => compare(other, one));
    for (let next = waiting[0]; next; next = waiting[0]) {
      if (this.#places.length < most) {
        this.#places.push(next.key);
      } else {
        const weakest = this.#places.reduce((one, other) => (compare(of(other), of(one)) < 0 ? other : one));
        if (compare(next, of(weakest)) <= 0) break;
        this.#places[this.#places.indexOf(weakest)] = next.key;
      }
      waiting.shift();
    }
    while (this.#places.length > most) {
      const weakest = this.#places.reduce((one, other) => (compare(of(other), of(one)) <= 0 ? other : one));
      this.#places.splice(this.#places.indexOf(weakest), 1);
    }
  }
}

/** @param {Claim} one @param {Claim} other @returns {number} positive: the first has the better claim */
function compare(one, other) {
  return Number(one.fixed) - Number(other.fixed) || one.spoke - other.spoke || Number(one.picture) - Number(other.picture);
}
