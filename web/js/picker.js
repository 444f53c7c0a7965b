// Choosing devices: select elements kept in line with what is plugged in. Knows: selects and the device list.
// Does not know: what a choice leads to beyond telling local media.

import { listDevices } from './devices.js';
import { make } from './dom.js';
import { recall, remember } from './settings.js';

/** @typedef {import('./local.js').LocalMedia} LocalMedia */

/**
 * @param {LocalMedia} local
 * @param {{camera: HTMLSelectElement, microphone: HTMLSelectElement}} selects
 */
export function bindPickers(local, selects) {
  const fill = async () => {
    const { cameras, microphones } = await listDevices();
    options(selects.camera, cameras, 'camera', inUse(local, 'camera'));
    options(selects.microphone, microphones, 'microphone', inUse(local, 'microphone'));
  };
  selects.camera.onchange = () => local.choose('camera', selects.camera.value);
  selects.microphone.onchange = () => local.choose('microphone', selects.microphone.value);
  local.on('change', fill); // permission given: now the devices have names
  navigator.mediaDevices?.addEventListener('devicechange', fill);
  void fill();
}

/**
 * @param {HTMLSelectElement} select
 * @param {HTMLElement} field  hidden where the browser does not let pages choose
 * @param {(id: string) => void} choose
 */
export function bindSpeaker(select, field, choose) {
  const able = 'setSinkId' in HTMLMediaElement.prototype;
  field.hidden = !able;
  if (!able) return;
  const fill = async () => options(select, (await listDevices()).speakers, 'loudspeaker', recall('speaker'));
  select.onchange = () => {
    remember('speaker', select.value);
    choose(select.value);
  };
  navigator.mediaDevices?.addEventListener('devicechange', fill);
  select.onfocus = fill;
  void fill();
}

/** @param {LocalMedia} local @param {'camera' | 'microphone'} device */
function inUse(local, device) {
  return local.sources[device].track?.getSettings().deviceId ?? local.chosen[device];
}

/** @param {HTMLSelectElement} select @param {MediaDeviceInfo[]} devices @param {string} kind @param {string} chosen */
function options(select, devices, kind, chosen) {
  const known = devices.filter(({ deviceId }) => deviceId !== '');
  const wanted = known.map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `${kind} ${index + 1}` }));
  if (wanted.length === 0) wanted.push({ id: '', label: devices.length > 0 ? `Default ${kind}` : `No ${kind} found` });
  select.disabled = known.length === 0;
  const signature = JSON.stringify(wanted);
  if (select.dataset.options !== signature) {
    select.dataset.options = signature;
    select.replaceChildren(...wanted.map(({ id, label }) => make('option', { value: id }, label)));
  }
  if (wanted.some(({ id }) => id === chosen)) select.value = chosen;
}
