// A line chart that moves with time: the last seconds at the right, rates upwards. Knows: SVG and geometry.
// Does not know: what is drawn, or its colours (the style sheet's, by class).

import { rate } from './dom.js';

/** @typedef {{name: string, points: (readonly [number, number])[]}} Line  points: [seconds ago, bits per second], oldest first */

const SVG = 'http://www.w3.org/2000/svg';
const LEFT = 62;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 24;
const STEPS = 4; // horizontal lines, at most
const GAP_SECONDS = 5; // nothing was told for so long: the line breaks

/**
 * @param {SVGSVGElement} svg  drawn as large as it is
 * @param {Line[]} lines
 * @param {number} seconds  from left to right
 */
export function drawLines(svg, lines, seconds) {
  const { width, height } = svg.getBoundingClientRect();
  if (width < LEFT + RIGHT + 20 || height < TOP + BOTTOM + 20) return;
  const highest = Math.max(...lines.flatMap(({ points }) => points.map(([, bps]) => bps)), 100_000);
  const step = niceStep((highest * 1.05) / STEPS);
  const top = step * Math.ceil((highest * 1.02) / step);
  /** @param {number} ago */
  const x = (ago) => width - RIGHT - ((width - LEFT - RIGHT) * ago) / seconds;
  /** @param {number} bps */
  const y = (bps) => height - BOTTOM - ((height - TOP - BOTTOM) * bps) / top;
  /** @type {SVGElement[]} */
  const drawn = [];
  for (let level = 0; level <= top; level += step) {
    drawn.push(element('line', { class: 'chart-grid', x1: LEFT, x2: width - RIGHT, y1: y(level), y2: y(level) }));
    drawn.push(label(LEFT - 8, y(level) + 4, 'end', level === 0 ? '0' : rate(level).replace('.0 ', ' ').replace('bit/s', '')));
  }
  drawn.push(label(LEFT, height - 6, 'start', `${seconds} s ago`), label(width - RIGHT, height - 6, 'end', 'now'));
  for (const { name, points } of lines) drawn.push(element('path', { class: `chart-line ${name}`, d: path(points, x, y) }));
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.replaceChildren(...drawn);
}

/** @param {number} least @returns {number} 1, 2 or 5 times a power of ten */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

/** @param {Line['points']} points @param {(ago: number) => number} x @param {(bps: number) => number} y */
function path(points, x, y) {
  let before = -Infinity;
  return points
    .map(([ago, bps]) => {
      const move = before - ago > GAP_SECONDS || before === -Infinity ? 'M' : 'L';
      before = ago;
      return `${move}${x(ago).toFixed(1)},${y(bps).toFixed(1)}`;
    })
    .join('');
}

/** @param {number} x @param {number} y @param {string} anchor @param {string} text */
function label(x, y, anchor, text) {
  const element_ = element('text', { class: 'chart-label', x, y, 'text-anchor': anchor });
  element_.textContent = text;
  return element_;
}

/** @param {string} name @param {Record<string, string | number>} attributes @returns {SVGElement} */
function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
