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

/** Why a slot is paused. @typedef {'bandwidth' | 'last-n'} SlotReason */
/** `paused`: its video waits, `reason` says for what. @typedef {'active' | 'empty' | 'unsupported-codec' | 'paused'} SlotState */
/** @typedef {{type: 'slot', mid: string, publication: string | null, state: SlotState, reason?: SlotReason, message?: string}} SlotMessage */
/** @typedef {{mid: string, source: Source, muted: boolean}} PublishEntry */
/** @typedef {{mid: string, publication: string | null, sync: string}} ReceiveEntry */

/** The best that a person wants of a picture. @typedef {'auto' | 'low' | 'medium' | 'high'} Quality */
/**
 * How a slot's picture is seen on the page: its size in physical pixels, 0 = unknown.
 * @typedef {{width: number, height: number, visible: boolean, pinned: boolean, quality: Quality}} View
 */

/**
 * Why a slot gets no better picture: nothing better is sent or there is no reason; the link; its size on the page; the
 * person's choice; the publisher's own link or device; nobody sees it; only the latest speakers are sent; nothing comes.
 * @typedef {'none' | 'bandwidth' | 'size' | 'chosen' | 'source' | 'hidden' | 'last-n' | 'nothing'} Limit
 */
/**
 * What flows in a slot, as the server counts it. `rid` names the encoding, `height` is in lines.
 * @typedef {{mid: string, rid: string, spatial: number, temporal: number, height: number, bps: number, limit: Limit}} SlotFlow
 */
/**
 * What the server knows of the link to this page: what it can carry, what is allocated of it, what is sent.
 * @typedef {{type: 'bandwidth', estimate_bps: number, target_bps: number, sent_bps: number, source: string, slots: SlotFlow[]}} Bandwidth
 */
/** Encodings of one's own publication that anybody takes; rid '' where there is only one.
 * @typedef {{type: 'encodings', publication: string, encodings: {rid: string, active: boolean}[]}} Encodings */
/** Who is speaking now, the dominant one first. @typedef {{type: 'speakers', participants: string[]}} Speakers */

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
 *   | Encodings
 *   | Speakers
 *   | Bandwidth
 *   | {type: 'bye', reason: string}} ServerEvent
 */

/** A line of the text chat; `at` is milliseconds since 1970. With `to` it is for one person only.
 * @typedef {{type: 'chat', from: string, text: string, at: number, to?: string | null}} ChatLine */

/**
 * What somebody's page counts of itself, told to others in direct rooms.
 * @typedef {{connections: number, encodes: number, in_bps: number, out_bps: number, cpu: number, links: Record<string, number>}} Counters
 */

export {};
