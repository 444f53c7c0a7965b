// A drawn graph of a room: participants on a circle, the server in the middle, a line for each connection with what
// flows each way. Knows: SVG and geometry. Does not know: where the figures come from.

import { initials } from './dom.js';

/** @typedef {{id: string, name: string, own: boolean, server: boolean}} GraphNode */
/**
 * A connection. Rates in bits per second, null = not known here; `near`: one's own, it is drawn stronger.
 * @typedef {{from: string, to: string, out: number | null, back: number | null, near: boolean}} GraphEdge
 */

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 400;
const RADIUS = { x: 156, y: 124 };
const MARGIN = 48; // above and below: a node and its name
const NODE = 22;
const MANY = 5; // with more participants only one's own lines are labelled

/** @param {SVGSVGElement} svg @param {GraphNode[]} nodes @param {GraphEdge[]} edges */
export function drawGraph(svg, nodes, edges) {
  const around = nodes.filter(({ server }) => !server);
  /** @type {Map<string, {x: number, y: number}>} */
  const places = new Map();
  const middle = { x: WIDTH / 2, y: 0 };
  const first = around.length === 2 ? Math.PI : Math.PI / 2; // oneself at the left of two, else at the bottom
  around.forEach(({ id }, index) => {
    const angle = (2 * Math.PI * index) / around.length + first;
    const reach = nodes.length === 1 ? 0 : 1;
    places.set(id, { x: middle.x + reach * RADIUS.x * Math.cos(angle), y: middle.y + reach * RADIUS.y * Math.sin(angle) });
  });
  for (const { id, server } of nodes) if (server) places.set(id, middle);
  /** @type {SVGElement[]} */
  const lines = [];
  /** @type {SVGElement[]} */
  const labels = [];
  for (const edge of edges) {
    const start = places.get(edge.from);
    const end = places.get(edge.to);
    if (!start || !end) continue;
    const flowing = (edge.out ?? 0) + (edge.back ?? 0) > 0;
    const width = 1 + Math.min(4, Math.log10(1 + ((edge.out ?? 0) + (edge.back ?? 0)) / 50_000) * 1.8);
    lines.push(
      element('line', {
        class: `edge${edge.near ? ' near' : ''}${flowing ? ' flowing' : ''}`,
        'data-testid': 'topology-edge',
        'data-from': edge.from,
        'data-to': edge.to,
        'data-out': String(Math.round(edge.out ?? 0)),
        'data-back': String(Math.round(edge.back ?? 0)),
        ...{ x1: start.x, y1: start.y, x2: end.x, y2: end.y, 'stroke-width': width },
      }),
    );
    if (!edge.near && around.length > MANY) continue;
    labels.push(...rateLabel(start, end, edge.out), ...rateLabel(end, start, edge.back));
  }
  const drawn = nodes.map((node) => nodeOf(node, places.get(node.id) ?? middle));
  const heights = [...places.values()].map(({ y }) => y);
  const top = Math.min(...heights) - MARGIN;
  svg.setAttribute('viewBox', `0 ${top} ${WIDTH} ${Math.max(...heights) + MARGIN - top}`);
  svg.replaceChildren(...lines, ...drawn, ...labels);
}

/** What `from` sends, beside the line, nearer to its sender. @param {{x: number, y: number}} from @param {{x: number, y: number}} to @param {number | null} bps */
function rateLabel(from, to, bps) {
  if (bps === null) return [];
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const along = Math.min(0.34, (NODE + 42) / length); // clear of the other lines of its node
  const x = from.x + (to.x - from.x) * along;
  const y = from.y + (to.y - from.y) * along;
  const text = short(bps);
  const width = 12 + text.length * 6;
  const arrow = Math.atan2(to.y - from.y, to.x - from.x) * (180 / Math.PI);
  const label = element('g', { class: 'edge-rate', transform: `translate(${x} ${y})` });
  label.append(
    element('rect', { x: -width / 2 - 6, y: -9, width: width + 12, height: 18, rx: 9 }),
    element('path', { d: 'M-4,-3 L3,0 L-4,3 Z', transform: `translate(${-width / 2 + 2} 0) rotate(${arrow})` }),
    element('text', { x: 6, y: 3.8, 'text-anchor': 'middle' }, text),
  );
  return [label];
}

/** @param {GraphNode} node @param {{x: number, y: number}} place */
function nodeOf({ id, name, own, server }, { x, y }) {
  const group = element('g', {
    class: `node${own ? ' own' : ''}${server ? ' server' : ''}`,
    'data-testid': 'topology-node',
    'data-id': id,
    transform: `translate(${x} ${y})`,
  });
  const shape = server
    ? element('rect', { x: -NODE, y: -NODE, width: 2 * NODE, height: 2 * NODE, rx: 8 })
    : element('circle', { r: NODE });
  const label = server ? 'SFU' : initials(name);
  const words = own ? 'You' : name.length > 14 ? `${name.slice(0, 13)}…` : name;
  group.append(shape, element('text', { y: 5, 'text-anchor': 'middle', class: 'node-initials' }, label));
  const below = y > -RADIUS.y / 4;
  const half = words.length * 4 + 4; // what it is wide, about: kept inside the picture
  const shift = Math.max(half, Math.min(WIDTH - half, x)) - x;
  if (!server) group.append(element('text', { x: shift, y: below ? NODE + 16 : -NODE - 8, 'text-anchor': 'middle', class: 'node-name' }, words));
  return group;
}

/** @param {number} bps */
function short(bps) {
  return bps >= 999_500 ? `${(bps / 1e6).toFixed(1)} M` : `${Math.round(bps / 1000)} k`;
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
