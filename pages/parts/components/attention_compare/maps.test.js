import assert from "node:assert/strict";
import test from "node:test";
import {cellAt, differenceOfMaps, lineInPhoto, multiple, numberOf, pooled, signedMultiple, toggled, withNumber} from "./maps.js";

test("a map on half the grid is the mean of each four cells", () => {
  const values = [1, 3, 0, 0, 5, 7, 0, 8, 2, 2, 4, 4, 2, 2, 4, 4];
  assert.deepEqual([...pooled(values, [4, 4], [2, 2])], [4, 2, 2, 4]);
});

test("cells that two coarse cells share count by their area", () => {
  // three cells on two: the middle one is half in either, so (1 + 0.5 * 4) / 1.5 and (0.5 * 4 + 7) / 1.5
  assert.deepEqual([...pooled([1, 4, 7], [1, 3], [1, 2])], [2, 6]);
});

test("the difference is on the coarser grid of each direction, with 127.5 for none", () => {
  const {grid, values} = differenceOfMaps({values: [255, 0], grid: [1, 2]}, {values: [0, 0, 0, 0], grid: [2, 2]});
  assert.deepEqual(grid, [1, 2]);
  assert.deepEqual([...values], [255, 127.5]);
});

test("a place in the picture is in a cell", () => {
  assert.deepEqual(cellAt({u: 0.99, v: 0.5}, [4, 8]), [2, 7]);
});

test("values are read as multiples of the average; the end of the scale is a bound", () => {
  assert.equal(multiple(51, 5), "1.0×");
  assert.equal(multiple(255, 5), "≥ 5×");
  assert.equal(signedMultiple(255, 4), "+4.0×");
  assert.equal(signedMultiple(63.75, 4), "−2.0×");
});

test("the line under the slider stays on the photo, also where that is zoomed", () => {
  assert.equal(lineInPhoto(50, 0.5, 1), 0.5);
  assert.equal(lineInPhoto(25, 0.5, 1), 0.25);
  assert.equal(lineInPhoto(100, 0.5, 2), 0.75); // the right edge of the tile shows the photo's 0.75
});

test("edits of the photo are words that are switched on and off", () => {
  assert.deepEqual(toggled(["flip"], "cover3"), ["flip", "cover3"]);
  assert.deepEqual(toggled(["flip", "cover3"], "flip"), ["cover3"]);
  assert.equal(numberOf(["flip", "scramble4"], "scramble"), 4);
  assert.equal(numberOf([], "scramble"), 0);
  assert.deepEqual(withNumber(["scramble4", "flip"], "scramble", 8), ["flip", "scramble8"]);
  assert.deepEqual(withNumber(["scramble8", "flip"], "scramble", 0), ["flip"]);
});
