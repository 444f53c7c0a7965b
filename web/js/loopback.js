// The self test page: runs test after test, a row for each. Knows: its elements. Does not know: how tests work (selftest.js).

import { openDevices } from './devices.js';
import { byId, make } from './dom.js';
import { LevelMeter } from './level.js';
import { testCodec, testData } from './selftest.js';

/** @typedef {import('./selftest.js').Finding} Finding */
/** @typedef {{id: string, name: string, run: () => Promise<Finding>}} Test */

const VIDEO_CODECS = ['VP8', 'VP9', 'H264', 'AV1'];
const LISTEN_MS = 600;

/** @type {MediaStreamTrack | null} */
let camera = null;
/** @type {MediaStreamTrack | null} */
let microphone = null;
const meter = new LevelMeter();

/** @type {Test[]} */
const tests = [
  { id: 'webrtc', name: 'WebRTC', run: testBrowser },
  { id: 'camera', name: 'Camera', run: testCamera },
  { id: 'microphone', name: 'Microphone', run: testMicrophone },
  ...VIDEO_CODECS.map((name) => ({
    id: name.toLowerCase(),
    name: `Video, ${name}`,
    run: () => testCodec(camera ?? drawnTrack(), `video/${name}`, (track) => showReceived(track, name)),
  })),
  { id: 'opus', name: 'Sound, Opus', run: () => testCodec(microphone ?? toneTrack(), 'audio/opus', playSilently) },
  { id: 'data', name: 'Data channel', run: testData },
];

/** @returns {Promise<Finding>} */
async function testBrowser() {
  if (!('RTCPeerConnection' in window)) return { verdict: 'fail', text: 'This browser has no WebRTC, or it is switched off.' };
  const secure = window.isSecureContext ? '' : ' This page is not secure (https), so there is no camera and no microphone.';
  return { verdict: 'pass', text: `This browser has it.${secure}` };
}

/** @returns {Promise<Finding>} */
async function testCamera() {
  const { tracks, problems } = await openDevices({ microphone: false, camera: true }, { microphone: '', camera: '' });
  camera = tracks[0] ?? null;
  byId('sent', HTMLVideoElement).srcObject = new MediaStream([camera ?? drawnTrack()]);
  if (!camera) return { verdict: 'missing', text: `${problems.camera?.title}. A drawn picture is sent instead.` };
  const { width, height, frameRate } = camera.getSettings();
  return { verdict: 'pass', text: `${camera.label} · ${width}×${height} · up to ${Math.round(frameRate ?? 0)} frames/s` };
}

/** @returns {Promise<Finding>} */
async function testMicrophone() {
  const { tracks, problems } = await openDevices({ microphone: true, camera: false }, { microphone: '', camera: '' });
  microphone = tracks[0] ?? null;
  if (!microphone) return { verdict: 'missing', text: `${problems.microphone?.title}. A tone is sent instead.` };
  meter.listen(microphone);
  let loudest = 0;
  for (const end = performance.now() + LISTEN_MS; performance.now() < end; ) {
    loudest = Math.max(loudest, meter.level());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  meter.listen(null);
  return { verdict: 'pass', text: `${microphone.label} · ${loudest > 0.05 ? 'sound comes in' : 'silence comes in'}` };
}

/** @returns {MediaStreamTrack} something that moves, for devices without a camera */
function drawnTrack() {
  const canvas = make('canvas', { width: '640', height: '360' });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const draw = () => {
    const turn = performance.now() / 1000;
    context.fillStyle = '#161b21';
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = '#5cc8b0';
    context.fillRect(280 + 220 * Math.cos(turn), 140 + 100 * Math.sin(turn * 1.3), 80, 80);
  };
  draw();
  setInterval(draw, 40);
  return /** @type {MediaStreamTrack} */ (canvas.captureStream(25).getVideoTracks()[0]);
}

/** @returns {MediaStreamTrack} */
function toneTrack() {
  const context = new AudioContext();
  const tone = context.createOscillator();
  const out = context.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  return /** @type {MediaStreamTrack} */ (out.stream.getAudioTracks()[0]);
}

/** @param {MediaStreamTrack} track @param {string} codec */
function showReceived(track, codec) {
  byId('received', HTMLVideoElement).srcObject = new MediaStream([track]);
  byId('received-caption', HTMLElement).textContent = `Received, ${codec}`;
}

/** A sound that nothing plays isn't decoded. @param {MediaStreamTrack} track */
function playSilently(track) {
  const audio = new Audio();
  audio.muted = true;
  audio.srcObject = new MediaStream([track]);
  void audio.play();
}

const WORDS = { waiting: 'waiting', running: 'running', pass: 'works', fail: 'fails', missing: 'not here' };

/** @param {HTMLTableRowElement} row @param {keyof typeof WORDS} verdict @param {string} text */
function fill(row, verdict, text) {
  row.dataset.verdict = verdict;
  row.cells[1]?.replaceChildren(make('span', { class: 'verdict' }, WORDS[verdict]));
  if (row.cells[2]) row.cells[2].textContent = text;
}

async function runAll() {
  const start = byId('start', HTMLButtonElement);
  start.disabled = true;
  document.body.dataset.state = 'running';
  byId('summary', HTMLElement).textContent = '';
  const rows = drawRows();
  let failed = 0;
  let missing = 0;
  for (const test of tests) {
    const row = /** @type {HTMLTableRowElement} */ (rows.get(test.id));
    fill(row, 'running', '');
    /** @type {Finding} */
    const finding = await test.run().catch((error) => ({ verdict: 'fail', text: error instanceof Error ? error.message : String(error) }));
    fill(row, finding.verdict, finding.text);
    if (finding.verdict === 'fail') failed++;
    if (finding.verdict === 'missing') missing++;
  }
  for (const track of [camera, microphone]) track?.stop();
  for (const id of ['sent', 'received']) byId(id, HTMLVideoElement).srcObject = null;
  const absent = missing > 0 ? ` Not here: ${missing}.` : '';
  byId('summary', HTMLElement).textContent = (failed === 0 ? 'Everything that is here works.' : `Failed: ${failed} of ${tests.length}.`) + absent;
  document.body.dataset.state = 'done';
  start.textContent = 'Test again';
  start.disabled = false;
}

/** @returns {Map<string, HTMLTableRowElement>} */
function drawRows() {
  const rows = new Map(
    tests.map(({ id, name }) => {
      const row = make('tr', { 'data-testid': `selftest-${id}` }, make('th', { scope: 'row' }, name), make('td'), make('td'));
      fill(row, 'waiting', '');
      return [id, row];
    }),
  );
  byId('results', HTMLElement).replaceChildren(...rows.values());
  return rows;
}

byId('start', HTMLButtonElement).onclick = runAll;
drawRows();
if (new URLSearchParams(location.search).get('autostart') === '1') void runAll();
