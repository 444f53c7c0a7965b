// Pieces of files as they travel on a files channel: bytes to values and back. Knows: the layout. Does not know: files.
//
//   1 byte version | 8 bytes id of the file | 1 byte length | participant id | 8 bytes offset | up to 16 KiB of data

export const PIECE = 16 * 1024;
const VERSION = 1;
const ID = /^f_[0-9a-f]{16}$/;

/**
 * @typedef {object} Piece
 * @property {string} file  "f_" and 16 hexadecimal digits
 * @property {string} participant  receiver on the way to the server, sender on the way from it, '' without a server
 * @property {number} offset
 * @property {Uint8Array<ArrayBuffer>} data
 */

/** @returns {string} */
export function newFileId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `f_${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** @param {unknown} id @returns {id is string} */
export function isFileId(id) {
  return typeof id === 'string' && ID.test(id);
}

/** @param {Piece} piece @returns {ArrayBuffer} */
export function writePiece({ file, participant, offset, data }) {
  const who = new TextEncoder().encode(participant);
  const bytes = new Uint8Array(18 + who.length + data.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  view.setBigUint64(1, BigInt(`0x${file.slice(2)}`));
  bytes[9] = who.length;
  bytes.set(who, 10);
  view.setBigUint64(10 + who.length, BigInt(offset));
  bytes.set(data, 18 + who.length);
  return bytes.buffer;
}

/** @param {ArrayBuffer} buffer @returns {Piece | null} null if it is none */
export function readPiece(buffer) {
  const bytes = new Uint8Array(buffer);
  const length = bytes[9] ?? 0;
  if (bytes[0] !== VERSION || bytes.length < 18 + length) return null;
  const view = new DataView(buffer);
  return {
    file: `f_${view.getBigUint64(1).toString(16).padStart(16, '0')}`,
    participant: new TextDecoder().decode(bytes.subarray(10, 10 + length)),
    offset: Number(view.getBigUint64(10 + length)),
    data: bytes.subarray(18 + length),
  };
}
