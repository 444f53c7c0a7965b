// What the page asks of a way for media, whichever it is: through the server (connection.js) or directly (mesh.js).
// Types only. Knows: tracks, channels, who they belong to. Does not know: how they are negotiated.

/** @typedef {import('./roster.js').Roster} Roster */
/** @typedef {import('./types.js').SlotState} SlotState */
/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./types.js').Counters} Counters */
/** @typedef {import('./types.js').SlotFlow} SlotFlow */

/**
 * A publication as it is received.
 * @typedef {object} Received
 * @property {RTCRtpReceiver} receiver
 * @property {string} figures  key of its figures, see trackKey
 * @property {SlotState} state
 * @property {string} message  a sentence, when it cannot be shown
 * @property {import('./types.js').SlotReason | null} reason  why it is paused
 * @property {SlotFlow | null} flow  as the server counts it; null where there is none, or not yet
 */

/**
 * One connection. `id` is the participant at its other end, or 'server'.
 * @typedef {{id: string, pc: RTCPeerConnection}} PathLink
 */

/**
 * Which tiles are in view: of the `unseen` ones only the sound is wanted; of pictures at most so many are received.
 * The sound of `loud` ones is not to be moved now.
 * @typedef {{unseen: ReadonlySet<string>, loud: ReadonlySet<string>, most: number}} Watch
 */

/** A track that is being sent over one connection. @typedef {{source: Source, link: string, figures: string}} Sent */

/**
 * @typedef {object} PathEvents
 * @property {void} up  media can flow; once
 * @property {Error} lost  it is of no use any more; once
 * @property {void} slots  something is received that was not, or no longer
 * @property {void} chat-open  a channel that messages waited for
 * @property {any} chat  a message of the chat channel
 * @property {{from: string, data: string | ArrayBuffer}} file  a message of the files channel; from '' the server
 * @property {{from: string, counters: Counters}} counters
 * @property {import('./types.js').Bandwidth} bandwidth  of the link from the server
 */

/**
 * @typedef {object} MediaWay
 * @property {(roster: Roster) => void} show  what is to be received from now on
 * @property {() => void} update  what is to be sent has changed
 * @property {(publication: string) => Received | null} received
 * @property {() => Sent[]} sending
 * @property {() => PathLink[]} links
 * @property {(text: string, to: string | null) => boolean} chat  false while it cannot be sent yet
 * @property {(message: Record<string, unknown>, to: string | null) => boolean} tell  over the files channel
 * @property {(participant: string) => RTCDataChannel | null} channel  for files to this participant, once it is open
 * @property {() => Promise<void>} withdraw  publishes nothing any more
 * @property {() => void} close
 */

/** @param {string} link @param {string | null} mid @returns {string} */
export function trackKey(link, mid) {
  return `${link}:${mid ?? ''}`;
}
