// What a room costs in each topology, by formula: n participants, each sending b once. Pure: numbers in, numbers out.

/**
 * @typedef {object} Cost
 * @property {string} name
 * @property {import('./types.js').Topology} topology
 * @property {number} out  bits per second that a participant sends
 * @property {number} in
 * @property {number} connections  of a participant
 * @property {number} encodes  of a participant; each track once per connection that carries it
 * @property {number} serverIn
 * @property {number} serverOut
 * @property {Record<'out' | 'in' | 'connections' | 'encodes' | 'serverIn' | 'serverOut', string>} formulas
 */

/**
 * @param {number} n  participants
 * @param {number} b  what one of them sends once, in bits per second
 * @param {number} s  tracks that one of them sends
 * @returns {Cost[]}
 */
export function costs(n, b, s) {
  const others = Math.max(0, n - 1);
  return [
    {
      name: 'Direct (mesh)',
      topology: 'mesh',
      out: others * b,
      in: others * b,
      connections: others,
      encodes: others * s,
      serverIn: 0,
      serverOut: 0,
      formulas: { out: '(n−1)b', in: '(n−1)b', connections: 'n−1', encodes: '(n−1)s', serverIn: '0', serverOut: '0' },
    },
    {
      name: 'Server (SFU)',
      topology: 'sfu',
      out: b,
      in: others * b,
      connections: 1,
      encodes: s,
      serverIn: n * b,
      serverOut: n * others * b,
      formulas: { out: 'b', in: '(n−1)b', connections: '1', encodes: 's', serverIn: 'n·b', serverOut: 'n(n−1)b' },
    },
  ];
}

/**
 * One sends, all others watch. The figures are those of the one who sends; a viewer receives b over one connection.
 * @param {number} n @param {number} b @param {number} s
 * @returns {Cost}
 */
export function broadcastCost(n, b, s) {
  return {
    name: 'Broadcast',
    topology: 'broadcast',
    out: b,
    in: 0,
    connections: 1,
    encodes: s,
    serverIn: b,
    serverOut: Math.max(0, n - 1) * b,
    formulas: { out: 'b', in: '0', connections: '1', encodes: 's', serverIn: 'b', serverOut: '(n−1)b' },
  };
}
