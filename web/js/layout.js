// Where tiles go: pure geometry. Knows: widths, heights, counts. Does not know: elements.

/** @typedef {{left: number, top: number, width: number, height: number}} Rect */

const ASPECT = 16 / 9;
const TALLEST = 4 / 3; // in upright areas tiles may grow to this, so that a phone wastes less
const GAP = 8;

/**
 * The columns that make `count` tiles of 16:9 largest, last row centred, all centred in the area.
 * @param {number} count
 * @param {Rect} area
 * @returns {Rect[]}
 */
export function gridRects(count, area) {
  let best = { columns: 1, rows: 1, width: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (area.width - GAP * (columns - 1)) / columns;
    const cellHeight = (area.height - GAP * (rows - 1)) / rows;
    const width = Math.min(cellWidth, cellHeight * ASPECT);
    if (width > best.width) best = { columns, rows, width };
  }
  const { columns, rows, width } = best;
  const cellHeight = (area.height - GAP * (rows - 1)) / rows;
  const tallest = area.height > area.width ? width / TALLEST : width / ASPECT;
  const height = Math.min(cellHeight, tallest);
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
  if (width >= height) {
    const strip = Math.min(Math.max(width * share, 120), 360);
    return {
      large: fill(large, { ...whole, width: width - strip - GAP }),
      small: gridRects(small, { ...whole, left: width - strip, width: strip }),
    };
  }
  const strip = Math.max(height * share, 96);
  return {
    large: fill(large, { ...whole, height: height - strip - GAP }),
    small: gridRects(small, { ...whole, top: height - strip, height: strip }),
  };
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
