// Requests that are tried again when the server finds them too many. Knows: errors. Does not know: what is asked.

import { SignalingError } from './signaling.js';

/** @typedef {import('./signaling.js').Link} Link */

const ATTEMPTS = 4; // waits 1, 2, 3 s between

/**
 * @param {Link} link
 * @param {Record<string, unknown>} message
 * @returns {Promise<any>} the reply; null if it named a publication that is no more
 */
export async function ask(link, message) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await link.request(message);
    } catch (error) {
      if (!(error instanceof SignalingError)) throw error;
      if (error.code === 'unknown-publication') return null;
      if (error.code !== 'too-many-requests' || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, attempt * 1000));
    }
  }
}
