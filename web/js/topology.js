// The topology panel: the room's connections as a drawn graph, what each participant spends, and what the same room
// would cost in the other topologies. Knows: session, figures, elements. Does not know: how they are measured.

import { broadcastCost, costs } from './costs.js';
import { byId, make, rate } from './dom.js';
import { drawGraph } from './graph.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./local.js').LocalMedia} LocalMedia */
/** @typedef {import('./stats.js').Figures} Figures */
/** @typedef {import('./types.js').Counters} Counters */
/** @typedef {import('./costs.js').Cost} Cost */
/** @typedef {'out' | 'in' | 'connections' | 'encodes' | 'serverIn' | 'serverOut'} CostRow */

const SERVER = 'server';
const ROWS = /** @type {[CostRow, string][]} */ ([
  ['out', 'You send'],
  ['in', 'You receive'],
  ['connections', 'Connections'],
  ['encodes', 'Encodings'],
  ['serverIn', 'Server receives'],
  ['serverOut', 'Server sends'],
]);
const NAMES = { sfu: 'through the server', mesh: 'directly between the participants', auto: 'automatic', broadcast: 'broadcast' };

export class TopologyView {
  #session;
  #local;
  /** @type {Figures | null} */
  #figures = null;
  /** What others count, by participant. @type {Map<string, Counters>} */
  #others = new Map();
  #svg = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (document.getElementById('topology-graph')));

  /** @param {Session} session @param {LocalMedia} local */
  constructor(session, local) {
    this.#session = session;
    this.#local = local;
    session.on('counters', ({ from, counters }) => this.#others.set(from, counters));
    session.on('path', () => this.#others.clear());
  }

  /** @param {Figures} figures  of now */
  told(figures) {
    this.#figures = figures;
    this.#session.media?.count(own(figures));
  }

  draw() {
    const figures = this.#figures;
    const { media } = this.#session;
    if (!figures || !media) return;
    this.#drawSummary(media.path);
    this.#drawGraph(figures);
    this.#drawPeople(figures);
    this.#drawCosts(figures, media.path);
  }

  /** @param {import('./types.js').MediaPath} path */
  #drawSummary(path) {
    const { topology, threshold } = this.#session;
    const now = `Media goes ${NAMES[path]}.`;
    const why = topology === 'auto' ? ` This room chooses by itself: through the server from ${threshold} participants on.` : '';
    byId('topology-summary', HTMLElement).textContent = now + why;
  }

  /** @param {Figures} figures */
  #drawGraph(figures) {
    const { me, name, roster } = this.#session;
    const served = figures.links.some(({ id }) => id === SERVER);
    const others = [...roster.participants.values()];
    const nodes = [{ id: me, name, own: true, server: false }, ...others.map((one) => ({ id: one.id, name: one.name, own: false, server: false }))];
    if (served) nodes.push({ id: SERVER, name: 'Server', own: false, server: true });
    const edges = figures.links.map(({ id, out_bps, in_bps }) => ({ from: me, to: id, out: out_bps, back: in_bps, near: true }));
    others.forEach(({ id }, index) => {
      if (served) edges.push({ from: id, to: SERVER, out: this.#sentBy(id, figures), back: this.#receivedBy(id, figures), near: false });
      for (const { id: second } of served ? [] : others.slice(index + 1)) {
        const out = this.#others.get(id)?.links[second];
        const back = this.#others.get(second)?.links[id];
        if (out !== undefined || back !== undefined) edges.push({ from: id, to: second, out: out ?? 0, back: back ?? 0, near: false });
      }
    });
    drawGraph(this.#svg, nodes, edges);
  }

  /** What somebody sends once, as it arrives here. @param {string} id @param {Figures} figures */
  #sentBy(id, figures) {
    const { media, roster } = this.#session;
    const publications = roster.participants.get(id)?.publications ?? [];
    const keys = new Set(publications.map((one) => media?.received(one.id)?.figures ?? ''));
    return [...keys].reduce((sum, key) => sum + (figures.tracks.get(key)?.bps ?? 0), 0);
  }

  /** By what all others send: each gets everything. @param {string} id @param {Figures} figures */
  #receivedBy(id, figures) {
    const others = [...this.#session.roster.participants.keys()].filter((one) => one !== id);
    return this.#sentOnce(figures) + others.reduce((sum, one) => sum + this.#sentBy(one, figures), 0);
  }

  /** What this page sends, each track once. @param {Figures} figures */
  #sentOnce(figures) {
    /** @type {Map<string, number>} */
    const most = new Map();
    for (const { source, figures: key } of this.#session.media?.sending() ?? []) {
      most.set(source, Math.max(most.get(source) ?? 0, figures.tracks.get(key)?.bps ?? 0));
    }
    return [...most.values()].reduce((sum, bps) => sum + bps, 0);
  }

  /** @param {Figures} figures */
  #drawPeople(figures) {
    const { roster, name, media } = this.#session;
    const mine = own(figures);
    const rows = [personRow(`${name} (you)`, [mine.connections, mine.encodes, rate(mine.out_bps), rate(mine.in_bps), percent(mine.cpu)])];
    for (const { id, name: other } of roster.participants.values()) {
      const told = this.#others.get(id);
      if (told) {
        rows.push(personRow(other, [told.connections, told.encodes, rate(told.out_bps), rate(told.in_bps), percent(told.cpu)]));
      } else {
        const server = media?.path === 'sfu';
        const out = `≈ ${rate(this.#sentBy(id, figures))}`;
        rows.push(personRow(other, [server ? 1 : '–', '–', out, server ? `≈ ${rate(this.#receivedBy(id, figures))}` : '–', '–']));
      }
    }
    byId('topology-people', HTMLElement).replaceChildren(...rows);
  }

