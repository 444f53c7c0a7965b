// The bandwidth panel: what the link from the server can carry, what is allocated of it and what is sent, over time;
// and what each picture gets. Knows: the server's reports, elements. Does not know: how they are come by.

import { byId, make, rate } from './dom.js';
import { drawLines } from './linechart.js';
import { short, why } from './quality.js';

/** @typedef {import('./types.js').Bandwidth} Bandwidth */
/** @typedef {import('./types.js').SlotFlow} SlotFlow */
/** @typedef {import('./types.js').Quality} Quality */
/** @typedef {{label: string, name: string, flow: SlotFlow, quality: Quality}} PictureRow */
/** @typedef {{source: string, encodings: {rid: string, active: boolean}[]}} SentPicture */
/** @typedef {{at: number, estimate: number, target: number, sent: number}} Sample */

const SECONDS = 90; // the chart's width
const SAMPLES_MAX = 600; // at the five reports a second that can be had at most
const LINES = /** @type {const} */ (['estimate', 'target', 'sent']);
const SOURCES = /** @type {Record<string, string>} */ ({
  'transport-cc': 'measured with each packet',
  remb: 'as this browser estimates it',
  none: 'not measured yet',
});

export class BandwidthView {
  /** @type {Bandwidth | null} */
  latest = null;
  /** @type {Sample[]} */
  #samples = [];
  #svg = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (document.getElementById('bandwidth-chart')));

  constructor() {
    new ResizeObserver(() => this.#drawChart()).observe(this.#svg);
  }

  /** @param {Bandwidth} report */
  told(report) {
    this.latest = report;
    this.#samples.push({ at: performance.now(), estimate: report.estimate_bps, target: report.target_bps, sent: report.sent_bps });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** The link is another now: what was said of the old one stays drawn, and counts no more. */
  reset() {
    this.latest = null;
  }

  /** @param {boolean} served  media goes through the server @param {PictureRow[]} rows @param {SentPicture[]} sent */
  draw(served, rows, sent) {
    byId('bandwidth-note', HTMLElement).textContent = this.#note(served);
    const { latest } = this;
    const totals = [
      ['Estimate', latest ? rate(latest.estimate_bps) : '–', 'estimate'],
      ['Allocated', latest ? rate(latest.target_bps) : '–', 'target'],
      ['Sent', latest ? rate(latest.sent_bps) : '–', 'sent'],
    ];
    byId('bandwidth-totals', HTMLElement).replaceChildren(
      ...totals.map(([name, value, line]) => make('div', { class: `legend ${line}` }, make('dt', {}, name ?? ''), make('dd', {}, value ?? ''))),
    );
    this.#drawChart();
    byId('bandwidth-pictures', HTMLElement).replaceChildren(...rows.map((row) => pictureRow(row, latest?.estimate_bps ?? 0)));
    byId('bandwidth-pictures-part', HTMLElement).hidden = rows.length === 0;
    byId('bandwidth-sent', HTMLElement).replaceChildren(...sent.map(sentRow));
    byId('bandwidth-sent-part', HTMLElement).hidden = sent.length === 0;
  }

  /** @param {boolean} served */
  #note(served) {
    if (!served) return 'In this room sound and picture go directly between the participants: no server divides your connection.';
    if (!this.latest) return 'The server has not reported yet.';
    return `What the server sends you, ${SOURCES[this.latest.source] ?? this.latest.source}. Sound always comes first.`;
  }

  #drawChart() {
    if (this.#svg.clientWidth === 0) return; // not on the page now
    const now = performance.now();
    const samples = this.#samples.filter(({ at }) => now - at <= SECONDS * 1000);
    drawLines(
      this.#svg,
      LINES.map((name) => ({ name, points: samples.map((sample) => /** @type {const} */ ([(now - sample.at) / 1000, sample[name]])) })),
      SECONDS,
    );
    this.#svg.setAttribute('aria-label', inWords(samples));
  }
}

/** @param {Sample[]} samples @returns {string} the chart for those who don't see it */
function inWords(samples) {
  const last = samples.at(-1);
  if (!last) return 'Chart of the connection over time. There is nothing to draw yet.';
  const estimates = samples.map(({ estimate }) => estimate);
  return (
    `Chart of the last ${SECONDS} seconds. The estimate was between ${rate(Math.min(...estimates))} and ${rate(Math.max(...estimates))}. ` +
    `Now the estimate is ${rate(last.estimate)}, allocated ${rate(last.target)}, sent ${rate(last.sent)}.`
  );
}

/** @param {PictureRow} row @param {number} estimate_bps */
function pictureRow({ label, name, flow, quality }, estimate_bps) {
  return make(
    'tr',
    { 'data-testid': 'bandwidth-picture' },
    make('th', { scope: 'row' }, label, make('small', {}, why(flow, name, estimate_bps, quality))),
    make('td', {}, short(flow) || '–'),
    make('td', {}, flow.bps > 0 ? rate(flow.bps) : '–'),
  );
}

/** @param {SentPicture} picture */
function sentRow({ source, encodings }) {
  const names = encodings.length === 3 ? ['small', 'medium', 'large'] : encodings.length === 2 ? ['slow', 'full'] : ['all of it'];
  const parts = encodings.map(({ active }, index) =>
    make('span', { class: active ? 'encoding on' : 'encoding' }, `${names[index]} ${active ? 'on' : 'off'}`),
  );
  return make('tr', {}, make('th', { scope: 'row' }, `Your ${source}`), make('td', {}, ...parts));
}
