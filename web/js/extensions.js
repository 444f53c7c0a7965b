// Header extensions that a browser knows but doesn't offer by itself. Knows: which one the pictures received need.
// Does not know: who receives what.

const DEPENDENCY_DESCRIPTOR =
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

/** @typedef {{uri: string, direction: RTCRtpTransceiverDirection}} Extension */
/**
 * Not known to the types of the language: https://w3c.github.io/webrtc-extensions/#rtp-header-extension-control
 * @typedef {object} Negotiating
 * @property {() => Extension[]} [getHeaderExtensionsToNegotiate]
 * @property {(extensions: Extension[]) => void} [setHeaderExtensionsToNegotiate]
 */

/**
 * Without the descriptor Chromium decodes nothing of AV1 in several spatial layers, and it offers it for what it sends
 * only. Other browsers go without: the server sends them the smallest layer.
 * @param {RTCRtpTransceiver} transceiver  that will receive a picture; before it is offered
 */
export function readLayers(transceiver) {
  const negotiating = /** @type {RTCRtpTransceiver & Negotiating} */ (transceiver);
  const extensions = negotiating.getHeaderExtensionsToNegotiate?.();
  const descriptor = extensions?.find(({ uri }) => uri === DEPENDENCY_DESCRIPTOR);
  if (!extensions || !descriptor) return;
  descriptor.direction = 'sendrecv';
  try {
    negotiating.setHeaderExtensionsToNegotiate?.(extensions);
  } catch {
    // it can be read but not changed: the offer goes as it is
  }
}
