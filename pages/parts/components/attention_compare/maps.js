// The numbers behind the comparison: cells, differences of maps, and the edits of the photo.
import {clamp} from "../shared/numbers.js";

// Densities on a coarser grid, averaged by the area that cells share.
export function pooled(values, [rows, columns], [toRows, toColumns]) {
  if (rows === toRows && columns === toColumns) return values;
  const shared = (n, m, i, k) => Math.max(0, Math.min(((k + 1) * n) / m, i + 1) - Math.max((k * n) / m, i));
  const area = (rows / toRows) * (columns / toColumns), found = new Float32Array(toRows * toColumns);
  for (let y = 0; y < rows; y++) for (let r = Math.floor((y * toRows) / rows); r < toRows && (r * rows) / toRows < y + 1; r++)
    for (let x = 0; x < columns; x++) for (let c = Math.floor((x * toColumns) / columns); c < toColumns && (c * columns) / toColumns < x + 1; c++)
      found[r * toColumns + c] += (values[y * columns + x] * shared(rows, toRows, y, r) * shared(columns, toColumns, x, c)) / area;
  return found;
}

// [row, column] of the cell of a grid at u, v: 0 to 1 across and down.
export const cellAt = ({u, v}, [rows, columns]) => [Math.floor(v * rows), Math.floor(u * columns)];

// Two maps (0 to 255) on the coarser of their grids, and the first minus the second: 127.5 means none.
export function differenceOfMaps(one, other) {
  const grid = [Math.min(one.grid[0], other.grid[0]), Math.min(one.grid[1], other.grid[1])];
  const [a, b] = [one, other].map(({values, grid: own}) => pooled(values, own, grid));
  return {grid, values: Float32Array.from(a, (value, k) => (value - b[k]) / 2 + 127.5)};
}

// A value 0 to 255 as a multiple of the map's average, where 255 is `most` or more.
export const multiple = (level, most) => (level >= 255 ? `≥ ${most}×` : `${((level / 255) * most).toFixed(1)}×`);

// A value of a difference as a signed multiple.
export function signedMultiple(level, most) {
  const gap = ((level - 127.5) / 127.5) * most;
  return `${gap < 0 ? "−" : "+"}${Math.abs(gap).toFixed(1)}×`;
}

// Where a line at `swipe` percent of a tile lies in the photo that is zoomed about `origin` in it, 0 to 1.
export const lineInPhoto = (swipe, origin, zoom) => clamp(origin + (swipe / 100 - origin) / zoom, 0, 1);

// The edits of a photo are words, as in the address: "flip", "scramble4", "cover12".
export const numberOf = (words, name) => Number(words.find((word) => word.startsWith(name))?.slice(name.length) ?? 0);
export const withNumber = (words, name, value) => [...words.filter((word) => !word.startsWith(name)), ...(value ? [name + value] : [])];
export const toggled = (words, word) => (words.includes(word) ? words.filter((each) => each !== word) : [...words, word]);
