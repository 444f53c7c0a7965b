// Where tiles go: pure geometry. Knows: widths, heights, counts. Does not know: elements.

/** @typedef {{left: number, top: number, width: number, height: number}} Rect */

const ASPECT = 16 / 9;
const TALLEST = 1; // in upright areas tiles may grow to this, so that a phone wastes less
const GAP = 8;

/**
 * The columns that make `count` tiles largest: 16:9, in upright areas up to square; last row centred, all centred.
 * @param {number} count
 * @param {Rect} area
 * @returns {Rect[]}
 */
export function gridRects(count, area) {
  const tallest = area.height > area.width ? TALLEST : ASPECT;
  let best = { columns: 1, rows: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (area.width - GAP * (columns - 1)) / columns;
    const cellHeight = (area.height - GAP * (rows - 1)) / rows;
    const width = Math.min(cellWidth, cellHeight * ASPECT);
    const height = Math.min(cellHeight, width / tallest);
    if (width * height > best.width * best.height) best = { columns, rows, width, height };
  }
  const { columns, rows, width, height } = best;
  const top = area.top + (area.height - rows * height - (rows - 1) * GAP) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = area.left + (area.width - inRow * width - (inRow - 1) * GAP) / 2;
    return {
      left: left + (index - row * columns) * (width + GAP),
      top: top + row * (height + GAP),
      width,
      height,
    };
  });
}

/**
 * Large tiles take most of the area; the others a strip at its right, or below when it is upright.
 * @param {number} large
 * @param {number} small
 * @param {{width: number, height: number}} area
 * @returns {{large: Rect[], small: Rect[]}}
 */
export function stageRects(large, small, { width, height }) {
  const whole = { left: 0, top: 0, width, height };
  if (large === 0) return { large: [], small: gridRects(small, whole) };
  if (small === 0) return { large: fill(large, whole), small: [] };
  const share = small > 5 ? 0.3 : 0.22;
  const upright = height > width;
  const side = upright ? 'height' : 'width';
  const most = upright ? Math.max(height * share, 96) : Math.min(Math.max(width * share, 120), 360);
  // The strip is as wide as its tiles turn out, the rest belongs to the large ones.
  const tiles = gridRects(small, { ...whole, [side]: most });
  const [start, end] = upright ? extent(tiles, 'top', 'height') : extent(tiles, 'left', 'width');
  const strip = end - start;
  const from = whole[side] - strip;
  return {
    large: fill(large, { ...whole, [side]: from - GAP }),
    small: gridRects(small, { ...whole, [upright ? 'top' : 'left']: from, [side]: strip }),
  };
}

/** @param {Rect[]} rects @param {'left' | 'top'} start @param {'width' | 'height'} size @returns {[number, number]} */
function extent(rects, start, size) {
  return [
    Math.min(...rects.map((rect) => rect[start])),
    Math.max(...rects.map((rect) => rect[start] + rect[size])),
  ];
}

/** Large tiles fill what there is: their picture is fitted inside. @param {number} count @param {Rect} area @returns {Rect[]} */
function fill(count, area) {
  const across = area.width >= area.height;
  const width = across ? (area.width - GAP * (count - 1)) / count : area.width;
  const height = across ? area.height : (area.height - GAP * (count - 1)) / count;
  return Array.from({ length: count }, (_, index) => ({
    left: area.left + (across ? index * (width + GAP) : 0),
    top: area.top + (across ? 0 : index * (height + GAP)),
    width,
    height,
  }));
}
