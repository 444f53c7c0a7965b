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
 * @property {string} [codec]  e.g. "VP8", '' if it comes directly
 * @property {MediaPath} [path]  how it comes; left out: sfu
 */

/** Where media goes: through the server, or directly. @typedef {'sfu' | 'mesh'} MediaPath */
/** How a room is connected. @typedef {'sfu' | 'mesh' | 'auto' | 'broadcast'} Topology */
/** What somebody is in the room; other than `member` in broadcasts only. @typedef {'member' | 'publisher' | 'viewer'} Role */

/**
 * @typedef {object} Participant
 * @property {string} id  made by the server, "p_..."
 * @property {string} name
 * @property {Publication[]} publications
 * @property {Role} [role]  left out: member
 * @property {boolean} [earlier]  was in the room before us: calls us, where media goes directly
 */

/** @typedef {{type: 'welcome', participant: string, session: string, room: string, topology: Topology, path?: MediaPath, role?: Role, threshold?: number, participants: Participant[]}} Welcome */
/** @typedef {{type: 'answer', sdp: string, publish: {mid: string, publication: string}[], receive: {mid: string, publication: string | null, state: SlotState}[]}} Answer */
/** @typedef {{key: string, kind: 'audio' | 'video', source: Source, muted: boolean}} AnnounceEntry */

/**
 * What two clients say to each other over the signaling link. `call` names the connection it belongs to, `settled` a
 * path on which everything plays.
 * @typedef {{call?: string, description?: RTCSessionDescriptionInit, tracks?: Record<string, string>,
 *   candidate?: RTCIceCandidateInit | null, settled?: MediaPath}} SignalData
 */

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
 *   | {type: 'signal', from: string, data: SignalData}
 *   | {type: 'path', path: MediaPath}
 *   | SlotMessage
 *   | {type: 'bye', reason: string}} ServerEvent
 */

/** A line of the text chat; `at` is milliseconds since 1970. With `to` it is for one person only.
 * @typedef {{type: 'chat', from: string, text: string, at: number, to?: string | null}} ChatLine */

/**
 * What somebody's page counts of itself, told to others in direct rooms.
 * @typedef {{connections: number, encodes: number, in_bps: number, out_bps: number, cpu: number, links: Record<string, number>}} Counters
 */

export {};
