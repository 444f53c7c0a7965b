// What this browser remembers of its person between visits. A browser that refuses storage forgets, nothing more.

/** @typedef {'name' | 'microphone' | 'camera' | 'speaker'} Setting */

/** @param {Setting} key @returns {string} '' when there is none */
export function recall(key) {
  try {
    return localStorage.getItem(`aiosfu.${key}`) ?? '';
  } catch {
    return '';
  }
}

/** @param {Setting} key @param {string} value */
export function remember(key, value) {
  try {
    localStorage.setItem(`aiosfu.${key}`, value);
  } catch {
    // storage is switched off: the page works without
  }
}
