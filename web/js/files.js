// Files that are shared in the room: offered to all or one, sent to each who asks. Knows: the messages of the files
// channel. Does not know: connections (it asks the session for a channel), or the page.

import { Download } from './download.js';
import { Emitter } from './emitter.js';
import { isFileId, newFileId, readPiece } from './fileframes.js';
import { Upload } from './upload.js';

/** @typedef {import('./session.js').Session} Session */

/**
 * A file of one's own.
 * @typedef {object} Share
 * @property {string} id
 * @property {File} file
 * @property {string | null} to  a participant, null: all
 * @property {boolean} ended  offered no more
 * @property {Map<string, Upload>} uploads  by participant
 */

const NAME_MAX = 200;
/** Errors about somebody who has just left, or something that has just ended. */
const EXPECTED = new Set(['unknown-participant', 'not-allowed']);

/** @extends {Emitter<{share: Share, download: Download, change: void, refused: string}>} */
export class Files extends Emitter {
  /** @type {Map<string, Share>} */
  shares = new Map();
  /** By sender and file. @type {Map<string, Download>} */
  downloads = new Map();
  #session;

  /** @param {Session} session */
  constructor(session) {
    super();
    this.#session = session;
    session.on('file', ({ from, data }) => (typeof data === 'string' ? this.#message(from, data) : this.#piece(from, data)));
    session.on('room', () => this.#checkPeople());
  }

  /** Offers a file. @param {File} file @param {string | null} to @returns {Share | null} null while there is no way to tell anybody */
  share(file, to) {
    const share = { id: newFileId(), file, to, ended: false, uploads: new Map() };
    const mime = /^[\x20-\x7e]{1,127}$/.test(file.type) ? file.type : 'application/octet-stream';
    const told = this.#tell({ type: 'file', file: share.id, name: cleanName(file.name), size: file.size, mime }, to);
    if (!told) return null;
    this.shares.set(share.id, share);
    this.emit('share', share);
    return share;
  }

  /** Takes an offer back. @param {Share} share */
  end(share) {
    share.ended = true;
    for (const upload of share.uploads.values()) upload.cancel();
    this.#tell({ type: 'cancel', file: share.id }, share.to);
    this.emit('change', undefined);
  }

  /** @param {Record<string, unknown>} message @param {string | null} to */
  #tell(message, to) {
    return this.#session.media?.tell(message, to) ?? false;
  }

  /** @param {string} connection  whose, '' the server's @param {string} text */
  #message(connection, text) {
    const message = JSON.parse(text);
    const from = connection || message.from; // the connection, or the server, tells who it is from
    if (message.type === 'error') {
      if (!EXPECTED.has(message.code)) this.emit('refused', String(message.message));
      return;
    }
    if (!isFileId(message.file) || typeof from !== 'string') return;
    const share = this.shares.get(message.file);
    const download = this.downloads.get(`${from}/${message.file}`);
    if (message.type === 'file') this.#offered(from, message);
    else if (message.type === 'pull') this.#pulled(from, message);
    else if (message.type === 'pulled') share?.uploads.get(from)?.acknowledged(Number(message.received));
    else if (message.type === 'done') download?.end(String(message.sha256));
    else if (message.type === 'cancel') {
      share?.uploads.get(from)?.cancel();
      download?.gone();
    }
  }

  /** @param {string} from @param {any} message */
  #offered(from, { file, name, size, mime, sha256, to }) {
    const key = `${from}/${file}`;
    if (this.downloads.has(key) || !Number.isSafeInteger(size) || size < 0) return;
    const offer = { file, from, name: cleanName(name), size, mime: String(mime), sha256, to: to ?? null };
    const download = new Download(
      offer,
      (message) => this.#tell(message, from),
      () => this.emit('change', undefined),
    );
    this.downloads.set(key, download);
    this.emit('download', download);
  }

  /** @param {string} from @param {{file: string, received?: number}} message */
  #pulled(from, { file, received = 0 }) {
    const share = this.shares.get(file);
    const channel = this.#session.media?.channel(from);
    if (!share || share.ended || (share.to !== null && share.to !== from)) {
      this.#tell({ type: 'cancel', file }, from);
      return;
    }
    if (!channel) return; // it will ask again
    const upload = share.uploads.get(from) ?? new Upload(file, share.file, () => this.emit('change', undefined));
    share.uploads.set(from, upload);
    const receiver = this.#session.media?.path === 'sfu' ? from : '';
    upload
      .pulled(received, { channel, receiver }, (sha256) => this.#tell({ type: 'done', file, sha256 }, from))
      .catch(() => this.end(share)); // the file can't be read any more
  }

  /** @param {string} connection @param {ArrayBuffer} data */
  #piece(connection, data) {
    const piece = readPiece(data);
    if (piece) this.downloads.get(`${connection || piece.participant}/${piece.file}`)?.piece(piece.offset, piece.data);
  }

  /** Who is gone neither sends nor receives. */
  #checkPeople() {
    const { participants } = this.#session.roster;
    for (const download of this.downloads.values()) if (!participants.has(download.offer.from)) download.gone();
    for (const share of this.shares.values()) {
      for (const [id, upload] of share.uploads) if (!participants.has(id)) upload.cancel();
    }
  }
}

/** @param {unknown} name @returns {string} without folders and control characters */
function cleanName(name) {
  const last = String(name).split(/[\\/]/).at(-1) ?? '';
  return last.replace(/\p{Cc}|\p{Cf}/gu, '').trim().slice(0, NAME_MAX) || 'file';
}