  /** @param {Figures} figures @param {import('./types.js').MediaPath} path */
  #drawCosts(figures, path) {
    const { roster, topology } = this.#session;
    const n = roster.participants.size + 1;
    const rates = [this.#sentOnce(figures), ...[...roster.participants.keys()].map((id) => this.#sentBy(id, figures))].filter((bps) => bps > 0);
    const b = rates.reduce((sum, bps) => sum + bps, 0) / Math.max(1, rates.length);
    const s = Object.values(this.#local.sources).filter(({ track }) => track).length;
    const columns = [...costs(n, b, s), ...(topology === 'broadcast' ? [broadcastCost(n, b, s)] : [])];
    const mine = own(figures);
    /** @type {Record<CostRow, string>} */
    const measured = {
      ...{ out: rate(mine.out_bps), in: rate(mine.in_bps), connections: String(mine.connections), encodes: String(mine.encodes) },
      ...{ serverIn: '–', serverOut: '–' },
    };
    const current = topology === 'broadcast' ? 'broadcast' : path;
    const head = ['', 'Measured', ...columns.map(({ name }) => name)];
    const headRow = make('tr', {}, ...head.map((text) => make('th', { scope: 'col' }, text)));
    headRow.querySelectorAll('th').forEach((cell, index) => cell.classList.toggle('current', columns[index - 2]?.topology === current));
    byId('topology-costs-head', HTMLElement).replaceChildren(headRow);
    const rows = ROWS.map(([row, label]) => {
      const cells = columns.map((cost) => {
        const value = row === 'connections' || row === 'encodes' ? String(cost[row]) : rate(cost[row]);
        const cell = make('td', { 'data-topology': cost.topology, 'data-row': row, 'data-value': String(Math.round(cost[row])) }, value);
        cell.append(make('small', {}, cost.formulas[row]));
        cell.classList.toggle('current', cost.topology === current);
        return cell;
      });
      return make('tr', {}, make('th', { scope: 'row' }, label), make('td', { class: 'measured' }, measured[row]), ...cells);
    });
    byId('topology-costs', HTMLElement).replaceChildren(...rows);
    byId('topology-b', HTMLElement).textContent =
      `n = ${n} participants, b = ${rate(b)} that one of them sends once, s = ${s} tracks.` +
      (topology === 'broadcast' ? ' The columns for mesh and SFU are as if all of them sent; broadcast is as of its publisher.' : '');
  }
}

/** @param {Figures} figures @returns {Counters} */
function own({ links, encodes, in_bps, out_bps, cpu }) {
  const rates = Object.fromEntries(links.map(({ id, out_bps: out }) => [id, Math.round(out)]));
  return { connections: links.length, encodes, in_bps: Math.round(in_bps), out_bps: Math.round(out_bps), cpu, links: rates };
}

/** @param {string} name @param {(string | number)[]} values */
function personRow(name, values) {
  return make('tr', { 'data-testid': 'topology-person' }, make('th', { scope: 'row' }, name), ...values.map((value) => make('td', {}, String(value))));
}

/** @param {number} share  of one core */
function percent(share) {
  return `${Math.round(share * 100)} %`;
}
