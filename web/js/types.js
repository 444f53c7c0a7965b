// The words of the signaling protocol as JSDoc types (specified in signaling/PROTOCOL.md). No code.
// Knows: the shape of messages. Does not know: how they travel or what they cause.

/** @typedef {'microphone' | 'camera' | 'screen' | 'screen-audio' | 'other'} Source */

/**
 * One published track.
 * @typedef {object} Publication
 * @property {string} id  made by the server, "t_..."
 * @property {'audio' | 'video'} kind
 * @property {Source} source
 * @property {boolean} muted
 * @property {string} [codec]  e.g. "VP8"
 */

/**
 * @typedef {object} Participant
 * @property {string} id  made by the server, "p_..."
 * @property {string} name
 * @property {Publication[]} publications
 */

/** @typedef {{type: 'welcome', participant: string, session: string, room: string, topology: string, participants: Participant[]}} Welcome */
/** @typedef {{type: 'answer', sdp: string, publish: {mid: string, publication: string}[], receive: {mid: string, publication: string | null, state: SlotState}[]}} Answer */
/** @typedef {'active' | 'empty' | 'unsupported-codec'} SlotState */
/** @typedef {{type: 'slot', mid: string, publication: string | null, state: SlotState, message?: string}} SlotMessage */
/** @typedef {{mid: string, source: Source, muted: boolean}} PublishEntry */
/** @typedef {{mid: string, publication: string | null, sync: string}} ReceiveEntry */

/** Why somebody is no longer in the room.
 * @typedef {'left' | 'disconnected' | 'timeout' | 'replaced' | 'too-slow' | 'shutdown'} LeaveReason */

/**
 * What the server says without having been asked.
 * @typedef {{type: 'joined', participant: Participant}
 *   | {type: 'left', participant: string, reason: LeaveReason}
 *   | {type: 'published', participant: string, publication: Publication}
 *   | {type: 'unpublished', participant: string, publication: string}
 *   | {type: 'muted', participant: string, publication: string, muted: boolean}
 *   | SlotMessage
 *   | {type: 'bye', reason: string}} ServerEvent
 */

/** A line of the text chat as the server relays it; `at` is milliseconds since 1970 by the server's clock.
 * @typedef {{type: 'chat', from: string, text: string, at: number}} ChatLine */

export {};
